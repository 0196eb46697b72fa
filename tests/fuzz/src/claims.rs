//! The payload of a token whose signature is right.

use std::sync::LazyLock;

use portcullis_core::claims;
use portcullis_jwt::{JwtValidator, JwtValidatorConfig, SignatureConfig};
use serde_json::Value;

use crate::support::{NOW, SECRET, signed};

static STRICT: LazyLock<JwtValidator> = LazyLock::new(|| {
    let config = JwtValidatorConfig::new(SignatureConfig::secret(SECRET));
    JwtValidator::new(config.issuer("wso2").audience(["ballerina", "vEwzbcasJVQm1jVYHUHCjhxZ4tYa"])).unwrap()
});

static LAX: LazyLock<JwtValidator> = LazyLock::new(|| {
    let config = JwtValidatorConfig::new(SignatureConfig::secret(SECRET)).scope_key("/realm_access/roles");
    JwtValidator::new(config.require_expiration(false)).unwrap()
});

/// Takes the payload.
pub fn run(data: &[u8]) {
    let token = signed(br#"{"alg":"HS256"}"#, data);
    let strict = STRICT.validate(&token, NOW);
    let lax = LAX.validate(&token, NOW);
    if let Err(refusal) = &strict {
        assert_ne!(refusal.code(), "bad-signature");
        assert!(refusal.text().chars().all(|shown| matches!(shown, ' '..='~')), "{refusal}");
        assert!(refusal.text().len() < 1024);
    }
    let Ok(payload) = serde_json::from_slice::<Value>(data) else {
        assert!(strict.is_err() && lax.is_err(), "what is no JSON has no claims");
        return;
    };
    let exp = payload.get("exp");
    if let Ok(identity) = &strict {
        assert_eq!(payload.get("iss"), Some(&"wso2".into()));
        let audience = payload.get("aud").expect("an audience");
        let ours = |one: &Value| *one == "ballerina" || *one == "vEwzbcasJVQm1jVYHUHCjhxZ4tYa";
        assert!(ours(audience) || audience.as_array().is_some_and(|all| all.iter().any(ours)));
        assert!(exp.is_some(), "no token is good for ever");
        assert_eq!(
            payload.get("scope").map_or(Vec::new(), scopes),
            identity.scopes().iter().collect::<Vec<_>>()
        );
        assert!(lax.is_ok() || claims::scopes(&payload, "/realm_access/roles").is_err());
    }
    for identity in [&strict, &lax].into_iter().flatten() {
        assert!(payload.get("cnf").is_none(), "bound to a key that nobody asked for");
        assert!(exp.is_none_or(|exp| exp.as_f64().unwrap() > 1_700_000_000.0), "expired");
        assert!(payload.get("nbf").is_none_or(|nbf| nbf.as_f64().unwrap() <= 1_700_000_000.0), "not yet");
        assert_eq!(identity.subject(), payload.get("sub").map(|sub| sub.as_str().expect("a string")));
        assert_eq!(identity.issuer(), payload.get("iss").map(|iss| iss.as_str().expect("a string")));
        assert_eq!(identity.expires_at().is_some(), exp.is_some());
        assert_eq!(payload.as_object(), Some(identity.claims()));
    }
}

/// The scopes as the simplest reader sees them.
fn scopes(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => text.split_whitespace().collect(),
        Value::Array(items) => items.iter().map(|item| item.as_str().expect("a string")).collect(),
        other => panic!("no scopes: {other}"),
    }
}
