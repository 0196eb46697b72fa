//! What a listener goes by, and how it is replaced while the listener serves.

use std::{fmt, net::IpAddr, sync::Arc};

use portcullis_core::Provider;
use portcullis_keys::ClientCheck;
use rustls::ServerConfig;
use tokio::sync::watch;

use super::{ClientCertificate, ListenerConfig, TrustedProxies, config::Limits, servers::Watched};

/// TLS, and what judges by it the clients that are connected already.
pub(super) struct Tls {
    pub(super) config: Arc<ServerConfig>,
    pub(super) clients: ClientCheck,
}

/// What a listener goes by. A connection keeps what it began with.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) limits: Limits,
    pub(super) trusted_proxies: Arc<TrustedProxies>,
}

impl Settings {
    pub(super) fn of(config: &ListenerConfig) -> Self {
        Self {
            tls: config.tls.clone(),
            limits: config.limits,
            trusted_proxies: Arc::new(config.trusted_proxies.clone()),
        }
    }
}

/// Replaces what a listener goes by, while it serves. From [`Listener::handle`](super::Listener::handle). Cheap to clone.
#[derive(Clone)]
pub struct ListenerHandle {
    settings: Arc<watch::Sender<Arc<Settings>>>,
    /// What was asked for at the start.
    bound: ListenerConfig,
    servers: Watched,
}

impl ListenerHandle {
    pub(super) fn new(config: &ListenerConfig, servers: Watched) -> (Self, watch::Receiver<Arc<Settings>>) {
        let (settings, receiver) = watch::channel(Arc::new(Settings::of(config)));
        (Self { settings: Arc::new(settings), bound: config.clone(), servers }, receiver)
    }

    /// Has the admin endpoint's metrics show the servers of these providers instead of those before.
    pub fn watching(&self, providers: impl IntoIterator<Item = Arc<dyn Provider>>) {
        self.servers.replace(providers);
    }

    /// Has new connections go by `config`: its keys, certificates, trusted client authorities, time-outs and sizes. TLS
    /// sessions from before are not resumed, unless the TLS is the very same
    /// ([`ListenerConfig::keeping_tls_of`]). Open connections go on by what they began with, but for
    ///
    /// - those whose client certificate, or the lack of one, the new configuration does not accept: what is in flight is
    ///   finished within the [`shutdown_timeout`](ListenerConfig::shutdown_timeout), and the connection closed. WebSockets
    ///   on it are closed with code 1008;
    /// - those whose peer became a trusted proxy, or is none any more: the same, and WebSockets stay open.
    ///
    /// What comes back are the keys of which another value was found that takes effect at the next start only.
    #[expect(clippy::must_use_candidate, reason = "it is done, whoever wants to know the rest")]
    pub fn reconfigure(&self, config: &ListenerConfig) -> Vec<&'static str> {
        let bound = &self.bound;
        let mut settings = Settings::of(config);
        let mut later = Vec::new();
        let differs = |differs: bool, key| differs.then_some(key);
        later.extend(differs(config.address != bound.address, "listener.address"));
        later.extend(differs(config.admin != bound.admin, "listener.admin"));
        let connections = bound.limits.connections;
        later.extend(differs(settings.limits.connections != connections, "listener.maxConnections"));
        if config.tls.is_some() != bound.tls.is_some() {
            later.push("listener.secureSocket");
        }
        self.settings.send_modify(|now| {
            if settings.tls.is_some() != now.tls.is_some() {
                settings.tls.clone_from(&now.tls);
            }
            *now = Arc::new(settings);
        });
        later
    }
}

/// For how long a connection may go on, as far as the listener's settings have a say in it.
#[derive(Clone)]
pub(super) struct Tenure {
    settings: watch::Receiver<Arc<Settings>>,
    began_with: Arc<Settings>,
    peer: IpAddr,
    certificate: Option<ClientCertificate>,
}

/// Why it may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// What the client showed in the handshake is not good any more.
    Certificate,
    /// The peer became a trusted proxy, or is none any more.
    Trust,
}

impl Tenure {
    pub(super) fn begin(mut settings: watch::Receiver<Arc<Settings>>, peer: IpAddr) -> (Self, Arc<Settings>) {
        let began_with = settings.borrow_and_update().clone();
        (Self { settings, began_with: began_with.clone(), peer, certificate: None }, began_with)
    }

    pub(super) fn showing(self, certificate: Option<ClientCertificate>) -> Self {
        Self { certificate, ..self }
    }

    /// What looks at the settings when requests come.
    pub(super) fn lookout(self) -> Lookout {
        Lookout { now: self.began_with.clone(), tenure: self, is_over: false }
    }

    /// Completes once it is over. Nothing is lost when the future is dropped.
    pub(super) async fn over(&mut self) -> Over {
        loop {
            let now = self.settings.borrow().clone();
            if let Some(over) = self.judged_by(&now) {
                return over;
            }
            if self.settings.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Completes once the client's certificate is not accepted any more.
    pub(super) async fn certificate_over(&mut self) {
        loop {
            let now = self.settings.borrow_and_update().clone();
            if self.judged_by(&now) == Some(Over::Certificate) {
                return;
            }
            if self.settings.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    fn judged_by(&self, now: &Arc<Settings>) -> Option<Over> {
        let then = &self.began_with;
        if Arc::ptr_eq(now, then) {
            return None;
        }
        if let (Some(tls), Some(before)) = (&now.tls, &then.tls)
            && !Arc::ptr_eq(tls, before)
        {
            let shown = self.certificate.as_ref().map_or(&[][..], ClientCertificate::certificates);
            if !tls.clients.accepts(shown) {
                return Some(Over::Certificate);
            }
        }
        let trusts = |settings: &Settings| settings.trusted_proxies.contains(self.peer);
        (trusts(now) != trusts(then)).then_some(Over::Trust)
    }
}

/// Looks at the listener's settings when a request comes on a connection that is open. A client that was told to leave
/// need not do so at once, and must gain nothing by staying.
pub(super) struct Lookout {
    tenure: Tenure,
    now: Arc<Settings>,
    is_over: bool,
}

impl Lookout {
    /// The proxies to believe, and whether the client's certificate is still accepted.
    pub(super) fn look(&mut self) -> (&TrustedProxies, bool) {
        let Self { tenure, now, is_over } = self;
        if tenure.settings.has_changed().unwrap_or(false) {
            *now = tenure.settings.borrow_and_update().clone();
            *is_over = tenure.judged_by(now) == Some(Over::Certificate);
        }
        (&now.trusted_proxies, !*is_over)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

impl fmt::Debug for ListenerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListenerHandle").field("bound", &self.bound).finish_non_exhaustive()
    }
}

impl fmt::Debug for Tenure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenure").field("peer", &self.peer).finish_non_exhaustive()
    }
}
