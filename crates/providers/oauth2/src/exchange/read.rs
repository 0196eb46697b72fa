//! The records `grant = "token_exchange"` and `grant = "on_behalf_of"` read from a configuration.

use std::{fmt, sync::Arc, time::Duration};

use portcullis_core::{
    Authorization, TokenSource,
    config::{Section, Value},
};

use super::{
    config::{ActorSource, ExchangeCacheConfig, Protocol, TokenExchangeConfig},
    source::TokenExchange,
    token_type::TokenType,
};
use crate::grant::{
    self,
    read::{client::Who, records::finished, settings::Settled, settings::settings},
};

const TOKEN_EXCHANGE: &str = "token_exchange";
const ON_BEHALF_OF: &str = "on_behalf_of";

/// Longer than this a caller whose token became good should not stay refused.
const LONG_NEGATIVE: Duration = Duration::from_secs(60);

/// Reads the record of an exchange of callers' tokens, and makes the source of what is given for them. Notes all that is wrong
/// at its place, and answers `None` if anything is.
///
/// `grant` says which one it is, `token_exchange` (RFC 8693, where nothing is said) or `on_behalf_of` (Microsoft Entra). Beside
/// the keys that all grants have there are, in both, `cacheConfig` (`capacity`, `defaultMaxAge`, `negativeMaxAge`); and in the
/// first `audience`, `resource`, `subjectTokenType`, `requestedTokenType`, `actor` and `actorTokenType`.
///
/// `actor` is the record of a grant, a table with a `token`, or what the [`SignedTokenReader`] reads that is plugged into
/// the reader.
#[must_use]
pub fn read(section: &Section<'_>) -> Option<Arc<dyn TokenSource>> {
    let protocol = match section.choice("grant", &[TOKEN_EXCHANGE, ON_BEHALF_OF]) {
        Some(ON_BEHALF_OF) => Protocol::OnBehalfOf,
        _ => Protocol::Exchange,
    };
    let Settled { settings, complete } = settings(section, "tokenUrl", Who::Proved)?;
    let mut config =
        TokenExchangeConfig::by(protocol, settings.endpoint.clone(), settings.authentication.clone());
    config.settings = settings;
    match protocol {
        Protocol::Exchange => read_exchange(section, &mut config),
        // RFC 7523 §2.1 and Entra know none of the others: they are unknown keys.
        Protocol::OnBehalfOf => {
            let is_empty = section.has("scopes") && config.settings.scopes.is_empty();
            if is_empty && !section.failed_at("scopes") {
                section.problem("scopes", "must not be empty: it alone says what the token is for");
            }
        }
    }
    if let Some(cache) = section.section("cacheConfig") {
        config.cache = ExchangeCacheConfig::read(&cache);
    }
    let mut mistakes = config.mistakes();
    // What was told at its key is not missing as well.
    mistakes.retain(|mistake| mistake.key != "scopes" || !section.failed_at("scopes"));
    finished(section, complete, &mistakes, || TokenExchange::new(config))
}

fn read_exchange(section: &Section<'_>, config: &mut TokenExchangeConfig) {
    config.audience = section.strings("audience").unwrap_or_default();
    config.resource = section.strings("resource").unwrap_or_default();
    for (key, list) in [("audience", &config.audience), ("resource", &config.resource)] {
        if section.has(key) && list.is_empty() && !section.failed() {
            section.problem(key, "is an empty list: name what the token is for, or leave it out");
        }
    }
    config.subject_token_type = token_type(section, "subjectTokenType");
    config.requested_token_type = token_type(section, "requestedTokenType");
    let kind = token_type(section, "actorTokenType");
    if section.node("actor").is_some() {
        // Without its actor the token would be the caller's alone.
        config.actor = section.section("actor").and_then(|actor| actor.accounted(read_actor(&actor, kind)));
    } else if section.has("actorTokenType") {
        section.problem("actorTokenType", "belongs to an `actor`, and there is none: add one, or remove it");
    }
}

fn token_type(section: &Section<'_>, key: &str) -> Option<TokenType> {
    let text = section.string(key)?;
    let kind = TokenType::parse(&text);
    if kind.is_none() {
        section.problem(
            key,
            format!(
                "{text:?} is not one of \"access_token\", \"jwt\", \"id_token\", nor the URI of a kind of token \
                 to call services with"
            ),
        );
    }
    kind
}

fn read_actor(section: &Section<'_>, kind: Option<TokenType>) -> Option<ActorSource> {
    const SIGNED: &str = "signatureConfig";
    let signed = section.has(SIGNED);
    let source = if signed {
        let Some(reader) = section.reader().plugged::<SignedTokenReader>() else {
            section.problem(SIGNED, "this build of portcullis cannot sign tokens: add its feature `jwt`");
            // One mistake is enough: the other keys are known elsewhere.
            section.keys().for_each(|key| _ = section.node(key));
            return None;
        };
        reader.read(section)?
    } else if section.has("token") {
        let token = section.required_secret("token")?;
        let token = Authorization::bearer(&token);
        Arc::new(token.map_err(|error| section.problem("token", error.to_string())).ok()?)
    } else {
        grant::read(section)?
    };
    let usual = if signed { TokenType::jwt } else { TokenType::access_token };
    Some(ActorSource { source, kind: kind.unwrap_or_else(usual) })
}

impl ExchangeCacheConfig {
    /// Reads a `cacheConfig`.
    pub fn read(section: &Section<'_>) -> Self {
        const MOST: usize = 10_000_000;
        let mut config = Self::default();
        if let Some(capacity) = section.size("capacity", 0..=MOST) {
            config.capacity = capacity;
            if capacity == 0 {
                section.warn("capacity", "every call exchanges a token: the endpoint is asked each time");
            }
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
        if let Some(max_age) = section.duration("negativeMaxAge") {
            config.negative_max_age = max_age;
            if max_age > LONG_NEGATIVE {
                section.warn(
                    "negativeMaxAge",
                    "a caller whom the endpoint accepts again is refused for longer than a minute",
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

type Reads = dyn Fn(&Section<'_>) -> Option<Arc<dyn TokenSource>> + Send + Sync;

/// Makes a source of tokens that the service signs itself of a section `actor`. Plugged into the configuration's reader
/// ([`Reader::plug`](portcullis_core::config::Reader::plug)) by whoever assembles it, since signing lives in another crate.
#[derive(Clone)]
pub struct SignedTokenReader(Arc<Reads>);

impl SignedTokenReader {
    /// `read` notes what is wrong in the section, and answers `None` then.
    #[must_use]
    pub fn new(read: impl Fn(&Section<'_>) -> Option<Arc<dyn TokenSource>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    fn read(&self, section: &Section<'_>) -> Option<Arc<dyn TokenSource>> {
        (self.0)(section)
    }
}

impl fmt::Debug for SignedTokenReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedTokenReader").finish_non_exhaustive()
    }
}
