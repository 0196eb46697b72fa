//! Tokens under fetched keys that are known before they are read: as long as their key is.

use super::*;
use crate::fixtures::claims_with;

#[tokio::test]
async fn a_remembered_token_is_known_as_long_as_its_key_is_in_the_set() {
    let (stays, goes, comes) = (Pair::new("stays"), Pair::new("goes"), Pair::new("comes"));
    let bench = Bench::warm(set(&[&stays, &goes]), &stays).await;
    let (token, gone) = (stays.token(), goes.token());
    for token in [&token, &gone] {
        assert_eq!(bench.at_once(token), Some(Told::Known));
        assert!(bench.recalls(token));
    }
    bench.script.says(set(&[&comes, &stays]));
    assert_eq!(bench.ask(&comes.token()).await, Told::Known);
    assert!(bench.recalls(&token));
    assert!(!bench.recalls(&gone), "its key is gone");
}

#[tokio::test]
async fn a_remembered_token_is_not_known_by_keys_that_are_too_old_and_keeps_others_fresh() {
    let pair = Pair::new("1");
    let bench = Bench::new(set(&[&pair]));
    let token = pair.token_with(&claims_with("exp", 9_999_999_999_u64.into()));
    assert!(!bench.recalls(&token), "there are no keys yet");
    assert_eq!(bench.ask(&token).await, Told::Known);
    bench.manual.advance(AGE + STALE - Duration::from_millis(1));
    assert!(bench.recalls(&token));
    bench.ended(2).await;
    bench.manual.advance(AGE + STALE);
    assert!(!bench.recalls(&token));
    assert_eq!(bench.script.calls(), 2, "who says nothing fetches nothing");
}
