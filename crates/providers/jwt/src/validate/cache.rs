//! Verified tokens, remembered until they expire.

mod near;

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use portcullis_core::{ClaimsSource, Clock, Identity, Lanes, UnixTime};
use quick_cache::{Equivalent, Weighter, sync::Cache};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use self::near::Near;
use super::{Accepted, claims, claims::Times, config::CacheConfig};
use crate::{
    jws::{Compact, json},
    keys::{Key, KeySet},
};

/// What an entry counts at least, in bytes. The cache holds as many times this as it may hold entries, so both are
/// bounded by one number: 10,000 entries never take more than 80 MB.
const UNIT: u32 = 8 * 1024;

/// What an entry counts at most that may lie near a thread, of whatever length its token is.
const NEAR: u32 = 2 * UNIT;

/// Tokens are compared whole: two that differ in one bit are two. Only tokens that were accepted are in it.
///
/// The tokens that come again and again are also near the threads that see them, see [`Near`].
pub(super) struct TokenCache {
    near: Lanes<Near>,
    entries: Cache<Arc<Token>, Arc<Entry>, ByBytes>,
    max_age: Option<Duration>,
    /// The clock that ages are measured by. Services that share a provider each bring a clock with a start of its own;
    /// the first one is used for all.
    clock: OnceLock<Arc<dyn Clock>>,
}

/// Whose a token is.
struct Entry {
    token: Arc<Token>,
    identity: Arc<Identity>,
    /// Whether some thread counts `identity` as its own.
    is_near: AtomicBool,
    known: Known,
    weight: u32,
}

/// What has to be looked at again.
struct Known {
    /// Civil time, with the leeway for clocks that differ: not before the one, and before the other.
    from: UnixTime,
    until: UnixTime,
    key: Arc<Key>,
    /// Where the key stood in its set.
    place: u32,
    /// On the monotonic scale, so that setting the machine's clock back makes no entry live longer.
    good_until: Option<Duration>,
}

/// The keys of now, as a remembered token asks for its own.
pub(super) trait KeysOfNow: Copy {
    /// Whether this very key is there; it stood at `place`. `seen` is what [`KeysOfNow::number`] said when it was there
    /// before.
    fn hold(self, key: &Arc<Key>, place: usize, seen: Option<u64>) -> bool;

    /// By which the same keys are known again; `None` where there is nothing to be gained.
    fn number(self) -> Option<u64> {
        None
    }
}

impl KeysOfNow for &KeySet {
    fn hold(self, key: &Arc<Key>, place: usize, _: Option<u64>) -> bool {
        self.holds(key, place)
    }
}

/// The moment of a request: civil time, and the monotonic one where it has been read already.
#[derive(Clone, Copy)]
pub(super) struct Now<'c> {
    pub(super) civil: UnixTime,
    pub(super) clock: &'c Arc<dyn Clock>,
    pub(super) monotonic: Option<Duration>,
}

impl TokenCache {
    /// `None` where the configuration switches it off. Ages are measured by `clock`, or else by the first one that is seen.
    pub(super) fn new(config: &CacheConfig, clock: Option<&Arc<dyn Clock>>) -> Option<Self> {
        let capacity = config.capacity;
        (capacity > 0).then(|| Self {
            near: Lanes::new(Near::default),
            entries: Cache::with_weighter(capacity, u64::from(UNIT).saturating_mul(capacity as u64), ByBytes),
            max_age: config.max_age,
            clock: clock.map_or_else(OnceLock::new, |clock| OnceLock::from(Arc::clone(clock))),
        })
    }

    /// Whose token it is, if it was accepted before and would be now. Allocates nothing, but where a token comes near.
    pub(super) fn get(&self, token: &[u8], now: Now<'_>, keys: impl KeysOfNow) -> Option<Arc<Identity>> {
        let is_good = |known: &Known, seen| self.is_good(known, now, keys, seen);
        let mut near = self.near.own().lock();
        if let Some(near) = &mut near
            && let Some(identity) = near.get(token, keys.number(), is_good)
        {
            return Some(identity);
        }
        let entry = self.entries.get(&Shown(token))?;
        if !is_good(&entry.known, None) {
            self.entries.remove(&Shown(token));
            return None;
        }
        // What lies near comes on top of what the memory may hold: a few that are small.
        if let Some(near) = &mut near
            && entry.weight <= NEAR
        {
            near.found(&entry);
        }
        Some(Arc::clone(&entry.identity))
    }

    fn is_good(&self, known: &Known, now: Now<'_>, keys: impl KeysOfNow, seen: Option<u64>) -> bool {
        let is_over = |until| match now.monotonic {
            Some(monotonic) => monotonic >= until,
            None => self.clock(now.clock).has_reached(until),
        };
        known.from <= now.civil
            && now.civil < known.until
            && !known.good_until.is_some_and(is_over)
            && keys.hold(&known.key, known.place as usize, seen)
            && known.key.is_valid_at(now.civil).is_ok()
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
        let Times { expires_at, not_before } = times;
        let until = expires_at.map_or(UnixTime::MAX, |expires_at| expires_at.saturating_add(skew));
        let left = expires_at.map(|_| until.since(now));
        let age = [left, self.max_age].into_iter().flatten().min();
        let known = Known {
            from: not_before.unwrap_or_default().saturating_sub(skew),
            until,
            key,
            place: u32::try_from(place).unwrap_or_default(),
            good_until: age.map(|age| self.monotonic(clock).saturating_add(age)),
        };
        let bytes = token.len() + size_of::<Entry>() + bytes_of(&identity) + claims::most_bytes(&payload);
        let token = Arc::new(Token(Zeroizing::new(token.into())));
        let identity = Arc::new(identity.with_claims_from(Arc::<Token>::clone(&token)));
        let entry = Entry {
            token: Arc::clone(&token),
            identity: Arc::clone(&identity),
            is_near: AtomicBool::new(false),
            known,
            weight: u32::try_from(bytes).unwrap_or(u32::MAX).max(UNIT),
        };
        self.entries.insert(token, Arc::new(entry));
        identity
    }

    fn monotonic(&self, clock: &Arc<dyn Clock>) -> Duration {
        self.clock(clock).monotonic()
    }

    fn clock<'c>(&'c self, clock: &'c Arc<dyn Clock>) -> &'c Arc<dyn Clock> {
        self.clock.get_or_init(|| Arc::clone(clock))
    }

    /// Whose token it is by what lies near this thread, looked at no further.
    #[cfg(test)]
    pub(super) fn near_this_thread(&self, token: &[u8]) -> Option<Arc<Identity>> {
        self.near.own().lock()?.peek(token)
    }

    #[cfg(test)]
    pub(super) fn while_near_is_locked<T>(&self, work: impl FnOnce() -> T) -> T {
        let _near = self.near.own().lock().unwrap();
        work()
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
    /// The caller for one thread, with a count of its own. The first one takes that of the entry.
    fn own_identity(&self) -> Arc<Identity> {
        if self.is_near.swap(true, Ordering::Relaxed) {
            Arc::new(Identity::clone(&self.identity))
        } else {
            Arc::clone(&self.identity)
        }
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

    fn token(&self) -> Option<&[u8]> {
        Some(&self.0)
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

/// How many bytes an identity takes besides its claims. A scope of one letter is an allocation of its own.
fn bytes_of(identity: &Identity) -> usize {
    const ALLOCATION: usize = 32;
    let texts = [identity.subject(), identity.issuer()].into_iter().flatten();
    let texts = texts.chain(identity.scopes().iter());
    let bytes = |text: &str| size_of::<Box<str>>() + text.len() + ALLOCATION;
    size_of::<Identity>() + texts.map(bytes).sum::<usize>()
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Arc<Token>, Arc<Entry>> for ByBytes {
    fn weight(&self, _: &Arc<Token>, entry: &Arc<Entry>) -> u64 {
        entry.weight.into()
    }
}
