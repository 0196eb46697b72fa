//! Keys that signatures are verified with, prepared once.

mod ecdsa;
mod ed25519;
#[cfg(feature = "jwks")]
mod fetched;
mod file;
mod jwk;
mod rsa;
mod set;
#[cfg(test)]
mod tests;
#[cfg(feature = "jwks")]
mod x5c;

use std::{fmt, sync::OnceLock};

use aws_lc_rs::{
    digest, hmac,
    signature::{self, ParsedPublicKey, VerificationAlgorithm},
};
use portcullis_core::{Refusal, Secret, UnixTime};
use portcullis_keys::Validity;

use self::ecdsa::Der;
#[cfg(feature = "jwks")]
pub(crate) use self::fetched::FetchedSet;
pub(crate) use self::{
    file::{Fault, explained, read_file, read_trust_store},
    jwk::{ReadKeys, read as read_jwk},
    set::KeySet,
};
use crate::{
    algorithm::Algorithm,
    jws::Header,
    refusal::{Refused, code},
};

/// Why a key cannot be used: a clause without a subject, to stand behind the file's or the key's name.
pub(crate) type Unusable<T> = Result<T, String>;

/// A key, and with it all algorithms that a token verified by it may name.
#[derive(Clone)]
pub(crate) struct Key {
    id: Option<Box<str>>,
    verifiers: Vec<Verifier>,
    validity: Option<Validity>,
    /// The header of the first token that it verified, as it stands there and as it was read.
    header: OnceLock<(Box<[u8]>, Header)>,
}

/// A key made ready for one algorithm.
#[derive(Clone)]
pub(crate) struct Verifier {
    algorithm: Algorithm,
    with: With,
}

/// RSA and ECDSA sign a hash, which takes fewer steps to hand over than the message.
#[derive(Clone)]
enum With {
    Rsa(ParsedPublicKey, &'static digest::Algorithm),
    /// Signatures are two numbers of so many bytes.
    Ecdsa(ParsedPublicKey, &'static digest::Algorithm, usize),
    EdDsa(ParsedPublicKey),
    Secret(Box<hmac::Key>),
}

impl Key {
    /// An RSA key of big-endian numbers; leading zeros are dropped.
    fn rsa(modulus: &[u8], exponent: &[u8]) -> Unusable<Self> {
        let components = rsa::check(modulus, exponent)?;
        let prepare = |algorithm| {
            let (parameters, hash) = match algorithm {
                Algorithm::Rs256 => (&signature::RSA_PKCS1_2048_8192_SHA256, &digest::SHA256),
                Algorithm::Rs384 => (&signature::RSA_PKCS1_2048_8192_SHA384, &digest::SHA384),
                Algorithm::Rs512 => (&signature::RSA_PKCS1_2048_8192_SHA512, &digest::SHA512),
                // RFC 7518 §3.5: the salt is as long as the hash, which is these parameters' own rule.
                Algorithm::Ps256 => (&signature::RSA_PSS_2048_8192_SHA256, &digest::SHA256),
                Algorithm::Ps384 => (&signature::RSA_PSS_2048_8192_SHA384, &digest::SHA384),
                _ => (&signature::RSA_PSS_2048_8192_SHA512, &digest::SHA512),
            };
            let key = components
                .to_parsed_public_key(parameters)
                .map_err(|_| "is not a valid RSA key".to_owned())?;
            Ok(Verifier { algorithm, with: With::Rsa(key, hash) })
        };
        Ok(Self::of(Algorithm::RSA.into_iter().map(prepare).collect::<Unusable<_>>()?))
    }

    /// A key on P-256: an uncompressed point, or a SubjectPublicKeyInfo.
    fn p256(point: &[u8]) -> Unusable<Self> {
        let key = parsed(&signature::ECDSA_P256_SHA256_ASN1, point, "is not a point on P-256")?;
        Ok(Self::by(Algorithm::Es256, With::Ecdsa(key, &digest::SHA256, 32)))
    }

    /// A key on P-384, likewise.
    fn p384(point: &[u8]) -> Unusable<Self> {
        let key = parsed(&signature::ECDSA_P384_SHA384_ASN1, point, "is not a point on P-384")?;
        Ok(Self::by(Algorithm::Es384, With::Ecdsa(key, &digest::SHA384, 48)))
    }

    /// An Ed25519 key: its 32 bytes.
    fn ed25519(point: &[u8]) -> Unusable<Self> {
        ed25519::check(point)?;
        let key = parsed(&signature::ED25519, point, "is not an Ed25519 key")?;
        Ok(Self::by(Algorithm::EdDsa, With::EdDsa(key)))
    }

    /// A key that is good for one algorithm.
    fn by(algorithm: Algorithm, with: With) -> Self {
        Self::of(vec![Verifier { algorithm, with }])
    }

    /// A shared secret, for each algorithm that it is long enough for; for all of them where `insecure_short`.
    fn secret(bytes: &[u8], insecure_short: bool) -> Unusable<Self> {
        if bytes.is_empty() {
            return Err("is empty and protects nothing".to_owned());
        }
        // RFC 7518 §3.2: "A key of the same size as the hash output (for instance, 256 bits for "HS256") or larger MUST
        // be used with this algorithm."
        let long_enough =
            |algorithm: &Algorithm| algorithm.least_secret().is_some_and(|least| bytes.len() >= least);
        let allowed =
            Algorithm::HMAC.into_iter().filter(|algorithm| insecure_short || long_enough(algorithm));
        let prepare = |algorithm| {
            let hash = match algorithm {
                Algorithm::Hs256 => hmac::HMAC_SHA256,
                Algorithm::Hs384 => hmac::HMAC_SHA384,
                _ => hmac::HMAC_SHA512,
            };
            Verifier { algorithm, with: With::Secret(Box::new(hmac::Key::new(hash, bytes))) }
        };
        let verifiers: Vec<Verifier> = allowed.map(prepare).collect();
        if verifiers.is_empty() {
            return Err("is too short: HS256 needs at least 32 bytes (HS384 48, HS512 64)".to_owned());
        }
        Ok(Self::of(verifiers))
    }

    /// The `secret` of a configuration.
    pub(crate) fn configured_secret(secret: &Secret, insecure_short: bool) -> Unusable<Self> {
        Self::secret(secret.expose().as_bytes(), insecure_short)
    }

    const fn of(verifiers: Vec<Verifier>) -> Self {
        Self { id: None, verifiers, validity: None, header: OnceLock::new() }
    }

    fn with_id(mut self, id: Option<&str>) -> Self {
        self.id = id.map(Into::into);
        self
    }

    const fn with_validity(mut self, validity: Option<Validity>) -> Self {
        self.validity = validity;
        self
    }

    /// Leaves only those of `algorithms`.
    fn narrow(&mut self, algorithms: &[Algorithm]) {
        self.verifiers.retain(|verifier| algorithms.contains(&verifier.algorithm));
    }

    /// Whether its `kid` is this one.
    pub(crate) fn is_called(&self, kid: &str) -> bool {
        self.id.as_deref() == Some(kid)
    }

    pub(crate) fn verifier(&self, algorithm: Algorithm) -> Option<&Verifier> {
        self.verifiers.iter().find(|verifier| verifier.algorithm == algorithm)
    }

    /// What the header says that is spelled so, if it is the one that was seen.
    fn known_header(&self, encoded: &[u8]) -> Option<&Header> {
        self.header.get().filter(|(known, _)| **known == *encoded).map(|(_, header)| header)
    }

    /// Keeps the header of a token that this key verified, unless it has one.
    pub(crate) fn remember_header(&self, encoded: &[u8], header: &Header) {
        self.header.get_or_init(|| (encoded.into(), header.clone()));
    }

    /// Whether its certificate, where it has one, is valid at `now`.
    pub(crate) fn is_valid_at(&self, now: UnixTime) -> Refused<()> {
        let Some(validity) = self.validity else { return Ok(()) };
        if validity.contains(now.since_epoch()) {
            return Ok(());
        }
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        Err(if now < validity.not_before {
            let from = validity.not_before;
            Refusal::new(
                code::CERTIFICATE_NOT_YET_VALID,
                format!("the key's certificate is valid from {from} on, and it is {now}"),
            )
        } else {
            let until = validity.not_after;
            Refusal::new(
                code::CERTIFICATE_EXPIRED,
                format!("the key's certificate was valid until {until}, and it is {now}: renew it"),
            )
        })
    }
}

fn parsed(by: &'static dyn VerificationAlgorithm, key: &[u8], otherwise: &str) -> Unusable<ParsedPublicKey> {
    ParsedPublicKey::new(by, key).map_err(|_| otherwise.to_owned())
}

impl Verifier {
    /// Whether `signature` is that of `message`.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.with {
            With::Rsa(key, hash) => key.verify_digest_sig(&digest::digest(hash, message), signature).is_ok(),
            With::Ecdsa(key, hash, width) => Der::from_fixed(signature, *width).is_some_and(|signature| {
                key.verify_digest_sig(&digest::digest(hash, message), signature.as_bytes()).is_ok()
            }),
            With::EdDsa(key) => key.verify_sig(message, signature).is_ok(),
            // Takes time that depends on the lengths only.
            With::Secret(key) => hmac::verify(key, message, signature).is_ok(),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithms: Vec<Algorithm> = self.verifiers.iter().map(|verifier| verifier.algorithm).collect();
        f.debug_struct("Key")
            .field("id", &self.id)
            .field("algorithms", &algorithms)
            .field("validity", &self.validity)
            .finish_non_exhaustive()
    }
}
