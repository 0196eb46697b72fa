//! The value of an outgoing `Authorization` header.

use std::{error::Error, fmt};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::HeaderValue;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{Scheme, Secret, credential};

/// What an outgoing request carries in `Authorization`: Basic or Bearer, and the credential.
///
/// Cheap to clone. Its header value is marked as sensitive, `Debug` shows the scheme alone, and two of them compare in
/// constant time.
#[derive(Clone)]
pub struct Authorization {
    scheme: Scheme,
    value: HeaderValue,
}

impl Authorization {
    /// A bearer token (RFC 6750 §2.1).
    ///
    /// # Errors
    ///
    /// When it is empty or holds white space, a comma, a control character, or anything outside ASCII: no service would
    /// read it from a header.
    pub fn bearer(token: &Secret) -> Result<Self, UnfitForHeader> {
        credential::Bearer::new(token.expose()).map_err(|_| {
            UnfitForHeader("is empty, or holds a blank, a comma or a character outside ASCII")
        })?;
        Self::new(Scheme::Bearer, token.expose())
    }

    /// User name and password (RFC 7617), in UTF-8.
    ///
    /// # Errors
    ///
    /// When either is empty, the name holds a colon, or one of them a control character.
    pub fn basic(user: &str, password: &Secret) -> Result<Self, UnfitForHeader> {
        if user.is_empty() {
            return Err(UnfitForHeader("has an empty user name"));
        }
        if password.is_empty() {
            return Err(UnfitForHeader("has an empty password"));
        }
        // RFC 7617 §2: "a user-id containing a colon character is invalid"
        if user.contains(':') {
            return Err(UnfitForHeader(
                "has a user name with a colon, which ends it: no service can read that",
            ));
        }
        // RFC 7617 §2: "The user-id and password MUST NOT contain any control characters"
        if user.chars().chain(password.expose().chars()).any(char::is_control) {
            return Err(UnfitForHeader("has a control character"));
        }
        let pair = Zeroizing::new(format!("{user}:{}", password.expose()));
        Self::new(Scheme::Basic, &Zeroizing::new(BASE64_STANDARD.encode(pair.as_bytes())))
    }

    fn new(scheme: Scheme, credential: &str) -> Result<Self, UnfitForHeader> {
        let text = Zeroizing::new(format!("{scheme} {credential}"));
        // The first clone begins to count owners. What it gives is cloned and dropped in fewer steps.
        HeaderValue::from_str(&text)
            .map(|value| Self::sensitive(scheme, value.clone()))
            .map_err(|_| UnfitForHeader("holds a character that no header can carry"))
    }

    /// A bearer token that came in a header.
    pub(crate) fn of_token(token: &[u8]) -> Result<Self, UnfitForHeader> {
        let token = str::from_utf8(token).map_err(|_| UnfitForHeader("is no text"))?;
        Self::new(Scheme::Bearer, token)
    }

    /// The value of a header that was read as this scheme's.
    pub(crate) fn sensitive(scheme: Scheme, mut value: HeaderValue) -> Self {
        value.set_sensitive(true);
        Self { scheme, value }
    }

    /// The scheme.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The value of the header, marked as sensitive.
    #[must_use]
    pub const fn header(&self) -> &HeaderValue {
        &self.value
    }

    /// The value of the header, marked as sensitive.
    #[must_use]
    pub fn into_header(self) -> HeaderValue {
        self.value
    }

    /// The token, where it is one.
    #[must_use]
    pub fn token(&self) -> Option<Secret> {
        if self.scheme != Scheme::Bearer {
            return None;
        }
        let (_, token) = self.value.to_str().ok()?.split_once(' ')?;
        Some(Secret::new(token.trim_start_matches(' ')))
    }
}

/// Takes time that depends on the lengths only.
impl PartialEq for Authorization {
    fn eq(&self, other: &Self) -> bool {
        self.value.as_bytes().ct_eq(other.value.as_bytes()).into()
    }
}

impl Eq for Authorization {}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authorization({} [redacted])", self.scheme)
    }
}

/// A credential that no header can carry. Says what is wrong, and shows nothing of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UnfitForHeader(&'static str);

impl fmt::Display for UnfitForHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the credential {}", self.0)
    }
}

impl fmt::Debug for UnfitForHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for UnfitForHeader {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_sent_as_it_is_and_one_that_no_service_would_read_is_refused() {
        let token = Secret::new("x&client_id=evil~:|");
        let bearer = Authorization::bearer(&token).unwrap();
        assert_eq!(bearer.header(), "Bearer x&client_id=evil~:|");
        assert!(bearer.header().is_sensitive());
        assert_eq!((bearer.scheme(), bearer.token()), (Scheme::Bearer, Some(token)));
        assert!(bearer.clone().into_header().is_sensitive());
        assert_eq!(bearer.clone().into_header(), bearer.header());
        for bad in ["", "a b", "a,b", "a\nb", "tökén"] {
            let error = Authorization::bearer(&Secret::new(bad)).unwrap_err();
            assert!(error.to_string().starts_with("the credential is empty, or holds"), "{bad:?}: {error}");
        }
    }

    #[test]
    fn a_pair_is_encoded_in_utf_8_and_one_that_cannot_be_split_again_is_refused() {
        let basic = Authorization::basic("zoë", &Secret::new("pass:wörd%+=&")).unwrap();
        assert_eq!(basic.header(), "Basic em/DqzpwYXNzOnfDtnJkJSs9Jg==");
        assert!(basic.header().is_sensitive());
        assert_eq!((basic.scheme(), basic.token()), (Scheme::Basic, None));
        for (user, password, says) in [
            ("", "123", "has an empty user name"),
            ("tom", "", "has an empty password"),
            ("a:b", "123", "a user name with a colon"),
            ("a\nb", "123", "has a control character"),
            ("tom", "1\u{7f}3", "has a control character"),
        ] {
            let error = Authorization::basic(user, &Secret::new(password)).unwrap_err();
            assert!(error.to_string().contains(says), "{user:?}: {error}");
        }
    }

    #[test]
    fn two_are_the_same_where_every_letter_is() {
        let bearer = |token: &str| Authorization::bearer(&Secret::new(token)).unwrap();
        assert_eq!(bearer("token-1"), bearer("token-1"));
        for other in ["token-2", "Token-1", "token-10", "token-"] {
            assert_ne!(bearer("token-1"), bearer(other));
        }
        assert_ne!(bearer("dG9tOjEyMw=="), Authorization::basic("tom", &Secret::new("123")).unwrap());
    }

    #[test]
    fn nothing_of_it_is_shown() {
        let bearer = Authorization::bearer(&Secret::new("canary")).unwrap();
        assert_eq!(format!("{bearer:?}"), "Authorization(Bearer [redacted])");
        assert_eq!(format!("{:?}", bearer.header()), "Sensitive");
    }
}
