//! When a server refuses a token.

use std::{sync::Arc, time::Duration};

use portcullis_core::{TokenError, TokenSource as _};

use super::{Bench, SECOND, down, settle};
use crate::{
    fixtures::{bearer, text},
    grant::keeper::TokenKeeper,
};

#[tokio::test]
async fn a_refused_token_is_fetched_anew_once() {
    let bench = Bench::new();
    bench.will(Ok(("first", 100))).will(Ok(("second", 100)));
    assert_eq!(bench.token().await, "first");
    assert!(bench.refused("another"), "there is a newer one");
    assert_eq!(bench.token().await, "first", "that was not the one in use");
    assert!(bench.refused("first"));
    assert_eq!(bench.at_hand(), None);
    assert!(bench.refused("first"), "another one is about to be fetched");
    assert_eq!(bench.token().await, "second");
    assert!(bench.refused("first"), "late complaints about the first one say nothing about the second");
    assert_eq!(bench.token().await, "second");
    assert_eq!(bench.calls(), 2);
}

#[tokio::test]
async fn refused_tokens_cause_a_fetch_every_ten_seconds_at_most() {
    let bench = Bench::new();
    bench.will(Ok(("same", 100))).will(Ok(("same", 100)));
    assert_eq!(bench.token().await, "same");
    assert!(bench.refused("same"));
    assert_eq!(bench.token().await, "same");
    for _ in 0..20 {
        assert!(!bench.refused("same"), "another one was fetched a moment ago");
        assert_eq!(bench.token().await, "same");
    }
    assert_eq!(bench.calls(), 2);
    bench.clock.advance(Duration::from_millis(9_999));
    assert!(!bench.refused("same"));
    assert_eq!((bench.token().await.as_str(), bench.calls()), ("same", 2));
    bench.clock.advance(Duration::from_millis(1));
    bench.will(Ok(("new", 100)));
    assert!(bench.refused("same"));
    assert_eq!(bench.token().await, "new");
}

/// What a layer does with each of its requests, at a server that refuses everything.
async fn request(bench: &Bench) {
    let token = bench.keeper.get().await.unwrap();
    if bench.keeper.refused(&token) {
        bench.keeper.get().await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_refuses_everything_causes_one_fetch_per_interval() {
    for (interval, most) in [(10, 11), (2, 51), (50, 3)] {
        let mut bench = Bench::new();
        bench.keeper = Arc::new(TokenKeeper::new(
            bench.server.clone(),
            Arc::new(bench.clock.clone()),
            Duration::from_secs(interval),
        ));
        let tokens: Vec<String> = (0..100).map(|number| format!("token-{number}")).collect();
        for token in &tokens {
            bench.will(Ok((token.clone().leak(), 3_600)));
        }
        for _ in 0..1_000 {
            request(&bench).await;
            bench.clock.advance(SECOND / 10);
        }
        assert_eq!(bench.calls(), most, "the first one, and one every {interval} s");
    }
}

#[tokio::test]
async fn so_does_one_whose_tokens_have_no_lifetime_beside_what_they_cost_anyway() {
    let bench = Bench::new();
    for _ in 0..12 {
        bench.will(Ok(("once", 0)));
    }
    for _ in 0..10 {
        request(&bench).await;
    }
    assert_eq!(bench.calls(), 11, "one for each request, and one that was forced");
}

#[tokio::test]
async fn a_thousand_refusals_at_once_cause_one_fetch() {
    let bench = Bench::new();
    bench.will(Ok(("first", 100)));
    let first = bench.keeper.get().await.unwrap();
    let callers: Vec<_> = (0..1_000)
        .map(|_| {
            assert!(bench.keeper.refused(&first));
            bench.spawn()
        })
        .collect();
    bench.until_called(2).await;
    assert!(bench.keeper.refused(&first), "another one is on its way");
    bench.answer(Ok(("second", 100)));
    for caller in callers {
        assert_eq!(text(&caller.await.unwrap().unwrap()), "second");
    }
    assert!(bench.keeper.refused(&first), "it is there");
    assert_eq!((bench.token().await.as_str(), bench.calls()), ("second", 2));
}

#[tokio::test]
async fn a_refused_token_whose_renewal_is_under_way_is_given_to_nobody() {
    let bench = Bench::new();
    bench.will(Ok(("first", 100)));
    assert_eq!(bench.token().await, "first");
    bench.clock.advance(86 * SECOND);
    assert_eq!(bench.at_hand().as_deref(), Some("first"));
    bench.until_called(2).await;
    assert!(bench.refused("first"));
    assert_eq!(bench.at_hand(), None);
    let waiting = bench.spawn();
    settle().await;
    bench.answer(Ok(("second", 100)));
    assert_eq!(text(&waiting.await.unwrap().unwrap()), "second");
    assert!(!bench.refused("second"), "that fetch was the one that the refusal may cause");
    assert_eq!(bench.calls(), 2);
}

#[tokio::test]
async fn a_fetch_that_is_under_way_serves_whoever_was_refused_within_the_interval() {
    let bench = Bench::new();
    bench.will(Ok(("first", 100))).will(Ok(("second", 8)));
    assert_eq!(bench.token().await, "first");
    assert!(bench.refused("first"));
    assert_eq!(bench.token().await, "second");
    bench.clock.advance(7 * SECOND);
    assert_eq!(bench.at_hand().as_deref(), Some("second"));
    bench.until_called(3).await;
    assert!(bench.refused("second"));
    bench.answer(Ok(("third", 100)));
    assert_eq!(bench.token().await, "third");
    assert_eq!(bench.calls(), 3);
}

#[tokio::test]
async fn a_refused_token_that_has_ended_meanwhile_is_replaced_without_force() {
    let bench = Bench::new();
    bench.will(Ok(("first", 100))).will(Ok(("second", 100))).will(Ok(("third", 100)));
    assert_eq!(bench.token().await, "first");
    bench.clock.advance(100 * SECOND);
    assert!(bench.refused("first"));
    assert_eq!(bench.token().await, "second");
    assert!(bench.refused("second"), "nothing was forced so far");
    assert_eq!(bench.token().await, "third");
}

#[tokio::test]
async fn a_refused_token_is_not_used_although_no_other_can_be_had() {
    let bench = Bench::new();
    bench.will(Ok(("first", 100))).will(Err(down()));
    assert_eq!(bench.token().await, "first");
    assert!(bench.refused("first"));
    assert_eq!(bench.error().await.to_string(), "down");
    assert!(!bench.refused("first"), "the endpoint was asked a moment ago");
    bench.will(Ok(("second", 100)));
    bench.clock.advance(2 * SECOND);
    assert!(bench.refused("first"));
    assert_eq!(bench.token().await, "second");
}

#[tokio::test]
async fn while_the_endpoint_is_left_alone_a_refused_token_stays() {
    let bench = Bench::new();
    bench.will(Ok(("first", 100))).will(Err(TokenError::transient("busy").with_retry_after(30 * SECOND)));
    assert_eq!(bench.token().await, "first");
    bench.clock.advance(86 * SECOND);
    assert_eq!(bench.token().await, "first");
    bench.until_called(2).await;
    settle().await;
    assert!(!bench.refused("first"), "no other can be had now");
    assert_eq!(bench.token().await, "first", "another server may take it");
    assert!(bench.refused("another"), "there is a newer one than that");
    assert_eq!(bench.keeper.get().await.unwrap(), bearer("first"));
    assert_eq!(bench.calls(), 2);
}

#[tokio::test]
async fn a_probe_under_way_replaces_a_refused_token_although_the_endpoint_was_left_alone() {
    let bench = Bench::new();
    bench.will(Ok(("first", 100))).will(Err(TokenError::transient("busy").with_retry_after(30 * SECOND)));
    assert_eq!(bench.token().await, "first");
    bench.clock.advance(86 * SECOND);
    assert_eq!(bench.token().await, "first");
    bench.until_called(2).await;
    settle().await;
    assert!(!bench.refused("first"));
    let keeper = Arc::clone(&bench.keeper);
    let probe = tokio::spawn(async move { keeper.probe().await.remove(0).result });
    bench.until_called(3).await;
    assert!(bench.refused("first"), "another one is on its way");
    let waiting = bench.spawn();
    settle().await;
    bench.answer(Ok(("second", 100)));
    assert_eq!(probe.await.unwrap().as_deref(), Ok("gives a token for 100 s"));
    assert_eq!(text(&waiting.await.unwrap().unwrap()), "second");
    assert_eq!((bench.token().await.as_str(), bench.calls()), ("second", 3));
}

#[tokio::test]
async fn a_newer_token_that_has_ended_is_none_to_be_had() {
    let bench = Bench::new();
    bench.will(Ok(("first", 100))).will(Err(TokenError::transient("busy").with_retry_after(30 * SECOND)));
    assert_eq!(bench.token().await, "first");
    bench.clock.advance(86 * SECOND);
    assert_eq!(bench.token().await, "first");
    bench.until_called(2).await;
    settle().await;
    bench.clock.advance(14 * SECOND);
    assert!(!bench.refused("another"), "the endpoint is left alone");
    bench.clock.advance(16 * SECOND);
    assert!(bench.refused("another"), "it may be asked");
}
