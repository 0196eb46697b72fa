//! Whose users are whose, for those who count guesses at them.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc, LazyLock, Mutex, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::Provider;

/// The accounts of a store, whichever provider has them at the moment, see [`Provider::accounts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Accounts(usize);

/// Those that were made of what a store is have it, and those that are nobody else's have not.
const OF_A_STORE: usize = 1 << (usize::BITS - 1);

impl Accounts {
    /// Accounts that are nobody else's.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "no two are equal")]
    pub fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed) & !OF_A_STORE)
    }

    /// The accounts of the store that these parts describe, in their order: the kind of store, and then whatever a user's
    /// name means another account without, such as the address of a server. Within one process the same parts give the same
    /// accounts. They are kept as a keyed hash; nothing rests of them.
    ///
    /// ```
    /// use portcullis_core::Accounts;
    ///
    /// let before = Accounts::of(["sql", "db.example.org", "customers"]);
    /// assert_eq!(before, Accounts::of(["sql", "db.example.org", "customers"]));
    /// assert_ne!(before, Accounts::of(["sql", "db.example.org", "staff"]));
    /// ```
    #[must_use]
    pub fn of<'p>(parts: impl IntoIterator<Item = &'p str>) -> Self {
        static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        let parts: Vec<&str> = parts.into_iter().collect();
        #[expect(clippy::cast_possible_truncation, reason = "as many bits of a hash as there is room for")]
        let hash = HASHER.hash_one(parts) as usize;
        Self(hash | OF_A_STORE)
    }

    /// Those of a provider that says nothing of them: the same as long as it lives, and never another's. Its address alone
    /// would not do: once it is gone, the next one may have it.
    pub(crate) fn of_its_own(provider: &Arc<dyn Provider>) -> Self {
        static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);
        KNOWN.lock().unwrap_or_else(PoisonError::into_inner).find(provider)
    }

    pub(crate) const fn number(self) -> usize {
        self.0
    }
}

/// The providers there are. Each that is known keeps its address from being given away.
#[derive(Default)]
struct Known {
    by_address: HashMap<usize, (Weak<dyn Provider>, Accounts)>,
    /// At how many those are let go that are gone.
    room: usize,
}

impl Known {
    fn find(&mut self, provider: &Arc<dyn Provider>) -> Accounts {
        let Self { by_address, room } = self;
        if by_address.len() >= *room {
            by_address.retain(|_, (provider, _)| provider.strong_count() > 0);
            *room = by_address.len().saturating_mul(2).max(64);
        }
        let address = Arc::as_ptr(provider).cast::<()>().addr();
        by_address.entry(address).or_insert_with(|| (Arc::downgrade(provider), Accounts::new())).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BoxFuture, Context, Credential, Outcome, Scheme};

    #[derive(Debug)]
    struct Nobody;

    impl Provider for Nobody {
        fn kind(&self) -> &'static str {
            "nobody"
        }
        fn scheme(&self) -> Scheme {
            Scheme::Basic
        }
        fn try_authenticate(&self, _: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
            None
        }
        fn authenticate<'a>(&'a self, _: &'a Credential<'a>, _: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
            panic!("nobody asks here")
        }
    }

    fn provider() -> Arc<dyn Provider> {
        Arc::new(Nobody)
    }

    #[test]
    fn the_same_parts_are_the_same_store_and_no_others() {
        let store = Accounts::of(["ldap", "ldaps://a", "ou=people"]);
        assert_eq!(store, Accounts::of(["ldap", "ldaps://a", "ou=people"]));
        for other in [
            &["ldap", "ldaps://b", "ou=people"][..],
            &["ldap", "ou=people", "ldaps://a"],
            &["ldap", "ldaps://aou=people"],
            &["ldap", "ldaps://a", "ou=peopl", "e"],
            &[],
        ] {
            assert_ne!(store, Accounts::of(other.iter().copied()), "{other:?}");
        }
        assert_ne!(Accounts::new(), Accounts::new());
        // A number of the one kind is none of the other.
        for name in ('a'..='z').map(String::from) {
            assert_eq!(Accounts::of([&*name]).number().leading_zeros(), 0);
            assert_ne!(Accounts::new().number().leading_zeros(), 0);
        }
    }

    #[test]
    fn a_provider_has_its_own_as_long_as_it_lives_and_leaves_them_to_nobody() {
        let (one, other) = (provider(), provider());
        let its = Accounts::of_its_own(&one);
        assert_ne!(its, Accounts::of_its_own(&other));
        let mut seen = vec![its, Accounts::of_its_own(&other)];
        for _ in 0..1000 {
            // Each would be given the address of the one before.
            let accounts = Accounts::of_its_own(&provider());
            assert!(!seen.contains(&accounts));
            seen.push(accounts);
        }
        assert_eq!(Accounts::of_its_own(&one), its, "whatever came and went");
    }

    #[test]
    fn of_providers_that_are_gone_nothing_is_known() {
        let mut known = Known::default();
        let living: Vec<_> = (0..100).map(|_| provider()).collect();
        let accounts: Vec<_> = living.iter().map(|provider| known.find(provider)).collect();
        for _ in 0..10_000 {
            known.find(&provider());
        }
        assert!(known.by_address.len() <= 200);
        let again: Vec<_> = living.iter().map(|provider| known.find(provider)).collect();
        assert_eq!(accounts, again);
    }
}
