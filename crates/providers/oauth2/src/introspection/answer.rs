//! What a server's answer says of a token (RFC 7662 §2.2).

use std::{sync::Arc, time::Duration};

use portcullis_core::{
    Identity, Outcome, Refusal, UnixTime,
    claims::{self, WrongType},
    json::shown,
};
use serde_json::{Map, Value};

use super::{
    cache::{Known, Remember},
    config::IntrospectionConfig,
    flights::Landed,
};
use crate::refusal::{Refused, code, refuse};

/// The texts in an answer that RFC 7662 §2.2 has mean something else than the token, even where they happen to be spelled
/// alike. `jti` is not among them: some servers use it as the token itself.
const NEVER_THE_TOKEN: [&str; 7] = ["scope", "client_id", "username", "token_type", "sub", "aud", "iss"];

/// From how many bytes on a token is looked for within longer texts, too: a shorter one stands there by chance.
const LONG: usize = 8;

/// A token that the server vouches for, and for how long.
struct Active {
    identity: Identity,
    not_before: Option<UnixTime>,
    /// `None` where it is not to be remembered.
    lifetime: Option<Duration>,
}

/// Why a token is refused, and when that is over by itself.
struct Not {
    refusal: Refusal,
    until: Option<UnixTime>,
}

impl From<Refusal> for Not {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, until: None }
    }
}

/// What the answer `members` says of `token` at the time `now`, `took` after the server was asked.
pub(super) fn judge(
    mut members: Map<String, Value>,
    token: &str,
    config: &IntrospectionConfig,
    now: UnixTime,
    took: Duration,
) -> Landed<Remember> {
    // Some servers write null for what they do not know.
    members.retain(|_, value| !value.is_null());
    match active(members, token, config, now, took) {
        Ok(Active { identity, not_before, lifetime }) => {
            let identity = Arc::new(identity);
            let remember = match lifetime {
                Some(lifetime) => {
                    Remember::Known(Known { identity: Arc::clone(&identity), not_before, lifetime })
                }
                None => Remember::Forget,
            };
            Landed { outcome: Outcome::Known(identity), remember }
        }
        Err(Not { refusal, until }) => refused(refusal, until),
    }
}

/// The way from the bytes of an answer to what is made of it, for the fuzz targets.
#[cfg(feature = "fuzzing")]
pub(crate) fn judged(
    text: &[u8],
    token: &str,
    config: &IntrospectionConfig,
    now: UnixTime,
) -> Option<(Outcome, Option<Duration>)> {
    let members = portcullis_core::json::object(text).ok()?;
    let Landed { outcome, remember } = judge(members, token, config, now, Duration::ZERO);
    let lifetime = match remember {
        Remember::Known(known) => Some(known.lifetime),
        Remember::Nothing | Remember::Forget | Remember::Refused { .. } => None,
    };
    Some((outcome, lifetime))
}

/// A word of the server's against the token.
pub(super) fn refused(refusal: Refusal, until: Option<UnixTime>) -> Landed<Remember> {
    Landed { outcome: Outcome::Refused(refusal.clone()), remember: Remember::Refused { refusal, until } }
}

fn active(
    members: Map<String, Value>,
    token: &str,
    config: &IntrospectionConfig,
    now: UnixTime,
    took: Duration,
) -> Result<Active, Not> {
    // RFC 7662 §2.2: "active REQUIRED. Boolean indicator of whether or not the presented token is currently active."
    match members.get("active") {
        Some(Value::Bool(true)) => {}
        Some(Value::Bool(false)) => {
            refuse(code::INACTIVE, "the server says that the token is not active")?;
        }
        None => refuse(code::INACTIVE, "the server does not say that the token is active")?,
        Some(_) => {
            refuse(code::MALFORMED_CLAIM, "`active` of the server's answer is not true or false")?;
        }
    }
    let date = |name| claims::numeric_date(&members, name).map_err(wrong_type);
    date("iat")?;
    let (expires_at, not_before) = (date("exp")?, date("nbf")?);
    let text = |name| claims::text(&members, name).map_err(wrong_type);
    for name in ["jti", "client_id"] {
        text(name)?;
    }
    let (issuer, subject) = (text("iss")?, text("sub")?);
    let (username, token_type) = (text("username")?, text("token_type")?);
    let audience = claims::texts(&members, "aud").map_err(wrong_type)?;

    // A token that is bound to a key of its sender (RFC 8705 §3.2, RFC 9449 §6.2) is good in the hands of whoever proves
    // to have that key. That is not checked, so in anybody's hands it is worth nothing here.
    if members.contains_key("cnf") || token_type.is_some_and(|kind| kind.eq_ignore_ascii_case("DPoP")) {
        refuse(
            code::BOUND_TOKEN,
            "the token is bound to a key of its sender, and such bindings are not checked",
        )?;
    }
    if let Some(not_before) = not_before.filter(|not_before| now < *not_before) {
        let (good, now) = (not_before.as_secs(), now.as_secs());
        let refusal = Refusal::new(
            code::NOT_YET_VALID,
            format!("the token is good from {good} (`nbf`) on, and it is {now}"),
        );
        return Err(Not { refusal, until: Some(not_before) });
    }
    check_issuer(issuer, config)?;
    check_audience(audience.as_deref(), config)?;

    let mut identity = match subject.or(username) {
        Some(subject) => Identity::new(subject),
        None => Identity::anonymous(),
    };
    if let Some(issuer) = issuer {
        identity = identity.with_issuer(issuer);
    }
    // The server is the authority: what it calls active is active, whatever it says of `exp`. It is not believed for
    // longer than this once.
    let future = expires_at.filter(|expires_at| now < *expires_at);
    let lifetime = match (expires_at, future) {
        (None, _) => Some(config.default_token_exp_time),
        (Some(_), Some(expires_at)) => Some(expires_at.since(now).saturating_add(took)),
        (Some(_), None) => None,
    };
    if let Some(expires_at) = future {
        identity = identity.with_expiry(expires_at);
    }
    let answer = Value::Object(members);
    identity = identity.with_scopes(scopes(&answer, &config.scope_key)?);
    if let Value::Object(mut members) = answer {
        // A server that repeats the token would have it rest in memory.
        members.retain(|name, value| {
            NEVER_THE_TOKEN.contains(&name.as_str()) || (!tells(name, token) && keep_without(token, value))
        });
        identity = identity.with_claims(members);
    }
    Ok(Active { identity, not_before, lifetime })
}

/// Whether the token can be read in `text`.
fn tells(text: &str, token: &str) -> bool {
    text == token || (token.len() >= LONG && text.contains(token))
}

/// Takes the texts that tell the token out of whatever `value` holds; false where it is one.
fn keep_without(token: &str, value: &mut Value) -> bool {
    match value {
        Value::String(text) => !tells(text, token),
        Value::Array(items) => {
            items.retain_mut(|item| keep_without(token, item));
            true
        }
        Value::Object(members) => {
            members.retain(|name, value| !tells(name, token) && keep_without(token, value));
            true
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

fn check_issuer(found: Option<&str>, config: &IntrospectionConfig) -> Refused<()> {
    let Some(expected) = &config.issuer else { return Ok(()) };
    match found {
        Some(found) if found == expected => Ok(()),
        Some(found) => {
            refuse(code::WRONG_ISSUER, format!("`iss` is {}, expected \"{expected}\"", shown(found)))
        }
        None => refuse(code::WRONG_ISSUER, format!("the answer has no `iss`, expected \"{expected}\"")),
    }
}

fn check_audience(found: Option<&[&str]>, config: &IntrospectionConfig) -> Refused<()> {
    let Some(wanted) = &config.audience else { return Ok(()) };
    let found = found.unwrap_or_default();
    if found.iter().any(|found| wanted.iter().any(|wanted| wanted == found)) {
        return Ok(());
    }
    let expected = wanted.join(", ");
    let reason = match found.first() {
        None => format!("the token is for nobody (`aud`), expected one of: {expected}"),
        Some(first) => format!("the token is for {} (`aud`), expected one of: {expected}", shown(first)),
    };
    refuse(code::WRONG_AUDIENCE, reason)
}

/// The scopes that `key` names; none where a server writes `null`.
fn scopes<'m>(answer: &'m Value, key: &str) -> Refused<Vec<&'m str>> {
    match claims::find(answer, key) {
        Some(Value::Null) => Ok(Vec::new()),
        _ => claims::scopes(answer, key).map_err(wrong_type),
    }
}

fn wrong_type(found: WrongType) -> Refusal {
    let WrongType { name, expected, .. } = found;
    Refusal::new(code::MALFORMED_CLAIM, format!("`{name}` of the server's answer is not {expected}"))
}
