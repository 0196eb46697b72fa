//! How tokens are exchanged: the record in code.

use std::{fmt, sync::Arc, time::Duration};

use portcullis_core::TokenSource;
use portcullis_outbound::Endpoint;

use super::token_type::{TokenType, is_absolute_uri};
use crate::{
    grant::{
        ClientAuthentication,
        settings::{Settings, common_setters},
    },
    params::Mistake,
};

/// How tokens of callers are exchanged. Made in code, or read by [`exchange::read`](super::read()).
#[derive(Clone)]
#[must_use]
pub struct TokenExchangeConfig {
    pub(super) settings: Settings,
    pub(super) protocol: Protocol,
    pub(super) audience: Vec<String>,
    pub(super) resource: Vec<String>,
    pub(super) subject_token_type: Option<TokenType>,
    pub(super) requested_token_type: Option<TokenType>,
    pub(super) actor: Option<ActorSource>,
    pub(super) cache: ExchangeCacheConfig,
}

/// How the endpoint is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// RFC 8693.
    Exchange,
    /// The JWT bearer grant with the caller's token as assertion, and `requested_token_use=on_behalf_of`.
    OnBehalfOf,
}

/// Where the token of whoever acts in the caller's name comes from.
#[derive(Clone, Debug)]
pub(super) struct ActorSource {
    pub(super) source: Arc<dyn TokenSource>,
    pub(super) kind: TokenType,
}

impl Protocol {
    /// The parameters that are its own, beside those of every grant.
    const fn own(self) -> &'static [&'static str] {
        match self {
            Self::Exchange => &[
                "subject_token",
                "subject_token_type",
                "actor_token",
                "actor_token_type",
                "requested_token_type",
                "audience",
                "resource",
            ],
            Self::OnBehalfOf => &["assertion", "requested_token_use"],
        }
    }
}

impl TokenExchangeConfig {
    /// Exchanges callers' tokens at `token_endpoint` (RFC 8693), as this client.
    pub fn new(token_endpoint: Endpoint, client: ClientAuthentication) -> Self {
        Self::by(Protocol::Exchange, token_endpoint, client)
    }

    /// Exchanges callers' tokens by the JWT bearer grant (RFC 7523 §2.1) with `requested_token_use=on_behalf_of`, which is
    /// Microsoft Entra's way. The caller's token is the assertion, and [scopes](Self::scopes) say what the new one is for.
    ///
    /// Without scopes it is a mistake. Audience, resource, kinds of tokens and an actor are no part of it: they are mistakes,
    /// too.
    pub fn on_behalf_of(token_endpoint: Endpoint, client: ClientAuthentication) -> Self {
        Self::by(Protocol::OnBehalfOf, token_endpoint, client)
    }

    pub(super) fn by(protocol: Protocol, endpoint: Endpoint, client: ClientAuthentication) -> Self {
        Self {
            settings: Settings::new(endpoint, client),
            protocol,
            audience: Vec::new(),
            resource: Vec::new(),
            subject_token_type: None,
            requested_token_type: None,
            actor: None,
            cache: ExchangeCacheConfig::default(),
        }
    }

    /// Names of the services that the token is for, as the endpoint knows them. Each is sent as a parameter of its own.
    pub fn audience<S: Into<String>>(mut self, audience: impl IntoIterator<Item = S>) -> Self {
        self.audience = audience.into_iter().map(Into::into).collect();
        self
    }

    /// Where the services are that the token is for: absolute URIs without a fragment (RFC 8707 §2). Each is sent as a
    /// parameter of its own.
    pub fn resource<S: Into<String>>(mut self, resource: impl IntoIterator<Item = S>) -> Self {
        self.resource = resource.into_iter().map(Into::into).collect();
        self
    }

    /// What kind of token callers show. Default an access token.
    pub fn subject_token_type(mut self, kind: TokenType) -> Self {
        self.subject_token_type = Some(kind);
        self
    }

    /// What kind of token is asked for. Unless given, the endpoint chooses, and only an access token or a JWT is taken.
    pub fn requested_token_type(mut self, kind: TokenType) -> Self {
        self.requested_token_type = Some(kind);
        self
    }

    /// Who acts in the callers' names: this service itself, as its own token says, which `source` gives (RFC 8693 §1.1,
    /// delegation). Unless given, there is no actor (impersonation).
    pub fn actor(mut self, source: Arc<dyn TokenSource>, kind: TokenType) -> Self {
        self.actor = Some(ActorSource { source, kind });
        self
    }

    /// How many exchanged tokens are kept, and how long.
    pub fn cache(mut self, cache: ExchangeCacheConfig) -> Self {
        self.cache = cache;
        self
    }

    common_setters!();

    /// All that is wrong, each with the key of the configuration.
    pub(super) fn mistakes(&self) -> Vec<Mistake> {
        let mut mistakes = self.settings.mistakes(self.protocol.own());
        let mut mistake = |key, text: &str| mistakes.push(Mistake::at(key, text));
        if self.protocol == Protocol::OnBehalfOf {
            if self.settings.scopes.is_empty() {
                mistake("scopes", "required, and missing: it alone says what the token is for");
            }
            let foreign = [
                ("audience", !self.audience.is_empty()),
                ("resource", !self.resource.is_empty()),
                ("subjectTokenType", self.subject_token_type.is_some()),
                ("requestedTokenType", self.requested_token_type.is_some()),
                ("actor", self.actor.is_some()),
            ];
            for (key, _) in foreign.into_iter().filter(|(_, given)| *given) {
                mistake(key, "is no part of this grant: name what the token is for in `scopes`");
            }
        }
        if self.audience.iter().any(|name| name.trim().is_empty()) {
            mistake("audience", "holds an empty name: name the service, or leave it out");
        }
        // RFC 8707 §2: "Its value MUST be an absolute URI, as specified by Section 4.3 of [RFC3986]."
        // "The URI MUST NOT include a fragment component."
        if self.resource.iter().any(|uri| !is_absolute_uri(uri)) {
            mistake(
                "resource",
                "holds what is no absolute URI without fragment, such as https://orders.example",
            );
        }
        mistakes
    }
}

/// Shows the names of parameters, and no value of theirs.
impl fmt::Debug for TokenExchangeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenExchangeConfig")
            .field("settings", &self.settings)
            .field("protocol", &self.protocol)
            .field("audience", &self.audience)
            .field("resource", &self.resource)
            .field("subject_token_type", &self.subject_token_type)
            .field("requested_token_type", &self.requested_token_type)
            .field("actor", &self.actor)
            .field("cache", &self.cache)
            .finish()
    }
}

/// How many exchanged tokens are kept, and how long: `cacheConfig`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct ExchangeCacheConfig {
    pub(super) capacity: usize,
    pub(super) max_age: Option<Duration>,
    pub(super) negative_max_age: Duration,
}

impl Default for ExchangeCacheConfig {
    /// 10,000 tokens, each as long as it is good; callers who are refused for five seconds.
    fn default() -> Self {
        Self { capacity: 10_000, max_age: None, negative_max_age: Duration::from_secs(5) }
    }
}

impl ExchangeCacheConfig {
    /// How many tokens are kept at most, one for each caller's token; with them goes a bound of 8 KiB of memory for each, so
    /// that it takes fewer large ones. As many callers who were refused are remembered beside them. Those that are used
    /// least make room. Default 10,000; 0: none is kept, and every call exchanges one.
    pub const fn capacity(mut self, capacity: usize) -> Self {
        self.capacity = capacity;
        self
    }

    /// How long a token is used at most, counted from the moment at which it was asked for. Default as long as it is good,
    /// and its caller's own token with it.
    pub const fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = Some(max_age);
        self
    }

    /// How long a caller is told, without asking, what the endpoint said that does not exchange the caller's token. Default
    /// five seconds; zero: not at all.
    pub const fn negative_max_age(mut self, max_age: Duration) -> Self {
        self.negative_max_age = max_age;
        self
    }
}
