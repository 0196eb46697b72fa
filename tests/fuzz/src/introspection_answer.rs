//! The answer of an introspection endpoint.

use std::{sync::LazyLock, time::Duration};

use portcullis_core::Outcome;
use portcullis_oauth2::{IntrospectionConfig, fuzzing::introspected};
use portcullis_outbound::Endpoint;
use serde_json::Value;

use crate::support::NOW;

const TOKEN: &str = "2YotnFZFEjr1zCsicMWpAA";

fn config() -> IntrospectionConfig {
    IntrospectionConfig::new(Endpoint::parse("https://sts.example/introspect").unwrap())
}

static LAX: LazyLock<IntrospectionConfig> = LazyLock::new(config);
static STRICT: LazyLock<IntrospectionConfig> = LazyLock::new(|| {
    config().issuer("https://server.example.com/").audience(["ballerina"]).scope_key("/roles")
});

/// Takes the body.
pub fn run(data: &[u8]) {
    let strict = introspected(data, TOKEN, &STRICT, NOW);
    let Some((lax, lifetime)) = introspected(data, TOKEN, &LAX, NOW) else {
        assert!(strict.is_none());
        return;
    };
    let (strict, _) = strict.expect("an answer is one whatever is asked for");
    let answer: Value = serde_json::from_slice(data).expect("an answer is JSON");
    if let Outcome::Known(_) = &strict {
        assert_eq!(answer["iss"], "https://server.example.com/");
        let audience = &answer["aud"];
        assert!(
            *audience == "ballerina"
                || audience.as_array().is_some_and(|all| all.contains(&"ballerina".into()))
        );
    }
    match lax {
        Outcome::Known(identity) => {
            assert_eq!(answer["active"], Value::Bool(true), "who is not active is not let in");
            assert!(answer["cnf"].is_null(), "bound to a key that nobody asked for");
            assert!(!answer["token_type"].as_str().unwrap_or_default().eq_ignore_ascii_case("DPoP"));
            assert!(answer["nbf"].is_null() || answer["nbf"].as_f64().unwrap() <= 1_700_000_000.0);
            let subject = answer["sub"].as_str().or(answer["username"].as_str());
            assert_eq!(identity.subject(), subject, "never the client");
            let exp = answer["exp"].as_f64();
            match (exp, lifetime) {
                (None, Some(lifetime)) => assert_eq!(lifetime, Duration::from_secs(3600)),
                (Some(exp), Some(lifetime)) => {
                    assert!(exp > 1_700_000_000.0 && lifetime.as_secs_f64() <= exp - 1_699_999_999.0);
                }
                (Some(exp), None) => assert!(exp <= 1_700_000_000.0),
                (None, None) => panic!("what has no end is remembered"),
            }
            for (name, value) in identity.claims() {
                assert!(!value.is_null());
                const ALIKE: [&str; 7] =
                    ["scope", "client_id", "username", "token_type", "sub", "aud", "iss"];
                assert!(
                    ALIKE.contains(&name.as_str()) || !holds_token(name, value),
                    "the token rests in memory"
                );
            }
        }
        Outcome::Refused(refusal) => {
            assert!(!refusal.text().contains(TOKEN) || refusal.code().starts_with("wrong-"));
            assert!(refusal.text().chars().all(|shown| matches!(shown, ' '..='~')), "{refusal}");
            assert!(lifetime.is_none());
        }
        Outcome::Unavailable(_) => panic!("an answer that was given is not missing"),
    }
}

fn holds_token(name: &str, value: &Value) -> bool {
    name == TOKEN
        || match value {
            Value::String(text) => text == TOKEN,
            Value::Array(items) => items.iter().any(|item| holds_token("", item)),
            Value::Object(members) => members.iter().any(|(name, value)| holds_token(name, value)),
            _ => false,
        }
}
