//! Remembered tokens where nothing has changed: the keys are not looked at, and whatever changes is noticed.

use std::time::Duration;

use portcullis_core::{Context, Outcome, Provider as _, Recall};

use super::{AGE, Bench, INTERVAL, Pair, STALE, Told, set};
use crate::fixtures::claims_with;

impl Bench {
    /// Whether the token is remembered, asked as a chain asks.
    fn recalls(&self, token: &str) -> bool {
        match self.validator.recall(token.as_bytes(), &Context::new(&self.clock)) {
            Recall::Answer(Outcome::Known(_)) => true,
            Recall::Nothing => false,
            other => panic!("{other:?}"),
        }
    }

    /// Remembers a token until it is found without looking at the keys.
    fn brings_near(&self, token: &str) {
        assert!((0..5).all(|_| self.recalls(token)));
    }

    fn number(&self) -> Option<u64> {
        self.source.calm(self.source.clock().coarse_monotonic())
    }
}

fn lasting(pair: &Pair) -> String {
    pair.token_with(&claims_with("exp", 9_999_999_999_u64.into()))
}

#[tokio::test]
async fn a_key_that_is_removed_takes_its_tokens_along_wherever_they_lie() {
    let (goes, stays, comes) = (Pair::new("goes"), Pair::new("stays"), Pair::new("comes"));
    let bench = Bench::new(set(&[&goes, &stays]));
    let (gone, kept) = (lasting(&goes), lasting(&stays));
    let far = goes.token_with(&claims_with("exp", 9_999_999_998_u64.into()));
    assert_eq!(bench.ask(&far).await, Told::Known);
    assert!(bench.recalls(&far));
    for token in [&gone, &kept] {
        assert!(!bench.recalls(token));
        assert_eq!(bench.ask(token).await, Told::Known);
        bench.brings_near(token);
    }
    let before = bench.number().expect("nothing is due");
    bench.script.says(set(&[&comes, &stays]));
    assert_eq!(bench.ask(&comes.token()).await, Told::Known);
    assert_ne!(bench.number(), Some(before));
    assert!(!bench.recalls(&gone) && !bench.recalls(&far));
    assert!(bench.recalls(&kept));
    // It is forgotten, and the key's return changes nothing.
    bench.manual.advance(INTERVAL);
    bench.script.says(set(&[&goes, &comes]));
    assert_eq!(bench.ask(&kept).await, Told::Known, "its key is still in use");
    assert_eq!(bench.ask(&gone).await, Told::Known, "verified again");
    assert!(!bench.recalls(&kept));
}

#[tokio::test]
async fn keys_that_are_due_are_renewed_by_those_who_are_remembered() {
    let pair = Pair::new("1");
    let bench = Bench::new(set(&[&pair]));
    let token = lasting(&pair);
    assert_eq!(bench.ask(&token).await, Told::Known);
    bench.brings_near(&token);
    bench.manual.advance(AGE.mul_f64(0.9) - Duration::from_millis(1));
    assert!(bench.recalls(&token) && bench.number().is_some());
    assert_eq!(bench.script.calls(), 1);
    bench.manual.advance(Duration::from_millis(1));
    assert_eq!(bench.number(), None);
    assert!(bench.recalls(&token));
    bench.ended(2).await;
    assert_eq!(bench.script.calls(), 2);
    assert!(bench.recalls(&token) && bench.number().is_some());
}

#[tokio::test]
async fn while_the_server_is_away_it_is_asked_now_and_then_and_the_keys_end() {
    let pair = Pair::new("1");
    let bench = Bench::new(set(&[&pair]));
    let token = lasting(&pair);
    assert_eq!(bench.ask(&token).await, Told::Known);
    bench.brings_near(&token);
    bench.script.fails();
    bench.manual.advance(AGE);
    assert!(bench.recalls(&token));
    bench.ended(2).await;
    // Until another fetch may begin there is nothing to be done.
    assert!(bench.number().is_some() && bench.recalls(&token));
    assert_eq!(bench.source.standing().fetches, 2);
    bench.manual.advance(INTERVAL * 4);
    assert_eq!(bench.number(), None);
    assert!(bench.recalls(&token));
    bench.ended(3).await;
    bench.manual.advance(STALE);
    assert_eq!(bench.number(), None);
    assert!(!bench.recalls(&token), "the keys are too old");
}

#[tokio::test]
async fn a_remembered_token_is_not_known_by_keys_that_are_too_old_and_keeps_others_fresh() {
    let pair = Pair::new("1");
    let bench = Bench::new(set(&[&pair]));
    let token = lasting(&pair);
    assert!(!bench.recalls(&token), "there are no keys yet");
    assert_eq!(bench.ask(&token).await, Told::Known);
    bench.manual.advance(AGE + STALE - Duration::from_millis(1));
    assert!(bench.recalls(&token));
    bench.ended(2).await;
    bench.manual.advance(AGE + STALE);
    assert!(!bench.recalls(&token));
    assert_eq!(bench.script.calls(), 2, "who says nothing fetches nothing");
}

#[tokio::test]
async fn keys_end_on_their_moment_also_where_none_may_be_asked_for_until_later() {
    let pair = Pair::new("1");
    let bench = Bench::new(set(&[&pair]));
    let token = lasting(&pair);
    assert_eq!(bench.ask(&token).await, Told::Known);
    bench.brings_near(&token);
    bench.script.fails();
    bench.manual.advance(AGE + STALE - Duration::from_millis(1));
    assert!(bench.recalls(&token));
    bench.ended(2).await;
    assert!(bench.number().is_some() && bench.recalls(&token));
    bench.manual.advance(Duration::from_millis(1));
    assert_eq!(bench.number(), None);
    assert!(!bench.recalls(&token));
}
