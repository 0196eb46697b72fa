//! On what an admission stands: what judges it again when the configuration changes.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use http::{HeaderMap, Method};

use super::{Cell, Snapshot, Verdict, reconsider};
use crate::{
    Auth, BoxFuture, Clock, CredentialSources, Policy, Principal, RequestHead,
    credential::{Place, websocket},
    lease::Again,
};

/// What judges an admission again when another version of the configuration is in use.
///
/// Layers attach it to the admissions of services that follow a configuration ([`LiveAuth`](crate::LiveAuth)); a
/// [`Lease`](crate::Lease) asks it while the connection is open. Implement it where requests are told apart in another
/// way, as a gateway of many services does.
pub trait Standing: fmt::Debug + Send + Sync + 'static {
    /// The version that let the request in.
    fn admitted_by(&self) -> u64;

    /// The version that is in use. Later ones have higher numbers.
    fn version(&self) -> u64;

    /// Completes once another version than `seen` is in use.
    fn replaced(&self, seen: u64) -> BoxFuture<'static, ()>;

    /// What guards such a request in the version that is in use: its service and its policy. `None` where nothing
    /// serves it any more.
    fn guard(&self) -> Option<(Auth, Policy)>;

    /// The caller's address, where it is known.
    fn client(&self) -> Option<IpAddr>;

    /// What the request was like that was let in. `None` where that is not known: then a version that looks for credentials
    /// elsewhere makes no difference.
    fn opening(&self) -> Option<&Opening> {
        None
    }
}

/// What of a request later versions judge that it was let in by, beside its method and path.
#[derive(Clone, Debug)]
pub struct Opening {
    place: Place,
    may_open: bool,
}

impl Opening {
    /// That of a request which `auth` decides on, with its headers as they came.
    #[must_use]
    pub fn of(auth: &Auth, request: &RequestHead<'_>) -> Self {
        Self {
            place: Place::of(auth.credential_sources(), request.method, request.headers),
            may_open: websocket::may_open(request.method, request.headers),
        }
    }

    /// Whether its credential stood where these look for it.
    pub(crate) fn counts_in(&self, sources: &CredentialSources) -> bool {
        self.place.is_among(sources)
    }

    /// Whether its answer may be a connection that stays open.
    pub(crate) const fn may_open(&self) -> bool {
        self.may_open
    }
}

/// An admission that is held to every version.
#[derive(Clone)]
pub(crate) struct Held {
    pub(crate) standing: Arc<dyn Standing>,
    /// `None` where the request was let in without one.
    pub(crate) principal: Option<Principal>,
    /// Whether elements are asked again as often as `revalidateInterval` says.
    pub(crate) asks: bool,
}

impl Held {
    pub(crate) fn asking(self) -> Self {
        Self { asks: true, ..self }
    }

    /// What judges it from now on is what this version's element says. What was before is let go.
    pub(super) fn rest_on(&mut self, policy: &Policy, position: usize) {
        self.principal = self.principal.take().map(|principal| principal.resting_on(policy, position));
    }

    /// Completes with what the first version makes of it that does not let it go on as it did, or after which it goes on
    /// with another life. `seen` is the last version that was looked at.
    /// With it comes how long it took to look.
    pub(crate) async fn judged(
        &mut self,
        seen: &mut u64,
        asking: Option<&Arc<Again>>,
        clock: Option<&Arc<dyn Clock>>,
    ) -> (Verdict, Duration) {
        let now = || clock.map_or(Duration::ZERO, |clock| clock.monotonic());
        loop {
            let version = self.standing.version();
            if version == *seen {
                self.standing.replaced(version).await;
                continue;
            }
            let begun = now();
            let verdict = reconsider::judge(self, asking).await;
            // One that came meanwhile is looked at next.
            *seen = version;
            if !matches!(verdict, Verdict::Stays) {
                return (verdict, now().saturating_sub(begun));
            }
        }
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("principal", &self.principal).finish_non_exhaustive()
    }
}

/// A request to a service that follows a configuration.
struct OfRequest {
    cell: Arc<Cell>,
    admitted_by: u64,
    method: Method,
    path: Box<str>,
    route: Option<Box<str>>,
    client: Option<IpAddr>,
    position: Option<usize>,
    opening: Opening,
}

pub(super) fn of_request(
    cell: Arc<Cell>,
    now: &Snapshot,
    request: &RequestHead<'_>,
    position: Option<usize>,
) -> Arc<dyn Standing> {
    Arc::new(OfRequest {
        cell,
        admitted_by: now.version,
        opening: Opening::of(&now.derived.auth, request),
        method: request.method.clone(),
        path: request.path.into(),
        route: request.route.map(Box::from),
        client: request.client,
        position,
    })
}

impl Standing for OfRequest {
    fn admitted_by(&self) -> u64 {
        self.admitted_by
    }

    fn version(&self) -> u64 {
        self.cell.now.load().version
    }

    fn replaced(&self, seen: u64) -> BoxFuture<'static, ()> {
        let mut versions = self.cell.family.versions.subscribe();
        Box::pin(async move {
            // The sender lives as long as whoever asks: it is never gone.
            if versions.wait_for(|version| *version != seen).await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }

    fn guard(&self) -> Option<(Auth, Policy)> {
        let snapshot = self.cell.now.load();
        let auth = &snapshot.derived.auth;
        let settled = self.position.and_then(|position| snapshot.settled(position, &self.method));
        let policy = match settled {
            Some(policy) => policy,
            None => {
                // Which policy covers a request no header has a say in.
                let headers = HeaderMap::new();
                let head = RequestHead::new(&self.method, &self.path, &headers);
                auth.policy_for(&head.with_route(self.route.as_deref())).ok()?
            }
        };
        Some((auth.clone(), policy.clone()))
    }

    fn client(&self) -> Option<IpAddr> {
        self.client
    }

    fn opening(&self) -> Option<&Opening> {
        Some(&self.opening)
    }
}

impl fmt::Debug for OfRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Standing").field("admitted_by", &self.admitted_by).finish_non_exhaustive()
    }
}
