//! `OAuth2ClientCredentialsGrantConfig`.

use portcullis_core::TokenSource as _;
use portcullis_testing::TestTokenEndpoint;
use serde_json::{Value, json};

use super::{problems, read};

fn with(key: &str, value: impl Into<Value>) -> Value {
    json!({"tokenUrl": "https://localhost/token", "clientId": "app", "clientSecret": "secret", key: value.into()})
}

#[tokio::test]
async fn all_keys_are_read() {
    for (bearer, in_body) in [
        ("AUTH_HEADER_BEARER", false),
        ("oauth2:AUTH_HEADER_BEARER", false),
        ("POST_BODY_BEARER", true),
        ("oauth2:POST_BODY_BEARER", true),
        ("http:POST_BODY_BEARER", true),
    ] {
        let server = TestTokenEndpoint::start().await;
        server.require_client("app", "s3cret");
        server.expires_in(None);
        let read = read(&json!({
            "grant": "client_credentials", "tokenUrl": server.url(), "clientId": "app", "clientSecret": "s3cret",
            "scopes": ["view-order", " ", "place-order "], "defaultTokenExpTime": "10m", "clockSkew": 20,
            "minRefreshInterval": "100ms",
            "optionalParams": {"client": "ballerina"}, "credentialBearer": bearer,
            "clientConfig": {"customPayload": {"p": "v"}},
        }));
        assert_eq!((read.problems, read.warnings), (vec![], vec![]));
        let source = read.value.unwrap();
        assert_eq!(source.probe().await[0].result.as_deref(), Ok("gives a token for 580 s"));
        let call = server.calls().remove(0);
        assert_eq!(call.header("authorization").is_none(), in_body, "{bearer}");
        let secret = if in_body { "&client_id=app&client_secret=s3cret" } else { "" };
        let expected = format!(
            "grant_type=client_credentials&scope=view-order+place-order&client=ballerina{secret}&p=v"
        );
        assert_eq!(call.body, expected);
    }
}

#[test]
fn the_few_keys_that_have_to_be_there_are_enough() {
    let read = read(&with("scopes", "view-order"));
    assert_eq!((read.problems, read.warnings), (vec![], vec![]));
    assert!(read.value.is_some());
    assert!(super::read(&with("grant", "client_credentials")).value.is_some());
}

#[test]
fn every_mistake_is_told_at_its_place() {
    let section = json!({
        "clientConfig": {"auth": {}, "customHeaders": {"X": 5}}, "clientId": "", "clientSecret": "", "clockSkew": -1,
        "credentialBearer": "BODY", "defaultTokenExpTime": [], "minRefreshInterval": "2h", "optionalParams": {"client": 5, "scope": "x"}, "scopes": 7,
        "tokenURL": "x",
    });
    let problems = problems(&section);
    for place in [
        "x.clientConfig.auth",
        "x.clientConfig.customHeaders.X",
        "x.clientId",
        "x.clientSecret",
        "x.clockSkew",
        "x.credentialBearer",
        "x.defaultTokenExpTime",
        "x.minRefreshInterval",
        "x.optionalParams.client",
        "x.optionalParams.scope",
        "x.scopes",
        "x.tokenURL",
        "x.tokenUrl",
    ] {
        let found = problems.iter().filter(|problem| problem.contains(&format!(": {place}: "))).count();
        assert!(found >= 1, "{place}: {problems:#?}");
    }
}

#[test]
fn one_mistake_is_one_message_with_its_remedy() {
    let mut without_secret = with("scopes", "a");
    without_secret.as_object_mut().unwrap().remove("clientSecret");
    for (section, expected) in [
        (without_secret, "x.clientSecret: required, and missing"),
        (with("tokenUrl", ""), "x.tokenUrl: must not be empty"),
        (with("tokenUrl", "https://abc d.com"), "x.tokenUrl: "),
        (with("clientId", ""), "x.clientId: must not be empty"),
        (
            with("credentialBearer", "http:BODY"),
            r#"x.credentialBearer: "http:BODY" is not one of "AUTH_HEADER_BEARER""#,
        ),
        (with("grant", "client_credential"), "x.grant: \"client_credential\" is not one of"),
        (with("minRefreshInterval", "99ms"), "x.minRefreshInterval: is out of bounds: from 100ms to 1h"),
        (with("clientSecret", json!({"env": 5})), "x.clientSecret.env: "),
        (
            with("optionalParams", json!({"client_secret": "x"})),
            "x.optionalParams.client_secret: is sent by this record",
        ),
        (
            with("clientConfig", json!({"customPayload": "scope=x"})),
            "x.clientConfig.customPayload: `scope` is sent by",
        ),
        (
            with("clientConfig", json!({"customHeaders": {"authorization": "x"}})),
            "x.clientConfig.customHeaders: `Authorization` stands beside the client's own id and secret",
        ),
        (with("scope", "x"), "x.scope: unknown key; did you mean `scopes`?"),
    ] {
        let problems = problems(&section);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains(expected), "{problems:?}");
    }
}

#[test]
fn a_token_is_not_asked_for_with_another_token() {
    let inner = with("scopes", "a");
    let problems = problems(&with("clientConfig", json!({"auth": inner})));
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0].contains("x.clientConfig.auth: a token endpoint is asked with the client's own"),
        "{problems:?}"
    );
}
