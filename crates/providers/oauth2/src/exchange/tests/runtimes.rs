//! Runtimes that are not there, end, or stand still.

use std::{
    sync::Arc,
    task::{Context, Waker},
};

use futures_util::FutureExt as _;
use http::StatusCode;
use portcullis_core::TokenSource;
use tokio::runtime::{Builder, Runtime};

use super::{Bench, text, until};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Begins an exchange on a runtime, which is not driven.
fn begin_on(runtime: &Runtime, source: &Arc<dyn TokenSource>) {
    let _there = runtime.enter();
    let mut asking = source.token();
    assert!(asking.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

#[test]
fn without_a_runtime_there_is_an_error_and_no_panic() {
    let runtime = runtime();
    let bench = runtime.block_on(Bench::new());
    let error = bench.of("one").token().now_or_never().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "tokens are exchanged on a tokio runtime, and there is none");
    assert_eq!(bench.exchange.on_their_way(), 0);
    runtime.block_on(bench.token("one"));
}

#[test]
fn on_a_runtime_that_ends_there_is_an_error_and_no_standstill() {
    let runtime = runtime();
    let bench = runtime.block_on(Bench::new());
    let ended = self::runtime();
    let handle = ended.handle().clone();
    ended.shutdown_background();
    let _there = handle.enter();
    let error = bench.of("one").token().now_or_never().unwrap().unwrap_err();
    assert!(error.is_transient());
    assert_eq!(
        error.to_string(),
        "the exchange of a token broke off: the runtime that it ran on is gone, or stands still"
    );
    assert_eq!(bench.exchange.on_their_way(), 0);
    assert_eq!(bench.calls(), 0);
}

#[tokio::test]
async fn an_exchange_whose_runtime_is_gone_is_begun_anew() {
    let bench = Bench::new().await;
    let there = runtime();
    begin_on(&there, &bench.of("one"));
    let waiting = bench.spawn("one");
    tokio::task::yield_now().await;
    assert_eq!(bench.exchange.on_their_way(), 1);
    there.shutdown_background();
    assert_eq!(text(&waiting.await.unwrap().unwrap()), "access-1");
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn an_exchange_whose_runtime_stands_still_is_given_up() {
    let bench = Bench::new().await;
    let still = runtime();
    begin_on(&still, &bench.of("one"));
    let waiting = bench.spawn("one");
    tokio::task::yield_now().await;
    let hold = bench.server.hold();
    bench.advance(15);
    bench.server.called(1).await;
    // It ends late, and takes nothing of its successor's along.
    still.shutdown_background();
    assert_eq!(bench.exchange.on_their_way(), 1);
    hold.release();
    assert_eq!(text(&waiting.await.unwrap().unwrap()), "access-1");
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn one_that_is_lost_takes_no_place() {
    let bench = Bench::within(1, |config| config).await;
    let still = runtime();
    begin_on(&still, &bench.of("one"));
    bench.advance(14);
    assert_eq!(bench.error("two").await.to_string(), "too many tokens are being exchanged");
    bench.advance(1);
    bench.token("two").await;
    still.shutdown_background();
}

#[tokio::test]
async fn a_trial_that_breaks_off_leaves_room_for_the_next() {
    let bench = Bench::new().await;
    bench.answer_next(StatusCode::SERVICE_UNAVAILABLE, "");
    bench.error("one").await;
    bench.advance(1);
    let there = runtime();
    begin_on(&there, &bench.of("one"));
    assert!(bench.error("two").await.is_transient());
    there.shutdown_background();
    until("the trial to break off", || bench.exchange.on_their_way() == 0).await;
    bench.token("two").await;
}

#[tokio::test]
async fn a_trial_that_is_lost_leaves_room_for_the_next() {
    let bench = Bench::new().await;
    bench.answer_next(StatusCode::SERVICE_UNAVAILABLE, "");
    bench.error("one").await;
    bench.advance(1);
    let still = runtime();
    begin_on(&still, &bench.of("one"));
    bench.advance(14);
    assert!(bench.error("two").await.is_transient());
    bench.advance(1);
    bench.token("two").await;
    still.shutdown_background();
}
