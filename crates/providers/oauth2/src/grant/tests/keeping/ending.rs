//! Fetches that end in no good way.

use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::runtime::{Builder, Runtime};

use super::{Bench, SECOND, down, settle};
use crate::fixtures::{Log, text};

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

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn a_fetch_whose_runtime_is_shut_down_is_begun_anew_on_another() {
    let bench = Bench::new();
    let (first, second) = (runtime(), runtime());
    first.block_on(async {
        let asking = bench.spawn();
        bench.until_called(1).await;
        asking.abort();
    });
    second.block_on(async {
        let waiting = bench.spawn();
        settle().await;
        assert_eq!(bench.calls(), 1, "it waits for the other's fetch");
        first.shutdown_background();
        bench.until_called(2).await;
        bench.answer(Ok(("second", 100)));
        assert_eq!(text(&waiting.await.unwrap().unwrap()), "second");
    });
}

#[test]
fn a_renewal_whose_runtime_is_shut_down_is_begun_anew_on_another() {
    let bench = Bench::new();
    let (first, second) = (runtime(), runtime());
    first.block_on(async {
        bench.will(Ok(("first", 100)));
        assert_eq!(bench.token().await, "first");
        bench.clock.advance(86 * SECOND);
        assert_eq!(bench.at_hand().as_deref(), Some("first"));
        bench.until_called(2).await;
    });
    drop(first);
    second.block_on(async {
        assert_eq!(bench.at_hand().as_deref(), Some("first"));
        bench.until_called(3).await;
        bench.answer(Ok(("second", 100)));
        settle().await;
        assert_eq!(bench.at_hand().as_deref(), Some("second"));
    });
}

#[test]
fn a_fetch_on_a_runtime_that_stands_still_is_given_up_and_may_come_late() {
    let bench = Bench::new();
    let (first, second) = (runtime(), runtime());
    first.block_on(async {
        _ = bench.spawn();
        bench.until_called(1).await;
    });
    second.block_on(async {
        let waiting = bench.spawn();
        settle().await;
        bench.clock.advance(59 * SECOND);
        settle().await;
        assert_eq!(bench.calls(), 1, "its own deadlines have not passed");
        bench.clock.advance(SECOND);
        bench.until_called(2).await;
        bench.answer(Ok(("second", 100)));
        assert_eq!(text(&waiting.await.unwrap().unwrap()), "second");
    });
    bench.answer_number(1, Ok(("first", 1_000)));
    first.block_on(settle());
    second.block_on(async { assert_eq!(bench.token().await, "second", "the newest stays") });
}

#[test]
fn one_that_comes_late_serves_where_no_newer_one_came() {
    let bench = Bench::new();
    let (first, second) = (runtime(), runtime());
    first.block_on(async {
        _ = bench.spawn();
        bench.until_called(1).await;
    });
    second.block_on(async {
        bench.clock.advance(60 * SECOND);
        let waiting = bench.spawn();
        bench.until_called(2).await;
        waiting.abort();
    });
    bench.answer_number(1, Ok(("first", 1_000)));
    first.block_on(async { settle().await });
    assert_eq!(bench.at_hand().as_deref(), Some("first"));
}

#[test]
fn one_that_fails_late_is_no_failure() {
    let log = Log::default();
    let _guard = log.listen();
    let bench = Bench::new();
    let (first, second) = (runtime(), runtime());
    first.block_on(async {
        _ = bench.spawn();
        bench.until_called(1).await;
    });
    bench.clock.advance(60 * SECOND);
    let waiting = {
        let _there = second.enter();
        bench.spawn()
    };
    second.block_on(bench.until_called(2));
    bench.answer_number(1, Err(down()));
    first.block_on(settle());
    bench.answer(Ok(("second", 100)));
    assert_eq!(text(&second.block_on(waiting).unwrap().unwrap()), "second");
    assert_eq!(log.lines(), Vec::<String>::new());
}

/// Asks for a token where tasks are dropped.
struct AsksWhenDropped(Bench);

impl Drop for AsksWhenDropped {
    fn drop(&mut self) {
        // Whether there still is a runtime is the runtime's business.
        _ = self.0.keeper.get().now_or_never();
        _ = self.0.at_hand();
    }
}

#[test]
fn who_asks_while_the_runtime_shuts_down_does_not_stop_everybody() {
    let bench = Bench::new();
    let first = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let asks = AsksWhenDropped(Bench { keeper: bench.keeper.clone(), ..Bench::new() });
    first.spawn(async move {
        let _asks = asks;
        std::future::pending::<()>().await;
    });
    first.block_on(settle());
    first.shutdown_timeout(Duration::from_secs(60));
    runtime().block_on(async {
        let asking = bench.spawn();
        settle().await;
        bench.answer(Ok(("first", 100)));
        assert_eq!(text(&asking.await.unwrap().unwrap()), "first");
    });
}

#[test]
fn who_waits_outside_of_tokio_is_told_too() {
    let bench = Bench::new();
    let runtime = runtime();
    runtime.block_on(async {
        _ = bench.spawn();
        bench.until_called(1).await;
    });
    let mut waiting = Box::pin(bench.keeper.get());
    assert!(waiting.as_mut().now_or_never().is_none());
    bench.answer(Ok(("first", 100)));
    runtime.block_on(settle());
    assert_eq!(text(&waiting.now_or_never().unwrap().unwrap()), "first");
}
