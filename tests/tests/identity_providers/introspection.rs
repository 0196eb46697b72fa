//! Opaque tokens, asked about at `oidc-provider`; and at a server of our own where every byte and every call counts.

use std::sync::Arc;
use std::time::Duration;

use portcullis::{Clock, SystemClock};
use portcullis_core::{Context, Outcome};
use portcullis_oauth2::{IntrospectionConfig, OAuth2Introspection};
use portcullis_outbound::Endpoint;
use portcullis_testing::{Fault, FaultProxy, TestIntrospection};
use portcullis_tests::{Keys, OidcProvider, Place};
use serde_json::json;

use crate::client::tally;
use crate::gateway::Gateway;
use crate::in_process::{Service, clock, settle};
use crate::jwks::by_introspection;

const PATH: &str = "/token/introspection";

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_requests_with_one_new_token_are_one_call() {
    let provider = OidcProvider::start();
    // So slow that all of them have come before it answers.
    let proxy = FaultProxy::start(provider.address()).await;
    let gateway =
        Gateway::start(&by_introspection(&format!("{}{PATH}", proxy.origin()), "cacheConfig = {},"));
    let token = provider.opaque("hello", 60);
    let warm = provider.opaque("hello", 60);
    assert_eq!(gateway.get(&warm).await.status, 200);
    let asked = |token: &str| {
        let body = format!("token={token}");
        provider.asked().iter().filter(|request| request.body.contains(&body)).count()
    };
    proxy.set(Fault::Delay(Duration::from_secs(1))).await;
    let replies = gateway.get_all(std::iter::repeat_n(token.clone(), 1_000)).await;
    assert_eq!(tally(&replies), [(200, 1_000)]);
    assert_eq!(asked(&token), 1);
    // And of a token that is none.
    let replies = gateway.get_all(std::iter::repeat_n("y".repeat(43), 1_000)).await;
    assert_eq!(tally(&replies), [(401, 1_000)]);
    assert_eq!(asked(&"y".repeat(43)), 1);
}

#[tokio::test]
async fn a_thousand_requests_at_once_are_one_call_without_any_cache() {
    let server = TestIntrospection::start().await;
    let clock = clock();
    let element =
        format!(r#"{{ scopes = "hello", oauth2IntrospectionConfig = {{ url = "{}" }} }}"#, server.url());
    let service = Service::with(&clock, &element).await;
    server.grant("good", json!({ "scope": "hello" }));
    let hold = server.hold();
    let waiting: Vec<_> = (0..1_000).map(|_| service.send("good".to_owned())).collect();
    server.called(1).await;
    settle().await;
    hold.release();
    for one in waiting {
        assert_eq!(one.await.unwrap().status, 200);
    }
    assert_eq!(server.call_count(), 1);
    assert_eq!(service.ask("good").await.status, 200);
    assert_eq!(server.call_count(), 2, "without cacheConfig the next one asks again");
}

#[test]
fn scopes_are_compared_on_every_request_after_the_cache_and_elements_share_no_answer() {
    let provider = OidcProvider::start();
    let hello = by_introspection(&provider.url(PATH), "cacheConfig = {},");
    let config = crate::gateway::config(&format!(
        "respond = \"Hello\"\nauth = [{hello}]\nresources.\"/admin\" = {{ scopes = \"admin\" }}"
    ));
    let gateway = Gateway::start_with(&config);
    let token = provider.opaque("hello", 60);
    let status = |path: &str| {
        let header = format!("Authorization: Bearer {token}");
        portcullis_tests::curl(["-H", &header, &format!("http://{}/foo{path}", gateway.address())]).status
    };
    assert_eq!((status(""), status("/admin"), status("")), (200, 403, 200));
    assert_eq!(provider.asked().iter().filter(|request| request.body.contains(&token)).count(), 1);
}

#[test]
fn a_token_that_is_revoked_is_refused_at_once_without_a_cache() {
    let provider = OidcProvider::start();
    let gateway = Gateway::start(&by_introspection(&provider.url(PATH), ""));
    let token = provider.opaque("hello", 60);
    assert_eq!(gateway.status(&token), 200);
    provider.revoke(&token);
    assert_eq!(gateway.status(&token), 401);
}

#[test]
fn a_server_that_refuses_our_secret_is_an_outage_and_not_a_wrong_token() {
    let provider = OidcProvider::start();
    let wrong = crate::jwks::basic((OidcProvider::API.0, "wrong-secret"));
    let right = crate::jwks::basic(OidcProvider::API);
    let element = by_introspection(&provider.url(PATH), "").replace(&right, &wrong);
    let gateway = Gateway::start(&element);
    let token = provider.opaque("hello", 60);
    let answer = gateway.ask(&token);
    assert_eq!(answer.status, 503);
    assert!(answer.header("retry-after").is_some());
    let log = gateway.stop();
    assert!(log.contains("401"), "{log}");
    for secret in [&wrong, &right, "wrong-secret", &token] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[test]
fn a_server_that_goes_away_is_503_with_retry_after_and_right_as_soon_as_it_is_back() {
    let mut provider = OidcProvider::start();
    let gateway = Gateway::start(&by_introspection(&provider.url(PATH), "cacheConfig = {},"));
    let known = provider.opaque("hello", 60);
    let unknown = provider.opaque("hello", 60);
    assert_eq!(gateway.status(&known), 200);
    provider.kill();
    assert_eq!(gateway.status(&known), 200, "a remembered answer");
    for token in [&unknown, &"z".repeat(43)] {
        let answer = gateway.ask(token);
        assert_eq!(answer.status, 503);
        let seconds: u32 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!(seconds > 0);
    }
    let nobody = portcullis_tests::curl([format!("http://{}/foo", gateway.address())]);
    assert_eq!(nobody.status, 401, "no credential is no outage");

    provider.start_again(Keys::Same);
    let new = provider.opaque("hello", 60);
    assert_eq!(gateway.status(&new), 200, "the next request is right");
    assert_eq!(gateway.status(&unknown), 401, "the server has forgotten it");
}

#[test]
fn it_starts_without_the_server_and_says_so() {
    let place = Place::free();
    let issuer = format!("http://{}", place.address());
    let mut provider = OidcProvider::stopped(place, &issuer);
    let mut gateway = Gateway::start(&by_introspection(&provider.url(PATH), ""));
    gateway.logged(&["introspection", &provider.url(PATH)]);
    assert_eq!(gateway.status(&"x".repeat(43)), 503);
    provider.start_again(Keys::Same);
    assert_eq!(gateway.status(&"x".repeat(43)), 401);
    assert_eq!(gateway.status(&provider.opaque("hello", 60)), 200);
}

/// What a careless client makes of it: a second client, another hint, a header of its own.
const EVIL: [&str; 6] = [
    "x&client_id=evil",
    "x&token=y",
    "x%26client_id%3Devil",
    "x+y z",
    "x\r\nX-Evil: 1\r\n\r\n",
    "x#?/ä\u{0}",
];

fn provider_of(url: &str) -> OAuth2Introspection {
    OAuth2Introspection::new(IntrospectionConfig::new(Endpoint::parse(url).unwrap())).unwrap()
}

#[tokio::test]
async fn a_token_of_any_characters_is_one_parameter_on_the_wire() {
    let server = TestIntrospection::start().await;
    let introspection = provider_of(&server.url());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    for token in EVIL {
        let outcome = introspection.introspect(token, &[("resource", "a&b=c")], &Context::new(&clock)).await;
        assert!(matches!(outcome, Outcome::Refused(_)), "{token:?}: {outcome:?}");
        let call = server.calls().pop().unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(call.parameters(), [pair("token", token), pair("resource", "a&b=c")], "{token:?}");
        assert_eq!(call.header("content-length"), Some(call.body.len().to_string().as_str()));
    }
    // The bytes themselves, for the first.
    assert_eq!(&server.calls()[0].body[..], b"token=x%26client_id%3Devil&resource=a%26b%3Dc");
    assert_eq!(server.call_count(), EVIL.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn oidc_provider_reads_a_token_of_any_characters_as_one_parameter() {
    let provider = OidcProvider::start();
    let (id, secret) = OidcProvider::API;
    let config =
        IntrospectionConfig::new(Endpoint::parse(&provider.url(PATH)).unwrap()).client_secret(id, secret);
    let introspection = OAuth2Introspection::new(config).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    for token in EVIL {
        let outcome = introspection.introspect(token, &[], &Context::new(&clock)).await;
        // It would answer 400 to a parameter given twice, and 401 to another client.
        let Outcome::Refused(refusal) = &outcome else { panic!("{token:?}: {outcome:?}") };
        assert_eq!(refusal.code(), "inactive", "{token:?}");
    }
    let good = provider.opaque("hello", 60);
    assert!(matches!(introspection.introspect(&good, &[], &Context::new(&clock)).await, Outcome::Known(_)));
    assert_eq!(provider.asked()[0].body, "token=x%26client_id%3Devil");
    assert!(provider.asked().iter().all(|request| request.header("x-evil").is_none()));
}

#[test]
fn over_http_too_such_a_token_reaches_the_server_as_one_parameter_or_not_at_all() {
    let provider = OidcProvider::start();
    let element = by_introspection(&provider.url(PATH), "");
    let config = crate::gateway::config(&format!(
        r#"respond = "Hello"
credentialSources = ["header", "websocketProtocol", "cookie:sid"]
publicOrigin = "https://app.example"
auth = [{element}]"#
    ));
    let gateway = Gateway::start_with(&config).started("introspection");
    let status = |headers: &[&str]| {
        let url = format!("http://{}/foo", gateway.address());
        let headers = headers.iter().flat_map(|header| ["-H", header]);
        portcullis_tests::curl(headers.chain([url.as_str()])).status
    };
    let upgrade = |protocols: &str| {
        let protocols = format!("Sec-WebSocket-Protocol: {protocols}");
        let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
        let version = "Sec-WebSocket-Version: 13";
        status(&["Connection: Upgrade", "Upgrade: websocket", version, key, &protocols])
    };
    let bodies = || -> Vec<String> {
        let asked = provider.asked().into_iter().filter(|request| request.target == PATH);
        asked.map(|request| request.body).collect()
    };
    let evil = "x&client_id=evil";
    let one_entry = {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        format!("base64url.bearer.{}", URL_SAFE_NO_PAD.encode(evil))
    };
    let before = bodies().len();
    // A cookie and a subprotocol of two entries hold no such characters.
    assert_eq!(status(&["Origin: https://app.example", &format!("Cookie: sid={evil}")]), 401);
    assert_eq!(upgrade(&format!("bearer, {evil}")), 401);
    assert_eq!(bodies().len(), before, "it is no token, and nobody was asked");
    // The header and the subprotocol of one entry do.
    assert_eq!(status(&[&format!("Authorization: Bearer {evil}")]), 401);
    assert_eq!(upgrade(&format!("chat, {one_entry}")), 401);
    let expected = "token=x%26client_id%3Devil&token_type_hint=access_token";
    assert_eq!(bodies()[before..], [expected, expected]);

    let good = provider.opaque("hello", 60);
    assert_eq!(status(&[&format!("Authorization: Bearer {good}")]), 200);
    assert_eq!(status(&[&format!("Authorization: Bearer {good}&client_id=evil")]), 401);
}
