//! Which kind of key it is.

use std::fmt;

use pkcs8::der::Decode as _;
use pkcs8::der::asn1::ObjectIdentifier;
use pkcs8::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

use crate::asn1::Fields;
use crate::error::KeyErrorKind;

pub(crate) const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
pub(crate) const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
pub(crate) const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
pub(crate) const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
pub(crate) const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
pub(crate) const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// The kind of a public or private key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyAlgorithm {
    /// RSA.
    Rsa {
        /// The length of the modulus.
        bits: usize,
    },
    /// ECDSA on the curve P-256.
    EcP256,
    /// ECDSA on the curve P-384.
    EcP384,
    /// ECDSA on the curve P-521.
    EcP521,
    /// Ed25519.
    Ed25519,
    /// Something else, by its name or object identifier. Only public keys can be of this kind.
    Other(String),
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa { bits } => write!(f, "RSA of {bits} bits"),
            Self::EcP256 => f.write_str("EC on P-256"),
            Self::EcP384 => f.write_str("EC on P-384"),
            Self::EcP521 => f.write_str("EC on P-521"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Other(name) => f.write_str(name),
        }
    }
}

impl KeyAlgorithm {
    /// Of a SubjectPublicKeyInfo.
    pub(crate) fn of_spki(spki: &[u8]) -> Result<Self, KeyErrorKind> {
        const WHAT: &str = "the public key cannot be parsed";
        let spki = SubjectPublicKeyInfoRef::from_der(spki).map_err(|_| KeyErrorKind::Malformed(WHAT))?;
        if spki.algorithm.oid == RSA {
            let key = spki.subject_public_key.as_bytes().ok_or(KeyErrorKind::Malformed(WHAT))?;
            let bits = modulus_bits(&mut Fields::of_sequence(key, WHAT)?)?;
            return Ok(Self::Rsa { bits });
        }
        Ok(Self::of_identifier(&spki.algorithm))
    }

    /// Of an algorithm identifier. That of RSA does not tell the length.
    pub(crate) fn of_identifier(algorithm: &AlgorithmIdentifierRef<'_>) -> Self {
        match algorithm.oid {
            RSA => Self::Rsa { bits: 0 },
            ED25519 => Self::Ed25519,
            EC => match algorithm.parameters.map(ObjectIdentifier::try_from) {
                Some(Ok(P256)) => Self::EcP256,
                Some(Ok(P384)) => Self::EcP384,
                Some(Ok(P521)) => Self::EcP521,
                Some(Ok(curve)) => Self::Other(format!("EC on the curve {}", name(curve))),
                _ => Self::Other("an EC key with explicit curve parameters".to_owned()),
            },
            other => Self::Other(format!("a key of the algorithm {}", name(other))),
        }
    }
}

/// The length of the INTEGER that comes next, which is an RSA modulus.
pub(crate) fn modulus_bits(fields: &mut Fields<'_>) -> Result<usize, KeyErrorKind> {
    let bytes = fields.tagged(pkcs8::der::Tag::Integer)?;
    let significant = bytes.iter().skip_while(|byte| **byte == 0).count();
    let zeros = bytes.iter().find(|byte| **byte != 0).map_or(0, |byte| byte.leading_zeros() as usize);
    Ok(significant * 8 - zeros)
}

/// The names of what people meet, the numbers of the rest.
pub(crate) fn name(oid: ObjectIdentifier) -> String {
    const NAMES: [(&str, &str); 17] = [
        ("1.2.840.10040.4.1", "DSA"),
        ("1.2.840.113549.1.1.10", "RSASSA-PSS"),
        ("1.3.132.0.10", "secp256k1"),
        ("1.3.101.110", "X25519"),
        ("1.3.101.111", "X448"),
        ("1.3.101.113", "Ed448"),
        ("1.2.840.113549.1.3.1", "DH"),
        ("1.2.840.113549.1.5.1", "pbeWithMD2AndDES-CBC"),
        ("1.2.840.113549.1.5.3", "pbeWithMD5AndDES-CBC"),
        ("1.2.840.113549.1.5.6", "pbeWithMD5AndRC2-CBC"),
        ("1.2.840.113549.1.5.10", "pbeWithSHA1AndDES-CBC"),
        ("1.2.840.113549.1.5.11", "pbeWithSHA1AndRC2-CBC"),
        ("1.2.840.113549.1.5.14", "PBMAC1"),
        ("1.2.840.113549.1.12.1.1", "pbeWithSHA1And128BitRC4"),
        ("1.2.840.113549.1.12.1.2", "pbeWithSHA1And40BitRC4"),
        ("1.3.14.3.2.7", "DES-CBC"),
        ("1.2.840.113549.3.2", "RC2-CBC"),
    ];
    let dotted = oid.to_string();
    NAMES.iter().find(|(number, _)| *number == dotted).map_or(dotted, |(_, name)| (*name).to_owned())
}
