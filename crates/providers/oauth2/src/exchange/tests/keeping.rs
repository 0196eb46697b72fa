//! How long a token is kept, for whom, and how many.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use http::StatusCode;
use portcullis_core::{
    Authorization, BoxFuture, OnBehalfOf, Probe, Secret, TokenError, TokenSource, UnixTime,
};

use super::{
    super::{ExchangeCacheConfig, TokenType},
    Bench, bearer, secs, text, until,
};
use crate::fixtures::NOW;

#[tokio::test]
async fn a_token_is_kept_for_whoever_comes_with_the_same_callers_token() {
    let bench = Bench::new().await;
    assert!(bench.of("one").try_token().is_none());
    assert_eq!(bench.text("one").await, "access-1");
    assert_eq!(bench.text("two").await, "access-2");
    for _ in 0..3 {
        assert_eq!(bench.text("one").await, "access-1");
        assert_eq!(text(&bench.of("two").try_token().unwrap()), "access-2");
    }
    // The source of one caller makes that of another.
    let third = bench.of("one").on_behalf_of(&OnBehalfOf::token("three", None)).unwrap();
    assert_eq!(text(&third.token().await.unwrap()), "access-3");
    assert_eq!(bench.calls(), 3);
}

#[tokio::test]
async fn a_thousand_callers_with_one_token_are_one_exchange() {
    let bench = Bench::new().await;
    let hold = bench.server.hold();
    let callers: Vec<_> = (0..1_000).map(|_| bench.spawn("one")).collect();
    bench.server.called(1).await;
    hold.release();
    for caller in callers {
        assert_eq!(text(&caller.await.unwrap().unwrap()), "access-1");
    }
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn a_caller_that_goes_away_ends_the_exchange_for_nobody() {
    let bench = Bench::new().await;
    let hold = bench.server.hold();
    let first = bench.spawn("one");
    bench.server.called(1).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    let second = bench.spawn("one");
    tokio::task::yield_now().await;
    assert_eq!(bench.exchange.on_their_way(), 1);
    hold.release();
    assert_eq!(text(&second.await.unwrap().unwrap()), "access-1");

    // Nor where nobody else waits: whoever comes back finds the token.
    let hold = bench.server.hold();
    let only = bench.spawn("two");
    bench.server.called(2).await;
    only.abort();
    assert!(only.await.unwrap_err().is_cancelled());
    hold.release();
    bench.quiet().await;
    assert_eq!(text(&bench.of("two").try_token().unwrap()), "access-2");
    assert_eq!(bench.calls(), 2);
}

#[tokio::test]
async fn a_token_is_renewed_in_the_last_part_of_its_life_while_it_is_used() {
    let bench = Bench::new().await;
    bench.server.expires_in(Some(100));
    let source = bench.of("one");
    source.token().await.unwrap();
    bench.advance(74);
    assert_eq!(text(&source.try_token().unwrap()), "access-1");
    assert_eq!(bench.exchange.on_their_way(), 0, "a fifth is left, give or take a quarter of that");
    bench.advance(11);
    let hold = bench.server.hold();
    assert_eq!(text(&source.try_token().unwrap()), "access-1", "the old one is given meanwhile");
    for _ in 0..10 {
        assert_eq!(text(&source.token().await.unwrap()), "access-1");
    }
    bench.server.called(2).await;
    assert_eq!(bench.exchange.on_their_way(), 1);
    hold.release();
    bench.quiet().await;
    assert_eq!(text(&source.try_token().unwrap()), "access-2");
    // It lives from the moment at which it was asked for.
    bench.server.fail_with(StatusCode::BAD_REQUEST);
    bench.advance(99);
    assert_eq!(text(&source.try_token().unwrap()), "access-2");
    bench.quiet().await;
    bench.advance(1);
    assert_eq!(source.try_token(), None);
}

#[tokio::test]
async fn no_token_outlives_the_callers_own() {
    let bench = Bench::new().await;
    let source = bench.until("one", 60);
    assert_eq!(text(&source.token().await.unwrap()), "access-1");
    bench.advance(59);
    assert_eq!(text(&source.try_token().unwrap()), "access-1");
    bench.advance(1);
    assert_eq!(source.try_token(), None);
    let error = source.token().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the caller's token has expired: no call is made on the caller's behalf any more"
    );
    assert!(!error.is_transient());
    assert!(!source.refused(&bearer("access-1")), "there is no other one to be had");
    assert_eq!(bench.calls(), 1, "a token that is known to be expired is not exchanged");

    // Whoever does not know the end asks the endpoint, which does.
    assert_eq!(bench.of("one").try_token(), None);
    bench.server.accept_subject("another");
    assert!(bench.error("one").await.to_string().contains("does not exchange the caller's token"));
}

#[tokio::test]
async fn whoever_knows_the_end_is_not_given_what_another_had_exchanged_without_knowing() {
    let bench = Bench::new().await;
    assert_eq!(bench.text("one").await, "access-1");
    let knowing = bench.until("one", 60);
    assert_eq!(text(&knowing.try_token().unwrap()), "access-1");
    bench.advance(60);
    assert_eq!(knowing.try_token(), None);
    assert!(knowing.token().await.unwrap_err().to_string().contains("has expired"));
    assert_eq!(text(&bench.of("one").try_token().unwrap()), "access-1");
}

#[tokio::test]
async fn a_clock_that_is_set_ends_a_callers_token_too() {
    let bench = Bench::new().await;
    let source = bench.until("one", 60);
    source.token().await.unwrap();
    bench.manual.set(NOW.saturating_add(secs(60)));
    assert_eq!(source.try_token(), None);
    assert_eq!(bench.of("one").try_token(), None);
    // It is gone for good, and a token that is there ends when it ends.
    bench.server.expires_in(Some(10));
    bench.token("two").await;
    bench.manual.set(UnixTime::from_secs(0));
    assert_eq!(source.try_token(), None);
    assert!(bench.of("two").try_token().is_some());
    bench.quiet().await;
    bench.server.fail_with(StatusCode::BAD_REQUEST);
    bench.advance(10);
    assert_eq!(bench.of("two").try_token(), None);
}

#[tokio::test]
async fn a_callers_token_that_ends_during_the_exchange_is_not_used() {
    let bench = Bench::new().await;
    let hold = bench.server.hold();
    let source = bench.until("one", 5);
    let asking = tokio::spawn(async move { source.token().await });
    bench.server.called(1).await;
    bench.advance(5);
    hold.release();
    assert!(asking.await.unwrap().unwrap_err().to_string().contains("has expired"));
    bench.quiet().await;
    assert_eq!(bench.exchange.kept().len(), 0);
}

#[tokio::test]
async fn a_token_that_ends_with_the_callers_own_is_not_renewed() {
    let bench = Bench::new().await;
    bench.server.expires_in(Some(100));
    let source = bench.until("one", 100);
    source.token().await.unwrap();
    bench.advance(99);
    assert_eq!(text(&source.try_token().unwrap()), "access-1");
    assert_eq!(bench.exchange.on_their_way(), 0);
    // With a second more of the caller's, another one is worth having.
    let source = bench.until("two", 201);
    source.token().await.unwrap();
    bench.advance(99);
    assert_eq!(text(&source.try_token().unwrap()), "access-2");
    assert_eq!(bench.exchange.on_their_way(), 1);
    bench.quiet().await;
}

#[tokio::test]
async fn a_token_without_life_is_given_to_those_who_waited_and_not_kept() {
    let bench = Bench::new().await;
    bench.server.expires_in(Some(0));
    assert_eq!(bench.text("one").await, "access-1");
    assert_eq!(bench.of("one").try_token(), None);
    assert_eq!(bench.text("one").await, "access-2");
}

#[tokio::test]
async fn a_token_is_used_no_longer_than_is_configured() {
    let bench = Bench::with(|config| config.cache(ExchangeCacheConfig::default().max_age(secs(30)))).await;
    let source = bench.of("one");
    source.token().await.unwrap();
    bench.server.fail_with(StatusCode::BAD_REQUEST);
    bench.advance(29);
    assert!(source.try_token().is_some());
    bench.quiet().await;
    bench.advance(1);
    assert!(source.try_token().is_none());
}

#[tokio::test]
async fn as_many_are_kept_as_is_configured_and_those_in_use_stay() {
    let bench = Bench::with(|config| config.cache(ExchangeCacheConfig::default().capacity(20))).await;
    let in_use = bench.of("in use");
    in_use.token().await.unwrap();
    for number in 0..200 {
        bench.token(&format!("caller-{number}")).await;
        assert_eq!(text(&in_use.try_token().unwrap()), "access-1");
        assert!(bench.exchange.kept().len() <= 20);
    }
    assert_eq!(bench.calls(), 201);
    // One that made room is exchanged again.
    let gone = (0..200).find(|number| bench.of(&format!("caller-{number}")).try_token().is_none()).unwrap();
    assert_eq!(bench.text(&format!("caller-{gone}")).await, "access-202");
}

#[tokio::test]
async fn large_tokens_take_the_room_of_several() {
    let bench = Bench::with(|config| config.cache(ExchangeCacheConfig::default().capacity(20))).await;
    for number in 0..20 {
        bench.server.will_issue(&format!("{number}-{}", "x".repeat(40_000)));
        bench.token(&format!("caller-{number}")).await;
    }
    let kept = bench.exchange.kept().len();
    assert!((1..=4).contains(&kept), "{kept}");
}

#[tokio::test]
async fn without_capacity_every_call_exchanges_and_those_at_one_time_share() {
    let bench = Bench::with(|config| config.cache(ExchangeCacheConfig::default().capacity(0))).await;
    assert_eq!(bench.text("one").await, "access-1");
    assert_eq!(bench.of("one").try_token(), None);
    let hold = bench.server.hold();
    let callers: Vec<_> = (0..10).map(|_| bench.spawn("one")).collect();
    bench.server.called(2).await;
    hold.release();
    for caller in callers {
        assert_eq!(text(&caller.await.unwrap().unwrap()), "access-2");
    }
}

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
async fn who_finds_no_place_is_told_to_come_again_in_a_second() {
    let bench = Bench::within(2, |config| config).await;
    let hold = bench.server.hold();
    let on_their_way = [bench.spawn("one"), bench.spawn("two")];
    bench.server.called(2).await;
    let error = bench.error("three").await;
    assert_eq!(error.to_string(), "too many tokens are being exchanged");
    assert!(error.is_transient());
    assert_eq!(error.retry_after(), Some(secs(1)));
    // Whoever wants what is on its way finds one.
    let joined = bench.spawn("two");
    tokio::task::yield_now().await;
    hold.release();
    for caller in on_their_way {
        caller.await.unwrap().unwrap();
    }
    joined.await.unwrap().unwrap();
    until("a place", || bench.exchange.on_their_way() == 0).await;
    bench.token("three").await;
    assert_eq!(bench.calls(), 3);
}

#[test]
fn without_a_runtime_there_is_an_error_and_no_panic() {
    use futures_util::FutureExt as _;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bench = runtime.block_on(Bench::new());
    let error = bench.of("one").token().now_or_never().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "tokens are exchanged on a tokio runtime, and there is none");
    assert_eq!(bench.exchange.on_their_way(), 0);
    runtime.block_on(bench.token("one"));
}

#[tokio::test]
async fn an_exchange_whose_runtime_is_gone_is_begun_anew() {
    let bench = Bench::new().await;
    let hold = bench.server.hold();
    let other = std::thread::spawn({
        let source = bench.of("one");
        move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let waiting = tokio::spawn(async move { source.token().await });
                tokio::task::yield_now().await;
                drop(waiting);
            });
        }
    });
    until("the other runtime to end", || other.is_finished()).await;
    other.join().unwrap();
    hold.release();
    bench.quiet().await;
    assert!(bench.text("one").await.starts_with("access-"));
}

#[tokio::test]
async fn an_exchange_whose_runtime_stands_still_is_given_up() {
    let bench = Bench::new().await;
    let still = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let source = bench.of("one");
    // Begun there, and never driven again.
    {
        let _there = still.enter();
        let mut asking = source.token();
        let waker = std::task::Waker::noop();
        assert!(asking.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_pending());
    }
    assert_eq!(bench.exchange.on_their_way(), 1);
    let waiting = bench.spawn("one");
    tokio::task::yield_now().await;
    bench.advance(15);
    assert_eq!(text(&waiting.await.unwrap().unwrap()), "access-1");
    assert_eq!(bench.calls(), 1);
    still.shutdown_background();
}
