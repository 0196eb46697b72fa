//! Assertions as they reach a token endpoint: signed JWTs (RFC 7523).

use aws_lc_rs::{
    hmac,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
        RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
        RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use portcullis_keys::PublicKey;
use serde_json::{Map, Value};

/// What an assertion's signature is verified with.
pub(crate) enum VerificationKey {
    Public(PublicKey),
    Secret(String),
    /// Whoever signed it is believed.
    Any,
}

/// A JWT, taken apart.
pub(crate) struct Assertion<'a> {
    algorithm: String,
    signed: &'a str,
    signature: Vec<u8>,
    claims: Map<String, Value>,
}

impl<'a> Assertion<'a> {
    pub(crate) fn read(text: &'a str) -> Result<Self, &'static str> {
        const MALFORMED: &str = "the assertion is no JWT";
        let (signed, signature) = text.rsplit_once('.').ok_or(MALFORMED)?;
        let (header, claims) = signed.split_once('.').ok_or(MALFORMED)?;
        let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| MALFORMED);
        let object = |part: &str| -> Result<Map<String, Value>, &'static str> {
            serde_json::from_slice(&bytes(part)?).map_err(|_| MALFORMED)
        };
        let header = object(header)?;
        let algorithm = header.get("alg").and_then(Value::as_str).ok_or(MALFORMED)?.to_owned();
        Ok(Self { algorithm, signed, signature: bytes(signature)?, claims: object(claims)? })
    }

    pub(crate) fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim)?.as_str()
    }

    pub(crate) fn expires(&self) -> bool {
        self.claims.get("exp").is_some_and(Value::is_number)
    }

    pub(crate) fn is_for(&self, audience: &str) -> bool {
        match self.claims.get("aud") {
            Some(Value::String(one)) => one == audience,
            Some(Value::Array(several)) => several.iter().any(|one| one == audience),
            _ => false,
        }
    }

    pub(crate) fn verify(&self, key: &VerificationKey) -> Result<(), &'static str> {
        let right = match key {
            VerificationKey::Any => true,
            VerificationKey::Public(key) => self.is_signed_by(key),
            VerificationKey::Secret(secret) => self.is_authenticated_by(secret),
        };
        if right { Ok(()) } else { Err("the signature is wrong") }
    }

    fn is_signed_by(&self, key: &PublicKey) -> bool {
        let algorithm: &'static dyn VerificationAlgorithm = match self.algorithm.as_str() {
            "RS256" => &RSA_PKCS1_2048_8192_SHA256,
            "RS384" => &RSA_PKCS1_2048_8192_SHA384,
            "RS512" => &RSA_PKCS1_2048_8192_SHA512,
            "PS256" => &RSA_PSS_2048_8192_SHA256,
            "PS384" => &RSA_PSS_2048_8192_SHA384,
            "PS512" => &RSA_PSS_2048_8192_SHA512,
            "ES256" => &ECDSA_P256_SHA256_FIXED,
            "ES384" => &ECDSA_P384_SHA384_FIXED,
            "EdDSA" | "Ed25519" => &ED25519,
            _ => return false,
        };
        let key = UnparsedPublicKey::new(algorithm, key.spki_der());
        key.verify(self.signed.as_bytes(), &self.signature).is_ok()
    }

    fn is_authenticated_by(&self, secret: &str) -> bool {
        let algorithm = match self.algorithm.as_str() {
            "HS256" => hmac::HMAC_SHA256,
            "HS384" => hmac::HMAC_SHA384,
            "HS512" => hmac::HMAC_SHA512,
            _ => return false,
        };
        let key = hmac::Key::new(algorithm, secret.as_bytes());
        hmac::verify(&key, self.signed.as_bytes(), &self.signature).is_ok()
    }
}
