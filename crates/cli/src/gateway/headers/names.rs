//! Which names never pass, however they are spelled.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName};

/// Headers that make an upstream act on another method or path than the one that was decided on.
const OVERRIDES: [&str; 9] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-original-method",
    "x-original-url",
    "x-original-uri",
    "x-rewrite-url",
    "x-rewrite-uri",
    "x-override-url",
];

/// The name as servers see it that make variables of headers: CGI, WSGI and their kin turn `-` into `_`, some
/// turn every other punctuation into it too, so that `X_Auth.Subject` and `X-Auth-Subject` are one.
pub(super) fn canonical(name: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if name.bytes().all(plain) {
        return Cow::Borrowed(name);
    }
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}

/// Headers that speak of one connection and not of the message (RFC 9110 §7.6.1). `Trailer` is not among them:
/// without it trailers would not be sent on.
pub(super) fn is_hop_by_hop(canonical: &str) -> bool {
    matches!(
        canonical,
        "connection" | "keep-alive" | "te" | "transfer-encoding" | "upgrade" | "http2-settings" | "proxy"
    ) || canonical.starts_with("proxy-")
}

/// Headers by which the gateway says who is calling. Only it may.
pub(super) fn is_identity(canonical: &str) -> bool {
    canonical.starts_with("x-auth-")
}

/// Whether a client's header never goes upstream.
pub(super) fn is_removed(name: &HeaderName) -> bool {
    let canonical = canonical(name.as_str());
    is_identity(&canonical)
        || is_hop_by_hop(&canonical)
        || OVERRIDES.contains(&&*canonical)
        // The HTTP library speaks for itself here: it names the upstream's host, and it does not wait for 100.
        || matches!(&*canonical, "host" | "expect")
        || is_misspelt_length(name, &canonical)
}

/// `Content_Length` is one to a server that makes variables of headers, and none to every other.
fn is_misspelt_length(name: &HeaderName, canonical: &str) -> bool {
    canonical == "content-length" && name.as_str() != canonical
}

/// Whether a client's trailer never goes upstream. RFC 9110 §6.5.1 forbids fields for framing, routing,
/// authentication, request modifiers and content format in trailers.
pub(super) fn is_removed_from_trailers(name: &HeaderName) -> bool {
    let canonical = canonical(name.as_str());
    is_removed(name)
        || super::forwarding::is_forwarding(&canonical)
        || canonical.starts_with("content-")
        || matches!(
            &*canonical,
            "authorization"
                | "cookie"
                | "trailer"
                | "via"
                | "max-forwards"
                | "cache-control"
                | "range"
                | "origin"
        )
}

pub(super) fn remove_all(headers: &mut HeaderMap, removed: impl Fn(&HeaderName) -> bool) {
    let names: Vec<HeaderName> = headers.keys().filter(|name| removed(name)).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_punctuation_is_a_dash() {
        for (name, expected) in [
            ("x-auth-subject", "x-auth-subject"),
            ("x_auth_subject", "x-auth-subject"),
            ("x.auth~subject", "x-auth-subject"),
            ("x!auth*subject", "x-auth-subject"),
            ("x-authsubject", "x-authsubject"),
        ] {
            assert_eq!(canonical(name), expected);
        }
    }

    #[test]
    fn names_are_removed_in_every_spelling_and_near_ones_stay() {
        for name in [
            "x-auth-subject",
            "x_auth_subject",
            "x-auth_scopes",
            "x-auth-anything-at-all",
            "connection",
            "keep-alive",
            "keep_alive",
            "proxy-authorization",
            "proxy_connection",
            "proxy",
            "te",
            "transfer-encoding",
            "transfer_encoding",
            "upgrade",
            "http2-settings",
            "x-http-method-override",
            "x_http_method_override",
            "x-http-method",
            "x-method-override",
            "x-original-url",
            "x_original_url",
            "x-rewrite-url",
            "x_rewrite-url",
            "host",
            "expect",
            "content_length",
        ] {
            assert!(is_removed(&HeaderName::from_static(name)), "{name}");
        }
        for name in [
            "authorization",
            "cookie",
            "content-length",
            "content-type",
            "trailer",
            "x-auth",
            "x-author",
            "x-authentication",
            "my-x-auth-subject",
            "x_request_id",
            "origin",
            "te-x",
        ] {
            assert!(!is_removed(&HeaderName::from_static(name)), "{name}");
        }
    }

    #[test]
    fn trailers_hold_nothing_that_counts_as_a_header() {
        for name in [
            "x-auth-subject",
            "authorization",
            "content-type",
            "host",
            "x-forwarded-for",
            "cookie",
            "forwarded",
        ] {
            assert!(is_removed_from_trailers(&HeaderName::from_static(name)), "{name}");
        }
        for name in ["x-checksum", "grpc-status", "server-timing", "digest"] {
            assert!(!is_removed_from_trailers(&HeaderName::from_static(name)), "{name}");
        }
    }
}
