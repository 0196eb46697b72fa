use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};

use super::{Basic, Bearer, Credential, CredentialError, CredentialErrorKind as Kind, Scheme};

/// Reads the credential from the one `Authorization` header; `None` where there is none.
///
/// # Errors
///
/// When there are two such headers, or the one is longer than `max_bytes` or not a scheme, spaces and one credential.
pub fn from_headers(
    headers: &HeaderMap,
    max_bytes: usize,
) -> Result<Option<Credential<'_>>, CredentialError> {
    let Some(value) = find(headers) else { return Ok(None) };
    // Where no name has two values, this one has not.
    if headers.len() > headers.keys_len() && headers.get_all(AUTHORIZATION).iter().nth(1).is_some() {
        return Err(CredentialError::new(Kind::Repeated, None));
    }
    from_header_value(value, max_bytes).map(Some)
}

/// Among so few headers one is found sooner by looking at each than by its hash.
const FEW: usize = 6;

/// The first `Authorization` header.
#[inline]
pub(crate) fn find(headers: &HeaderMap) -> Option<&HeaderValue> {
    if headers.keys_len() <= FEW {
        headers.iter().find(|(name, _)| **name == AUTHORIZATION).map(|(_, value)| value)
    } else {
        headers.get(AUTHORIZATION)
    }
}

/// Reads the credential from the value of an `Authorization` header.
///
/// # Errors
///
/// When the value is longer than `max_bytes` or not a scheme, spaces and one credential.
pub fn from_header_value(value: &HeaderValue, max_bytes: usize) -> Result<Credential<'_>, CredentialError> {
    if value.len() > max_bytes {
        return Err(CredentialError::new(Kind::TooLong, None));
    }
    if let Some(credential) = plain(value.as_bytes()) {
        return Ok(credential);
    }
    let Ok(text) = value.to_str() else { return Err(CredentialError::new(Kind::ForbiddenByte, None)) };
    if text.contains('\t') {
        return Err(CredentialError::new(Kind::ForbiddenByte, None));
    }
    let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
    if name.is_empty() {
        return Err(CredentialError::new(Kind::Empty, None));
    }
    // RFC 9110 §11.1: "case-insensitive token to identify the authentication scheme"
    let scheme = if name.eq_ignore_ascii_case("Bearer") {
        Scheme::Bearer
    } else if name.eq_ignore_ascii_case("Basic") {
        Scheme::Basic
    } else {
        return Err(CredentialError::new(Kind::UnsupportedScheme, None));
    };
    let credential = rest.trim_start_matches(' ');
    let read = || match scheme {
        Scheme::Bearer => {
            access_token(credential)?;
            Ok(Credential::Bearer(Bearer(credential.as_bytes().into())))
        }
        // What is base64 is one word.
        Scheme::Basic => {
            let read = Basic::from_base64(credential.as_bytes());
            read.map(Credential::Basic).map_err(|kind| match token68(credential) {
                Ok(()) | Err(Kind::NotToken68) => kind,
                Err(kind) => kind,
            })
        }
    };
    read().map_err(|kind| CredentialError::new(kind, Some(scheme)))
}

/// The scheme of a credential and the text after it, where it is written as nearly all are: the text is then what
/// [`from_header_value`] would read. Nothing is said of its form, and `None` says nothing at all.
pub(crate) fn unread(value: &HeaderValue, max_bytes: usize) -> Option<(Scheme, &[u8])> {
    if value.len() > max_bytes { None } else { split(value.as_bytes()) }
}

fn split(value: &[u8]) -> Option<(Scheme, &[u8])> {
    let (scheme, text) = match value.split_first_chunk::<7>() {
        // Compared at once.
        Some((b"Bearer ", text)) => (Scheme::Bearer, text),
        Some((scheme, text)) if scheme.eq_ignore_ascii_case(b"Bearer ") => (Scheme::Bearer, text),
        _ => {
            let (scheme, text) = value.split_first_chunk::<6>()?;
            scheme.eq_ignore_ascii_case(b"Basic ").then_some((Scheme::Basic, text))?
        }
    };
    // Further spaces belong to no credential.
    (text.first() != Some(&b' ')).then_some((scheme, text))
}

/// A credential that is written as nearly all are. `None` says nothing: what is wrong, if something is, takes a closer look.
fn plain(value: &[u8]) -> Option<Credential<'_>> {
    match split(value)? {
        (Scheme::Bearer, token) => is_access_token(token).then(|| Credential::Bearer(Bearer(token.into()))),
        (Scheme::Basic, text) => Basic::from_base64(text).ok().map(Credential::Basic),
    }
}

/// How many bytes are looked at together.
const BLOCK: usize = 32;

/// Whether [`access_token`] has nothing to say. In a form that the compiler makes vector instructions of: a token is some
/// hundred bytes long, and is shown with every request.
fn is_access_token(text: &[u8]) -> bool {
    // How far each byte is above the first that may be; a comma as far as can be.
    let above = |byte: u8| byte.wrapping_sub(b'!') | if byte == b',' { u8::MAX } else { 0 };
    let allowed = |above: &u8| *above <= b'~' - b'!';
    let furthest = |mut furthest: [u8; BLOCK], block: &[u8; BLOCK]| {
        furthest.iter_mut().zip(block).for_each(|(furthest, byte)| *furthest = above(*byte).max(*furthest));
        furthest
    };
    match text.last_chunk() {
        Some(last) => {
            let (blocks, _) = text.as_chunks();
            let found = furthest(blocks.iter().fold([0; BLOCK], furthest), last);
            allowed(&found.into_iter().fold(0, u8::max))
        }
        None => !text.is_empty() && text.iter().all(|byte| allowed(&above(*byte))),
    }
}

/// RFC 6749 §A.12: `access-token = 1*VSCHAR`, visible characters and the space. RFC 6750 §2.1 has a header carry `token68`
/// only; servers issue tokens with `!`, `|` or `:` all the same, and clients send them. White space and commas, which would
/// join two credentials, stay out.
pub(super) fn access_token(text: &str) -> Result<(), Kind> {
    if is_access_token(text.as_bytes()) {
        Ok(())
    } else if text.is_empty() {
        Err(Kind::Empty)
    } else if text.bytes().any(|byte| matches!(byte, b' ' | b',')) {
        Err(Kind::TrailingWords)
    } else {
        Err(Kind::ForbiddenByte)
    }
}

/// RFC 9110 §11.2: `token68 = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`
pub(super) fn token68(text: &str) -> Result<(), Kind> {
    if text.is_empty() {
        return Err(Kind::Empty);
    }
    let body = text.trim_end_matches('=');
    if !body.is_empty()
        && body
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'+' | b'/'))
    {
        return Ok(());
    }
    Err(if text.bytes().any(|b| matches!(b, b' ' | b',')) { Kind::TrailingWords } else { Kind::NotToken68 })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = super::super::DEFAULT_MAX_CREDENTIAL_BYTES;

    fn read(value: &[u8]) -> Result<(Scheme, String), Kind> {
        match from_header_value(&HeaderValue::from_bytes(value).unwrap(), MAX) {
            Ok(Credential::Basic(basic)) => Ok((Scheme::Basic, basic.pair().to_owned())),
            Ok(Credential::Bearer(bearer)) => Ok((Scheme::Bearer, bearer.token().to_owned())),
            Err(error) => Err(error.kind()),
        }
    }

    #[test]
    fn schemes_are_case_insensitive_and_followed_by_any_number_of_spaces() {
        for value in ["Bearer a.b-c_d~e+f/g==", "bearer a.b-c_d~e+f/g==", "BEARER    a.b-c_d~e+f/g=="] {
            assert_eq!(read(value.as_bytes()), Ok((Scheme::Bearer, "a.b-c_d~e+f/g==".into())), "{value}");
        }
        for value in ["Basic YWxpY2U6MTIz", "basic YWxpY2U6MTIz", "bAsIc  YWxpY2U6MTIz"] {
            assert_eq!(read(value.as_bytes()), Ok((Scheme::Basic, "alice:123".into())), "{value}");
        }
    }

    #[test]
    fn every_other_form_is_refused_for_its_own_reason() {
        for (value, kind) in [
            (&b""[..], Kind::Empty),
            (b" Bearer abc", Kind::Empty),
            (b"Bearer", Kind::Empty),
            (b"Bearer ", Kind::Empty),
            (b"Basic", Kind::Empty),
            (b"Bearer abc def", Kind::TrailingWords),
            (b"Bearer abc,def", Kind::TrailingWords),
            (b"Bearer abc, Bearer def", Kind::TrailingWords),
            (b"Basic YWxpY2U6MTIz, Bearer abc", Kind::TrailingWords),
            (b"Basic YWxpY2U6MTIz trailing", Kind::TrailingWords),
            (b"Bearer abc ", Kind::TrailingWords),
            (b"Bearer\tabc", Kind::ForbiddenByte),
            (b"Bearer a\tb", Kind::ForbiddenByte),
            (b"Bearer a\xffb", Kind::ForbiddenByte),
            (b"Basic !nval!d", Kind::NotBase64),
            (b"Digest username=\"x\"", Kind::UnsupportedScheme),
            (b"invalidtokenstring", Kind::UnsupportedScheme),
            (b"Bearerabc", Kind::UnsupportedScheme),
        ] {
            assert_eq!(read(value), Err(kind), "{:?}", String::from_utf8_lossy(value));
        }
    }

    #[test]
    fn a_bearer_token_is_taken_as_it_is_whatever_characters_its_issuer_chose() {
        for token in ["x&client_id=evil", "a%26b", "=", "a=b", "00D!AQ4.x|y:z", "\"quoted\"", "{}[]\\;'`~^"] {
            assert_eq!(
                read(format!("Bearer {token}").as_bytes()),
                Ok((Scheme::Bearer, token.to_owned())),
                "{token}"
            );
        }
    }

    #[test]
    fn a_token_is_read_alike_wherever_in_it_a_byte_stands() {
        for length in [1, 31, 32, 33, 63, 64, 65, 97] {
            for at in 0..length {
                for byte in 0..=u8::MAX {
                    let mut token = vec![b'a'; length];
                    token[at] = byte;
                    let expected = (b'!'..=b'~').contains(&byte) && byte != b',';
                    assert_eq!(is_access_token(&token), expected, "{byte} at {at} of {length}");
                }
            }
        }
        assert!(!is_access_token(b""));
    }

    #[test]
    fn a_value_over_the_bound_is_refused_and_one_at_the_bound_is_read() {
        let value = HeaderValue::from_str(&format!("Bearer {}", "a".repeat(93))).unwrap();
        assert!(from_header_value(&value, 100).is_ok());
        assert_eq!(from_header_value(&value, 99).unwrap_err().kind(), Kind::TooLong);
    }

    #[test]
    fn no_header_is_no_credential_and_two_headers_are_refused() {
        let mut headers = HeaderMap::new();
        assert!(from_headers(&headers, MAX).unwrap().is_none());
        headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer abc"));
        assert!(from_headers(&headers, MAX).unwrap().is_some());
        headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer abc"));
        assert_eq!(from_headers(&headers, MAX).unwrap_err().kind(), Kind::Repeated);
    }

    #[test]
    fn the_scheme_is_known_even_where_the_credential_is_malformed() {
        let error = from_header_value(&HeaderValue::from_static("Bearer a b"), MAX).unwrap_err();
        assert_eq!(error.scheme(), Some(Scheme::Bearer));
    }

    #[test]
    fn the_header_is_found_among_few_and_among_many() {
        for many in 0..2 * FEW {
            let mut headers = HeaderMap::new();
            for number in 0..many {
                let name = http::HeaderName::try_from(format!("x-{number}")).unwrap();
                headers.append(&name, HeaderValue::from_static("one"));
                headers.append(&name, HeaderValue::from_static("two"));
            }
            assert_eq!(find(&headers), None, "{many}");
            headers.append(AUTHORIZATION, HeaderValue::from_static("first"));
            headers.append(AUTHORIZATION, HeaderValue::from_static("second"));
            assert_eq!(find(&headers).unwrap(), "first", "{many}");
        }
    }
}
