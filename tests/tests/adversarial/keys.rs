//! Keys that are fetched: storms, rotations, outages, clocks.

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use portcullis_testing::{ManualClock, TestIssuer, TestToken};
use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::mpsc};

use crate::{
    Line,
    jwt_keys::fetching,
    support::{Door, NOW, bearer, told},
    support_tokens::Signer,
};

const ROTATION: &str = "crates/providers/jwt/src/jwks/tests/rotation.rs";
const OUTAGES: &str = "crates/providers/jwt/src/jwks/tests/outages.rs";
const INTERVAL: Duration = Duration::from_secs(10);
const DAY: Duration = Duration::from_secs(86_400);

/// An issuer and a service of one clock.
struct Bench {
    issuer: TestIssuer,
    clock: ManualClock,
    door: Door,
}

impl Bench {
    async fn new() -> Self {
        let (issuer, clock) = issuer().await;
        let door = Door::open_at(&clock, &trusting(&issuer, "url", &issuer.jwks_url()), &[]).await;
        Self { issuer, clock, door }
    }

    /// One whose keys are known.
    async fn warm() -> Self {
        let bench = Self::new().await;
        assert_eq!(bench.knock(bench.token()).await, "200");
        // Two fetches are permitted again.
        bench.clock.advance(INTERVAL);
        bench
    }

    fn token(&self) -> TestToken<'_> {
        self.issuer.token().audience("orders").scope("hello").expires_in(10 * DAY)
    }

    /// By a key that is not published, under a name that is not either.
    fn unknown(&self, kid: &str) -> TestToken<'_> {
        self.token().kid(kid)
    }

    async fn knock(&self, token: TestToken<'_>) -> String {
        self.door.knock(token.sign()).await.to_string()
    }

    fn fetches(&self) -> usize {
        self.issuer.fetches().jwks
    }
}

async fn issuer() -> (TestIssuer, ManualClock) {
    let clock = ManualClock::at(NOW);
    (TestIssuer::builder().clock(Arc::new(clock.clone())).start().await, clock)
}

/// A validator of this issuer's tokens, by its keys from `url`, or from discovery at `issuer`.
pub(crate) fn trusting(issuer: &TestIssuer, by: &str, url: &str) -> String {
    fetching(url, "")
        .replace("url =", &format!("{by} ="))
        .replace(crate::support_tokens::ISSUER, issuer.url())
}

/// Shows a thousand tokens of unknown keys at the same time, and says of each what became of it.
fn storm(bench: &Bench, round: usize) -> mpsc::UnboundedReceiver<String> {
    let (told, answers) = mpsc::unbounded_channel();
    let stranger = Signer::p256();
    for number in 0..1_000 {
        let mut claims = crate::support_tokens::claims();
        claims["iss"] = bench.issuer.url().into();
        claims["exp"] = (NOW.as_secs() + 864_000).into();
        let token = stranger.token(&json!({"kid": format!("{round}-{number}")}), &claims);
        let (address, told) = (bench.door.address, told.clone());
        tokio::spawn(async move {
            let seen = crate::support::knock(address, &token).await;
            told.send(seen.status.to_string()).unwrap();
        });
    }
    answers
}

async fn count(answers: &mut mpsc::UnboundedReceiver<String>, status: &str, count: usize) {
    for _ in 0..count {
        assert_eq!(answers.recv().await.unwrap(), status);
    }
}

#[tokio::test]
async fn line_13_a_storm_of_unknown_keys_is_one_fetch_per_interval() {
    let mut line = Line::new(13, "A thousand tokens of unknown keys at once");
    let bench = Bench::warm().await;
    let hold = bench.issuer.hold();
    let mut answers = storm(&bench, 1);
    count(&mut answers, "503", 744).await;
    line.came("while the issuer hangs: 744 of them, more than may wait", "503");
    for _ in 0..20 {
        assert_eq!(bench.knock(bench.token()).await, "200");
    }
    line.came("while the issuer hangs: 20 tokens of known keys, each shown for the first time", "200");
    hold.release();
    count(&mut answers, "401", 256).await;
    told(&mut line, "when it answers: the 256 that waited", 401, "401");
    told(&mut line, "fetches for all of them", bench.fetches() - 1, "2");
    count(&mut storm(&bench, 2), "401", 1_000).await;
    told(&mut line, "fetches for another thousand in the same interval", bench.fetches() - 3, "0");
    bench.clock.advance(INTERVAL);
    count(&mut storm(&bench, 3), "401", 1_000).await;
    told(&mut line, "fetches for another thousand in the next interval", bench.fetches() - 3, "1");
    line.shown_by(
        "the same over several intervals",
        &format!("{ROTATION}::a_thousand_unknown_keys_cause_two_fetches_and_then_one_per_interval"),
    );
    line.shown_by(
        "what no key could make good asks for none",
        &format!("{ROTATION}::what_could_not_be_accepted_anyway_fetches_nothing"),
    );
    line.settle();
}

#[tokio::test]
async fn line_14_a_key_that_takes_the_name_of_another_is_taken_up() {
    let mut line = Line::new(14, "The same `kid` with another key");
    let bench = Bench::warm().await;
    let kid = bench.issuer.kid();
    let old = bench.token().sign();
    told(&mut line, "a token by the old key", bench.door.knock(&old).await, "200");
    bench.issuer.add_key_as(&kid, portcullis_testing::Algorithm::Es256);
    told(&mut line, "a token by the new key of that name", bench.knock(bench.token()).await, "200");
    told(&mut line, "fetches for it", bench.fetches() - 1, "1");
    told(
        &mut line,
        "the token by the old key, which was remembered",
        bench.door.knock(&old).await,
        "401 bad-signature",
    );
    line.shown_by(
        "what it costs",
        &format!("{ROTATION}::the_same_kid_with_another_key_costs_one_fetch_that_leaves_one_for_others"),
    );
    line.shown_by(
        "wrong signatures that try to use that up",
        &format!("{ROTATION}::wrong_signatures_cannot_empty_the_bucket"),
    );
    line.settle();
}

#[tokio::test]
async fn line_15_while_keys_overlap_nobody_is_refused() {
    let mut line = Line::new(15, "A rotation with an overlap");
    let bench = Bench::warm().await;
    let old = bench.issuer.kid();
    let mut requests = 0;
    let mut all_in = async |kids: &[&str]| {
        let answers = kids.iter().cycle().take(40).map(|kid| {
            let token = bench.token().key(kid).kid(kid).sign();
            tokio::spawn(async move { token })
        });
        for token in answers {
            requests += 1;
            assert_eq!(bench.door.knock(token.await.unwrap()).await.to_string(), "200");
        }
    };
    all_in(&[&old]).await;
    let new = bench.issuer.add_key(portcullis_testing::Algorithm::Es256);
    all_in(&[&new, &old]).await;
    bench.clock.advance(INTERVAL);
    all_in(&[&old, &new]).await;
    told(
        &mut line,
        "requests by the old key and by both, before and after the new one is published",
        requests,
        "120",
    );
    line.came("of these, refused", "0");
    let last = bench.token().key(&old).kid(&old).sign();
    told(&mut line, "a token by the old key, remembered", bench.door.knock(&last).await, "200");
    bench.issuer.retire(&old);
    bench.clock.advance(INTERVAL);
    let another = bench.issuer.add_key(portcullis_testing::Algorithm::Es256);
    told(
        &mut line,
        "the old key is taken back, and a third one comes: a token by the third",
        bench.knock(bench.token().key(&another)).await,
        "200",
    );
    told(&mut line, "the old key's token", bench.door.knock(&last).await, "401 unknown-key");
    line.shown_by(
        "200 requests at once, twenty times",
        &format!("{ROTATION}::after_a_rotation_nobody_is_refused_however_many_come_at_once"),
    );
    line.settle();
}

#[tokio::test]
async fn line_16_an_issuer_that_is_away_is_503_and_never_401() {
    let mut line = Line::new(16, "An issuer that is away, by default at most for an hour");
    let bench = Bench::new().await;
    bench.issuer.go_down().await;
    let seen = bench.door.knock(bench.token().sign()).await;
    assert!(seen.head.to_lowercase().contains("\r\nretry-after: "), "{}", seen.head);
    assert!(!seen.head.to_lowercase().contains("www-authenticate"), "{}", seen.head);
    told(
        &mut line,
        "away at the start; a good token",
        format_args!("{seen}, `Retry-After`, no challenge"),
        "503 unavailable, `Retry-After`, no challenge",
    );
    told(
        &mut line,
        "away at the start; what is no token",
        bench.door.knock("abc").await,
        "401 malformed-token",
    );
    told(&mut line, "away at the start; no credential", bench.door.send("").await, "401 no-credential");
    bench.issuer.come_back().await;
    bench.clock.advance(INTERVAL);
    told(&mut line, "it comes back", bench.knock(bench.token()).await, "200");
    bench.issuer.go_down().await;
    told(&mut line, "away later; a token by a known key", bench.knock(bench.token()).await, "200");
    told(
        &mut line,
        "away later; a token by an unknown key",
        bench.knock(bench.unknown("other")).await,
        "503 unavailable",
    );
    bench.clock.advance(Duration::from_secs(300 + 3_599) - INTERVAL);
    told(
        &mut line,
        "away for nearly an hour after the keys are due; a known key",
        bench.knock(bench.token()).await,
        "200",
    );
    bench.clock.advance(Duration::from_secs(20));
    told(&mut line, "away for longer", bench.knock(bench.token()).await, "503 unavailable");
    bench.issuer.come_back().await;
    bench.clock.advance(INTERVAL);
    told(&mut line, "it comes back", bench.knock(bench.token()).await, "200");
    line.shown_by(
        "minute by minute",
        &format!("{OUTAGES}::known_keys_stay_in_use_for_as_long_as_is_allowed_and_nothing_unknown_is_let_in"),
    );
    line.settle();
}

#[tokio::test]
async fn line_17_a_caller_who_hangs_up_stops_no_fetch() {
    let mut line = Line::new(17, "A caller who hangs up while keys are fetched for him");
    let bench = Bench::warm().await;
    bench.issuer.rotate();
    let hold = bench.issuer.hold();
    let mut caller = TcpStream::connect(bench.door.address).await.unwrap();
    caller.write_all(&bearer(&bench.token().sign())).await.unwrap();
    bench.issuer.fetched(2).await;
    drop(caller);
    // The service has seen it: what comes on a connection opened later is answered.
    told(&mut line, "meanwhile, what is no token", bench.door.knock("abc").await, "401 malformed-token");
    hold.release();
    told(&mut line, "the next one with the new key", bench.knock(bench.token()).await, "200");
    told(&mut line, "fetches for both", bench.fetches() - 1, "1");
    line.shown_by(
        "the caller's task cancelled",
        &format!("{ROTATION}::a_caller_who_hangs_up_cancels_no_fetch"),
    );
    line.settle();
}

#[tokio::test]
async fn line_18_neither_failures_nor_the_clock_lift_the_limit_of_fetches() {
    let mut line = Line::new(18, "Limits of fetches, through failures and jumps of the clock");
    let bench = Bench::warm().await;
    bench.issuer.fail_with(StatusCode::INTERNAL_SERVER_ERROR);
    for number in 0..5 {
        assert_eq!(bench.knock(bench.unknown(&number.to_string())).await, "503 unavailable");
    }
    told(&mut line, "five tokens of unknown keys while the issuer fails: fetches", bench.fetches() - 1, "2");
    for (what, moment) in [("back", 864_000), ("ahead", 86_400)] {
        let now = NOW.as_secs();
        let moment = if what == "back" { now - moment } else { now + moment };
        bench.clock.set(portcullis::UnixTime::from_secs(moment));
        assert_eq!(bench.knock(bench.unknown(what)).await, "503 unavailable");
        told(
            &mut line,
            format!("the clock is set {what} by days: further fetches"),
            bench.fetches() - 3,
            "0",
        );
        told(
            &mut line,
            format!("the clock is set {what} by days: a known key"),
            bench.knock(bench.token()).await,
            "200",
        );
    }
    bench.issuer.recover();
    let new = bench.issuer.add_key(portcullis_testing::Algorithm::Es256);
    assert_eq!(bench.knock(bench.token().key(&new)).await, "503 unavailable");
    bench.clock.advance(INTERVAL);
    told(
        &mut line,
        "the issuer recovers and an interval has passed: a new key",
        bench.knock(bench.token().key(&new)).await,
        "200",
    );
    told(&mut line, "fetches for it", bench.fetches() - 3, "1");
    line.shown_by(
        "setting the clock",
        &format!("{ROTATION}::setting_the_clock_changes_nothing_about_how_often_is_fetched"),
    );
    line.shown_by("failures", &format!("{OUTAGES}::while_the_server_fails_it_is_asked_once_per_interval"));
    line.settle();
}

#[tokio::test]
async fn line_20_one_unreadable_key_spoils_no_set() {
    let mut line = Line::new(20, "One key that cannot be read, before a good one");
    for (what, broken) in [
        ("a text", json!("key")),
        ("null", json!(null)),
        ("an array", json!([1, 2])),
        ("an empty object", json!({})),
        ("of a type that nobody knows", json!({"kty": "XYZ", "kid": "x"})),
        ("with a `kty` that is a number", json!({"kty": 1})),
        ("RSA without a modulus", json!({"kty": "RSA", "e": "AQAB"})),
        ("RSA with a modulus that is no base64url", json!({"kty": "RSA", "n": "!!", "e": "AQAB"})),
        ("EC without `y`", json!({"kty": "EC", "crv": "P-256", "x": "AA"})),
        ("with a `kid` that is a number", json!({"kty": "OKP", "crv": "Ed25519", "x": "AA", "kid": 1})),
    ] {
        let bench = Bench::new().await;
        let mut set = bench.issuer.jwks();
        set["keys"].as_array_mut().unwrap().insert(0, broken);
        bench.issuer.answer_jwks_with("application/json", set.to_string());
        told(
            &mut line,
            format!("a key that is {what}; a token by the other"),
            bench.knock(bench.token()).await,
            "200",
        );
    }
    line.shown_by("left out by name, and logged", "crates/providers/jwt/src/jwks/tests/sets.rs::a_key_that_cannot_verify_is_left_out_by_name_and_the_others_stay");
    line.settle();
}
