//! What a token endpoint answers (RFC 6749 §5).

use std::{sync::Arc, time::Duration};

use http::Response;
use portcullis_core::{TokenError, TokenSource as _};
use portcullis_outbound::Endpoint;
use portcullis_testing::{ManualClock, TestServer};
use serde_json::{Value, json};

use crate::{
    ClientCredentials, ClientCredentialsConfig,
    fixtures::{NOW, text},
};

/// A token endpoint that gives one answer.
struct Bench {
    server: TestServer,
    clock: ManualClock,
}

impl Bench {
    async fn new() -> Self {
        Self { server: TestServer::start(|_| Response::default()).await, clock: ManualClock::at(NOW) }
    }

    fn config(&self) -> ClientCredentialsConfig {
        let endpoint = Endpoint::parse(&format!("{}/token?canary=query", self.server.origin())).unwrap();
        ClientCredentialsConfig::new(endpoint, "app", "canary-secret").clock(Arc::new(self.clock.clone()))
    }

    /// What a new source makes of an answer.
    async fn raw(&self, status: u16, body: &str) -> Result<String, TokenError> {
        self.server.answer_with(Response::builder().status(status).body(body.to_owned()).unwrap());
        let source = ClientCredentials::new(self.config()).unwrap();
        source.token().await.map(|token| text(&token))
    }

    async fn answer(&self, body: &Value) -> Result<String, TokenError> {
        self.raw(200, &body.to_string()).await
    }

    /// For how long a token is used that comes with this `expires_in`, as a probe tells it.
    async fn lifetime(&self, config: ClientCredentialsConfig, expires_in: Value) -> Result<String, String> {
        let mut body = json!({"access_token": "t", "token_type": "Bearer"});
        if expires_in != json!("absent") {
            body["expires_in"] = expires_in;
        }
        self.server.answer_with(Response::new(body.to_string()));
        let probe = ClientCredentials::new(config).unwrap().probe().await.remove(0);
        assert_eq!((probe.role, probe.url.as_str()), ("token", &*format!("{}/token", self.server.origin())));
        probe.result
    }
}

#[tokio::test]
async fn a_token_is_a_string_of_type_bearer() {
    let bench = Bench::new().await;
    for kind in ["Bearer", "bearer", "BEARER"] {
        let answer = json!({"access_token": "2YotnFZFEjr1zCsicMWpAA", "token_type": kind, "example": "x"});
        assert_eq!(bench.answer(&answer).await.unwrap(), "2YotnFZFEjr1zCsicMWpAA");
    }
    assert_eq!(bench.raw(201, r#"{"access_token":"t","token_type":"Bearer"}"#).await.unwrap(), "t");
    let both = r#"{"access_token":"t","token_type":"Bearer","error":"invalid_grant"}"#;
    assert_eq!(bench.raw(200, both).await.unwrap(), "t", "there is one");
    for (answer, expected) in [
        (
            json!({"access_token": "canary", "token_type": "DPoP"}),
            "gave a token of type \"DPoP\", and only Bearer",
        ),
        (json!({"access_token": "canary", "token_type": "mac\n"}), "gave a token of type \"mac\\n\""),
        (json!({"access_token": "canary"}), "gave no `token_type`"),
        (json!({"access_token": "canary", "token_type": 1}), "gave a `token_type` that is not a string"),
        (json!({"token_type": "Bearer"}), "gave no `access_token`"),
        (
            json!({"access_token": ["canary"], "token_type": "Bearer"}),
            "gave an `access_token` that is not a string",
        ),
        (
            json!({"access_token": null, "token_type": "Bearer"}),
            "gave an `access_token` that is not a string",
        ),
        (json!({"access_token": "", "token_type": "Bearer"}), "that no header can carry"),
        (json!({"access_token": "canary x", "token_type": "Bearer"}), "that no header can carry"),
        (json!({"access_token": "canary\r\nx: y", "token_type": "Bearer"}), "that no header can carry"),
        (json!({"access_token": "canary\u{e4}", "token_type": "Bearer"}), "that no header can carry"),
    ] {
        let error = bench.answer(&answer).await.unwrap_err();
        let url = format!("the token endpoint {}/token {expected}", bench.server.origin());
        assert!(error.to_string().starts_with(&url) || error.to_string().contains(expected), "{error}");
        assert!(!error.is_transient() && !format!("{error:?}").contains("canary"), "{error:?}");
    }
}

#[tokio::test]
async fn what_is_no_json_object_is_an_error_that_shows_nothing_of_it() {
    let bench = Bench::new().await;
    for body in [
        "",
        "canary",
        "[\"canary\"]",
        "access_token=canary&token_type=Bearer",
        "{\"access_token\":\"canary\"",
    ] {
        let error = bench.raw(200, body).await.unwrap_err();
        assert!(error.to_string().contains("gave an answer that"), "{error}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
    let twice = r#"{"access_token":"a","access_token":"b","token_type":"Bearer"}"#;
    assert!(bench.raw(200, twice).await.unwrap_err().to_string().contains("twice"));
}

#[tokio::test]
async fn an_error_names_endpoint_status_and_code_and_never_the_body() {
    let bench = Bench::new().await;
    for (status, body, expected, transient) in [
        (
            401,
            r#"{"error":"invalid_client","error_description":"canary"}"#,
            r#"refuses the client, 401 ("invalid_client"): check"#,
            false,
        ),
        (400, r#"{"error":"invalid_client"}"#, r#"refuses the client, 400 ("invalid_client"): check"#, false),
        (
            400,
            r#"{"error":"unauthorized_client"}"#,
            r#"refuses the client, 400 ("unauthorized_client"): check"#,
            false,
        ),
        (401, "canary", "refuses the client, 401: check", false),
        (400, r#"{"error":"invalid_scope"}"#, r#"answered 400 ("invalid_scope")"#, false),
        (404, "canary", "answered 404", false),
        (429, "", "answered 429", true),
        (500, "canary", "answered 500", true),
        (500, r#"{"error":"invalid_client"}"#, r#"answered 500 ("invalid_client")"#, true),
        (503, r#"{"error":"temporarily_unavailable"}"#, r#"answered 503 ("temporarily_unavailable")"#, true),
        (400, r#"{"error":"temporarily_unavailable"}"#, r#"answered 400 ("temporarily_unavailable")"#, true),
        // Some servers say so with status 200.
        (200, r#"{"error":"bad_verification_code"}"#, r#"answered 200 ("bad_verification_code")"#, false),
        (
            200,
            r#"{"error":"invalid_client","token_type":"Bearer"}"#,
            r#"refuses the client, 200 ("invalid_client"): check"#,
            false,
        ),
        // What is no code that is known may repeat what was sent.
        (
            401,
            r#"{"error":"wrong secret canary-secret"}"#,
            "refuses the client, 401 (an error code that is not known): check",
            false,
        ),
        (400, r#"{"error":"canary-s..."}"#, "answered 400 (an error code that is not known)", false),
        (400, r#"{"error":"canary\u001b[31m"}"#, "answered 400 (an error code that is not known)", false),
        (200, r#"{"error":"invalid_grant "}"#, "answered 200 (an error code that is not known)", false),
        (400, r#"{"error":""}"#, "answered 400 (an error code that is not known)", false),
    ] {
        let error = bench.raw(status, body).await.unwrap_err();
        let expected = format!("the token endpoint {}/token {expected}", bench.server.origin());
        assert!(error.to_string().starts_with(&expected), "{error}");
        assert_eq!(error.is_transient(), transient, "{error}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
    bench.server.go_down().await;
    let error = bench.raw(200, "").await.unwrap_err();
    assert!(error.is_transient());
    let shown = format!("{error:?}");
    assert!(shown.starts_with("the token endpoint cannot be asked: http://127.0.0.1:"), "{shown}");
    assert!(!shown.contains("canary"), "{shown}");
}

#[tokio::test]
async fn a_lifetime_is_what_the_server_says_else_the_default_less_the_skew() {
    let bench = Bench::new().await;
    let config = || {
        bench.config().default_token_exp_time(Duration::from_secs(500)).clock_skew(Duration::from_secs(10))
    };
    for (expires_in, expected) in [
        (json!("absent"), "490"),
        (json!(null), "490"),
        (json!(60), "50"),
        (json!(60.9), "50"),
        (json!("60"), "50"),
        (json!(10), "0"),
        (json!(0), "0"),
        (json!(5), "0"),
        (json!("99999999999999999999999"), "18446744073709551605"),
        (json!(1e300), "18446744073709551605"),
    ] {
        let found = bench.lifetime(config(), expires_in.clone()).await.unwrap();
        assert_eq!(found, format!("gives a token for {expected} s"), "{expires_in}");
    }
    for expires_in in [
        json!(-1),
        json!("-1"),
        json!("1h"),
        json!(""),
        json!(" 60"),
        json!("+60"),
        json!("6e1"),
        json!("60.0"),
        json!("inf"),
        json!("NaN"),
        json!(true),
        json!([60]),
        json!({}),
    ] {
        let error = bench.lifetime(config(), expires_in.clone()).await.unwrap_err();
        assert!(
            error.ends_with("gave an `expires_in` that is not a number of seconds"),
            "{expires_in}: {error}"
        );
    }
    let hour = bench.lifetime(bench.config(), json!("absent")).await.unwrap();
    assert_eq!(hour, "gives a token for 3600 s");
}

#[tokio::test]
async fn for_how_long_the_token_is_good_is_told_without_asking() {
    let bench = Bench::new().await;
    let kept_for = async |expires_in: Value| {
        let answer = json!({"access_token": "t", "token_type": "Bearer", "expires_in": expires_in});
        bench.server.answer_with(Response::new(answer.to_string()));
        let source = ClientCredentials::new(bench.config()).unwrap();
        assert_eq!(source.expires_in(), None, "there is none yet");
        source.token().await.unwrap();
        source
    };
    let source = kept_for(json!(60)).await;
    assert_eq!(source.expires_in(), Some(Duration::from_secs(60)));
    bench.clock.advance(Duration::from_secs(20));
    assert_eq!(source.expires_in(), Some(Duration::from_secs(40)));
    bench.clock.advance(Duration::from_secs(41));
    assert_eq!(source.expires_in(), Some(Duration::ZERO));

    let source = kept_for(json!(1e300)).await;
    assert_eq!(source.expires_in(), None, "it is good for ever");
    assert_eq!(source.probe().await.remove(0).result.unwrap(), "gives a token for ever");
}
