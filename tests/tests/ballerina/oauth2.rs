//! Area oauth2: tokens that the server behind `oauth2IntrospectionConfig` is asked about; and the rows of area
//! declarative-merge that have such an element.

use std::sync::Arc;

use http::{HeaderValue, StatusCode, header};
use portcullis::{
    Config, Context, Credential, Outcome, Principal, Provider, Rejection, RejectionKind, UnixTime,
    authenticate_header, authorize,
};
use portcullis_oauth2::{IntrospectionConfig, OAuth2Introspection};
use portcullis_outbound::Endpoint;
use portcullis_testing::{ManualClock, TestIntrospection};
use portcullis_tests::data;
use serde_json::{Value, json};

use super::{
    setting::{JWT, Service, USERS, basic, clock, readers, tokens, writers},
    sts::{Sts, TOKEN_1, TOKEN_2},
};

const SCOPES: &str = "scopes = [\"write\", \"update\"]";

/// A service with this element, which wants `write` or `update`.
async fn service(path: &str, element: &str) -> Service {
    Service::new(&format!("[services.\"{path}\"]\nauth = [{{ {SCOPES}, {element} }}]\n"), path).await
}

/// The service has no elements, its resource has introspection.
async fn resource(sts: &Sts) -> Service {
    let element = sts.element();
    let text =
        format!("[services.\"/foo\"]\nresources.\"/oauth2\" = {{ auth = [{{ {SCOPES}, {element} }}] }}\n");
    Service::new(&text, "/foo").await
}

async fn unauthorized_with_and_without(service: &Service, path: &str) {
    assert_eq!(service.get(path, Some("Bearer invalid-token")).await, 401);
    assert_eq!(service.get(path, None).await, 401);
}

#[tokio::test]
async fn http_decl_14() {
    let sts = Sts::start().await;
    let service = service("/oauth2", &sts.element()).await;
    service.expect("/oauth2", &[TOKEN_2.to_owned()], 403).await;
    service.expect("/oauth2", &[TOKEN_1.to_owned()], 200).await;
}

#[tokio::test]
async fn http_decl_15() {
    let sts = Sts::start().await;
    unauthorized_with_and_without(&service("/oauth2", &sts.element()).await, "/oauth2").await;
    assert_eq!(sts.introspection.call_count(), 1, "without a token there is nothing to ask about");
}

#[tokio::test]
async fn http_decl_22() {
    let sts = Sts::start().await;
    let service = resource(&sts).await;
    let token = sts.by_client_credentials().await;
    service.expect("/foo/oauth2", &[TOKEN_1.to_owned(), token], 200).await;
}

#[tokio::test]
async fn http_decl_23() {
    let sts = Sts::start().await;
    resource(&sts).await.expect("/foo/oauth2", &[TOKEN_2.to_owned()], 403).await;
}

#[tokio::test]
async fn http_decl_24() {
    let sts = Sts::start().await;
    unauthorized_with_and_without(&resource(&sts).await, "/foo/oauth2").await;
}

/// The service asks the server; its resource has a list of its own, which replaces the service's.
async fn ignored(sts: &Sts) -> Service {
    let element = sts.element();
    let text = format!(
        "[services.\"/ignoreOAuth2\"]\nauth = [{{ {SCOPES}, {element} }}]\nresources.\"/jwtAuth\" = {{ auth = [{{ {SCOPES}, {JWT} }}] }}\n"
    );
    Service::new(&text, "/ignoreOAuth2").await
}

#[tokio::test]
async fn http_decl_25() {
    let sts = Sts::start().await;
    let service = ignored(&sts).await;
    service.expect("/ignoreOAuth2/jwtAuth", &writers(), 200).await;
    service.expect("/ignoreOAuth2/jwtAuth", &[TOKEN_1.to_owned()], 401).await;
    assert_eq!(sts.introspection.call_count(), 0, "the service's own element counts for nothing there");
    service.expect("/ignoreOAuth2/other", &[TOKEN_1.to_owned()], 200).await;
}

#[tokio::test]
async fn http_decl_27() {
    let sts = Sts::start().await;
    let service = ignored(&sts).await;
    service.expect("/ignoreOAuth2/jwtAuth", &tokens(&["http:JWT3"]), 401).await;
    assert_eq!(service.get("/ignoreOAuth2/jwtAuth", None).await, 401);
    assert_eq!(sts.introspection.call_count(), 0);
}

/// Introspection, users and JWT, in this order.
fn three(sts: &Sts) -> String {
    let element = sts.element();
    format!("[{{ {SCOPES}, {element} }}, {{ {SCOPES}, fileUserStoreConfig = {{}} }}, {{ {SCOPES}, {JWT} }}]")
}

#[tokio::test]
async fn http_decl_35() {
    let sts = Sts::start().await;
    let text = format!("{USERS}\n[services.\"/multipleAuth\"]\nauth = {}\n", three(&sts));
    let service = Service::new(&text, "/multipleAuth").await;
    service.expect("/multipleAuth", &readers(), 403).await;
    service.expect("/multipleAuth", &writers(), 200).await;
    service.expect("/multipleAuth", &[TOKEN_1.to_owned()], 200).await;
    assert_eq!(service.get("/multipleAuth", Some(&basic("alice:xxx"))).await, 200);
    assert_eq!(service.get("/multipleAuth", Some(&basic("bob:yyy"))).await, 403);
}

async fn three_on_a_resource(sts: &Sts) -> Service {
    let all = three(sts);
    let text = format!("{USERS}\n[services.\"/bar\"]\nresources.\"/multipleAuth\" = {{ auth = {all} }}\n");
    Service::new(&text, "/bar").await
}

#[tokio::test]
async fn http_decl_38() {
    let sts = Sts::start().await;
    let service = three_on_a_resource(&sts).await;
    service.expect("/bar/multipleAuth", &readers(), 403).await;
    assert_eq!(sts.introspection.call_count(), 3, "introspection refused each before");
}

#[tokio::test]
async fn http_decl_39() {
    let sts = Sts::start().await;
    let service = three_on_a_resource(&sts).await;
    service.expect("/bar/multipleAuth", &tokens(&["http:JWT3"]), 401).await;
    assert_eq!(service.get("/bar/multipleAuth", None).await, 401);
}

/// The first element knows the caller and does not let him in; the second does.
#[tokio::test]
async fn d_any_02() {
    let sts = Sts::start().await;
    for token in writers() {
        sts.introspection.grant(&token, json!({"scp": "x"}));
    }
    let text = format!(
        "[services.\"/foo\"]\nauth = [{{ scopes = \"a\", {} }}, {{ scopes = \"write\", {JWT} }}]\n",
        sts.element()
    );
    let service = Service::new(&text, "/foo").await;
    service.expect("/foo", &writers(), 200).await;
    assert_eq!(sts.introspection.call_count(), writers().len());
}

/// The element's provider, called as a handler of one's own does.
async fn handler(sts: &Sts) -> Arc<dyn Provider> {
    let text = format!("[services.\"/foo\"]\nauth = [{{ {SCOPES}, {} }}]\n", sts.element());
    let config = Config::builder().clock(clock()).parse(&text, data("ballerina/data")).unwrap();
    let auth = config.service("/foo").unwrap().build().await.unwrap();
    Arc::clone(auth.policy().elements()[0].provider())
}

async fn ask(provider: &Arc<dyn Provider>, token: &str) -> Result<Principal, Rejection> {
    let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    authenticate_header(provider, &value, &clock()).await
}

#[tokio::test]
async fn http_hnd_14() {
    let sts = Sts::start().await;
    let principal = ask(&handler(&sts).await, TOKEN_1).await.unwrap();
    assert!(authorize(&principal, ["write", "update"]).is_ok());
    assert!(authorize(&principal, portcullis::RequiredScopes::anyone()).is_ok());
    assert_eq!(principal.scopes().iter().collect::<Vec<_>>(), ["write", "update"]);
    assert_eq!(principal.claims()["active"], true);
}

#[tokio::test]
async fn http_hnd_15() {
    let sts = Sts::start().await;
    let principal = ask(&handler(&sts).await, TOKEN_1).await.unwrap();
    let refused = authorize(&principal, "read").unwrap_err();
    assert_eq!((refused.kind(), refused.status()), (RejectionKind::InsufficientScope, StatusCode::FORBIDDEN));
}

#[tokio::test]
async fn http_hnd_16() {
    let sts = Sts::start().await;
    let refused = ask(&handler(&sts).await, "invalid_token").await.unwrap_err();
    assert_eq!((refused.kind(), refused.status()), (RejectionKind::Refused, StatusCode::UNAUTHORIZED));
    let service = service("/foo", &sts.element()).await;
    let answer = service.ask("GET", "/foo", None).await;
    assert_eq!(answer.status(), 401);
    // Ballerina tells the caller why; here the reason goes to the log.
    assert_eq!(answer.headers()[header::CONTENT_LENGTH], "0");
}

/// A service that asks a server over plain http, with these further keys, and wants nothing but a known caller.
async fn plain(introspection: &TestIntrospection, keys: &str) -> Service {
    Service::with_clock(&plain_toml(introspection, keys), "/foo", clock()).await
}

fn plain_toml(introspection: &TestIntrospection, keys: &str) -> String {
    let url = introspection.url();
    format!(
        "[services.\"/foo\"]\nauth = [{{ scopes = \"*\", oauth2IntrospectionConfig = {{ url = \"{url}\", {keys} }} }}]\n"
    )
}

/// One parameter, whatever the token holds. A header's is refused before anybody is asked where it is none (RFC 6750 §2.1).
#[tokio::test]
async fn d_intro_01() {
    let introspection = TestIntrospection::start().await;
    let url = Endpoint::parse(&introspection.url()).unwrap();
    let provider =
        OAuth2Introspection::new(IntrospectionConfig::new(url).token_type_hint("access_token")).unwrap();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let clock = clock();
    for token in ["x&token_type_hint=refresh_token", "x&client_id=evil", "a%26b+c=d%3D", "é\r\n\0"] {
        introspection.grant(token, json!({}));
        let outcome = provider.introspect(token, &[], &Context::new(&clock)).await;
        assert!(matches!(outcome, Outcome::Known(_)), "{token:?}: {outcome:?}");
        let call = introspection.calls().pop().unwrap();
        assert_eq!(call.parameters(), [pair("token", token), pair("token_type_hint", "access_token")]);
    }
    let service = plain(&introspection, "").await;
    for token in ["x&client_id=evil", "a%26b", "a+b/c=="] {
        introspection.grant(token, json!({}));
        service.expect("/foo", &[token.to_owned()], 200).await;
        assert_eq!(introspection.calls().pop().unwrap().parameters(), [pair("token", token)]);
    }
}

/// What the provider says of a token that the server answers so.
async fn said(answer: Value) -> Outcome {
    let introspection = TestIntrospection::start().await;
    introspection.answer_raw("t", answer.to_string());
    let config = Config::builder().clock(clock()).parse(&plain_toml(&introspection, ""), ".").unwrap();
    let auth = config.service("/foo").unwrap().build().await.unwrap();
    let value = HeaderValue::from_static("Bearer t");
    let credential: Credential<'_> = portcullis_core::credential::from_header_value(&value, 100).unwrap();
    let clock = clock();
    auth.policy().elements()[0].provider().authenticate(&credential, &Context::new(&clock)).await
}

fn refused_as(outcome: &Outcome, code: &str) {
    match outcome {
        Outcome::Refused(refusal) => assert_eq!(refusal.code(), code, "{refusal}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn d_intro_02() {
    let list = said(json!({"active": true, "sub": "alice", "aud": ["a", "b"]})).await;
    assert!(matches!(&list, Outcome::Known(identity) if identity.subject() == Some("alice")), "{list:?}");
    refused_as(&said(json!({"active": true, "client_id": 7})).await, "malformed-claim");
}

#[tokio::test]
async fn d_intro_03() {
    refused_as(&said(json!({"sub": "alice"})).await, "inactive");
    for active in [json!("true"), json!(1), json!([true])] {
        refused_as(&said(json!({ "active": active })).await, "malformed-claim");
    }
}

#[tokio::test]
async fn d_intro_04() {
    let introspection = TestIntrospection::start().await;
    introspection.grant("t", json!({"exp": 3600}));
    let service = plain(&introspection, "cacheConfig = {}").await;
    service.expect("/foo", &["t".to_owned(), "t".to_owned()], 200).await;
    assert_eq!(introspection.call_count(), 2, "it is never remembered");
    // One that lives is.
    introspection.grant("u", json!({"exp": clock().now().as_secs() + 10}));
    service.expect("/foo", &["u".to_owned(), "u".to_owned()], 200).await;
    assert_eq!(introspection.call_count(), 3);
}

#[tokio::test]
async fn d_intro_05() {
    let introspection = TestIntrospection::start().await;
    let clock = ManualClock::at(UnixTime::from_secs(1_700_000_000));
    let toml = plain_toml(&introspection, "cacheConfig = {}");
    let service = Service::with_clock(&toml, "/foo", Arc::new(clock.clone())).await;
    service.expect("/foo", &["t".to_owned(), "t".to_owned()], 401).await;
    assert_eq!(introspection.call_count(), 1);
    introspection.grant("t", json!({}));
    clock.advance(std::time::Duration::from_secs(4));
    service.expect("/foo", &["t".to_owned()], 401).await;
    // Five seconds, not an hour.
    clock.advance(std::time::Duration::from_secs(1));
    service.expect("/foo", &["t".to_owned()], 200).await;
}

#[tokio::test]
async fn d_intro_07() {
    let introspection = TestIntrospection::start().await;
    introspection.grant("t", json!({}));
    let service = plain(&introspection, "").await;
    introspection.go_down().await;
    let answer = service.ask("GET", "/foo", Some("Bearer t")).await;
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key(header::RETRY_AFTER));
    assert_eq!(service.get("/foo", None).await, 401, "without a token it makes no difference");
    introspection.come_back().await;
    assert_eq!(service.get("/foo", Some("Bearer t")).await, 200);
    assert_eq!(service.get("/foo", Some("Bearer u")).await, 401);
}

#[tokio::test]
async fn d_scp_04() {
    let known = said(json!({"active": true, "scope": ["read", "write"]})).await;
    let Outcome::Known(identity) = known else { panic!("{known:?}") };
    assert_eq!(identity.scopes().iter().collect::<Vec<_>>(), ["read", "write"]);
}
