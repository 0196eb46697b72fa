//! Servers that are away, and servers that answer something else.

use std::time::Duration;

use portcullis_core::{Bearer, Contact, Context, Credential, Provider as _};
use serde_json::json;

use super::{AGE, Bench, INTERVAL, Pair, STALE, Says, Told, set, why};
use crate::fixtures::{claims, claims_with};

fn long_lived(pair: &Pair) -> String {
    pair.token_with(&claims_with("exp", 9_999_999_999_u64.into()))
}

#[tokio::test]
async fn a_server_that_never_answered_is_an_outage_and_no_wrong_token() {
    let pair = Pair::new("1");
    let bench = Bench::new("");
    bench.script.fails();
    // Two may be fetched, then one per interval; the answer says when.
    assert_eq!(bench.ask(&pair.token()).await, Told::Unavailable(1));
    assert_eq!(bench.ask(&pair.token()).await, Told::Unavailable(10));
    assert_eq!(bench.at_once(&pair.token()), Some(Told::Unavailable(10)));
    assert_eq!(bench.script.calls(), 2);
    bench.manual.advance(Duration::from_secs(4));
    assert_eq!(bench.at_once(&pair.token()), Some(Told::Unavailable(6)));
    // What no key makes good is refused all the same.
    assert_eq!(bench.at_once("abc"), Some(Told::Refused("malformed-token")));
    bench.script.says(set(&[&pair]));
    bench.manual.advance(Duration::from_secs(6));
    assert_eq!(bench.ask(&pair.token()).await, Told::Known, "it is back");
    assert_eq!(bench.script.calls(), 3);
}

#[tokio::test]
async fn known_keys_stay_in_use_for_as_long_as_is_allowed_and_nothing_unknown_is_let_in() {
    let (known, unknown) = (Pair::new("known"), Pair::new("unknown"));
    let bench = Bench::new(set(&[&known]));
    let (token, stranger) = (long_lived(&known), long_lived(&unknown));
    assert_eq!(bench.ask(&token).await, Told::Known);
    bench.script.fails();
    let minutes = (AGE + STALE).as_secs() / 60;
    for _ in 1..minutes {
        bench.manual.advance(Duration::from_secs(60));
        assert_eq!(bench.at_once(&token), Some(Told::Known));
        let begun = bench.source.standing().fetches;
        bench.ended(begun).await;
        // It cannot be told: the server may have published the key meanwhile.
        assert!(matches!(bench.ask(&stranger).await, Told::Unavailable(1..=10)));
    }
    bench.manual.advance(Duration::from_secs(60));
    assert!(matches!(bench.ask(&token).await, Told::Unavailable(1..=10)));
    let state = bench.validator.key_set().unwrap();
    assert_eq!((state.count, state.usable), (1, false));
    assert_eq!(
        state.last_error.as_deref(),
        Some("https://issuer.example/jwks: the answer has the status 500")
    );
    // Back again.
    bench.manual.advance(INTERVAL * 2);
    bench.script.says(set(&[&known]));
    assert_eq!(bench.ask(&token).await, Told::Known);
    assert_eq!(bench.ask(&stranger).await, Told::Refused("unknown-key"));
    let state = bench.validator.key_set().unwrap();
    assert_eq!((state.usable, state.last_error), (true, None));
}

#[tokio::test]
async fn while_the_server_fails_it_is_asked_once_per_interval() {
    let pair = Pair::new("1");
    let bench = Bench::new(set(&[&pair]));
    let token = long_lived(&pair);
    assert_eq!(bench.ask(&token).await, Told::Known);
    bench.script.fails();
    bench.manual.advance(AGE);
    for _ in 0..1_000 {
        assert_eq!(bench.at_once(&token), Some(Told::Known));
        let begun = bench.source.standing().fetches;
        bench.ended(begun).await;
        bench.manual.advance(Duration::from_millis(100));
    }
    let calls = bench.script.calls() - 1;
    assert!((9..=11).contains(&calls), "{calls}");
}

#[tokio::test]
async fn requests_with_known_keys_do_not_notice_a_server_that_hangs() {
    let pair = Pair::new("1");
    let bench = Bench::new(set(&[&pair]));
    let token = long_lived(&pair);
    assert_eq!(bench.ask(&token).await, Told::Known);
    bench.script.hold();
    bench.manual.advance(AGE);
    assert_eq!(bench.at_once(&token), Some(Told::Known));
    bench.called(2).await;
    for _ in 0..100 {
        bench.manual.advance(Duration::from_secs(30));
        assert_eq!(bench.at_once(&token), Some(Told::Known));
    }
    assert_eq!(bench.script.calls(), 2, "one fetch at a time");
}

#[tokio::test]
async fn known_keys_are_read_without_a_lock_also_when_they_are_old_and_a_fetch_hangs() {
    let pair = Pair::new("1");
    let bench = Bench::new(set(&[&pair]));
    let token = long_lived(&pair);
    assert_eq!(bench.ask(&token).await, Told::Known);
    bench.script.hold();
    bench.manual.advance(AGE);
    // Begun for somebody else, and so long ago that another one would be permitted.
    let stranger = bench.send(long_lived(&Pair::new("stranger")));
    bench.called(2).await;
    bench.manual.advance(INTERVAL * 2);
    assert!(matches!(stranger.await.unwrap(), Told::Unavailable(2)));
    assert_eq!(bench.at_once(&token), Some(Told::Known), "the first one notices that a fetch is under way");

    let (reader, token) = (bench.clone(), token.clone());
    let (tell, told) = std::sync::mpsc::channel();
    let runtime = tokio::runtime::Handle::current();
    let answer = bench.source.while_locked(|| {
        let asking = std::thread::spawn(move || {
            let _runtime = runtime.enter();
            let _ = tell.send(reader.at_once(&token));
        });
        let answer = told.recv_timeout(Duration::from_secs(60));
        (answer, asking)
    });
    assert_eq!(answer.0, Ok(Some(Told::Known)));
    answer.1.join().unwrap();
    assert_eq!(bench.script.calls(), 2);
}

#[tokio::test]
async fn whoever_comes_first_after_an_outage_is_answered_rightly() {
    let pair = Pair::new("1");
    let bench = Bench::new("");
    bench.script.is_gone();
    // The bucket is emptied while nobody is there.
    for calls in 1..=2 {
        assert_eq!(bench.ask(&pair.token()).await, Told::Unavailable(1));
        assert_eq!(bench.script.calls(), calls);
    }
    let waiting = bench.send(pair.token());
    bench.waited_for_by(1).await;
    bench.script.says(set(&[&pair]));
    bench.manual.advance(Duration::from_millis(999));
    bench.waited_for_by(1).await;
    assert_eq!(bench.script.calls(), 2, "once a second, and no sooner");
    bench.manual.advance(Duration::from_millis(1));
    assert_eq!(waiting.await.unwrap(), Told::Known);
    assert_eq!(bench.script.calls(), 3);
}

#[tokio::test]
async fn where_nobody_answers_requests_try_once_a_second_together_and_no_more() {
    let pair = Pair::new("1");
    let bench = Bench::new("");
    bench.script.is_gone();
    for _ in 0..2 {
        assert_eq!(bench.ask(&pair.token()).await, Told::Unavailable(1));
    }
    for second in 1..=5 {
        let requests: Vec<_> = (0..1_000).map(|_| bench.send(pair.token())).collect();
        bench.waited_for_by(256).await;
        bench.manual.advance(Duration::from_secs(1));
        for request in requests {
            assert!(matches!(request.await.unwrap(), Told::Unavailable(1..=2)));
        }
        assert_eq!(bench.script.calls(), 2 + second);
    }
    // A server that answers wrongly was reached: it is asked as often as the interval says.
    bench.script.fails();
    let last = bench.send(pair.token());
    bench.waited_for_by(1).await;
    bench.manual.advance(Duration::from_secs(1));
    assert!(matches!(last.await.unwrap(), Told::Unavailable(1..=10)));
    let calls = bench.script.calls();
    bench.manual.advance(Duration::from_secs(1));
    assert!(matches!(bench.at_once(&pair.token()), Some(Told::Unavailable(1..=10))));
    assert_eq!(bench.script.calls(), calls);
}

#[tokio::test]
async fn a_wrong_signature_does_not_have_a_server_that_is_gone_tried_again() {
    let (known, forger) = (Pair::new("1"), Pair::new("1"));
    let bench = Bench::new(set(&[&known]));
    assert_eq!(bench.ask(&known.token()).await, Told::Known);
    bench.script.is_gone();
    let stranger = Pair::new("2");
    assert_eq!(bench.ask(&stranger.token()).await, Told::Unavailable(1));
    let calls = bench.script.calls();
    bench.manual.advance(Duration::from_secs(2));
    assert!(bench.at_once(&forger.token()).is_some(), "it neither waits nor asks");
    assert_eq!(bench.script.calls(), calls);
    assert_eq!(bench.at_once(&known.token()), Some(Told::Known));
}

#[tokio::test]
async fn garbage_keeps_the_keys_of_before() {
    let pair = Pair::new("1");
    let jwk = &pair.jwk;
    let many = json!({"keys": vec![jwk; 257]}).to_string();
    let huge = json!({"keys": vec![json!({"kty": "x"}); 100_000]}).to_string();
    let deep = format!("{{\"keys\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let oct = json!({"keys": [{"kty": "oct", "k": "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3JldA"}]});
    for (body, part) in [
        ("<!doctype html><title>Sign in</title>".to_owned(), "is not JSON"),
        (String::new(), "is not JSON"),
        ("[]".to_owned(), "is not a JSON object"),
        ("{}".to_owned(), "it has no `keys`"),
        (jwk.to_string(), "it has no `keys`"),
        (r#"{"keys":{}}"#.to_owned(), "`keys` is not an array"),
        (r#"{"keys":[]}"#.to_owned(), "no key that verifies signatures: it is empty"),
        (
            r#"{"keys":[7]}"#.to_owned(),
            "no key that verifies signatures: the key at position 0 is not an object",
        ),
        (oct.to_string(), "no key that verifies signatures"),
        (format!("{{\"keys\":[],\"keys\":[{jwk}]}}"), "twice"),
        (format!("\u{feff}{}", set(&[&pair])), "is not JSON"),
        (many, "holds more than 256 keys"),
        (huge, "holds more than 256 keys"),
        (deep, "is not JSON"),
    ] {
        let bench = Bench::warm(set(&[&pair]), &pair).await;
        bench.script.says(body);
        let error = bench.source.fetch_now().await.unwrap_err();
        assert!(error.reason.contains(part), "{error}");
        assert_eq!(bench.at_once(&pair.token()), Some(Told::Known));
        let state = bench.validator.key_set().unwrap();
        assert_eq!((state.count, state.usable), (1, true));
        assert!(state.last_error.unwrap().starts_with("https://issuer.example/jwks: the answer "));
    }
}

#[tokio::test]
async fn a_fetch_that_breaks_is_a_failure_and_not_the_last_one() {
    let pair = Pair::new("1");
    let bench = Bench::new("");
    bench.script.lock().says = Says::Panic;
    assert!(matches!(bench.ask(&pair.token()).await, Told::Unavailable(_)));
    assert!(bench.validator.key_set().unwrap().last_error.unwrap().contains("given up"));
    bench.script.says(set(&[&pair]));
    assert_eq!(bench.ask(&pair.token()).await, Told::Known);
}

#[test]
fn a_fetch_whose_runtime_goes_is_given_up_and_another_runtime_asks_itself() {
    let pair = Pair::new("1");
    let bench = Bench::new(set(&[&pair]));
    let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (first, second) = (runtime(), runtime());
    bench.script.hold();
    first.block_on(async {
        drop(bench.send(pair.token()));
        bench.called(1).await;
    });
    second.block_on(async {
        let request = bench.send(pair.token());
        bench.waited_for_by(2).await;
        first.shutdown_background();
        bench.script.let_go(1);
        assert_eq!(request.await.unwrap(), Told::Known);
    });
    assert_eq!((bench.script.calls(), bench.source.waiting()), (2, 0));
    assert_eq!(bench.validator.key_set().unwrap().last_error, None);
}

#[tokio::test]
async fn an_explanation_asks_only_where_it_may_and_leaves_nothing_behind() {
    let (known, unknown) = (Pair::new("known"), Pair::new("unknown"));
    let bench = Bench::new(set(&[&known]));
    assert_eq!(bench.explain(&known.token(), Contact::Forbidden).await, Told::Unavailable(0));
    assert_eq!(bench.script.calls(), 0);
    assert_eq!(bench.explain(&known.token(), Contact::Allowed).await, Told::Known);
    assert_eq!(bench.script.calls(), 1);
    assert_eq!(bench.explain(&known.token(), Contact::Forbidden).await, Told::Known);
    assert_eq!(bench.explain(&unknown.token(), Contact::Forbidden).await, Told::Unavailable(0));
    let credential_token = unknown.token();
    let credential = Credential::Bearer(Bearer::new(&credential_token).unwrap());
    let cx = Context::new(&bench.clock).explaining(Contact::Forbidden);
    let answer = why(bench.validator.try_authenticate(&credential, &cx).unwrap());
    assert_eq!(answer.text(), "https://issuer.example/jwks would have to be asked for its keys");
    // It does not renew a set either.
    bench.manual.advance(AGE);
    let token = long_lived(&known);
    assert_eq!(bench.explain(&token, Contact::Allowed).await, Told::Known);
    assert_eq!(bench.script.calls(), 1);
    assert_eq!(
        bench
            .explain(&unknown.token_with(&claims_with("exp", 9_999_999_999_u64.into())), Contact::Allowed)
            .await,
        Told::Refused("unknown-key")
    );
    assert_eq!(bench.script.calls(), 2);
}

#[tokio::test]
async fn what_is_asked_afresh_is_not_answered_from_memory() {
    let pair = Pair::new("1");
    let bench = Bench::warm(set(&[&pair]), &pair).await;
    let token = pair.token();
    let ask = |cx: Context<'_>| {
        let credential = Credential::Bearer(Bearer::new(&token).unwrap());
        match bench.validator.try_authenticate(&credential, &cx) {
            Some(portcullis_core::Outcome::Known(identity)) => identity,
            other => panic!("{other:?}"),
        }
    };
    let first = ask(Context::new(&bench.clock));
    assert!(std::sync::Arc::ptr_eq(&first, &ask(Context::new(&bench.clock))));
    assert!(!std::sync::Arc::ptr_eq(&first, &ask(Context::new(&bench.clock).afresh())));
}

#[tokio::test]
async fn validate_looks_at_the_keys_that_are_there() {
    let pair = Pair::new("1");
    let bench = Bench::new(set(&[&pair]));
    let code = |token: &str| match bench.validator.validate(token, crate::fixtures::NOW) {
        Ok(_) => "accepted",
        Err(refusal) => refusal.code(),
    };
    assert_eq!(code(&pair.token()), "no-keys");
    bench.source.fetch_now().await.unwrap();
    assert_eq!(code(&pair.token()), "accepted");
    assert_eq!(code(&Pair::new("2").token()), "unknown-key");
    let secret = crate::fixtures::Signs::secret().claims(&claims());
    assert_eq!(code(&secret), "unsupported-algorithm");
    assert_eq!(bench.script.calls(), 1);
}
