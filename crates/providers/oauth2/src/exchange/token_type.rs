//! Kinds of tokens (RFC 8693 §3).

use std::fmt;

/// An OAuth 2.0 access token.
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// A JWT.
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
/// An OpenID Connect ID token.
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
const REFRESH_TOKEN: &str = "urn:ietf:params:oauth:token-type:refresh_token";

/// What kind of token a token is (RFC 8693 §3).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TokenType(String);

impl TokenType {
    /// `urn:ietf:params:oauth:token-type:access_token`.
    #[must_use]
    pub fn access_token() -> Self {
        Self(ACCESS_TOKEN.to_owned())
    }

    /// `urn:ietf:params:oauth:token-type:jwt`.
    #[must_use]
    pub fn jwt() -> Self {
        Self(JWT.to_owned())
    }

    /// `urn:ietf:params:oauth:token-type:id_token`.
    #[must_use]
    pub fn id_token() -> Self {
        Self(ID_TOKEN.to_owned())
    }

    /// A kind by its short name, `access_token`, `jwt` or `id_token`, or by its URI.
    ///
    /// `None` for anything else, and for refresh tokens: they are shown to nobody but the server that issued them.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "access_token" => Some(Self::access_token()),
            "jwt" => Some(Self::jwt()),
            "id_token" => Some(Self::id_token()),
            REFRESH_TOKEN => None,
            uri => is_absolute_uri(uri).then(|| Self(uri.to_owned())),
        }
    }

    /// The URI.
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.0
    }

    /// Whether services are called with tokens of this kind, asked for or not.
    pub(super) fn is_one_to_call_with(uri: &str) -> bool {
        uri == ACCESS_TOKEN || uri == JWT
    }
}

impl fmt::Debug for TokenType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether it is a URI with a scheme, and without a fragment (RFC 3986 §4.3).
pub(super) fn is_absolute_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let in_scheme = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let in_uri = |byte: u8| {
        byte.is_ascii_graphic()
            && !matches!(byte, b'#' | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
    };
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(in_scheme)
        && !rest.trim_start_matches('/').is_empty()
        && rest.bytes().all(in_uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_and_uris_are_kinds_and_nothing_else() {
        for (text, uri) in [
            ("access_token", ACCESS_TOKEN),
            ("jwt", JWT),
            ("id_token", ID_TOKEN),
            (ACCESS_TOKEN, ACCESS_TOKEN),
            ("urn:example:token", "urn:example:token"),
            ("https://example.com/kind", "https://example.com/kind"),
        ] {
            assert_eq!(TokenType::parse(text).unwrap().uri(), uri);
        }
        for text in ["", "saml2", "refresh_token", REFRESH_TOKEN, "urn:x#y", "urn:", "access token", "1:x"] {
            assert_eq!(TokenType::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_absolute_uri_has_a_scheme_and_no_fragment() {
        for text in ["https://orders.example", "https://orders.example/a?b=%20", "urn:orders", "api://7f/x"] {
            assert!(is_absolute_uri(text), "{text}");
        }
        for text in [
            "orders",
            "/orders",
            "//orders.example",
            "https://",
            "https://a#b",
            "https://a b",
            "https://ä",
            ":x",
        ] {
            assert!(!is_absolute_uri(text), "{text}");
        }
    }
}
