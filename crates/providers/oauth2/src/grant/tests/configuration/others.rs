//! `OAuth2PasswordGrantConfig`, `OAuth2DirectTokenConfig` and `OAuth2JwtBearerGrantConfig`.

use portcullis_core::{AssertionPurpose, TokenSource as _};
use portcullis_testing::TestTokenEndpoint;
use serde_json::{Value, json};

use super::{changed, only_problems, problems, read, read_signing};
use crate::{
    fixtures,
    grant::{self, RotationHook, RotationHooks, tests::bodies},
};

fn password(url: &str, changes: Value) -> Value {
    changed(json!({"tokenUrl": url, "username": "zoe", "password": "secret"}), changes)
}

fn refresh_token(url: &str, changes: Value) -> Value {
    changed(
        json!({"refreshUrl": url, "refreshToken": "refresh", "clientId": "app", "clientSecret": "secret"}),
        changes,
    )
}

fn common(grant: &str) -> Value {
    json!({"grant": grant, "clientId": "app", "clientSecret": "s3cret", "scopes": ["a", " ", "b"],
        "defaultTokenExpTime": "10m", "clockSkew": 20, "minRefreshInterval": 1, "optionalParams": {"o": "1"},
        "credentialBearer": "oauth2:POST_BODY_BEARER", "clientConfig": {"customPayload": "p=v"}})
}

#[tokio::test]
async fn all_keys_are_read() {
    let server = TestTokenEndpoint::start().await;
    server.user("zoe", "secret");
    server.accept_refresh_token("refresh");
    server.expires_in(None);
    let url = server.url();
    for (section, expected) in [
        (password(&url, common("password")), "grant_type=password&username=zoe&password=secret"),
        (refresh_token(&url, common("refresh_token")), "grant_type=refresh_token&refresh_token=refresh"),
        (
            changed(json!({"tokenUrl": url, "assertion": "e30"}), common("jwt_bearer")),
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=e30",
        ),
    ] {
        let read = read(&section);
        assert_eq!((read.problems, read.warnings), (vec![], vec![]));
        let source = read.value.unwrap();
        let times = "default_token_exp_time: 600s, clock_skew: 20s, min_refresh_interval: 1s";
        assert!(format!("{source:?}").contains(times), "{source:?}");
        source.token().await.unwrap();
        let body = bodies(&server).pop().unwrap();
        assert_eq!(body, format!("{expected}&scope=a+b&o=1&client_id=app&client_secret=s3cret&p=v"));
    }
}

#[tokio::test]
async fn refresh_config_is_a_table_or_inferred() {
    for (refresh, expected) in [
        (json!("INFER_REFRESH_CONFIG"), Some("o=1&client_id=app&client_secret=s3cret&p=v")),
        (json!("oauth2:INFER_REFRESH_CONFIG"), Some("o=1&client_id=app&client_secret=s3cret&p=v")),
        (
            json!({"scopes": "c", "optionalParams": {"o": "2"}, "credentialBearer": "POST_BODY_BEARER",
                "clientConfig": {"customPayload": {"p": "w"}}}),
            Some("scope=c&o=2&client_id=app&client_secret=s3cret&p=w"),
        ),
        (json!({}), Some("")),
        (Value::Null, None),
    ] {
        let server = TestTokenEndpoint::start().await;
        server.user("zoe", "secret");
        server.with_refresh_tokens();
        server.expires_in(Some(0));
        let mut section = changed(
            password(&server.url(), common("password")),
            json!({"refreshConfig": refresh, "clockSkew": 0}),
        );
        if let Some(Value::Object(table)) = section.get_mut("refreshConfig") {
            table.insert("refreshUrl".to_owned(), server.url().into());
        }
        let read = read(&section);
        assert_eq!((read.problems, read.warnings), (vec![], vec![]));
        let source = read.value.unwrap();
        source.token().await.unwrap();
        source.token().await.unwrap();
        let body = bodies(&server).pop().unwrap();
        match expected {
            Some(expected) => {
                let expected = format!("grant_type=refresh_token&refresh_token=refresh-1&{expected}");
                assert_eq!(body, expected.trim_end_matches('&'));
            }
            None => assert!(body.starts_with("grant_type=password&"), "{body}"),
        }
    }
}

#[test]
fn an_assertion_is_a_secret_or_says_how_it_is_signed() {
    let record = |assertion: Value| json!({"tokenUrl": "https://localhost/token", "assertion": assertion});
    let (read, purposes) = read_signing(&record(json!({"issuer": "x"})));
    assert_eq!((read.problems, purposes), (vec![], vec![AssertionPurpose::Grant]));
    assert!(read.value.is_some());
    let file = format!("{}/Cargo.toml", env!("CARGO_MANIFEST_DIR"));
    for assertion in [json!("e30.e30.c2ln"), json!({"file": file}), json!({"env": "PATH"})] {
        let (read, purposes) = read_signing(&record(assertion));
        assert_eq!((read.problems, purposes), (vec![], vec![]));
        assert!(read.value.is_some());
    }
    for (assertion, expected) in [
        (json!(""), "x.assertion: an empty secret"),
        (json!(5), "x.assertion: expected a string"),
        (json!({}), "x.assertion.issuer: required, and missing"),
        (json!({"issuer": "x", "typo": 1}), "x.assertion.typo: unknown key"),
        (json!({"env": "a", "file": "b"}), "exclude each other"),
    ] {
        let (read, _) = read_signing(&record(assertion));
        let problems = only_problems(read);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains(expected), "{problems:?}");
    }
}

#[test]
fn one_mistake_is_one_message_with_its_remedy() {
    let url = "https://localhost/token";
    let refreshing = |refresh: Value| password(url, json!({"refreshConfig": refresh}));
    for (section, expected) in [
        (password(url, json!({"username": null})), "x.username: required, and missing"),
        (password(url, json!({"username": ""})), "x.username: must not be empty"),
        (password(url, json!({"password": null})), "x.password: required, and missing"),
        (password(url, json!({"password": ""})), "x.password: an empty secret protects nothing"),
        (password(url, json!({"tokenUrl": null})), "x.tokenUrl: required, and missing"),
        (
            password(url, json!({"optionalParams": {"username": "x"}})),
            "x.optionalParams.username: is sent by",
        ),
        (
            password(url, json!({"clientConfig": {"customPayload": "password=x"}})),
            "x.clientConfig.customPayload: `password` is sent by this record itself",
        ),
        (refreshing(json!("INFER")), "x.refreshConfig: expected \"INFER_REFRESH_CONFIG\", or a table"),
        (refreshing(json!(true)), "x.refreshConfig: expected \"INFER_REFRESH_CONFIG\", or a table"),
        (refreshing(json!({})), "x.refreshConfig.refreshUrl: required, and missing"),
        (refreshing(json!({"refreshUrl": "http://auth.example"})), "x.refreshConfig.refreshUrl: plain http"),
        (
            refreshing(json!({"refreshUrl": url, "scope": "a"})),
            "x.refreshConfig.scope: unknown key; did you mean",
        ),
        (
            refreshing(json!({"refreshUrl": url, "credentialBearer": "X"})),
            "x.refreshConfig.credentialBearer: \"X\" is not one of",
        ),
        (
            refreshing(json!({"refreshUrl": url, "optionalParams": {"refresh_token": "x"}})),
            "x.refreshConfig.optionalParams.refresh_token: is sent by this record itself",
        ),
        (
            refreshing(
                json!({"refreshUrl": url, "clientConfig": {"auth": {"tokenUrl": url, "assertion": "x"}}}),
            ),
            "x.refreshConfig.clientConfig.auth: a token endpoint is asked with the client's own",
        ),
        (
            refreshing(json!({"refreshUrl": url, "clientConfig": {"connectTimeout": 0}})),
            "x.refreshConfig.clientConfig.connectTimeout: zero",
        ),
        (refresh_token(url, json!({"refreshToken": null})), "x.refreshToken: required, and missing"),
        (refresh_token(url, json!({"refreshToken": ""})), "x.refreshToken: an empty secret"),
        (refresh_token(url, json!({"refreshUrl": ""})), "x.refreshUrl: must not be empty"),
        (
            refresh_token(url, json!({"optionalParams": {"refresh_token": "x"}})),
            "x.optionalParams.refresh_token: is",
        ),
        (json!({"assertion": "x"}), "x.tokenUrl: required, and missing"),
    ] {
        let problems = problems(&section);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains(expected), "{problems:?}\n{expected}");
    }
}

#[tokio::test]
async fn a_rotation_hook_is_found_by_the_records_path() {
    let server = TestTokenEndpoint::start().await;
    server.with_refresh_tokens();
    server.accept_refresh_token("refresh");
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let hooks = RotationHooks::new(move |path| {
        let tell = tell.clone();
        (path == "x").then(|| {
            RotationHook::new(move |token| {
                let sent = tell.send(token.expose().to_owned());
                async move { sent.map_err(Into::into) }
            })
        })
    });
    let section = refresh_token(&server.url(), json!({}));
    let read = fixtures::read_with(&section, grant::read, |reader| reader.plug(hooks.clone()));
    read.value.unwrap().token().await.unwrap();
    assert_eq!(told.try_recv().as_deref(), Ok("refresh-1"), "before anybody had the token");
}

#[test]
fn a_client_that_would_need_a_token_to_ask_for_one_is_to_be_mended_by_no_other_auth() {
    let told = problems(&password("https://localhost/token", json!({"clientConfig": {"auth": {}}})));
    let expected =
        "x.clientConfig.auth: a token endpoint is asked with the client's own id and secret: remove it";
    assert!(told[0].ends_with(expected), "{told:?}");
}
