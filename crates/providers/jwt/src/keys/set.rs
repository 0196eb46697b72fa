//! One key, or several of which a token's `kid` chooses.

use std::sync::Arc;

use super::{Key, Unusable};
use crate::{
    algorithm::{self, Algorithm},
    jws::Header,
};

/// The keys of one `signatureConfig`.
#[derive(Clone, Debug)]
pub(crate) struct KeySet {
    keys: Vec<Arc<Key>>,
}

impl KeySet {
    /// The most keys that a set may have: a token without `kid` is tried against all that fit.
    pub(super) const MOST: usize = 256;

    pub(crate) fn one(key: Key) -> Self {
        Self { keys: vec![Arc::new(key)] }
    }

    pub(super) fn of(keys: Vec<Key>) -> Self {
        Self { keys: keys.into_iter().map(Arc::new).collect() }
    }

    /// A set of keys that others hold too.
    #[cfg(feature = "jwks")]
    pub(super) const fn shared(keys: Vec<Arc<Key>>) -> Self {
        Self { keys }
    }

    /// How many keys there are.
    #[cfg(feature = "jwks")]
    pub(crate) const fn len(&self) -> usize {
        self.keys.len()
    }

    /// The keys in their order.
    #[cfg(feature = "jwks")]
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Key>> {
        self.keys.iter()
    }

    /// The keys that a token may mean that names `kid`: those of this name and those that have none; all of them where
    /// the token names none.
    pub(crate) fn named<'s>(&'s self, kid: Option<&str>) -> impl Iterator<Item = &'s Arc<Key>> {
        self.keys.iter().filter(move |key| match (kid, &key.id) {
            (Some(wanted), Some(id)) => **id == *wanted,
            _ => true,
        })
    }

    /// What the header says that is spelled so, if a key has verified a token with it.
    pub(crate) fn known_header(&self, encoded: &[u8]) -> Option<&Header> {
        self.keys.iter().find_map(|key| key.known_header(encoded))
    }

    /// Where this very key stands in the set, if it does.
    pub(crate) fn place_of(&self, key: &Arc<Key>) -> Option<usize> {
        self.keys.iter().position(|held| Arc::ptr_eq(held, key))
    }

    /// Whether this very key is in the set. It most likely still stands at `place`, among however many.
    pub(crate) fn holds(&self, key: &Arc<Key>, place: usize) -> bool {
        self.keys.get(place).is_some_and(|held| Arc::ptr_eq(held, key)) || self.place_of(key).is_some()
    }

    /// The algorithms that one or the other key allows.
    pub(crate) fn algorithms(&self) -> Vec<Algorithm> {
        let allowed = |algorithm: &Algorithm| self.keys.iter().any(|key| key.verifier(*algorithm).is_some());
        Algorithm::ALL.into_iter().filter(allowed).collect()
    }

    pub(crate) fn algorithm_names(&self) -> String {
        algorithm::names(self.algorithms())
    }

    /// The same keys for only those of `algorithms`.
    ///
    /// # Errors
    ///
    /// When one of them is not allowed by any key: it would be a promise that nothing keeps.
    pub(crate) fn narrowed(self, algorithms: &[Algorithm]) -> Unusable<Self> {
        let allowed = self.algorithms();
        if let Some(stranger) = algorithms.iter().find(|algorithm| !allowed.contains(algorithm)) {
            let names = algorithm::names(allowed.iter().copied());
            let hint = match stranger.least_secret() {
                Some(least) if allowed.iter().any(|other| other.least_secret().is_some()) => {
                    format!("; for {stranger} the secret has to have at least {least} bytes")
                }
                _ => String::new(),
            };
            return Err(format!("{stranger} is not an algorithm of the key, which allows {names}{hint}"));
        }
        let narrow = |key: Arc<Key>| {
            let mut key = Arc::unwrap_or_clone(key);
            key.narrow(algorithms);
            Arc::new(key)
        };
        Ok(Self { keys: self.keys.into_iter().map(narrow).collect() })
    }
}
