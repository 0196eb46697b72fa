//! `JwtIssuerConfig` read from a configuration.

use portcullis_core::config::{Section, Value};

use super::{
    config::{Audience, JwtIssuerConfig},
    rules::{Rules, UNSIGNED_ASSERTION},
    signing::{Signer, SigningConfig},
};
use crate::{
    algorithm::{self, Algorithm},
    config_json,
};

impl JwtIssuerConfig {
    /// Reads a `JwtIssuerConfig`, and the key that it names. Notes all that is wrong at its place, and answers `None` if
    /// anything is.
    #[must_use]
    pub fn read(section: &Section<'_>) -> Option<Self> {
        Self::read_under(section, Rules::Token)
    }

    pub(super) fn read_under(section: &Section<'_>, rules: Rules) -> Option<Self> {
        let (mut config, signed) = Self::read_signed(section, rules);
        config.issuer = section.string("issuer");
        config.username = section.string("username");
        config.audience = read_audience(section);
        config.jwt_id = section.string("jwtId");
        config.expiry = section.duration("expTime").unwrap_or(config.expiry);
        let mut mistakes = config.resolve(rules).1;
        // What could not be read was noted, and is not missing.
        mistakes.retain(|(key, text)| !text.starts_with("required") || !section.failed_at(key));
        for (key, text) in mistakes {
            section.problem(&key, text);
        }
        (signed && !section.failed()).then_some(config)
    }

    /// What every signed record has: the key, its name, and custom claims. Says whether there is a key; without one the
    /// configuration stands for what else there is to look at.
    pub(super) fn read_signed(section: &Section<'_>, rules: Rules) -> (Self, bool) {
        let signer = if section.has("signatureConfig") {
            section.section("signatureConfig").and_then(|section| read_signature(&section, rules))
        } else {
            section.node("signatureConfig");
            section.problem(
                "signatureConfig",
                "required, and missing: a token without a signature proves nothing; give `algorithm` and `config`",
            );
            None
        };
        let signed = signer.is_some();
        let placeholder = || SigningConfig::insecure_short_secret("-");
        let mut config = Self::new(signer.map_or_else(placeholder, SigningConfig::read));
        config.key_id = section.string("keyId");
        config.custom_claims = config_json::claims(section, "customClaims").unwrap_or_default();
        (config, signed)
    }
}

fn read_audience(section: &Section<'_>) -> Option<Audience> {
    let is_text = matches!(section.node("audience").map(|node| node.value()), Some(Value::String(_)));
    let mut several = section.strings("audience")?;
    Some(match several.pop().filter(|_| is_text) {
        Some(one) => Audience::One(one),
        None => Audience::Several(section.strings("audience")?),
    })
}

fn read_signature(section: &Section<'_>, rules: Rules) -> Option<Signer> {
    if is_unsigned(section) {
        return read_unsigned(section, rules);
    }
    let algorithm = read_algorithm(section);
    let insecure_short = section.boolean("insecureShortSecret", false);
    let Some(node) = section.node("config") else {
        section.problem(
            "config",
            "required, and missing: give `keyFile`, `keyStore`, or for HS256, HS384 and HS512 the secret",
        );
        return None;
    };
    let is_key = matches!(node.value(), Value::Table(table) if table.get("keyFile").or(table.get("keyStore")).is_some());
    let signer = if is_key {
        section.section("config").and_then(|config| read_key(section, &config, algorithm))
    } else {
        read_secret(section, algorithm, insecure_short)
    };
    let signer = signer?;
    if let Some(warning) = &signer.warning {
        section.warn("config", warning.clone());
    }
    if insecure_short && is_key {
        section.problem("insecureShortSecret", "is about a secret, and `config` names a key: remove it");
    } else if insecure_short {
        let text = "a short secret can be guessed by whoever sees one token: use a longer one";
        section.warn("insecureShortSecret", text);
    }
    algorithm.map(|_| signer)
}

fn read_secret(section: &Section<'_>, algorithm: Option<Algorithm>, insecure_short: bool) -> Option<Signer> {
    if let Some(algorithm) = algorithm.filter(|algorithm| algorithm.least_secret().is_none()) {
        section
            .problem("config", format!("{algorithm} signs by a key: name it with `keyFile` or `keyStore`"));
        return None;
    }
    let secret = section.secret("config")?;
    let signing = if insecure_short {
        SigningConfig::insecure_short_secret(secret)
    } else {
        SigningConfig::secret(secret)
    };
    let signing = signing.algorithm(algorithm.unwrap_or(Algorithm::Hs256));
    signing.load().map_err(|(key, why)| section.problem(key, why)).ok()
}

fn is_unsigned(section: &Section<'_>) -> bool {
    match section.node("algorithm").map(|node| node.value()) {
        Some(Value::String(name)) => matches!(unprefixed(name), "NONE" | "none"),
        _ => false,
    }
}

/// Ballerina writes the constant with its module.
fn unprefixed(name: &str) -> &str {
    name.strip_prefix("jwt:").unwrap_or(name)
}

fn read_unsigned(section: &Section<'_>, rules: Rules) -> Option<Signer> {
    let contradictions =
        ["config", "insecureShortSecret"].into_iter().filter(|key| section.node(key).is_some());
    let mut signer = SigningConfig::insecure_unsigned().load().ok();
    for key in contradictions {
        section.problem(key, "NONE signs by nothing: remove it, or name the algorithm of the key");
        signer = None;
    }
    if rules != Rules::Token {
        section.problem("algorithm", UNSIGNED_ASSERTION);
        return None;
    }
    section.warn("algorithm", "tokens without a signature prove nothing: anybody can make such a token");
    signer
}

/// `None` where it is none, which was noted then.
fn read_algorithm(section: &Section<'_>) -> Option<Algorithm> {
    let given = section.string("algorithm");
    if given.is_none() && section.has("algorithm") {
        return None;
    }
    let name = unprefixed(given.as_deref().unwrap_or("RS256"));
    let found = Algorithm::from_name(name);
    if found.is_none() {
        section.problem("algorithm", format!("{name:?} is not one of {}", algorithm::names(Algorithm::ALL)));
    }
    found
}

fn read_key(signature: &Section<'_>, config: &Section<'_>, algorithm: Option<Algorithm>) -> Option<Signer> {
    let key_password = config.secret("keyPassword");
    let Some(which) = config.exactly_one(&["keyFile", "keyStore"]) else {
        config.node("keyAlias");
        return None;
    };
    // Without an algorithm the mistake was noted; the key is read all the same, for what is wrong with it.
    let algorithm = algorithm.unwrap_or(Algorithm::Rs256);
    let store;
    let signing = if which == "keyFile" {
        store = None;
        SigningConfig::configured_file(config.required_file("keyFile")?, key_password, algorithm)
    } else {
        let opened = config.required_section("keyStore")?;
        let (path, password) = (opened.required_file("path"), opened.required_secret("password"));
        let alias = config.string("keyAlias");
        store = Some(opened);
        SigningConfig::configured_store(path?, password?, alias, key_password, algorithm)
    };
    let place = |(key, why): (&'static str, String)| match (key.rsplit_once('.'), &store) {
        (Some((_, key @ ("path" | "password"))), Some(store)) => store.problem(key, why),
        (Some((_, key)), _) => config.problem(key, why),
        (None, _) => signature.problem(key, why),
    };
    signing.load().map_err(place).ok()
}
