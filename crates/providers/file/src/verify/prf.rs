//! Keyed BLAKE3, under keys that live and die with the store.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::OnceLock,
};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
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
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Digest(blake3::Hash);

/// A quarter of it is random enough for a table.
impl Hash for Digest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        if let Some(quarter) = self.0.as_bytes().first_chunk() {
            state.write_u64(u64::from_le_bytes(*quarter));
        }
    }
}

impl Prf {
    /// A function with random keys.
    pub(crate) fn random() -> Result<Self, BuildError> {
        Ok(Self { credentials: random_key()?, hashes: random_key()? })
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
        Some(Digest(blake3::keyed_hash(&self.credentials, bare)))
    }

    /// The digest of the credential with this `user:password`, however it was spelled.
    pub(crate) fn credential(&self, pair: &str) -> Digest {
        let bare = Zeroizing::new(STANDARD_NO_PAD.encode(pair));
        Digest(blake3::keyed_hash(&self.credentials, bare.as_bytes()))
    }

    /// The digest that the credential of these two has.
    pub(crate) fn credential_of(&self, username: &str, password: &str) -> Digest {
        // Collected at once: memory that grew would leave copies behind.
        let mut pair = Zeroizing::new(String::with_capacity(username.len() + 1 + password.len()));
        pair.extend([username, ":", password]);
        self.credential(&pair)
    }

    /// The digest of a stored hash, and of whose it is.
    pub(crate) fn fingerprint(&self, username: &str, hash: &str) -> Digest {
        // No name holds a colon.
        let mut hasher = blake3::Hasher::new_keyed(&self.hashes);
        hasher.update(username.as_bytes()).update(b":").update(hash.as_bytes());
        Digest(hasher.finalize())
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
    use base64::engine::general_purpose::STANDARD;
    use portcullis_core::Basic;

    use super::*;

    #[test]
    fn a_credential_has_one_digest_however_it_is_put_together() {
        let prf = Prf::random().unwrap();
        assert_eq!(prf.credential("alice:a:b"), prf.credential_of("alice", "a:b"));
        assert_eq!(prf.credential("alice:a"), prf.credential_of("alice", "a"));
        assert_ne!(prf.credential("alice:a"), prf.credential("alice:b"));
        assert_ne!(prf.fingerprint("alice", "a"), prf.credential("alice:a"));
        assert_ne!(prf.fingerprint("alice", "a"), prf.fingerprint("bob", "a"));
        assert_ne!(prf.fingerprint("alice", "a"), prf.fingerprint("alice", "b"));
    }

    /// What the memory finds by the text of a header is what is read from it.
    #[test]
    fn a_text_has_the_digest_of_the_credential_that_is_read_from_it() {
        let prf = Prf::random().unwrap();
        for password in ["1", "12", "123", "1234", "päß wörd", "a:b", &"x".repeat(1_000)] {
            let pair = format!("alice:{password}");
            for text in [STANDARD.encode(&pair), STANDARD_NO_PAD.encode(&pair)] {
                assert_eq!(prf.shown(text.as_bytes()), Some(prf.credential(&pair)), "{text}");
                assert_eq!(Basic::decode(&text).unwrap().pair(), pair);
            }
        }
    }

    #[test]
    fn a_text_that_is_not_read_has_no_digest_of_a_credential() {
        let prf = Prf::random().unwrap();
        // `alice:1`, `alice:12`, `alice:123`
        for bare in ["YWxpY2U6MQ", "YWxpY2U6MTI", "YWxpY2U6MTIz"] {
            let credential = prf.credential(Basic::decode(bare).unwrap().pair());
            let last = bare.len() - 1;
            let next = char::from(bare.as_bytes()[last] + 1);
            let mut others: Vec<String> =
                (1..=6).map(|padding| format!("{bare}{}", "=".repeat(padding))).collect();
            // Bits that no encoder writes, white space, more of either.
            others.extend([format!("{}{next}", &bare[..last]), format!(" {bare}"), format!("{bare} ")]);
            others.extend([
                format!("{bare}\n"),
                format!("={bare}"),
                bare.to_lowercase(),
                bare[..last].to_owned(),
            ]);
            for text in others {
                let found = prf.shown(text.as_bytes()) == Some(credential);
                let read = Basic::decode(&text).is_ok_and(|basic| prf.credential(basic.pair()) == credential);
                assert_eq!(found, read, "{text:?}");
            }
        }
        assert_eq!(prf.shown(b"YWxpY2U6MTI=="), None);
        assert_ne!(prf.shown(b""), None);
    }

    #[test]
    fn two_stores_have_two_keys_and_show_neither() {
        let (one, other) = (Prf::random().unwrap(), Prf::random().unwrap());
        assert_ne!(one.credential("alice:a"), other.credential("alice:a"));
        assert_eq!(format!("{one:?} {:?}", one.credential("a:b")), "Prf([redacted]) Digest([redacted])");
    }
}
