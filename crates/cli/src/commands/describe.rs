//! Policies and principals in words and in JSON, the same in every command.

use portcullis::{Answer, Element, Identity, Policy, RequiredScopes, ServiceConfig};
use serde_json::{Value, json};

/// Where the answers of a service come from.
pub(super) fn answer_of(service: &ServiceConfig) -> String {
    match &service.gateway().answer {
        Some(Answer::Respond(_)) => "answers a text".to_owned(),
        Some(Answer::Upstream(upstream)) => format!("forwards to {}", upstream.url),
        _ => "is served by Rust code".to_owned(),
    }
}

/// What a policy amounts to.
pub(super) fn kind_of(policy: &Policy) -> &'static str {
    if policy.is_public() {
        "public"
    } else if policy.elements().is_empty() {
        "closed"
    } else if policy.is_optional() {
        "optional"
    } else {
        "guarded"
    }
}

/// What an element asks for.
pub(super) fn scopes_of(scopes: &RequiredScopes) -> String {
    if scopes.admits_anyone() { "anyone".to_owned() } else { scopes.iter().collect::<Vec<_>>().join(", ") }
}

pub(super) fn policy_json(policy: &Policy) -> Value {
    json!({
        "policy": kind_of(policy),
        "elements": policy.elements().iter().map(element_json).collect::<Vec<_>>(),
    })
}

fn element_json(element: &Element) -> Value {
    json!({
        "name": element.name(),
        "kind": element.provider().kind(),
        "scheme": element.scheme().as_str(),
        "scopes": scopes_json(element.scopes()),
    })
}

/// `null` where anyone is admitted.
fn scopes_json(scopes: &RequiredScopes) -> Value {
    if scopes.admits_anyone() { Value::Null } else { scopes.iter().collect() }
}

pub(super) fn identity_json(identity: &Identity) -> Value {
    json!({
        "subject": identity.subject(),
        "issuer": identity.issuer(),
        "scopes": identity.scopes().iter().collect::<Vec<_>>(),
        "expires": identity.expires_at().map(portcullis::UnixTime::as_secs),
    })
}
