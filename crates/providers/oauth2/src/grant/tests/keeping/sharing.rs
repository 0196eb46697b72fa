//! One fetch for all who wait.

use portcullis_core::TokenError;

use super::{Bench, SECOND, settle};
use crate::fixtures::text;

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
async fn a_thousand_callers_at_the_moment_of_expiry_cause_one_fetch_that_the_first_cannot_end() {
    let bench = Bench::new();
    bench.will(Ok(("first", 100)));
    assert_eq!(bench.token().await, "first");
    bench.clock.advance(100 * SECOND);
    let mut callers: Vec<_> = (0..1_000).map(|_| bench.spawn()).collect();
    bench.until_called(2).await;
    callers.remove(0).abort();
    settle().await;
    bench.answer(Ok(("second", 100)));
    for caller in callers {
        assert_eq!(text(&caller.await.unwrap().unwrap()), "second");
    }
    assert_eq!(bench.calls(), 2);
}
