//! Config.toml with tokens of an identity provider: fetched keys, introspection, and what an element has to say then.
#![cfg(all(feature = "config", feature = "jwks", feature = "introspection", feature = "axum"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use http::{HeaderMap, Method};
use portcullis::{Auth, Config, RequestHead};
use portcullis_testing::{TestIntrospection, TestIssuer, TestTokenEndpoint};
use serde_json::json;

async fn status(auth: &Auth, token: &str) -> u16 {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    match auth.decided(&RequestHead::new(&Method::GET, "/foo", &headers)).await {
        Ok(_) => 200,
        Err(rejection) => rejection.status().as_u16(),
    }
}

async fn built(text: &str) -> Auth {
    Config::parse(text, ".").unwrap().service("/foo").unwrap().build().await.unwrap()
}

#[track_caller]
fn mistakes(auth: &str) -> Vec<String> {
    let text = format!("[services.\"/foo\"]\nauth = [{auth}]");
    let error = Config::parse(&text, ".").expect_err("a mistake");
    error.problems().iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_jwt_is_let_in_by_discovery_and_by_the_url_of_the_keys() {
    let issuer = TestIssuer::start().await;
    let url = issuer.url();
    for place in [format!("issuer = {url:?}"), format!("url = {:?}", issuer.jwks_url())] {
        let auth = built(&format!(
            r#"
            [services."/foo"]
            auth = [{{ scopes = "hello", jwtValidatorConfig = {{
                issuer = {url:?}, audience = "foo", signatureConfig = {{ jwksConfig = {{ {place} }} }},
            }} }}]
            "#
        ))
        .await;
        let good = issuer.token().audience("foo").scope("hello").sign();
        assert_eq!(status(&auth, &good).await, 200, "{place}");
        assert_eq!(status(&auth, &issuer.token().audience("foo").scope("other").sign()).await, 403);
        assert_eq!(status(&auth, &issuer.token().audience("bar").scope("hello").sign()).await, 401);
    }
}

#[tokio::test]
async fn an_opaque_token_is_let_in_by_introspection() {
    let server = TestIntrospection::start().await;
    server.grant("t1", json!({ "scope": "hello", "sub": "alice" }));
    server.grant("t2", json!({ "scope": "other" }));
    let auth = built(&format!(
        r#"
        [services."/foo"]
        auth = [{{ scopes = "hello", oauth2IntrospectionConfig = {{ url = {:?} }} }}]
        "#,
        server.url()
    ))
    .await;
    for (token, expected) in [("t1", 200), ("t2", 403), ("t3", 401)] {
        assert_eq!(status(&auth, token).await, expected, "{token}");
    }
    server.go_down().await;
    assert_eq!(status(&auth, "t1").await, 503);
}

#[tokio::test]
async fn the_call_itself_carries_a_token_that_a_grant_fetched() {
    let (server, tokens) = (TestIntrospection::start().await, TestTokenEndpoint::start().await);
    tokens.require_client("orders", "s3cr3t");
    tokens.will_issue("own-token");
    server.require_bearer("own-token");
    server.grant("t1", json!({ "scope": "hello" }));
    let text = |secret: &str| {
        format!(
            r#"
            [services."/foo"]
            auth = [{{ scopes = "hello", oauth2IntrospectionConfig = {{ url = {:?}, clientConfig = {{ auth = {{
                tokenUrl = {:?}, clientId = "orders", clientSecret = {secret:?}, scopes = "introspect",
            }} }} }} }}]
            "#,
            server.url(),
            tokens.url()
        )
    };
    assert_eq!(status(&built(&text("s3cr3t")).await, "t1").await, 200);
    // A refusal of our own credentials is no wrong token of the caller's.
    assert_eq!(status(&built(&text("wrong")).await, "t1").await, 503);
}

#[tokio::test]
async fn any_grant_fetches_the_token_of_a_call() {
    let (server, tokens) = (TestIntrospection::start().await, TestTokenEndpoint::start().await);
    tokens.user("service", "s3cr3t");
    tokens.will_issue("own-token");
    server.require_bearer("own-token");
    server.grant("t1", json!({ "scope": "hello" }));
    let auth = built(&format!(
        r#"
        [services."/foo"]
        auth = [{{ scopes = "hello", oauth2IntrospectionConfig = {{ url = {:?}, clientConfig = {{ auth = {{
            tokenUrl = {:?}, username = "service", password = "s3cr3t", refreshConfig = "INFER_REFRESH_CONFIG",
            clientId = "orders", clientSecret = "s3cr3t",
        }} }} }} }}]
        "#,
        server.url(),
        tokens.url()
    ))
    .await;
    assert_eq!(status(&auth, "t1").await, 200);
    assert_eq!(tokens.calls()[0].parameter("grant_type").as_deref(), Some("password"));
}

#[test]
fn an_element_says_its_scopes_where_somebody_elses_token_would_do() {
    let jwks = |more: &str| {
        format!(
            "{{ {more} jwksConfig = {{ url = \"https://id.example/jwks\" }} }}, issuer = \"https://id.example\", audience = \"foo\""
        )
    };
    let jwt = |element: &str, more: &str| {
        format!("{{ {element} jwtValidatorConfig = {{ signatureConfig = {}, {more} }} }}", jwks(""))
    };
    let right = |auth: String| {
        let text = format!("[services.\"/foo\"]\nauth = [{auth}]");
        Config::parse(&text, ".").map(drop).unwrap_or_else(|error| panic!("{auth}: {error:?}"));
    };
    right(jwt("scopes = \"hello\",", ""));
    right(jwt("scopes = \"*\",", ""));
    right(jwt("", "types = [\"at+jwt\"]"));
    right(jwt("", "allowUnscopedTokens = true"));
    for more in ["", "allowUnscopedTokens = false", "types = [\"at+jwt\", \"JWT\"]"] {
        let found = mistakes(&jwt("", more));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("services.\"/foo\".auth[0].scopes: required, and missing"), "{found:?}");
        assert!(found[0].contains("allowUnscopedTokens"), "{found:?}");
    }

    let own = "clientConfig = { auth = { tokenUrl = \"https://id.example/token\", clientId = \"a\", clientSecret = \"b\", scopes = \"introspect\" } }";
    let opaque = |element: &str| {
        format!(
            "{{ {element} oauth2IntrospectionConfig = {{ url = \"https://id.example/introspect\", {own} }} }}"
        )
    };
    right(opaque("scopes = \"hello\","));
    right(opaque("scopes = \"*\","));
    let found = mistakes(&opaque(""));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("auth[0].scopes: required, and missing: the `scopes` of `clientConfig.auth`"));
}

#[test]
fn a_provider_by_name_asks_its_elements_for_scopes_too() {
    let text = |element: &str| {
        format!(
            r#"
            [providers.id.jwtValidatorConfig]
            issuer = "https://id.example"
            audience = "foo"
            signatureConfig = {{ jwksConfig = {{ url = "https://id.example/jwks" }} }}

            [services."/foo"]
            auth = [{element}]
            "#
        )
    };
    Config::parse(&text("{ use = \"id\", scopes = \"hello\" }"), ".").unwrap();
    let error = Config::parse(&text("{ use = \"id\" }"), ".").unwrap_err();
    assert!(
        error.to_string().contains("services.\"/foo\".auth[0].scopes: required, and missing"),
        "{error:?}"
    );
}

#[tokio::test]
async fn only_preload_needs_the_server_at_the_start() {
    let issuer = TestIssuer::start().await;
    let text = |preload: bool| {
        format!(
            r#"
            [services."/foo"]
            auth = [{{ scopes = "hello", jwtValidatorConfig = {{
                issuer = {:?}, audience = "foo",
                signatureConfig = {{ jwksConfig = {{ url = {:?}, preload = {preload} }} }},
            }} }}]
            "#,
            issuer.url(),
            issuer.jwks_url()
        )
    };
    let good = issuer.token().audience("foo").scope("hello").sign();
    let lazy = built(&text(false)).await;
    assert_eq!(issuer.fetches().jwks, 0, "nobody is asked before the first token");

    issuer.go_down().await;
    let error = Config::parse(&text(true), ".").unwrap().service("/foo").unwrap().build().await.unwrap_err();
    assert!(error.to_string().contains(&issuer.jwks_url()), "{error}");
    assert_eq!(status(&lazy, &good).await, 503, "nobody can tell, which is not a wrong token");

    issuer.come_back().await;
    let eager = built(&text(true)).await;
    assert_eq!(issuer.fetches().jwks, 1);
    assert_eq!(status(&eager, &good).await, 200);
    assert_eq!(status(&lazy, &good).await, 200);
}
