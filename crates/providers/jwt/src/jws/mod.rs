//! JSON Web Signature (RFC 7515), compact serialization: what a key vouches for, and nothing else.
//!
//! The order is that of cost and trust: the form, the header, the key that may verify such a token, the signature, and
//! only then is the payload looked at.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::string_slice))]

pub(crate) mod base64url;
mod compact;
mod header;
pub(crate) mod json;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wycheproof;

use std::{borrow::Cow, sync::Arc};

use portcullis_core::{Refusal, UnixTime};

pub(crate) use self::{
    compact::Compact,
    header::{Header, is_access_token_type},
};
use crate::{
    algorithm::Algorithm,
    keys::{Key, KeySet},
    refusal::{Refused, code, shown},
};

/// A token taken apart, of which nothing is proven.
#[derive(Debug)]
pub(crate) struct Unverified<'t> {
    pub(crate) header: Cow<'t, Header>,
    compact: Compact<'t>,
}

/// Why no key verifies a token.
#[derive(Debug)]
pub(crate) struct NotVerified {
    pub(crate) refusal: Refusal,
    /// What other keys than these could change about it.
    #[cfg_attr(
        not(feature = "jwks"),
        expect(dead_code, reason = "only fetched keys may be others tomorrow")
    )]
    pub(crate) doubt: Doubt,
}

/// What is in doubt about a token that no key verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// Nothing: no key makes it good.
    None,
    /// The key that it means may be missing: none has its `kid`, or it has none and those that fit do not verify it.
    KeyMissing,
    /// The key of its `kid` is there and does not verify it; another one may have taken its place.
    KeyDiffers,
}

impl<'t> Unverified<'t> {
    /// Takes a token apart. A header that `keys` have seen before is not read again: it is the same text in all tokens that
    /// an issuer signs with one key.
    pub(crate) fn read(token: &'t [u8], keys: Option<&'t KeySet>) -> Refused<Self> {
        let compact = Compact::split(token)?;
        let header = match keys.and_then(|keys| keys.known_header(compact.encoded_header)) {
            Some(header) => Cow::Borrowed(header),
            None => Cow::Owned(Header::read(&compact.header()?)?),
        };
        Ok(Self { header, compact })
    }

    pub(crate) fn payload(&self) -> Refused<Vec<u8>> {
        self.compact.payload()
    }

    /// The key of `keys` that verifies the signature at the time `now`.
    pub(crate) fn key<'k>(&self, keys: &'k KeySet, now: UnixTime) -> Result<&'k Arc<Key>, NotVerified> {
        let Self { header, compact } = self;
        // The key says which algorithms there are. A token that names another one is refused, not obeyed.
        let unsupported = |doubt| {
            let allowed = keys.algorithm_names();
            let reason = format!("`alg` is {}, and the key allows {allowed}", shown(&header.alg));
            Err(NotVerified { refusal: Refusal::new(code::UNSUPPORTED_ALGORITHM, reason), doubt })
        };
        let Some(algorithm) = Algorithm::from_name(&header.alg) else { return unsupported(Doubt::None) };
        let kid = header.kid.as_deref();
        let (mut named, mut called, mut fits, mut outside_validity) = (false, false, false, None);
        for key in keys.named(kid) {
            named = true;
            called = called || kid.is_some_and(|kid| key.is_called(kid));
            let Some(verifier) = key.verifier(algorithm) else { continue };
            fits = true;
            if let Err(refusal) = key.is_valid_at(now) {
                outside_validity = Some(refusal);
            } else if verifier.verify(compact.signed, &compact.signature) {
                key.remember_header(compact.encoded_header, header);
                return Ok(key);
            }
        }
        let doubt = if called { Doubt::KeyDiffers } else { Doubt::KeyMissing };
        let refusal = match (kid, outside_validity) {
            (Some(kid), _) if !named => {
                Refusal::new(code::UNKNOWN_KEY, format!("no key has the `kid` {}", shown(kid)))
            }
            _ if !fits => return unsupported(doubt),
            (_, Some(refusal)) => refusal,
            _ => Refusal::new(code::BAD_SIGNATURE, "the signature does not verify with the configured key"),
        };
        Err(NotVerified { refusal, doubt })
    }
}

/// A text that is no token at all is refused whatever the keys.
impl From<Refusal> for NotVerified {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, doubt: Doubt::None }
    }
}

/// The payload of `token`, if one of `keys` verifies it at the time `now`.
#[cfg(test)]
pub(crate) fn verify(token: &str, keys: &KeySet, now: UnixTime) -> Refused<Vec<u8>> {
    let unverified = Unverified::read(token.as_bytes(), Some(keys))?;
    unverified.key(keys, now).map_err(|not| not.refusal)?;
    unverified.payload()
}
