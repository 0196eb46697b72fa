//! What a token says, true or not.

use std::fmt;

use portcullis_core::Refusal;
use serde_json::{Map, Value};

use crate::jws::{Compact, json};

/// What a token says of itself. Anybody can write such a token: nothing in it is proven, and there is no way from here to
/// a principal.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct UnverifiedToken {
    /// The JOSE header.
    pub header: Map<String, Value>,
    /// The claims.
    pub claims: Map<String, Value>,
}

/// Leaves the claims out: they may hold personal data.
impl fmt::Debug for UnverifiedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnverifiedToken").field("header", &self.header).finish_non_exhaustive()
    }
}

/// Shows what a token says without verifying anything, for those who look for a mistake.
///
/// # Errors
///
/// When it is not three segments of base64url, of which the first two are JSON objects.
pub fn decode_unverified(token: &str) -> Result<UnverifiedToken, Refusal> {
    let compact = Compact::split(token.as_bytes())?;
    Ok(UnverifiedToken {
        header: json::object(&compact.header()?, "the header")?,
        claims: json::object(&compact.payload()?, "the payload")?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::jws::base64url::encode;

    #[test]
    fn header_and_claims_are_shown_whatever_they_say() {
        let token =
            format!("{}.{}.", encode(r#"{"alg":"none","crit":["x"]}"#), encode(r#"{"iss":1,"exp":"soon"}"#));
        let shown = decode_unverified(&token).unwrap();
        assert_eq!(Value::Object(shown.header), json!({"alg": "none", "crit": ["x"]}));
        assert_eq!(Value::Object(shown.claims), json!({"iss": 1, "exp": "soon"}));
    }

    #[test]
    fn what_is_no_token_is_an_error() {
        for (token, code) in [
            ("", "malformed-token"),
            ("a.b", "malformed-token"),
            ("....", "encrypted"),
            ("e30.W10.", "malformed-token"),
            ("e30.e30=.", "malformed-token"),
        ] {
            assert_eq!(decode_unverified(token).unwrap_err().code(), code, "{token}");
        }
        assert!(decode_unverified("e30.e30.").is_ok());
    }
}
