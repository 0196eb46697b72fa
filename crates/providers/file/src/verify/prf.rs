//! Keyed BLAKE3, under keys that live and die with the store.

use std::{fmt, sync::OnceLock};

use portcullis_core::BuildError;
use zeroize::Zeroizing;

use crate::user::{Password, User};

/// A keyed pseudo-random function. What it returns says nothing about what it was given, to whoever lacks the keys:
/// digests can rest in memory, and be compared and looked up, where passwords must not. Whoever has the keys too can
/// try guesses, and nothing better.
#[derive(Clone)]
pub(crate) struct Prf {
    /// Two keys, so that digests of the two kinds never meet.
    credentials: Zeroizing<[u8; 32]>,
    hashes: Zeroizing<[u8; 32]>,
}

/// What the function returns. Takes equally long to compare with equal and different ones.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Digest(blake3::Hash);

impl Prf {
    /// A function with random keys.
    pub(crate) fn random() -> Result<Self, BuildError> {
        Ok(Self { credentials: random_key()?, hashes: random_key()? })
    }

    /// The digest of a whole credential, `user:password` as it was sent.
    pub(crate) fn credential(&self, pair: &str) -> Digest {
        Digest(blake3::keyed_hash(&self.credentials, pair.as_bytes()))
    }

    /// The digest that the credential of these two has.
    pub(crate) fn credential_of(&self, username: &str, password: &str) -> Digest {
        // Collected at once: memory that grew would leave copies behind.
        let mut pair = Zeroizing::new(String::with_capacity(username.len() + 1 + password.len()));
        pair.extend([username, ":", password]);
        self.credential(&pair)
    }

    /// The digest of a stored hash.
    pub(crate) fn fingerprint(&self, hash: &str) -> Digest {
        Digest(blake3::keyed_hash(&self.hashes, hash.as_bytes()))
    }
}

/// What tells whether two stores of this process have a user with the same password, without telling the password. Its
/// key lives as long as the process: it is compared between the stores of two configurations.
pub(crate) fn mark(user: &User) -> Result<[u8; 32], BuildError> {
    static KEY: OnceLock<Zeroizing<[u8; 32]>> = OnceLock::new();
    let key = match KEY.get() {
        Some(key) => key,
        None => {
            let random = random_key()?;
            KEY.get_or_init(|| random)
        }
    };
    let (kind, text) = match &user.password {
        Password::Clear(password) => (b"c", password.expose()),
        Password::Hash(hash) => (b"h", hash.expose()),
    };
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(kind).update(&(user.username.len() as u64).to_le_bytes());
    hasher.update(user.username.as_bytes()).update(text.as_bytes());
    Ok(hasher.finalize().into())
}

fn random_key() -> Result<Zeroizing<[u8; 32]>, BuildError> {
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *key).map_err(|error| {
        BuildError::new("the operating system gave no randomness: a user store needs a random key")
            .with_source(error)
    })?;
    Ok(key)
}

impl fmt::Debug for Prf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Prf([redacted])")
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_has_one_digest_however_it_is_put_together() {
        let prf = Prf::random().unwrap();
        assert_eq!(prf.credential("alice:a:b"), prf.credential_of("alice", "a:b"));
        assert_eq!(prf.credential("alice:a"), prf.credential_of("alice", "a"));
        assert_ne!(prf.credential("alice:a"), prf.credential("alice:b"));
        assert_ne!(prf.fingerprint("alice:a"), prf.credential("alice:a"));
    }

    #[test]
    fn two_stores_have_two_keys_and_show_neither() {
        let (one, other) = (Prf::random().unwrap(), Prf::random().unwrap());
        assert_ne!(one.credential("alice:a"), other.credential("alice:a"));
        assert_eq!(format!("{one:?} {:?}", one.credential("a:b")), "Prf([redacted]) Digest([redacted])");
    }
}
