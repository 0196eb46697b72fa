//! HMAC-SHA-256 under a key that lives and dies with whoever remembers tokens.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use portcullis_core::BuildError;
use sha2::Sha256;
use zeroize::Zeroizing;

/// A keyed pseudo-random function. What it returns says nothing about what it was given, to whoever lacks the key:
/// digests can rest in memory, where tokens must not.
#[derive(Clone)]
pub(crate) struct Prf(Hmac<Sha256>);

/// What the function returns: a question as it is remembered.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Digest([u8; 32]);

impl Prf {
    /// A function with a random key. No two providers share one, so that no answer of one is an answer of another.
    pub(crate) fn random() -> Result<Self, BuildError> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *key).map_err(|error| {
            BuildError::new(
                "the operating system gave no randomness: tokens are remembered under a random key",
            )
            .with_source(error)
        })?;
        let keyed = Hmac::new_from_slice(&*key)
            .map_err(|_| BuildError::new("HMAC refused a key of 32 bytes: please report this"))?;
        Ok(Self(keyed))
    }

    /// The digest of a token and of what is asked along with it.
    pub(crate) fn question(&self, token: &str, parameters: &[(&str, &str)]) -> Digest {
        let mut keyed = self.0.clone();
        // Each part goes after its length, so that no two questions are written alike.
        let mut part = |text: &str| {
            keyed.update(&(text.len() as u64).to_be_bytes());
            keyed.update(text.as_bytes());
        };
        part(token);
        for (name, value) in parameters {
            part(name);
            part(value);
        }
        Digest(keyed.finalize().into_bytes().into())
    }
}

#[cfg(test)]
impl Digest {
    pub(crate) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// As text, where it should be one.
    pub(crate) fn bytes(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
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
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn one_question_has_one_digest_and_no_two_questions_share_one() {
        let prf = Prf::random().unwrap();
        let questions: [(&str, &[(&str, &str)]); 10] = [
            ("ab", &[]),
            ("a", &[]),
            ("a", &[("b", "")]),
            ("a", &[("", "b")]),
            ("ab", &[("", "")]),
            ("a", &[("b", "c")]),
            ("a", &[("bc", "")]),
            ("a", &[("b", "c"), ("d", "e")]),
            ("a", &[("d", "e"), ("b", "c")]),
            ("abcde", &[]),
        ];
        let digests: HashSet<Digest> =
            questions.iter().map(|(token, parameters)| prf.question(token, parameters)).collect();
        assert_eq!(digests.len(), questions.len());
        assert_eq!(prf.question("a", &[("b", "c")]), prf.question("a", &[("b", "c")]));
    }

    #[test]
    fn two_providers_have_two_keys_and_show_neither() {
        let (one, other) = (Prf::random().unwrap(), Prf::random().unwrap());
        assert_ne!(one.question("token", &[]), other.question("token", &[]));
        assert_eq!(format!("{one:?} {:?}", one.question("token", &[])), "Prf([redacted]) Digest([redacted])");
    }
}
