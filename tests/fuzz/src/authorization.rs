//! The value of an `Authorization` header.

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use portcullis_core::{
    Credential, CredentialError, CredentialErrorKind, DEFAULT_MAX_CREDENTIAL_BYTES as MAX,
    credential::{from_header_value, from_headers},
};

use crate::{basic, support};

/// Takes the value.
pub fn run(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else { return };
    let read = from_header_value(&value, MAX);
    if let Ok(credential) = &read {
        let text = std::str::from_utf8(data).expect("what is accepted is ASCII");
        assert!(text.len() <= MAX && text.bytes().all(|byte| matches!(byte, b' '..=b'~')));
        let (scheme, rest) = text.split_once(' ').expect("a scheme and a credential");
        let rest = rest.trim_start_matches(' ');
        assert!(scheme.eq_ignore_ascii_case(credential.scheme().as_str()));
        match credential {
            Credential::Basic(found) => basic::is_spelled(rest, found),
            Credential::Bearer(found) => {
                assert_eq!(found.token(), rest);
                assert!(!rest.is_empty() && !rest.contains([' ', ',']));
            }
            other => panic!("a new credential has no check: {other:?}"),
        }
        let shown = support::shown(&format_args!("{credential:?}"));
        assert!(shown.contains("[redacted]") && (rest.len() < 16 || !shown.contains(rest)));
        // The scheme in capitals and a blank more say the same.
        let other = format!("{}  {rest}", scheme.to_ascii_uppercase());
        if other.len() <= MAX {
            let other = HeaderValue::from_str(&other).unwrap();
            assert_eq!(secrets(&from_header_value(&other, MAX)), secrets(&read));
        }
        assert_eq!(kind(&from_header_value(&value, data.len() - 1)), Some(CredentialErrorKind::TooLong));
    }

    let mut headers = HeaderMap::new();
    headers.append(AUTHORIZATION, value.clone());
    assert_eq!(secrets(&from_headers(&headers, MAX).map(Option::unwrap)), secrets(&read));
    headers.append(AUTHORIZATION, value.clone());
    assert_eq!(from_headers(&headers, MAX).unwrap_err().kind(), CredentialErrorKind::Repeated);
}

fn kind(read: &Result<Credential<'_>, CredentialError>) -> Option<CredentialErrorKind> {
    read.as_ref().err().map(CredentialError::kind)
}

/// What was read, for comparison.
fn secrets(read: &Result<Credential<'_>, CredentialError>) -> Result<String, CredentialErrorKind> {
    match read {
        Ok(Credential::Basic(basic)) => Ok(basic.pair().to_owned()),
        Ok(Credential::Bearer(bearer)) => Ok(bearer.token().to_owned()),
        Ok(other) => panic!("a new credential has no check: {other:?}"),
        Err(error) => Err(error.kind()),
    }
}
