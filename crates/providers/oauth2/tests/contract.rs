//! The promises of every provider, kept by introspection: over http and https, with and without memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::sync::Arc;

use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header::AUTHORIZATION};
use portcullis_core::{Auth, Clock, Decision, IntoProvider, RequestHead, Step, SystemClock};
use portcullis_keys::{ClientTls, TrustAnchors, parse_certificates};
use portcullis_oauth2::{
    CacheConfig, ClientCredentials, ClientCredentialsConfig, IntrospectionConfig, OAuth2Introspection,
};
use portcullis_outbound::{ClientConfig, Endpoint};
use portcullis_testing::{
    TestIntrospection, TestTls, TestTokenEndpoint,
    contract::{Case, provider_keeps_its_contract},
};
use serde_json::json;

const TOKEN: &str = "2YotnFZFEjr1zCsicMWpAA";

fn config(server: &TestIntrospection) -> IntrospectionConfig {
    IntrospectionConfig::new(Endpoint::parse(&server.url()).unwrap())
}

fn trusting(pem: &str) -> ClientConfig {
    let anchors = TrustAnchors::from_certificates(parse_certificates(pem.as_bytes()).unwrap()).unwrap();
    ClientConfig::new().tls(ClientTls::new(anchors))
}

async fn keeps_the_contract(server: &TestIntrospection, config: IntrospectionConfig, recalls: bool) {
    server.grant(TOKEN, json!({"sub": "alice", "scope": "hello"}));
    server.answer_raw("x7Qm9.k3ypE", r#"{"active":"true"}"#);
    server.grant("jk1X-7zz", json!({"sub": "alice", "cnf": {"jkt": "x"}}));
    let bearer = |token: &str| HeaderValue::try_from(format!("Bearer {token}")).unwrap();
    provider_keeps_its_contract(Case {
        provider: OAuth2Introspection::new(config).unwrap().into_provider().unwrap(),
        good: bearer(TOKEN),
        subject: "alice",
        recalls,
        bad: vec![
            bearer("2yotnfzfejr1zcsicmwpaa"),
            bearer("2YotnFZFEjr1zCsicMWpA"),
            bearer("2YotnFZFEjr1zCsicMWpAA="),
            bearer("x7Qm9.k3ypE"),
            bearer("jk1X-7zz"),
            bearer(&"x".repeat(16_000)),
        ],
        clock: Arc::new(SystemClock::new()),
    })
    .await;
}

#[tokio::test]
async fn without_memory_the_contract_is_kept() {
    let server = TestIntrospection::start().await;
    keeps_the_contract(&server, config(&server), false).await;
}

#[tokio::test]
async fn with_memory_the_contract_is_kept() {
    let server = TestIntrospection::start().await;
    keeps_the_contract(&server, config(&server).cache(CacheConfig::default()), true).await;
}

#[tokio::test]
async fn over_https_the_contract_is_kept_and_an_unknown_certificate_is_an_outage() {
    let server = TestIntrospection::start_https(TestTls::self_signed()).await;
    server.require_basic("gateway", "s3cret");
    let trusting = trusting(server.certificate_pem().unwrap());
    let config = || config(&server).client_secret("gateway", "s3cret");
    keeps_the_contract(&server, config().client(trusting), false).await;

    let decision = decide(&service(config()), TOKEN).await;
    assert_eq!(decision.unwrap_err().status(), StatusCode::SERVICE_UNAVAILABLE);
}

fn service(config: IntrospectionConfig) -> Auth {
    Auth::builder().element(OAuth2Introspection::new(config).unwrap(), "hello").build().unwrap()
}

async fn decide(auth: &Auth, token: &str) -> Decision {
    let headers =
        HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::try_from(format!("Bearer {token}")).unwrap())]);
    match auth.decide(&RequestHead::new(&Method::GET, "/", &headers)) {
        Step::Ready(decision) => decision,
        Step::Wait(deciding) => deciding.await,
    }
}

#[tokio::test]
async fn the_chain_answers_200_403_401_and_503() {
    let server = TestIntrospection::start().await;
    let auth = service(config(&server).cache(CacheConfig::default()));
    server.grant(TOKEN, json!({"sub": "alice", "scope": "hello"}));
    server.grant("other-scope", json!({"sub": "bob", "scope": "helloo hell HELLO"}));
    for round in 0..2 {
        let admission = decide(&auth, TOKEN).await.unwrap();
        assert_eq!(admission.into_principal().unwrap().subject(), Some("alice"));
        let status = async |token| decide(&auth, token).await.unwrap_err().status();
        assert_eq!(status("other-scope").await, StatusCode::FORBIDDEN);
        assert_eq!(status("unknown").await, StatusCode::UNAUTHORIZED);
        assert_eq!(server.call_count(), 3, "round {round}");
    }
    server.go_down().await;
    assert!(decide(&auth, TOKEN).await.is_ok(), "what is remembered is good");
    let rejection = decide(&auth, "new").await.unwrap_err();
    assert_eq!(rejection.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(rejection.retry_after().is_some());
}

#[tokio::test]
async fn a_thousand_requests_with_one_new_token_cause_one_call() {
    let server = TestIntrospection::start().await;
    server.grant(TOKEN, json!({"sub": "alice", "scope": "hello"}));
    let auth = service(config(&server));
    let hold = server.hold();
    let headers =
        HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::try_from(format!("Bearer {TOKEN}")).unwrap())]);
    let deciding: Vec<_> = (0..1_000)
        .map(|_| match auth.decide(&RequestHead::new(&Method::GET, "/", &headers)) {
            Step::Wait(deciding) => deciding,
            Step::Ready(decision) => panic!("nothing is known yet: {decision:?}"),
        })
        .collect();
    // All of them are polled once before the server answers: each has its place by then.
    let mut all = Box::pin(futures_util::future::join_all(deciding));
    assert!((&mut all).now_or_never().is_none());
    server.called(1).await;
    hold.release();
    assert!(all.await.iter().all(Result::is_ok));
    assert_eq!(server.call_count(), 1);
}

#[tokio::test]
async fn a_token_of_our_own_is_fetched_once_and_again_when_it_is_refused() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let tokens = TestTokenEndpoint::start().await;
    tokens.require_client("gateway", "s3cret");
    let grant = ClientCredentialsConfig::new(Endpoint::parse(&tokens.url()).unwrap(), "gateway", "s3cret");
    let source = ClientCredentials::new(grant.clock(clock)).unwrap();
    let server = TestIntrospection::start().await;
    server.require_bearer("access-1");
    server.grant(TOKEN, json!({"sub": "alice", "scope": "hello"}));
    let auth = service(config(&server).client(ClientConfig::new().auth(Arc::new(source))));
    for _ in 0..3 {
        assert!(decide(&auth, TOKEN).await.is_ok());
    }
    assert_eq!(tokens.issued(), ["access-1"]);
    server.require_bearer("access-2");
    assert!(decide(&auth, TOKEN).await.is_ok(), "the second token is fetched on the way");
    assert_eq!(tokens.issued(), ["access-1", "access-2"]);
    // A third one is not fetched a moment later: the server refuses us, which is an outage and no wrong token.
    server.require_bearer("access-3");
    let rejection = decide(&auth, TOKEN).await.unwrap_err();
    assert_eq!(rejection.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(tokens.issued().len(), 2);
}
