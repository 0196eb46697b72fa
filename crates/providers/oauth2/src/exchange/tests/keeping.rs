//! How long a token is kept, for whom, and how many.

use http::StatusCode;
use portcullis_core::{OnBehalfOf, Secret, TokenSource as _, UnixTime};

use super::{
    super::{
        ExchangeCacheConfig,
        exchanges::Subject,
        kept::{Held, Kept, Moment},
    },
    Bench, bearer, secs, text, until,
};
use crate::{fixtures::NOW, prf::Digest};

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

#[tokio::test]
async fn a_lifetime_begins_when_the_token_was_asked_for() {
    let bench = Bench::new().await;
    bench.server.expires_in(Some(60));
    let hold = bench.server.hold();
    let asking = bench.spawn("one");
    bench.server.called(1).await;
    bench.advance(5);
    hold.release();
    asking.await.unwrap().unwrap();
    bench.server.fail_with(StatusCode::BAD_REQUEST);
    bench.advance(54);
    assert!(bench.of("one").try_token().is_some());
    bench.quiet().await;
    bench.advance(1);
    assert!(bench.of("one").try_token().is_none());
}

#[test]
fn an_older_token_that_comes_later_is_not_kept() {
    let kept = Kept::new(10, secs(5));
    let now = Moment { civil: NOW, monotonic: secs(0) };
    let subject = Digest::from_bytes([1; 32]);
    let held = |number: u64| Held {
        token: bearer(&format!("token-{number}")),
        actor: None,
        number,
        renew_at: secs(60),
        good_until: secs(60),
        subject_until: None,
    };
    let found = || text(&kept.get(&subject, None, now).unwrap().token);
    kept.put(&subject, held(2), now);
    kept.put(&subject, held(1), now);
    assert_eq!(found(), "token-2");
    kept.put(&subject, held(3), now);
    assert_eq!(found(), "token-3");
}

#[tokio::test]
async fn whoever_saw_that_a_token_is_due_and_comes_after_the_next_one_begins_no_other() {
    let bench = Bench::new().await;
    bench.server.expires_in(Some(100));
    bench.token("one").await;
    bench.advance(85);
    let digest = bench.exchange.digest_of("one");
    let subject = Subject { token: Secret::new("one"), digest, expires: None };
    let seen = Moment { civil: bench.clock.now(), monotonic: bench.clock.monotonic() };
    let renew = || bench.exchange.exchanges().renew(&subject, None, seen);
    renew();
    assert_eq!(bench.exchange.on_their_way(), 1, "it is due");
    bench.quiet().await;
    renew();
    assert_eq!((bench.exchange.on_their_way(), bench.calls()), (0, 2));
    assert_eq!(text(&bench.of("one").try_token().unwrap()), "access-2");
}
