//! The verdicts of portcullis on signed tokens (RFC 7515) beside those of another library.
//!
//! The other one is `jsonwebtoken` with the cryptography of RustCrypto; portcullis has its own reading of tokens and that of
//! aws-lc. Whatever portcullis accepts the other has to accept, with the same payload. What the other accepts and portcullis does
//! not has to be one of these, and is looked for in the token by the simplest of readers:
//!
//! | portcullis refuses | why |
//! |---|---|
//! | a name twice in one object of header or payload | RFC 7515 §4 lets a parser refuse it; two parsers that keep different ones read two tokens |
//! | a name that `serde_json` uses inside | what a token says must not depend on features of another crate |
//! | `crit` | RFC 7515 §4.1.11: what is critical and not understood makes a token invalid; the other library does not look at it |
//! | `b64`, `zip` | signed text other than what is read as payload |
//! | `typ` other than JWT and at+jwt | RFC 8725 §3.11: a token of one kind is not taken for another |
//! | `kid`, `typ` or `cty` that is `null` | RFC 7515 §4: they are strings |
//! | a payload that is no JSON object | RFC 7519 §7.2 |
//! | claims of the wrong type; `cnf`; `exp` and `nbf` | these are claims, not signatures; the other one is told not to look |
//! | RS and PS by a key of fewer than 2048 bits, short secrets | RFC 7518 §3.2, §3.3; no key here is one |
//!
//! In one respect portcullis is the more lenient: the other library reads all parameters that a header may have, and refuses a
//! `jku`, `jwk`, `x5u`, `x5c`, `x5t`, `x5t#S256`, `crit`, `enc`, `zip`, `url` or `nonce` of another form than it expects.
//! portcullis looks at none of those that it allows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a target fails by panicking")]

mod keys;

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, Validation};
use portcullis_core::UnixTime;
use portcullis_jwt::{JwtValidator, JwtValidatorConfig, SignatureConfig};
use serde_json::Value;

pub use self::keys::{ALGORITHMS, KEYS, Key, sign};

/// 2023-11-14T22:13:20Z.
const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

/// base64url without padding.
#[must_use]
pub fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// One key, as both libraries have it.
pub struct Both {
    ours: JwtValidator,
    theirs: DecodingKey,
    validation: Validation,
}

/// What both say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Both accept it.
    Accepted,
    /// Both refuse it.
    Refused,
    /// portcullis refuses what the other one accepts, for the reason of this code.
    Stricter(&'static str),
    /// portcullis accepts what the other one refuses, because it does not look at a parameter of the header.
    Unread,
}

impl Both {
    /// The key of a JWK; `None` where one of the libraries does not take it.
    #[must_use]
    pub fn of_jwk(jwk: &Value) -> Option<Self> {
        let config = JwtValidatorConfig::new(SignatureConfig::jwk(jwk.to_string()));
        let ours = JwtValidator::new(config.require_expiration(false)).ok()?;
        let theirs = DecodingKey::from_jwk(&serde_json::from_value(jwk.clone()).ok()?).ok()?;
        let mut validation = Validation::new_for_family(theirs.family());
        if let Some(name) = jwk["alg"].as_str() {
            validation.algorithms = vec![name.parse().ok()?];
        }
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        Some(Self { ours, theirs, validation })
    }

    /// Whether each of them finds the signature right, whatever it thinks of the payload: ours, and theirs.
    #[must_use]
    pub fn signatures(&self, token: &str) -> (bool, bool) {
        // Both look at the payload when the signature is verified, and not before.
        let ours = match self.ours.validate(token, NOW) {
            Ok(_) => true,
            Err(refusal) => refusal.text().starts_with("the payload is not"),
        };
        let theirs = match jsonwebtoken::decode::<Value>(token, &self.theirs, &self.validation) {
            Ok(_) => true,
            Err(error) => {
                matches!(error.kind(), jsonwebtoken::errors::ErrorKind::Json(_))
                    && jsonwebtoken::decode_header(token).is_ok()
            }
        };
        (ours, theirs)
    }

    /// What both say of a token.
    ///
    /// # Panics
    ///
    /// When they differ and the reason is not known.
    #[must_use]
    pub fn verdict(&self, token: &str) -> Verdict {
        let ours = self.ours.validate(token, NOW);
        let theirs = jsonwebtoken::decode::<Value>(token, &self.theirs, &self.validation);
        match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => {
                assert_eq!(
                    Value::Object(ours.claims().clone()),
                    theirs.claims,
                    "one token, two payloads: {token}"
                );
                Verdict::Accepted
            }
            (Err(_), Err(_)) => Verdict::Refused,
            (Err(refusal), Ok(_)) => {
                let code = refusal.code();
                assert!(is_reason(code, token), "refused without a reason that is known, {refusal}: {token}");
                Verdict::Stricter(code)
            }
            (Ok(_), Err(error)) => {
                let (header, _) = parts(token).expect("what is accepted is JSON");
                let unread = ["jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "enc", "url", "nonce"];
                assert!(
                    matches!(error.kind(), jsonwebtoken::errors::ErrorKind::Json(_))
                        && unread.iter().any(|name| header.get(name).is_some()),
                    "accepted, and the other library refuses it, {error}: {token}"
                );
                Verdict::Unread
            }
        }
    }
}

/// Header and payload as a reader that checks nothing sees them.
fn parts(token: &str) -> Option<(Value, Value)> {
    let mut segments = token
        .split('.')
        .map(|segment| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(segment).ok()?).ok());
    Some((segments.next()??, segments.next()??))
}

/// Whether a token that is signed rightly is one that portcullis refuses by this code.
fn is_reason(code: &str, token: &str) -> bool {
    let Some((header, payload)) = parts(token) else { return false };
    let number = |name: &str| payload.get(name).and_then(Value::as_f64);
    match code {
        "duplicate-member" => texts(token).iter().any(|text| colons(text) > members(text)),
        "critical-header" => header.get("crit").is_some(),
        "unsupported-header" => header.get("b64").is_some() || header.get("zip").is_some(),
        "wrong-type" => {
            let typ = header.get("typ").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
            !["jwt", "at+jwt", "application/jwt", "application/at+jwt"].contains(&typ.as_str())
        }
        "malformed-token" => {
            ["kid", "typ", "cty"].iter().any(|name| header.get(name).is_some_and(Value::is_null))
                || !payload.is_object()
                || texts(token).iter().any(|text| holds_private(text))
        }
        "malformed-claim" => {
            let wrong =
                |name: &str, right: fn(&Value) -> bool| payload.get(name).is_some_and(|value| !right(value));
            let date = |value: &Value| value.as_f64().is_some_and(|number| number >= 0.0);
            let list = |value: &Value| {
                value.is_string() || value.as_array().is_some_and(|all| all.iter().all(Value::is_string))
            };
            ["exp", "nbf", "iat"].iter().any(|name| wrong(name, date))
                || ["iss", "sub", "jti"].iter().any(|name| wrong(name, Value::is_string))
                || ["aud", "scope"].iter().any(|name| wrong(name, list))
        }
        "bound-token" => payload.get("cnf").is_some(),
        "expired" => number("exp").is_some_and(|exp| exp <= 1_700_000_000.0),
        "not-yet-valid" => number("nbf").is_some_and(|nbf| nbf > 1_700_000_000.0),
        _ => false,
    }
}

/// The bytes of header and payload.
fn texts(token: &str) -> Vec<Vec<u8>> {
    token.split('.').take(2).filter_map(|segment| URL_SAFE_NO_PAD.decode(segment).ok()).collect()
}

fn members(text: &[u8]) -> usize {
    fn count(value: &Value) -> usize {
        match value {
            Value::Object(members) => members.len() + members.values().map(count).sum::<usize>(),
            Value::Array(items) => items.iter().map(count).sum(),
            _ => 0,
        }
    }
    serde_json::from_slice(text).as_ref().map_or(0, count)
}

/// How many members a JSON text writes: each has one colon outside of strings.
fn colons(text: &[u8]) -> usize {
    let (mut found, mut within, mut escaped) = (0, false, false);
    for byte in text {
        match (within, *byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => within = !within,
            (false, b':') => found += 1,
            _ => {}
        }
    }
    found
}

fn holds_private(text: &[u8]) -> bool {
    fn holds(value: &Value) -> bool {
        match value {
            Value::Object(members) => {
                members.iter().any(|(name, value)| name.starts_with("$serde_json::private::") || holds(value))
            }
            Value::Array(items) => items.iter().any(holds),
            _ => false,
        }
    }
    let plain = b"$serde_json::private::";
    text.windows(plain.len()).any(|part| part == plain)
        || serde_json::from_slice(text).is_ok_and(|value| holds(&value))
}

/// The fuzz target. The first line says, in numbers, which algorithm signs, whose key verifies, and how the token is changed; the
/// second is the header, `{"alg":"?"}` where it is empty, `?` standing for the algorithm; the third and all that follows the payload.
pub fn run(data: &[u8]) {
    let mut lines = data.splitn(3, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (how, header, payload) = (line(), line(), line());
    let numbers: Vec<usize> = how
        .split(|byte| *byte == b' ')
        .filter_map(|word| std::str::from_utf8(word).ok()?.parse().ok())
        .collect();
    let [signer, verifier, change @ ..] = &numbers[..] else { return };
    let name = ALGORITHMS[signer % ALGORITHMS.len()];
    let key = &KEYS[verifier % KEYS.len()];

    let header = if header.is_empty() { br#"{"alg":"?"}"# } else { header };
    let mut text = Vec::new();
    for byte in header {
        match byte {
            b'?' => text.extend_from_slice(name.as_bytes()),
            byte => text.push(*byte),
        }
    }
    let payload = if payload.is_empty() { b"{}" } else { payload };
    let token = changed(sign(name, &text, payload), change);
    let verdict = key.both.verdict(&token);

    // The other way round: what is whole, ordinary and of this key is accepted.
    let plain = text == format!(r#"{{"alg":"{name}"}}"#).into_bytes() && payload == b"{}";
    if plain && change.is_empty() {
        let expected = if key.algorithms.contains(&name) { Verdict::Accepted } else { Verdict::Refused };
        assert_eq!(verdict, expected, "{name}");
    }
}

/// A token with something done to it.
fn changed(token: String, change: &[usize]) -> String {
    let [kind, at, with @ ..] = change else { return token };
    let mut bytes = token.into_bytes();
    let place = at % bytes.len();
    let byte = u8::try_from(with.first().copied().unwrap_or(1) % 256).unwrap_or(1);
    match kind % 8 {
        0 => bytes[place] ^= byte,
        1 => bytes.truncate(place),
        2 => bytes.insert(place, byte),
        3 => drop(bytes.remove(place)),
        4 => bytes.push(byte),
        5 => {
            let segments: Vec<&[u8]> = bytes.split(|byte| *byte == b'.').collect();
            bytes = [segments[at % 3], segments[(at / 3) % 3], segments[(at / 9) % 3]].join(&b'.');
        }
        6 => bytes.swap(place, usize::from(byte) % place.max(1)),
        _ => {
            let end = place.saturating_add(usize::from(byte)).min(bytes.len());
            bytes.drain(place..end);
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The codes of all verdicts, for a report.
#[must_use]
pub fn codes(verdicts: &[Verdict]) -> BTreeSet<Verdict> {
    verdicts.iter().copied().collect()
}
