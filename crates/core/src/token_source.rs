//! Where a client gets the token that it shows to a server.

use std::{borrow::Cow, error::Error, fmt, sync::Arc, time::Duration};

use crate::{BoxFuture, Probe, Secret};

/// Gives the access token that an outgoing request carries. Implementations keep the token while it is good.
pub trait TokenSource: fmt::Debug + Send + Sync + 'static {
    /// A token that is good now.
    fn token(&self) -> BoxFuture<'_, Result<Secret, TokenError>>;

    /// Says that a server refused `token`: another one is fetched next time, as often as the source permits.
    fn refused(&self, token: &Secret);

    /// Asks the source's servers once, for people.
    fn probe(&self) -> BoxFuture<'_, Vec<Probe>>;
}

/// Why there is no token. Carries no secret.
#[derive(Clone)]
pub struct TokenError {
    reason: Cow<'static, str>,
    transient: bool,
    retry_after: Option<Duration>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl TokenError {
    /// No token for now: asking again later may help.
    #[must_use]
    pub fn transient(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { reason: reason.into(), transient: true, retry_after: None, source: None }
    }

    /// No token until somebody changes something, such as a client secret that is refused.
    #[must_use]
    pub fn permanent(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { reason: reason.into(), transient: false, retry_after: None, source: None }
    }

    /// The span after which asking again makes sense.
    #[must_use]
    pub const fn with_retry_after(mut self, span: Duration) -> Self {
        self.retry_after = Some(span);
        self
    }

    /// What caused it. Its texts are logged: it must hold no secret.
    #[must_use]
    pub fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// Whether asking again later may help.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        self.transient
    }

    /// The span after which asking again makes sense.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl fmt::Debug for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)?;
        let mut cause = self.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl Error for TokenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_whether_asking_again_may_help_and_shows_its_causes_once() {
        let source = || std::io::Error::other("reset");
        let error =
            TokenError::transient("no answer").with_retry_after(Duration::from_secs(7)).with_source(source());
        assert!(error.is_transient());
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
        assert_eq!(
            (error.to_string(), format!("{error:?}")),
            ("no answer".into(), "no answer: reset".into())
        );
        let error = TokenError::permanent("the client secret is refused");
        assert!(!error.is_transient() && error.retry_after().is_none() && error.source().is_none());
    }
}
