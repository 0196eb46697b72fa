//! Validates tokens: the provider behind `jwtValidatorConfig`.

mod cache;
mod claims;
mod config;
mod read;
mod signature;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use portcullis_core::{
    BoxFuture, BuildError, Context, Credential, Identity, Outcome, Provider, Refusal, Scheme, UnixTime,
};
use serde_json::Value;

use self::{
    cache::{Remembered, TokenCache},
    claims::{Registered, Times},
};
pub use self::{
    config::{CacheConfig, JwtValidatorConfig},
    signature::SignatureConfig,
};
use crate::{
    jws,
    keys::KeySet,
    refusal::{Refused, code},
};

/// The provider of bearer tokens that are signed JWTs (RFC 7519).
///
/// A token is accepted if its signature verifies with the configured key, by an algorithm that this key allows, and its
/// claims are what the configuration asks for. Nothing that a token says chooses a key, an algorithm or a place to fetch
/// one from. Everything is decided at once: nothing is waited for.
///
/// Accepted tokens are remembered, unless [`CacheConfig`] says otherwise. Their expiry, `nbf`, the validity of the
/// certificate and the presence of the key are looked at on every use all the same.
///
/// # Example
///
/// ```
/// use portcullis_core::UnixTime;
/// use portcullis_jwt::{JwtIssuer, JwtIssuerConfig, JwtValidator, JwtValidatorConfig, SignatureConfig, SigningConfig};
///
/// let secret = "an example of 32 bytes or longer";
/// let validator = JwtValidator::new(
///     JwtValidatorConfig::new(SignatureConfig::secret(secret)).issuer("wso2").audience(["ballerina"]),
/// )?;
/// let issuer = JwtIssuer::new(
///     JwtIssuerConfig::new(SigningConfig::secret(secret)).issuer("wso2").audience(["ballerina"]).username("alice"),
/// )?;
/// let now = UnixTime::from_secs(1_700_000_000);
/// let token = issuer.issue(now)?;
///
/// let identity = validator.validate(token.expose(), now).map_err(|refusal| refusal.to_string())?;
/// assert_eq!(identity.subject(), Some("alice"));
///
/// let later = UnixTime::from_secs(1_700_000_300);
/// assert_eq!(validator.validate(token.expose(), later).unwrap_err().code(), "expired");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct JwtValidator {
    config: JwtValidatorConfig,
    keys: KeySet,
    cache: Option<TokenCache>,
}

/// A token that was accepted.
struct Accepted {
    identity: Identity,
    times: Times,
    key: Arc<crate::keys::Key>,
}

impl JwtValidator {
    /// Builds the validator: reads the keys and checks that the configuration can work.
    ///
    /// # Errors
    ///
    /// With everything that is wrong, each mistake on a line of its own.
    pub fn new(config: JwtValidatorConfig) -> Result<Self, BuildError> {
        let (keys, problems) = config.resolve();
        match keys {
            Some(keys) if problems.is_empty() => {
                let cache = TokenCache::new(&config.cache);
                Ok(Self { config, keys, cache })
            }
            _ => {
                let lines: Vec<String> =
                    problems.into_iter().map(|(key, text)| format!("{key}: {text}")).collect();
                Err(BuildError::new(lines.join("\n")))
            }
        }
    }

    /// Validates a token at the time `now`, past the cache.
    ///
    /// # Errors
    ///
    /// With a code and a sentence that say why it is not accepted; see the [crate's table](crate#codes).
    pub fn validate(&self, token: &str, now: UnixTime) -> Result<Identity, Refusal> {
        self.accept(token, now).map(|accepted| accepted.identity)
    }

    fn accept(&self, token: &str, now: UnixTime) -> Refused<Accepted> {
        let config = &self.config;
        let verified = jws::verify(token, &self.keys, now)?;
        verified.header.has_type_of(&config.types)?;
        if let Some(expected) = &config.key_id {
            claims::is("kid", verified.header.kid.as_deref(), expected, code::WRONG_KEY_ID)?;
        }
        let payload = jws::json::object(&verified.payload, "the payload")?;
        let times = Times::read(&payload)?;
        let registered = Registered::read(&payload)?;
        if times.expires_at.is_none() && config.require_expiration {
            return Err(claims::missing_expiration());
        }
        times.check(now, config.clock_skew)?;
        registered.check(config)?;
        claims::check_custom(&payload, &config.custom_claims)?;

        let mut identity = match registered.subject {
            Some(subject) => Identity::new(subject),
            None => Identity::anonymous(),
        };
        if let Some(issuer) = registered.issuer {
            identity = identity.with_issuer(issuer);
        }
        if let Some(expires_at) = times.expires_at {
            identity = identity.with_expiry(expires_at);
        }
        let payload = Value::Object(payload);
        identity = identity.with_scopes(claims::scopes(&payload, &config.scope_key)?);
        if let Value::Object(members) = payload {
            identity = identity.with_claims(members);
        }
        Ok(Accepted { identity, times, key: verified.key })
    }

    fn answer(&self, credential: &Credential<'_>, cx: &Context<'_>) -> Outcome {
        let Credential::Bearer(bearer) = credential else {
            return Outcome::refused(code::OTHER_SCHEME, "the credential is not a bearer token");
        };
        let (token, skew) = (bearer.token(), self.config.clock_skew);
        let cache = self.cache.as_ref().filter(|_| cx.may_remember());
        if let Some(identity) = cache.and_then(|cache| cache.get(token, cx.clock(), &self.keys, skew)) {
            return Outcome::Known(identity);
        }
        let now = cx.clock().now();
        let Accepted { identity, times, key } = match self.accept(token, now) {
            Ok(accepted) => accepted,
            Err(refusal) => return refusal.into(),
        };
        let identity = Arc::new(identity);
        if let Some(cache) = cache {
            let what = Remembered { identity: Arc::clone(&identity), times, key };
            cache.put(token, what, cx.clock(), now, skew);
        }
        Outcome::Known(identity)
    }
}

impl Provider for JwtValidator {
    fn kind(&self) -> &'static str {
        "jwt"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn try_authenticate(&self, credential: &Credential<'_>, cx: &Context<'_>) -> Option<Outcome> {
        Some(self.answer(credential, cx))
    }

    fn authenticate<'a>(
        &'a self,
        credential: &'a Credential<'a>,
        cx: &'a Context<'a>,
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(std::future::ready(self.answer(credential, cx)))
    }
}
