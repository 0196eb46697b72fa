//! `clientConfig` in code.

use std::{error::Error, fmt, str::FromStr, sync::Arc, time::Duration};

use http::{HeaderMap, header::AUTHORIZATION};
use portcullis_core::{BuildError, Clock, Secret, SystemClock, TokenSource};
use portcullis_keys::ClientTls;

use crate::{Endpoint, header, tls::Tls};

/// The default of [`ClientConfig::connect_timeout`].
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The default of [`ClientConfig::request_timeout`].
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// The default of [`ClientConfig::max_body_bytes`].
const MAX_BODY_BYTES: usize = 1 << 20;

/// What an outbound client is for: unverified TLS towards a server of keys needs a second yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Purpose {
    /// Keys that tokens are verified with. Who changes them on the way can make every token.
    Keys,
    /// Tokens.
    Tokens,
}

/// Which HTTP is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpVersion {
    /// What the server offers (ALPN); HTTP/1.1 without TLS.
    #[default]
    Negotiated,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2; without TLS by prior knowledge.
    Http2,
}

/// Reads `1.1`, `2`, `HTTP_1_1` and `HTTP_2`, each with or without Ballerina's prefix `http:`.
impl FromStr for HttpVersion {
    type Err = UnknownHttpVersion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("http:").unwrap_or(text) {
            "1.1" | "HTTP_1_1" => Ok(Self::Http11),
            "2" | "HTTP_2" => Ok(Self::Http2),
            _ => Err(UnknownHttpVersion),
        }
    }
}

/// A text that names no version of HTTP that is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownHttpVersion;

impl fmt::Display for UnknownHttpVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "no version of HTTP that is spoken: \"1.1\" and \"2\" are; without the key, it is negotiated",
        )
    }
}

impl Error for UnknownHttpVersion {}

/// `clientConfig` in code: how servers of keys and tokens are called.
///
/// Cheap to clone. What is wrong with it is said by [`HttpClient::new`](crate::HttpClient::new).
#[derive(Clone)]
#[must_use]
pub struct ClientConfig {
    pub(crate) version: HttpVersion,
    pub(crate) headers: Vec<(String, Secret)>,
    pub(crate) payload: Vec<(String, Secret)>,
    pub(crate) auth: Option<Arc<dyn TokenSource>>,
    pub(crate) tls: Tls,
    pub(crate) connect_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) allow_insecure_http: bool,
    pub(crate) max_body_bytes: usize,
    pub(crate) clock: Arc<dyn Clock>,
}

impl ClientConfig {
    /// The defaults: the system's authorities, 5 s to connect, 10 s for a call, 1 MiB of body.
    pub fn new() -> Self {
        Self {
            version: HttpVersion::default(),
            headers: Vec::new(),
            payload: Vec::new(),
            auth: None,
            tls: Tls::default(),
            connect_timeout: CONNECT_TIMEOUT,
            request_timeout: REQUEST_TIMEOUT,
            allow_insecure_http: false,
            max_body_bytes: MAX_BODY_BYTES,
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Which HTTP is spoken; what the server offers, unless given.
    pub fn http_version(mut self, version: HttpVersion) -> Self {
        self.version = version;
        self
    }

    /// Adds a header to every request. Those of the connection and of the message (`Host`, `Content-Type`…) cannot be set.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Secret>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds a parameter to every form (`customPayload`). It is encoded when it is sent. What a form says itself goes before it.
    pub fn payload(mut self, name: impl Into<String>, value: impl Into<Secret>) -> Self {
        self.payload.push((name.into(), value.into()));
        self
    }

    /// Where the token comes from that every request carries.
    pub fn auth(mut self, source: Arc<dyn TokenSource>) -> Self {
        self.auth = Some(source);
        self
    }

    /// How https servers are judged, and how the client shows itself to them; by the system's authorities, unless given.
    pub fn tls(mut self, tls: ClientTls) -> Self {
        self.tls = Tls::given(tls);
        self
    }

    /// How long looking up the name, TCP and TLS may take together; 5 s unless given.
    pub fn connect_timeout(mut self, span: Duration) -> Self {
        self.connect_timeout = span;
        self
    }

    /// How long a whole call may take, from the wish for a token to the last byte of the answer; 10 s unless given.
    pub fn request_timeout(mut self, span: Duration) -> Self {
        self.request_timeout = span;
        self
    }

    /// Whether plain http may go to another machine. Whoever sits between can read and change everything then.
    pub fn allow_insecure_http(mut self, allow: bool) -> Self {
        self.allow_insecure_http = allow;
        self
    }

    /// How many bytes the body of an answer may have; 1 MiB unless given.
    pub fn max_body_bytes(mut self, bytes: usize) -> Self {
        self.max_body_bytes = bytes;
        self
    }

    /// The clock of the deadlines, by which the system's authorities judge certificates, too; the machine's unless given.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        if !self.tls.is_given() {
            self.tls = Tls::default();
        }
        self
    }

    /// Whether the endpoint may be called.
    ///
    /// # Errors
    ///
    /// What is wrong and the remedy, where it is plain http to another machine and nobody allowed that.
    pub fn permits(&self, endpoint: &Endpoint) -> Result<(), String> {
        if endpoint.is_secure() || endpoint.is_loopback() || self.allow_insecure_http {
            return Ok(());
        }
        Err("plain http to another machine can be read and changed by whoever sits between: write https, or set \
             `allowInsecureHttp = true` in `clientConfig`"
            .to_owned())
    }

    /// The source of the token that every request carries.
    #[must_use]
    pub fn token_source(&self) -> Option<&Arc<dyn TokenSource>> {
        self.auth.as_ref()
    }

    /// Whether requests carry an `Authorization` of the configuration's: a token, or a custom header.
    #[must_use]
    pub fn sends_authorization(&self) -> bool {
        self.auth.is_some()
            || self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(AUTHORIZATION.as_str()))
    }

    /// Whether servers that ask for a certificate are shown one (mutual TLS).
    #[must_use]
    pub fn has_client_certificate(&self) -> bool {
        self.tls.has_client_certificate()
    }

    /// How long a whole call may take: [`ClientConfig::request_timeout`].
    #[must_use]
    pub const fn longest_call(&self) -> Duration {
        self.request_timeout
    }

    /// The names of the parameters that are added to every form.
    pub fn payload_names(&self) -> impl Iterator<Item = &str> {
        self.payload.iter().map(|(name, _)| name.as_str())
    }

    /// The custom headers as they are sent.
    pub(crate) fn header_map(&self) -> Result<HeaderMap, BuildError> {
        let mut headers = HeaderMap::with_capacity(self.headers.len());
        for (name, value) in &self.headers {
            let problem = |text: &str| BuildError::new(format!("the custom header {name:?} {text}"));
            let (checked, value) = header::checked(name, value).map_err(problem)?;
            if checked == AUTHORIZATION && self.auth.is_some() {
                return Err(problem("beside a source of tokens would be sent twice: keep one of them"));
            }
            if headers.insert(checked, value).is_some() {
                return Err(problem("is set twice"));
            }
        }
        Ok(headers)
    }

    /// What cannot work.
    pub(crate) fn check(&self) -> Result<(), BuildError> {
        if self.connect_timeout.is_zero() || self.request_timeout.is_zero() {
            return Err(BuildError::new("a time-out of zero lets no call succeed: make it longer"));
        }
        let mut names: Vec<&str> = self.payload_names().collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| matches!(pair, [one, other] if one == other)) || names.contains(&"") {
            return Err(BuildError::new("the custom payload has a parameter twice, or one without a name"));
        }
        self.tls.error().map_or(Ok(()), Err)
    }
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// Shows no value of a header or parameter.
impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("ClientConfig")
            .field("version", &self.version)
            .field("headers", &headers)
            .field("payload", &self.payload_names().collect::<Vec<_>>())
            .field("auth", &self.auth)
            .field("tls", &self.tls)
            .field("connect_timeout", &self.connect_timeout)
            .field("request_timeout", &self.request_timeout)
            .field("allow_insecure_http", &self.allow_insecure_http)
            .field("max_body_bytes", &self.max_body_bytes)
            .finish_non_exhaustive()
    }
}
