//! Validates tokens: the provider behind `jwtValidatorConfig`.

mod cache;
mod claims;
mod config;
#[cfg(feature = "jwks")]
mod fetched;
mod read;
mod signature;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use portcullis_core::{
    Bearer, BoxFuture, BuildError, Context, Credential, Identity, Outcome, Provider, Recall, Refusal, Scheme,
    UnixTime,
};
#[cfg(feature = "jwks")]
use portcullis_core::{Probe, QueueState, ServerState};

use self::{
    cache::{KeysOfNow, Now, Payload, TokenCache},
    claims::{Registered, Times},
    signature::Keys,
};
pub use self::{
    config::{CacheConfig, JwtValidatorConfig},
    signature::SignatureConfig,
};
use crate::{
    jws::{Header, NotVerified, Unverified},
    keys::{Key, KeySet},
    refusal::{Refused, code},
};

/// The provider of bearer tokens that are signed JWTs (RFC 7519).
///
/// A token is accepted if its signature verifies with the configured key, by an algorithm that this key allows, and its
/// claims are what the configuration asks for. Nothing that a token says chooses a key, an algorithm or a place to fetch
/// one from. With keys from the configuration everything is decided at once; with keys that are fetched, a token waits only
/// where it may be of a key that was not there before.
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
    keys: Keys,
    cache: Option<TokenCache>,
}

/// A token that was accepted.
struct Accepted {
    identity: Identity,
    times: Times,
    key: Arc<Key>,
    /// Where the key stands in its set.
    place: usize,
    payload: Vec<u8>,
}

impl Accepted {
    /// Whose token it is, for who does not remember the token.
    fn into_identity(self) -> Identity {
        self.identity.with_claims_from(Arc::new(Payload(self.payload)))
    }
}

impl JwtValidator {
    /// Builds the validator: reads the keys and checks that the configuration can work.
    ///
    /// # Errors
    ///
    /// With everything that is wrong, each mistake on a line of its own.
    pub fn new(mut config: JwtValidatorConfig) -> Result<Self, BuildError> {
        let (keys, problems) = config.resolve();
        match keys {
            Some(keys) if problems.is_empty() => {
                config.complete();
                let cache = TokenCache::new(&config.cache, keys.clock());
                Ok(Self { config, keys, cache })
            }
            _ => {
                let lines: Vec<String> =
                    problems.into_iter().map(|(key, text)| format!("{key}: {text}")).collect();
                Err(BuildError::new(lines.join("\n")))
            }
        }
    }

    /// Validates a token at the time `now`, past the cache. Nothing is fetched for it: keys that come from a server are those
    /// that were fetched before.
    ///
    /// # Errors
    ///
    /// With a code and a sentence that say why it is not accepted; see the [crate's table](crate#codes).
    pub fn validate(&self, token: &str, now: UnixTime) -> Result<Identity, Refusal> {
        let accepted = match &self.keys {
            Keys::Fixed(keys) => Unverified::read(token.as_bytes(), Some(keys))
                .map_err(NotVerified::from)
                .and_then(|unverified| self.accept(&unverified, keys, now)),
            #[cfg(feature = "jwks")]
            Keys::Fetched(source) => self.accept_by_held(token.as_bytes(), source, now),
        };
        accepted.map(Accepted::into_identity).map_err(|not| not.refusal)
    }

    /// Whether an element with these tokens has to name scopes, see [`JwtValidatorConfig::needs_scopes`].
    #[must_use]
    pub fn needs_scopes(&self) -> bool {
        self.config.needs_scopes()
    }

    fn accept(
        &self,
        unverified: &Unverified<'_>,
        keys: &KeySet,
        now: UnixTime,
    ) -> Result<Accepted, NotVerified> {
        let key = Arc::clone(unverified.key(keys, now)?);
        let payload = unverified.payload()?;
        let (identity, times) = self.judge(&unverified.header, &payload, now)?;
        let place = keys.place_of(&key).unwrap_or_default();
        Ok(Accepted { identity, times, key, place, payload })
    }

    /// Whether header and payload say what the configuration asks for, and who the caller is if they are true, without all
    /// that else is said of it.
    fn judge(&self, header: &Header, payload: &[u8], now: UnixTime) -> Refused<(Identity, Times)> {
        let config = &self.config;
        header.has_type_of(&config.types, config.requires_type())?;
        if let Some(expected) = &config.key_id {
            claims::is("kid", header.kid.as_deref(), expected, code::WRONG_KEY_ID)?;
        }
        let payload = claims::read(payload, config)?;
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
            identity = identity.with_expiry(expires_at).with_leeway(config.clock_skew);
        }
        let scopes = claims::scopes(&payload, &config.scope_key)?;
        Ok((identity.with_scopes(scopes), times))
    }

    fn answer(&self, bearer: &Bearer<'_>, keys: &KeySet, cx: &Context<'_>) -> Outcome {
        if let Some(identity) = self.remembered(bearer.as_bytes(), keys, None, cx) {
            return Outcome::Known(identity);
        }
        let unverified = match Unverified::read(bearer.as_bytes(), Some(keys)) {
            Ok(unverified) => unverified,
            Err(refusal) => return refusal.into(),
        };
        let now = cx.clock().now();
        match self.accept(&unverified, keys, now) {
            Ok(accepted) => self.known(bearer, accepted, now, cx),
            Err(not) => not.refusal.into(),
        }
    }

    /// Whose token it is, if it was accepted before and would be now, by the coarse clock. What is not good by it is looked at
    /// once more by the other. `monotonic` is the moment where it has been read already.
    fn remembered(
        &self,
        token: &[u8],
        keys: impl KeysOfNow,
        monotonic: Option<Duration>,
        cx: &Context<'_>,
    ) -> Option<Arc<Identity>> {
        let cache = self.cache.as_ref().filter(|_| cx.may_recall())?;
        cache.get(token, Now { civil: cx.clock().coarse_now(), clock: cx.clock(), monotonic }, keys)
    }

    /// The answer to a token that was accepted, which is remembered.
    fn known(&self, bearer: &Bearer<'_>, accepted: Accepted, now: UnixTime, cx: &Context<'_>) -> Outcome {
        match self.cache.as_ref().filter(|_| cx.may_remember()) {
            Some(cache) => {
                let skew = self.config.clock_skew;
                Outcome::Known(cache.put(bearer.as_bytes(), accepted, cx.clock(), now, skew))
            }
            None => Outcome::known(accepted.into_identity()),
        }
    }
}

/// The token, or the refusal of what is none.
fn bearer<'c>(credential: &'c Credential<'c>) -> Result<&'c Bearer<'c>, Outcome> {
    match credential {
        Credential::Bearer(bearer) => Ok(bearer),
        _ => Err(Outcome::refused(code::OTHER_SCHEME, "the credential is not a bearer token")),
    }
}

impl Provider for JwtValidator {
    fn kind(&self) -> &'static str {
        "jwt"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    /// Its answers go by the token alone. Only who waits for keys does so in turns by address, and is asked again with it.
    fn looks_at_client(&self) -> bool {
        false
    }

    fn recall(&self, text: &[u8], cx: &Context<'_>) -> Recall {
        let identity = match &self.keys {
            Keys::Fixed(keys) => self.remembered(text, keys, None, cx),
            #[cfg(feature = "jwks")]
            Keys::Fetched(source) => self.remembered_by_held(text, source, cx),
        };
        identity.map_or(Recall::Nothing, |identity| Recall::Answer(Outcome::Known(identity)))
    }

    fn try_authenticate(&self, credential: &Credential<'_>, cx: &Context<'_>) -> Option<Outcome> {
        let bearer = match bearer(credential) {
            Ok(bearer) => bearer,
            Err(refused) => return Some(refused),
        };
        match &self.keys {
            Keys::Fixed(keys) => Some(self.answer(bearer, keys, cx)),
            #[cfg(feature = "jwks")]
            Keys::Fetched(source) => self.answer_at_once(bearer, source, cx),
        }
    }

    fn authenticate<'a>(
        &'a self,
        credential: &'a Credential<'a>,
        cx: &'a Context<'a>,
    ) -> BoxFuture<'a, Outcome> {
        let answer = match (bearer(credential), &self.keys) {
            (Err(refused), _) => refused,
            (Ok(bearer), Keys::Fixed(keys)) => self.answer(bearer, keys, cx),
            #[cfg(feature = "jwks")]
            (Ok(bearer), Keys::Fetched(source)) => {
                return Box::pin(self.answer_in_time(bearer, source, cx));
            }
        };
        Box::pin(std::future::ready(answer))
    }

    #[cfg(feature = "jwks")]
    fn prepare(&self) -> BoxFuture<'_, Result<(), BuildError>> {
        Box::pin(async {
            match &self.keys {
                Keys::Fixed(_) => Ok(()),
                Keys::Fetched(source) => source.prepare().await,
            }
        })
    }

    #[cfg(feature = "jwks")]
    fn probe(&self) -> BoxFuture<'_, Vec<Probe>> {
        Box::pin(async {
            match &self.keys {
                Keys::Fixed(_) => Vec::new(),
                Keys::Fetched(source) => vec![source.probe().await],
            }
        })
    }

    #[cfg(feature = "jwks")]
    fn servers(&self) -> Vec<ServerState> {
        match &self.keys {
            Keys::Fixed(_) => Vec::new(),
            Keys::Fetched(source) => vec![source.server()],
        }
    }

    #[cfg(feature = "jwks")]
    fn queues(&self) -> Vec<QueueState> {
        match &self.keys {
            Keys::Fixed(_) => Vec::new(),
            Keys::Fetched(source) => vec![source.queue()],
        }
    }
}
