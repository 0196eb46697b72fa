//! `jwksConfig` read from a configuration.

use portcullis_core::config::{Section, Value};
use portcullis_outbound::{ClientConfig, Purpose, read_endpoint};

use super::JwksConfig;

impl JwksConfig {
    /// Reads a `jwksConfig`. Notes all that is wrong at its place, and answers `None` if anything is.
    #[must_use]
    pub fn read(section: &Section<'_>) -> Option<Self> {
        let client = ClientConfig::read(section, Purpose::Keys);
        let place = section.exactly_one(&["url", "issuer"]);
        if let Some(key) = place {
            // Notes what is wrong with it; and the text is needed as it was written.
            let _ = read_endpoint(section, key, client.as_ref());
        }
        let text = |key: &str| section.string(key).unwrap_or_default();
        let mut config = match place {
            Some("issuer") => Self::issuer(text("issuer")),
            _ => Self::url(place.map(text).unwrap_or_default()),
        };
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
        let client = client?;
        (!section.failed()).then(|| config.client(client).clock(section.reader().clock()))
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
            return self.limitless();
        }
        match section.duration("defaultMaxAge") {
            Some(age) => self.max_age(age),
            None => self,
        }
    }
}
