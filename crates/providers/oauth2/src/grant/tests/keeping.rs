//! How a token is kept, whatever grant it came by.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::FutureExt as _;
use portcullis_core::{Authorization, BoxFuture, TokenError, TokenSource as _};
use portcullis_testing::ManualClock;
use tokio::{sync::oneshot, task::JoinHandle};

use super::super::keeper::{Fetch, Fetched, MIN_REFRESH_INTERVAL, TokenKeeper};
use crate::fixtures::{Log, NOW, bearer, text};

const SECOND: Duration = Duration::from_secs(1);

type Given = Result<(&'static str, u64), TokenError>;

/// A server that answers when the test says so.
#[derive(Clone, Debug, Default)]
struct Scripted {
    /// Answers that are there before they are asked for.
    ready: Arc<Mutex<VecDeque<Given>>>,
    asked: Arc<Mutex<Vec<Option<oneshot::Sender<Given>>>>>,
}

impl Fetch for Scripted {
    fn fetch(&self) -> BoxFuture<'_, Result<Fetched, TokenError>> {
        let (tell, told) = oneshot::channel();
        let ready = self.ready.lock().unwrap().pop_front();
        let tell = match ready {
            Some(given) => {
                tell.send(given).ok().unwrap();
                None
            }
            None => Some(tell),
        };
        self.asked.lock().unwrap().push(tell);
        Box::pin(async move {
            let (token, seconds) = told.await.expect("the script goes on")?;
            Ok(Fetched { token: bearer(token), lifetime: Duration::from_secs(seconds) })
        })
    }

    fn address(&self) -> &str {
        "https://localhost/token"
    }
}

struct Bench {
    server: Scripted,
    clock: ManualClock,
    keeper: Arc<TokenKeeper>,
}

impl Bench {
    fn new() -> Self {
        let (server, clock) = (Scripted::default(), ManualClock::at(NOW));
        let keeper =
            Arc::new(TokenKeeper::new(server.clone(), Arc::new(clock.clone()), MIN_REFRESH_INTERVAL));
        Self { server, clock, keeper }
    }

    fn will(&self, given: Given) -> &Self {
        self.server.ready.lock().unwrap().push_back(given);
        self
    }

    fn calls(&self) -> usize {
        self.server.asked.lock().unwrap().len()
    }

    /// Answers the last question.
    fn answer(&self, given: Given) {
        let tell = self.server.asked.lock().unwrap().last_mut().unwrap().take().unwrap();
        tell.send(given).ok().unwrap();
    }

    async fn token(&self) -> String {
        text(&self.keeper.get().await.unwrap())
    }

    async fn error(&self) -> TokenError {
        self.keeper.get().await.unwrap_err()
    }

    fn spawn(&self) -> JoinHandle<Result<Authorization, TokenError>> {
        let keeper = Arc::clone(&self.keeper);
        tokio::spawn(async move { keeper.get().await })
    }

    async fn until_called(&self, calls: usize) {
        until(|| self.calls() == calls).await;
    }
}

async fn until(reached: impl Fn() -> bool) {
    let waiting = async {
        while !reached() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("within a minute");
}

/// Lets every other task do what it can.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

fn down() -> TokenError {
    TokenError::transient("down")
}

#[tokio::test]
async fn all_who_wait_share_one_fetch_and_the_token_is_kept() {
    let bench = Bench::new();
    let callers: Vec<_> = (0..1_000).map(|_| bench.spawn()).collect();
    bench.until_called(1).await;
    settle().await;
    bench.answer(Ok(("first", 100)));
    for caller in callers {
        assert_eq!(text(&caller.await.unwrap().unwrap()), "first");
    }
    assert_eq!(bench.token().await, "first");
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn a_caller_that_goes_away_ends_the_fetch_for_nobody() {
    let bench = Bench::new();
    let first = bench.spawn();
    bench.until_called(1).await;
    let second = bench.spawn();
    settle().await;
    first.abort();
    settle().await;
    bench.answer(Ok(("first", 100)));
    assert_eq!(text(&second.await.unwrap().unwrap()), "first");

    let bench = Bench::new();
    let only = bench.spawn();
    bench.until_called(1).await;
    only.abort();
    settle().await;
    bench.answer(Ok(("first", 100)));
    settle().await;
    assert_eq!(bench.token().await, "first");
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn a_token_is_renewed_in_the_background_in_the_last_part_of_its_life() {
    let bench = Bench::new();
    bench.will(Ok(("first", 100)));
    assert_eq!(bench.token().await, "first");
    bench.clock.advance(74 * SECOND);
    assert_eq!(bench.token().await, "first");
    settle().await;
    assert_eq!(bench.calls(), 1, "not before three quarters of its life are over");

    bench.clock.advance(12 * SECOND);
    for _ in 0..10 {
        assert_eq!(bench.token().await, "first", "nobody waits");
    }
    bench.until_called(2).await;
    bench.answer(Ok(("second", 100)));
    settle().await;
    assert_eq!(bench.token().await, "second");
    assert_eq!(bench.calls(), 2);
}

#[tokio::test]
async fn a_long_lived_token_is_renewed_some_minutes_before_its_end() {
    let bench = Bench::new();
    bench.will(Ok(("first", 86_400)));
    assert_eq!(bench.token().await, "first");
    bench.clock.advance(Duration::from_secs(86_400 - 376));
    bench.token().await;
    settle().await;
    assert_eq!(bench.calls(), 1);
    bench.clock.advance(Duration::from_secs(376 - 224));
    bench.token().await;
    bench.until_called(2).await;
}

#[tokio::test]
async fn an_expired_token_is_waited_for_and_never_used() {
    let bench = Bench::new();
    bench.will(Ok(("first", 100))).will(Ok(("second", 100)));
    assert_eq!(bench.token().await, "first");
    bench.clock.advance(100 * SECOND);
    assert_eq!(bench.token().await, "second");
    assert_eq!(bench.calls(), 2);
}

#[tokio::test]
async fn a_lifetime_counts_from_the_moment_at_which_the_token_was_asked_for() {
    let bench = Bench::new();
    let asking = bench.spawn();
    bench.until_called(1).await;
    bench.clock.advance(30 * SECOND);
    bench.answer(Ok(("first", 100)));
    asking.await.unwrap().unwrap();
    bench.clock.advance(70 * SECOND);
    bench.will(Ok(("second", 100)));
    assert_eq!(bench.token().await, "second");
}

#[tokio::test]
async fn a_token_without_lifetime_is_given_to_who_waited_and_not_kept() {
    let bench = Bench::new();
    bench.will(Ok(("once", 0))).will(Ok(("again", 0)));
    assert_eq!(bench.token().await, "once");
    assert_eq!(bench.token().await, "again");
    assert!(format!("{:?}", bench.keeper).contains("holds: false"), "it does not rest");
    bench.will(Ok(("for-ever", u64::MAX)));
    assert_eq!(bench.token().await, "for-ever");
    bench.clock.advance(Duration::from_secs(u64::MAX / 4));
    assert_eq!(bench.token().await, "for-ever");
}

#[tokio::test]
async fn the_old_token_serves_while_it_lives_and_failures_are_tried_again_more_and_more_rarely() {
    let bench = Bench::new();
    bench.will(Ok(("first", 1_000)));
    assert_eq!(bench.token().await, "first");
    bench.clock.advance(900 * SECOND);
    // 90 s are left. Each try is asked for-every half second.
    let mut tries = Vec::new();
    for half in 0..180_u32 {
        let calls = bench.calls();
        bench.will(Err(down()));
        assert_eq!(bench.token().await, "first");
        settle().await;
        if bench.calls() > calls {
            tries.push(half);
        }
        bench.server.ready.lock().unwrap().clear();
        bench.clock.advance(SECOND / 2);
    }
    let pauses: Vec<u32> = tries.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!((5..=8).contains(&tries.len()), "{tries:?}");
    for (position, pause) in pauses.iter().enumerate() {
        // 1, 2, 4, ... s, a quarter more or less, seen every half second.
        let expected = 2_u32 << position;
        assert!(*pause >= expected * 3 / 4 && *pause <= expected * 5 / 4 + 1, "{pauses:?}");
    }
    // The server comes back before the token's end.
    let bench = Bench::new();
    bench.will(Ok(("first", 100))).will(Err(down())).will(Ok(("second", 100)));
    assert_eq!(bench.token().await, "first");
    bench.clock.advance(90 * SECOND);
    assert_eq!(bench.token().await, "first");
    bench.until_called(2).await;
    settle().await;
    bench.clock.advance(2 * SECOND);
    assert_eq!(bench.token().await, "first");
    bench.until_called(3).await;
    settle().await;
    assert_eq!(bench.token().await, "second");
}

#[tokio::test]
async fn without_a_token_callers_get_the_error_and_the_server_some_rest() {
    let bench = Bench::new();
    bench.will(Err(down()));
    assert_eq!(bench.error().await.to_string(), "down");
    let error = bench.error().await;
    assert_eq!(bench.calls(), 1, "no call for a while");
    assert!(error.is_transient());
    let after = error.retry_after().unwrap();
    assert!(after >= SECOND * 3 / 4 && after <= SECOND * 5 / 4, "{after:?}");

    bench.clock.advance(SECOND * 5 / 4);
    bench.will(Ok(("first", 100)));
    assert_eq!(bench.token().await, "first");
    assert_eq!(bench.calls(), 2);

    // However long it fails, somebody who waits is tried for within five seconds.
    let bench = Bench::new();
    for _ in 0..20 {
        bench.will(Err(down()));
        let calls = bench.calls();
        bench.error().await;
        assert_eq!(bench.calls(), calls + 1);
        assert!(bench.error().await.retry_after().unwrap() <= 5 * SECOND);
        bench.clock.advance(5 * SECOND);
    }
}

#[tokio::test]
async fn the_servers_word_on_when_to_come_again_is_kept_for_a_minute_at_most() {
    let bench = Bench::new();
    bench.will(Err(down().with_retry_after(30 * SECOND)));
    bench.error().await;
    bench.clock.advance(29 * SECOND);
    bench.error().await;
    assert_eq!(bench.calls(), 1);
    bench.clock.advance(SECOND);
    bench.will(Err(down().with_retry_after(86_400 * SECOND)));
    bench.error().await;
    assert_eq!(bench.calls(), 2);
    bench.clock.advance(60 * SECOND);
    bench.will(Ok(("first", 100)));
    assert_eq!(bench.token().await, "first");
}

#[tokio::test]
async fn a_failure_is_shared_by_all_who_waited_for_it() {
    let bench = Bench::new();
    let callers: Vec<_> = (0..50).map(|_| bench.spawn()).collect();
    bench.until_called(1).await;
    settle().await;
    bench.answer(Err(TokenError::permanent("no")));
    for caller in callers {
        let error = caller.await.unwrap().unwrap_err();
        assert_eq!((error.to_string().as_str(), error.is_transient()), ("no", false));
    }
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn a_refused_token_is_fetched_anew_once() {
    let bench = Bench::new();
    bench.will(Ok(("first", 100))).will(Ok(("second", 100)));
    assert_eq!(bench.token().await, "first");
    let first = bearer("first");
    bench.keeper.refused(&bearer("another"));
    assert_eq!(bench.token().await, "first", "that was not the one in use");
    bench.keeper.refused(&first);
    bench.keeper.refused(&first);
    assert_eq!(bench.token().await, "second");
    // Late complaints about the first one say nothing about the second.
    bench.keeper.refused(&first);
    assert_eq!(bench.token().await, "second");
    assert_eq!(bench.calls(), 2);
}

#[tokio::test]
async fn refused_tokens_cause_a_fetch_every_ten_seconds_at_most() {
    let bench = Bench::new();
    bench.will(Ok(("same", 100))).will(Ok(("same", 100)));
    assert_eq!(bench.token().await, "same");
    let same = bearer("same");
    for _ in 0..20 {
        bench.keeper.refused(&same);
        assert_eq!(bench.token().await, "same");
    }
    assert_eq!(bench.calls(), 2);
    bench.clock.advance(Duration::from_millis(9_999));
    bench.keeper.refused(&same);
    bench.token().await;
    assert_eq!(bench.calls(), 2);
    bench.clock.advance(Duration::from_millis(1));
    bench.will(Ok(("new", 100)));
    bench.keeper.refused(&same);
    assert_eq!(bench.token().await, "new");
}

#[tokio::test]
async fn a_refused_token_is_not_used_although_no_other_can_be_had() {
    let bench = Bench::new();
    bench.will(Ok(("first", 100))).will(Err(down()));
    assert_eq!(bench.token().await, "first");
    bench.keeper.refused(&bearer("first"));
    assert_eq!(bench.error().await.to_string(), "down");
}

#[tokio::test]
async fn a_fetch_that_panics_is_a_failure_and_the_next_one_begins() {
    let bench = Bench::new();
    let asking = bench.spawn();
    bench.until_called(1).await;
    drop(bench.server.asked.lock().unwrap().last_mut().unwrap().take()); // The fetch panics.
    assert_eq!(asking.await.unwrap().unwrap_err().to_string(), "the fetch of a token panicked");
    bench.clock.advance(2 * SECOND);
    bench.will(Ok(("first", 100)));
    assert_eq!(bench.token().await, "first");
}

#[test]
fn without_a_runtime_there_is_an_error_and_no_panic() {
    let bench = Bench::new();
    let error = bench.keeper.get().now_or_never().unwrap().unwrap_err();
    assert!(error.to_string().contains("there is none"), "{error}");
}

#[tokio::test]
async fn an_outage_is_logged_when_it_begins_and_when_it_ends_and_no_token_ever() {
    let log = Log::default();
    let _guard = log.listen();
    let bench = Bench::new();
    for _ in 0..3 {
        bench.will(Err(down().with_source(std::io::Error::other("cause"))));
        bench.error().await;
        bench.clock.advance(5 * SECOND);
    }
    assert_eq!(log.lines().len(), 1, "{:?}", log.lines());
    assert!(log.lines()[0].contains("down: cause") && log.lines()[0].contains("https://localhost/token"));
    bench.will(Ok(("canary", 100)));
    bench.token().await;
    let lines = log.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[1].contains("tokens are fetched again"), "{lines:?}");
    assert!(!log.text().contains("canary") && !format!("{:?}", bench.keeper).contains("canary"));
}

#[tokio::test]
async fn trying_out_keeps_nothing() {
    let bench = Bench::new();
    bench.will(Ok(("tried", 100))).will(Ok(("first", 100)));
    assert_eq!(text(&bench.keeper.fetch_now().await.unwrap().token), "tried");
    assert_eq!(bench.token().await, "first");
}
