//! The opening handshake: what a client asks (RFC 6455 §4.2.1, RFC 8441 §5), what the upstream is asked, and what both
//! are answered.
//!
//! Towards the upstream it is always the gateway's own: `Connection`, `Upgrade`, the key and the version are written
//! here, whatever the client sent. What the two ends agree on, subprotocol and extensions, passes.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version,
    header::{
        CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, TE,
        TRANSFER_ENCODING, UPGRADE,
    },
    request::Parts,
};
use hyper::ext::Protocol;
use portcullis_core::credential::websocket;

use crate::gateway::reply::{Kind, Refused};

/// RFC 6455 §1.3: what is appended to a key.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// RFC 6455 §4.1: the one version that there is.
pub(in crate::gateway) const VERSION: HeaderValue = HeaderValue::from_static("13");

/// How a client asked for a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::gateway) enum Asked {
    /// By an upgrade over HTTP/1.1, with this key.
    Upgrade(HeaderValue),
    /// By an extended CONNECT over HTTP/2.
    Connect,
}

/// Whether the request asks for a WebSocket, and rightly.
///
/// Whatever else asks to upgrade is no WebSocket: an HTTP/1.0 request (RFC 9110 §7.8 has its `Upgrade` ignored), another
/// method or protocol. It goes on without that wish.
pub(in crate::gateway) fn read(parts: &Parts) -> Result<Option<Asked>, Refused> {
    let headers = &parts.headers;
    let asked = match (&parts.method, parts.version) {
        (&Method::CONNECT, _) => match parts.extensions.get::<Protocol>() {
            Some(protocol) if protocol.as_str() == "websocket" => Asked::Connect,
            _ => return Err(Kind::ExtendedConnect.into()),
        },
        (method, Version::HTTP_11) if websocket::opens(method, headers) => {
            // RFC 6455 §4.2.1: "a base64-encoded (see Section 4 of [RFC4648]) value that, when decoded, is 16 bytes in
            // length".
            let key = only(headers, &SEC_WEBSOCKET_KEY).filter(|key| is_key(key));
            Asked::Upgrade(key.ok_or(Kind::Handshake)?.clone())
        }
        _ => return Ok(None),
    };
    // Frames of other versions are not read here.
    if only(headers, &SEC_WEBSOCKET_VERSION) != Some(&VERSION) {
        return Err(Kind::WebSocketVersion.into());
    }
    // A body would stand before the first frame, for whoever reads it so.
    let has_length = headers.get_all(CONTENT_LENGTH).iter().any(|length| length != "0");
    if has_length || headers.contains_key(TRANSFER_ENCODING) {
        return Err(Kind::Handshake.into());
    }
    Ok(Some(asked))
}

fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (only, None) => only,
        _ => None,
    }
}

fn is_key(key: &HeaderValue) -> bool {
    STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16)
}

/// The value of `Sec-WebSocket-Accept` for a key (RFC 6455 §4.2.2).
fn accept(key: &HeaderValue) -> Option<HeaderValue> {
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key.as_bytes(), GUID].concat());
    HeaderValue::try_from(STANDARD.encode(hash)).ok()
}

/// The handshake with the upstream.
#[derive(Debug)]
pub(in crate::gateway) struct Ours {
    key: HeaderValue,
}

impl Ours {
    /// With a random key; and the mask of the one frame that the gateway may send. `None` where nothing is random.
    pub(in crate::gateway) fn random() -> Option<(Self, [u8; 4])> {
        let (mut key, mut mask) = ([0; 16], [0; 4]);
        getrandom::fill(&mut key).ok()?;
        getrandom::fill(&mut mask).ok()?;
        Some((Self::new(key)?, mask))
    }

    fn new(random: [u8; 16]) -> Option<Self> {
        Some(Self { key: HeaderValue::try_from(STANDARD.encode(random)).ok()? })
    }

    /// Asks: into the headers of a request that are ready otherwise.
    pub(in crate::gateway) fn ask(&self, headers: &mut HeaderMap) {
        headers.remove(TE);
        headers.remove(CONTENT_LENGTH);
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_KEY, self.key.clone());
        headers.insert(SEC_WEBSOCKET_VERSION, VERSION);
    }

    /// Whether an answer with status 101 is one to what was asked (RFC 6455 §4.1).
    pub(in crate::gateway) fn is_answered(&self, headers: &HeaderMap) -> bool {
        let upgraded = only(headers, &UPGRADE)
            .is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"));
        upgraded && accept(&self.key).as_ref() == only(headers, &SEC_WEBSOCKET_ACCEPT)
    }
}

impl Asked {
    /// The status of the answer that opens the WebSocket.
    pub(in crate::gateway) const fn opened(&self) -> StatusCode {
        match self {
            Self::Upgrade(_) => StatusCode::SWITCHING_PROTOCOLS,
            Self::Connect => StatusCode::OK,
        }
    }

    /// Answers: into the headers of the upstream's answer, without those of its own connection.
    pub(in crate::gateway) fn answer(&self, headers: &mut HeaderMap) {
        for name in [CONTENT_LENGTH, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION] {
            headers.remove(name);
        }
        if let Self::Upgrade(key) = self
            && let Some(accept) = accept(key)
        {
            headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    fn asked(method: &str, version: Version, headers: &[(&str, &str)]) -> Result<Option<Asked>, Kind> {
        let mut request = Request::builder().method(method).uri("/ws").version(version);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        if let Some(protocol) = parts.headers.remove("protocol") {
            let protocol: &'static str = protocol.to_str().unwrap().to_owned().leak();
            parts.extensions.insert(Protocol::from_static(protocol));
        }
        read(&parts).map_err(|refused| refused.kind)
    }

    const RIGHT: [(&str, &str); 4] = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-key", KEY),
        ("sec-websocket-version", "13"),
    ];

    fn without(name: &str) -> Vec<(&str, &str)> {
        RIGHT.into_iter().filter(|(header, _)| *header != name).collect()
    }

    fn with<'h>(name: &'h str, value: &'h str) -> Vec<(&'h str, &'h str)> {
        RIGHT.into_iter().filter(|(header, _)| *header != name).chain([(name, value)]).collect()
    }

    #[test]
    fn an_upgrade_is_one_with_everything_that_belongs_to_it() {
        let yes = Ok(Some(Asked::Upgrade(HeaderValue::from_static(KEY))));
        assert_eq!(asked("GET", Version::HTTP_11, &RIGHT), yes);
        assert_eq!(asked("GET", Version::HTTP_11, &with("upgrade", "h2c, websocket")), yes);
        assert_eq!(asked("GET", Version::HTTP_11, &with("content-length", "0")), yes);
    }

    #[test]
    fn other_upgrades_are_none() {
        for (method, version, headers) in [
            ("GET", Version::HTTP_10, RIGHT.to_vec()),
            ("POST", Version::HTTP_11, RIGHT.to_vec()),
            ("HEAD", Version::HTTP_11, RIGHT.to_vec()),
            ("GET", Version::HTTP_11, without("upgrade")),
            ("GET", Version::HTTP_11, without("connection")),
            ("GET", Version::HTTP_11, with("connection", "close")),
            ("GET", Version::HTTP_11, with("upgrade", "h2c")),
            ("GET", Version::HTTP_11, with("upgrade", "websocket-ng")),
            ("GET", Version::HTTP_2, RIGHT.to_vec()),
        ] {
            assert_eq!(asked(method, version, &headers), Ok(None), "{method} {version:?} {headers:?}");
        }
    }

    #[test]
    fn a_handshake_that_is_not_right_is_refused() {
        let twice = |name, value| [&RIGHT[..], &[(name, value)]].concat();
        for (headers, kind) in [
            (without("sec-websocket-key"), Kind::Handshake),
            (with("sec-websocket-key", ""), Kind::Handshake),
            (with("sec-websocket-key", "c2hvcnQ="), Kind::Handshake),
            (with("sec-websocket-key", "not base64 at all"), Kind::Handshake),
            (twice("sec-websocket-key", KEY), Kind::Handshake),
            (without("sec-websocket-version"), Kind::WebSocketVersion),
            (with("sec-websocket-version", "8"), Kind::WebSocketVersion),
            (with("sec-websocket-version", "13, 8"), Kind::WebSocketVersion),
            (twice("sec-websocket-version", "13"), Kind::WebSocketVersion),
            (with("content-length", "5"), Kind::Handshake),
            (with("transfer-encoding", "chunked"), Kind::Handshake),
        ] {
            assert_eq!(asked("GET", Version::HTTP_11, &headers), Err(kind), "{headers:?}");
        }
    }

    #[test]
    fn an_extended_connect_names_the_protocol_and_needs_no_key() {
        let version = ("sec-websocket-version", "13");
        let connect = |headers: &[(&str, &str)]| asked("CONNECT", Version::HTTP_2, headers);
        assert_eq!(connect(&[("protocol", "websocket"), version]), Ok(Some(Asked::Connect)));
        assert_eq!(connect(&[("protocol", "websocket")]), Err(Kind::WebSocketVersion));
        for other in ["connect-udp", "WebSocket", "webtransport", ""] {
            assert_eq!(connect(&[("protocol", other), version]), Err(Kind::ExtendedConnect), "{other}");
        }
        assert_eq!(connect(&[version]), Err(Kind::ExtendedConnect));
    }

    #[test]
    fn a_key_is_answered_as_the_standard_shows() {
        // RFC 6455 §1.3.
        let expected = HeaderValue::from_static("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(accept(&HeaderValue::from_static(KEY)), Some(expected.clone()));
        let mut headers = HeaderMap::new();
        headers.insert(SEC_WEBSOCKET_ACCEPT, HeaderValue::from_static("the upstream's"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        let mut by_connect = headers.clone();
        Asked::Upgrade(HeaderValue::from_static(KEY)).answer(&mut headers);
        assert_eq!((headers.len(), &headers[SEC_WEBSOCKET_ACCEPT]), (3, &expected));
        Asked::Connect.answer(&mut by_connect);
        assert!(by_connect.is_empty());
    }

    #[test]
    fn an_answer_is_checked_against_the_key_that_was_sent() {
        let ours = Ours::new([7; 16]).unwrap();
        let mut asked = HeaderMap::new();
        asked.insert(TE, HeaderValue::from_static("trailers"));
        asked.insert(SEC_WEBSOCKET_KEY, HeaderValue::from_static(KEY));
        ours.ask(&mut asked);
        assert_eq!((asked[UPGRADE].as_bytes(), asked.get(TE)), (&b"websocket"[..], None));
        assert_ne!(asked[SEC_WEBSOCKET_KEY], KEY);

        let answer = |upgrade: &'static str, accept: HeaderValue| {
            let mut headers = HeaderMap::new();
            headers.insert(UPGRADE, HeaderValue::from_static(upgrade));
            headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
            headers
        };
        let right = accept(&asked[SEC_WEBSOCKET_KEY]).unwrap();
        assert!(ours.is_answered(&answer("WebSocket", right.clone())));
        assert!(!ours.is_answered(&answer("h2c", right.clone())));
        let wrong = accept(&HeaderValue::from_static(KEY)).unwrap();
        assert!(!ours.is_answered(&answer("websocket", wrong)));
        let mut twice = answer("websocket", right.clone());
        twice.append(SEC_WEBSOCKET_ACCEPT, right);
        assert!(!ours.is_answered(&twice));
        assert!(!ours.is_answered(&HeaderMap::new()));
    }
}
