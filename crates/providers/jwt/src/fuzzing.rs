//! What the project's fuzz targets see of the parsers that stand behind a connection to an issuer. No API: it may change with
//! every release.

use portcullis_core::UnixTime;
use portcullis_outbound::ClientConfig;

use crate::{
    algorithm::Algorithm,
    jwks,
    jws::Unverified,
    keys::{FetchedSet, KeySet, read_jwk},
};

/// The keys in a text.
#[derive(Clone, Debug)]
pub struct Keys(KeySet);

impl Keys {
    /// Reads a key set as an issuer's server sends it.
    ///
    /// # Errors
    ///
    /// When it is none that can be used.
    pub fn fetched(text: &[u8]) -> Result<Self, String> {
        FetchedSet::read(text, None).map(|set| Self(set.keys().clone()))
    }

    /// Reads a JWK, or a set of them, as a file or a configuration holds it.
    ///
    /// # Errors
    ///
    /// When it is none that can be used.
    pub fn given(text: &[u8]) -> Result<Self, String> {
        read_jwk(text).map(|read| Self(read.keys))
    }

    /// The algorithms that one or the other key allows.
    #[must_use]
    pub fn algorithms(&self) -> Vec<Algorithm> {
        self.0.algorithms()
    }

    /// How many keys there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether one of them verifies this token.
    #[must_use]
    pub fn verify(&self, token: &str, now: UnixTime) -> bool {
        Unverified::read(token.as_bytes(), Some(&self.0)).is_ok_and(|token| token.key(&self.0, now).is_ok())
    }
}

/// Whether a set that is fetched after another one counts as the same.
#[must_use]
pub fn is_same_set(before: &[u8], after: &[u8]) -> Option<bool> {
    let before = FetchedSet::read(before, None).ok()?;
    let after = FetchedSet::read(after, Some(&before)).ok()?;
    Some(before.is_same_as(&after))
}

/// Where the discovery document `text` of `issuer` says that its keys are.
///
/// # Errors
///
/// When the issuer cannot be asked, or the document is not believed.
pub fn discovered(issuer: &str, text: &[u8], config: &ClientConfig) -> Result<String, String> {
    jwks::discovered(issuer, text, config)
}
