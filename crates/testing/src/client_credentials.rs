//! How a client says who it is (RFC 6749 §2.3.1).

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;

use crate::server::{Call, form_decoded, json as as_json};

/// What a server asks of its clients.
pub(crate) enum Required {
    Basic {
        id: String,
        secret: String,
    },
    Bearer(String),
    /// By Basic or in the body, never both.
    Either {
        id: String,
        secret: String,
    },
}

impl Required {
    pub(crate) fn basic(id: &str, secret: &str) -> Self {
        Self::Basic { id: id.to_owned(), secret: secret.to_owned() }
    }

    pub(crate) fn bearer(token: &str) -> Self {
        Self::Bearer(token.to_owned())
    }

    pub(crate) fn either(id: &str, secret: &str) -> Self {
        Self::Either { id: id.to_owned(), secret: secret.to_owned() }
    }

    /// The answer to a caller who is not the one that is asked for.
    pub(crate) fn refusal(&self, call: &Call) -> Option<Response<Bytes>> {
        let (known, challenge) = match self {
            Self::Bearer(token) => {
                (call.header("authorization") == Some(&format!("Bearer {token}")), "Bearer realm=\"test\"")
            }
            Self::Basic { id, secret } => {
                (by_basic(call) == Some((id.clone(), secret.clone())), "Basic realm=\"test\"")
            }
            Self::Either { id, secret } => {
                let given = match (by_basic(call), in_body(call)) {
                    (Some(one), None) | (None, Some(one)) => Some(one),
                    _ => None,
                };
                (given == Some((id.clone(), secret.clone())), "Basic realm=\"test\"")
            }
        };
        (!known).then(|| {
            let mut answer = as_json(StatusCode::UNAUTHORIZED, &json!({"error": "invalid_client"}));
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            answer
        })
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
