//! What a token has to be: `jwtValidatorConfig` in code.

use std::time::Duration;

use serde_json::{Map, Value};

use super::signature::{Keys, SignatureConfig};
use crate::{algorithm::Algorithm, jws::is_access_token_type};

/// What a token has to be to be accepted. Made in code, or read from a section of Config.toml.
///
/// What is not asked for is not compared: without an `audience` a token for any application is accepted.
#[derive(Clone, Debug)]
#[must_use]
pub struct JwtValidatorConfig {
    pub(super) signature: SignatureConfig,
    pub(super) issuer: Option<String>,
    pub(super) username: Option<String>,
    pub(super) audience: Option<Vec<String>>,
    pub(super) jwt_id: Option<String>,
    pub(super) key_id: Option<String>,
    pub(super) custom_claims: Map<String, Value>,
    pub(super) clock_skew: Duration,
    pub(super) scope_key: String,
    pub(super) algorithms: Option<Vec<Algorithm>>,
    pub(super) types: Vec<String>,
    pub(super) require_expiration: bool,
    pub(super) cache: CacheConfig,
    pub(super) allow_any_issuer: bool,
    pub(super) allow_any_audience: bool,
    pub(super) allow_unscoped_tokens: bool,
}

impl JwtValidatorConfig {
    /// Asks for a signature by the keys of `signature`, for `exp`, and for nothing else.
    pub fn new(signature: SignatureConfig) -> Self {
        Self {
            signature,
            issuer: None,
            username: None,
            audience: None,
            jwt_id: None,
            key_id: None,
            custom_claims: Map::new(),
            clock_skew: Duration::ZERO,
            scope_key: "scope".to_owned(),
            algorithms: None,
            types: vec!["JWT".to_owned(), "at+jwt".to_owned()],
            require_expiration: true,
            cache: CacheConfig::default(),
            allow_any_issuer: false,
            allow_any_audience: false,
            allow_unscoped_tokens: false,
        }
    }

    /// `iss` has to be this.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// `sub` has to be this.
    pub fn username(mut self, username: impl Into<String>) -> Self {
        self.username = Some(username.into());
        self
    }

    /// `aud` has to hold one of these.
    pub fn audience<S: Into<String>>(mut self, audience: impl IntoIterator<Item = S>) -> Self {
        self.audience = Some(audience.into_iter().map(Into::into).collect());
        self
    }

    /// `jti` has to be this.
    pub fn jwt_id(mut self, jwt_id: impl Into<String>) -> Self {
        self.jwt_id = Some(jwt_id.into());
        self
    }

    /// `kid` in the header has to be this.
    pub fn key_id(mut self, key_id: impl Into<String>) -> Self {
        self.key_id = Some(key_id.into());
        self
    }

    /// The claim `name` has to be this JSON value.
    pub fn custom_claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.custom_claims.insert(name.into(), value.into());
        self
    }

    /// How far the clocks of issuer and service may differ, for `exp` and `nbf`. Default zero.
    pub fn clock_skew(mut self, clock_skew: Duration) -> Self {
        self.clock_skew = clock_skew;
        self
    }

    /// The claim that holds the scopes, a string split on white space or an array of strings; where it starts with `/`
    /// a JSON pointer (RFC 6901), such as `/realm_access/roles`. Default `scope`.
    ///
    /// A token without the claim has no scopes; one where it is something else is refused.
    pub fn scope_key(mut self, scope_key: impl Into<String>) -> Self {
        self.scope_key = scope_key.into();
        self
    }

    /// Of the algorithms that the key allows, only these.
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = Some(algorithms.into_iter().collect());
        self
    }

    /// What `typ` in the header may be, where it is there. Default `JWT` and `at+jwt`.
    pub fn types<S: Into<String>>(mut self, types: impl IntoIterator<Item = S>) -> Self {
        self.types = types.into_iter().map(Into::into).collect();
        self
    }

    /// Whether a token has to have `exp`. Default true: a token without one is good for ever.
    pub fn require_expiration(mut self, require: bool) -> Self {
        self.require_expiration = require;
        self
    }

    /// How accepted tokens are remembered.
    pub fn cache(mut self, cache: CacheConfig) -> Self {
        self.cache = cache;
        self
    }

    /// With fetched keys: whether tokens of any issuer are accepted that these keys sign.
    pub fn allow_any_issuer(mut self, allow: bool) -> Self {
        self.allow_any_issuer = allow;
        self
    }

    /// With fetched keys: whether tokens for any audience are accepted, and so those that the issuer made for other
    /// applications.
    pub fn allow_any_audience(mut self, allow: bool) -> Self {
        self.allow_any_audience = allow;
        self
    }

    /// With fetched keys: whether an element needs neither scopes nor `types = ["at+jwt"]`, see
    /// [`needs_scopes`](Self::needs_scopes).
    pub fn allow_unscoped_tokens(mut self, allow: bool) -> Self {
        self.allow_unscoped_tokens = allow;
        self
    }

    /// Whether an element with these tokens has to name scopes. The keys of an issuer sign ID tokens, too, which say who
    /// somebody is and not what they may do; unless `types` admits nothing but access tokens, only scopes tell them apart.
    ///
    /// A configuration file's elements are held to it. In code it is up to you.
    #[must_use]
    pub fn needs_scopes(&self) -> bool {
        self.signature.is_fetched() && !self.allow_unscoped_tokens && !self.only_access_tokens()
    }

    /// Whether `types` admits nothing but access tokens (RFC 9068 §2.1).
    fn only_access_tokens(&self) -> bool {
        self.types.iter().all(|typ| is_access_token_type(typ))
    }

    /// Whether a token has to say its type: one that does not may be an ID token.
    pub(super) fn requires_type(&self) -> bool {
        self.signature.is_fetched() && self.only_access_tokens()
    }

    /// Fills in what other keys say: whose tokens are accepted follows from whose keys are asked for.
    pub(super) fn complete(&mut self) {
        if self.issuer.is_none() && !self.allow_any_issuer {
            self.issuer = self.signature.discovers().map(str::to_owned);
        }
    }

    /// The keys, and all that is wrong, each with the key of the configuration.
    pub(super) fn resolve(&self) -> (Option<Keys>, Vec<(String, String)>) {
        let mut problems: Vec<(String, String)> =
            self.problems().into_iter().map(|(key, text)| (key.to_owned(), text)).collect();
        let keys = match self.signature.keys() {
            Ok(keys) => keys,
            Err((key, text)) => {
                problems.push((format!("signatureConfig.{key}"), text));
                return (None, problems);
            }
        };
        let algorithms = self.algorithms.as_deref().filter(|algorithms| !algorithms.is_empty());
        match (keys, algorithms) {
            (Keys::Fixed(keys), Some(algorithms)) => match keys.narrowed(algorithms) {
                Ok(keys) => (Some(Keys::Fixed(keys)), problems),
                Err(text) => {
                    problems.push(("algorithms".to_owned(), text));
                    (None, problems)
                }
            },
            // What fetched keys allow today they may not allow tomorrow, and the other way round.
            (keys, _) => (Some(keys), problems),
        }
    }

    /// What has to be said where keys are fetched. Such keys sign whatever their issuer issues.
    pub(super) fn unsaid(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        match (&self.issuer, self.signature.discovers()) {
            (Some(issuer), Some(discovers)) if issuer != discovers && !self.allow_any_issuer => {
                // User-info may hold a password. An issuer whose keys cannot be had is told at its own key.
                let shown = |text: &str, fit: bool| if fit { format!("{text:?}") } else { "another".to_owned() };
                let (issuer, discovers) = (
                    shown(issuer, !issuer.contains('@')),
                    shown(discovers, self.signature.keys().is_ok()),
                );
                let text = format!(
                    "is {issuer}, and signatureConfig.jwksConfig.issuer is {discovers}: the keys of an issuer are for its own \
                     tokens; make them equal, or name the keys by `url`"
                );
                problems.push(("issuer", text));
            }
            (None, None) if !self.allow_any_issuer => problems.push((
                "issuer",
                "required with `jwksConfig`: name the issuer of the tokens, or accept any whose tokens these keys sign with \
                 allowAnyIssuer = true"
                    .to_owned(),
            )),
            _ => {}
        }
        if self.audience.is_none() && !self.allow_any_audience {
            let text = "required with `jwksConfig`: the same keys sign tokens for other applications; name the audience of this \
                        one, or accept any with allowAnyAudience = true";
            problems.push(("audience", text.to_owned()));
        }
        problems
    }

    fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = if self.signature.is_fetched() { self.unsaid() } else { Vec::new() };
        let mut problem = |key, text: &str| problems.push((key, text.to_owned()));
        let single = [
            ("issuer", &self.issuer),
            ("username", &self.username),
            ("jwtId", &self.jwt_id),
            ("keyId", &self.key_id),
        ];
        for (key, value) in single {
            if value.as_deref() == Some("") {
                problem(key, "must not be empty: name what tokens have to say, or leave it out");
            }
        }
        let lists = [("audience", self.audience.as_deref()), ("types", Some(&*self.types))];
        for (key, list) in lists {
            match list {
                Some([]) => problem(key, "an empty list would refuse every token: name one, or leave it out"),
                Some(list) if list.iter().any(String::is_empty) => {
                    problem(key, "holds an empty string: name what tokens have to say");
                }
                _ => {}
            }
        }
        if self.algorithms.as_deref() == Some(&[]) {
            problem("algorithms", "an empty list would refuse every token: name one, or leave it out");
        }
        let secret = |algorithm: &&Algorithm| algorithm.least_secret().is_some();
        let stranger = self.algorithms.iter().flatten().find(secret);
        if let Some(stranger) = stranger.filter(|_| self.signature.is_fetched()) {
            let text = format!(
                "{stranger} needs a shared secret, which is never fetched: name algorithms of public keys, such as RS256, or give \
                 `secret` in the place of `jwksConfig`"
            );
            problem("algorithms", &text);
        }
        if self.scope_key.is_empty() {
            problem("scopeKey", "must not be empty: name the claim that holds the scopes");
        } else if self.scope_key.starts_with('/') && !portcullis_core::claims::is_pointer(&self.scope_key) {
            problem("scopeKey", "is not a JSON pointer: after `~` comes `0` (for `~`) or `1` (for `/`)");
        }
        problems
    }
}

/// How accepted tokens are remembered, so that the second request with a token costs no verification.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct CacheConfig {
    pub(super) capacity: usize,
    pub(super) max_age: Option<Duration>,
}

impl Default for CacheConfig {
    /// 10,000 tokens, each until it expires.
    fn default() -> Self {
        Self { capacity: 10_000, max_age: None }
    }
}

impl CacheConfig {
    /// Every request is verified anew.
    pub const fn off() -> Self {
        Self { capacity: 0, max_age: None }
    }

    /// How many tokens are remembered at most; with them goes a bound of 8 KiB of memory for each, so that it takes
    /// fewer large ones. Default 10,000; 0 switches the cache off.
    pub const fn capacity(mut self, capacity: usize) -> Self {
        self.capacity = capacity;
        self
    }

    /// How long a token is remembered at most. Default: until it expires.
    pub const fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = Some(max_age);
        self
    }
}
