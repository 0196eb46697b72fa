//! How a ready client reaches its server.

use std::{fmt, sync::Arc, time::Duration};

use portcullis_core::{BuildError, Clock, SystemClock};
use portcullis_keys::{ClientTls, TrustAnchors, config::explained};
use portcullis_outbound::HttpVersion;
use portcullis_tower::ClientAuth;

#[cfg(feature = "reqwest")]
use super::ReqwestClient;
use super::{HyperClient, join::Base};

/// The default of [`Transport::connect_timeout`].
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The default of [`Transport::request_timeout`]. The calls of a service may take their time; those for its tokens may not.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How a ready client reaches its server: TLS, the version of HTTP, time-outs.
///
/// Cheap to clone. No proxy of the environment is asked.
///
/// ```no_run
/// use portcullis::{ClientAuth, client::{Authorization, Transport}, keys::{ClientTls, TrustAnchors}};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let auth = ClientAuth::builder(Authorization::basic("alice", &"password1".into())?)
///     .url("https://orders.example/base")
///     .build()?;
/// let tls = ClientTls::new(TrustAnchors::from_file("tls/orders-ca.crt")?);
/// let orders = Transport::new().tls(tls).hyper(auth).await?;
/// # drop(orders);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct Transport {
    tls: Option<Result<Arc<rustls::ClientConfig>, BuildError>>,
    pub(super) version: HttpVersion,
    pub(super) connect_timeout: Duration,
    pub(super) request_timeout: Duration,
    pub(super) clock: Arc<dyn Clock>,
}

impl Transport {
    /// The defaults: the system's authorities, the version of HTTP that the server offers, 5 s to connect, 30 s for a request.
    pub fn new() -> Self {
        Self {
            tls: None,
            version: HttpVersion::default(),
            connect_timeout: CONNECT_TIMEOUT,
            request_timeout: REQUEST_TIMEOUT,
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// How https servers are judged, and how the client shows itself to them; by the system's authorities, unless given.
    pub fn tls(mut self, tls: ClientTls) -> Self {
        self.tls = Some(tls.build().map(Arc::new).map_err(|error| BuildError::new(explained(&error))));
        self
    }

    /// Which HTTP is spoken; what the server offers, unless given.
    pub fn http_version(mut self, version: HttpVersion) -> Self {
        self.version = version;
        self
    }

    /// How long looking up the name, TCP and TLS may take together; 5 s unless given.
    pub fn connect_timeout(mut self, span: Duration) -> Self {
        self.connect_timeout = span;
        self
    }

    /// How long a request may take, connecting included; 30 s unless given. It ends where the head of the answer has come for
    /// hyper, and where its body has for reqwest. Getting the token is not part of it.
    pub fn request_timeout(mut self, span: Duration) -> Self {
        self.request_timeout = span;
        self
    }

    /// The clock of a hyper client's time-outs; the machine's unless given.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// A client on hyper that shows `auth`. Contacts nobody.
    ///
    /// # Errors
    ///
    /// When it cannot speak TLS, or a time-out is zero.
    pub async fn hyper(&self, auth: ClientAuth) -> Result<HyperClient, BuildError> {
        self.check()?;
        let tls = self.client_config(&auth).await?;
        Ok(HyperClient::new(self, tls, auth))
    }

    /// A client on reqwest that shows `auth`. Contacts nobody.
    ///
    /// # Errors
    ///
    /// When it cannot speak TLS, or a time-out is zero.
    #[cfg(feature = "reqwest")]
    pub async fn reqwest(&self, auth: ClientAuth) -> Result<ReqwestClient, BuildError> {
        self.check()?;
        let tls = self.client_config(&auth).await?;
        ReqwestClient::new(self, tls, auth)
    }

    /// What cannot work.
    pub(crate) fn check(&self) -> Result<(), BuildError> {
        if self.connect_timeout.is_zero() || self.request_timeout.is_zero() {
            return Err(BuildError::new("a time-out of zero lets no request succeed: make it longer"));
        }
        match &self.tls {
            Some(Err(error)) => Err(error.clone()),
            _ => Ok(()),
        }
    }

    async fn client_config(&self, auth: &ClientAuth) -> Result<rustls::ClientConfig, BuildError> {
        if let Some(given) = &self.tls {
            return given.clone().map(|tls| (*tls).clone());
        }
        // The system's authorities are files.
        let system = tokio::task::spawn_blocking(|| {
            let tls = TrustAnchors::system().and_then(|anchors| ClientTls::new(anchors).build());
            tls.map_err(|error| BuildError::new(explained(&error)))
        });
        let system =
            system.await.unwrap_or_else(|_| Err(BuildError::new("reading the system's authorities failed")));
        let plain = auth.url().and_then(Base::of).is_some_and(|base| base.is_plain());
        match system {
            // A machine that trusts nobody can still call itself.
            Err(_) if plain => trusting_nobody(),
            system => system,
        }
    }
}

/// TLS with which every server is refused.
fn trusting_nobody() -> Result<rustls::ClientConfig, BuildError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder =
        builder.map_err(|error| BuildError::new("rustls refuses its own defaults").with_source(error))?;
    Ok(builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
}

impl Default for Transport {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("tls", &if self.tls.is_some() { "given" } else { "system" })
            .field("version", &self.version)
            .field("connect_timeout", &self.connect_timeout)
            .field("request_timeout", &self.request_timeout)
            .finish_non_exhaustive()
    }
}
