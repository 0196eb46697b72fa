//! JSON Web Keys and sets of them (RFC 7517), as far as they verify signatures.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{Key, KeySet, Unusable};
use crate::{
    algorithm::Algorithm,
    jws::{base64url, json},
    refusal::shown,
};

/// The keys in a text, and what should be known of it: above all the keys that were left out, and why.
#[derive(Debug)]
pub(crate) struct ReadKeys {
    pub(crate) keys: KeySet,
    pub(crate) warnings: Vec<String>,
}

/// Reads a JWK, or a set of them.
///
/// In a set, keys that cannot verify signatures are left out, as RFC 7517 §5 advises; alone, such a key is an error.
/// The private half of a key is not looked at.
pub(crate) fn read(text: &[u8]) -> Unusable<ReadKeys> {
    let members = json::object(text, "it").map_err(|refusal| format!("is not a JWK: {}", refusal.text()))?;
    let Some(keys) = members.get("keys") else {
        let key = read_key(&members)?;
        return Ok(ReadKeys { keys: KeySet::one(key), warnings: Vec::new() });
    };
    let Value::Array(keys) = keys else {
        return Err("is not a set of JWKs: `keys` is not an array".to_owned());
    };
    if keys.len() > KeySet::MOST {
        return Err(format!("holds more than {} keys", KeySet::MOST));
    }
    is_unambiguous(keys)?;
    let (mut usable, mut skipped) = (Vec::new(), Vec::new());
    for (position, key) in keys.iter().enumerate() {
        let read = match key {
            Value::Object(members) => read_key(members),
            _ => Err("is not an object".to_owned()),
        };
        match read {
            Ok(key) => usable.push(key),
            Err(why) => skipped.push(format!("the key at position {position} {why}; it is left out")),
        }
    }
    if usable.is_empty() {
        let why = if skipped.is_empty() { "it is empty".to_owned() } else { skipped.join(", ") };
        return Err(format!("holds no key that verifies signatures: {why}"));
    }
    Ok(ReadKeys { keys: KeySet::of(usable), warnings: skipped })
}

/// What makes a whole set suspect, looked at in all keys that are for signatures, readable or not.
///
/// RFC 7517 §4.5 lets a set use one `kid` twice; then a token does not say which key it means. And a set with a shared
/// secret beside public keys cannot be shown to anybody; whoever does anyway gives the secret away.
fn is_unambiguous(keys: &[Value]) -> Unusable<()> {
    let (mut names, mut secrets, mut publics) = (HashSet::new(), false, false);
    for key in keys.iter().filter_map(Value::as_object).filter(|members| is_for_verifying(members).is_ok()) {
        if let Some(name) = key.get("kid").and_then(Value::as_str).filter(|name| !names.insert(*name)) {
            return Err(format!("has two keys with the `kid` {}", shown(name)));
        }
        match key.get("kty").and_then(Value::as_str) {
            Some("oct") => secrets = true,
            _ => publics = true,
        }
    }
    if secrets && publics {
        return Err("mixes shared secrets (`oct`) with public keys: keep them in separate sets".to_owned());
    }
    Ok(())
}

/// Reads one key that verifies signatures.
pub(super) fn read_key(members: &Map<String, Value>) -> Unusable<Key> {
    is_for_verifying(members)?;
    let kty = required_text(members, "kty")?;
    let mut key = match kty {
        "RSA" => Key::rsa(&bytes(members, "n")?, &bytes(members, "e")?)?,
        "EC" => elliptic(members)?,
        "OKP" => match required_text(members, "crv")? {
            "Ed25519" => Key::ed25519(&bytes(members, "x")?)?,
            other => return Err(format!("is on the curve {}, and Ed25519 is supported", shown(other))),
        },
        "oct" => Key::secret(&bytes(members, "k")?, false)?,
        other => {
            return Err(format!("has the `kty` {}, and RSA, EC, OKP and oct are supported", shown(other)));
        }
    };
    if let Some(name) = text(members, "alg")? {
        // RFC 7517 §4.4: `alg` is what the key is meant for, so it is then its only algorithm.
        let named = Algorithm::from_name(name);
        match named.filter(|algorithm| key.verifier(*algorithm).is_some()) {
            Some(algorithm) => key.narrow(&[algorithm]),
            None => return Err(not_for_such_a_key(name, kty, named)),
        }
    }
    Ok(key.with_id(text(members, "kid")?))
}

fn not_for_such_a_key(name: &str, kty: &str, algorithm: Option<Algorithm>) -> String {
    match algorithm.and_then(Algorithm::least_secret) {
        Some(least) if kty == "oct" => format!("is too short: {name} needs at least {least} bytes"),
        _ => format!("has the `alg` {}, which is not for such a key", shown(name)),
    }
}

/// RFC 7517 §4.2 and §4.3.
pub(super) fn is_for_verifying(members: &Map<String, Value>) -> Unusable<()> {
    if let Some(purpose) = text(members, "use")?.filter(|purpose| *purpose != "sig") {
        return Err(format!("has the `use` {}, and is not for signatures", shown(purpose)));
    }
    match members.get("key_ops") {
        None => Ok(()),
        Some(Value::Array(operations)) if operations.iter().any(|operation| operation == "verify") => Ok(()),
        Some(_) => Err("has `key_ops` without \"verify\"".to_owned()),
    }
}

/// RFC 7518 §6.2.1: both coordinates have the full length of the curve's field.
fn elliptic(members: &Map<String, Value>) -> Unusable<Key> {
    type Prepare = fn(&[u8]) -> Unusable<Key>;
    let (length, prepare): (usize, Prepare) = match required_text(members, "crv")? {
        "P-256" => (32, Key::p256),
        "P-384" => (48, Key::p384),
        other => return Err(format!("is on the curve {}, and P-256 and P-384 are supported", shown(other))),
    };
    let mut point = vec![4];
    for name in ["x", "y"] {
        let coordinate = bytes(members, name)?;
        if coordinate.len() != length {
            return Err(format!("has a `{name}` of {} bytes instead of {length}", coordinate.len()));
        }
        point.extend_from_slice(&coordinate);
    }
    prepare(&point)
}

pub(super) fn text<'m>(members: &'m Map<String, Value>, name: &str) -> Unusable<Option<&'m str>> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("has a `{name}` that is not a string")),
    }
}

fn required_text<'m>(members: &'m Map<String, Value>, name: &str) -> Unusable<&'m str> {
    text(members, name)?.ok_or_else(|| format!("has no `{name}`"))
}

/// Padding does not belong there, and some issuers send it. The key is the same.
pub(super) fn bytes(members: &Map<String, Value>, name: &str) -> Unusable<zeroize::Zeroizing<Vec<u8>>> {
    let text = required_text(members, name)?;
    let bare = if text.len() % 4 == 0 { text.trim_end_matches('=') } else { text };
    let bytes = base64url::decode(bare).ok_or_else(|| format!("has a `{name}` that is not base64url"))?;
    Ok(zeroize::Zeroizing::new(bytes))
}
