use std::{fmt, future::pending, io, net::SocketAddr, sync::Arc};

use portcullis_core::{BuildError, Provider};
use tokio::{
    net::TcpListener,
    sync::{oneshot, watch},
};

use super::{
    App, ListenerConfig, TrustedProxies, accept,
    admin::{self, Page, Readiness},
    config::Limits,
    connection::Shared,
    metrics::Metrics,
    reconfigure::{ListenerHandle, Settings},
    servers::Watched,
    shutdown::Signals,
};

/// A listener whose addresses are taken: connections queue up from now on.
///
/// ```no_run
/// # use portcullis_axum::serve::{Listener, ListenerConfig};
/// # async fn run(app: axum::Router, stop: tokio::sync::oneshot::Receiver<()>) -> Result<(), portcullis_core::BuildError> {
/// let listener = Listener::bind(&ListenerConfig::default()).await?;
/// println!("listening on {}", listener.local_addr());
/// listener.serve_with_shutdown(app, async { drop(stop.await) }).await;
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is answered before it serves"]
pub struct Listener {
    service: TcpListener,
    address: SocketAddr,
    admin: Option<(TcpListener, SocketAddr)>,
    shared: Arc<Shared>,
    handle: ListenerHandle,
    servers: Watched,
    page: Option<Page>,
}

/// Those who watch a service are few.
const ADMIN_CONNECTIONS: usize = 64;

impl Listener {
    /// Takes the addresses.
    ///
    /// # Errors
    ///
    /// Where one cannot be had, or other machines reach it and it is neither HTTPS nor allowed by name.
    pub async fn bind(config: &ListenerConfig) -> Result<Self, BuildError> {
        config.check()?;
        let (service, address) = bind(config.address).await?;
        let admin = match config.admin {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let servers = Watched::default();
        let (handle, settings) = ListenerHandle::new(config, servers.clone());
        let shared = Arc::new(Shared { settings, metrics: Arc::new(Metrics::default()) });
        Ok(Self { service, address, admin, shared, handle, servers, page: None })
    }

    /// Has the admin endpoint's metrics show the servers that these providers depend on, as they were last seen.
    pub fn watching(self, providers: impl IntoIterator<Item = Arc<dyn Provider>>) -> Self {
        self.servers.add(providers);
        self
    }

    /// Has the admin endpoint's metrics go on with what `page` gives, in the text format of Prometheus: numbers of your
    /// own, under other names than those of the listener. Where they tell of servers, as `AuthMetrics` does, leave
    /// [`Listener::watching`] out: a page must not hold a series twice.
    pub fn metrics_page(mut self, page: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.page = Some(Arc::new(page));
        self
    }

    /// What replaces its keys, certificates and limits while it serves.
    #[must_use]
    pub fn handle(&self) -> ListenerHandle {
        self.handle.clone()
    }

    /// Where it listens; the port is the real one where 0 was asked for.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Where the admin endpoints are, if anywhere.
    #[must_use]
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(|(_, address)| *address)
    }

    /// Whether it is HTTPS.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.shared.settings.borrow().tls.is_some()
    }

    /// Serves until the process gets SIGTERM or SIGINT, and then finishes what is in flight. A second signal ends it
    /// at once.
    ///
    /// # Errors
    ///
    /// Where the process cannot wait for signals.
    pub async fn serve(self, app: impl App) -> Result<(), BuildError> {
        let mut first = Signals::install()?;
        let mut second = Signals::install()?;
        let stop = async move { first.next().await };
        let hurry = async move {
            // Both get the first.
            second.next().await;
            second.next().await;
        };
        self.run(app, stop, hurry).await;
        Ok(())
    }

    /// Serves until `shutdown` completes. Then it accepts nothing more, tells clients to leave (`Connection: close`,
    /// GOAWAY), is not ready for its admin endpoint, and returns once all requests in flight are answered or
    /// [`shutdown_timeout`](ListenerConfig::shutdown_timeout) has passed.
    ///
    /// WebSockets that tell it so with [`Stopping`](super::Stopping) are waited for as well, which those of
    /// `GuardedUpgrade` do: they are closed with code 1001. Others belong to their handlers alone.
    pub async fn serve_with_shutdown(self, app: impl App, shutdown: impl Future<Output = ()> + Send) {
        self.run(app, shutdown, pending()).await;
    }

    async fn run(self, app: impl App, stop: impl Future<Output = ()>, hurry: impl Future<Output = ()>) {
        // The handle stays: connections ask it for as long as there are any.
        let Self { service, admin, shared, servers, page, handle: _handle, .. } = self;
        let readiness = Arc::new(Readiness::default());
        readiness.set(true);
        let (finished, finish) = oneshot::channel::<()>();
        let watched = async {
            let Some((listener, _)) = admin else { return };
            let router = admin::router(shared.metrics.clone(), servers, page, readiness.clone());
            let settings = Settings {
                tls: None,
                limits: Limits { connections: ADMIN_CONNECTIONS, ..Limits::default() },
                trusted_proxies: Arc::new(TrustedProxies::default()),
            };
            let (_fixed, settings) = watch::channel(Arc::new(settings));
            let own = Arc::new(Shared { settings, metrics: Arc::new(Metrics::default()) });
            // Nobody waits for a probe.
            accept::run(listener, router, own, async { drop(finish.await) }, async {}).await;
        };
        let served = async {
            let stop = async {
                stop.await;
                readiness.set(false);
            };
            accept::run(service, app, shared.clone(), stop, hurry).await;
            drop(finished);
        };
        tokio::join!(served, watched);
    }
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), BuildError> {
    let bound = match TcpListener::bind(address).await {
        Ok(listener) => listener.local_addr().map(|address| (listener, address)),
        Err(error) => Err(error),
    };
    bound.map_err(|error| {
        let remedy = match error.kind() {
            io::ErrorKind::AddrInUse => "another program listens there; stop it, or choose another port",
            io::ErrorKind::PermissionDenied => "ports below 1024 need a privilege; choose another port",
            io::ErrorKind::AddrNotAvailable => "this machine has no such address",
            _ => "see the cause",
        };
        BuildError::new(format!("cannot listen on {address}: {remedy}")).with_source(error)
    })
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("address", &self.address)
            .field("secure", &self.is_secure())
            .field("admin", &self.admin_addr())
            .finish_non_exhaustive()
    }
}
