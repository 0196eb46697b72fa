//! JSON Web Signature (RFC 7515), compact serialization: what a key vouches for, and nothing else.

pub(crate) mod base64url;
mod compact;
mod header;
pub(crate) mod json;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wycheproof;

use std::sync::Arc;

use portcullis_core::UnixTime;

pub(crate) use self::{compact::Compact, header::Header};
use crate::{
    algorithm::Algorithm,
    keys::{Key, KeySet},
    refusal::{Refused, code, refuse, shown},
};

/// A token whose signature is right.
#[derive(Debug)]
pub(crate) struct Verified {
    pub(crate) header: Header,
    pub(crate) payload: Vec<u8>,
    /// The key that verified it.
    pub(crate) key: Arc<Key>,
}

/// Verifies the signature of `token` with whichever of `keys` it may be, at the time `now`.
///
/// The order is that of cost and trust: the form, the header, the key that may verify such a token, the signature, and
/// only then is the payload decoded.
pub(crate) fn verify(token: &str, keys: &KeySet, now: UnixTime) -> Refused<Verified> {
    let compact = Compact::split(token)?;
    let header = Header::read(&compact.header)?;
    let key = verify_signature(&compact, &header, keys, now)?;
    Ok(Verified { payload: compact.payload()?, header, key: Arc::clone(key) })
}

fn verify_signature<'k>(
    compact: &Compact<'_>,
    header: &Header,
    keys: &'k KeySet,
    now: UnixTime,
) -> Refused<&'k Arc<Key>> {
    // The key says which algorithms there are. A token that names another one is refused, not obeyed.
    let unsupported = || {
        let allowed = keys.algorithm_names();
        refuse(
            code::UNSUPPORTED_ALGORITHM,
            format!("`alg` is {}, and the key allows {allowed}", shown(&header.alg)),
        )
    };
    let Some(algorithm) = Algorithm::from_name(&header.alg) else { return unsupported() };
    let (mut named, mut fits, mut outside_validity) = (false, false, None);
    for key in keys.named(header.kid.as_deref()) {
        named = true;
        let Some(verifier) = key.verifier(algorithm) else { continue };
        fits = true;
        if let Err(refusal) = key.is_valid_at(now) {
            outside_validity = Some(refusal);
        } else if verifier.verify(compact.signed.as_bytes(), &compact.signature) {
            return Ok(key);
        }
    }
    match (&header.kid, outside_validity) {
        (Some(kid), _) if !named => refuse(code::UNKNOWN_KEY, format!("no key has the `kid` {}", shown(kid))),
        _ if !fits => unsupported(),
        (_, Some(refusal)) => Err(refusal),
        _ => refuse(code::BAD_SIGNATURE, "the signature does not verify with the configured key"),
    }
}
