//! The services of a gateway while others replace them.

use std::{fmt, net::IpAddr, sync::Arc};

use arc_swap::{ArcSwap, Guard};
use http::{HeaderMap, Method};
use portcullis_axum::serve::TrustedProxies;
use portcullis_core::{Auth, BoxFuture, BuildError, Clock, Opening, Policy, RequestHead, Standing};
use tokio::sync::watch;

use super::{Gateway, directory::Directory, service::Service, target::Target};

/// All versions of a gateway: the one that is in use.
#[derive(Debug)]
pub(super) struct Versions {
    now: ArcSwap<Directory>,
    numbers: watch::Sender<u64>,
    clock: Arc<dyn Clock>,
}

impl Versions {
    pub(super) fn new(directory: Directory, clock: Arc<dyn Clock>) -> Self {
        Self { now: ArcSwap::from_pointee(directory), numbers: watch::Sender::new(0), clock }
    }

    /// All that a request goes by, of the version that is in use: taken once for each request, and not held while something is waited for.
    pub(super) fn now(&self) -> Guard<Arc<Directory>> {
        self.now.load()
    }
}

/// Other services for a gateway, ready and not yet in use.
#[derive(Debug)]
#[must_use = "services are not in use before they are committed"]
pub struct Prepared {
    versions: Arc<Versions>,
    directory: Directory,
}

impl Prepared {
    /// The same with other proxies whose forwarding headers are believed. Default: those of the version before.
    pub fn trusting(mut self, proxies: TrustedProxies) -> Self {
        self.directory.proxies = proxies;
        self
    }

    /// Puts them in use, for every request that comes from now on. Those in flight are finished by the services that they
    /// began with; open WebSockets that the new ones would not open are closed with code 1008.
    pub fn commit(self) {
        let Self { versions, directory } = self;
        let number = directory.number;
        versions.now.store(Arc::new(directory));
        versions.numbers.send_replace(number);
    }
}

impl Gateway {
    /// Makes other services ready. Connections to upstreams that stay the same are kept.
    ///
    /// # Errors
    ///
    /// As [`Gateway::new`]; the services are left as they are.
    pub fn prepare(&self, services: impl IntoIterator<Item = Service>) -> Result<Prepared, BuildError> {
        let versions = Arc::clone(&self.0);
        let now = versions.now();
        let mut directory =
            Directory::following(services.into_iter().collect(), &versions.clock, Some(&now))?;
        directory.number = now.number.saturating_add(1);
        Ok(Prepared { versions, directory })
    }
}

/// In a request's extensions: by which version it is served.
#[derive(Clone, Debug)]
pub(super) struct ServedBy {
    versions: Arc<Versions>,
    number: u64,
}

impl ServedBy {
    pub(super) const fn new(versions: Arc<Versions>, number: u64) -> Self {
        Self { versions, number }
    }

    /// On what the request's admission stands.
    pub(super) fn standing(
        self,
        method: &Method,
        path: &str,
        target: &Target,
        client: Option<IpAddr>,
        opening: Opening,
    ) -> Arc<dyn Standing> {
        let (method, path, target) = (method.clone(), path.into(), target.clone());
        Arc::new(OfWebSocket { served_by: self, method, path, target, client, opening })
    }
}

/// A WebSocket through the gateway.
struct OfWebSocket {
    served_by: ServedBy,
    method: Method,
    path: Box<str>,
    target: Target,
    client: Option<IpAddr>,
    opening: Opening,
}

impl Standing for OfWebSocket {
    fn admitted_by(&self) -> u64 {
        self.served_by.number
    }

    fn version(&self) -> u64 {
        self.served_by.versions.now.load().number
    }

    fn replaced(&self, seen: u64) -> BoxFuture<'static, ()> {
        let mut numbers = self.served_by.versions.numbers.subscribe();
        Box::pin(async move {
            // The sender lives as long as whoever asks.
            if numbers.wait_for(|number| *number != seen).await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }

    fn guard(&self) -> Option<(Auth, Policy)> {
        let directory = self.served_by.versions.now.load();
        let entry = directory.find(self.target.path(&self.path))?;
        if directory.meets_another(self.target.path(&self.path), entry) {
            return None;
        }
        let headers = HeaderMap::new();
        let head = RequestHead::new(&self.method, &self.path, &headers);
        entry.front.site().guard(&head, &self.target)
    }

    fn client(&self) -> Option<IpAddr> {
        self.client
    }

    fn opening(&self) -> Option<&Opening> {
        Some(&self.opening)
    }
}

impl fmt::Debug for OfWebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Standing").field("number", &self.served_by.number).finish_non_exhaustive()
    }
}
