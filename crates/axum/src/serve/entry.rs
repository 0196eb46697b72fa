//! What happens to every request before the service sees it.

use std::{
    cell::RefCell,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::{BoxError, extract::ConnectInfo};
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version,
    header::{
        AUTHORIZATION, CONNECTION, COOKIE, HOST, PROXY_AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL,
        TRANSFER_ENCODING, UPGRADE,
    },
};
use http_body::Body;
use hyper::{body::Incoming, ext::Protocol};
use pin_project_lite::pin_project;
use tower::{Service, ServiceExt, util::Oneshot};

use super::{
    ClientAddr, ClientCertificate, RequestBody, Stopping,
    activity::{Activity, InFlight},
    body::ResponseBody,
    connection::Ends,
    reconfigure::Lookout,
};

/// What a [`Listener`](super::Listener) serves: an [`axum::Router`], or any tower service that answers requests with
/// this body. Implemented for all of them; one instance is cloned for each request.
pub trait App: Clone + Send + 'static {
    /// The body of its responses.
    type Body: Body<Data: Send, Error: Into<BoxError>> + Send + 'static;
    /// What makes hyper drop the connection instead of sending a response.
    type Error: Into<BoxError>;
    /// The response that is being made.
    type Future: Future<Output = Result<Response<Self::Body>, Self::Error>> + Send + 'static;

    /// Answers a request.
    fn answer(self, request: Request<RequestBody>) -> Self::Future;
}

impl<S, B> App for S
where
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Body = B;
    type Error = S::Error;
    type Future = Oneshot<S, Request<RequestBody>>;

    fn answer(self, request: Request<RequestBody>) -> Self::Future {
        self.oneshot(request)
    }
}

/// What is known of a connection before its first request.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) peer: SocketAddr,
    pub(super) certificate: Option<ClientCertificate>,
}

/// The service as hyper sees it.
pub(super) struct Entry<S> {
    pub(super) app: S,
    pub(super) header_bytes: usize,
    pub(super) caller: Caller,
    pub(super) ends: Ends,
    pub(super) lookout: RefCell<Lookout>,
    pub(super) activity: Arc<Activity>,
}

impl<S: App> hyper::service::Service<Request<Incoming>> for Entry<S> {
    type Response = Response<ResponseBody<S::Body>>;
    type Error = S::Error;
    type Future = Answer<S::Future>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let http2 = request.version() == Version::HTTP_2;
        let in_flight = self.activity.request(http2);
        let seen = Seen::of(request.headers_mut());
        let (refused, client) = {
            let mut lookout = self.lookout.borrow_mut();
            let (proxies, accepted) = lookout.look();
            // RFC 9110 §15.5.20: nothing was done, and the client may try again on another connection.
            let misdirected = (!accepted).then_some(StatusCode::MISDIRECTED_REQUEST);
            let refused = misdirected.or_else(|| refuse(&request, &seen, self.header_bytes));
            (refused, proxies.client(self.caller.peer.ip(), request.headers()))
        };
        let connect = request.method() == Method::CONNECT;
        let extensions = request.extensions_mut();
        // Whatever hyper would upgrade, though it be no right handshake: some routers take it for one.
        if connect || seen.upgrade {
            extensions.insert(Stopping::new(self.ends.clone(), self.activity.clone()));
        }
        extensions.insert(ClientAddr::from(client));
        extensions.insert(ConnectInfo(self.caller.peer));
        if let Some(certificate) = &self.caller.certificate {
            extensions.insert(certificate.clone());
        }
        let request = request.map(|body| {
            let watched = !http2 && !body.is_end_stream();
            RequestBody::new(body, watched.then(|| self.activity.clone()))
        });
        let answer = match refused {
            None => Made::ByApp { future: self.app.clone().answer(request) },
            Some(status) => Made::Refused { status, close: !http2 },
        };
        Answer { answer, in_flight: Some(in_flight), upgradable: !http2, connect }
    }
}

/// What one walk over the headers shows.
#[derive(Default)]
struct Seen {
    bytes: usize,
    hosts: usize,
    upgrade: bool,
    codings: usize,
    other_coding: bool,
}

impl Seen {
    /// Marks what can carry a credential on the way, so that no log, error or `Debug` downstream prints it.
    fn of(headers: &mut HeaderMap) -> Self {
        let mut seen = Self::default();
        for (name, value) in headers {
            seen.bytes += name.as_str().len() + value.len() + ": \r\n".len();
            match *name {
                AUTHORIZATION | COOKIE | PROXY_AUTHORIZATION | SEC_WEBSOCKET_PROTOCOL => {
                    value.set_sensitive(true);
                }
                HOST => seen.hosts += 1,
                UPGRADE => seen.upgrade = true,
                TRANSFER_ENCODING => {
                    seen.codings += 1;
                    seen.other_coding |= !value.as_bytes().eq_ignore_ascii_case(b"chunked");
                }
                _ => {}
            }
        }
        seen
    }
}

/// The status for a request that hyper reads and nobody should act on.
fn refuse<B>(request: &Request<B>, seen: &Seen, header_bytes: usize) -> Option<StatusCode> {
    let version = request.version();
    // hyper's buffer holds a little more than it is told to. HTTP/2 has its own way to count (RFC 9113 §6.5.2).
    if version != Version::HTTP_2 && line_bytes(request) + seen.bytes > header_bytes {
        return Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    // RFC 9112 §3.2: "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message that
    // lacks a Host header field and to any request message that contains more than one Host header field line".
    let one_host = seen.hosts == 1 || seen.hosts == 0 && version != Version::HTTP_11;
    // RFC 9113 §8.3.1 asks the same of a Host beside another `:authority`. In HTTP/1.1 the target has the last word.
    let one_authority = version != Version::HTTP_2
        || match (request.uri().authority(), request.headers().get(HOST)) {
            (Some(authority), Some(host)) => {
                host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes())
            }
            _ => true,
        };
    let one_target = match (request.method(), request.uri().path()) {
        // RFC 9112 §3.2.3: only a host and a port. With a path it is the extended one of HTTP/2 (RFC 8441), which has
        // the policy of a GET.
        (&Method::CONNECT, path) => version == Version::HTTP_2 || !path.starts_with('/'),
        (&Method::OPTIONS, "*") => true,
        (_, path) => path.starts_with('/'),
    };
    // RFC 9112 §6.1 has a server answer a coding that it does not undo with 501. A body whose coding is no longer named
    // would be taken for its content.
    if seen.codings > 1 || seen.other_coding {
        return Some(StatusCode::NOT_IMPLEMENTED);
    }
    // What is decided as a GET must be one. RFC 9220 §3 has a server answer an extended CONNECT for a protocol that it does
    // not support with 501. Its names are those of Upgrade, in any case (RFC 9110 §7.8), and routers know the small letters.
    if request.extensions().get::<Protocol>().is_some_and(|protocol| protocol.as_str() != "websocket") {
        return Some(StatusCode::NOT_IMPLEMENTED);
    }
    (!one_host || !one_authority || !one_target).then_some(StatusCode::BAD_REQUEST)
}

/// What a head has beside its headers.
fn line_bytes<B>(request: &Request<B>) -> usize {
    let uri = request.uri();
    let scheme = uri.scheme_str().map_or(0, |scheme| scheme.len() + "://".len());
    let authority = uri.authority().map_or(0, |authority| authority.as_str().len());
    let path = uri.path_and_query().map_or(0, |path| path.as_str().len());
    request.method().as_str().len() + scheme + authority + path + "  HTTP/1.1\r\n\r\n".len()
}

fn refusal<B>(status: StatusCode, close: bool) -> Response<Option<B>> {
    let mut response = Response::new(None);
    *response.status_mut() = status;
    if close {
        // Who sends such a request may mean something else with the next, too.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

pin_project! {
    /// The response that is being made.
    pub(super) struct Answer<F> {
        #[pin]
        answer: Made<F>,
        in_flight: Option<InFlight>,
        // Whether it is an HTTP/1.1 connection, and whether CONNECT asked to have it.
        upgradable: bool,
        connect: bool,
    }
}

pin_project! {
    #[project = MadeProj]
    enum Made<F> {
        ByApp {
            #[pin]
            future: F,
        },
        Refused { status: StatusCode, close: bool },
    }
}

impl<F, B, E> Future for Answer<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = match this.answer.project() {
            MadeProj::ByApp { future } => ready!(future.poll(cx))?.map(Some),
            MadeProj::Refused { status, close } => refusal(*status, *close),
        };
        let in_flight = this.in_flight.take();
        if let Some(in_flight) = &in_flight {
            let status = response.status();
            let switches =
                status == StatusCode::SWITCHING_PROTOCOLS || (*this.connect && status.is_success());
            in_flight.answered(&response, *this.upgradable && switches);
        }
        Poll::Ready(Ok(response.map(|body| ResponseBody::new(body, in_flight))))
    }
}
