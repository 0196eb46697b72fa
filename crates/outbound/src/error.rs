//! Why there is no answer.

use std::{borrow::Cow, error::Error, fmt, io, sync::Arc, time::Duration};

use http::StatusCode;
use portcullis_core::TokenError;

use crate::Endpoint;

/// Why there is no answer, or none that can be used. Names the endpoint and holds no secret and nothing of a body.
///
/// Cheap to clone: all who wait for one call may have it.
#[derive(Clone)]
pub struct OutboundError(Arc<Inner>);

struct Inner {
    endpoint: Endpoint,
    kind: OutboundErrorKind,
    message: Cow<'static, str>,
    transient: bool,
    status: Option<StatusCode>,
    retry_after: Option<Duration>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// The kinds of [`OutboundError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OutboundErrorKind {
    /// Plain http to another machine, which nobody allowed. Nothing was sent.
    NotPermitted,
    /// There is no connection: the name is unknown, nobody listens, the machine is away.
    Connect,
    /// The two sides do not agree on TLS, or one does not trust the other.
    Tls,
    /// Not in time.
    Timeout,
    /// The connection was lost before the answer was whole.
    Interrupted,
    /// The answer is not HTTP as it was asked for.
    Protocol,
    /// The answer is a redirect, which is not followed.
    Redirect,
    /// The answer is over a bound.
    TooLarge,
    /// There is no token to call with.
    Token,
}

impl OutboundErrorKind {
    /// Whether the matter may mend itself.
    const fn is_transient(self) -> bool {
        match self {
            Self::Connect | Self::Timeout | Self::Interrupted => true,
            Self::NotPermitted
            | Self::Tls
            | Self::Protocol
            | Self::Redirect
            | Self::TooLarge
            | Self::Token => false,
        }
    }
}

impl OutboundError {
    pub(crate) fn new(
        endpoint: &Endpoint,
        kind: OutboundErrorKind,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self(Arc::new(Inner {
            endpoint: endpoint.clone(),
            kind,
            message: message.into(),
            transient: kind.is_transient(),
            status: None,
            retry_after: None,
            source: None,
        }))
    }

    /// What `cause` means, which a call ended with. `message` is for kinds that cannot be told from it.
    pub(crate) fn caused(
        endpoint: &Endpoint,
        otherwise: OutboundErrorKind,
        cause: impl Error + Send + Sync + 'static,
    ) -> Self {
        let kind = kind_of(&cause).unwrap_or(otherwise);
        let message = match kind {
            OutboundErrorKind::Tls => "no TLS with this server",
            OutboundErrorKind::Timeout => "no connection in time",
            OutboundErrorKind::Connect => "cannot connect",
            OutboundErrorKind::TooLarge => "answers with headers over the bound",
            OutboundErrorKind::Protocol => "the answer is not HTTP as it was asked for",
            _ => "the connection was lost before the answer was whole",
        };
        Self::new(endpoint, kind, message).change(|inner| inner.source = Some(Arc::new(cause)))
    }

    pub(crate) fn no_token(endpoint: &Endpoint, error: TokenError) -> Self {
        Self::new(endpoint, OutboundErrorKind::Token, "there is no token to call it with").change(|inner| {
            inner.transient = error.is_transient();
            inner.retry_after = error.retry_after();
            inner.source = Some(Arc::new(error));
        })
    }

    /// The same, about an answer with this status. What a server says in trouble mends itself.
    pub(crate) fn answered(self, status: StatusCode, retry_after: Option<Duration>) -> Self {
        self.change(|inner| {
            inner.transient |= status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
            inner.status = Some(status);
            inner.retry_after = retry_after;
        })
    }

    pub(crate) fn with_source(self, source: impl Error + Send + Sync + 'static) -> Self {
        self.change(|inner| inner.source = Some(Arc::new(source)))
    }

    fn change(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            change(inner);
        }
        self
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> OutboundErrorKind {
        self.0.kind
    }

    /// The endpoint that was called.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }

    /// The status of the answer, where there was one.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.0.status
    }

    /// Whether asking again later may help without anybody changing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.0.transient
    }

    /// The span after which asking again makes sense, where the server says so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }
}

impl fmt::Display for OutboundError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.endpoint, self.0.message)
    }
}

/// Prints the message and its causes.
impl fmt::Debug for OutboundError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        let mut cause = self.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl Error for OutboundError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_ref().map(|source| &**source as &(dyn Error + 'static))
    }
}

/// No connection within the time for it.
#[derive(Debug)]
pub(crate) struct ConnectTimedOut(pub(crate) Duration);

impl fmt::Display for ConnectTimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "name, TCP and TLS took more than {:?}", self.0)
    }
}

impl Error for ConnectTimedOut {}

/// The server does not speak the version that the configuration wants.
#[derive(Debug)]
pub(crate) struct NoHttp2;

impl fmt::Display for NoHttp2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server does not offer HTTP/2: remove `httpVersion`")
    }
}

impl Error for NoHttp2 {}

/// What an error of the libraries below is, where it or a cause of it says so.
fn kind_of(error: &(dyn Error + 'static)) -> Option<OutboundErrorKind> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<ConnectTimedOut>() {
            return Some(OutboundErrorKind::Timeout);
        }
        if error.is::<NoHttp2>() {
            return Some(OutboundErrorKind::Protocol);
        }
        if error.is::<rustls::Error>() {
            return Some(OutboundErrorKind::Tls);
        }
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            if error.is_parse_too_large() {
                return Some(OutboundErrorKind::TooLarge);
            }
            if error.is_parse() {
                return Some(OutboundErrorKind::Protocol);
            }
        }
        // An error inside an I/O error is not its source, but in its place.
        cause = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}
