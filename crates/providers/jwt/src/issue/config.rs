//! What a token is to say: `JwtIssuerConfig` in code.

use std::{fmt, time::Duration};

use serde_json::{Map, Value};

use super::{
    rules::{self, Rules},
    signing::{Signer, SigningConfig},
};

/// What a token is to say, and who signs it. Made in code, or read from a section of Config.toml.
#[derive(Clone)]
#[must_use]
pub struct JwtIssuerConfig {
    pub(super) signing: SigningConfig,
    pub(super) issuer: Option<String>,
    pub(super) username: Option<String>,
    pub(super) audience: Option<Audience>,
    pub(super) jwt_id: Option<String>,
    pub(super) key_id: Option<String>,
    pub(super) custom_claims: Map<String, Value>,
    pub(super) expiry: Duration,
}

/// `aud` stays what it was given as.
#[derive(Clone)]
pub(super) enum Audience {
    One(String),
    Several(Vec<String>),
}

impl JwtIssuerConfig {
    /// Tokens signed by `signing` that live for five minutes and say nothing else.
    pub fn new(signing: SigningConfig) -> Self {
        Self {
            signing,
            issuer: None,
            username: None,
            audience: None,
            jwt_id: None,
            key_id: None,
            custom_claims: Map::new(),
            expiry: Duration::from_secs(300),
        }
    }

    /// `iss`.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// `sub`.
    pub fn username(mut self, username: impl Into<String>) -> Self {
        self.username = Some(username.into());
        self
    }

    /// `aud` as an array.
    pub fn audience<S: Into<String>>(mut self, audience: impl IntoIterator<Item = S>) -> Self {
        self.audience = Some(Audience::Several(audience.into_iter().map(Into::into).collect()));
        self
    }

    /// `aud` as a string.
    pub fn single_audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(Audience::One(audience.into()));
        self
    }

    /// `jti`, the same for every token. Default: a fresh one each.
    pub fn jwt_id(mut self, jwt_id: impl Into<String>) -> Self {
        self.jwt_id = Some(jwt_id.into());
        self
    }

    /// `kid` in the header.
    pub fn key_id(mut self, key_id: impl Into<String>) -> Self {
        self.key_id = Some(key_id.into());
        self
    }

    /// One more claim. It cannot be `exp`, `iat` or `nbf`.
    pub fn custom_claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.custom_claims.insert(name.into(), value.into());
        self
    }

    /// How long a token lives, in whole seconds, rounded up. Default five minutes.
    pub fn expiry(mut self, expiry: Duration) -> Self {
        self.expiry = expiry;
        self
    }

    /// How long a token lives, in whole seconds. `None` is beyond the end of time.
    pub(super) fn life(&self) -> Option<u64> {
        self.expiry.as_secs().checked_add(u64::from(self.expiry.subsec_nanos() > 0))
    }

    /// The key, and all that is wrong, each with the key of the configuration.
    pub(super) fn resolve(&self, rules: Rules) -> (Option<Signer>, Vec<(String, String)>) {
        let mut problems: Vec<(String, String)> =
            rules::problems(self, rules).into_iter().map(|(key, text)| (key.to_owned(), text)).collect();
        match self.signing.load() {
            Ok(signer) => (Some(signer), problems),
            Err((key, text)) => {
                problems.push((format!("signatureConfig.{key}"), text));
                (None, problems)
            }
        }
    }
}

/// Leaves the custom claims out: they may hold personal data.
impl fmt::Debug for JwtIssuerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtIssuerConfig")
            .field("signing", &self.signing)
            .field("issuer", &self.issuer)
            .field("username", &self.username)
            .field("expiry", &self.expiry)
            .finish_non_exhaustive()
    }
}
