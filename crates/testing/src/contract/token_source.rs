//! The promises of sources of tokens.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Waker},
};

use portcullis_core::{Authorization, OnBehalfOf, Scheme, Secret, TokenError, TokenSource};
use tokio::task::JoinSet;

use super::shows_no_secret;

/// What the contract suite needs to know of a source of tokens.
#[expect(clippy::exhaustive_structs, reason = "whoever runs the suite writes one down")]
pub struct SourceCase {
    /// The source, new: nothing was asked of it yet. Its clock stands still, or its tokens last for minutes.
    pub source: Arc<dyn TokenSource>,
    /// The scheme of what it gives.
    pub scheme: Scheme,
    /// Whether a token that a server refused is replaced by another one; not so for what is configured, such as a password.
    pub renews: bool,
    /// On whose behalf tokens are asked for, where the source has none of its own.
    pub subject: Option<OnBehalfOf>,
    /// How often the source's server was asked for a token so far; `None` where it has no server.
    pub requests: Option<Box<dyn Fn() -> usize + Send + Sync>>,
    /// What nobody may see: the secrets that the source was made of, each of eight bytes at least.
    pub secrets: Vec<String>,
}

impl SourceCase {
    fn asked(&self) -> usize {
        self.requests.as_ref().map_or(0, |requests| requests())
    }

    fn hides(&self, what: &impl fmt::Debug) {
        shows_no_secret(&format!("{what:?}"), &self.secrets);
        shows_no_secret(&format!("{what:#?}"), &self.secrets);
    }
}

/// Runs the whole suite. It needs the runtime that the source's server runs on.
///
/// # Panics
///
/// Where the source breaks its contract; the message says how.
pub async fn token_source_keeps_its_contract(case: SourceCase) {
    case.hides(&case.source);
    let source = match &case.subject {
        None => Arc::clone(&case.source),
        Some(subject) => for_subject(&case, subject).await,
    };
    let once = case.asked() + usize::from(case.requests.is_some());

    let token = whoever_goes_away_ends_nothing(&source).await;
    assert_eq!(token.scheme(), case.scheme, "the scheme of what it gives");
    assert!(token.header().is_sensitive(), "what it gives is marked as sensitive");
    assert_eq!(case.asked(), once, "the first token is asked for once, whoever waits for it");
    all_are_given(&source, &token).await;
    assert_eq!(case.asked(), once, "a token that is good is not asked for again");

    foreign_tokens_do_not_disturb(&source, &token).await;
    assert_eq!(case.asked(), once, "a token of others that is refused causes no request");

    if case.renews {
        let another = refused_tokens_are_replaced_once(&source, &token).await;
        assert_eq!(
            case.asked(),
            once + usize::from(case.requests.is_some()),
            "tokens that are refused cause one request within the interval"
        );
        all_are_given(&source, &another).await;
    } else {
        assert!(!source.refused(&token), "another one than this cannot be had");
        all_are_given(&source, &token).await;
    }

    let before = given(&source).await;
    let probes = source.probe().await;
    case.hides(&probes);
    for probe in &probes {
        assert!(!probe.role.is_empty() && !probe.url.contains(['?', '@']), "{probe:?}");
        assert!(probe.result.is_ok(), "its server can be asked: {probe:?}");
    }
    all_are_given(&source, &before).await;
    case.hides(&source);
    if let Some(token) = before.token() {
        shows_no_secret(&format!("{source:?} {before:?} {probes:?}"), &[token.expose()]);
    }
}

/// A source without tokens of its own gives none, and says so; what it gives is somebody's.
async fn for_subject(case: &SourceCase, subject: &OnBehalfOf) -> Arc<dyn TokenSource> {
    let source = &case.source;
    let error = match source.token().await {
        Ok(_) => panic!("without a subject there is no token"),
        Err(error) => error,
    };
    assert!(!error.is_transient(), "asking again without a subject does not help: {error}");
    assert!(source.try_token().is_none(), "without a subject there is no token");
    case.hides(&error);
    shows_no_secret(&error.to_string(), &case.secrets);
    assert_eq!(case.asked(), 0, "nothing is asked for without a subject");
    let Some(theirs) = source.on_behalf_of(subject) else {
        panic!("the source makes calls on somebody's behalf");
    };
    let secrets = [subject.subject_token().expose()];
    shows_no_secret(&format!("{theirs:?} {subject:?}"), &secrets);
    theirs
}

/// The first caller polls once and goes away. The second, and others with it, are given one token.
async fn whoever_goes_away_ends_nothing(source: &Arc<dyn TokenSource>) -> Authorization {
    drop(source.token());
    let mut going = source.token();
    let first = going.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    drop(going);
    if let std::task::Poll::Ready(Err(error)) = first {
        panic!("there is a first token: {error:?}");
    }
    let token = together(source).await;
    if let std::task::Poll::Ready(Ok(first)) = first {
        assert!(first == token, "a token that is good is kept");
    }
    token
}

async fn given(source: &Arc<dyn TokenSource>) -> Authorization {
    judged(source.token().await)
}

fn judged(result: Result<Authorization, TokenError>) -> Authorization {
    match result {
        Ok(token) => token,
        Err(error) => panic!("there is a token: {error:?}"),
    }
}

/// Many callers at once are given the same.
async fn together(source: &Arc<dyn TokenSource>) -> Authorization {
    let mut waiting = JoinSet::new();
    for _ in 0..32 {
        let source = Arc::clone(source);
        waiting.spawn(async move { source.token().await });
    }
    let mut tokens = waiting.join_all().await.into_iter().map(judged);
    let Some(first) = tokens.next() else { panic!("nobody waited") };
    assert!(tokens.all(|token| token == first), "whoever waits is given the same token");
    first
}

/// On every path the source gives this token.
async fn all_are_given(source: &Arc<dyn TokenSource>, token: &Authorization) {
    let at_once = source.try_token();
    assert!(at_once.is_some(), "a token that is kept and good is given without waiting");
    assert!(at_once.as_ref() == Some(token), "without waiting the same token is given");
    assert!(given(source).await == *token, "a token that is good is kept");
    assert!(together(source).await == *token, "a token that is good is kept");
}

async fn foreign_tokens_do_not_disturb(source: &Arc<dyn TokenSource>, token: &Authorization) {
    let foreign = [
        Authorization::bearer(&Secret::new("of-somebody-else")),
        Authorization::basic("somebody", &Secret::new("else")),
    ];
    for foreign in foreign.into_iter().flatten() {
        _ = source.refused(&foreign);
        all_are_given(source, token).await;
    }
}

async fn refused_tokens_are_replaced_once(
    source: &Arc<dyn TokenSource>,
    token: &Authorization,
) -> Authorization {
    assert!(source.refused(token), "another one can be had");
    let another = together(source).await;
    assert!(another != *token, "a token that was refused is not given again");
    assert!(source.refused(token), "a newer one is at hand");
    assert!(given(source).await == another, "news of a token that is gone changes nothing");
    assert!(!source.refused(&another), "a moment later nothing is asked for again");
    assert!(given(source).await == another, "a token stays until another one may be asked for");
    another
}

impl fmt::Debug for SourceCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceCase")
            .field("source", &self.source)
            .field("scheme", &self.scheme)
            .field("renews", &self.renews)
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}
