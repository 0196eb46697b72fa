//! What a request asks for: its method, the form of its target, the host it names.

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue, Method, Version, header::HOST, request::Parts, uri::Authority};
use hyper::ext::Protocol;

use super::{
    path,
    reply::{Kind, Refused},
    websocket::{self, Asked},
};

/// A request target that was understood.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// The path percent-decoded, where that is another than was sent.
    decoded: Option<String>,
    /// The host and port that the client named; `None` for HTTP/1.0 without `Host`.
    pub(super) host: Option<HeaderValue>,
    /// How the client asked for a WebSocket, where it did.
    pub(super) websocket: Option<Asked>,
}

impl Target {
    /// The path, percent-decoded; `sent` is the request's.
    pub(super) fn path<'p>(&'p self, sent: &'p str) -> &'p str {
        self.decoded.as_deref().unwrap_or(sent)
    }
}

/// Reads the target of a request.
pub(super) fn read(parts: &Parts) -> Result<Target, Refused> {
    match parts.method {
        Method::TRACE => return Err(Kind::Method.into()),
        Method::CONNECT if !is_extended(parts) => return Err(Kind::Method.into()),
        // RFC 9110 §9.1: methods are case-sensitive. Frameworks that write `post` in capitals before they look at it
        // would act on another method than the one that was decided on.
        ref other if other.as_str().bytes().any(|byte| byte.is_ascii_lowercase()) => {
            return Err(Kind::Method.into());
        }
        _ => {}
    }
    let host = read_host(parts)?;
    let raw = parts.uri.path();
    // RFC 9112 §3.2.4: the asterisk-form is for OPTIONS alone; it asks about the server and so about no service.
    if raw == "*" && parts.method == Method::OPTIONS {
        return Err(Kind::NoService.into());
    }
    let decoded = match path::read(raw)? {
        Cow::Borrowed(_) => None,
        Cow::Owned(decoded) => Some(decoded),
    };
    let websocket = websocket::read(parts)?;
    Ok(Target { decoded, host, websocket })
}

/// RFC 8441 §4: an extended CONNECT carries `:protocol`, `:scheme` and `:path`.
fn is_extended(parts: &Parts) -> bool {
    parts.extensions.get::<Protocol>().is_some() || parts.uri.path().starts_with('/')
}

/// RFC 9112 §3.2: "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message
/// that lacks a Host header field and to any request message that contains more than one Host header field line
/// or a Host header field with an invalid field value."
fn read_host(parts: &Parts) -> Result<Option<HeaderValue>, Refused> {
    let header = one_host(&parts.headers)?;
    let Some(authority) = parts.uri.authority() else {
        return match (header, parts.version) {
            (None, Version::HTTP_09 | Version::HTTP_10) => Ok(None),
            (None, _) => Err(Kind::Host.into()),
            (Some(value), _) => Ok(Some(value.clone())),
        };
    };
    if authority.as_str().contains('@') {
        return Err(Kind::Host.into());
    }
    // RFC 9113 §8.3.1 lets a server treat a request as malformed whose Host and `:authority` name different hosts.
    // In HTTP/1.1 the target's own host goes before the header (RFC 9112 §3.2.2).
    let is_another =
        |host: &HeaderValue| Authority::try_from(host.as_bytes()).is_ok_and(|host| host != *authority);
    if parts.version == Version::HTTP_2 && header.is_some_and(is_another) {
        return Err(Kind::Host.into());
    }
    HeaderValue::try_from(authority.as_str()).map(Some).map_err(|_| Kind::Host.into())
}

fn one_host(headers: &HeaderMap) -> Result<Option<&HeaderValue>, Refused> {
    let mut values = headers.get_all(HOST).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() || !(is_plain_host(value.as_bytes()) || is_host(value.as_bytes())) {
        return Err(Kind::Host.into());
    }
    Ok(Some(value))
}

/// A name or an IPv4 address, perhaps with a port: what nearly every request names, and is copied by [`is_host`].
fn is_plain_host(host: &[u8]) -> bool {
    let is_of_name = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'A'..=b'Z');
    let name = host.iter().take_while(|byte| is_of_name(byte)).count();
    let is_port = match host.get(name..) {
        Some([]) => true,
        Some([b':', digits @ ..]) => (1..=5).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    name > 0 && is_port
}

fn is_host(host: &[u8]) -> bool {
    Authority::try_from(host).is_ok_and(|host| !host.as_str().contains('@'))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::gateway::path::PathProblem;

    fn parts(method: &str, uri: &str, version: Version, hosts: &[&str]) -> Parts {
        let mut request = Request::builder().method(method).uri(uri).version(version);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn read_one(method: &str, uri: &str, hosts: &[&str]) -> Result<(String, Option<String>), Kind> {
        let parts = parts(method, uri, Version::HTTP_11, hosts);
        let target = read(&parts).map_err(|refused| refused.kind)?;
        let host = target.host.as_ref().map(|host| host.to_str().unwrap().to_owned());
        Ok((target.path(parts.uri.path()).to_owned(), host))
    }

    #[test]
    fn origin_and_absolute_forms_are_read_by_their_path() {
        let read = |method, uri, host| read_one(method, uri, &[host]).unwrap();
        let expected = |path: &str, host: &str| (path.to_owned(), Some(host.to_owned()));
        assert_eq!(read("GET", "/foo/%61?x=%2F;//", "a:1"), expected("/foo/a", "a:1"));
        assert_eq!(read("GET", "http://b.example/foo", "a:1"), expected("/foo", "b.example"));
        assert_eq!(read("GET", "https://b.example:8443", "a:1"), expected("/", "b.example:8443"));
        assert_eq!(read("OPTIONS", "/foo", "[::1]:9090"), expected("/foo", "[::1]:9090"));
        assert_eq!(read("VERSION-CONTROL", "/foo", "a"), expected("/foo", "a"));
    }

    #[test]
    fn other_forms_and_methods_are_refused() {
        let host = ["a"];
        for (method, uri, kind) in [
            ("OPTIONS", "*", Kind::NoService),
            ("GET", "*", Kind::Path(PathProblem::NotAbsolute)),
            ("GET", "example.org:80", Kind::Path(PathProblem::NotAbsolute)),
            ("GET", "http://a/../x", Kind::Path(PathProblem::DotSegment)),
            ("TRACE", "/foo", Kind::Method),
            ("CONNECT", "example.org:443", Kind::Method),
            ("post", "/foo", Kind::Method),
            ("Get", "/foo", Kind::Method),
            ("trace", "/foo", Kind::Method),
            ("patch", "/foo", Kind::Method),
            ("CONNECT", "https://example.org/ws", Kind::ExtendedConnect),
        ] {
            assert_eq!(read_one(method, uri, &host), Err(kind), "{method} {uri}");
        }
    }

    #[test]
    fn a_request_names_exactly_one_host() {
        for hosts in [&[][..], &["a", "a"], &["a", "b"], &["user@a"], &["a b"], &["a/b"], &[""]] {
            assert_eq!(read_one("GET", "/foo", hosts), Err(Kind::Host), "{hosts:?}");
        }
        assert_eq!(read_one("GET", "http://user:secret@a/foo", &["a"]), Err(Kind::Host));
        assert_eq!(read_one("GET", "http://a/foo", &["a", "b"]), Err(Kind::Host));
        let old = parts("GET", "/foo", Version::HTTP_10, &[]);
        assert!(read(&old).unwrap().host.is_none());
    }

    #[test]
    fn a_host_that_is_not_parsed_would_be_one() {
        for (host, is_plain) in [
            ("a", true),
            ("a.example", true),
            ("127.0.0.1:8080", true),
            ("a-b.example:80", true),
            ("a:65535", true),
            ("a:99999", true),
            ("a:123456", false),
            ("a:", false),
            ("a:b", false),
            ("[::1]:80", false),
            ("a_b", false),
        ] {
            assert_eq!(is_plain_host(host.as_bytes()), is_plain, "{host}");
            assert!(!is_plain || is_host(host.as_bytes()), "{host}");
        }
        for host in ["", ":80", "a@b", "a b", "a/b", "a:80:80", "a,b"] {
            assert!(!is_plain_host(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn http2_names_one_host_in_authority_or_host() {
        let read = |uri, hosts: &[&str]| {
            read(&parts("GET", uri, Version::HTTP_2, hosts))
                .map(|target| target.host.unwrap().to_str().unwrap().to_owned())
                .map_err(|refused| refused.kind)
        };
        assert_eq!(read("https://A.example/foo", &[]), Ok("A.example".into()));
        assert_eq!(read("https://a.example/foo", &["A.EXAMPLE"]), Ok("a.example".into()));
        assert_eq!(read("https://a.example/foo", &["b.example"]), Err(Kind::Host));
        assert_eq!(read("/foo", &["b.example"]), Ok("b.example".into()));
    }
}
