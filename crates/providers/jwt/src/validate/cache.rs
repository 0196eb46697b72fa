//! Verified tokens, remembered until they expire.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::{Arc, OnceLock},
    time::Duration,
};

use portcullis_core::{ClaimsSource, Clock, Identity, UnixTime};
use quick_cache::{Equivalent, Weighter, sync::Cache};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{Accepted, claims, claims::Times, config::CacheConfig};
use crate::{
    jws::{Compact, json},
    keys::{Key, KeySet},
};

/// What an entry counts at least, in bytes. The cache holds as many times this as it may hold entries, so both are
/// bounded by one number: 10,000 entries never take more than 80 MB.
const UNIT: u32 = 8 * 1024;

/// Tokens are compared whole: two that differ in one bit are two. Only tokens that were accepted are in it.
pub(super) struct TokenCache {
    entries: Cache<Arc<Token>, Arc<Entry>, ByBytes>,
    max_age: Option<Duration>,
    /// The clock that ages are measured by. Services that share a provider each bring a clock with a start of its own;
    /// the first one is used for all.
    clock: OnceLock<Arc<dyn Clock>>,
}

/// What a token was found to say, and what has to be looked at again whenever it comes back.
struct Entry {
    identity: Arc<Identity>,
    not_before: Option<UnixTime>,
    key: Arc<Key>,
    /// Where the key stood in its set.
    place: u32,
    weight: u32,
    /// On the monotonic scale, so that setting the machine's clock back makes no entry live longer.
    good_until: Option<Duration>,
}

impl TokenCache {
    /// `None` where the configuration switches it off.
    pub(super) fn new(config: &CacheConfig) -> Option<Self> {
        let capacity = config.capacity;
        (capacity > 0).then(|| Self {
            entries: Cache::with_weighter(capacity, u64::from(UNIT).saturating_mul(capacity as u64), ByBytes),
            max_age: config.max_age,
            clock: OnceLock::new(),
        })
    }

    /// Whose token it is, if it was accepted before and would be now. Allocates nothing.
    pub(super) fn get(
        &self,
        token: &[u8],
        clock: &Arc<dyn Clock>,
        keys: &KeySet,
        skew: Duration,
    ) -> Option<Arc<Identity>> {
        let entry = self.entries.get(&Shown(token))?;
        let now = clock.now();
        let too_old = entry.good_until.is_some_and(|until| self.monotonic(clock) >= until);
        let good = !too_old
            && entry.times().check(now, skew).is_ok()
            && keys.holds(&entry.key, entry.place as usize)
            && entry.key.is_valid_at(now).is_ok();
        if good {
            return Some(Arc::clone(&entry.identity));
        }
        self.entries.remove(&Shown(token));
        None
    }

    /// Remembers whose token it is. The claims are read from the token when somebody looks at them, so that an entry takes
    /// little more than the token.
    pub(super) fn put(
        &self,
        token: &[u8],
        accepted: Accepted,
        clock: &Arc<dyn Clock>,
        now: UnixTime,
        skew: Duration,
    ) -> Arc<Identity> {
        let Accepted { identity, times, key, place, payload } = accepted;
        let left = times.expires_at.map(|expires_at| expires_at.saturating_add(skew).since(now));
        let age = [left, self.max_age].into_iter().flatten().min();
        let good_until = age.map(|age| self.monotonic(clock).saturating_add(age));
        let bytes = token.len() + size_of::<Entry>() + size_of::<Identity>() + claims::most_bytes(&payload);
        let token = Arc::new(Token(Zeroizing::new(token.into())));
        let identity = Arc::new(identity.with_claims_from(Arc::<Token>::clone(&token)));
        let entry = Entry {
            identity: Arc::clone(&identity),
            not_before: times.not_before,
            key,
            place: u32::try_from(place).unwrap_or_default(),
            weight: u32::try_from(bytes).unwrap_or(u32::MAX).max(UNIT),
            good_until,
        };
        self.entries.insert(token, Arc::new(entry));
        identity
    }

    fn monotonic(&self, clock: &Arc<dyn Clock>) -> Duration {
        self.clock.get_or_init(|| Arc::clone(clock)).monotonic()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    #[cfg(test)]
    pub(super) fn weight(&self) -> u64 {
        self.entries.weight()
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache").field("len", &self.entries.len()).finish_non_exhaustive()
    }
}

impl Entry {
    fn times(&self) -> Times {
        Times { expires_at: self.identity.expires_at(), not_before: self.not_before }
    }
}

/// A raw token, overwritten when dropped. That is when it is forgotten, and so is the caller who came with it.
#[derive(PartialEq, Eq)]
struct Token(Zeroizing<Box<[u8]>>);

impl ClaimsSource for Token {
    fn claims(&self) -> Map<String, Value> {
        // It was read before.
        Compact::split(&self.0)
            .and_then(|compact| compact.payload())
            .map(|payload| claims_of(&payload))
            .unwrap_or_default()
    }
}

/// The payload of a token that is not remembered.
pub(super) struct Payload(pub(super) Vec<u8>);

impl ClaimsSource for Payload {
    fn claims(&self) -> Map<String, Value> {
        claims_of(&self.0)
    }
}

fn claims_of(payload: &[u8]) -> Map<String, Value> {
    json::object(payload, "the payload").unwrap_or_default()
}

impl Hash for Token {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Shown(&self.0).hash(state);
    }
}

/// A token that a request shows.
struct Shown<'t>(&'t [u8]);

/// How much of a token's end says where it is looked for. That much of a signature is as good as random: only who signs
/// tokens could make two alike, and they would still be told apart, by all that they are.
const END: usize = 32;

impl Hash for Shown<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.0.last_chunk::<END>().map_or(self.0, |end| end));
    }
}

impl Equivalent<Arc<Token>> for Shown<'_> {
    fn equivalent(&self, token: &Arc<Token>) -> bool {
        *self.0 == **token.0
    }
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Arc<Token>, Arc<Entry>> for ByBytes {
    fn weight(&self, _: &Arc<Token>, entry: &Arc<Entry>) -> u64 {
        entry.weight.into()
    }
}
