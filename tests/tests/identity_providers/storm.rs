//! Tokens with invented key names, by the thousand: the server hardly notices, and nobody else does.

use std::time::{Duration, Instant};

use portcullis_testing::{TestIssuer, TestToken};

use crate::client::{Reply, get_all, tally, until};
use crate::gateway::Gateway;
use crate::in_process::{Service, clock, issuer, settle};

const AUDIENCE: &str = "orders";
const MANY: usize = 1_000;

/// An element that finds the keys of `issuer` by discovery, and asks for new ones once a second at most.
fn element(issuer: &TestIssuer) -> String {
    let url = issuer.url();
    format!(
        r#"{{ scopes = "hello", jwtValidatorConfig = {{
            issuer = "{url}",
            audience = "{AUDIENCE}",
            signatureConfig = {{ jwksConfig = {{ issuer = "{url}", minRefreshInterval = "1s" }} }},
        }} }}"#
    )
}

fn token(issuer: &TestIssuer) -> TestToken<'_> {
    issuer.token().audience(AUDIENCE).scopes(["hello"])
}

/// Well-formed in all but the key, which nobody has.
fn invented(issuer: &TestIssuer, wave: usize) -> impl Iterator<Item = String> + use<'_> {
    (0..MANY).map(move |number| token(issuer).kid(&format!("invented-{wave}-{number}")).sign())
}

/// Nobody was let in, and everybody was answered 401 or 503.
fn refused(replies: &[Reply]) {
    let known = replies.iter().filter(|reply| [401, 503].contains(&reply.status)).count();
    assert_eq!(known, replies.len(), "{:?}", tally(replies));
    for reply in replies.iter().filter(|reply| reply.status == 503) {
        assert!(reply.header("retry-after").is_some(), "{}", reply.head);
    }
}

#[tokio::test]
async fn a_thousand_invented_keys_cause_two_fetches_and_then_one_per_interval() {
    let clock = clock();
    let issuer = issuer(&clock).await;
    let service = Service::with(&clock, &element(&issuer)).await;
    let known = token(&issuer).sign();
    assert_eq!(service.ask(&known).await.status, 200);
    assert_eq!(issuer.fetches().jwks, 1);

    // The second fetch hangs, with the thousand before it.
    let hold = issuer.hold();
    let storm: Vec<_> = invented(&issuer, 0).map(|token| service.send(token)).collect();
    issuer.fetched(2).await;
    settle().await;
    for _ in 0..200 {
        assert_eq!(service.ask(&known).await.status, 200, "known keys need no fetch");
        assert_eq!(service.ask(&token(&issuer).sign()).await.status, 200, "nor do fresh tokens of them");
    }
    assert_eq!(issuer.fetches().jwks, 2);

    // The fetch is answered with what there was; then there is a new key.
    hold.release();
    let mut replies = Vec::new();
    for waiting in storm {
        replies.push(waiting.await.unwrap());
    }
    refused(&replies);
    assert_eq!(issuer.fetches().jwks, 2);
    issuer.rotate();
    let new = token(&issuer).sign();
    assert_ne!(service.ask(&new).await.status, 200, "no fetch is permitted yet");
    assert_eq!(issuer.fetches().jwks, 2);
    service.clock.advance(Duration::from_secs(1));
    assert_eq!(service.ask(&new).await.status, 200, "as soon as a fetch is permitted");
    assert_eq!(issuer.fetches().jwks, 3);

    // And on it goes, once per interval.
    for wave in 1..=5 {
        service.clock.advance(Duration::from_secs(1));
        let storm: Vec<_> = invented(&issuer, wave).map(|token| service.send(token)).collect();
        let mut replies = Vec::new();
        for waiting in storm {
            replies.push(waiting.await.unwrap());
        }
        refused(&replies);
        let fetches = issuer.fetches().jwks;
        assert_eq!(fetches, 3 + wave, "after {wave} intervals");
    }
    assert_eq!(service.ask(&token(&issuer).sign()).await.status, 200);
}

#[tokio::test]
async fn ill_formed_tokens_cause_no_fetch() {
    let clock = clock();
    let issuer = issuer(&clock).await;
    let service = Service::with(&clock, &element(&issuer)).await;
    assert_eq!(service.ask(&token(&issuer).sign()).await.status, 200);
    let before = issuer.fetches();
    type Spoil = fn(TestToken<'_>) -> TestToken<'_>;
    let spoils: [(&str, Spoil); 9] = [
        ("another issuer", |token| token.issuer("https://evil.example")),
        ("no issuer", |token| token.without_claim("iss")),
        ("another audience", |token| token.audience("evil")),
        ("no audience", |token| token.without_claim("aud")),
        ("expired", |token| token.claim("exp", 1)),
        ("no expiry", |token| token.without_claim("exp")),
        ("an expiry of text", |token| token.claim("exp", "tomorrow")),
        ("an algorithm that no public key has", |token| token.header("alg", "HS256")),
        ("no algorithm", |token| token.header("alg", "none")),
    ];
    for (what, spoil) in spoils {
        for number in 0..120 {
            let token = spoil(token(&issuer)).kid(&format!("ill-formed-{number}")).sign();
            assert_eq!(service.ask(&token).await.status, 401, "{what}");
        }
    }
    for number in 0..120 {
        assert_eq!(service.ask(&format!("a.b.{number}")).await.status, 401);
    }
    assert_eq!(issuer.fetches(), before);
    // The pair: a well-formed one of the same kind does.
    assert_eq!(service.ask(&token(&issuer).kid("invented").sign()).await.status, 401);
    assert_eq!(issuer.fetches().jwks, before.jwks + 1);
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_known_keys_are_as_fast_while_the_fetch_hangs_and_a_new_key_gets_in() {
    let issuer = TestIssuer::start().await;
    let gateway = Gateway::start(&element(&issuer)).started("jwks");
    let known = token(&issuer).sign();
    assert_eq!(gateway.get(&known).await.status, 200);
    let (address, start) = (gateway.address(), issuer.fetches().jwks);
    let times = async |known: &str| {
        let mut times = Vec::new();
        for _ in 0..300 {
            let reply = crate::client::get(address, "/foo", known).await;
            assert_eq!(reply.status, 200);
            times.push(reply.took);
        }
        median(times)
    };
    let before = times(&known).await;

    let hold = issuer.hold();
    let began = Instant::now();
    let tokens: Vec<String> = invented(&issuer, 0).collect();
    let storm = tokio::spawn(get_all(address, "/foo", tokens));
    issuer.fetched(start + 1).await;
    // The storm is answered while the fetch hangs: by 503, because nobody can tell.
    let during_storm = times(&known).await;
    let replies = storm.await.unwrap();
    refused(&replies);
    let after_storm = times(&known).await;
    let storm_seconds = began.elapsed().as_secs() as usize;
    let fetches = issuer.fetches().jwks - start;
    assert!(fetches <= 2 + storm_seconds, "{fetches} fetches in {storm_seconds} s");
    // Two cores serve the thousand as well, so their time is bounded loosely; without them nothing may be left of it.
    assert!(during_storm < Duration::from_secs(1), "{before:?} before, {during_storm:?} in the storm");
    assert!(
        after_storm < before * 5 + Duration::from_millis(20),
        "{before:?} before, {after_storm:?} while it hangs"
    );

    issuer.rotate();
    let new = token(&issuer).sign();
    let waiting = tokio::spawn({
        let new = new.clone();
        async move { until(address, "/foo", &new, 200).await }
    });
    hold.release();
    // Refused in no other way while no fetch is permitted, and that is a second at most.
    refused(&waiting.await.unwrap());
}
