//! Answers that the gateway gives itself.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Response, StatusCode,
    header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, SEC_WEBSOCKET_VERSION},
};
use portcullis_core::{Reason, Rejection};

use super::{body::Body, path::PathProblem, websocket};

/// Methods that the gateway passes on, among those that have a name (RFC 9110 §9, RFC 5789).
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// Why the gateway answers a request itself, before any policy is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// TRACE, a CONNECT that asks for a tunnel, or a method that is not written in capitals.
    Method,
    /// An extended CONNECT that is no WebSocket, or asks one of a service that answers a text.
    ExtendedConnect,
    /// An upgrade to a WebSocket that is not as RFC 6455 has it.
    Handshake,
    /// A WebSocket of another version.
    WebSocketVersion,
    /// No host, two hosts, or something that is none.
    Host,
    /// A path that reads in two ways.
    Path(PathProblem),
    /// No service covers the path.
    NoService,
    /// In another spelling the path meets another service or resource.
    OtherSpelling,
    /// The upstream's base path and the request's together are too long for a request target.
    TooLong,
}

impl Refused {
    pub(super) const fn status(self) -> StatusCode {
        match self.kind {
            Kind::Method => StatusCode::METHOD_NOT_ALLOWED,
            Kind::ExtendedConnect => StatusCode::NOT_IMPLEMENTED,
            Kind::Handshake | Kind::WebSocketVersion | Kind::Host | Kind::Path(_) => StatusCode::BAD_REQUEST,
            Kind::NoService | Kind::OtherSpelling => StatusCode::NOT_FOUND,
            Kind::TooLong => StatusCode::URI_TOO_LONG,
        }
    }

    /// Its word.
    pub(super) const fn reason(self) -> Reason {
        match self.kind {
            Kind::Method => Reason::MethodNotAllowed,
            Kind::ExtendedConnect => Reason::ExtendedConnect,
            Kind::Handshake => Reason::BadWebSocketHandshake,
            Kind::WebSocketVersion => Reason::WebSocketVersion,
            Kind::Host => Reason::BadHost,
            Kind::Path(problem) => problem.reason(),
            Kind::NoService => Reason::NoService,
            Kind::OtherSpelling => Reason::OtherSpelling,
            Kind::TooLong => Reason::TargetTooLong,
        }
    }

    /// What whoever reads the log can do about it.
    pub(super) const fn remedy(self) -> &'static str {
        match self.kind {
            Kind::Method => {
                "the gateway passes on neither TRACE and CONNECT nor methods that are not written in capitals"
            }
            Kind::ExtendedConnect => {
                "of extended CONNECT the gateway passes on WebSockets alone, to services that have an `upstream`"
            }
            Kind::Handshake => {
                "the caller has to send exactly one `Sec-WebSocket-Key` of 16 bytes in base64, and no body"
            }
            Kind::WebSocketVersion => "the caller has to speak version 13, which is RFC 6455's",
            Kind::Host => "the caller has to name exactly one host, without user information",
            Kind::Path(_) => "the caller has to send a path that every server reads alike",
            Kind::NoService => "no service has a `path` that covers this one",
            Kind::OtherSpelling => {
                "the caller has to spell the resource's path as configured, where `/x/{*rest}` is `/x/` and not `/x`; \
                 `pathMatching = \"exact\"` is for upstreams that tell such paths apart"
            }
            Kind::TooLong => "the caller has to send a shorter path or query",
        }
    }

    pub(super) fn response(self) -> Response<Body> {
        let mut response = empty(self.status());
        if self.kind == Kind::Method {
            // RFC 9110 §15.5.6: "The origin server MUST generate an Allow header field in a 405 response".
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(METHODS));
        }
        if self.kind == Kind::WebSocketVersion {
            // RFC 6455 §4.4: the answer tells which versions there are.
            response.headers_mut().insert(SEC_WEBSOCKET_VERSION, websocket::VERSION);
        }
        response
    }
}

impl From<Kind> for Refused {
    fn from(kind: Kind) -> Self {
        Self { kind }
    }
}

impl From<PathProblem> for Refused {
    fn from(problem: PathProblem) -> Self {
        Self { kind: Kind::Path(problem) }
    }
}

/// An answer without a body, in the form of all of portcullis' refusals.
pub(super) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    response
}

/// The answer to a request that a policy did not let in.
pub(super) fn rejected(rejection: Rejection) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = rejection.response_status();
    rejection.write_headers(response.headers_mut());
    response.extensions_mut().insert(rejection);
    response
}

/// A configured text, which is the answer whatever the method.
#[derive(Debug)]
pub(super) struct Text {
    text: Bytes,
    headers: HeaderMap,
}

impl Text {
    pub(super) fn new(text: String) -> Self {
        let kind = if text.is_ascii() { "text/plain" } else { "text/plain; charset=utf-8" };
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        // Written out for HEAD, whose answer tells the length of the body that it lacks.
        headers.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
        Self { text: text.into(), headers }
    }

    pub(super) fn response(&self, method: &Method) -> Response<Body> {
        let body = match *method {
            Method::HEAD => Body::empty(),
            _ => Body::text(self.text.clone()),
        };
        let mut response = Response::new(body);
        response.headers_mut().clone_from(&self.headers);
        response
    }
}
