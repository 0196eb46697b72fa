//! What the tests of several modules share.

use std::{path::PathBuf, sync::Arc};

use aws_lc_rs::signature::{EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _};
use portcullis_core::{
    Clock, UnixTime,
    config::{Node, Reader, Section, Table, Value as Given},
};
use portcullis_testing::ManualClock;
use serde_json::{Value, json};

use crate::{Algorithm, JwtIssuer, JwtIssuerConfig, SigningConfig, jws::base64url::encode};

/// 2023-11-14T22:13:20Z.
pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

/// Long enough for every HMAC.
pub(crate) const SECRET: &str = "a test secret that is exactly sixty-four bytes long, no more, ok";

/// A file of the project's test data.
pub(crate) fn data(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../tests/data").join(path)
}

/// A file of Ballerina's keys; `public.crt` belongs to `private.key`.
pub(crate) fn ballerina(name: &str) -> PathBuf {
    data("ballerina/data").join(name)
}

pub(crate) fn public_crt() -> PathBuf {
    ballerina("pub--public.crt")
}

/// Claims that every test's validator accepts at [`NOW`].
pub(crate) fn claims() -> Value {
    json!({"iss": "wso2", "sub": "alice", "aud": "ballerina", "exp": NOW.as_secs() + 300, "scope": "read write"})
}

/// The claims with one more, or another, or, where it is null, without it.
pub(crate) fn claims_with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    match value {
        Value::Null => claims.as_object_mut().unwrap().remove(name),
        value => claims.as_object_mut().unwrap().insert(name.to_owned(), value),
    };
    claims
}

/// A signer of any text: header and payload are what they are given as.
pub(crate) struct Signs(JwtIssuer);

impl Signs {
    pub(crate) fn secret() -> Self {
        Self::by(SigningConfig::secret(SECRET))
    }

    pub(crate) fn by(signing: SigningConfig) -> Self {
        Self(JwtIssuer::new(JwtIssuerConfig::new(signing)).unwrap())
    }

    pub(crate) fn text(&self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        let signed = format!("{}.{}", encode(header), encode(payload));
        let signature = self.0.signature_of(signed.as_bytes());
        format!("{signed}.{}", encode(signature))
    }

    /// A token with this header and payload.
    pub(crate) fn token(&self, header: &Value, payload: &Value) -> String {
        self.text(header.to_string(), payload.to_string())
    }

    /// A token with an ordinary header.
    pub(crate) fn claims(&self, payload: &Value) -> String {
        self.token(&json!({"alg": self.0.alg(), "typ": "JWT"}), payload)
    }
}

/// A fresh EC key: PKCS#8, and the public point.
pub(crate) fn ec_key(by: &'static EcdsaSigningAlgorithm) -> (Vec<u8>, Vec<u8>) {
    let key = EcdsaKeyPair::generate(by).unwrap();
    (key.to_pkcs8v1().unwrap().as_ref().to_vec(), key.public_key().as_ref().to_vec())
}

/// A fresh Ed25519 key: PKCS#8, and the public point.
pub(crate) fn ed25519_key() -> (Vec<u8>, Vec<u8>) {
    let key = Ed25519KeyPair::generate().unwrap();
    (key.to_pkcs8v1().unwrap().as_ref().to_vec(), key.public_key().as_ref().to_vec())
}

/// The JWK of an uncompressed EC point.
pub(crate) fn ec_jwk(curve: &str, point: &[u8]) -> Value {
    let (x, y) = point[1..].split_at(point.len() / 2);
    json!({"kty": "EC", "crv": curve, "x": encode(x), "y": encode(y)})
}

pub(crate) fn ed25519_jwk(point: &[u8]) -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": encode(point)})
}

pub(crate) fn rsa_signing(algorithm: Algorithm) -> SigningConfig {
    SigningConfig::key_file(ballerina("key--private.key")).algorithm(algorithm)
}

/// A configuration's table of the same content.
pub(crate) fn table(value: &Value) -> Table {
    let mut table = Table::default();
    for (name, value) in value.as_object().expect("a table") {
        table.insert(name, node(value));
    }
    table
}

fn node(value: &Value) -> Node {
    match value {
        Value::String(text) => text.as_str().into(),
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => match number.as_i64() {
            Some(number) => number.into(),
            None => Node::new(Given::Float(number.as_f64().unwrap()), None),
        },
        Value::Array(items) => Node::new(Given::Array(items.iter().map(node).collect()), None),
        Value::Object(_) => table(value).into(),
        Value::Null => panic!("a configuration has no null"),
    }
}

/// Reads a section, and gives what was read, the mistakes and the warnings.
pub(crate) fn read<T>(value: &Value, read: impl FnOnce(&Section<'_>) -> T) -> (T, Vec<String>, Vec<String>) {
    let table = table(value);
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(NOW));
    let reader = Reader::new(data("ballerina/data")).plug(clock);
    let section = reader.section(&table, "c");
    let result = read(&section);
    drop(section);
    let warnings = reader.warnings().iter().map(ToString::to_string).collect();
    (result, reader.into_problems().iter().map(ToString::to_string).collect(), warnings)
}
