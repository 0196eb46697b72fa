//! What lies near a thread: found there at once, and no less looked at again.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use portcullis_core::{
    Bearer, BoxFuture, Clock, Context, Credential, Identity, Outcome, Provider as _, UnixTime,
};
use portcullis_testing::ManualClock;
use serde_json::json;

use super::{
    caching::{Bench, token},
    config,
};
use crate::{
    CacheConfig,
    fixtures::{NOW, claims, claims_with},
};

/// How often a token has to come until it lies near: it is read, found in the large memory, and found there again.
const TIMES: usize = 3;

impl Bench {
    /// What the token is answered with once it lies near this thread.
    fn bring_near(&self, token: &str) -> Arc<Identity> {
        for _ in 0..TIMES {
            self.ask(token).unwrap();
        }
        let near = self.near(token).expect("it came often enough");
        assert!(Arc::ptr_eq(&near, &self.ask(token).unwrap()));
        near
    }

    fn near(&self, token: &str) -> Option<Arc<Identity>> {
        self.validator.cache.as_ref().unwrap().near_this_thread(token.as_bytes())
    }
}

#[test]
fn a_token_that_comes_again_and_again_lies_near_and_is_compared_whole() {
    let bench = Bench::new(config());
    let token = token(&claims());
    for _ in 0..TIMES {
        assert!(bench.near(&token).is_none());
        bench.ask(&token).unwrap();
    }
    let near = bench.near(&token).unwrap();
    assert!(Arc::ptr_eq(&near, &bench.ask(&token).unwrap()));
    // Whatever stands before the end that it is found by.
    let (head, signature) = token.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    for other in [format!("{head}.{first}{}", &signature[1..]), token[1..].to_owned(), format!("e{token}")] {
        assert!(bench.near(&other).is_none());
        assert!(bench.ask(&other).is_err(), "{other}");
    }
    assert!(bench.near(&token).is_some());
}

#[test]
fn what_lies_near_expires_all_the_same() {
    let bench = Bench::new(config().clock_skew(Duration::from_secs(10)));
    let token = token(&claims_with("exp", (NOW.as_secs() + 60).into()));
    let near = bench.bring_near(&token);
    bench.manual.advance(Duration::from_millis(69_999));
    assert!(Arc::ptr_eq(&near, &bench.ask(&token).unwrap()));
    bench.manual.advance(Duration::from_millis(1));
    assert_eq!(bench.ask(&token).unwrap_err(), "expired");
    assert!(bench.near(&token).is_none() && bench.len() == 0, "it is forgotten in both places");
}

#[test]
fn what_lies_near_outlives_no_clock_that_is_set() {
    let bench = Bench::new(config());
    let token = token(&claims_with("exp", (NOW.as_secs() + 60).into()));
    let near = bench.bring_near(&token);
    bench.manual.advance(Duration::from_secs(60));
    bench.manual.set(NOW);
    assert!(!Arc::ptr_eq(&near, &bench.ask(&token).unwrap()), "verified again");
    // Civil time alone: not a moment longer than the token says.
    bench.bring_near(&token);
    bench.manual.set(UnixTime::from_secs(NOW.as_secs() + 60));
    assert_eq!(bench.ask(&token).unwrap_err(), "expired");
    bench.manual.set(NOW);
    let begins = token_from(NOW.as_secs());
    bench.bring_near(&begins);
    bench.manual.set(UnixTime::from_secs(NOW.as_secs() - 1));
    assert_eq!(bench.ask(&begins).unwrap_err(), "not-yet-valid");
}

fn token_from(not_before: u64) -> String {
    token(&claims_with("nbf", not_before.into()))
}

#[test]
fn max_age_bounds_what_lies_near() {
    let bench = Bench::new(config().cache(CacheConfig::default().max_age(Duration::from_secs(30))));
    let token = token(&claims_with("exp", 9_999_999_999_u64.into()));
    let near = bench.bring_near(&token);
    bench.manual.advance(Duration::from_secs(30));
    assert!(!Arc::ptr_eq(&near, &bench.ask(&token).unwrap()));
}

#[test]
fn two_validators_know_nothing_of_what_the_other_has_near() {
    let (one, other) = (Bench::new(config()), Bench::new(config().issuer("other")));
    let token = token(&claims());
    one.bring_near(&token);
    assert!(other.near(&token).is_none());
    assert_eq!(other.ask(&token).unwrap_err(), "wrong-issuer");
    let twin = Bench::new(config());
    assert!(twin.near(&token).is_none());
    assert!(!Arc::ptr_eq(&one.ask(&token).unwrap(), &twin.ask(&token).unwrap()));
}

#[test]
fn what_lies_near_goes_with_its_validator() {
    let bench = Bench::new(config());
    let token = token(&claims());
    let near = Arc::downgrade(&bench.bring_near(&token));
    assert!(near.upgrade().is_some());
    drop(bench);
    assert!(near.upgrade().is_none(), "nothing of it is left, though the thread lives on");
}

#[test]
fn threads_that_let_the_same_caller_in_count_each_for_themselves() {
    let bench = Bench::new(config());
    let token = token(&claims());
    let mut known = vec![bench.bring_near(&token)];
    for _ in 0..8 {
        let other = thread::scope(|scope| scope.spawn(|| bench.bring_near(&token)).join().unwrap());
        assert_eq!(*other, *known[0]);
        assert_eq!(other.claims(), known[0].claims());
        known.push(other);
    }
    let shares = |one: &Arc<Identity>| known.iter().filter(|other| Arc::ptr_eq(one, other)).count();
    // Threads take turns at lanes, of which there are as many as processors.
    let processors = thread::available_parallelism().unwrap().get().next_power_of_two();
    if processors <= 8 {
        assert!(known.iter().all(|one| shares(one) < known.len()));
    }
}

#[test]
fn a_thread_that_finds_another_one_in_its_lane_asks_the_large_memory() {
    let bench = Bench::new(config());
    let token = token(&claims());
    let near = bench.bring_near(&token);
    let again = bench.validator.cache.as_ref().unwrap().while_near_is_locked(|| bench.ask(&token).unwrap());
    assert!(Arc::ptr_eq(&near, &again), "the first thread counts what the large memory has");
    assert_eq!(bench.len(), 1);
}

#[test]
fn a_flood_of_tokens_drives_nothing_away_and_stays_outside() {
    let bench = Bench::new(config().cache(CacheConfig::default().capacity(10_000)));
    let hot = token(&claims());
    let near = bench.bring_near(&hot);
    let flood: Vec<String> =
        (0..500).map(|number| token(&claims_with("jti", number.to_string().into()))).collect();
    for _ in 0..2 {
        for one in &flood {
            bench.ask(one).unwrap();
        }
    }
    assert!(Arc::ptr_eq(&near, &bench.near(&hot).unwrap()));
    let count = flood.iter().filter(|one| bench.near(one).is_some()).count();
    assert!(count < 16, "{count}");
    // Each comes again and again, one after the other: there is room for a few.
    for one in &flood {
        bench.bring_near(one);
    }
    let count = flood.iter().filter(|one| bench.near(one).is_some()).count();
    assert_eq!(count, 16);
}

#[test]
fn a_token_that_takes_turns_with_a_hot_one_does_not_take_its_place() {
    let bench = Bench::new(config());
    let hot = token(&claims());
    bench.bring_near(&hot);
    // One that would lie in the same place.
    let rival = (0_u32..)
        .map(|number| token(&claims_with("jti", number.to_string().into())))
        .find(|rival| {
            bench.bring_near(rival);
            bench.near(&hot).is_none()
        })
        .unwrap();
    bench.ask(&hot).unwrap();
    let near = bench.bring_near(&hot);
    assert!(bench.near(&rival).is_none());
    for _ in 0..2 * TIMES {
        bench.ask(&rival).unwrap();
        assert!(Arc::ptr_eq(&near, &bench.ask(&hot).unwrap()));
    }
    assert!(bench.near(&rival).is_none() && bench.near(&hot).is_some());
}

#[test]
fn what_takes_much_memory_never_lies_near() {
    let bench = Bench::new(config());
    let large = token(&claims_with("padding", json!("x".repeat(8 * 1024))));
    for _ in 0..2 * TIMES {
        bench.ask(&large).unwrap();
    }
    assert!(bench.near(&large).is_none());
    assert_eq!(bench.len(), 1);
}

/// Stands still, and panics when it is told to.
#[derive(Debug)]
struct Panics(ManualClock, AtomicBool);

impl Clock for Panics {
    fn now(&self) -> UnixTime {
        self.0.now()
    }

    fn monotonic(&self) -> Duration {
        assert!(!self.1.load(Ordering::Relaxed), "as it was told");
        self.0.monotonic()
    }

    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        self.0.sleep(span)
    }
}

#[test]
fn what_lies_near_is_found_again_after_a_clock_panicked() {
    let panics = Arc::new(Panics(ManualClock::at(NOW), AtomicBool::new(false)));
    let clock: Arc<dyn Clock> = Arc::<Panics>::clone(&panics);
    let (validator, token) = (super::validator(config()), token(&claims()));
    let ask = || {
        let bearer = Credential::Bearer(Bearer::new(&token).unwrap());
        match validator.try_authenticate(&bearer, &Context::new(&clock)) {
            Some(Outcome::Known(identity)) => identity,
            other => panic!("{other:?}"),
        }
    };
    let near = || validator.cache.as_ref().unwrap().near_this_thread(token.as_bytes());
    for _ in 0..TIMES {
        ask();
    }
    let known = near().unwrap();
    panics.1.store(true, Ordering::Relaxed);
    assert!(catch_unwind(AssertUnwindSafe(ask)).is_err());
    panics.1.store(false, Ordering::Relaxed);
    assert!(Arc::ptr_eq(&known, &near().expect("it still lies there")));
    assert!(Arc::ptr_eq(&known, &ask()));
}
