//! A token that is sent without asking for it each time.

use std::{sync::Arc, time::Duration};

use super::{Bench, SECOND, down, settle};
use crate::fixtures::text;

#[tokio::test]
async fn a_lease_ends_where_its_renewal_is_due_and_what_is_asked_for_then_renews_it() {
    let bench = Bench::new();
    assert!(bench.lease().is_none());
    bench.will(Ok(("first", 100)));
    bench.token().await;
    let first = bench.lease().unwrap();
    assert_eq!(text(first.token()), "first");
    assert!(Arc::ptr_eq(&first, &bench.lease().unwrap()), "all have the same");

    bench.clock.advance(74 * SECOND);
    assert!(first.is_good());
    bench.clock.advance(12 * SECOND);
    assert!(!first.is_good() && bench.lease().is_none());
    assert_eq!(bench.at_hand().as_deref(), Some("first"));
    bench.until_called(2).await;
    let meanwhile = bench.lease().expect("it is good while the next one is fetched");
    assert_eq!((text(meanwhile.token()).as_str(), meanwhile.is_good()), ("first", true));
    bench.answer(Ok(("second", 100)));
    settle().await;
    assert!(!meanwhile.is_good(), "there is a newer one");
    assert_eq!(text(bench.lease().unwrap().token()), "second");
}

#[tokio::test]
async fn a_lease_never_outlasts_its_token() {
    let bench = Bench::new();
    bench.will(Ok(("first", 100)));
    bench.token().await;
    bench.clock.advance(86 * SECOND);
    bench.at_hand();
    bench.until_called(2).await;
    bench.answer(Err(down()));
    settle().await;
    let last = bench.lease().expect("the last token is good still");
    bench.clock.advance(14 * SECOND);
    assert!(!last.is_good() && bench.lease().is_none());
}

#[tokio::test]
async fn nor_does_it_while_the_next_one_is_on_its_way_or_may_not_be_asked_for() {
    for answered in [false, true] {
        let bench = Bench::new();
        bench.will(Ok(("first", 100)));
        bench.token().await;
        bench.clock.advance(86 * SECOND);
        bench.at_hand();
        bench.until_called(2).await;
        if answered {
            bench.answer(Err(down().with_retry_after(60 * SECOND)));
            settle().await;
        }
        let last = bench.lease().unwrap();
        bench.clock.advance(14 * SECOND - Duration::from_nanos(1));
        assert!(last.is_good());
        bench.clock.advance(Duration::from_nanos(1));
        assert!(!last.is_good() && bench.lease().is_none());
    }
}

#[tokio::test]
async fn what_a_server_refused_is_taken_back_from_all_who_send_it() {
    let bench = Bench::new();
    bench.will(Ok(("first", 100))).will(Ok(("second", 100)));
    bench.token().await;
    let first = bench.lease().unwrap();
    assert!(bench.refused("another") && first.is_good(), "that was not this one");
    assert!(bench.refused("first"));
    assert!(!first.is_good() && bench.lease().is_none());
    bench.token().await;
    assert_eq!(text(bench.lease().unwrap().token()), "second");

    // Another one was fetched a moment ago.
    assert!(!bench.refused("second") && bench.lease().unwrap().is_good());
}

#[tokio::test]
async fn a_token_that_is_tried_out_takes_no_good_one_back() {
    let bench = Bench::new();
    bench.will(Ok(("first", 1_000))).will(Ok(("tried", 1_000)));
    bench.token().await;
    let first = bench.lease().unwrap();
    bench.keeper.try_out().await.unwrap();
    assert!(first.is_good());
    bench.clock.advance(Duration::from_secs(900));
    bench.will(Ok(("tried", 1_000)));
    bench.keeper.try_out().await.unwrap();
    assert!(!first.is_good());
    assert_eq!(text(bench.lease().unwrap().token()), "tried");
}
