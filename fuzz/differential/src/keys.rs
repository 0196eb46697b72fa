//! One key of each kind, from the tests' data, and signatures by them.

use std::sync::LazyLock;

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    signature::{
        self, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
        KeyPair as _, RsaKeyPair,
    },
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{Both, base64url};

/// Every algorithm that portcullis has.
pub const ALGORITHMS: [&str; 12] = [
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384",
    "EdDSA",
];

const SECRET: &[u8] = b"a secret of the comparison that is longer than sixty-four bytes: it fits every HMAC";

/// A key and the algorithms that it allows.
pub struct Key {
    /// The names of its algorithms.
    pub algorithms: &'static [&'static str],
    /// As both libraries have it.
    pub both: Both,
}

/// One key of each kind.
pub static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| {
    let made = |algorithms, jwk: &Value| Key { algorithms, both: Both::of_jwk(jwk).expect("both take it") };
    let ec = |curve: &str, point: &[u8]| {
        let (x, y) = point[1..].split_at(point.len() / 2);
        json!({"kty": "EC", "crv": curve, "x": base64url(x), "y": base64url(y)})
    };
    let rsa = RSA.public_key();
    let (n, e) = (rsa.modulus(), rsa.exponent());
    let n = base64url(n.big_endian_without_leading_zero());
    let rsa = json!({"kty": "RSA", "n": n, "e": base64url(e.big_endian_without_leading_zero())});
    vec![
        made(&ALGORITHMS[0..3], &json!({"kty": "oct", "k": base64url(SECRET)})),
        made(&ALGORITHMS[3..9], &rsa),
        made(&ALGORITHMS[9..10], &ec("P-256", P256.public_key().as_ref())),
        made(&ALGORITHMS[10..11], &ec("P-384", P384.public_key().as_ref())),
        made(
            &ALGORITHMS[11..12],
            &json!({"kty": "OKP", "crv": "Ed25519", "x": base64url(ED25519.public_key().as_ref())}),
        ),
    ]
});

static RSA: LazyLock<RsaKeyPair> = LazyLock::new(|| RsaKeyPair::from_pkcs8(&der("rsa")).unwrap());
static P256: LazyLock<EcdsaKeyPair> =
    LazyLock::new(|| EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der("p256")).unwrap());
static P384: LazyLock<EcdsaKeyPair> =
    LazyLock::new(|| EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &der("p384")).unwrap());
static ED25519: LazyLock<Ed25519KeyPair> =
    LazyLock::new(|| Ed25519KeyPair::from_pkcs8(&der("ed25519")).unwrap());

/// A key of the tests' data.
fn der(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates/keys/tests/data/keys");
    let text = std::fs::read_to_string(format!("{folder}/{name}.pkcs8.pem")).unwrap();
    let lines: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    STANDARD.decode(lines).unwrap()
}

/// A token of any header and payload, signed by the key of an algorithm.
///
/// # Panics
///
/// For an algorithm that is not one of [`ALGORITHMS`].
#[must_use]
pub fn sign(algorithm: &str, header: &[u8], payload: &[u8]) -> String {
    let signed = format!("{}.{}", base64url(header), base64url(payload));
    let signature = base64url(signature_of(algorithm, signed.as_bytes()));
    format!("{signed}.{signature}")
}

fn signature_of(algorithm: &str, message: &[u8]) -> Vec<u8> {
    let chance = SystemRandom::new();
    let mac = |with| hmac::sign(&hmac::Key::new(with, SECRET), message).as_ref().to_vec();
    let rsa = |with: &'static dyn signature::RsaEncoding| {
        let mut signature = vec![0; RSA.public_modulus_len()];
        RSA.sign(with, &chance, message, &mut signature).unwrap();
        signature
    };
    match algorithm {
        "HS256" => mac(hmac::HMAC_SHA256),
        "HS384" => mac(hmac::HMAC_SHA384),
        "HS512" => mac(hmac::HMAC_SHA512),
        "RS256" => rsa(&signature::RSA_PKCS1_SHA256),
        "RS384" => rsa(&signature::RSA_PKCS1_SHA384),
        "RS512" => rsa(&signature::RSA_PKCS1_SHA512),
        "PS256" => rsa(&signature::RSA_PSS_SHA256),
        "PS384" => rsa(&signature::RSA_PSS_SHA384),
        "PS512" => rsa(&signature::RSA_PSS_SHA512),
        "ES256" => P256.sign(&chance, message).unwrap().as_ref().to_vec(),
        "ES384" => P384.sign(&chance, message).unwrap().as_ref().to_vec(),
        "EdDSA" => ED25519.sign(message).as_ref().to_vec(),
        other => panic!("{other} is no algorithm here"),
    }
}
