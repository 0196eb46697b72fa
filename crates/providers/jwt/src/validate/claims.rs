//! The claims of a token: their JSON types, and whether they say what the configuration asks for.

use std::{borrow::Cow, time::Duration};

use portcullis_core::{
    Reason, Refusal, UnixTime,
    claims::{self, WrongType},
    json::{Json, Members},
};
use serde_json::{Map, Number, Value};

use super::config::JwtValidatorConfig;
use crate::{
    jws::json,
    refusal::{Refused, code, refuse, shown},
};

/// Whether every token is read for this claim.
fn is_registered(name: &str) -> bool {
    matches!(name, "aud" | "cnf" | "exp" | "iat" | "iss" | "jti" | "nbf" | "sub")
}

/// Reads of a payload what is looked at: those claims, and what the configuration names.
pub(super) fn read<'p>(payload: &'p [u8], config: &JwtValidatorConfig) -> Refused<Members<'p>> {
    let scopes = first_member(&config.scope_key);
    json::members(payload, "the payload", |name| {
        is_registered(name)
            || scopes.is_none_or(|scopes| name == scopes)
            || config.custom_claims.contains_key(name)
    })
}

/// The member that `key` is found in, by itself or as a JSON pointer; `None` where it could be any.
fn first_member(key: &str) -> Option<&str> {
    let Some(pointer) = key.strip_prefix('/') else { return Some(key) };
    let first = pointer.split('/').next()?;
    // Its name is not what stands there.
    (!first.contains('~')).then_some(first)
}

/// How many bytes the claims of this payload take where somebody looks at them, at most; more than the token by far where
/// they are many small ones.
pub(super) fn most_bytes(payload: &[u8]) -> usize {
    // The smallest object has a node with room for eleven members, and the smallest array has room for four values; what
    // grows beyond that has room for twice what is in it, at most. A text of one letter is an allocation of its own.
    const OBJECT: usize = 11 * (size_of::<String>() + size_of::<Value>()) + 2 * size_of::<usize>();
    const ARRAY: usize = 4 * size_of::<Value>() + 2 * size_of::<usize>();
    const ITEM: usize = 2 * size_of::<Value>();
    const QUOTE: usize = 16;
    let items = count(payload, |byte| matches!(byte, b',' | b':'));
    let (objects, arrays) = (count(payload, |byte| byte == b'{'), count(payload, |byte| byte == b'['));
    let quotes = count(payload, |byte| byte == b'"');
    payload.len() + objects * OBJECT + arrays * ARRAY + items * ITEM + quotes * QUOTE
}

/// How many bytes of a kind there are. Added up in bytes, which the compiler makes vector instructions of, for as many as
/// cannot overflow.
fn count(payload: &[u8], kind: impl Fn(u8) -> bool) -> usize {
    let in_block =
        |block: &[u8]| usize::from(block.iter().map(|byte| u8::from(kind(*byte))).fold(0, u8::wrapping_add));
    payload.chunks(usize::from(u8::MAX)).map(in_block).sum()
}

/// When a token is good. Compared with the clock again whenever it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) expires_at: Option<UnixTime>,
    pub(super) not_before: Option<UnixTime>,
}

impl Times {
    pub(super) fn read(claims: &Members<'_>) -> Refused<Self> {
        // `iat` says how old a token is, which nothing asks for: clocks differ, and a token from "the future" is no
        // forgery. Its type is held to all the same.
        let date = |name| match claims.get(name) {
            None => Ok(None),
            Some(Json::Number(number)) => claims::date(number, name).map(Some).map_err(wrong_type),
            Some(_) => wrong(name, "a number"),
        };
        date("iat")?;
        Ok(Self { expires_at: date("exp")?, not_before: date("nbf")? })
    }

    pub(super) fn check(&self, now: UnixTime, skew: Duration) -> Refused<()> {
        // RFC 7519 §4.1.4: "The "exp" (expiration time) claim identifies the expiration time on or after which the JWT
        // MUST NOT be accepted for processing." On: a token is not good in its last second any more.
        if let Some(expires_at) = self.expires_at.filter(|expires_at| now >= expires_at.saturating_add(skew))
        {
            let (expired, now) = (expires_at.as_secs(), now.as_secs());
            return refuse(code::EXPIRED, format!("the token expired at {expired} (`exp`), and it is {now}"));
        }
        // RFC 7519 §4.1.5: "The "nbf" (not before) claim identifies the time before which the JWT MUST NOT be accepted
        // for processing."
        if let Some(not_before) = self.not_before.filter(|not_before| now.saturating_add(skew) < *not_before)
        {
            let (good, now) = (not_before.as_secs(), now.as_secs());
            return refuse(
                code::NOT_YET_VALID,
                format!("the token is good from {good} (`nbf`) on, and it is {now}"),
            );
        }
        Ok(())
    }
}

fn wrong_type(found: WrongType) -> Refusal {
    let WrongType { name, expected, .. } = found;
    Refusal::new(code::MALFORMED_CLAIM, format!("the claim `{name}` is not {expected}"))
}

fn wrong<T>(name: &str, expected: &'static str) -> Refused<T> {
    refuse(code::MALFORMED_CLAIM, format!("the claim `{name}` is not {expected}"))
}

/// A string.
fn text<'c>(claims: &'c Members<'_>, name: &str) -> Refused<Option<&'c str>> {
    match claims.get(name) {
        None => Ok(None),
        Some(Json::Text(text)) => Ok(Some(text)),
        Some(_) => wrong(name, "a string"),
    }
}

/// The items of an array of strings.
fn texts<'c>(value: &'c Json<'_>, name: &str) -> Refused<Vec<&'c str>> {
    let Json::Array(items) = value else { return wrong(name, "a string or an array of strings") };
    let text = |item: &'c Json<'_>| match item {
        Json::Text(text) => Some(&**text),
        _ => None,
    };
    match items.iter().map(text).collect() {
        Some(texts) => Ok(texts),
        None => wrong(name, "an array of strings only"),
    }
}

/// The claims that every token is read for.
pub(super) struct Registered<'c> {
    pub(super) issuer: Option<&'c str>,
    pub(super) subject: Option<&'c str>,
    jwt_id: Option<&'c str>,
    audience: Audience<'c>,
}

/// `aud`, which is a string or an array of them.
enum Audience<'c> {
    /// Absent, or of one.
    One(Option<&'c str>),
    Several(Vec<&'c str>),
}

impl<'c> Audience<'c> {
    fn read(claims: &'c Members<'_>) -> Refused<Self> {
        match claims.get("aud") {
            None => Ok(Self::One(None)),
            Some(Json::Text(one)) => Ok(Self::One(Some(one))),
            Some(value) => texts(value, "aud").map(Self::Several),
        }
    }

    fn as_slice(&self) -> &[&'c str] {
        match self {
            Self::One(one) => one.as_slice(),
            Self::Several(several) => several,
        }
    }
}

impl<'c> Registered<'c> {
    /// Reads them. Their types are held to whether or not the configuration asks for their values.
    pub(super) fn read(claims: &'c Members<'_>) -> Refused<Self> {
        // A token that is bound to a key of its sender (RFC 7800) is good in the hands of whoever proves to have that
        // key. That is not checked, so in anybody's hands it is worth nothing here.
        if claims.get("cnf").is_some() {
            return refuse(
                code::BOUND_TOKEN,
                "the token is bound to a key of its sender (`cnf`), and such bindings are not checked",
            );
        }
        let audience = Audience::read(claims)?;
        let text = |name| text(claims, name);
        Ok(Self { issuer: text("iss")?, subject: text("sub")?, jwt_id: text("jti")?, audience })
    }

    /// Whether they are what the configuration asks for. What it does not ask for is not compared.
    pub(super) fn check(&self, config: &JwtValidatorConfig) -> Refused<()> {
        let one = |name, found, expected: &Option<String>, code| match expected {
            Some(expected) => is(name, found, expected, code),
            None => Ok(()),
        };
        one("iss", self.issuer, &config.issuer, code::WRONG_ISSUER)?;
        one("sub", self.subject, &config.username, code::WRONG_SUBJECT)?;
        one("jti", self.jwt_id, &config.jwt_id, code::WRONG_JWT_ID)?;
        let Some(audience) = &config.audience else { return Ok(()) };
        let found = self.audience.as_slice();
        if found.iter().any(|found| audience.iter().any(|wanted| wanted == found)) {
            return Ok(());
        }
        let expected = audience.join(", ");
        let reason = match found.first() {
            None => format!("the token is for nobody (`aud`), expected one of: {expected}"),
            Some(first) => format!("the token is for {} (`aud`), expected one of: {expected}", shown(first)),
        };
        refuse(code::WRONG_AUDIENCE, reason)
    }
}

/// Whether a claim, or a header parameter, is present and has this value.
pub(super) fn is(name: &str, found: Option<&str>, expected: &str, code: Reason) -> Refused<()> {
    match found {
        Some(found) if found == expected => Ok(()),
        Some(found) => refuse(code, format!("`{name}` is {}, expected \"{expected}\"", shown(found))),
        None => refuse(code, format!("the token has no `{name}`, expected \"{expected}\"")),
    }
}

pub(super) fn check_custom(claims: &Members<'_>, expected: &Map<String, Value>) -> Refused<()> {
    for (name, expected) in expected {
        match claims.get(name) {
            Some(found) if same(&found.clone().into(), expected) => {}
            Some(_) => return refuse(code::WRONG_CLAIM, format!("the claim `{name}` is not {expected}")),
            None => {
                return refuse(
                    code::WRONG_CLAIM,
                    format!("the token has no claim `{name}`, expected {expected}"),
                );
            }
        }
    }
    Ok(())
}

/// Whether two values are the same JSON: `5` and `5.0` are one number, and `"5"` is none.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => same_number(one, other),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, one)| other.get(name).is_some_and(|other| same(one, other)))
        }
        _ => one == other,
    }
}

fn same_number(one: &Number, other: &Number) -> bool {
    let whole = |number: &Number| number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    match (whole(one), whole(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one.as_f64().is_some() && one.as_f64() == other.as_f64(),
    }
}

/// The scopes in the claim that `key` names: a member of the claims, or, where it starts with `/`, what a JSON pointer
/// (RFC 6901) finds in them.
///
/// A token without the claim has no scopes. A claim that is neither a string nor an array of strings refuses the token:
/// something other than scopes stands there, and guessing would be to authorize by it.
pub(super) fn scopes<'c>(claims: &'c Members<'_>, key: &str) -> Refused<Vec<Cow<'c, str>>> {
    if key.starts_with('/') {
        let claims = Value::Object(claims.clone().into_map());
        let found = claims::scopes(&claims, key).map_err(wrong_type)?;
        return Ok(found.into_iter().map(|scope| Cow::Owned(scope.to_owned())).collect());
    }
    match claims.get(key) {
        None => Ok(Vec::new()),
        // RFC 6749 §3.3 separates scopes by one space; more than one, and tabs, add no scope.
        Some(Json::Text(text)) => Ok(text.split_ascii_whitespace().map(Cow::Borrowed).collect()),
        Some(value) => Ok(texts(value, key)?.into_iter().map(Cow::Borrowed).collect()),
    }
}

/// [`code::MISSING_EXPIRATION`].
pub(super) fn missing_expiration() -> Refusal {
    Refusal::new(
        code::MISSING_EXPIRATION,
        "the token has no `exp` and would be good for ever; requireExpiration = false accepts it",
    )
}
