//! Keyed BLAKE3, under keys that live and die with whoever remembers tokens.

use std::fmt;

use highway::{HighwayHash, HighwayHasher};
use portcullis_core::BuildError;
use zeroize::Zeroizing;

/// What BLAKE3 takes in one step.
const BLOCK: usize = 64;

/// A keyed pseudo-random function. What it returns says nothing about what it was given, to whoever lacks the keys:
/// digests can rest in memory, where tokens must not. Whoever has the keys too can try guesses, and nothing better.
///
/// Long questions are condensed first, because BLAKE3 alone takes as long for a token of 800 bytes as for the rest of
/// the request. That step need not be one-way, as nobody sees what it returns: it only must not bring two questions
/// together for those who do not know its key.
#[derive(Clone)]
pub(crate) struct Prf {
    short: Zeroizing<[u8; 32]>,
    condense: Zeroizing<[u64; 4]>,
    condensed: Zeroizing<[u8; 32]>,
}

/// What the function returns: a question as it is remembered. Takes equally long to compare with equal and different
/// ones.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Digest(blake3::Hash);

impl Prf {
    /// A function with random keys. No two providers share one, so that no answer of one is an answer of another.
    pub(crate) fn random() -> Result<Self, BuildError> {
        let condense = random_key()?;
        let (words, _) = condense.as_chunks();
        let mut words = words.iter().copied().map(u64::from_le_bytes);
        Ok(Self {
            short: random_key()?,
            condense: Zeroizing::new([(); 4].map(|()| words.next().unwrap_or_default())),
            condensed: random_key()?,
        })
    }

    /// The digest of a token and of what is asked along with it.
    pub(crate) fn question(&self, token: impl AsRef<[u8]>, parameters: &[(&str, &str)]) -> Digest {
        let token = token.as_ref();
        if parameters.is_empty() && token.len() <= BLOCK {
            return Digest(blake3::keyed_hash(&self.short, token));
        }
        let mut condensing = HighwayHasher::new(highway::Key(*self.condense));
        // Each part goes after its length, so that no two questions are written alike.
        let mut part = |bytes: &[u8]| {
            condensing.append(&(bytes.len() as u64).to_le_bytes());
            condensing.append(bytes);
        };
        part(token);
        for (name, value) in parameters {
            part(name.as_bytes());
            part(value.as_bytes());
        }
        let mut condensed = Zeroizing::new([0; 32]);
        let (words, _) = condensed.as_chunks_mut();
        for (to, from) in words.iter_mut().zip(condensing.finalize256()) {
            *to = from.to_le_bytes();
        }
        Digest(blake3::keyed_hash(&self.condensed, &*condensed))
    }
}

fn random_key() -> Result<Zeroizing<[u8; 32]>, BuildError> {
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *key).map_err(|error| {
        BuildError::new("the operating system gave no randomness: tokens are remembered under a random key")
            .with_source(error)
    })?;
    Ok(key)
}

#[cfg(test)]
impl Digest {
    pub(crate) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(blake3::Hash::from_bytes(bytes))
    }

    /// As text, where it should be one.
    pub(crate) fn bytes(&self) -> String {
        String::from_utf8_lossy(self.0.as_bytes()).into_owned()
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
        let long = ["x".repeat(BLOCK), "x".repeat(BLOCK + 1), "x".repeat(BLOCK + 2), "x".repeat(16 * 1024)];
        let mut last_bit = long[3].clone();
        last_bit.replace_range(16 * 1024 - 1.., "y");
        let questions: [(&str, &[(&str, &str)]); 16] = [
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
            (&long[0], &[]),
            (&long[0], &[("", "")]),
            (&long[1], &[]),
            (&long[2], &[]),
            (&long[3], &[]),
            (&last_bit, &[]),
        ];
        let digests: HashSet<Digest> =
            questions.iter().map(|(token, parameters)| prf.question(token, parameters)).collect();
        assert_eq!(digests.len(), questions.len());
        for (token, parameters) in questions {
            assert_eq!(prf.clone().question(token, parameters), prf.question(token, parameters));
        }
    }

    #[test]
    fn two_providers_have_two_keys_and_show_neither() {
        let (one, other) = (Prf::random().unwrap(), Prf::random().unwrap());
        let long = "x".repeat(BLOCK + 1);
        assert_ne!(one.question("token", &[]), other.question("token", &[]));
        assert_ne!(one.question(&long, &[]), other.question(&long, &[]));
        assert_eq!(format!("{one:?} {:?}", one.question("token", &[])), "Prf([redacted]) Digest([redacted])");
    }

    #[test]
    fn both_steps_are_keyed() {
        let prf = Prf::random().unwrap();
        let long = "x".repeat(BLOCK + 1);
        let other = Prf::random().unwrap();
        let mixed = |condense: &Prf, condensed: &Prf| {
            let (condense, condensed) = (condense.condense.clone(), condensed.condensed.clone());
            Prf { short: prf.short.clone(), condense, condensed }.question(&long, &[])
        };
        assert_eq!(mixed(&prf, &prf), prf.question(&long, &[]));
        assert_ne!(mixed(&other, &prf), mixed(&prf, &prf));
        assert_ne!(mixed(&prf, &other), mixed(&prf, &prf));
    }

    #[test]
    fn all_of_the_key_and_all_of_what_is_condensed_count() {
        let prf = Prf::random().unwrap();
        let words: HashSet<u64> = prf.condense.iter().copied().collect();
        assert_eq!(words.len(), 4, "four words, each of its own");
        let token = "x".repeat(BLOCK + 1);
        let whole = [&65_u64.to_le_bytes(), token.as_bytes()].concat();
        let condensed = HighwayHasher::new(highway::Key(*prf.condense)).hash256(&whole);
        let condensed: Vec<u8> = condensed.iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!(prf.question(&token, &[]).0, blake3::keyed_hash(&prf.condensed, &condensed));
        let short = &token[..BLOCK];
        assert_eq!(prf.question(short, &[]).0, blake3::keyed_hash(&prf.short, short.as_bytes()));
    }
}
