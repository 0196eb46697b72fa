//! Tokens among the subprotocols that a WebSocket client offers (RFC 6455 §11.3.4).
//!
//! A script in a browser can set no header when it opens a WebSocket, but it can name subprotocols. Two forms are read:
//!
//! | form | example |
//! |---|---|
//! | the entry `bearer`, and the token as the next one | `bearer, eyJhbGciOi…, chat` |
//! | one entry with the token in base64url, beside another protocol | `chat, base64url.bearer.ZXlKaGJHY2lPaQ…` |

#[cfg(test)]
mod tests;

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header::SEC_WEBSOCKET_PROTOCOL};

use super::{
    Bearer, Credential, CredentialError, CredentialErrorKind as Kind, Scheme,
    header::{access_token, token68},
};

/// The entry before a token.
const BEARER: &str = "bearer";

/// How the entry that holds a token begins.
const ENCODED: &str = "base64url.bearer.";

/// What a client offers.
struct Offered<'h> {
    token: Option<Token<'h>>,
    /// The protocols proper.
    others: Vec<&'h str>,
}

#[derive(Clone, Copy)]
enum Token<'h> {
    /// The entry after `bearer`.
    Plain(&'h str),
    /// What follows `base64url.bearer.`.
    Encoded(&'h str),
}

/// Reads the token among the offered subprotocols; `None` where there is none.
pub(super) fn read(headers: &HeaderMap, max_bytes: usize) -> Result<Option<Credential<'_>>, CredentialError> {
    let offered = offered(headers, max_bytes).map_err(|kind| CredentialError::new(kind, None))?;
    let Some(token) = offered.and_then(|offered| offered.token) else { return Ok(None) };
    let bearer = token.read().map_err(|kind| CredentialError::new(kind, Some(Scheme::Bearer)))?;
    Ok(Some(Credential::Bearer(bearer)))
}

/// Takes the token out of the offered subprotocols; `None` where there is none. Where the list cannot be read, nothing of
/// it stays.
pub(super) fn conceal(
    method: &Method,
    headers: &mut HeaderMap,
    max_bytes: usize,
) -> Option<OfferedProtocols> {
    let mut left = OfferedProtocols { by_connect: method == Method::CONNECT, others: None, fallback: None };
    match offered(headers, max_bytes) {
        Ok(None | Some(Offered { token: None, .. })) => return None,
        Ok(Some(offered)) => {
            left.fallback = offered.fallback().and_then(|name| HeaderValue::from_str(name).ok());
            let others = Some(offered.others.join(", ")).filter(|others| !others.is_empty());
            left.others = others.and_then(|others| HeaderValue::try_from(others).ok());
        }
        Err(_) => {}
    }
    headers.remove(SEC_WEBSOCKET_PROTOCOL);
    if let Some(others) = left.others.clone() {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, others);
    }
    Some(left)
}

/// Reads the list; `None` where there is no such header.
fn offered(headers: &HeaderMap, max_bytes: usize) -> Result<Option<Offered<'_>>, Kind> {
    let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL);
    if lines.iter().next().is_none() {
        return Ok(None);
    }
    if lines.iter().map(HeaderValue::len).sum::<usize>() > max_bytes {
        return Err(Kind::TooLong);
    }
    // RFC 6455 §11.3.4: the header "MAY appear multiple times in an HTTP request (which is logically the same as a
    // single |Sec-WebSocket-Protocol| header field that contains all values)".
    let mut names = Vec::new();
    for line in lines {
        let text = line.to_str().map_err(|_| Kind::ForbiddenByte)?;
        names.extend(text.split(',').map(|name| name.trim_matches([' ', '\t'])));
    }
    if !names.iter().all(|name| is_token(name)) {
        return Err(Kind::MalformedProtocols);
    }
    // RFC 6455 §4.1: the elements "MUST all be unique strings"
    let mut sorted = names.clone();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| matches!(pair, [one, next] if one == next)) {
        return Err(Kind::RepeatedProtocol);
    }
    Offered::sort(&names).map(Some)
}

impl<'h> Offered<'h> {
    /// Tells the token from the protocols.
    fn sort(names: &[&'h str]) -> Result<Self, Kind> {
        let (mut tokens, mut others) = (Vec::new(), Vec::new());
        let mut names = names.iter().copied();
        while let Some(name) = names.next() {
            if name == BEARER {
                let token = names.next().ok_or(Kind::BearerWithoutToken)?;
                tokens.push(Token::Plain(token));
                if is_encoded(token) {
                    return Err(Kind::SeveralTokens);
                }
            } else if let Some(token) = name.strip_prefix(ENCODED) {
                tokens.push(Token::Encoded(token));
            } else if name.eq_ignore_ascii_case(BEARER) || is_encoded(name) {
                // Taken for a protocol, it and the token behind it would reach the handler.
                return Err(Kind::MisspelledBearer);
            } else {
                others.push(name);
            }
        }
        match (&tokens[..], others.is_empty()) {
            ([_, _, ..], _) => Err(Kind::SeveralTokens),
            // Nothing would be left that the answer can select, and browsers insist on a selection.
            ([Token::Encoded(_)], true) => Err(Kind::LoneToken),
            _ => Ok(Self { token: tokens.pop(), others }),
        }
    }

    /// What the answer selects where the handler selects nothing that was offered to it.
    fn fallback(&self) -> Option<&'h str> {
        let bearer = matches!(self.token, Some(Token::Plain(_))).then_some(BEARER);
        self.others.first().copied().or(bearer)
    }
}

impl<'h> Token<'h> {
    fn read(self) -> Result<Bearer<'h>, Kind> {
        match self {
            Self::Plain(token) => {
                token68(token)?;
                Ok(Bearer(token.as_bytes().into()))
            }
            Self::Encoded(text) => {
                let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Kind::NotBase64Url)?;
                let token = String::from_utf8(bytes).map_err(|_| Kind::NotToken68)?;
                access_token(&token)?;
                Ok(Bearer(token.into_bytes().into()))
            }
        }
    }
}

/// Whether a name means to hold a token, in whatever case.
fn is_encoded(name: &str) -> bool {
    name.get(..ENCODED.len()).is_some_and(|start| start.eq_ignore_ascii_case(ENCODED))
}

/// RFC 6455 §4.1: non-empty, of the characters of a `token` (RFC 9110 §5.6.2).
pub(super) fn is_token(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// The subprotocols of a WebSocket request from which the token was taken, for the answer to it. Made by
/// [`Auth::conceal`](crate::Auth::conceal). Holds no token.
#[derive(Clone)]
#[must_use = "a browser drops a WebSocket whose answer selects none of the protocols that it offered"]
pub struct OfferedProtocols {
    /// Whether the request is an extended CONNECT (RFC 8441).
    by_connect: bool,
    others: Option<HeaderValue>,
    fallback: Option<HeaderValue>,
}

impl OfferedProtocols {
    /// Has the answer to the request select one of the protocols that the client offered, if it opens the WebSocket: what
    /// the handler selected, or else the first one beside the token, or else `bearer`. Never the token.
    pub fn answer(&self, status: StatusCode, headers: &mut HeaderMap) {
        // RFC 8441 §5.1: over HTTP/2 a success takes the place of 101.
        let opens =
            if self.by_connect { status.is_success() } else { status == StatusCode::SWITCHING_PROTOCOLS };
        if !opens {
            return;
        }
        let mut selected = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
        if let (Some(name), None) = (selected.next(), selected.next())
            && self.names().any(|offered| offered.as_bytes() == name.as_bytes())
        {
            return;
        }
        match self.fallback.clone() {
            Some(name) => drop(headers.insert(SEC_WEBSOCKET_PROTOCOL, name)),
            None => drop(headers.remove(SEC_WEBSOCKET_PROTOCOL)),
        }
    }

    /// The protocols that the handler was offered.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.others.iter().filter_map(|others| others.to_str().ok()).flat_map(|others| others.split(", "))
    }
}

impl fmt::Debug for OfferedProtocols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}
