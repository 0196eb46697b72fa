//! The actor: whose token it is that is sent along.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use http::StatusCode;
use portcullis_core::{Authorization, BoxFuture, Probe, Secret, TokenError, TokenSource};
use tokio::sync::Notify;

use super::{super::TokenType, Bench, bearer, secs, until};

/// An actor whose token a test changes.
#[derive(Debug)]
struct Changing {
    token: Mutex<Result<Authorization, TokenError>>,
    at_hand: bool,
    asked: AtomicUsize,
}

impl Changing {
    fn new(at_hand: bool) -> Arc<Self> {
        let token = Mutex::new(Ok(bearer("actor-1")));
        Arc::new(Self { token, at_hand, asked: AtomicUsize::new(0) })
    }

    fn set(&self, token: Result<Authorization, TokenError>) {
        *self.token.lock().unwrap() = token;
    }
}

impl TokenSource for Changing {
    fn try_token(&self) -> Option<Authorization> {
        self.token.lock().unwrap().clone().ok().filter(|_| self.at_hand)
    }

    fn token(&self) -> BoxFuture<'_, Result<Authorization, TokenError>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let token = self.token.lock().unwrap().clone();
        Box::pin(async { token })
    }

    fn refused(&self, _: &Authorization) -> bool {
        panic!("the actor's token is nobody's to refuse")
    }

    fn probe(&self) -> BoxFuture<'_, Vec<Probe>> {
        Box::pin(async { vec![Probe::new("actor", "here", secs(0), Ok("there".to_owned()))] })
    }
}

async fn with_actor(actor: &Arc<Changing>) -> Bench {
    let source = Arc::clone(actor);
    Bench::with(|config| config.actor(source, TokenType::access_token())).await
}

#[tokio::test]
async fn another_token_of_the_actors_is_another_exchange() {
    for at_hand in [true, false] {
        let actor = Changing::new(at_hand);
        let bench = with_actor(&actor).await;
        assert_eq!(bench.text("one").await, "access-1");
        assert_eq!(bench.text("one").await, "access-1");
        assert_eq!(bench.of("one").try_token().is_some(), at_hand);
        actor.set(Ok(bearer("actor-2")));
        assert_eq!(bench.of("one").try_token(), None);
        assert_eq!(bench.text("one").await, "access-2");
        let sent: Vec<_> =
            bench.server.calls().iter().map(|call| call.parameter("actor_token").unwrap()).collect();
        assert_eq!(sent, ["actor-1", "actor-2"]);
        // The one of before is no longer kept: there is one for each caller.
        assert_eq!(bench.exchange.kept().len(), 1);
    }
}

#[tokio::test]
async fn exchanges_with_two_tokens_of_the_actors_are_not_shared() {
    let actor = Changing::new(true);
    let bench = with_actor(&actor).await;
    let hold = bench.server.hold();
    let first = bench.spawn("one");
    bench.server.called(1).await;
    actor.set(Ok(bearer("actor-2")));
    let second = bench.spawn("one");
    bench.server.called(2).await;
    assert_eq!(bench.exchange.on_their_way(), 2);
    hold.release();
    let (first, second) = (first.await.unwrap().unwrap(), second.await.unwrap().unwrap());
    assert_ne!(first, second);
    // Whichever came later: the one that was asked for later is kept.
    assert_eq!(bench.of("one").try_token(), Some(second));
}

#[tokio::test]
async fn without_a_token_of_the_actors_nothing_is_exchanged() {
    let actor = Changing::new(true);
    let bench = with_actor(&actor).await;
    actor.set(Err(TokenError::transient("its server is away").with_retry_after(secs(7))));
    let error = bench.error("one").await;
    assert!(error.is_transient());
    assert_eq!(error.retry_after(), Some(secs(7)));
    assert_eq!(
        format!("{error:?}"),
        "there is no token of the actor's, which is this service: its server is away"
    );
    actor.set(Err(TokenError::permanent("its secret is wrong")));
    assert!(!bench.error("one").await.is_transient());
    actor.set(Ok(Authorization::basic("tom", &Secret::new("canary")).unwrap()));
    let error = bench.error("one").await;
    assert!(!error.is_transient());
    assert_eq!(
        error.to_string(),
        "the actor's credential is no token: give `actor` a grant, a token, or a JWT that is signed"
    );
    assert_eq!(bench.calls(), 0);
    let probes = bench.exchange.probe().await;
    assert_eq!(probes.len(), 2);
    assert!(probes[0].result.as_ref().unwrap_err().contains("the actor's credential is no token"));
    assert_eq!(probes[1].role, "actor");
    actor.set(Ok(bearer("actor-1")));
    assert_eq!(bench.text("one").await, "access-1");
}

#[tokio::test]
async fn a_refusal_with_one_token_of_the_actors_says_nothing_of_the_next() {
    let actor = Changing::new(true);
    let bench = with_actor(&actor).await;
    bench.answer_next(StatusCode::BAD_REQUEST, r#"{"error":"invalid_request"}"#);
    bench.error("one").await;
    bench.error("one").await;
    assert_eq!(bench.calls(), 1);
    actor.set(Ok(bearer("actor-2")));
    assert_eq!(bench.text("one").await, "access-1");
}

/// An actor whose token takes a while.
#[derive(Debug, Default)]
struct Slow {
    waited_for: AtomicUsize,
    there: Notify,
}

impl TokenSource for Slow {
    fn token(&self) -> BoxFuture<'_, Result<Authorization, TokenError>> {
        Box::pin(async {
            self.waited_for.fetch_add(1, Ordering::Relaxed);
            self.there.notified().await;
            Ok(bearer("actor"))
        })
    }

    fn refused(&self, _: &Authorization) -> bool {
        false
    }

    fn probe(&self) -> BoxFuture<'_, Vec<Probe>> {
        Box::pin(async { Vec::new() })
    }
}

#[tokio::test]
async fn a_callers_token_that_ends_while_the_actors_is_waited_for_is_not_exchanged() {
    let actor = Arc::new(Slow::default());
    let source = Arc::clone(&actor);
    let bench = Bench::with(|config| config.actor(source, TokenType::access_token())).await;
    let source = bench.until("one", 5);
    let asking = tokio::spawn(async move { source.token().await });
    until("the actor to be asked", || actor.waited_for.load(Ordering::Relaxed) == 1).await;
    bench.advance(5);
    actor.there.notify_one();
    assert!(asking.await.unwrap().unwrap_err().to_string().contains("has expired"));
    assert_eq!(bench.calls(), 0);
}
