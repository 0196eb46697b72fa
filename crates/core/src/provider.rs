//! What every provider implements, and how it answers.

mod accounts;

use std::{borrow::Cow, error::Error, fmt, sync::Arc, time::Duration};

pub use self::accounts::Accounts;

use crate::{
    BoxFuture, BuildError, Context, Credential, Identity, Probe, QueueState, Reason, Scheme, ServerState,
};

/// Tells whether a credential is right, and whose it is.
///
/// Implement it to bring a source of users or tokens of your own; `portcullis-core` is all you need to depend
/// on. A provider authenticates. It never authorizes: scopes are compared by the chain, on every request,
/// after the provider and after any cache of its.
///
/// # Contract
///
/// - Answer [`Outcome::Refused`] when the credential is wrong and [`Outcome::Unavailable`] when you cannot
///   tell. An outage that looks like a wrong password makes clients throw good credentials away, and one that
///   looks like a right password lets everybody in.
/// - Work for an unknown user as long as for a known one.
/// - Refuse what you need not look up, such as a blank password, with [`Reason::BlankPassword`] or
///   [`Reason::MalformedUsername`]: any other refusal says to a [`Throttle`](crate::Throttle) that you are well. What you cannot
///   tell of one caller alone is [`Reason::UnusableAnswer`]: any other [`Outcome::Unavailable`] says that you are not.
/// - When [`Context::may_remember`] is false, write no cache and do not answer from one; when
///   [`Context::may_contact`] is false, ask no server: answer [`Outcome::Unavailable`].
/// - Do not block: move computation of more than some tens of microseconds off the async threads.
/// - No secret in any text that you return.
pub trait Provider: fmt::Debug + Send + Sync + 'static {
    /// What kind of provider this is, for logs and [`Principal::provider`](crate::Principal::provider), for
    /// instance `jwt`.
    fn kind(&self) -> &'static str;

    /// The scheme of the credentials that it looks at.
    fn scheme(&self) -> Scheme;

    /// Whether it looks at [`Context::client`], which takes time to find out. Where it says that it does not, it may not be
    /// told. Asked once.
    fn looks_at_client(&self) -> bool {
        true
    }

    /// What it remembers of a credential that nobody has read yet. A credential that is well-formed and let nobody in is
    /// read then, and goes to [`Provider::try_authenticate`] unless there is an answer.
    ///
    /// For providers that remember. They are asked with `text` as it stands in the `Authorization` header, after scheme
    /// and space, before anything is known of its form: what was accepted was read then. It has to be found by all its
    /// bytes, and everything that may have changed since (the time, a key) is looked at again. The caller's address is not
    /// known here: a memory that depends on it says nothing.
    fn recall(&self, _text: &[u8], _cx: &Context<'_>) -> Recall {
        Recall::Unasked
    }

    /// Answers at once, or says with `None` that it has to wait: [`Provider::authenticate`] is asked then.
    ///
    /// This is the path of every request. It must not block, and should not allocate where it can be helped.
    fn try_authenticate(&self, credential: &Credential<'_>, cx: &Context<'_>) -> Option<Outcome>;

    /// Answers after waiting for whatever it needs.
    fn authenticate<'a>(
        &'a self,
        credential: &'a Credential<'a>,
        cx: &'a Context<'a>,
    ) -> BoxFuture<'a, Outcome>;

    /// Makes the provider ready before the first request. Only a provider whose configuration says that it cannot do
    /// without its server (`preload = true`) waits for it here, and fails where it does not answer.
    ///
    /// # Errors
    ///
    /// When a server that has to be there is not.
    fn prepare(&self) -> BoxFuture<'_, Result<(), BuildError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Asks each of its servers once, for people who want to know whether they answer: `portcullis check --online`.
    fn probe(&self) -> BoxFuture<'_, Vec<Probe>> {
        Box::pin(std::future::ready(Vec::new()))
    }

    /// Its servers as it last saw them, without asking: for readiness probes and metrics.
    fn servers(&self) -> Vec<ServerState> {
        Vec::new()
    }

    /// Its queues as they are now: for metrics, which read them when they are collected. Must not block.
    fn queues(&self) -> Vec<QueueState> {
        Vec::new()
    }

    /// Whom it knows today by the name of `identity`, for connections that were opened with a password: the password is
    /// kept nowhere, and when the configuration changes its new provider is asked whether the user still is who it was.
    ///
    /// `None`, the default, vouches for nobody: such connections end when their provider is replaced. Asked seldom; it
    /// must not block.
    fn vouch(&self, _identity: &Identity) -> Option<Vouch> {
        None
    }

    /// As whose accounts a [`Throttle`](crate::Throttle) counts guesses at its users. `None`, the default: as its own, and
    /// whoever replaces it begins anew. A store that is replaced by one of the same accounts hands them on, or its
    /// replacement would be a pardon, and would forget where users have succeeded: [`Accounts::of`] what says whose they
    /// are, such as the address of a server. It must say the same each time.
    fn accounts(&self) -> Option<Accounts> {
        None
    }

    /// Whether a credential that it knows may be revoked at its server before it expires, so that asking again
    /// while a connection is open makes sense.
    fn can_revoke(&self) -> bool {
        false
    }
}

/// Whom a provider knows by some name, see [`Provider::vouch`].
#[derive(Clone, Debug)]
pub struct Vouch {
    pub(crate) identity: Arc<Identity>,
    pub(crate) record: [u8; 32],
}

impl Vouch {
    /// This identity; `record` is the same, in providers of all versions within one process, exactly where the same
    /// credential is right. It must not tell the credential: make it with a keyed function.
    #[must_use]
    pub const fn new(identity: Arc<Identity>, record: [u8; 32]) -> Self {
        Self { identity, record }
    }
}

/// What becomes a provider when an element is built, with the errors that come to light then.
///
/// Every [`Provider`] is one already; types such as the file user store use it to check their users.
pub trait IntoProvider {
    /// Builds the provider.
    ///
    /// # Errors
    ///
    /// When its configuration cannot work.
    fn into_provider(self) -> Result<Arc<dyn Provider>, BuildError>;
}

impl<P: Provider> IntoProvider for P {
    fn into_provider(self) -> Result<Arc<dyn Provider>, BuildError> {
        Ok(Arc::new(self))
    }
}

/// For who keeps the provider as well, to ask it for what only this kind knows.
impl<P: Provider> IntoProvider for Arc<P> {
    fn into_provider(self) -> Result<Arc<dyn Provider>, BuildError> {
        Ok(self)
    }
}

impl IntoProvider for Arc<dyn Provider> {
    fn into_provider(self) -> Result<Arc<dyn Provider>, BuildError> {
        Ok(self)
    }
}

/// What a provider remembers of a credential, see [`Provider::recall`].
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "each of them is treated in a way of its own")]
pub enum Recall {
    /// It does not say. It is asked as if it had not been asked yet.
    Unasked,
    /// It looked, and remembers nothing. So that no memory is searched twice, [`Provider::try_authenticate`] is asked with
    /// a context that may not recall ([`Context::may_recall`]); what it finds out it may remember.
    Nothing,
    /// What it remembers is all that it knows, and this credential is none of it: refused. It is asked again only where
    /// somebody wants to know why, or an element after it may know more. The number stands for the state of what it knew, and
    /// comes with the question ([`Context::searched_in`]): while it is the same, there is nothing to look for.
    NothingIn(u64),
    /// Its answer, as [`Provider::try_authenticate`] would give it. It is not asked again.
    Answer(Outcome),
}

impl Recall {
    /// The answer of a memory that was searched.
    #[must_use]
    pub fn found(outcome: Option<Outcome>) -> Self {
        outcome.map_or(Self::Nothing, Self::Answer)
    }
}

/// A provider's answer.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the three answers are the design: a fourth would change every decision"
)]
pub enum Outcome {
    /// The credential is right; this is whose it is.
    Known(Arc<Identity>),
    /// The credential is wrong.
    Refused(Refusal),
    /// It cannot be told now.
    Unavailable(Unavailable),
}

impl Outcome {
    /// [`Outcome::Known`] for an identity that is not shared yet.
    #[must_use]
    pub fn known(identity: Identity) -> Self {
        Self::Known(Arc::new(identity))
    }

    /// [`Outcome::Refused`] with a reason and a text, see [`Refusal::new`].
    #[must_use]
    pub fn refused(reason: Reason, text: impl Into<Cow<'static, str>>) -> Self {
        Self::Refused(Refusal::new(reason, text))
    }
}

/// Why a credential is wrong. For logs and explanations; the caller never sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    reason: Reason,
    text: Cow<'static, str>,
}

impl Refusal {
    /// A refusal with a reason that dashboards count and a sentence for whoever reads the log, without a secret.
    #[must_use]
    pub fn new(reason: Reason, text: impl Into<Cow<'static, str>>) -> Self {
        Self { reason, text: text.into() }
    }

    /// The reason.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// The reason's word.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.reason.as_str()
    }

    /// The sentence.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.text, self.reason)
    }
}

/// Why a provider cannot tell now.
#[derive(Clone)]
pub struct Unavailable {
    reason: Reason,
    text: Cow<'static, str>,
    retry_after: Option<Duration>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl Unavailable {
    /// Unavailable, with a sentence for whoever reads the log, without a secret.
    #[must_use]
    pub fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self { reason: Reason::Unavailable, text: text.into(), retry_after: None, source: None }
    }

    /// The same with a reason of its own: [`Reason::Overloaded`] where a queue is full. Default
    /// [`Reason::Unavailable`].
    #[must_use]
    pub const fn because(mut self, reason: Reason) -> Self {
        self.reason = reason;
        self
    }

    /// The span after which asking again makes sense; sent as `Retry-After`, in whole seconds, rounded up.
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

    /// The reason.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// The sentence.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The span after which asking again makes sense.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl From<Unavailable> for Outcome {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}

impl From<Refusal> for Outcome {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        let mut cause = self.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl Error for Unavailable {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[derive(Debug)]
    struct Counting(std::sync::atomic::AtomicU32);

    impl Provider for Counting {
        fn kind(&self) -> &'static str {
            "counting"
        }
        fn scheme(&self) -> Scheme {
            Scheme::Bearer
        }
        fn try_authenticate(&self, _: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
            None
        }
        fn authenticate<'a>(&'a self, _: &'a Credential<'a>, _: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
            panic!("nobody asks here")
        }
        fn can_revoke(&self) -> bool {
            self.0.fetch_add(1, Ordering::Relaxed) > 0
        }
    }

    #[test]
    fn a_provider_that_its_owner_keeps_is_the_one_that_is_asked() {
        let own = Arc::new(Counting(0.into()));
        let provider = Arc::clone(&own).into_provider().unwrap();
        assert!(!provider.can_revoke(), "the first question");
        assert!(own.can_revoke(), "the second, of the same provider");
    }

    #[test]
    fn unavailable_shows_its_causes_where_they_are_asked_for() {
        let unavailable = Unavailable::new("the server is away").with_source(std::io::Error::other("reset"));
        assert_eq!(unavailable.to_string(), "the server is away");
        assert_eq!(format!("{unavailable:?}"), "the server is away: reset");
    }
}
