//! Why a request does not get its credential.

use std::{error::Error, fmt, time::Duration};

use portcullis_core::TokenError;

/// Why a request did not get its credential: it was not sent.
///
/// Says which client, what is wrong and what to do. Carries no secret, and of a URL scheme, host and port alone.
#[derive(Clone)]
pub struct ClientAuthError(Box<Inner>);

#[derive(Clone)]
struct Inner {
    client: Option<Box<str>>,
    kind: ClientAuthErrorKind,
    /// Where the request would have gone.
    to: Option<Box<str>>,
    source: Option<TokenError>,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientAuthErrorKind {
    /// There is no credential: the [source](Error::source) says why.
    NoCredential,
    /// The request goes to an origin that the client's credential is not for.
    ForeignOrigin,
    /// The request would carry the credential over plain http to another machine.
    PlainHttp,
    /// The request's URL has another scheme than https, http, wss and ws.
    Scheme,
    /// The request's URL does not say where it goes.
    NoOrigin,
    /// On behalf of nobody: the caller showed no token.
    NoSubject,
    /// The client's credential is the service's own, and cannot act on behalf of anybody.
    NotOnBehalf,
}

impl ClientAuthError {
    pub(super) fn new(client: Option<&str>, kind: ClientAuthErrorKind) -> Self {
        Self(Box::new(Inner { client: client.map(Into::into), kind, to: None, source: None }))
    }

    pub(super) fn going_to(mut self, origin: impl fmt::Display) -> Self {
        self.0.to = Some(origin.to_string().into());
        self
    }

    pub(super) fn no_credential(client: Option<&str>, source: TokenError) -> Self {
        let mut error = Self::new(client, ClientAuthErrorKind::NoCredential);
        error.0.source = Some(source);
        error
    }

    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> ClientAuthErrorKind {
        self.0.kind
    }

    /// The client's name, where it has one.
    #[must_use]
    pub fn client(&self) -> Option<&str> {
        self.0.client.as_deref()
    }

    /// Whether sending the request again later may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.0.source.as_ref().is_some_and(TokenError::is_transient)
    }

    /// The span after which sending it again makes sense.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.source.as_ref().and_then(TokenError::retry_after)
    }
}

impl fmt::Display for ClientAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.client {
            Some(client) => write!(f, "client `{client}`: ")?,
            None => f.write_str("client: ")?,
        }
        let to = self.0.to.as_deref().unwrap_or("there");
        match self.0.kind {
            ClientAuthErrorKind::NoCredential => f.write_str("there is no credential to send"),
            ClientAuthErrorKind::ForeignOrigin => write!(
                f,
                "its credential is not for {to}; add that origin to `origins`, or call it without this client"
            ),
            ClientAuthErrorKind::PlainHttp => write!(
                f,
                "its credential would be readable on the way to {to}; call it over https, or set `allowInsecureHttp`"
            ),
            ClientAuthErrorKind::Scheme => f.write_str(
                "its credential travels over https, http, wss and ws only, and the request's URL has another scheme",
            ),
            ClientAuthErrorKind::NoOrigin => f.write_str(
                "the request's URL does not say where the credential would go; give it scheme and host, or say \
                 `bound_to_url` where the client's url is all that is called",
            ),
            ClientAuthErrorKind::NoSubject => f.write_str(
                "the caller showed no token, so there is nobody on whose behalf to call; ask callers for bearer \
                 tokens, or call under the service's own name",
            ),
            ClientAuthErrorKind::NotOnBehalf => f.write_str(
                "its credential is the service's own and acts on behalf of nobody; configure a token exchange",
            ),
        }
    }
}

impl fmt::Debug for ClientAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        match &self.0.source {
            Some(source) => write!(f, ": {source:?}"),
            None => Ok(()),
        }
    }
}

impl Error for ClientAuthError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_ref().map(|source| source as &(dyn Error + 'static))
    }
}

/// Why a request was not answered: it did not get its credential, or the service below failed. Reads as that error does.
#[derive(Clone)]
#[expect(clippy::exhaustive_enums, reason = "closed: it fails here or below")]
pub enum SendError<E> {
    /// It did not get its credential, and was not sent.
    Auth(ClientAuthError),
    /// The service below failed.
    Service(E),
}

impl<E> SendError<E> {
    /// The error within, boxed: for services whose own errors are boxed, which are no [`Error`], as in
    /// `.map_err(SendError::into_boxed)`.
    pub fn into_boxed(self) -> Box<dyn Error + Send + Sync>
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        match self {
            Self::Auth(error) => error.into(),
            Self::Service(error) => error.into(),
        }
    }
}

impl<E> From<ClientAuthError> for SendError<E> {
    fn from(error: ClientAuthError) -> Self {
        Self::Auth(error)
    }
}

impl<E: fmt::Display> fmt::Display for SendError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auth(error) => fmt::Display::fmt(error, f),
            Self::Service(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl<E: fmt::Debug> fmt::Debug for SendError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auth(error) => fmt::Debug::fmt(error, f),
            Self::Service(error) => fmt::Debug::fmt(error, f),
        }
    }
}

impl<E: Error + 'static> Error for SendError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Auth(error) => error.source(),
            Self::Service(error) => error.source(),
        }
    }
}

#[cfg(test)]
mod tests;
