//! Renewing keys before they are too old: when, how often, and what an unchanged set means.

use std::{sync::Arc, time::Duration};

use portcullis_core::{Bearer, Clock, Contact, Context, Credential, Outcome, Provider as _};
use portcullis_outbound::Endpoint;
use portcullis_testing::ManualClock;

use super::{
    super::{
        fetch::{Fetched, Validators},
        held::{Ages, Held},
    },
    AGE, Bench, INTERVAL, Pair, STALE, Says, Told, URL, config, set,
};
use crate::{
    CacheConfig,
    fixtures::{NOW, claims_with},
};

#[tokio::test]
async fn a_set_is_renewed_in_the_background_before_it_is_too_old() {
    let (old, new) = (Pair::new("old"), Pair::new("new"));
    let bench = Bench::new(set(&[&old]));
    assert_eq!(bench.ask(&old.token()).await, Told::Known);
    bench.script.says(set(&[&old, &new]));
    bench.script.hold();
    // 90 % of the age, with the jitter of these tests.
    bench.manual.advance(AGE.mul_f64(0.9) - Duration::from_millis(1));
    assert_eq!(bench.at_once(&old.token()), Some(Told::Known));
    assert_eq!(bench.script.calls(), 1);
    bench.manual.advance(Duration::from_millis(1));
    for _ in 0..1_000 {
        assert_eq!(bench.at_once(&old.token()), Some(Told::Known), "nobody waits for it");
    }
    bench.called(2).await;
    assert_eq!(bench.at_once(&old.token()), Some(Told::Known));
    bench.script.let_go(1);
    bench.ended(2).await;
    assert_eq!(bench.at_once(&new.token()), Some(Told::Known));
    assert_eq!(bench.script.calls(), 2);
}

#[tokio::test]
async fn a_provider_that_is_called_by_itself_renews_its_keys_too() {
    let (old, new) = (Pair::new("old"), Pair::new("new"));
    let bench = Bench::new(set(&[&old]));
    let cx = Context::new(&bench.clock);
    let token = old.token_with(&claims_with("exp", 9_999_999_999_u64.into()));
    assert_eq!(bench.wait(&token, &cx).await, Told::Known);
    bench.script.says(set(&[&new]));
    bench.manual.advance(AGE);
    assert_eq!(bench.wait(&token, &cx).await, Told::Known);
    bench.ended(2).await;
    assert_eq!(bench.wait(&token, &cx).await, Told::Refused("unknown-key"), "its key was withdrawn");
}

#[tokio::test]
async fn neither_a_refusal_nor_an_explanation_renews_a_set() {
    let pair = Pair::new("1");
    let bench = Bench::new(set(&[&pair]));
    let token = pair.token_with(&claims_with("exp", 9_999_999_999_u64.into()));
    assert_eq!(bench.ask(&token).await, Told::Known);
    bench.manual.advance(AGE);
    let mut other = claims_with("aud", "other".into());
    other["exp"] = 9_999_999_999_u64.into();
    let other = pair.token_with(&other);
    assert_eq!(bench.at_once(&other), Some(Told::Refused("wrong-audience")));
    assert_eq!(bench.explain(&token, Contact::Allowed).await, Told::Known);
    assert_eq!(bench.explain(&token, Contact::Forbidden).await, Told::Known);
    assert_eq!(bench.source.standing().fetches, 1);
    assert_eq!(bench.at_once(&token), Some(Told::Known));
    assert_eq!(bench.source.standing().fetches, 2);
}

#[tokio::test]
async fn the_server_says_how_old_a_set_may_become_within_bounds() {
    for (said, from, to) in [
        (None, 225, 270),
        (Some(Duration::from_secs(1_000)), 750, 900),
        // Not more often than may be fetched, and at least once a day.
        (Some(Duration::ZERO), 7, 9),
        (Some(Duration::MAX), 64_800, 77_760),
    ] {
        for (random, seconds) in [((|| 0.0) as fn() -> f64, from), (|| 1.0, to)] {
            let pair = Pair::new("1");
            let bench = Bench::with(config(), set(&[&pair]), |settings| settings.random = random);
            bench.script.lock().said = said;
            assert_eq!(bench.ask(&pair.token()).await, Told::Known);
            let refresh_at = bench.source.look().held.as_ref().unwrap().refresh_at;
            assert_eq!(refresh_at.as_secs(), seconds, "{said:?}");
        }
    }
}

#[tokio::test]
async fn a_set_that_is_never_good_for_long_is_fetched_once_per_interval() {
    let pair = Pair::new("1");
    let bench = Bench::new(set(&[&pair]));
    bench.script.lock().said = Some(Duration::ZERO);
    assert_eq!(bench.ask(&pair.token()).await, Told::Known);
    // For a hundred seconds, every tenth of one. There is always one left for a key that nobody knows.
    for _ in 0..1_000 {
        bench.manual.advance(Duration::from_millis(100));
        assert_eq!(bench.at_once(&pair.token()), Some(Told::Known));
        let calls = bench.source.standing().fetches;
        bench.ended(calls).await;
    }
    let calls = bench.script.calls();
    assert!((10..=11).contains(&calls), "{calls}");
    let new = Pair::new("new");
    bench.script.says(set(&[&new]));
    assert_eq!(bench.ask(&new.token()).await, Told::Known);
}

#[tokio::test]
async fn an_unchanged_set_is_good_for_another_age() {
    let pair = Pair::new("1");
    let bench = Bench::new(set(&[&pair]));
    bench.script.lock().etag = Some("\"v1\"");
    bench.script.lock().said = Some(Duration::from_secs(100));
    let token = pair.token();
    assert_eq!(bench.ask(&token).await, Told::Known);
    assert_eq!(bench.script.lock().calls[0], None);
    // It says no age of its own this time.
    bench.script.lock().says = Says::Unchanged;
    bench.script.lock().said = None;
    for round in 1..4 {
        bench.manual.advance(Duration::from_secs(90));
        assert_eq!(bench.at_once(&token), Some(Told::Known));
        bench.ended(round + 1).await;
        let state = bench.validator.key_set().unwrap();
        assert_eq!((state.age, state.count, state.last_error), (Some(Duration::ZERO), 1, None));
    }
    let known = bench.script.lock().calls[1].clone().unwrap();
    assert_eq!(known.etag.as_ref().unwrap(), "\"v1\"");
}

#[tokio::test]
async fn unchanged_is_no_answer_where_nothing_was_there() {
    let pair = Pair::new("1");
    let bench = Bench::new(set(&[&pair]));
    bench.script.lock().says = Says::Unchanged;
    assert!(matches!(bench.ask(&pair.token()).await, Told::Unavailable(_)));
    let state = bench.validator.key_set().unwrap();
    assert!(state.last_error.unwrap().contains("was never there"));
}

#[tokio::test]
async fn a_key_that_stays_keeps_the_tokens_that_it_verified_remembered() {
    let (stays, goes, comes) = (Pair::new("stays"), Pair::new("goes"), Pair::new("comes"));
    let bench = Bench::warm(set(&[&stays, &goes]), &stays).await;
    let identity = |token: &str| {
        let credential = Credential::Bearer(Bearer::new(token).unwrap());
        match bench.validator.try_authenticate(&credential, &Context::new(&bench.clock)) {
            Some(Outcome::Known(identity)) => identity,
            other => panic!("{other:?}"),
        }
    };
    let (token, gone) = (stays.token(), goes.token());
    let (first, _) = (identity(&token), identity(&gone));
    // Other members may change, and the order.
    let mut jwk = stays.jwk.clone();
    jwk["x-comment"] = "seen again".into();
    bench.script.says(serde_json::json!({"keys": [comes.jwk, jwk]}).to_string());
    assert_eq!(bench.ask(&comes.token()).await, Told::Known);
    assert!(Arc::ptr_eq(&first, &identity(&token)), "answered from memory");
    assert_eq!(
        bench.ask(&gone).await,
        Told::Refused("unknown-key"),
        "a remembered token of a key that is gone"
    );
}

#[tokio::test]
async fn a_service_that_slept_longer_than_stale_keys_live_waits_for_new_ones() {
    let pair = Pair::new("1");
    let bench = Bench::new(set(&[&pair]));
    let claims = claims_with("exp", 9_999_999_999_u64.into());
    let token = pair.token_with(&claims);
    assert_eq!(bench.ask(&token).await, Told::Known);
    bench.manual.advance(AGE + STALE - Duration::from_millis(1));
    assert_eq!(bench.at_once(&token), Some(Told::Known));
    bench.ended(2).await;
    bench.manual.advance(AGE + STALE);
    assert_eq!(bench.at_once(&token), None, "remembered, and its key too old");
    assert_eq!(bench.ask(&token).await, Told::Known);
    assert_eq!(bench.script.calls(), 3);
    bench.manual.advance(INTERVAL);
}

#[tokio::test]
async fn without_a_runtime_keys_are_used_as_long_as_they_last() {
    let pair = Pair::new("1");
    let bench = Bench::warm(set(&[&pair]), &pair).await;
    let token = pair.token_with(&claims_with("exp", 9_999_999_999_u64.into()));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            bench.manual.advance(AGE);
            assert_eq!(bench.at_once(&token), Some(Told::Known));
            bench.manual.advance(STALE);
            assert_eq!(bench.at_once(&token), None);
            let cx = Context::new(&bench.clock);
            let mut answer = std::pin::pin!(bench.wait(&token, &cx));
            let mut task = std::task::Context::from_waker(std::task::Waker::noop());
            assert_eq!(answer.as_mut().poll(&mut task), std::task::Poll::Ready(Told::Unavailable(0)));
        });
    });
    assert_eq!(bench.script.calls(), 1);
}

#[tokio::test]
async fn after_a_failure_keys_are_renewed_as_soon_as_they_may_be() {
    let pair = Pair::new("1");
    let bench = Bench::new(set(&[&pair]));
    let token = pair.token_with(&claims_with("exp", 9_999_999_999_u64.into()));
    assert_eq!(bench.ask(&token).await, Told::Known);
    bench.script.fails();
    bench.manual.advance(AGE);
    assert_eq!(bench.at_once(&token), Some(Told::Known));
    bench.ended(2).await;
    bench.manual.advance(INTERVAL - Duration::from_nanos(1));
    assert_eq!(bench.at_once(&token), Some(Told::Known));
    assert_eq!(bench.source.standing().fetches, 2);
    bench.manual.advance(Duration::from_nanos(1));
    assert_eq!(bench.at_once(&token), Some(Told::Known));
    assert_eq!(bench.source.standing().fetches, 3);
}

#[tokio::test]
async fn tokens_are_remembered_by_the_clock_of_the_keys() {
    let pair = Pair::new("1");
    let cache = CacheConfig::default().max_age(Duration::from_secs(60));
    let bench = Bench::with(config().cache(cache), set(&[&pair]), |_| {});
    let token = pair.token_with(&claims_with("exp", 9_999_999_999_u64.into()));
    let ahead = ManualClock::at(NOW);
    ahead.advance(Duration::from_secs(86_400));
    let ahead: Arc<dyn Clock> = Arc::new(ahead);
    assert_eq!(bench.wait(&token, &Context::new(&ahead)).await, Told::Known);
    let identity = || {
        let credential = Credential::Bearer(Bearer::new(&token).unwrap());
        match bench.validator.try_authenticate(&credential, &Context::new(&ahead)) {
            Some(Outcome::Known(identity)) => identity,
            other => panic!("{other:?}"),
        }
    };
    let first = identity();
    bench.manual.advance(Duration::from_secs(60) - Duration::from_nanos(1));
    assert!(Arc::ptr_eq(&first, &identity()));
    bench.manual.advance(Duration::from_nanos(1));
    assert!(!Arc::ptr_eq(&first, &identity()), "verified again");
}

#[test]
fn a_set_that_is_sent_again_is_the_same_as_long_as_its_keys_are() {
    let (one, other) = (Pair::new("1"), Pair::new("2"));
    let ages = Ages { default: AGE, least: INTERVAL, stale: STALE };
    let held = |body: Option<String>, before: Option<&Held>| {
        let validators =
            Validators { endpoint: Endpoint::parse(URL).unwrap(), etag: None, last_modified: None };
        let fetched = Fetched { url: URL.into(), body: body.map(Into::into), said: None, validators };
        Held::after(fetched, before, ages, Duration::ZERO, 1.0).unwrap()
    };
    let first = held(Some(set(&[&one])), None);
    for again in [None, Some(set(&[&one])), Some(format!(" {}", set(&[&one])))] {
        assert!(held(again, Some(&first)).is_same_as(&first));
    }
    for another in [set(&[&other]), set(&[&one, &other])] {
        assert!(!held(Some(another), Some(&first)).is_same_as(&first));
    }
}
