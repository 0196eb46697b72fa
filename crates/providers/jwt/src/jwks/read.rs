//! `jwksConfig` read from a configuration.

use portcullis_core::config::{Node, Section, Value};
use portcullis_outbound::{ClientConfig, Purpose, read_endpoint};

use super::JwksConfig;

impl JwksConfig {
    /// Reads a `jwksConfig`. Notes all that is wrong at its place, and answers `None` if anything is.
    #[must_use]
    pub fn read(section: &Section<'_>) -> Option<Self> {
        let client = ClientConfig::read(section, Purpose::Keys);
        let place = section.exactly_one(&["url", "issuer"]);
        // Notes what is wrong with it; the text is needed as it was written.
        let endpoint = place.and_then(|key| read_endpoint(section, key, client.as_ref()));
        let text = match place.and_then(|key| section.node(key)).map(Node::value) {
            Some(Value::String(text)) => text.as_str(),
            _ => "",
        };
        let mut config = if place == Some("issuer") { Self::issuer(text) } else { Self::url(text) };
        config = config.preload(section.boolean("preload", false));
        if let Some(interval) = section.duration("minRefreshInterval") {
            config = config.min_refresh_interval(interval);
        }
        if let Some(max_stale) = section.duration("maxStale") {
            config = config.max_stale(max_stale);
        }
        if let Some(cache) = section.section("cacheConfig") {
            config = config.read_cache(&cache);
        }
        if let Some(client) = client {
            config = config.client(client).clock(section.reader().clock());
        }
        let mut mistakes = config.out_of_bounds();
        if endpoint.is_some() {
            mistakes.extend(config.place().err());
        }
        for (key, text) in mistakes {
            section.problem(key.trim_start_matches("jwksConfig."), text);
        }
        (!section.failed()).then_some(config)
    }

    fn read_cache(self, section: &Section<'_>) -> Self {
        for key in ["capacity", "evictionFactor", "evictionPolicy", "cleanupInterval"] {
            section.accept_unneeded(key, "the key set is kept whole, and renewed as a whole");
        }
        // -1 says that there is no limit, as in Ballerina; a day is the limit of all.
        let unlimited = match section.node("defaultMaxAge").map(|node| node.value()) {
            Some(Value::Integer(number)) => *number == -1,
            Some(Value::Float(number)) => *number == -1.0,
            _ => false,
        };
        if unlimited {
            return self.unlimited_age();
        }
        match section.duration("defaultMaxAge") {
            Some(age) => self.max_age(age),
            None => self,
        }
    }
}
