//! `jwtValidatorConfig` and `cacheConfig` read from a configuration.

use std::time::Duration;

use portcullis_core::config::{Section, Value};

use super::{
    config::{CacheConfig, JwtValidatorConfig},
    signature::SignatureConfig,
};
use crate::{
    algorithm::{self, Algorithm},
    config_json,
};

/// Beyond this a skew is no difference of clocks any more.
const LONG_SKEW: Duration = Duration::from_secs(600);

impl JwtValidatorConfig {
    /// Reads a `jwtValidatorConfig`, and the keys that it names. Notes all that is wrong at its place, and answers
    /// `None` if anything is.
    #[must_use]
    pub fn read(section: &Section<'_>) -> Option<Self> {
        let (mut fetched, mut discovers) = (false, false);
        let signature = if section.has("signatureConfig") {
            section.section("signatureConfig").and_then(|section| {
                fetched = cfg!(feature = "jwks") && section.has("jwksConfig");
                discovers = fetched && has_issuer(&section);
                SignatureConfig::read(&section)
            })
        } else {
            section.node("signatureConfig");
            section.problem(
                "signatureConfig",
                "required, and missing: no token is accepted unverified; give one of `certFile`, `trustStoreConfig`, \
                 `secret`, `jwksConfig`",
            );
            None
        };
        let issuer = section.string("issuer");
        let username = section.string("username");
        let audience = section.strings("audience");
        let jwt_id = section.string("jwtId");
        let key_id = section.string("keyId");
        let custom_claims = config_json::claims(section, "customClaims").unwrap_or_default();
        let clock_skew = section.duration("clockSkew").unwrap_or_default();
        let scope_key = section.string("scopeKey");
        let algorithms = read_algorithms(section);
        let types = section.strings("types");
        let require_expiration = section.boolean("requireExpiration", true);
        let cache =
            section.section("cacheConfig").map(|section| CacheConfig::read(&section)).unwrap_or_default();
        let [any_issuer, any_audience, unscoped] = read_allowances(section, fetched);
        if clock_skew > LONG_SKEW {
            section.warn("clockSkew", "expired tokens are accepted for longer than ten minutes");
        }
        if !require_expiration {
            section.warn("requireExpiration", "a token without `exp` is accepted for ever");
        }

        // What is wrong with the other keys is told whether or not there is a key to verify with.
        let nothing = || SignatureConfig::insecure_short_secret("-");
        let mut config = Self::new(signature.clone().unwrap_or_else(nothing));
        config.issuer = issuer;
        config.username = username;
        config.audience = audience;
        config.jwt_id = jwt_id;
        config.key_id = key_id;
        config.custom_claims = custom_claims;
        config.clock_skew = clock_skew;
        config.scope_key = scope_key.unwrap_or(config.scope_key);
        config.algorithms = algorithms.filter(|_| signature.is_some());
        config.types = types.unwrap_or(config.types);
        config.require_expiration = require_expiration;
        config.cache = cache;
        config.allow_any_issuer = any_issuer;
        config.allow_any_audience = any_audience;
        config.allow_unscoped_tokens = unscoped;
        if fetched && signature.is_none() {
            // Whatever else is wrong with `jwksConfig`: what has to stand beside it is known.
            for (key, text) in config.unsaid().into_iter().filter(|(key, _)| *key != "issuer" || !discovers) {
                section.problem(key, text);
            }
        }
        for (key, text) in config.resolve().1 {
            section.problem(&key, text);
        }
        (signature.is_some() && !section.failed()).then_some(config)
    }
}

/// Whether `jwksConfig` names an issuer, be it rightly or not.
fn has_issuer(signature: &Section<'_>) -> bool {
    match signature.node("jwksConfig").map(|node| node.value()) {
        Some(Value::Table(table)) => table.get("issuer").is_some(),
        _ => false,
    }
}

/// What lifts a rule of `jwksConfig`: `allowAnyIssuer`, `allowAnyAudience`, `allowUnscopedTokens`.
fn read_allowances(section: &Section<'_>, fetched: bool) -> [bool; 3] {
    let rules = [
        ("allowAnyIssuer", Some("issuer"), "tokens of any issuer are accepted that these keys sign"),
        ("allowAnyAudience", Some("audience"), "tokens for other applications are accepted"),
        ("allowUnscopedTokens", None, ""),
    ];
    rules.map(|(key, rule, what)| {
        let allowed = section.boolean(key, false);
        if !fetched {
            section.accept_unneeded(key, "it lifts a rule of `jwksConfig`, which is not there");
        } else if let Some(rule) = rule.filter(|_| allowed) {
            if section.has(rule) {
                section.accept_unneeded(key, &format!("`{rule}` says whose tokens are accepted"));
            } else {
                section.warn(key, what);
            }
        }
        allowed
    })
}

fn read_algorithms(section: &Section<'_>) -> Option<Vec<Algorithm>> {
    let names = section.strings("algorithms")?;
    let mut algorithms = Vec::new();
    for name in &names {
        match Algorithm::from_name(name) {
            Some(algorithm) => algorithms.push(algorithm),
            None if name.eq_ignore_ascii_case("none") => {
                section.problem(
                    "algorithms",
                    "\"none\" is never accepted: a token without a signature proves nothing",
                );
            }
            None => {
                let known = algorithm::names(Algorithm::ALL);
                section.problem("algorithms", format!("{name:?} is not one of {known}"));
            }
        }
    }
    (algorithms.len() == names.len()).then_some(algorithms)
}

impl CacheConfig {
    /// Reads a `cacheConfig`.
    pub fn read(section: &Section<'_>) -> Self {
        const MOST: usize = 10_000_000;
        let mut config = Self::default();
        if let Some(capacity) = section.size("capacity", 0..=MOST) {
            config.capacity = capacity;
        }
        // -1 says that there is no limit, as in Ballerina.
        let unlimited = match section.node("defaultMaxAge").map(|node| node.value()) {
            Some(Value::Integer(number)) => *number == -1,
            Some(Value::Float(number)) => *number == -1.0,
            _ => false,
        };
        if !unlimited {
            config.max_age = section.duration("defaultMaxAge");
        }
        for key in ["evictionFactor", "evictionPolicy", "cleanupInterval"] {
            section.accept_unneeded(
                key,
                "the cache makes room for one entry at a time and keeps no expired ones",
            );
        }
        config
    }
}
