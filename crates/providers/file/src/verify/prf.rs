//! HMAC-SHA-256 under a key that lives and dies with the store.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use portcullis_core::BuildError;
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

/// A keyed pseudo-random function. What it returns says nothing about what it was given, to whoever lacks the key:
/// digests can rest in memory, and be compared and looked up, where passwords must not.
#[derive(Clone)]
pub(crate) struct Prf(Hmac<Sha256>);

/// What the function returns.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Digest([u8; 32]);

impl Prf {
    /// A function with a random key.
    pub(crate) fn random() -> Result<Self, BuildError> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *key).map_err(|error| {
            BuildError::new("the operating system gave no randomness: a user store needs a random key")
                .with_source(error)
        })?;
        let keyed = Hmac::new_from_slice(&*key)
            .map_err(|_| BuildError::new("HMAC refused a key of 32 bytes: please report this"))?;
        Ok(Self(keyed))
    }

    /// The digest of a whole credential, `user:password` as it was sent.
    pub(crate) fn credential(&self, pair: &str) -> Digest {
        self.digest([pair, "", ""])
    }

    /// The digest that the credential of these two has.
    pub(crate) fn credential_of(&self, username: &str, password: &str) -> Digest {
        self.digest([username, ":", password])
    }

    /// The digest of a stored hash. No credential begins with NUL: the two kinds never meet.
    pub(crate) fn fingerprint(&self, hash: &str) -> Digest {
        self.digest(["\0", hash, ""])
    }

    fn digest(&self, parts: [&str; 3]) -> Digest {
        let mut keyed = self.0.clone();
        parts.iter().for_each(|part| keyed.update(part.as_bytes()));
        Digest(keyed.finalize().into_bytes().into())
    }
}

impl fmt::Debug for Prf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Prf([redacted])")
    }
}

/// Takes equally long for equal and different digests.
impl ConstantTimeEq for Digest {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
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
        assert!(bool::from(prf.credential("alice:a").ct_eq(&prf.credential_of("alice", "a"))));
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
