//! Where a client gets what it shows to a server.

use std::{borrow::Cow, error::Error, fmt, sync::Arc, time::Duration};

use super::{Authorization, OnBehalfOf, RefreshObserver, TokenLease};
use crate::{BoxFuture, Probe};

/// Gives what outgoing requests carry in `Authorization`. Implementations keep it while it is good, get another one in time,
/// and get it once for all who wait.
pub trait TokenSource: fmt::Debug + Send + Sync + 'static {
    /// One that is good now, where that can be told without waiting: the fast path. `None` says nothing but that
    /// [`TokenSource::token`] is to be awaited.
    fn try_token(&self) -> Option<Authorization> {
        None
    }

    /// One that may be sent again and again without asking, where there is one. `None` says nothing but that
    /// [`TokenSource::try_token`] is to be asked for each request. It is given while the token need not be renewed, and
    /// [ended](TokenLease::end) as soon as there is another one.
    fn lease(&self) -> Option<Arc<TokenLease>> {
        None
    }

    /// One that is good now. Dropping the future ends no work that others wait for.
    fn token(&self) -> BoxFuture<'_, Result<Authorization, TokenError>>;

    /// Says that a server refused `token`, and asks whether another one can be had by [`TokenSource::token`]: a newer one is
    /// at hand, or may be fetched now. A source that has only this one, or has asked a moment ago, answers `false`.
    fn refused(&self, token: &Authorization) -> bool;

    /// Whether [`TokenSource::refused`] can ever answer `true`. Where it cannot, nobody keeps a copy of a request to send it
    /// once more.
    fn renews(&self) -> bool {
        true
    }

    /// For how long the token at hand is good; `None` where there is none, or nobody knows. For metrics: nothing is fetched.
    fn expires_in(&self) -> Option<Duration> {
        None
    }

    /// Has an observer told of each token that is got from now on, or failed to be got, for whomever it is. A source that gets
    /// none tells nothing.
    fn watch_refreshes(&self, observer: Arc<dyn RefreshObserver>) {
        _ = observer;
    }

    /// Asks the source's servers once, for people.
    fn probe(&self) -> BoxFuture<'_, Vec<Probe>>;

    /// The source of tokens for calls on behalf of somebody. `None` where this source's tokens are the service's own: nobody
    /// else's identity would be passed on.
    fn on_behalf_of(&self, subject: &OnBehalfOf) -> Option<Arc<dyn TokenSource>> {
        _ = subject;
        None
    }
}

/// A credential that is what it is: user name and password, or a token that somebody configured. Nothing renews it.
impl TokenSource for Authorization {
    fn try_token(&self) -> Option<Authorization> {
        Some(self.clone())
    }

    fn lease(&self) -> Option<Arc<TokenLease>> {
        Some(Arc::new(TokenLease::endless(self.clone())))
    }

    fn token(&self) -> BoxFuture<'_, Result<Authorization, TokenError>> {
        Box::pin(std::future::ready(Ok(self.clone())))
    }

    fn refused(&self, _: &Authorization) -> bool {
        false
    }

    fn renews(&self) -> bool {
        false
    }

    fn probe(&self) -> BoxFuture<'_, Vec<Probe>> {
        Box::pin(std::future::ready(Vec::new()))
    }
}

impl<T: TokenSource + ?Sized> TokenSource for Arc<T> {
    fn try_token(&self) -> Option<Authorization> {
        (**self).try_token()
    }

    fn lease(&self) -> Option<Arc<TokenLease>> {
        (**self).lease()
    }

    fn token(&self) -> BoxFuture<'_, Result<Authorization, TokenError>> {
        (**self).token()
    }

    fn refused(&self, token: &Authorization) -> bool {
        (**self).refused(token)
    }

    fn renews(&self) -> bool {
        (**self).renews()
    }

    fn expires_in(&self) -> Option<Duration> {
        (**self).expires_in()
    }

    fn watch_refreshes(&self, observer: Arc<dyn RefreshObserver>) {
        (**self).watch_refreshes(observer);
    }

    fn probe(&self) -> BoxFuture<'_, Vec<Probe>> {
        (**self).probe()
    }

    fn on_behalf_of(&self, subject: &OnBehalfOf) -> Option<Arc<dyn TokenSource>> {
        (**self).on_behalf_of(subject)
    }
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
    use crate::{Secret, SystemClock, UnixTime};

    /// Answers nothing as the defaults would.
    #[derive(Debug)]
    struct Shared;

    fn bearer(token: &str) -> Authorization {
        Authorization::bearer(&Secret::new(token)).unwrap()
    }

    impl TokenSource for Shared {
        fn try_token(&self) -> Option<Authorization> {
            Some(bearer("at-hand"))
        }

        fn lease(&self) -> Option<Arc<TokenLease>> {
            let clock = Arc::new(SystemClock::new());
            Some(Arc::new(TokenLease::until(bearer("leased"), clock, Duration::MAX)))
        }

        fn token(&self) -> BoxFuture<'_, Result<Authorization, TokenError>> {
            Box::pin(std::future::ready(Err(TokenError::permanent("none"))))
        }

        fn refused(&self, token: &Authorization) -> bool {
            *token == bearer("at-hand")
        }

        fn renews(&self) -> bool {
            false
        }

        fn expires_in(&self) -> Option<Duration> {
            Some(Duration::from_secs(7))
        }

        fn probe(&self) -> BoxFuture<'_, Vec<Probe>> {
            let probe = Probe::new("token", "https://id.example", Duration::ZERO, Ok("it is there".into()));
            Box::pin(std::future::ready(vec![probe]))
        }

        fn on_behalf_of(&self, subject: &OnBehalfOf) -> Option<Arc<dyn TokenSource>> {
            Some(Arc::new(bearer(subject.subject_token().expose())))
        }
    }

    #[tokio::test]
    async fn a_shared_source_answers_as_the_source_itself() {
        let shared: Arc<dyn TokenSource> = Arc::new(Shared);
        let source: &dyn TokenSource = &shared;
        assert_eq!(source.try_token(), Some(bearer("at-hand")));
        assert_eq!(source.lease().unwrap().token(), &bearer("leased"));
        assert_eq!(source.token().await.unwrap_err().to_string(), "none");
        assert!(source.refused(&bearer("at-hand")) && !source.refused(&bearer("another")));
        assert!(!source.renews());
        assert_eq!(source.expires_in(), Some(Duration::from_secs(7)));
        assert_eq!(source.probe().await.len(), 1);
        let alice = OnBehalfOf::token(Secret::new("alice"), Some(UnixTime::from_secs(1)));
        assert_eq!(source.on_behalf_of(&alice).unwrap().try_token(), Some(bearer("alice")));
    }

    #[tokio::test]
    async fn a_fixed_credential_is_not_renewed_and_acts_on_behalf_of_nobody() {
        let fixed = bearer("fixed");
        assert_eq!(
            (fixed.try_token(), TokenSource::token(&fixed).await.unwrap()),
            (Some(fixed.clone()), fixed.clone())
        );
        assert!(!fixed.renews() && !fixed.refused(&fixed) && fixed.probe().await.is_empty());
        let lease = fixed.lease().unwrap();
        assert!(lease.is_good() && *lease.token() == fixed, "nobody need ask again");
        assert!(fixed.on_behalf_of(&OnBehalfOf::token(Secret::new("alice"), None)).is_none());
    }

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
