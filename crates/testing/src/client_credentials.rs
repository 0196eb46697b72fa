//! How a client says who it is (RFC 6749 §2.3).

use std::{collections::HashSet, sync::Mutex};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;

use crate::{
    assertion::{Assertion, VerificationKey},
    server::{Call, form_decoded, json as as_json, lock},
};

/// What a server asks of its clients.
pub(crate) enum Required {
    Bearer(String),
    Secret {
        id: String,
        secret: String,
        place: Place,
    },
    /// By its name alone (RFC 6749 §2.3: a public client), over whatever connection.
    Public(String),
    Certificate {
        id: String,
        certificate: Bytes,
    },
    Assertion {
        id: String,
        key: VerificationKey,
        /// What the endpoint calls itself.
        audiences: [String; 2],
        seen: Mutex<HashSet<String>>,
    },
}

/// Where a client's secret stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Header,
    Body,
    /// In either, never in both.
    Either,
}

impl Required {
    pub(crate) fn basic(id: &str, secret: &str) -> Self {
        Self::secret(id, secret, Place::Header)
    }

    pub(crate) fn secret(id: &str, secret: &str, place: Place) -> Self {
        Self::Secret { id: id.to_owned(), secret: secret.to_owned(), place }
    }

    pub(crate) fn bearer(token: &str) -> Self {
        Self::Bearer(token.to_owned())
    }

    pub(crate) fn assertion(id: &str, key: VerificationKey, audiences: [String; 2]) -> Self {
        Self::Assertion { id: id.to_owned(), key, audiences, seen: Mutex::default() }
    }

    /// The answer to a caller who is not the one that is asked for.
    pub(crate) fn refusal(&self, call: &Call) -> Option<Response<Bytes>> {
        let challenge = match self {
            Self::Bearer(_) => "Bearer realm=\"test\"",
            _ => "Basic realm=\"test\"",
        };
        let problem = self.judge(call).err()?;
        let body = if problem.is_empty() {
            json!({"error": "invalid_client"})
        } else {
            json!({"error": "invalid_client", "error_description": problem})
        };
        let mut answer = as_json(StatusCode::UNAUTHORIZED, &body);
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        Some(answer)
    }

    fn judge(&self, call: &Call) -> Result<(), &'static str> {
        let right = |right: bool| if right { Ok(()) } else { Err("") };
        match self {
            Self::Bearer(token) => right(call.header("authorization") == Some(&format!("Bearer {token}"))),
            Self::Secret { id, secret, place } => {
                let given = match (by_basic(call), in_body(call)) {
                    (Some(one), None) if *place != Place::Body => Some(one),
                    (None, Some(one)) if *place != Place::Header => Some(one),
                    _ => None,
                };
                right(given == Some((id.clone(), secret.clone())))
            }
            Self::Public(id) => right(named_alone(call, id)),
            Self::Certificate { id, certificate } => {
                right(named_alone(call, id) && call.certificate.as_ref() == Some(certificate))
            }
            Self::Assertion { id, key, audiences, seen } => asserted(call, id, key, audiences, seen),
        }
    }
}

fn by_basic(call: &Call) -> Option<(String, String)> {
    let decoded = STANDARD.decode(call.header("authorization")?.strip_prefix("Basic ")?).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((form_decoded(id), form_decoded(secret)))
}

fn in_body(call: &Call) -> Option<(String, String)> {
    Some((call.parameter("client_id")?, call.parameter("client_secret")?))
}

fn named_alone(call: &Call, id: &str) -> bool {
    let has = |name: &str| call.parameters().iter().any(|(each, _)| each == name);
    call.parameter("client_id").as_deref() == Some(id)
        && !call.headers.contains_key(header::AUTHORIZATION)
        && !has("client_secret")
        && !has("client_assertion")
}

/// RFC 7523 §3: what an assertion by which a client authenticates itself has to hold.
fn asserted(
    call: &Call,
    id: &str,
    key: &VerificationKey,
    audiences: &[String],
    seen: &Mutex<HashSet<String>>,
) -> Result<(), &'static str> {
    const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    if call.headers.contains_key(header::AUTHORIZATION) || call.parameter("client_secret").is_some() {
        return Err("the client authenticates itself twice");
    }
    if call.parameter("client_assertion_type").as_deref() != Some(TYPE) {
        return Err("client_assertion_type is not the one of RFC 7523");
    }
    // RFC 7521 §4.2: where it is there, it is the same client.
    if call.parameter("client_id").is_some_and(|named| named != id) {
        return Err("client_id names another client");
    }
    let text = call.parameter("client_assertion").ok_or("there is no client_assertion")?;
    let assertion = Assertion::read(&text)?;
    assertion.verify(key)?;
    if assertion.text("iss") != Some(id) || assertion.text("sub") != Some(id) {
        return Err("iss and sub are not the client");
    }
    if !audiences.iter().any(|audience| assertion.is_for(audience)) {
        return Err("aud is not this server");
    }
    if !assertion.expires() {
        return Err("exp is not there");
    }
    let jti = assertion.text("jti").filter(|jti| !jti.is_empty()).ok_or("jti is not there")?;
    if !lock(seen).insert(jti.to_owned()) {
        return Err("jti was used before");
    }
    Ok(())
}
