//! What is remembered: who logged in, and which groups somebody has. Both are bounded, and both are believed for a while.

pub(crate) mod flights;
pub(crate) mod prf;

use std::{fmt, sync::Arc, time::Duration};

use portcullis_core::Identity;
use quick_cache::{Weighter, sync::Cache};

use self::prf::Digest;
use crate::config::check::MAX_CREDENTIAL_AGE;

/// How many credentials, and how many users' groups, are remembered at most.
const CAPACITY: usize = 10_000;
/// What an entry counts at least, in bytes: the memory takes no more than this for each of its entries.
const UNIT: u64 = 4 * 1024;

/// Something that is believed for a while.
#[derive(Clone)]
struct Aged<T> {
    value: T,
    until: Duration,
    weight: u64,
}

#[derive(Clone)]
struct ByBytes;

impl<K, T> Weighter<K, Aged<T>> for ByBytes {
    fn weight(&self, _: &K, entry: &Aged<T>) -> u64 {
        entry.weight
    }
}

/// Credentials that were good, by their digests.
pub(crate) struct Credentials {
    known: Cache<Digest, Aged<Caller>, ByBytes>,
    max_age: Duration,
}

/// Who is let in by a credential.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) identity: Arc<Identity>,
    /// The distinguished name of the entry, by which guesses are counted.
    pub(crate) dn: Arc<str>,
}

impl Credentials {
    pub(crate) fn new(max_age: Duration) -> Self {
        Self { known: cache(), max_age: max_age.min(MAX_CREDENTIAL_AGE) }
    }

    pub(crate) fn get(&self, credential: &Digest, now: Duration) -> Option<Caller> {
        let entry = self.known.get(credential)?;
        if now < entry.until {
            return Some(entry.value);
        }
        self.known.remove(credential);
        None
    }

    /// Remembers a credential that was found good by asking at `asked`.
    pub(crate) fn put(&self, credential: Digest, caller: Caller, asked: Duration) {
        let Caller { identity, dn } = &caller;
        let names = identity.subject().into_iter().chain(identity.issuer()).chain([&**dn]);
        let weight = weight(names.chain(identity.scopes().iter()).map(str::len));
        let until = asked.saturating_add(self.max_age);
        self.known.insert(credential, Aged { value: caller, until, weight });
    }

    /// Forgets a credential that turned out not to be good any more.
    pub(crate) fn forget(&self, credential: &Digest) {
        self.known.remove(credential);
    }

    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }
}

/// The names of groups.
pub(crate) type GroupNames = Arc<[Box<str>]>;

/// The groups of users, by their distinguished names as the directory writes them, and by what they are called: groups with
/// `memberUid` hold the latter, and an entry may have several.
pub(crate) struct Roles {
    known: Cache<(Box<str>, Box<str>), Aged<GroupNames>, ByBytes>,
    max_age: Duration,
}

impl Roles {
    pub(crate) fn new(max_age: Duration) -> Self {
        Self { known: cache(), max_age }
    }

    pub(crate) fn get(&self, dn: &str, name: &str, now: Duration) -> Option<GroupNames> {
        let user = (dn.into(), name.into());
        let entry = self.known.get(&user)?;
        if now < entry.until {
            return Some(entry.value);
        }
        self.known.remove(&user);
        None
    }

    pub(crate) fn put(&self, dn: &str, name: &str, groups: GroupNames, asked: Duration) {
        let weight = weight([dn.len(), name.len()].into_iter().chain(groups.iter().map(|group| group.len())));
        let until = asked.saturating_add(self.max_age);
        self.known.insert((dn.into(), name.into()), Aged { value: groups, until, weight });
    }
}

fn cache<K: Eq + std::hash::Hash, T: Clone>() -> Cache<K, Aged<T>, ByBytes> {
    Cache::with_weighter(CAPACITY, UNIT * CAPACITY as u64, ByBytes)
}

fn weight(lengths: impl Iterator<Item = usize>) -> u64 {
    let bytes: usize = lengths.map(|length| length + size_of::<Box<str>>()).sum();
    UNIT.max(bytes as u64)
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roles").field("len", &self.known.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::prf::Prf;

    const AGE: Duration = Duration::from_secs(60);

    fn caller(name: &str) -> Caller {
        Caller { identity: Arc::new(Identity::new(name)), dn: "cn=x".into() }
    }

    #[test]
    fn a_credential_is_good_until_its_age_is_over() {
        let prf = Prf::random().unwrap();
        let credentials = Credentials::new(AGE);
        let digest = prf.credential("alice:a");
        let at = Duration::from_secs;
        assert!(credentials.get(&digest, at(0)).is_none());
        credentials.put(digest, caller("alice"), at(5));
        assert!(credentials.get(&digest, at(64)).is_some());
        assert!(credentials.get(&prf.credential("alice:b"), at(64)).is_none());
        assert!(credentials.get(&digest, at(65)).is_none());
        assert_eq!(credentials.len(), 0);
        credentials.put(digest, caller("alice"), at(5));
        credentials.forget(&digest);
        assert!(credentials.get(&digest, at(5)).is_none());
    }

    #[test]
    fn no_credential_is_believed_for_more_than_five_minutes() {
        assert_eq!(Credentials::new(Duration::MAX).max_age, Duration::from_secs(300));
    }

    #[test]
    fn memories_never_grow_over_their_bound() {
        let prf = Prf::random().unwrap();
        let (credentials, roles) = (Credentials::new(AGE), Roles::new(AGE));
        let large: GroupNames = vec!["x".repeat(UNIT as usize * 100).into_boxed_str()].into();
        for number in 0..2 * CAPACITY {
            let name = number.to_string();
            credentials.put(prf.credential(&name), caller(&name), AGE);
            roles.put(&name, "x", Arc::clone(&large), AGE);
        }
        assert!(credentials.len() <= CAPACITY, "{credentials:?}");
        assert!(roles.known.len() <= CAPACITY / 100, "{roles:?}");
    }

    #[test]
    fn names_count_as_what_they_take() {
        let prf = Prf::random().unwrap();
        let (credentials, roles) = (Credentials::new(AGE), Roles::new(AGE));
        let entries = Credentials::new(AGE);
        let long = "x".repeat(UNIT as usize * 100);
        let by_dn = |number: usize| roles.put(&format!("{long}{number}"), "x", Arc::default(), AGE);
        let by_name = |number: usize| roles.put("cn=x", &format!("{long}{number}"), Arc::default(), AGE);
        for number in 0..CAPACITY / 50 {
            let identity = Identity::new(long.as_str()).with_issuer(long.as_str());
            let by_identity = Caller { identity: Arc::new(identity), dn: "cn=x".into() };
            credentials.put(prf.credential(&number.to_string()), by_identity, AGE);
            let by_entry =
                Caller { identity: Arc::new(Identity::new("x")), dn: format!("{long}{long}").into() };
            entries.put(prf.credential(&number.to_string()), by_entry, AGE);
            by_dn(number);
            by_name(number);
        }
        assert!(credentials.len() <= CAPACITY / 200, "{credentials:?}");
        assert!(entries.len() <= CAPACITY / 200, "{entries:?}");
        assert!(roles.known.len() <= CAPACITY / 100, "{roles:?}");
    }

    #[test]
    fn an_entry_counts_as_four_kibibytes_or_as_what_it_takes() {
        let name = size_of::<Box<str>>() as u64;
        assert_eq!(weight([0, 4_000].into_iter()), 4_096);
        assert_eq!(weight([4_096, 10].into_iter()), 4_106 + 2 * name);
    }

    #[test]
    fn groups_are_believed_until_their_age_is_over() {
        let roles = Roles::new(AGE);
        roles.put("cn=a", "a", vec!["admin".into()].into(), AGE);
        assert!(roles.get("cn=a", "a", AGE * 2 - Duration::from_nanos(1)).is_some());
        assert!(roles.get("cn=b", "a", AGE).is_none());
        assert!(roles.get("cn=a", "b", AGE).is_none());
        assert!(roles.get("cn=a", "a", AGE * 2).is_none());
    }
}
