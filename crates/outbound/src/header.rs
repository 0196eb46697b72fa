//! Headers that a configuration adds to requests.

use http::{
    HeaderName, HeaderValue,
    header::{
        ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST,
        PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    },
};
use portcullis_core::Secret;

/// Headers that belong to the connection and to the message, which the client makes.
const OURS: [HeaderName; 15] = [
    ACCEPT_ENCODING,
    CONNECTION,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    EXPECT,
    HOST,
    HeaderName::from_static("http2-settings"),
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// A header as it is sent, or what is wrong with it: reads on after its name and shows nothing of its value.
pub(crate) fn checked(name: &str, value: &Secret) -> Result<(HeaderName, HeaderValue), &'static str> {
    let name = checked_name(name)?;
    let text = value.expose();
    if text.trim_matches([' ', '\t']).len() != text.len() {
        return Err("begins or ends with a blank, which HTTP does not carry: remove it");
    }
    let value = sensitive(text)
        .ok_or("has a value that no header can have: printable ASCII on one line is possible")?;
    Ok((name, value))
}

/// A value that no log shows and that every server reads the same; `None` where no header can have it.
pub(crate) fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok().filter(|_| text.is_ascii())?;
    value.set_sensitive(true);
    Some(value)
}

/// The name of a header that may be added.
pub(crate) fn checked_name(name: &str) -> Result<HeaderName, &'static str> {
    let name: HeaderName = name.parse().map_err(|_| "is not the name of a header")?;
    if OURS.contains(&name) || name == "proxy-connection" {
        return Err("belongs to the connection or to the message, not to a configuration: remove it");
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_sensitive_and_names_in_lower_case() {
        let (name, value) = checked("X-Tenant", &Secret::new("canary\tb")).unwrap();
        assert_eq!((name.as_str(), value.as_bytes()), ("x-tenant", &b"canary\tb"[..]));
        assert!(value.is_sensitive());
        assert!(!format!("{value:?}").contains("canary"));
        for text in ["a\nb", "a\rb", "a\0b", "a\u{7f}", "ü"] {
            assert_eq!(sensitive(text), None, "{text:?}");
        }
    }
}
