//! The MAC over a key store, which is also how a wrong password shows.

use aws_lc_rs::{digest, hmac};
use pkcs8::der::asn1::ObjectIdentifier;

use crate::algorithm::name;
use crate::asn1::Fields;
use crate::encryption::{Budget, KeyPurpose, Password, derive};
use crate::error::KeyErrorKind;

const HASHES: [(&str, &digest::Algorithm, hmac::Algorithm); 5] = [
    ("1.3.14.3.2.26", &digest::SHA1_FOR_LEGACY_USE_ONLY, hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
    ("2.16.840.1.101.3.4.2.4", &digest::SHA224, hmac::HMAC_SHA224),
    ("2.16.840.1.101.3.4.2.1", &digest::SHA256, hmac::HMAC_SHA256),
    ("2.16.840.1.101.3.4.2.2", &digest::SHA384, hmac::HMAC_SHA384),
    ("2.16.840.1.101.3.4.2.3", &digest::SHA512, hmac::HMAC_SHA512),
];

/// A MAC that was found affordable.
pub(super) struct Mac<'a> {
    hash: &'static digest::Algorithm,
    hmac: hmac::Algorithm,
    expected: &'a [u8],
    salt: &'a [u8],
    iterations: u32,
}

impl<'a> Mac<'a> {
    /// ```text
    /// MacData ::= SEQUENCE { mac SEQUENCE { digestAlgorithm AlgorithmIdentifier, digest OCTET STRING },
    ///     macSalt OCTET STRING, iterations INTEGER DEFAULT 1 }
    /// ```
    pub(super) fn new(mut mac_data: Fields<'a>, budget: &mut Budget) -> Result<Self, KeyErrorKind> {
        let mut mac = mac_data.sequence()?;
        let (hash, hmac) = hash(mac.sequence()?.oid()?)?;
        let expected = mac.octets()?;
        let salt = mac_data.octets()?;
        let iterations = if mac_data.is_finished() { 1 } else { mac_data.integer()? };
        let iterations = budget.iterations("the number of MAC iterations", iterations)?;
        Ok(Self { hash, hmac, expected, salt, iterations })
    }

    pub(super) fn verify(&self, contents: &[u8], password: &Password<'_>) -> Result<(), KeyErrorKind> {
        let length = self.hash.output_len();
        let key = derive(self.hash, KeyPurpose::Mac, &password.bmp, self.salt, self.iterations, length);
        let key = hmac::Key::new(self.hmac, &key);
        hmac::verify(&key, contents, self.expected).map_err(|_| KeyErrorKind::WrongPassword)
    }
}

fn hash(algorithm: ObjectIdentifier) -> Result<(&'static digest::Algorithm, hmac::Algorithm), KeyErrorKind> {
    let dotted = algorithm.to_string();
    match HASHES.iter().find(|(oid, ..)| *oid == dotted) {
        Some((_, hash, hmac)) => Ok((hash, *hmac)),
        None => Err(KeyErrorKind::UnsupportedEncryption(format!("with a MAC of {}", name(algorithm)))),
    }
}
