//! What a listener is asked for.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use portcullis_core::BuildError;
use portcullis_keys::{KeyError, ServerTls};

use super::{TrustedProxies, reconfigure::Tls};

/// What a listener is asked for: from `[listener]` by [`ListenerConfig::read`], or in code.
///
/// ```
/// use std::{net::SocketAddr, time::Duration};
/// use portcullis_axum::serve::ListenerConfig;
///
/// let config = ListenerConfig::new(SocketAddr::from(([127, 0, 0, 1], 0))).idle_timeout(Duration::from_secs(30));
/// assert!(!config.is_secure());
/// ```
#[derive(Clone)]
#[must_use]
pub struct ListenerConfig {
    pub(super) address: SocketAddr,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) allow_insecure_http: bool,
    pub(super) limits: Limits,
    pub(super) trusted_proxies: TrustedProxies,
    pub(super) admin: Option<SocketAddr>,
    pub(super) allow_remote_admin: bool,
}

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) handshake: Duration,
    pub(super) header: Duration,
    pub(super) idle: Duration,
    pub(super) shutdown: Duration,
    pub(super) connections: usize,
    pub(super) header_bytes: usize,
    pub(super) streams: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            header: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            shutdown: Duration::from_secs(30),
            connections: 10_000,
            header_bytes: 64 << 10,
            streams: 100,
        }
    }
}

/// `127.0.0.1:9090` in clear text.
impl Default for ListenerConfig {
    fn default() -> Self {
        Self::new(SocketAddr::from((Ipv4Addr::LOCALHOST, 9090)))
    }
}

impl ListenerConfig {
    /// A listener on `address`, in clear text unless [`secure`](Self::secure) is called. Port 0 is any free one.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            tls: None,
            allow_insecure_http: false,
            limits: Limits::default(),
            trusted_proxies: TrustedProxies::default(),
            admin: None,
            allow_remote_admin: false,
        }
    }

    /// Where to listen instead.
    pub fn with_address(self, address: SocketAddr) -> Self {
        Self { address, ..self }
    }

    /// HTTPS with this key, certificate and, perhaps, client certificates.
    ///
    /// # Errors
    ///
    /// Where they do not make a TLS configuration.
    pub fn secure(self, tls: ServerTls) -> Result<Self, KeyError> {
        let (config, clients) = tls.build_with_check()?;
        Ok(Self { tls: Some(Arc::new(Tls { config, clients })), ..self })
    }

    /// With the TLS of another, sessions included: where a configuration was read anew in which nothing of it changed.
    pub fn keeping_tls_of(self, other: &Self) -> Self {
        Self { tls: other.tls.clone(), ..self }
    }

    /// Clear text on an address that other machines reach: a proxy in front ends TLS.
    ///
    /// # Security
    ///
    /// Credentials then cross the network as they are.
    pub fn allow_insecure_http(self) -> Self {
        Self { allow_insecure_http: true, ..self }
    }

    /// How long a TLS handshake may take; at most a day. 10 s.
    pub fn handshake_timeout(mut self, span: Duration) -> Self {
        self.limits.handshake = span.min(LONGEST);
        self
    }

    /// How long a client may take for the head of a request; at most a day. 10 s.
    pub fn header_timeout(mut self, span: Duration) -> Self {
        self.limits.header = span.min(LONGEST);
        self
    }

    /// How long nothing may move on a connection while it is the client's turn; at most a day. 60 s.
    pub fn idle_timeout(mut self, span: Duration) -> Self {
        self.limits.idle = span.min(LONGEST);
        self
    }

    /// How long requests in flight may take once the service is told to stop; at most a day. 30 s.
    pub fn shutdown_timeout(mut self, span: Duration) -> Self {
        self.limits.shutdown = span.min(LONGEST);
        self
    }

    /// How many connections there are at most at one time; at least one. 10,000.
    pub fn max_connections(mut self, count: usize) -> Self {
        self.limits.connections = count.clamp(1, MAX_CONNECTIONS);
        self
    }

    /// How many bytes a request's line and headers may have together. 64 KiB; from 8 to 256 KiB.
    pub fn max_header_bytes(mut self, bytes: usize) -> Self {
        self.limits.header_bytes = bytes.clamp(MIN_HEADER_BYTES, MAX_HEADER_BYTES);
        self
    }

    /// How many requests an HTTP/2 connection may carry at one time; at least one. 100.
    pub fn max_concurrent_streams(mut self, count: u32) -> Self {
        self.limits.streams = count.max(1);
        self
    }

    /// The proxies whose forwarding headers are believed. None.
    pub fn with_trusted_proxies(self, proxies: TrustedProxies) -> Self {
        Self { trusted_proxies: proxies, ..self }
    }

    /// A second listener, in clear text, for `/livez`, `/readyz` and `/metrics`. None unless asked for.
    pub fn admin(self, address: SocketAddr) -> Self {
        Self { admin: Some(address), ..self }
    }

    /// The admin address may be one that other machines reach.
    ///
    /// # Security
    ///
    /// Whoever reaches it reads the metrics, without a credential.
    pub fn allow_remote_admin(self) -> Self {
        Self { allow_remote_admin: true, ..self }
    }

    /// Where to listen.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the admin endpoints are, if anywhere.
    #[must_use]
    pub const fn admin_address(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// Whether it is HTTPS.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    /// The proxies whose forwarding headers are believed.
    #[must_use]
    pub const fn trusted_proxies(&self) -> &TrustedProxies {
        &self.trusted_proxies
    }

    /// Whether credentials would cross a network in clear text without a word about it.
    pub(super) fn check(&self) -> Result<(), BuildError> {
        if !self.is_secure() && !self.allow_insecure_http && !is_loopback(self.address.ip()) {
            return Err(BuildError::new(format!("{}: {INSECURE}", self.address)));
        }
        match self.admin {
            Some(admin) if !self.allow_remote_admin && !is_loopback(admin.ip()) => {
                Err(BuildError::new(format!("{admin}: {REMOTE_ADMIN}")))
            }
            _ => Ok(()),
        }
    }
}

/// The longest time-out: beyond it the limit would not be one.
pub(super) const LONGEST: Duration = Duration::from_secs(24 * 3600);

pub(super) const MAX_CONNECTIONS: usize = 1_000_000;
/// hyper reads no less at once.
pub(super) const MIN_HEADER_BYTES: usize = 8 << 10;
/// The buffer is the client's to fill.
pub(super) const MAX_HEADER_BYTES: usize = 256 << 10;

pub(super) const INSECURE: &str = "other machines reach this address, and plain HTTP would show them every credential: \
     set `secureSocket`, listen on 127.0.0.1, or, where a proxy ends TLS, set `allowInsecureHttp = true`";
pub(super) const REMOTE_ADMIN: &str = "other machines reach this address, and metrics are shown without a credential: \
     listen on 127.0.0.1, or set `admin.allowRemote = true`";

pub(super) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Of TLS it says only that there is some: keys are nobody's business.
impl fmt::Debug for ListenerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListenerConfig")
            .field("address", &self.address)
            .field("secure", &self.is_secure())
            .field("limits", &self.limits)
            .field("trusted_proxies", &self.trusted_proxies)
            .field("admin", &self.admin)
            .finish_non_exhaustive()
    }
}
