//! Keyed BLAKE3, under a key that lives and dies with the store.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use portcullis_core::BuildError;
use zeroize::Zeroizing;

/// A keyed pseudo-random function. What it returns says nothing about what it was given, to whoever lacks the key: digests
/// can rest in memory, where passwords must not.
#[derive(Clone)]
pub(crate) struct Prf(Zeroizing<[u8; 32]>);

/// What the function returns. Takes equally long to compare with equal and different ones.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Digest(blake3::Hash);

impl Prf {
    /// A function with a random key. No two stores share one.
    pub(crate) fn random() -> Result<Self, BuildError> {
        Ok(Self(Zeroizing::new(random_bytes().map_err(BuildError::new)?)))
    }

    /// The digest of a whole credential as it stands in the header, in base64: so nothing has to be decoded to find out that
    /// it is remembered. `None` where it cannot be one.
    pub(crate) fn shown(&self, text: &[u8]) -> Option<Digest> {
        // Padding says nothing, and is there as a whole or not at all: read like that by `Basic::decode`, too, to which
        // a credential has no third spelling.
        let bare = match text {
            [bare @ .., b'=', b'='] | [bare @ .., b'='] if text.len().is_multiple_of(4) => bare,
            [.., b'='] => return None,
            bare => bare,
        };
        Some(Digest(blake3::keyed_hash(&self.0, bare)))
    }

    /// The digest of the credential with this `user:password`, however it was spelled.
    pub(crate) fn credential(&self, pair: &str) -> Digest {
        let bare = Zeroizing::new(STANDARD_NO_PAD.encode(pair));
        Digest(blake3::keyed_hash(&self.0, bare.as_bytes()))
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
    use base64::engine::general_purpose::STANDARD;
    use portcullis_core::Basic;

    use super::*;

    #[test]
    fn one_credential_has_one_digest_in_one_store() {
        let (one, other) = (Prf::random().unwrap(), Prf::random().unwrap());
        assert_eq!(one.credential("a:b"), one.credential("a:b"));
        assert_ne!(one.credential("a:b"), one.credential("a:B"));
        assert_ne!(one.credential("a:b"), other.credential("a:b"));
        assert_eq!(format!("{one:?} {:?}", one.credential("a:b")), "Prf([redacted]) Digest([redacted])");
    }

    /// What the memory finds by the text of a header is what is read from it.
    #[test]
    fn a_text_has_the_digest_of_the_credential_that_is_read_from_it() {
        let prf = Prf::random().unwrap();
        for password in ["1", "12", "123", "päß wörd", &"x".repeat(1_000)] {
            let pair = format!("alice:{password}");
            for text in [STANDARD.encode(&pair), STANDARD_NO_PAD.encode(&pair)] {
                assert_eq!(prf.shown(text.as_bytes()), Some(prf.credential(&pair)), "{text}");
                assert_eq!(Basic::decode(&text).unwrap().pair(), pair);
            }
        }
        let alice = prf.credential("alice:12");
        for text in [
            "YWxpY2U6MTI==",
            "YWxpY2U6MTI===",
            "YWxpY2U6MTJ",
            " YWxpY2U6MTI",
            "YWxpY2U6MTI ",
            "YWxpY2U6MT",
            "",
        ] {
            assert_ne!(prf.shown(text.as_bytes()), Some(alice), "{text:?}");
        }
    }
}
