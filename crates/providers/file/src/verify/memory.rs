//! Verifications that need not be computed again.

use std::{fmt, time::Duration};

use quick_cache::sync::Cache;

use super::prf::Digest;

/// The longest that a verification is remembered.
pub(crate) const MAX_AGE: Duration = Duration::from_secs(15 * 60);

/// How many verifications are remembered.
const CAPACITY: usize = 10_000;

/// Which credentials were verified, against which hash, until when that is believed.
///
/// It holds digests only, and only of credentials that were right. A verification is a fact about one credential
/// and one hash; who holds that hash now, and with which scopes, is looked up on every hit. A changed password or a
/// removed user therefore ends it without anything being cleared.
pub(crate) struct Memory {
    verified: Cache<Digest, Verified>,
    max_age: Duration,
}

#[derive(Clone, Copy)]
struct Verified {
    against: Digest,
    until: Duration,
}

impl Memory {
    pub(crate) fn new(max_age: Duration) -> Self {
        Self { verified: Cache::new(CAPACITY), max_age: max_age.min(MAX_AGE) }
    }

    /// The fingerprint of the hash that a credential was verified against.
    pub(crate) fn get(&self, credential: &Digest, now: Duration) -> Option<Digest> {
        let verified = self.verified.get(credential)?;
        (now < verified.until).then_some(verified.against)
    }

    pub(crate) fn put(&self, credential: Digest, hash: Digest, now: Duration) {
        if !self.max_age.is_zero() {
            let until = now.saturating_add(self.max_age);
            self.verified.insert(credential, Verified { against: hash, until });
        }
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("entries", &self.verified.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::prf::Prf, *};

    #[test]
    fn a_verification_is_believed_until_its_time_is_over() {
        let prf = Prf::random().unwrap();
        let memory = Memory::new(MAX_AGE);
        let (credential, hash) = (prf.credential("alice:a"), prf.fingerprint("alice", "$1"));
        let after = |seconds| memory.get(&credential, Duration::from_secs(seconds));
        assert_eq!(after(0), None);
        memory.put(credential, hash, Duration::from_secs(5));
        assert_eq!([after(5), after(904), after(905)], [Some(hash), Some(hash), None]);
        assert_eq!(memory.get(&prf.credential("alice:b"), Duration::from_secs(5)), None);
    }

    #[test]
    fn it_never_grows_over_its_bound() {
        let prf = Prf::random().unwrap();
        let memory = Memory::new(Duration::MAX);
        assert_eq!(memory.max_age, MAX_AGE, "no age over fifteen minutes");
        let hash = prf.fingerprint("a", "$1");
        for number in 0..2 * CAPACITY {
            memory.put(prf.credential(&number.to_string()), hash, Duration::ZERO);
        }
        assert!(memory.verified.len() <= CAPACITY, "{memory:?}");
    }

    #[test]
    fn an_age_of_zero_remembers_nothing() {
        let prf = Prf::random().unwrap();
        let memory = Memory::new(Duration::ZERO);
        memory.put(prf.credential("a:b"), prf.fingerprint("a", "$1"), Duration::ZERO);
        assert_eq!(memory.verified.len(), 0);
    }
}
