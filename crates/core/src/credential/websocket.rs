//! Requests that open a WebSocket.

use http::{
    HeaderMap, Method,
    header::{CONNECTION, UPGRADE},
};

/// Whether a request asks for a WebSocket: an upgrade (RFC 6455 §4.1), or an extended CONNECT (RFC 8441), which a router
/// sees only after the listener has found `websocket` as its `:protocol`.
#[must_use]
pub fn opens(method: &Method, headers: &HeaderMap) -> bool {
    match *method {
        Method::CONNECT => true,
        Method::GET => holds(headers, &UPGRADE, "websocket") && holds(headers, &CONNECTION, "upgrade"),
        _ => false,
    }
}

/// Whether the answer to a request may be a connection that stays open, whoever gives it. More than [`opens`]: hyper upgrades
/// whatever has an `Upgrade`, and axum takes a `Connection` in which the word occurs anywhere.
pub(crate) fn may_open(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::CONNECT || headers.contains_key(UPGRADE)
}

/// Whether a comma-separated header holds an element, in any case.
fn holds(headers: &HeaderMap, name: &http::HeaderName, wanted: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|element| element.trim().eq_ignore_ascii_case(wanted))
}
