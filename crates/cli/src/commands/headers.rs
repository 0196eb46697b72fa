//! The headers of a request, from a file.

use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};

use crate::failure::{Failure, Result};

/// Reads header lines (`Name: value`), or the value of an `Authorization` header alone. Messages name lines and
/// never show them.
pub(super) fn parse(text: &str) -> Result<HeaderMap> {
    let lines = || text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let mut headers = HeaderMap::new();
    if let (Some((_, only)), 1) = (lines().next(), lines().count())
        && name_of(only).is_none()
    {
        headers.insert(AUTHORIZATION, value(only, 1)?);
        return Ok(headers);
    }
    for (position, line) in lines() {
        let number = position + 1;
        let Some((name, rest)) = name_of(line) else {
            return Err(Failure::new(format!(
                "line {number} of the headers is not a header: write `Name: value`, one a line, \
                 or nothing but the value of an Authorization header"
            )));
        };
        headers.append(name, value(rest, number)?);
    }
    Ok(headers)
}

/// The name before the colon, and the rest. A credential holds no colon before its first space.
fn name_of(line: &str) -> Option<(HeaderName, &str)> {
    let (name, rest) = line.split_once(':')?;
    Some((HeaderName::from_bytes(name.as_bytes()).ok()?, rest))
}

fn value(text: &str, line: usize) -> Result<HeaderValue> {
    // RFC 9112 §5.1: white space around a field's value is no part of it.
    let text = text.trim_matches([' ', '\t']);
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        Failure::new(format!("line {line} of the headers holds a character that no header may hold"))
    })?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authorization(text: &str) -> Vec<String> {
        let headers = parse(text).unwrap();
        headers.get_all(AUTHORIZATION).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn lines_are_headers_and_a_single_value_is_the_authorization() {
        assert_eq!(authorization("Authorization: Basic abc\nHost: x\n"), ["Basic abc"]);
        assert_eq!(authorization("authorization:Basic abc  \r\n\r\n"), ["Basic abc"]);
        assert_eq!(authorization("Bearer a.b.c\n"), ["Bearer a.b.c"]);
        assert_eq!(authorization("  Bearer a.b.c"), ["Bearer a.b.c"]);
    }

    #[test]
    fn a_header_given_twice_is_there_twice() {
        assert_eq!(authorization("Authorization: a b\nAuthorization: c d\n"), ["a b", "c d"]);
    }

    #[test]
    fn what_is_no_header_is_named_by_its_line_and_never_shown() {
        for text in ["Host: x\nBasic canary\n", "Host: x\n\u{1}canary: x", "Host: x\nA: canary\u{7f}\n"] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.starts_with("line 2 of the headers"), "{message}");
            assert!(!message.contains("canary"), "{message}");
        }
    }
}
