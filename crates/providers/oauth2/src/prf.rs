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
/// together for those who do not know its keys. HighwayHash does so for a chosen pair under one key in 2^64; it is taken
/// twice, under keys that have nothing to do with each other.
#[derive(Clone)]
pub(crate) struct Prf {
    short: Zeroizing<[u8; 32]>,
    condense: [Zeroizing<[u64; 4]>; 2],
    condensed: Zeroizing<[u8; 32]>,
}

/// What the function returns: a question as it is remembered. Takes equally long to compare with equal and different
/// ones.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Digest(blake3::Hash);

impl Prf {
    /// A function with random keys. No two providers share one, so that no answer of one is an answer of another.
    pub(crate) fn random() -> Result<Self, BuildError> {
        let condense = [random_words()?, random_words()?];
        Ok(Self { short: random_key()?, condense, condensed: random_key()? })
    }

    /// The digest of a token and of what is asked along with it.
    pub(crate) fn question(&self, token: impl AsRef<[u8]>, parameters: &[(&str, &str)]) -> Digest {
        let token = token.as_ref();
        if parameters.is_empty() && token.len() <= BLOCK {
            return Digest(blake3::keyed_hash(&self.short, token));
        }
        let mut condensing = self.condense.each_ref().map(|key| HighwayHasher::new(highway::Key(**key)));
        // Each part goes after its length, so that no two questions are written alike.
        let mut part = |bytes: &[u8]| {
            for hasher in &mut condensing {
                hasher.append(&(bytes.len() as u64).to_le_bytes());
                hasher.append(bytes);
            }
        };
        part(token);
        for (name, value) in parameters {
            part(name.as_bytes());
            part(value.as_bytes());
        }
        let mut condensed = Zeroizing::new([0; BLOCK]);
        let (words, _) = condensed.as_chunks_mut();
        for (to, from) in words.iter_mut().zip(condensing.into_iter().flat_map(HighwayHash::finalize256)) {
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

fn random_words() -> Result<Zeroizing<[u64; 4]>, BuildError> {
    let key = random_key()?;
    let (words, _) = key.as_chunks();
    let mut words = words.iter().copied().map(u64::from_le_bytes);
    Ok(Zeroizing::new([(); 4].map(|()| words.next().unwrap_or_default())))
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
    fn every_step_is_keyed() {
        let (prf, other) = (Prf::random().unwrap(), Prf::random().unwrap());
        let long = "x".repeat(BLOCK + 1);
        let mixed = [
            Prf { condense: [other.condense[0].clone(), prf.condense[1].clone()], ..prf.clone() },
            Prf { condense: [prf.condense[0].clone(), other.condense[1].clone()], ..prf.clone() },
            Prf { condensed: other.condensed, ..prf.clone() },
        ];
        for mixed in mixed {
            assert_ne!(mixed.question(&long, &[]), prf.question(&long, &[]));
        }
    }

    #[test]
    fn all_of_the_keys_and_all_of_what_is_condensed_count() {
        let prf = Prf::random().unwrap();
        let words: HashSet<u64> = prf.condense.iter().flat_map(|key| key.iter().copied()).collect();
        assert_eq!(words.len(), 8, "eight words, each of its own");
        let token = "x".repeat(BLOCK + 1);
        let whole = [&65_u64.to_le_bytes(), token.as_bytes()].concat();
        let hashed = |key: &[u64; 4]| HighwayHasher::new(highway::Key(*key)).hash256(&whole);
        let condensed: Vec<u8> =
            prf.condense.iter().flat_map(|key| hashed(key)).flat_map(u64::to_le_bytes).collect();
        assert_eq!(prf.question(&token, &[]).0, blake3::keyed_hash(&prf.condensed, &condensed));
        let short = &token[..BLOCK];
        assert_eq!(prf.question(short, &[]).0, blake3::keyed_hash(&prf.short, short.as_bytes()));
    }

    #[test]
    fn two_tokens_that_one_hash_brings_together_the_other_tells_apart() {
        // HighwayHash has one state after both, under one key in 2^64.
        let alike = [
            "eFLUbdpDmk0IlowusYldcPC6KjMdrHg4M3HL6c6MP%<ojWID4y_FHnaxpmVYSQrVvdWgzPa6VU9IXgTX68jpPoZZb_7NYQAzPVGlTPcLFnW4ls-XaabCheYpLH7wAubS",
            "eFLUbdpDml0IlowusYldcPC6KjMdrHg4M3HL6c6MP#<njWID4y_FHnaxpmVYSQrVvdWgzPa6VV9IXgTX68jpPoZZb_7NYQAzPVGlTPcLFnW4ls-XaabCheYpLH7wAubS",
        ];
        let key =
            [0x97ce_c37f_811b_407c, 0xcff5_cc04_9a31_934d, 0x1319_8a2e_a8e3_3a60, 0xfc01_02fd_d843_97db];
        let [one, other] = alike.map(|token| {
            let whole = [&(token.len() as u64).to_le_bytes(), token.as_bytes()].concat();
            HighwayHasher::new(highway::Key(key)).hash256(&whole)
        });
        assert_eq!(one, other, "this key is such a one");
        let prf = Prf::random().unwrap();
        for at in 0..2 {
            let mut unlucky = prf.clone();
            unlucky.condense[at] = Zeroizing::new(key);
            assert_ne!(unlucky.question(alike[0], &[]), unlucky.question(alike[1], &[]));
        }
        let both = Prf { condense: [key, key].map(Zeroizing::new), ..prf };
        assert_eq!(both.question(alike[0], &[]), both.question(alike[1], &[]), "one key twice is one key");
    }
}
