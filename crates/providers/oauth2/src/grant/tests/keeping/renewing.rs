//! How long a token is used, and when the next one is fetched.

use std::time::Duration;

use portcullis_core::{Clock as _, UnixTime};

use super::{Bench, SECOND, down, settle};
use crate::fixtures::{Log, text};

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
    bench.will(Ok(("first", 100)));
    assert_eq!(bench.token().await, "first");
    bench.clock.advance(100 * SECOND);
    let asking = bench.spawn();
    bench.until_called(2).await;
    assert!(format!("{:?}", bench.keeper).contains("holds: false"), "it does not rest");
    bench.answer(Ok(("second", 100)));
    assert_eq!(text(&asking.await.unwrap().unwrap()), "second");
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
    let log = Log::default();
    let _guard = log.listen();
    let bench = Bench::new();
    for token in ["once", "again", "and-again"] {
        bench.will(Ok((token, 0)));
        assert_eq!(bench.token().await, token);
        assert!(format!("{:?}", bench.keeper).contains("holds: false"), "it does not rest");
        // Told with the first one, and not again.
        assert_eq!(log.lines().len(), 1, "{:?}", log.lines());
        assert!(log.lines()[0].contains("each use fetches another one"), "{:?}", log.lines());
    }
    bench.will(Ok(("for-ever", u64::MAX)));
    assert_eq!(bench.token().await, "for-ever");
    bench.clock.advance(Duration::from_secs(u64::MAX / 4));
    assert_eq!(bench.token().await, "for-ever");
}

#[tokio::test]
async fn a_token_at_hand_is_given_without_waiting_and_renewed_meanwhile() {
    let bench = Bench::new();
    assert_eq!((bench.at_hand(), bench.calls()), (None, 0));
    bench.will(Ok(("first", 100)));
    assert_eq!(bench.token().await, "first");
    assert_eq!(bench.at_hand().as_deref(), Some("first"));
    bench.clock.advance(86 * SECOND);
    for _ in 0..1_000 {
        assert_eq!(bench.at_hand().as_deref(), Some("first"));
    }
    bench.until_called(2).await;
    bench.clock.advance(Duration::from_millis(13_999));
    assert_eq!(bench.at_hand().as_deref(), Some("first"));
    bench.clock.advance(Duration::from_millis(1));
    assert_eq!(bench.at_hand(), None, "its time is over");
    bench.answer(Ok(("second", 100)));
    settle().await;
    assert_eq!(bench.at_hand().as_deref(), Some("second"));
    assert_eq!(bench.calls(), 2);
}

#[tokio::test]
async fn a_renewal_that_fails_is_tried_again_by_whoever_takes_what_is_at_hand() {
    let bench = Bench::new();
    bench.will(Ok(("first", 100))).will(Err(down()));
    assert_eq!(bench.token().await, "first");
    bench.clock.advance(86 * SECOND);
    for _ in 0..10 {
        assert_eq!(bench.at_hand().as_deref(), Some("first"));
        settle().await;
    }
    assert_eq!(bench.calls(), 2, "the server has some rest");
    bench.will(Ok(("second", 100)));
    bench.clock.advance(SECOND * 5 / 4);
    assert_eq!(bench.at_hand().as_deref(), Some("first"));
    bench.until_called(3).await;
    settle().await;
    assert_eq!(bench.at_hand().as_deref(), Some("second"));
}

#[tokio::test]
async fn jumps_of_the_calendar_neither_end_a_token_nor_prolong_it() {
    let bench = Bench::new();
    bench.will(Ok(("first", 100))).will(Ok(("second", 100)));
    assert_eq!(bench.token().await, "first");
    bench.clock.set(bench.clock.now().saturating_add(Duration::from_secs(86_400)));
    assert_eq!(bench.token().await, "first");
    bench.clock.set(UnixTime::from_secs(1));
    bench.clock.advance(100 * SECOND);
    assert_eq!(bench.token().await, "second");
}

#[test]
fn a_token_at_hand_is_given_where_no_runtime_is() {
    let bench = Bench::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    bench.will(Ok(("first", 100)));
    assert_eq!(runtime.block_on(bench.token()), "first");
    bench.clock.advance(90 * SECOND);
    assert_eq!(bench.at_hand().as_deref(), Some("first"));
    assert_eq!(bench.calls(), 1, "nothing can be fetched here");
    runtime.block_on(async {
        assert_eq!(bench.at_hand().as_deref(), Some("first"));
        bench.until_called(2).await;
    });
}
