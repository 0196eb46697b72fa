//! HMAC-SHA-256 under a key that lives and dies with the store.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use portcullis_core::BuildError;
use sha2::Sha256;
use zeroize::Zeroizing;

/// A keyed pseudo-random function. What it returns says nothing about what it was given, to whoever lacks the key: digests
/// can rest in memory, where passwords must not.
#[derive(Clone)]
pub(crate) struct Prf(Hmac<Sha256>);

/// What the function returns.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Digest([u8; 32]);

impl Prf {
    /// A function with a random key. No two stores share one.
    pub(crate) fn random() -> Result<Self, BuildError> {
        let key = Zeroizing::new(random_bytes::<32>().map_err(BuildError::new)?);
        let keyed = Hmac::new_from_slice(&*key)
            .map_err(|_| BuildError::new("HMAC refused a key of 32 bytes: please report this"))?;
        Ok(Self(keyed))
    }

    /// The digest of a whole credential, `user:password` as it was sent.
    pub(crate) fn credential(&self, pair: &str) -> Digest {
        let mut keyed = self.0.clone();
        keyed.update(pair.as_bytes());
        Digest(keyed.finalize().into_bytes().into())
    }
}

/// Bytes that nobody can guess.
pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N], &'static str> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| "the operating system gave no randomness")?;
    Ok(bytes)
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
    fn one_credential_has_one_digest_in_one_store() {
        let (one, other) = (Prf::random().unwrap(), Prf::random().unwrap());
        assert_eq!(one.credential("a:b"), one.credential("a:b"));
        assert_ne!(one.credential("a:b"), one.credential("a:B"));
        assert_ne!(one.credential("a:b"), other.credential("a:b"));
        assert_eq!(format!("{one:?} {:?}", one.credential("a:b")), "Prf([redacted]) Digest([redacted])");
    }
}
