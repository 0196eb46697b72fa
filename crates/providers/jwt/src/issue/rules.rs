//! What a token may say, by what it is for.

use std::time::Duration;

use super::config::{Audience, JwtIssuerConfig};

/// An assertion by which a client authenticates lives as long at most: it serves once, within seconds.
pub(super) const LONGEST_CLIENT_ASSERTION: Duration = Duration::from_secs(300);

/// RFC 7523 §3 demands a signature or a MAC.
pub(super) const UNSIGNED_ASSERTION: &str = "NONE is not for assertions: name the algorithm of a key";

/// What a token is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rules {
    /// To be shown to a service.
    Token,
    /// To be exchanged for a token (RFC 7523 §2.1).
    Grant,
    /// To authenticate a client (RFC 7523 §2.2). Issuer, subject and audience are set.
    Client,
}

/// All that is wrong, each with the key of the configuration. The key to sign with is not looked at.
pub(super) fn problems(config: &JwtIssuerConfig, rules: Rules) -> Vec<(&'static str, String)> {
    let mut problems = Vec::new();
    let mut problem = |key, text: &str| problems.push((key, text.to_owned()));
    for name in ["exp", "iat", "nbf", "iss", "sub", "aud", "jti"] {
        if let Some(why) = why_not(config, rules, name) {
            problem("customClaims", &why);
        }
    }
    if config.expiry.is_zero() {
        problem("expTime", "a token that expires when it is made is good for nothing: set a time");
    }
    if rules == Rules::Client && config.expiry > LONGEST_CLIENT_ASSERTION {
        problem(
            "expTime",
            "at most 300 seconds: whoever sees an assertion is the client for as long as it lives",
        );
    }
    if matches!(&config.audience, Some(Audience::Several(several)) if several.is_empty()) {
        problem("audience", "an empty list is for nobody: name one, or leave it out");
    }
    if rules == Rules::Client {
        // The issuer is the client.
        if config.issuer.as_deref().is_some_and(str::is_empty) {
            problem("clientId", "must not be empty: name the client");
        }
        if matches!(&config.audience, Some(Audience::One(one)) if one.is_empty()) {
            problem("audience", "must not be empty: name the server that the assertion is for");
        }
    }
    if rules == Rules::Grant {
        // RFC 7523 §3 demands both.
        let says = |name| config.custom_claims.contains_key(name);
        match config.issuer.as_deref().map(is_blank) {
            Some(true) => problem("issuer", "must not be empty: an assertion says who made it"),
            None if !says("iss") => {
                problem("issuer", "required, and missing: an assertion says who made it");
            }
            _ => {}
        }
        match &config.audience {
            Some(Audience::One(one)) if is_blank(one) => {
                problem("audience", "must not be empty: an assertion names the server that it is for");
            }
            Some(Audience::Several(several)) if several.iter().any(|one| is_blank(one)) => {
                problem("audience", "holds an empty name: an assertion names the server that it is for");
            }
            None if !says("aud") => {
                problem("audience", "required, and missing: an assertion names the server that it is for");
            }
            _ => {}
        }
        if config.jwt_id.is_some() {
            problem("jwtId", "each assertion has a `jti` of its own, which servers remember: remove it");
        }
    }
    if rules != Rules::Token && config.signing.is_unsigned() {
        problem("signatureConfig.algorithm", UNSIGNED_ASSERTION);
    }
    problems
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// Why a custom claim of this name does not go with the rest, where there is one and it does not.
fn why_not(config: &JwtIssuerConfig, rules: Rules, name: &str) -> Option<String> {
    if !config.custom_claims.contains_key(name) {
        return None;
    }
    let (key, is_set) = match (name, rules) {
        ("exp" | "iat" | "nbf", _) => {
            return Some(format!("may not set `{name}`: it comes from the clock, and `expTime`"));
        }
        ("jti", Rules::Grant | Rules::Client) => {
            return Some("may not set `jti`: each assertion has one of its own".to_owned());
        }
        ("iss" | "sub", Rules::Client) => {
            return Some(format!("may not set `{name}`: it is the client's identifier"));
        }
        ("aud", Rules::Client) => return Some("may not set `aud`: set `audience`".to_owned()),
        ("iss", _) => ("issuer", config.issuer.is_some()),
        ("sub", _) => ("username", config.username.is_some()),
        ("aud", _) => ("audience", config.audience.is_some()),
        (_, _) => ("jwtId", config.jwt_id.is_some()),
    };
    is_set.then(|| format!("sets `{name}`, and so does `{key}`: keep one of them"))
}
