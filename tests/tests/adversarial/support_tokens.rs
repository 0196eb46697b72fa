//! Who signs whatever he is given.

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
        KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
    },
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use portcullis_tests::data;
use serde_json::{Value, json};

use crate::support::NOW;

pub(crate) const ISSUER: &str = "https://issuer.example";

/// A validator of tokens that the key in this file signed.
pub(crate) fn validator(key_file: &str, more: &str) -> String {
    format!(
        r#"{{ scopes = "hello", jwtValidatorConfig = {{ issuer = "{ISSUER}", audience = "orders", {more}
             signatureConfig = {{ certFile = "{key_file}" }} }} }},"#
    )
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Claims that every door of this suite accepts.
pub(crate) fn claims() -> Value {
    json!({"iss": ISSUER, "aud": "orders", "sub": "alice", "scope": "hello", "exp": NOW.as_secs() + 300})
}

/// The claims with one more, or another.
pub(crate) fn with(name: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims();
    claims[name] = value.into();
    claims
}

/// The claims without one.
pub(crate) fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

/// The claims as text, in which `from` is replaced by `to`: for what no JSON writer writes.
pub(crate) fn text(from: &str, to: &str) -> String {
    let text = claims().to_string();
    assert!(text.contains(from), "{text} has no {from}");
    text.replacen(from, to, 1)
}

pub(crate) enum Signer {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Secret(Vec<u8>),
}

impl Signer {
    /// The key of the test certificate [`certificate`].
    pub(crate) fn rsa() -> Self {
        let pem = std::fs::read_to_string(data("ballerina/data/key--private.key")).unwrap();
        let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        Self::Rsa(RsaKeyPair::from_pkcs8(&STANDARD.decode(base64).unwrap()).unwrap())
    }

    pub(crate) fn fresh_rsa() -> Self {
        Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    pub(crate) fn p256() -> Self {
        Self::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    pub(crate) fn p384() -> Self {
        Self::P384(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap())
    }

    pub(crate) fn ed25519() -> Self {
        Self::Ed(Ed25519KeyPair::generate().unwrap())
    }

    pub(crate) fn secret(secret: impl Into<Vec<u8>>) -> Self {
        Self::Secret(secret.into())
    }

    pub(crate) const fn alg(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "RS256",
            Self::P256(_) => "ES256",
            Self::P384(_) => "ES384",
            Self::Ed(_) => "EdDSA",
            Self::Secret(_) => "HS256",
        }
    }

    pub(crate) fn sign(&self, text: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, text, &mut signature).unwrap();
                signature
            }
            Self::P256(pair) | Self::P384(pair) => pair.sign(&random, text).unwrap().as_ref().to_vec(),
            Self::Ed(pair) => pair.sign(text).as_ref().to_vec(),
            Self::Secret(secret) => {
                hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), text).as_ref().to_vec()
            }
        }
    }

    /// By PS256.
    pub(crate) fn sign_pss(&self, text: &[u8]) -> Vec<u8> {
        let Self::Rsa(pair) = self else { panic!("only RSA has PSS") };
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(&RSA_PSS_SHA256, &SystemRandom::new(), text, &mut signature).unwrap();
        signature
    }

    /// A token of this header and payload, to the letter.
    pub(crate) fn text(&self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        self.segments(&encode(header), &encode(payload))
    }

    /// A token of segments that are encoded already, or as if they were.
    pub(crate) fn segments(&self, header: &str, payload: &str) -> String {
        let signed = format!("{header}.{payload}");
        format!("{signed}.{}", encode(self.sign(signed.as_bytes())))
    }

    /// A token with this header, which is given its `alg` where it has none, and these claims.
    pub(crate) fn token(&self, header: &Value, claims: &Value) -> String {
        let mut header = header.clone();
        header.as_object_mut().unwrap().entry("alg").or_insert_with(|| self.alg().into());
        self.text(header.to_string(), claims.to_string())
    }

    /// A token with an ordinary header.
    pub(crate) fn claims(&self, claims: &Value) -> String {
        self.token(&json!({}), claims)
    }

    /// A token with an ordinary header, and this payload to the letter.
    pub(crate) fn payload(&self, payload: impl AsRef<[u8]>) -> String {
        self.text(json!({"alg": self.alg()}).to_string(), payload)
    }

    /// A token that every door with this key accepts.
    pub(crate) fn good(&self) -> String {
        self.claims(&claims())
    }

    /// The public half, without `alg`, `use` and `kid`.
    pub(crate) fn jwk(&self) -> Value {
        let point = |pair: &EcdsaKeyPair, curve: &str| {
            let point = &pair.public_key().as_ref()[1..];
            let (x, y) = point.split_at(point.len() / 2);
            json!({"kty": "EC", "crv": curve, "x": encode(x), "y": encode(y)})
        };
        match self {
            Self::Rsa(pair) => {
                let n = pair.public_key().modulus().big_endian_without_leading_zero();
                let e = pair.public_key().exponent().big_endian_without_leading_zero();
                json!({"kty": "RSA", "n": encode(n), "e": encode(e)})
            }
            Self::P256(pair) => point(pair, "P-256"),
            Self::P384(pair) => point(pair, "P-384"),
            Self::Ed(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref())})
            }
            Self::Secret(secret) => json!({"kty": "oct", "k": encode(secret)}),
        }
    }

    /// The public half under this name, with whatever else it is to say.
    pub(crate) fn jwk_with(&self, kid: &str, more: &Value) -> Value {
        let mut jwk = self.jwk();
        jwk["kid"] = kid.into();
        for (name, value) in more.as_object().unwrap() {
            jwk[name] = value.clone();
        }
        jwk
    }
}

/// The certificate of [`Signer::rsa`], as PEM.
pub(crate) fn certificate() -> Vec<u8> {
    std::fs::read(data("ballerina/data/pub--public.crt")).unwrap()
}

/// A PEM block.
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
