//! Whether a cookie counts: a browser attaches cookies to the requests of every page, whoever wrote it.

use http::{HeaderMap, HeaderName, Method, header::ORIGIN};

use super::{CredentialErrorKind as Kind, websocket};

/// Fetch Metadata, §2.3: how the page that asks is related to the service.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// An origin as browsers write it in `Origin` (RFC 6454 §6.2): scheme and host in lower case, no default port.
/// `None` where it is not `scheme://host[:port]`.
#[must_use]
pub fn normalised(text: &str) -> Option<String> {
    let (scheme, authority) = text.split_once("://")?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let after_address = authority.rfind(']').map_or(0, |end| end.saturating_add(1));
    let (host, port) = match authority.get(after_address..)?.find(':') {
        Some(at) => {
            let (host, port) = authority.split_at_checked(after_address.saturating_add(at))?;
            (host, Some(port.get(1..)?))
        }
        None => (authority, None),
    };
    let host = host_of(host)?;
    let scheme = scheme.to_ascii_lowercase();
    // A page's origin is never that of its WebSocket.
    if !is_scheme || matches!(scheme.as_str(), "ws" | "wss") {
        return None;
    }
    let default_port = match scheme.as_str() {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    };
    let port = match port {
        None => None,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse::<u16>().ok()?),
        Some(_) => return None,
    };
    Some(match port.filter(|port| Some(*port) != default_port) {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    })
}

fn host_of(text: &str) -> Option<String> {
    if let Some(address) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let address: std::net::Ipv6Addr = address.parse().ok()?;
        return Some(format!("[{address}]"));
    }
    let is_name = !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    is_name.then(|| text.to_ascii_lowercase())
}

/// Whether cookies count in a request, where they do in requests from `origins`.
pub(super) fn counts(method: &Method, headers: &HeaderMap, origins: &[Box<str>]) -> Result<(), Kind> {
    let mut sent = headers.get_all(ORIGIN).iter();
    match (sent.next(), sent.next()) {
        (Some(origin), None) => {
            let known = origins.iter().any(|known| known.as_bytes() == origin.as_bytes());
            if known { Ok(()) } else { Err(Kind::ForeignOrigin) }
        }
        (Some(_), Some(_)) => Err(Kind::ForeignOrigin),
        // Browsers leave `Origin` out of what only reads within one origin, and out of no WebSocket.
        (None, _) if reads(method) && !websocket::opens(method, headers) && is_same_origin(headers) => Ok(()),
        (None, _) => Err(Kind::MissingOrigin),
    }
}

fn reads(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

fn is_same_origin(headers: &HeaderMap) -> bool {
    let mut sent = headers.get_all(SEC_FETCH_SITE).iter();
    matches!((sent.next(), sent.next()), (Some(site), None) if site == "same-origin")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_as_browsers_do() {
        for (text, expected) in [
            ("https://app.example.org", "https://app.example.org"),
            ("HTTPS://App.Example.ORG", "https://app.example.org"),
            ("https://app.example.org:443", "https://app.example.org"),
            ("http://app.example.org:80", "http://app.example.org"),
            ("http://app.example.org:443", "http://app.example.org:443"),
            ("https://app.example.org:08443", "https://app.example.org:8443"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("http://[0:0:0::1]", "http://[::1]"),
            ("tauri://localhost", "tauri://localhost"),
            ("chrome-extension://abcdef", "chrome-extension://abcdef"),
        ] {
            assert_eq!(normalised(text).as_deref(), Some(expected), "{text}");
            assert_eq!(normalised(expected).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn whatever_else_is_no_origin() {
        for text in [
            "",
            "*",
            "null",
            "app.example.org",
            "https://",
            "https:app.example.org",
            "https://app.example.org/",
            "https://app.example.org/x",
            "https://app.example.org?x",
            "https://alice@app.example.org",
            "https://*.example.org",
            "https://app.example.org:",
            "https://app.example.org:65536",
            "https://app.example.org:+80",
            "https://app.example.org:80:80",
            "https://[::1",
            "https://::1",
            "https://[::1]x",
            "https://[::g]",
            "https://app example.org",
            "https://bücher.example",
            "1https://app.example.org",
            "://app.example.org",
            "wss://app.example.org",
            "https://a.example https://b.example",
        ] {
            assert_eq!(normalised(text), None, "{text}");
        }
    }
}
