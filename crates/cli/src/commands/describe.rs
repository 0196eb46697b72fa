//! Policies and principals in words and in JSON, the same in every command.

use portcullis::{Answer, Auth, Element, Identity, Policy, Protocol, RequiredScopes, ServiceConfig};
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

/// Where a service looks for credentials, as the configuration writes it.
pub(super) fn sources_of(auth: &Auth) -> Vec<String> {
    let sources = auth.credential_sources();
    let header = sources.reads_header().then(|| "header".to_owned());
    let protocol = sources.reads_websocket_protocol().then(|| "websocketProtocol".to_owned());
    header.into_iter().chain(protocol).chain(sources.cookies().map(|name| format!("cookie:{name}"))).collect()
}

/// How refusals are told, as the configuration writes it.
pub(super) fn protocol_of(auth: &Auth) -> &'static str {
    if auth.protocol() == Protocol::Grpc { "grpc" } else { "http" }
}

/// Where a service looks for credentials and how it speaks, in words; `None` where nothing is out of the ordinary.
pub(super) fn manners_of(auth: &Auth) -> Option<String> {
    let mut parts = Vec::new();
    let sources = sources_of(auth);
    if sources != ["header"] {
        let origins: Vec<&str> = auth.credential_sources().origins().collect();
        let from = if origins.is_empty() { String::new() } else { format!(" from {}", origins.join(", ")) };
        parts.push(format!("credentials in {}{from}", sources.join(", ")));
    }
    if auth.protocol() == Protocol::Grpc {
        parts.push("refuses in gRPC's way".to_owned());
    }
    if let Some(interval) = auth.revalidate_interval() {
        parts.push(format!("asks about open WebSockets every {interval:?}"));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}
