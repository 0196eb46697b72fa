//! Keys that nobody knows yet: who may ask for them, how often, and what the others notice of it.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, Method, header::AUTHORIZATION};
use portcullis_core::{Auth, Context, Provider as _, RequestHead, RequiredScopes, UnixTime};
use serde_json::{Value, json};

use super::{
    super::seats::MOST_WAITING, Bench, INTERVAL, Pair, Told, all, config, rsa_jwk, set, until, with_kid,
};
use crate::{
    Algorithm, JwtValidator,
    fixtures::{NOW, Signs, claims, claims_with, rsa_signing},
};

const UNKNOWN: Told = Told::Refused("unknown-key");

#[tokio::test]
async fn the_first_token_of_a_new_key_is_known() {
    let (old, new) = (Pair::new("old"), Pair::new("new"));
    let bench = Bench::warm(set(&[&old]), &old).await;
    bench.script.says(set(&[&new]));
    assert_eq!(bench.ask(&old.token()).await, Told::Known, "nobody has asked yet");
    assert_eq!(bench.ask(&new.token()).await, Told::Known);
    assert_eq!(bench.script.calls(), 2);
    // The old key is gone: also for tokens that were remembered. That costs one look more, and then none.
    assert_eq!(bench.ask(&old.token()).await, UNKNOWN);
    assert_eq!(bench.script.calls(), 3);
    assert_eq!(bench.at_once(&old.token()), Some(UNKNOWN));
    assert_eq!(bench.at_once(&new.token()), Some(Told::Known));
    assert_eq!(bench.script.calls(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_a_rotation_nobody_is_refused_however_many_come_at_once() {
    let mut newest = Pair::new("0");
    let bench = Bench::warm(set(&[&newest]), &newest).await;
    for round in 1..=20 {
        let (before, calls) = (newest, bench.script.calls());
        newest = Pair::new(&round.to_string());
        bench.script.says(set(&[&before, &newest]));
        let requests = (0..200).map(|number| {
            let pair = if number % 2 == 0 { &newest } else { &before };
            let mut claims = claims_with("jti", number.to_string().into());
            claims["exp"] = 9_999_999_999_u64.into();
            bench.send(pair.token_with(&claims))
        });
        assert_eq!(all(requests.collect()).await, vec![Told::Known; 200]);
        assert!(bench.script.calls() - calls <= 2);
        bench.manual.advance(INTERVAL * 2);
    }
}

#[tokio::test]
async fn during_an_overlap_tokens_of_both_keys_are_known() {
    let (old, new) = (Pair::new("old"), Pair::new("new"));
    let bench = Bench::warm(set(&[&old]), &old).await;
    bench.script.says(set(&[&old, &new]));
    for token in [old.token(), new.token(), old.token(), new.token()] {
        assert_eq!(bench.ask(&token).await, Told::Known);
    }
    assert_eq!(bench.script.calls(), 2);
}

#[tokio::test]
async fn a_thousand_unknown_keys_cause_two_fetches_and_then_one_per_interval() {
    let (known, stranger) = (Pair::new("known"), Pair::new("stranger"));
    let bench = Bench::warm(set(&[&known]), &known).await;
    let storm = |round: usize| -> Vec<_> {
        let token = |number| stranger.token_named(Some(&format!("{round}-{number}")), &claims());
        (0..1_000).map(|number| bench.send(token(number))).collect()
    };
    bench.script.hold();
    let requests = storm(1);
    bench.waited_for_by(256).await;
    until(|| requests.iter().filter(|request| request.is_finished()).count() == 744).await;
    // Whoever has a known key notices nothing, and has its answer at once.
    for _ in 0..1_000 {
        assert_eq!(bench.at_once(&known.token()), Some(Told::Known));
    }
    bench.script.let_go(1_000);
    let told = all(requests).await;
    assert_eq!(told.iter().filter(|told| **told == UNKNOWN).count(), 256);
    assert_eq!(told.iter().filter(|told| **told == Told::Unavailable(2)).count(), 744);
    assert_eq!(bench.script.calls() - 1, 2);

    // None may begin now: nobody waits.
    assert_eq!(all(storm(2)).await, vec![UNKNOWN; 1_000]);
    assert_eq!(bench.script.calls() - 1, 2);
    for interval in 1..=3 {
        bench.manual.advance(INTERVAL);
        let told = all(storm(2 + interval)).await;
        assert!(!told.contains(&Told::Known));
        assert_eq!(bench.script.calls() - 1, 2 + interval);
    }
    assert_eq!(bench.source.waiting(), 0);
}

#[tokio::test]
async fn what_could_not_be_accepted_anyway_fetches_nothing() {
    let (known, stranger) = (Pair::new("known"), Pair::new("stranger"));
    let config = config().key_id("stranger").custom_claim("tenant", "blue").algorithms([Algorithm::Es256]);
    let bench = Bench::with(config, set(&[&known]), |_| {});
    let good = || claims_with("tenant", "blue".into());
    let with = |name: &str, value: Value| {
        let mut claims = good();
        claims[name] = value;
        stranger.token_with(&claims)
    };
    let head = |header: &Value| stranger.signs.token(header, &good());
    let whole = stranger.token_with(&good());
    let (signed, _) = whole.rsplit_once('.').unwrap();
    for (token, code) in [
        ("abc".to_owned(), "malformed-token"),
        ("....".to_owned(), "encrypted"),
        (format!("{whole}."), "malformed-token"),
        (format!("{signed}.+w"), "malformed-token"),
        (stranger.signs.text(r#"{"alg":"ES256","kid":"stranger"}"#, "[]"), "malformed-token"),
        (stranger.signs.text(r#"{"alg":"ES256","kid":"stranger"}"#, r#"{"a":1,"a":1}"#), "duplicate-member"),
        (head(&json!({"alg": "RS256", "kid": "stranger"})), "unsupported-algorithm"),
        (head(&json!({"alg": "HS256", "kid": "stranger"})), "unsupported-algorithm"),
        (head(&json!({"alg": "none", "kid": "stranger"})), "unsupported-algorithm"),
        (head(&json!({"alg": "ES256", "kid": 1})), "malformed-token"),
        (head(&json!({"alg": "ES256", "kid": "stranger", "crit": ["x"]})), "critical-header"),
        (head(&json!({"alg": "ES256", "kid": "stranger", "typ": "dpop+jwt"})), "wrong-type"),
        (head(&json!({"alg": "ES256", "kid": "other"})), "wrong-key-id"),
        (head(&json!({"alg": "ES256"})), "wrong-key-id"),
        (with("iss", "evil".into()), "wrong-issuer"),
        (with("aud", "other".into()), "wrong-audience"),
        (with("exp", NOW.as_secs().into()), "expired"),
        (with("exp", "soon".into()), "malformed-claim"),
        (with("nbf", (NOW.as_secs() + 1).into()), "not-yet-valid"),
        (with("cnf", json!({})), "bound-token"),
        (with("tenant", "red".into()), "wrong-claim"),
        (with("scope", 1.into()), "malformed-claim"),
    ] {
        assert_eq!(bench.at_once(&token), Some(Told::Refused(code)), "{token}");
        assert_eq!(bench.ask(&token).await, Told::Refused(code), "{token}");
    }
    assert_eq!(bench.script.calls(), 0);
    assert_eq!(bench.ask(&whole).await, UNKNOWN, "and this one asks");
    assert!(bench.script.calls() > 0);
}

#[tokio::test]
async fn a_key_that_is_published_while_a_fetch_is_under_way_is_found_by_the_next_one() {
    let (old, new) = (Pair::new("old"), Pair::new("new"));
    let bench = Bench::warm(set(&[&old]), &old).await;
    bench.script.hold();
    let stranger = bench.send(Pair::new("stranger").token());
    bench.called(2).await;
    // The answer on its way knows nothing of this.
    bench.script.says(set(&[&old, &new]));
    let request = bench.send(new.token());
    bench.waited_for_by(2).await;
    bench.script.let_go(2);
    assert_eq!(request.await.unwrap(), Told::Known);
    assert_eq!(stranger.await.unwrap(), UNKNOWN, "it was not there before the request came, and is not now");
    assert_eq!(bench.script.calls(), 3);
}

#[tokio::test]
async fn in_the_middle_of_a_storm_a_new_key_is_known_as_soon_as_a_fetch_is_permitted() {
    let (old, new) = (Pair::new("old"), Pair::new("new"));
    let bench = Bench::warm(set(&[&old]), &old).await;
    let stranger = Pair::new("stranger");
    for number in 0..10 {
        bench.ask(&stranger.token_named(Some(&number.to_string()), &claims())).await;
    }
    assert_eq!(bench.script.calls(), 3, "the bucket is empty");
    bench.script.says(set(&[&old, &new]));
    let token = new.token();
    assert_eq!(bench.ask(&token).await, UNKNOWN);
    bench.manual.advance(INTERVAL - Duration::from_millis(1));
    assert_eq!(bench.ask(&token).await, UNKNOWN);
    bench.manual.advance(Duration::from_millis(1));
    assert_eq!(bench.ask(&token).await, Told::Known);
    assert_eq!(bench.script.calls(), 4);
}

#[tokio::test]
async fn a_request_waits_two_seconds_and_the_fetch_goes_on_without_it() {
    let (old, new) = (Pair::new("old"), Pair::new("new"));
    let bench = Bench::warm(set(&[&old]), &old).await;
    bench.script.hold();
    bench.script.says(set(&[&new]));
    let request = bench.send(new.token());
    bench.waited_for_by(1).await;
    bench.manual.advance(Duration::from_millis(1_999));
    tokio::task::yield_now().await;
    assert!(!request.is_finished());
    bench.manual.advance(Duration::from_millis(1));
    assert_eq!(request.await.unwrap(), Told::Unavailable(2));
    assert_eq!(bench.source.waiting(), 0);
    bench.script.let_go(1);
    bench.ended(2).await;
    assert_eq!(bench.at_once(&new.token()), Some(Told::Known));
}

/// Sends requests with a token through a chain, each from an address. Answered with the status.
fn sends(bench: &Bench, token: &str) -> impl Fn([u8; 4]) -> tokio::task::JoinHandle<u16> + use<> {
    let validator = JwtValidator::with_source(config(), bench.source.clone());
    let auth = Auth::builder().element(validator, RequiredScopes::anyone());
    let auth = auth.clock(Arc::clone(&bench.clock)).build().unwrap();
    let value = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
    let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
    move |address| {
        let (auth, headers) = (auth.clone(), headers.clone());
        tokio::spawn(async move {
            let head = RequestHead::new(&Method::GET, "/", &headers).with_client(Some(address.into()));
            auth.decided(&head).await.map_or_else(|rejection| rejection.status().as_u16(), |_| 200)
        })
    }
}

#[tokio::test]
async fn requests_of_nobody_in_particular_keep_no_address_out() {
    let (old, new) = (Pair::new("old"), Pair::new("new"));
    let bench = Bench::warm(set(&[&old]), &old).await;
    bench.script.hold();
    bench.script.says(set(&[&old, &new]));
    let flood: Vec<_> = (0..MOST_WAITING).map(|_| bench.send(new.token())).collect();
    bench.waited_for_by(MOST_WAITING).await;
    assert_eq!(bench.at_once(&new.token()), None, "it is not told whose it is yet");
    assert_eq!(bench.ask(&new.token()).await, Told::Unavailable(2), "one more of nobody's");
    let other = sends(&bench, &new.token())([192, 0, 2, 2]);
    until(|| flood.iter().any(tokio::task::JoinHandle::is_finished)).await;
    bench.script.let_go(1);
    assert_eq!(other.await.unwrap(), 200);
    let told = all(flood).await;
    let count = |what: Told| told.iter().filter(|told| **told == what).count();
    assert_eq!((count(Told::Known), count(Told::Unavailable(2))), (MOST_WAITING - 1, 1));
}

#[tokio::test]
async fn a_flood_of_unknown_keys_from_one_address_keeps_another_out_of_nothing() {
    let (old, new) = (Pair::new("old"), Pair::new("new"));
    let bench = Bench::warm(set(&[&old]), &old).await;
    bench.script.hold();
    bench.script.says(set(&[&old, &new]));
    let send = sends(&bench, &new.token());
    let flood: Vec<_> = (0..MOST_WAITING).map(|_| send([192, 0, 2, 1])).collect();
    bench.waited_for_by(MOST_WAITING).await;
    let one_more = send([192, 0, 2, 1]);
    assert_eq!(one_more.await.unwrap(), 503);
    let other = send([192, 0, 2, 2]);
    until(|| flood.iter().any(tokio::task::JoinHandle::is_finished)).await;
    assert_eq!(bench.source.waiting(), MOST_WAITING);
    bench.script.let_go(1);
    assert_eq!(other.await.unwrap(), 200);
    let mut told = Vec::new();
    for request in flood {
        told.push(request.await.unwrap());
    }
    let count = |what: u16| told.iter().filter(|told| **told == what).count();
    assert_eq!((count(200), count(503)), (MOST_WAITING - 1, 1));
    assert_eq!((bench.script.calls(), bench.source.waiting()), (2, 0));
}

#[tokio::test]
async fn a_caller_who_hangs_up_cancels_no_fetch() {
    let (old, new) = (Pair::new("old"), Pair::new("new"));
    let bench = Bench::warm(set(&[&old]), &old).await;
    bench.script.hold();
    bench.script.says(set(&[&new]));
    let request = bench.send(new.token());
    bench.called(2).await;
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());
    assert_eq!(bench.source.waiting(), 0, "nobody is counted who does not wait");
    bench.script.let_go(1);
    bench.ended(2).await;
    assert_eq!(bench.at_once(&new.token()), Some(Told::Known));
}

#[tokio::test]
async fn the_same_kid_with_another_key_costs_one_fetch_that_leaves_one_for_others() {
    let (old, same, new) = (Pair::new("1"), Pair::new("1"), Pair::new("new"));
    let bench = Bench::warm(set(&[&old]), &old).await;
    bench.script.says(set(&[&same]));
    assert_eq!(bench.ask(&same.token()).await, Told::Known);
    assert_eq!(bench.script.calls(), 2);
    // Now the old one's tokens are wrong, and may not ask: one more is left, and it is not for them.
    assert_eq!(bench.at_once(&old.token()), Some(Told::Refused("bad-signature")));
    bench.script.says(set(&[&same, &new]));
    assert_eq!(bench.ask(&new.token()).await, Told::Known);
    assert_eq!(bench.script.calls(), 3);
}

#[tokio::test]
async fn wrong_signatures_cannot_empty_the_bucket() {
    let (known, forger, new) = (Pair::new("known"), Pair::new("known"), Pair::new("new"));
    let bench = Bench::warm(set(&[&known]), &known).await;
    for _ in 0..100 {
        assert_eq!(bench.ask(&forger.token()).await, Told::Refused("bad-signature"));
    }
    assert_eq!(bench.script.calls(), 2);
    bench.script.says(set(&[&known, &new]));
    assert_eq!(bench.ask(&new.token()).await, Told::Known);
    // A wrong signature under a known key is wrong, whether or not the server answers.
    bench.manual.advance(INTERVAL * 2);
    bench.script.fails();
    assert_eq!(bench.ask(&forger.token()).await, Told::Refused("bad-signature"));
}

#[tokio::test]
async fn a_token_without_kid_is_tried_against_the_keys_that_fit_and_may_ask_for_others() {
    let (one, other, new) = (Pair::new("one"), Pair::new("other"), Pair::new("new"));
    let bench = Bench::warm(set(&[&one, &other]), &one).await;
    for pair in [&one, &other] {
        assert_eq!(bench.at_once(&pair.token_named(None, &claims())), Some(Told::Known));
    }
    bench.script.says(set(&[&new]));
    assert_eq!(bench.ask(&new.token_named(None, &claims())).await, Told::Known);
    assert_eq!(bench.script.calls(), 2);
    assert_eq!(bench.ask(&one.token_named(None, &claims())).await, Told::Refused("bad-signature"));
}

#[tokio::test]
async fn a_kid_is_compared_byte_for_byte() {
    let pair = Pair::new("Key");
    let bench = Bench::warm(set(&[&pair]), &pair).await;
    for kid in ["key", "Key ", "Ke", ""] {
        bench.manual.advance(INTERVAL);
        assert_eq!(bench.ask(&pair.token_named(Some(kid), &claims())).await, UNKNOWN, "{kid:?}");
    }
}

#[tokio::test]
async fn a_wrong_signature_takes_no_more_than_can_be_spared_from_who_waits_without_asking_first() {
    let (known, forger) = (Pair::new("1"), Pair::new("1"));
    let bench = Bench::new(set(&[&known]));
    let cx = Context::new(&bench.clock);
    assert_eq!(bench.wait(&known.token(), &cx).await, Told::Known);
    assert_eq!(bench.wait(&forger.token(), &cx).await, Told::Refused("bad-signature"));
    assert_eq!(bench.script.calls(), 1, "the last one is for keys that nobody knows yet");
    bench.manual.advance(INTERVAL);
    assert_eq!(bench.wait(&forger.token(), &cx).await, Told::Refused("bad-signature"));
    assert_eq!(bench.script.calls(), 2);
}

#[tokio::test]
async fn a_key_without_a_name_beside_the_named_one_gives_wrong_signatures_no_larger_share() {
    let (known, forger, new) = (Pair::new("known"), Pair::new("known"), Pair::new("new"));
    let mut nameless = Pair::new("").jwk;
    nameless.as_object_mut().unwrap().remove("kid");
    let keys = json!({"keys": [known.jwk, nameless]}).to_string();
    let bench = Bench::warm(keys, &known).await;
    for _ in 0..3 {
        assert_eq!(bench.ask(&forger.token()).await, Told::Refused("bad-signature"));
    }
    assert_eq!(bench.script.calls(), 2);
    bench.script.says(set(&[&known, &new]));
    assert_eq!(bench.ask(&new.token()).await, Told::Known);
}

#[tokio::test]
async fn two_keys_of_one_kid_are_both_tried() {
    let (one, other) = (Pair::new("same"), Pair::new("same"));
    let bench = Bench::warm(set(&[&one, &other]), &one).await;
    assert_eq!(bench.at_once(&other.token()), Some(Told::Known));
    assert_eq!(bench.script.calls(), 1);
}

#[tokio::test]
async fn setting_the_clock_changes_nothing_about_how_often_is_fetched() {
    let (known, stranger) = (Pair::new("known"), Pair::new("stranger"));
    let bench = Bench::warm(set(&[&known]), &known).await;
    let token = stranger.token_with(&claims_with("exp", 9_999_999_999_u64.into()));
    for _ in 0..5 {
        bench.ask(&token).await;
    }
    assert_eq!(bench.script.calls(), 3);
    for moment in [NOW.as_secs() + 1_000_000, NOW.as_secs() - 1_000_000, 1, NOW.as_secs()] {
        bench.manual.set(UnixTime::from_secs(moment));
        assert_eq!(bench.ask(&token).await, UNKNOWN);
    }
    assert_eq!(bench.script.calls(), 3);
    bench.manual.advance(INTERVAL);
    bench.ask(&token).await;
    assert_eq!(bench.script.calls(), 4);
}

#[tokio::test]
async fn a_set_may_lack_an_algorithm_that_the_configuration_names() {
    let (ec, later) = (Pair::new("ec"), Signs::by(rsa_signing(Algorithm::Ps256)));
    let bench = Bench::with(config().algorithms([Algorithm::Ps256, Algorithm::Es256]), set(&[&ec]), |_| {});
    assert_eq!(bench.ask(&ec.token()).await, Told::Known);
    let token = later.token(&json!({"alg": "PS256", "kid": "rsa"}), &claims());
    assert_eq!(bench.ask(&token).await, UNKNOWN);
    bench.manual.advance(INTERVAL);
    let mut rsa = with_kid(rsa_jwk(), "rsa");
    rsa["alg"] = "PS256".into();
    bench.script.says(json!({"keys": [ec.jwk, rsa]}).to_string());
    assert_eq!(bench.ask(&token).await, Told::Known);
}

#[tokio::test]
async fn algorithms_narrow_what_fetched_keys_allow() {
    let pair = Pair::new("1");
    let bench = Bench::with(config().algorithms([Algorithm::Rs256]), set(&[&pair]), |_| {});
    assert_eq!(bench.ask(&pair.token()).await, Told::Refused("unsupported-algorithm"));
    assert_eq!(bench.script.calls(), 0);
    // Also where they are there already.
    bench.source.fetch_now().await.unwrap();
    assert_eq!(bench.at_once(&pair.token()), Some(Told::Refused("unsupported-algorithm")));
    assert_eq!(bench.validator.validate(&pair.token(), NOW).unwrap_err().code(), "unsupported-algorithm");
}

#[tokio::test]
async fn a_shared_secret_that_is_published_is_never_used() {
    let (pair, secret) = (Pair::new("1"), crate::fixtures::SECRET);
    let oct = json!({"kty": "oct", "kid": "s", "k": crate::jws::base64url::encode(secret)});
    let bench = Bench::new(json!({"keys": [oct, pair.jwk]}).to_string());
    let forged = Signs::secret().token(&json!({"alg": "HS256", "kid": "s"}), &claims());
    assert_eq!(bench.ask(&forged).await, Told::Refused("unsupported-algorithm"));
    assert_eq!(bench.ask(&pair.token()).await, Told::Known);
    assert_eq!(bench.at_once(&forged), Some(Told::Refused("unsupported-algorithm")));
    assert_eq!(bench.validator.key_set().unwrap().skipped, 1);
}

#[tokio::test]
async fn who_waits_stands_in_a_queue_that_is_told() {
    let (pair, other) = (Pair::new("k"), Pair::new("other"));
    let bench = Bench::warm(set(&[&pair]), &pair).await;
    let depths =
        || bench.validator.queues().iter().map(|state| (state.depth, state.limit)).collect::<Vec<_>>();
    assert_eq!(depths(), [(0, 256)]);
    bench.script.hold();
    let waiting = bench.send(other.token());
    bench.waited_for_by(1).await;
    assert_eq!(depths(), [(1, 256)]);
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    assert_eq!(depths(), [(0, 256)]);
}
