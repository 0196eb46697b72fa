//! What must not be seen, and must not rest.

use std::sync::Arc;

use portcullis_core::{Outcome, Provider as _};
use portcullis_outbound::HttpVersion;
use serde_json::json;

use super::{Bench, CacheConfig, known, unavailable};
use crate::fixtures::{Log, bearer};

const TOKEN: &str = "canary-token-4711";
const SECRET: &str = "canary-secret-0815";
const PARAM: &str = "canary-param-1234";

async fn bench() -> Bench {
    Bench::with(|config| {
        let client = config.client.clone().payload("p", "canary-payload").header("x-key", "canary-header");
        config
            .optional_param("tenant", PARAM)
            .client_secret("app", SECRET)
            .client(client)
            .cache(CacheConfig::default())
    })
    .await
}

#[tokio::test]
async fn no_secret_shows_in_debug_logs_errors_and_states() {
    let log = Log::default();
    let _guard = log.listen();
    let bench = bench().await;
    bench.server.grant(TOKEN, json!({"sub": "alice"}));
    let mut shown = vec![format!("{:?}", bench.provider)];
    shown.push(format!("{:?}", bench.ask(TOKEN).await));
    shown.push(format!("{:?}", bench.ask("canary-inactive").await));
    let parameters = [("actor", "canary-actor")];
    shown.push(format!("{:?}", bench.provider.introspect(TOKEN, &parameters, &bench.cx()).await));
    for status in [400, 401, 500] {
        let body = format!(r#"{{"error":"e","error_description":"{TOKEN} {SECRET}"}}"#);
        bench.server.answer_with(http::Response::builder().status(status).body(body).unwrap());
        shown.push(format!("{:?}", bench.ask("canary-failing").await));
        shown.push(format!("{:?}", bench.provider.servers()));
        shown.push(format!("{:?}", bench.provider.probe().await));
    }
    bench.server.answer_with(http::Response::new(format!("{{\"{TOKEN}\":1,\"{SECRET}")));
    shown.push(format!("{:?}", bench.ask("canary-garbage").await));
    bench.server.go_down().await;
    shown.push(format!("{:?}", bench.ask("canary-away").await));
    shown.push(format!("{:?}", bench.provider));
    shown.push(log.text());
    for text in shown {
        assert!(!text.contains("canary"), "{text}");
    }
}

/// Whatever a server was sent may come back where an error code stands.
#[tokio::test]
async fn no_secret_shows_that_stands_in_the_error_code() {
    let log = Log::default();
    let _guard = log.listen();
    let bench = Bench::with(|config| {
        let client = config.client.clone().auth(Arc::new(bearer("canary-own")));
        let client = client.payload("p", "canary-payload").header("x-key", "canary-header");
        config.optional_param("tenant", PARAM).client(client)
    })
    .await;
    for status in [400, 401, 500] {
        for secret in [TOKEN, PARAM, "canary-payload", "canary-header", "canary-own"] {
            for code in [secret.to_owned(), format!("bad api key {secret}"), format!("…{}", &secret[..9])] {
                let body = json!({"error": code}).to_string();
                bench.server.answer_with(http::Response::builder().status(status).body(body).unwrap());
                let reason = unavailable(bench.ask(TOKEN).await);
                assert!(reason.contains(&format!("{status} (an error code that is not known)")), "{reason}");
                let states = format!("{:?} {:?}", bench.provider.servers(), bench.provider.probe().await);
                assert!(states.contains("an error code that is not known"), "{states}");
                assert!(!format!("{reason} {states}").contains("canary"), "{reason} {states}");
            }
        }
    }
    assert!(log.lines().iter().any(|line| line.contains("an error code that is not known")));
    assert!(!log.text().contains("canary"), "{}", log.text());
}

#[tokio::test]
async fn nothing_beneath_logs_a_secret_in_either_version_of_http() {
    for version in [HttpVersion::Http11, HttpVersion::Http2] {
        let log = Log::default();
        let _guard = log.listen();
        let bench = Bench::with(|config| {
            let client = config.client.clone().http_version(version).auth(Arc::new(bearer("canary-own")));
            let client = client.payload("p", "canary-payload").header("x-key", "canary-header");
            config.optional_param("tenant", PARAM).client(client)
        })
        .await;
        bench.server.grant(TOKEN, json!({"sub": "alice"}));
        bench.server.require_bearer("canary-own");
        known(bench.ask(TOKEN).await);
        assert_eq!(bench.code("canary-unknown").await, "inactive");
        bench.server.require_bearer("canary-another");
        assert!(unavailable(bench.ask(TOKEN).await).contains("refuses our own credentials"));
        // It is the libraries' own account that is looked through.
        let text = log.text();
        assert!(text.contains("hyper"), "{text}");
        assert!(!text.contains("canary"), "{version:?}: {text}");
    }
}

#[tokio::test]
async fn no_token_rests_in_the_cache_though_the_server_repeats_it() {
    let bench = bench().await;
    bench.server.grant(
        TOKEN,
        json!({
            "sub": "alice", "token": TOKEN, "access_token": TOKEN, "jti": TOKEN, "note": "kept",
            "request": {"headers": [{"authorization": TOKEN}, TOKEN, "kept"], TOKEN: 1, "id": 7},
            "url": format!("https://localhost/introspect?token={TOKEN}&x=1"), format!("of {TOKEN}"): 1,
            "echo": {"authorization": format!("Bearer {TOKEN}"), format!("{TOKEN}."): {}, "id": [format!("<{TOKEN}")]},
        }),
    );
    let identity = known(bench.ask(TOKEN).await);
    assert_eq!(identity.claims()["note"], "kept");
    assert_eq!(identity.claims()["request"], json!({"headers": [{}, "kept"], "id": 7}));
    assert_eq!(identity.claims()["echo"], json!({"id": []}));
    let names: Vec<&str> = identity.claims().keys().map(String::as_str).collect();
    assert_eq!(names, ["active", "echo", "note", "request", "sub"]);
    bench.server.grant("canary-other", json!({"jti": "7"}));
    assert_eq!(known(bench.ask("canary-other").await).claims()["jti"], "7");
    bench.ask("canary-inactive").await;
    let cache = bench.provider.cache.as_ref().unwrap();
    let held = cache.dump();
    assert_eq!(held.len(), 3);
    for text in held {
        assert!(!text.contains("canary"), "{text}");
    }
}

#[tokio::test]
async fn a_member_that_happens_to_be_the_token_is_kept_where_the_protocol_has_it() {
    let bench = Bench::new().await;
    bench.server.grant("alice", json!({"sub": "alice", "scope": "alice", "other": "alice"}));
    match bench.ask("alice").await {
        Outcome::Known(identity) => {
            assert_eq!(identity.claims()["sub"], "alice");
            assert_eq!(identity.claims()["scope"], "alice");
            assert!(!identity.claims().contains_key("other"));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_token_of_a_few_letters_is_no_part_of_another_text() {
    let bench = Bench::new().await;
    for (token, left) in [("seven77", true), ("eight888", false)] {
        let (note, name) = (format!("the {token}."), format!("{token}-th"));
        bench.server.grant(token, json!({"note": note, name.as_str(): 1, "whole": token, "sub": note}));
        let identity = known(bench.ask(token).await);
        assert_eq!(identity.subject(), Some(&*note));
        for claim in ["note", &name] {
            assert_eq!(identity.claims().contains_key(claim), left, "{claim}");
        }
        assert!(!identity.claims().contains_key("whole"));
    }
}
