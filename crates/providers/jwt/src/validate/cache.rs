//! Verified tokens, remembered until they expire.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::{Arc, OnceLock},
    time::Duration,
};

use portcullis_core::{Clock, Identity, UnixTime};
use quick_cache::{Equivalent, Weighter, sync::Cache};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{claims::Times, config::CacheConfig};
use crate::keys::{Key, KeySet};

/// What an entry counts at least, in bytes. The cache holds as many times this as it may hold entries, so both are
/// bounded by one number: 10,000 entries never take more than 80 MB.
const UNIT: u64 = 8 * 1024;

/// What a token was found to say, and what has to be looked at again whenever it comes back.
#[derive(Debug)]
pub(super) struct Remembered {
    pub(super) identity: Arc<Identity>,
    pub(super) times: Times,
    pub(super) key: Arc<Key>,
}

/// Tokens are compared whole: two that differ in one bit are two. Only tokens that were accepted are in it.
pub(super) struct TokenCache {
    entries: Cache<Token, Arc<Entry>, ByBytes>,
    max_age: Option<Duration>,
    /// The clock that ages are measured by. Services that share a provider each bring a clock with a start of its own;
    /// the first one is used for all.
    clock: OnceLock<Arc<dyn Clock>>,
}

struct Entry {
    what: Remembered,
    /// On the monotonic scale, so that setting the machine's clock back makes no entry live longer.
    good_until: Option<Duration>,
    weight: u64,
}

impl TokenCache {
    /// `None` where the configuration switches it off.
    pub(super) fn new(config: &CacheConfig) -> Option<Self> {
        let capacity = config.capacity;
        (capacity > 0).then(|| Self {
            entries: Cache::with_weighter(capacity, UNIT.saturating_mul(capacity as u64), ByBytes),
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
        let what = &entry.what;
        let good = !too_old
            && what.times.check(now, skew).is_ok()
            && keys.holds(&what.key)
            && what.key.is_valid_at(now).is_ok();
        if good {
            return Some(Arc::clone(&what.identity));
        }
        self.entries.remove(&Shown(token));
        None
    }

    pub(super) fn put(
        &self,
        token: &str,
        what: Remembered,
        clock: &Arc<dyn Clock>,
        now: UnixTime,
        skew: Duration,
    ) {
        let left = what.times.expires_at.map(|expires_at| expires_at.saturating_add(skew).since(now));
        let age = [left, self.max_age].into_iter().flatten().min();
        let good_until = age.map(|age| self.monotonic(clock).saturating_add(age));
        let bytes = token.len()
            + size_of::<Entry>()
            + size_of::<Identity>()
            + size_of_members(what.identity.claims());
        let entry = Entry { what, good_until, weight: (bytes as u64).max(UNIT) };
        self.entries.insert(Token(Zeroizing::new(token.into())), Arc::new(entry));
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

/// A raw token, overwritten when dropped.
#[derive(PartialEq, Eq)]
struct Token(Zeroizing<Box<str>>);

impl Hash for Token {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Shown(self.0.as_bytes()).hash(state);
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

impl Equivalent<Token> for Shown<'_> {
    fn equivalent(&self, token: &Token) -> bool {
        *self.0 == *token.0.as_bytes()
    }
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Token, Arc<Entry>> for ByBytes {
    fn weight(&self, _: &Token, entry: &Arc<Entry>) -> u64 {
        entry.weight
    }
}

/// About how many bytes the claims take in memory; more than the token by far where they are many small ones.
fn size_of_members(members: &Map<String, Value>) -> usize {
    let one = |(name, value): (&String, &Value)| size_of::<String>() + name.len() + size_of_value(value);
    members.iter().map(one).sum()
}

fn size_of_value(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(size_of_value).sum(),
            Value::Object(members) => size_of_members(members),
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        }
}
