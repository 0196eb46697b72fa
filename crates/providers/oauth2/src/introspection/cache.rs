//! What the server said of tokens, remembered for a while. Holds digests, never a token.

use std::{fmt, sync::Arc, time::Duration};

use portcullis_core::{Identity, Outcome, Refusal, UnixTime};
use quick_cache::{Weighter, sync::Cache};
use serde_json::{Map, Value};

use super::config::CacheConfig;
use crate::prf::Digest;

/// What an entry counts at least, in bytes. The cache holds as many times this as it may hold entries, so both are
/// bounded by one number: 10,000 entries never take more than 80 MB.
const UNIT: u64 = 8 * 1024;

/// What there is to remember of an answer.
#[derive(Debug)]
pub(super) enum Remember {
    /// The server said nothing about the token: what is remembered of it stays.
    Nothing,
    /// What it said is not to be remembered, and what it said before is not right any more.
    Forget,
    /// The token is good.
    Known(Known),
    /// The token is not.
    Refused {
        refusal: Refusal,
        /// When the reason is over by itself.
        until: Option<UnixTime>,
    },
}

/// An active token.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) identity: Arc<Identity>,
    pub(super) not_before: Option<UnixTime>,
    /// For how long the server vouches for it, from the moment at which it was asked.
    pub(super) lifetime: Duration,
}

/// Answers by the digest of the question. Refused tokens have a cache of their own: anybody can make up tokens, and all
/// of them together displace no token that is good.
pub(super) struct AnswerCache {
    known: Cache<Digest, Arc<KnownEntry>, ByBytes>,
    refused: Cache<Digest, Arc<RefusedEntry>>,
    max_age: Option<Duration>,
    negative_max_age: Duration,
}

/// All ends are on the monotonic scale, so that setting the machine's clock back makes no entry live longer.
struct KnownEntry {
    identity: Arc<Identity>,
    not_before: Option<UnixTime>,
    good_until: Duration,
    weight: u64,
}

struct RefusedEntry {
    refusal: Refusal,
    until: Option<UnixTime>,
    good_until: Duration,
}

/// A moment on both scales.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) civil: UnixTime,
    pub(super) monotonic: Duration,
}

impl AnswerCache {
    /// `None` where the configuration switches it off.
    pub(super) fn new(config: &CacheConfig) -> Option<Self> {
        let capacity = config.capacity;
        (capacity > 0).then(|| Self {
            known: Cache::with_weighter(capacity, UNIT.saturating_mul(capacity as u64), ByBytes),
            refused: Cache::new(capacity),
            max_age: config.max_age,
            negative_max_age: config.negative_max_age,
        })
    }

    /// What was said, where it is believed still.
    pub(super) fn get(&self, question: &Digest, now: Moment) -> Option<Outcome> {
        if let Some(entry) = self.known.get(question) {
            let identity = &entry.identity;
            // Civil time may have been set meanwhile: `exp` and `nbf` are looked at on every use.
            let good = now.monotonic < entry.good_until
                && identity.expires_at().is_none_or(|expires_at| now.civil < expires_at)
                && entry.not_before.is_none_or(|not_before| now.civil >= not_before);
            if good {
                return Some(Outcome::Known(Arc::clone(identity)));
            }
            self.known.remove(question);
        }
        let entry = self.refused.get(question)?;
        if now.monotonic < entry.good_until && entry.until.is_none_or(|until| now.civil < until) {
            return Some(Outcome::Refused(entry.refusal.clone()));
        }
        self.refused.remove(question);
        None
    }

    /// Remembers the answer to a question that was asked at `asked`, on the monotonic scale, in the place of any earlier
    /// one.
    pub(super) fn put(&self, question: &Digest, answer: Remember, asked: Duration) {
        if matches!(answer, Remember::Nothing) {
            return;
        }
        self.known.remove(question);
        self.refused.remove(question);
        match answer {
            Remember::Nothing | Remember::Forget => {}
            Remember::Known(Known { identity, not_before, lifetime }) => {
                let age = self.max_age.map_or(lifetime, |max_age| max_age.min(lifetime));
                if age.is_zero() {
                    return;
                }
                let bytes = size_of::<(Digest, KnownEntry)>() + bytes_of(&identity);
                let weight = (bytes as u64).max(UNIT);
                let good_until = asked.saturating_add(age);
                let entry = KnownEntry { identity, not_before, good_until, weight };
                self.known.insert(*question, Arc::new(entry));
            }
            Remember::Refused { refusal, until } => {
                if self.negative_max_age.is_zero() {
                    return;
                }
                let good_until = asked.saturating_add(self.negative_max_age);
                self.refused.insert(*question, Arc::new(RefusedEntry { refusal, until, good_until }));
            }
        }
    }

    /// How many answers are held.
    pub(super) fn len(&self) -> usize {
        self.known.len() + self.refused.len()
    }

    #[cfg(test)]
    pub(super) fn weight(&self) -> u64 {
        self.known.weight()
    }

    /// All that it holds, written out.
    #[cfg(test)]
    pub(super) fn dump(&self) -> Vec<String> {
        let known = self.known.iter().map(|(question, entry)| {
            let claims = Value::Object(entry.identity.claims().clone());
            format!("{:?} {:?} {claims}", question.bytes(), entry.identity)
        });
        let refused =
            self.refused.iter().map(|(question, entry)| format!("{:?} {}", question.bytes(), entry.refusal));
        known.chain(refused).collect()
    }
}

impl fmt::Debug for AnswerCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerCache").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Digest, Arc<KnownEntry>> for ByBytes {
    fn weight(&self, _: &Digest, entry: &Arc<KnownEntry>) -> u64 {
        entry.weight
    }
}

/// What the allocator takes besides what it is asked for, at most: a text of one letter is an allocation of its own.
const ALLOCATION: usize = 32;

/// A node of a map, which has room for eleven members.
const NODE: usize = 11 * (size_of::<String>() + size_of::<Value>()) + 2 * size_of::<usize>();

/// How many bytes an identity takes in memory.
fn bytes_of(identity: &Identity) -> usize {
    let texts = [identity.subject(), identity.issuer()].into_iter().flatten();
    let texts = texts.chain(identity.scopes().iter());
    let texts = texts.map(|text| size_of::<Box<str>>() + bytes_of_text(text)).sum::<usize>();
    size_of::<(Identity, Map<String, Value>)>() + texts + bytes_of_members(identity.claims())
}

fn bytes_of_text(text: &str) -> usize {
    text.len() + ALLOCATION
}

/// Besides themselves.
fn bytes_of_members(members: &Map<String, Value>) -> usize {
    let nodes = match members.len() {
        0 => 0,
        1..=11 => 1,
        // Five members are in each at least.
        more => more.div_ceil(5),
    };
    let one = |(name, value): (&String, &Value)| bytes_of_text(name) + bytes_of_value(value);
    nodes * (NODE + ALLOCATION) + members.iter().map(one).sum::<usize>()
}

fn bytes_of_value(value: &Value) -> usize {
    match value {
        Value::String(text) => bytes_of_text(text),
        Value::Array(items) => {
            let room = items.capacity() * size_of::<Value>() + ALLOCATION;
            room + items.iter().map(bytes_of_value).sum::<usize>()
        }
        Value::Object(members) => bytes_of_members(members),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}
