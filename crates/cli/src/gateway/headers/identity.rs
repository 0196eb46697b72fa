//! Who is calling, told to the upstream.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use portcullis_core::{Principal, Scopes};

const SUBJECT: HeaderName = HeaderName::from_static("x-auth-subject");
const SCOPES: HeaderName = HeaderName::from_static("x-auth-scopes");
const PROVIDER: HeaderName = HeaderName::from_static("x-auth-provider");
const ISSUER: HeaderName = HeaderName::from_static("x-auth-issuer");

/// All but the unreserved characters of RFC 3986 §2.3: what comes out has one reading in any header, and what
/// decodes URLs decodes it.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Sets the headers of an authenticated caller. A caller without subject or issuer has no such header.
pub(in crate::gateway) fn set(headers: &mut HeaderMap, caller: &Principal) {
    let mut put = |name, text: Option<Cow<'_, str>>| {
        let value = text.map(|text| match text {
            Cow::Borrowed(text) => HeaderValue::from_str(text),
            Cow::Owned(text) => HeaderValue::try_from(text),
        });
        if let Some(Ok(value)) = value {
            headers.insert(name, value);
        }
    };
    put(SUBJECT, caller.subject().map(encoded));
    put(SCOPES, Some(scopes_json(caller.scopes()).into()));
    put(PROVIDER, Some(encoded(caller.provider())));
    put(ISSUER, caller.issuer().map(encoded));
}

fn encoded(text: &str) -> Cow<'_, str> {
    utf8_percent_encode(text, RESERVED).into()
}

/// A JSON array in printable ASCII, which is all that every server reads alike in a header.
fn scopes_json(scopes: &Scopes) -> String {
    let mut json = String::from("[");
    for scope in scopes.iter() {
        if json.len() > 1 {
            json.push(',');
        }
        // RFC 6749 §3.3 allows no others.
        if scope.bytes().all(|byte| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~')) {
            json.push('"');
            json.push_str(scope);
            json.push('"');
        } else {
            push_ascii(&mut json, &serde_json::Value::from(scope).to_string());
        }
    }
    json.push(']');
    json
}

fn push_ascii(ascii: &mut String, json: &str) {
    for character in json.chars() {
        if matches!(character, ' '..='~') {
            ascii.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                ascii.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_percent_encoded_as_utf8() {
        for (text, expected) in [
            ("alice", "alice"),
            ("alice@example.org", "alice%40example.org"),
            ("Zoë, \"x\"\r\nX: y", "Zo%C3%AB%2C%20%22x%22%0D%0AX%3A%20y"),
            ("https://idp/", "https%3A%2F%2Fidp%2F"),
            ("50%", "50%25"),
            ("a-b_c.d~e", "a-b_c.d~e"),
            ("", ""),
        ] {
            assert_eq!(encoded(text), expected);
        }
    }

    #[test]
    fn scopes_are_a_json_array_in_ascii() {
        let scopes: Scopes = ["hello", "a b", "q\"\\", "Zoë", "\u{7f}\n\u{1f600}"].into_iter().collect();
        let json = scopes_json(&scopes);
        assert_eq!(json, r#"["hello","a b","q\"\\","Zo\u00eb","\u007f\n\ud83d\ude00"]"#);
        let back: Vec<String> = serde_json::from_str(&json).unwrap();
        assert_eq!(back, scopes.iter().collect::<Vec<_>>());
        assert_eq!(scopes_json(&Scopes::none()), "[]");
    }
}
