//! `Connection` and the headers that it names.

use http::{HeaderMap, HeaderName, header};

use super::{forwarding, names};

/// Removes the headers that `Connection` names, as RFC 9110 §7.6.1 demands of intermediaries, except those
/// that decide who is calling, for whom, and how long the message is: a client could otherwise have the gateway
/// drop what it has just decided on.
pub(super) fn remove_named(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = tokens(headers, &header::CONNECTION)
        .filter_map(|token| HeaderName::from_bytes(token.as_bytes()).ok())
        .filter(|name| !is_protected(name))
        .collect();
    for name in named {
        headers.remove(name);
    }
}

fn is_protected(name: &HeaderName) -> bool {
    let canonical = names::canonical(name.as_str());
    names::is_identity(&canonical)
        || forwarding::is_forwarding(&canonical)
        || canonical.starts_with("content-")
        || canonical.starts_with("access-control-")
        || matches!(
            &*canonical,
            "authorization"
                | "cookie"
                | "host"
                | "via"
                | "origin"
                | "set-cookie"
                | "www-authenticate"
                | "trailer"
        )
}

/// RFC 9110 §10.1.4: the client is ready for trailers. Other members of `TE` concern its connection alone.
pub(super) fn wants_trailers(headers: &HeaderMap) -> bool {
    tokens(headers, &header::TE).any(|token| token.eq_ignore_ascii_case("trailers"))
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> + use<'a> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn what_connection_names_is_removed_except_identity_and_credentials() {
        let mut headers = HeaderMap::new();
        for name in [
            "authorization",
            "cookie",
            "host",
            "x-auth-subject",
            "x-forwarded-for",
            "forwarded",
            "content-length",
            "x-hop",
            "x-other-hop",
            "x-stays",
        ] {
            headers.insert(name, HeaderValue::from_static("x"));
        }
        headers.append(
            header::CONNECTION,
            HeaderValue::from_static("close, Authorization,Cookie, Host ,X-Auth-Subject, X-Hop"),
        );
        headers.append(
            header::CONNECTION,
            HeaderValue::from_static("x-forwarded-for, forwarded, content-length,, x-other-hop, bad name"),
        );
        remove_named(&mut headers);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(
            left,
            [
                "authorization",
                "connection",
                "content-length",
                "cookie",
                "forwarded",
                "host",
                "x-auth-subject",
                "x-forwarded-for",
                "x-stays"
            ]
        );
    }

    #[test]
    fn trailers_are_wanted_by_that_word_alone() {
        for (te, expected) in
            [("trailers", true), ("gzip, Trailers", true), ("gzip", false), ("trailers;q=0.5", false)]
        {
            let mut headers = HeaderMap::new();
            headers.insert(header::TE, HeaderValue::from_static(te));
            assert_eq!(wants_trailers(&headers), expected, "{te}");
        }
        assert!(!wants_trailers(&HeaderMap::new()));
    }
}
