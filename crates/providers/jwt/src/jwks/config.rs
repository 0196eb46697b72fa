//! `jwksConfig` in code.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use portcullis_core::{Clock, SystemClock};
use portcullis_outbound::{ClientConfig, Endpoint, HttpClient};

use super::{
    discovery::Issuer,
    freshness::LONGEST_AGE,
    held::Ages,
    http_fetch::{HttpFetch, Place},
    source::{KeySource, Settings},
};

/// The default of [`JwksConfig::max_age`].
const MAX_AGE: Duration = Duration::from_secs(300);
/// The default of [`JwksConfig::min_refresh_interval`], and its bounds.
const MIN_REFRESH_INTERVAL: Duration = Duration::from_secs(10);
const INTERVALS: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3600);
/// The default of [`JwksConfig::max_stale`], and the most that it may be.
const MAX_STALE: Duration = Duration::from_secs(60 * 60);
const LONGEST_STALE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How much longer than its own deadlines a fetch may take before it is given up for lost.
const GRACE: Duration = Duration::from_secs(5);

/// Where an issuer publishes its keys, and how they are fetched and kept.
///
/// The set is fetched when the first token needs it, or at start with [`preload`](Self::preload). It is renewed in the
/// background before it is too old, as `Cache-Control` says: not more often than
/// [`min_refresh_interval`](Self::min_refresh_interval), and at least once a day. A token of a key that nobody knows yet
/// waits for one fetch that it shares with all others.
///
/// ```
/// use portcullis_jwt::{JwksConfig, JwtValidator, JwtValidatorConfig, SignatureConfig};
///
/// let keys = SignatureConfig::jwks(JwksConfig::issuer("https://id.example"));
/// let orders = JwtValidator::new(JwtValidatorConfig::new(keys.clone()).audience(["orders"]))?;
/// // Of the same `keys`: the key set is fetched once for both.
/// let bills = JwtValidator::new(JwtValidatorConfig::new(keys).audience(["bills"]))?;
///
/// assert_eq!(orders.key_set().map(|set| set.count), Some(0), "nobody has been asked yet");
///
/// // Keys sign tokens for every application of their issuer: one has to say which is this.
/// let keys = SignatureConfig::jwks(JwksConfig::issuer("https://id.example"));
/// assert!(JwtValidator::new(JwtValidatorConfig::new(keys)).is_err());
/// # drop(bills);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct JwksConfig {
    origin: Origin,
    client: ClientConfig,
    preload: bool,
    min_refresh_interval: Duration,
    max_stale: Duration,
    max_age: Duration,
    clock: Option<Arc<dyn Clock>>,
}

#[derive(Clone, Debug)]
enum Origin {
    Url(String),
    Issuer(String),
}

/// A key of the configuration relative to `signatureConfig`, and what is wrong there.
pub(crate) type Mistake = (&'static str, String);

impl JwksConfig {
    /// The key set (RFC 7517 §5) at this URL.
    pub fn url(url: impl Into<String>) -> Self {
        Self::of(Origin::Url(url.into()))
    }

    /// The key set that the issuer's discovery document names: `/.well-known/openid-configuration` (OpenID Connect
    /// Discovery 1.0), or where there is none, `/.well-known/oauth-authorization-server` (RFC 8414).
    ///
    /// `issuer` of the document has to be this text, byte for byte. A validator without an `issuer` of its own asks tokens
    /// for this one.
    pub fn issuer(issuer: impl Into<String>) -> Self {
        Self::of(Origin::Issuer(issuer.into()))
    }

    fn of(origin: Origin) -> Self {
        Self {
            origin,
            client: ClientConfig::new(),
            preload: false,
            min_refresh_interval: MIN_REFRESH_INTERVAL,
            max_stale: MAX_STALE,
            max_age: MAX_AGE,
            clock: None,
        }
    }

    /// How the servers are called. Its custom headers and its tokens go to the server of the URL or of the issuer, and to
    /// no other that a discovery document names.
    pub fn client(mut self, client: ClientConfig) -> Self {
        self.client = client;
        self
    }

    /// Whether a service does not start without the keys. Default false: they are fetched with the first token.
    ///
    /// They are waited for in [`Provider::prepare`](portcullis_core::Provider::prepare). A service that is built from a
    /// configuration file calls it; for one that is built in code it is yours to call.
    pub fn preload(mut self, preload: bool) -> Self {
        self.preload = preload;
        self
    }

    /// How often keys are fetched at most: twice at once, and then once in this time. Default 10 s; from 100 ms to an hour.
    pub fn min_refresh_interval(mut self, interval: Duration) -> Self {
        self.min_refresh_interval = interval;
        self
    }

    /// For how long keys that are too old stay in use while no newer ones can be had. Default an hour, at most seven days.
    pub fn max_stale(mut self, max_stale: Duration) -> Self {
        self.max_stale = max_stale;
        self
    }

    /// How old keys may become where the server does not say. Default 300 s. They are renewed from three quarters of that
    /// age on.
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }

    /// The same without an age of its own where the server does not say: a day is the limit of all.
    pub(super) fn unlimited_age(self) -> Self {
        self.max_age(LONGEST_AGE)
    }

    /// The clock that ages, intervals and deadlines are measured by; the machine's unless given.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.client = self.client.clock(Arc::clone(&clock));
        self.clock = Some(clock);
        self
    }

    /// The issuer whose discovery document is asked.
    pub(crate) fn discovers(&self) -> Option<&str> {
        match &self.origin {
            Origin::Issuer(issuer) => Some(issuer),
            Origin::Url(_) => None,
        }
    }

    fn build(&self) -> Result<KeySource, Mistake> {
        let place = self.place()?;
        if let Some(mistake) = self.out_of_bounds().pop() {
            return Err(mistake);
        }
        let client = HttpClient::new(self.client.clone())
            .map_err(|error| ("jwksConfig.clientConfig", format!("{error:?}")))?;
        let settings = Settings {
            clock: self.clock.clone().unwrap_or_else(|| Arc::new(SystemClock::new())),
            ages: Ages { default: self.max_age, least: self.min_refresh_interval, stale: self.max_stale },
            min_refresh_interval: self.min_refresh_interval,
            lost_after: self.lost_after(),
            preload: self.preload,
            random,
        };
        Ok(KeySource::new(Box::new(HttpFetch::new(client, place)), settings))
    }

    /// After how long a fetch that nobody heard of is lost: the runtime that it runs on stands still.
    fn lost_after(&self) -> Duration {
        // An issuer is asked for two documents at most, and then for its keys.
        let calls = if self.discovers().is_some() { 3 } else { 1 };
        self.client.longest_call().saturating_mul(calls).saturating_add(GRACE)
    }

    /// Spans that make no sense.
    pub(super) fn out_of_bounds(&self) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        if !INTERVALS.contains(&self.min_refresh_interval) {
            let (least, most) = INTERVALS.into_inner();
            let text = format!("is out of bounds: from {least:?} to {} s", most.as_secs());
            mistakes.push(("jwksConfig.minRefreshInterval", text));
        }
        if self.max_stale > LONGEST_STALE {
            let text = "is more than seven days: keys that old may have been withdrawn long ago".to_owned();
            mistakes.push(("jwksConfig.maxStale", text));
        }
        mistakes
    }

    pub(super) fn place(&self) -> Result<Place, Mistake> {
        let (place, key) = match &self.origin {
            Origin::Url(url) => {
                let endpoint = Endpoint::parse(url);
                (endpoint.map(Place::Url).map_err(|error| error.to_string()), "jwksConfig.url")
            }
            Origin::Issuer(issuer) => (Issuer::parse(issuer).map(Place::Issuer), "jwksConfig.issuer"),
        };
        let place = place.map_err(|why| (key, why))?;
        let (Place::Url(endpoint) | Place::Issuer(Issuer { endpoint, .. })) = &place;
        self.client.permits(endpoint).map_err(|why| (key, why))?;
        Ok(place)
    }
}

/// A number from 0 to 1; the middle where the machine has no randomness to give, for it is jitter only.
fn random() -> f64 {
    let mut bytes = [0; 4];
    match aws_lc_rs::rand::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 0.5,
    }
}

/// Shows neither a URL's query nor a value of `client`.
impl fmt::Debug for JwksConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place();
        f.debug_struct("JwksConfig")
            .field("place", &place.as_ref().map_err(|(_, why)| why))
            .field("client", &self.client)
            .field("preload", &self.preload)
            .field("min_refresh_interval", &self.min_refresh_interval)
            .field("max_stale", &self.max_stale)
            .field("max_age", &self.max_age)
            .finish_non_exhaustive()
    }
}

/// The key set of a configuration: one for all that were made of it.
#[derive(Clone)]
pub(crate) struct Jwks(Arc<(JwksConfig, OnceLock<Result<KeySource, Mistake>>)>);

impl Jwks {
    pub(crate) fn new(config: JwksConfig) -> Self {
        Self(Arc::new((config, OnceLock::new())))
    }

    pub(crate) fn config(&self) -> &JwksConfig {
        &self.0.0
    }

    /// The key set, which contacts nobody by being made.
    ///
    /// # Errors
    ///
    /// When the configuration cannot work.
    pub(crate) fn source(&self) -> Result<KeySource, Mistake> {
        let (config, source) = &*self.0;
        source.get_or_init(|| config.build()).clone()
    }
}

impl fmt::Debug for Jwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.config().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_fetch_is_lost_before_all_of_its_calls_are_out_of_time() {
        let seconds = Duration::from_secs;
        let client = || ClientConfig::new().request_timeout(seconds(7));
        for (config, lost_after) in [
            (JwksConfig::url("https://issuer.example/jwks"), 10 + 5),
            (JwksConfig::url("https://issuer.example/jwks").client(client()), 7 + 5),
            (JwksConfig::issuer("https://issuer.example").client(client()), 3 * 7 + 5),
        ] {
            assert_eq!(config.lost_after(), seconds(lost_after));
        }
    }

    #[test]
    fn a_random_number_is_somewhere_from_zero_to_one() {
        let numbers: Vec<f64> = (0..256).map(|_| random()).collect();
        assert!(numbers.iter().all(|number| (0.0..=1.0).contains(number)), "{numbers:?}");
        assert!(numbers.iter().any(|number| *number < 0.5) && numbers.iter().any(|number| *number > 0.5));
    }
}
