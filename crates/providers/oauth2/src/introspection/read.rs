//! `oauth2IntrospectionConfig` and its `cacheConfig` read from a configuration.

use std::time::Duration;

use portcullis_core::config::{Section, Value};
use portcullis_outbound::{ClientConfig, Endpoint, Purpose, read_endpoint};

use super::config::{CacheConfig, IntrospectionConfig};
use crate::params;

/// Longer than this a token that was activated should not stay refused.
const LONG_NEGATIVE: Duration = Duration::from_secs(60);

impl IntrospectionConfig {
    /// Reads an `oauth2IntrospectionConfig`. Notes all that is wrong at its place, and answers `None` if anything is.
    #[must_use]
    pub fn read(section: &Section<'_>) -> Option<Self> {
        let client = ClientConfig::read(section, Purpose::Tokens);
        let endpoint = read_endpoint(section, "url", client.as_ref());
        let token_type_hint = section.string("tokenTypeHint");
        let optional_params = params::read(section);
        let cache = section.section("cacheConfig").map(|section| CacheConfig::read(&section));
        let default_token_exp_time = section.duration("defaultTokenExpTime");
        let scope_key = section.string("scopeKey");
        let issuer = section.string("issuer");
        let audience = section.strings("audience");

        // What is wrong with the other keys is told whether or not there is a URL.
        let anywhere = || Endpoint::parse("https://localhost").ok();
        let mut config = Self::new(endpoint.clone().or_else(anywhere)?);
        config.token_type_hint = token_type_hint;
        config.optional_params = optional_params;
        config.cache = cache;
        config.default_token_exp_time = default_token_exp_time.unwrap_or(config.default_token_exp_time);
        config.scope_key = scope_key.unwrap_or(config.scope_key);
        config.client = client.unwrap_or(config.client);
        config.issuer = issuer;
        config.audience = audience;
        config.mistakes().iter().for_each(|mistake| mistake.note(section));
        (endpoint.is_some() && !section.failed()).then_some(config)
    }
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
        if unlimited {
            config.max_age = None;
            section.warn("defaultMaxAge", "a token that is revoked is accepted until it expires");
        } else if let Some(max_age) = section.duration("defaultMaxAge") {
            config.max_age = Some(max_age);
        }
        if let Some(max_age) = section.duration("negativeMaxAge") {
            config.negative_max_age = max_age;
            if max_age > LONG_NEGATIVE {
                section.warn(
                    "negativeMaxAge",
                    "a token that becomes active is refused for longer than a minute",
                );
            }
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
