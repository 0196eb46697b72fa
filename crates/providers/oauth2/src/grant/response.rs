//! What a token endpoint answers (RFC 6749 §5).

use std::time::Duration;

use portcullis_core::{Authorization, Secret, TokenError, json};
use serde_json::{Map, Value};

use super::settings::Settings;
use crate::server::{Reply, Trouble};

/// What an answer gives.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    pub(crate) access: Authorization,
    /// How long it is good, from the moment at which it was asked for.
    pub(crate) lifetime: Duration,
    /// The newest refresh token, where one came.
    pub(crate) refresh: Option<Secret>,
}

/// The tokens in an answer of the endpoint at `address`, which was asked by these settings.
pub(crate) fn read(reply: &Reply, address: &str, settings: &Settings) -> Result<Tokens, TokenError> {
    if reply.is_error() {
        let shown = reply.shown();
        let what = if reply.refuses_us() {
            format!("refuses the client, {shown}: {}", settings.authentication.remedy())
        } else {
            format!("answered {shown}")
        };
        return Err(error(address, reply.trouble(what)));
    }
    let members = json::object(reply.body()).map_err(|problem| format!("gave an answer that {problem}"));
    let tokens = members.and_then(|members| tokens(members, settings));
    tokens.map_err(|what| error(address, Trouble { what, transient: false, retry_after: None, source: None }))
}

/// As whoever wants a token is told it.
pub(crate) fn error(address: &str, trouble: Trouble) -> TokenError {
    let reason = match &trouble.source {
        // The cause names the address.
        Some(_) => format!("the token endpoint {}", trouble.what),
        None => format!("the token endpoint {address} {}", trouble.what),
    };
    let mut error =
        if trouble.transient { TokenError::transient(reason) } else { TokenError::permanent(reason) };
    if let Some(span) = trouble.retry_after {
        error = error.with_retry_after(span);
    }
    match trouble.source {
        Some(source) => error.with_source(source),
        None => error,
    }
}

fn tokens(mut members: Map<String, Value>, settings: &Settings) -> Result<Tokens, String> {
    let refresh = match members.remove("refresh_token") {
        Some(Value::String(token)) if !token.is_empty() => Some(Secret::new(token)),
        // Some servers write null, or an empty string, for none.
        _ => None,
    };
    let access = match members.remove("access_token") {
        Some(Value::String(token)) => Secret::new(token),
        Some(_) => return Err("gave an `access_token` that is not a string".to_owned()),
        None => return Err("gave no `access_token`".to_owned()),
    };
    // RFC 6749 §A.12 permits more; it goes into a header after `Bearer`, where no blank can stand.
    let access = Authorization::bearer(&access)
        .map_err(|_| "gave an `access_token` that no header can carry".to_owned())?;
    // RFC 6749 §7.1: "The client MUST NOT use an access token if it does not understand the token type."
    match members.get("token_type") {
        Some(Value::String(kind)) if kind.eq_ignore_ascii_case("Bearer") => {}
        Some(Value::String(kind)) => {
            return Err(format!("gave a token of type {}, and only Bearer is understood", json::shown(kind)));
        }
        Some(_) => return Err("gave a `token_type` that is not a string".to_owned()),
        None => return Err("gave no `token_type`".to_owned()),
    }
    let stated = expires_in(members.get("expires_in"))?.unwrap_or(settings.default_token_exp_time);
    Ok(Tokens { access, lifetime: stated.saturating_sub(settings.clock_skew), refresh })
}

/// The way from the bytes of an answer to the token, for the fuzz targets.
#[cfg(feature = "fuzzing")]
pub(crate) fn granted(text: &[u8]) -> Result<(String, Duration), String> {
    let endpoint =
        portcullis_outbound::Endpoint::parse("https://localhost").map_err(|error| error.to_string())?;
    let mut settings = Settings::new(endpoint, super::ClientAuthentication::none());
    settings.default_token_exp_time = Duration::from_secs(300);
    let members = json::object(text).map_err(|problem| problem.to_string())?;
    let Tokens { access, lifetime, .. } = tokens(members, &settings)?;
    let value = access.header().to_str().map_err(|_| "a header that is no text".to_owned())?;
    Ok((value.to_owned(), lifetime))
}

/// The lifetime in seconds. Some servers write the number as a string, and some write null for what they do not know.
fn expires_in(value: Option<&Value>) -> Result<Option<Duration>, String> {
    let seconds = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse().ok()
        }
        Some(_) => None,
    };
    match seconds {
        // Longer than can be told is for ever.
        Some(seconds) if seconds >= 0.0 => {
            Ok(Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)))
        }
        _ => Err("gave an `expires_in` that is not a number of seconds".to_owned()),
    }
}
