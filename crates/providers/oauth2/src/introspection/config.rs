//! Which server is asked, and what of its answers is believed: `oauth2IntrospectionConfig` in code.

use std::{fmt, time::Duration};

use portcullis_core::Secret;
use portcullis_outbound::{ClientConfig, Endpoint};

use crate::{
    params::{self, Mistake},
    server::ClientSecret,
};

/// The parameters that are the provider's own.
pub(super) const OWN: [&str; 2] = ["token", "token_type_hint"];

/// Which server is asked about tokens, and what of its answers is believed. Made in code, or read from a section of
/// Config.toml.
///
/// What is not asked for is not compared: without an `audience` a token for any application is accepted.
#[derive(Clone)]
#[must_use]
pub struct IntrospectionConfig {
    pub(super) endpoint: Endpoint,
    pub(super) token_type_hint: Option<String>,
    pub(super) optional_params: Vec<(String, String)>,
    pub(super) cache: Option<CacheConfig>,
    pub(super) default_token_exp_time: Duration,
    pub(super) scope_key: String,
    pub(super) client: ClientConfig,
    pub(super) client_secret: Option<ClientSecret>,
    pub(super) issuer: Option<String>,
    pub(super) audience: Option<Vec<String>>,
}

impl IntrospectionConfig {
    /// Asks the server at `endpoint` about every token, and remembers nothing.
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            token_type_hint: None,
            optional_params: Vec::new(),
            cache: None,
            default_token_exp_time: Duration::from_secs(3600),
            scope_key: "scope".to_owned(),
            client: ClientConfig::default(),
            client_secret: None,
            issuer: None,
            audience: None,
        }
    }

    /// What the server is told about the kind of token, such as `access_token` (RFC 7662 §2.1).
    pub fn token_type_hint(mut self, hint: impl Into<String>) -> Self {
        self.token_type_hint = Some(hint.into());
        self
    }

    /// A further parameter of every question. `token` and `token_type_hint` are not among those that may be given.
    pub fn optional_param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.optional_params.push((name.into(), value.into()));
        self
    }

    /// Answers are remembered. Default: they are not.
    pub fn cache(mut self, cache: CacheConfig) -> Self {
        self.cache = Some(cache);
        self
    }

    /// For how long an active token without `exp` is taken to be good, from the moment at which the server was asked:
    /// the longest that it is remembered. Default an hour.
    pub fn default_token_exp_time(mut self, span: Duration) -> Self {
        self.default_token_exp_time = span;
        self
    }

    /// The member of the answer that holds the scopes, a string split on white space or an array of strings; where it
    /// starts with `/` a JSON pointer (RFC 6901), such as `/realm_access/roles`. Default `scope`.
    ///
    /// A token whose answer lacks it has no scopes; one where it is something else is refused.
    pub fn scope_key(mut self, scope_key: impl Into<String>) -> Self {
        self.scope_key = scope_key.into();
        self
    }

    /// How the server is called: `clientConfig`.
    pub fn client(mut self, client: ClientConfig) -> Self {
        self.client = client;
        self
    }

    /// The name and secret by which the server knows us, sent by HTTP Basic as RFC 6749 §2.3.1 has it. A `client` that
    /// sends an `Authorization` of its own excludes it.
    pub fn client_secret(mut self, id: impl Into<String>, secret: impl Into<Secret>) -> Self {
        self.client_secret = Some(ClientSecret { id: id.into(), secret: secret.into() });
        self
    }

    /// `iss` has to be this.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// `aud` has to hold one of these.
    pub fn audience<S: Into<String>>(mut self, audience: impl IntoIterator<Item = S>) -> Self {
        self.audience = Some(audience.into_iter().map(Into::into).collect());
        self
    }

    /// All that is wrong, each with the key of the configuration.
    pub(super) fn mistakes(&self) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        let mut mistake = |key, text: &str| mistakes.push(Mistake::at(key, text));
        for (key, value) in [("issuer", &self.issuer), ("tokenTypeHint", &self.token_type_hint)] {
            if value.as_deref() == Some("") {
                mistake(key, "must not be empty: set it, or leave it out");
            }
        }
        match self.audience.as_deref() {
            Some([]) => {
                mistake("audience", "an empty list would refuse every token: name one, or leave it out")
            }
            Some(list) if list.iter().any(String::is_empty) => {
                mistake("audience", "holds an empty string: name what tokens have to say");
            }
            _ => {}
        }
        if self.scope_key.is_empty() {
            mistake("scopeKey", "must not be empty: name the member that holds the scopes");
        } else if self.scope_key.starts_with('/') && !portcullis_core::claims::is_pointer(&self.scope_key) {
            mistake("scopeKey", "is not a JSON pointer: after `~` comes `0` (for `~`) or `1` (for `/`)");
        }
        if let Some(client) = &self.client_secret {
            if client.id.is_empty() || client.secret.is_empty() {
                mistake("client_secret", "neither the name nor the secret may be empty");
            }
            if self.client.sends_authorization() {
                mistake("client_secret", "beside an `Authorization` of the client's: keep one of them");
            }
        }
        mistakes.extend(params::mistakes(&self.optional_params, || self.client.payload_names(), &OWN));
        mistakes
    }
}

/// Shows the names of parameters, and no value of theirs.
impl fmt::Debug for IntrospectionConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.optional_params.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("IntrospectionConfig")
            .field("endpoint", &self.endpoint)
            .field("token_type_hint", &self.token_type_hint)
            .field("optional_params", &names)
            .field("cache", &self.cache)
            .field("default_token_exp_time", &self.default_token_exp_time)
            .field("scope_key", &self.scope_key)
            .field("client", &self.client)
            .field("client_secret", &self.client_secret)
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .finish()
    }
}

/// How answers are remembered, so that the second request with a token costs no call.
///
/// What is remembered is believed although the server might say otherwise by now: for `max_age` a revoked token is still
/// good, and for `negative_max_age` one that was activated is not.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct CacheConfig {
    pub(super) capacity: usize,
    pub(super) max_age: Option<Duration>,
    pub(super) negative_max_age: Duration,
}

impl Default for CacheConfig {
    /// 10,000 tokens, each for a minute at most; refused ones for five seconds.
    fn default() -> Self {
        Self {
            capacity: 10_000,
            max_age: Some(Duration::from_secs(60)),
            negative_max_age: Duration::from_secs(5),
        }
    }
}

impl CacheConfig {
    /// How many active tokens are remembered at most; with them goes a bound of 8 KiB of memory for each, so that it
    /// takes fewer large ones. As many refused ones are remembered beside them. Default 10,000; 0 switches the cache
    /// off.
    pub const fn capacity(mut self, capacity: usize) -> Self {
        self.capacity = capacity;
        self
    }

    /// How long an active token is remembered at most. Default a minute; never beyond its `exp`.
    pub const fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = Some(max_age);
        self
    }

    /// An active token is remembered until its `exp`, however far that is: until then a revoked token is accepted.
    pub const fn unlimited_age(mut self) -> Self {
        self.max_age = None;
        self
    }

    /// How long a refused token is remembered. Default five seconds; zero: not at all.
    pub const fn negative_max_age(mut self, max_age: Duration) -> Self {
        self.negative_max_age = max_age;
        self
    }
}
