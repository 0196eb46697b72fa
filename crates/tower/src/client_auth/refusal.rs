//! Whether an answer is a refusal of the credential, which another one may mend.

use http::{
    HeaderMap, HeaderName, StatusCode,
    header::{CONTENT_TYPE, WWW_AUTHENTICATE},
};

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// Whether the status may be that of a refusal: nearly always it is not, and nothing else need be looked at.
#[inline]
pub(super) fn may_be_refusal(status: StatusCode, may_be_grpc: bool) -> bool {
    if may_be_grpc {
        matches!(status, StatusCode::UNAUTHORIZED | StatusCode::OK)
    } else {
        status == StatusCode::UNAUTHORIZED
    }
}

/// Whether the server does not take the credential: 401, or in gRPC `UNAUTHENTICATED` before anything else was said. A
/// credential that is good but allows too little is no such case: another one would allow no more.
pub(super) fn is_refusal(status: StatusCode, headers: &HeaderMap, may_be_grpc: bool) -> bool {
    match status {
        StatusCode::UNAUTHORIZED => !lacks_scope(headers),
        StatusCode::OK if may_be_grpc => is_grpc_refusal(headers) && !lacks_scope(headers),
        _ => false,
    }
}

/// gRPC over HTTP/2, "Trailers-Only": the status stands among the headers. In real trailers it comes too late: the
/// answer has begun.
fn is_grpc_refusal(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
        && headers.get(GRPC_STATUS).is_some_and(|value| value == "16")
}

/// RFC 6750 §3.1: `insufficient_scope`. It belongs to 403, but servers send it with 401, too.
fn lacks_scope(headers: &HeaderMap) -> bool {
    headers.get_all(WWW_AUTHENTICATE).iter().any(|value| Challenges::new(value.as_bytes()).lack_scope())
}

/// Reads challenges (RFC 9110 §11.6.1): several in one value, with commas between them and between their parameters.
struct Challenges<'a> {
    rest: &'a [u8],
}

impl<'a> Challenges<'a> {
    const fn new(value: &'a [u8]) -> Self {
        Self { rest: value }
    }

    fn lack_scope(mut self) -> bool {
        let mut is_bearer = false;
        loop {
            self.skip(|byte| matches!(byte, b' ' | b'\t' | b','));
            if self.rest.is_empty() {
                return false;
            }
            let name = self.token();
            if let Some(value) = self.parameter() {
                if is_bearer && name.eq_ignore_ascii_case(b"error") && value.is("insufficient_scope") {
                    return true;
                }
            } else if !name.is_empty() && matches!(self.rest.first(), None | Some(b' ' | b'\t' | b',')) {
                is_bearer = name.eq_ignore_ascii_case(b"bearer");
                self.skip_token68();
            } else {
                self.skip_to_comma();
            }
        }
    }

    fn skip(&mut self, mut skipped: impl FnMut(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|byte| !skipped(*byte)).unwrap_or(self.rest.len());
        let (head, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, &[]));
        self.rest = rest;
        head
    }

    fn token(&mut self) -> &'a [u8] {
        self.skip(is_token)
    }

    /// The value after a name, where the name is a parameter's. Otherwise nothing is read.
    fn parameter(&mut self) -> Option<Value<'a>> {
        let start = self.rest;
        self.skip(is_blank);
        let value = self.rest.strip_prefix(b"=").and_then(|rest| {
            self.rest = rest;
            self.skip(is_blank);
            match self.rest.strip_prefix(b"\"") {
                Some(rest) => {
                    self.rest = rest;
                    Some(Value::Quoted(self.quoted()))
                }
                None => Some(self.token()).filter(|token| !token.is_empty()).map(Value::Token),
            }
        });
        if value.is_none() {
            self.rest = start;
        }
        value
    }

    /// What stands before the closing quote, or to the end.
    fn quoted(&mut self) -> &'a [u8] {
        let mut escaped = false;
        let inside = self.skip(|byte| {
            let ends = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            !ends
        });
        self.rest = self.rest.strip_prefix(b"\"").unwrap_or(self.rest);
        inside
    }

    /// Passes over the one word that may follow a scheme in place of parameters, such as the message of Negotiate.
    fn skip_token68(&mut self) {
        self.skip(is_blank);
        let before = self.rest;
        self.skip(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte));
        self.skip(|byte| byte == b'=');
        let ends = {
            let mut after = Self::new(self.rest);
            after.skip(is_blank);
            matches!(after.rest.first(), None | Some(b','))
        };
        if !ends {
            self.rest = before;
        }
    }

    /// Passes over what cannot be read, and over commas in quotes there.
    fn skip_to_comma(&mut self) {
        loop {
            self.skip(|byte| !matches!(byte, b',' | b'"'));
            match self.rest.strip_prefix(b"\"") {
                Some(rest) => {
                    self.rest = rest;
                    self.quoted();
                }
                None => return,
            }
        }
    }
}

enum Value<'a> {
    Token(&'a [u8]),
    /// With its backslashes.
    Quoted(&'a [u8]),
}

impl Value<'_> {
    fn is(&self, expected: &str) -> bool {
        match self {
            Self::Token(token) => *token == expected.as_bytes(),
            Self::Quoted(text) => {
                let mut escaped = false;
                text.iter()
                    .copied()
                    .filter(|byte| {
                        escaped = *byte == b'\\' && !escaped;
                        !escaped
                    })
                    .eq(expected.bytes())
            }
        }
    }
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// RFC 9110 §5.6.2.
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

#[cfg(test)]
mod tests;
