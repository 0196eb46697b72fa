//! Tokens in cookies (RFC 6265 §4.2).

use http::{HeaderMap, HeaderValue, header::COOKIE};

use super::{Bearer, CredentialErrorKind as Kind, header::token68};

/// Whether there is a cookie of this name.
pub(super) fn is_sent(headers: &HeaderMap, name: &str) -> bool {
    values(headers, name).next().is_some()
}

/// Reads the token in the one cookie of this name.
pub(super) fn read<'h>(headers: &'h HeaderMap, name: &str, max_bytes: usize) -> Result<Bearer<'h>, Kind> {
    let mut values = values(headers, name);
    let value = values.next().ok_or(Kind::Empty)?;
    // Which of two is sent first depends on paths and age: whoever can set cookies for a sibling domain could choose.
    if values.next().is_some() {
        return Err(Kind::RepeatedCookie);
    }
    // RFC 6265 §4.1.1: `cookie-value = *cookie-octet / ( DQUOTE *cookie-octet DQUOTE )`
    let unquoted = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(value);
    if unquoted.len() > max_bytes {
        return Err(Kind::TooLong);
    }
    let token = std::str::from_utf8(unquoted).map_err(|_| Kind::ForbiddenByte)?;
    token68(token)?;
    Ok(Bearer(token.as_bytes().into()))
}

/// Takes the cookies of these names away, and leaves the others as they are.
pub(super) fn conceal(headers: &mut HeaderMap, names: &[Box<str>]) {
    let ours = |pair: &[u8]| names.iter().any(|name| value(pair, name).is_some());
    if !headers.get_all(COOKIE).iter().any(|line| pairs(line).any(ours)) {
        return;
    }
    let mut left = Vec::new();
    for line in headers.get_all(COOKIE) {
        let kept: Vec<&[u8]> = pairs(line).filter(|pair| !ours(pair) && !pair.is_empty()).collect();
        if let (false, Ok(mut line)) = (kept.is_empty(), HeaderValue::from_bytes(&kept.join(&b"; "[..]))) {
            line.set_sensitive(true);
            left.push(line);
        }
    }
    headers.remove(COOKIE);
    for line in left {
        headers.append(COOKIE, line);
    }
}

/// The values of all cookies of this name. HTTP/2 may bring each cookie on a line of its own (RFC 9113 §8.2.3).
fn values<'h>(headers: &'h HeaderMap, name: &str) -> impl Iterator<Item = &'h [u8]> {
    headers.get_all(COOKIE).iter().flat_map(pairs).filter_map(move |pair| value(pair, name))
}

fn pairs(line: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    line.as_bytes().split(|byte| *byte == b';').map(<[u8]>::trim_ascii)
}

/// The value of a cookie, if it has this name.
fn value<'p>(pair: &'p [u8], name: &str) -> Option<&'p [u8]> {
    let at = pair.iter().position(|byte| *byte == b'=')?;
    let (own, value) = pair.split_at_checked(at)?;
    (own.trim_ascii_end() == name.as_bytes()).then(|| value.get(1..).unwrap_or_default())
}
