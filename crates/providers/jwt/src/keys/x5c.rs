//! `x5c`: the certificate of a JWK (RFC 7517 §4.7).

use aws_lc_rs::rsa;
use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use portcullis_keys::{Certificate, Validity};
use serde_json::{Map, Value};

use super::{
    Unusable,
    jwk::{bytes, text},
    rsa::significant,
};

/// Base64 proper, not base64url. Its padding decides nothing.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// When a key that could be read may be used, where its members bring a certificate. Who signed the certificate is not looked
/// at: the key set vouches for its keys itself.
pub(super) fn validity(members: &Map<String, Value>) -> Unusable<Option<Validity>> {
    let first = match members.get("x5c") {
        None => return Ok(None),
        // Some issuers write that there is none.
        Some(Value::Array(chain)) if chain.is_empty() => return Ok(None),
        Some(chain) => chain.get(0).and_then(Value::as_str),
    };
    let der = first.and_then(|first| BASE64.decode(first).ok());
    let certificate = der.and_then(|der| Certificate::from_der(&der).ok());
    let Some(certificate) = certificate else {
        return Err("has an `x5c` that does not begin with a certificate".to_owned());
    };
    // RFC 7517 §4.7: "The key in the first certificate MUST match the public key represented by other members of the
    // JWK."
    if !matches(certificate.spki_der(), members)? {
        return Err("has an `x5c` whose certificate is of another key".to_owned());
    }
    Ok(Some(certificate.validity()))
}

fn matches(spki: &[u8], members: &Map<String, Value>) -> Unusable<bool> {
    Ok(match text(members, "kty")?.unwrap_or_default() {
        "RSA" => {
            let (n, e) = (bytes(members, "n")?, bytes(members, "e")?);
            rsa::PublicKey::from_der(spki).is_ok_and(|key| {
                key.modulus().big_endian_without_leading_zero() == significant(&n)
                    && key.exponent().big_endian_without_leading_zero() == significant(&e)
            })
        }
        // The point is the whole of the bit string, and that is the end of the structure (RFC 5480 §2.2, RFC 8410 §4).
        "EC" => spki.ends_with(&[&[4][..], &bytes(members, "x")?, &bytes(members, "y")?].concat()),
        "OKP" => text(members, "crv")? == Some("Ed25519") && spki.ends_with(&bytes(members, "x")?),
        _ => false,
    })
}
