//! What happens to every request before the service sees it.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::{BoxError, extract::ConnectInfo};
use http::{
    Method, Request, Response, StatusCode, Version,
    header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION},
};
use http_body::Body;
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tower::{Service, ServiceExt, util::Oneshot};

use super::{
    ClientAddr, ClientCertificate, RequestBody, TrustedProxies,
    activity::{Activity, InFlight},
    body::ResponseBody,
    metrics::Metrics,
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
    pub(super) trusted_proxies: Arc<TrustedProxies>,
}

/// The service as hyper sees it.
pub(super) struct Entry<S> {
    pub(super) app: S,
    pub(super) header_bytes: usize,
    pub(super) caller: Caller,
    pub(super) activity: Arc<Activity>,
    pub(super) metrics: Arc<Metrics>,
}

impl<S: App> hyper::service::Service<Request<Incoming>> for Entry<S> {
    type Response = Response<ResponseBody<S::Body>>;
    type Error = S::Error;
    type Future = Answer<S::Future>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let http2 = request.version() == Version::HTTP_2;
        let in_flight = self.activity.request(http2);
        let head = look_at_head(&mut request);
        let client = self.caller.trusted_proxies.client(self.caller.peer.ip(), request.headers());
        let extensions = request.extensions_mut();
        extensions.insert(ClientAddr::from(client));
        extensions.insert(ConnectInfo(self.caller.peer));
        if let Some(certificate) = &self.caller.certificate {
            extensions.insert(certificate.clone());
        }
        let connect = request.method() == Method::CONNECT;
        let activity = (!http2).then(|| self.activity.clone());
        let request = request.map(|body| RequestBody::new(body, activity.clone()));
        // hyper's buffer holds a little more than it is told to; HTTP/2 has counted in its own way (RFC 9113 §6.5.2).
        let fits = http2 || head <= self.header_bytes;
        Answer {
            inner: fits.then(|| self.app.clone().answer(request)),
            in_flight: Some(in_flight),
            upgradable: activity.map(|activity| (activity, connect)),
            metrics: self.metrics.clone(),
        }
    }
}

/// Marks credentials, so that no log, error or `Debug` downstream prints them, and tells the size of the head.
fn look_at_head<B>(request: &mut Request<B>) -> usize {
    let uri = request.uri();
    let scheme = uri.scheme_str().map_or(0, |scheme| scheme.len() + "://".len());
    let authority = uri.authority().map_or(0, |authority| authority.as_str().len());
    let path = uri.path_and_query().map_or(0, |path| path.as_str().len());
    let line = request.method().as_str().len() + scheme + authority + path + "  HTTP/1.1\r\n".len();
    let mut size = line + "\r\n".len();
    for (name, value) in request.headers_mut() {
        size += name.as_str().len() + value.len() + ": \r\n".len();
        if [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION].contains(name) {
            value.set_sensitive(true);
        }
    }
    size
}

fn too_large<B>() -> Response<Option<B>> {
    let mut response = Response::new(None);
    *response.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    response
}

pin_project! {
    /// The response that is being made.
    pub(super) struct Answer<F> {
        #[pin]
        // None where the head is too large.
        inner: Option<F>,
        in_flight: Option<InFlight>,
        // An HTTP/1.1 connection, and whether CONNECT asked to have it.
        upgradable: Option<(Arc<Activity>, bool)>,
        metrics: Arc<Metrics>,
    }
}

impl<F, B, E> Future for Answer<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = match this.inner.as_pin_mut() {
            Some(inner) => ready!(inner.poll(cx))?.map(Some),
            None => too_large(),
        };
        this.metrics.answered(&response);
        if let Some((activity, connect)) = this.upgradable
            && (response.status() == StatusCode::SWITCHING_PROTOCOLS
                || (*connect && response.status().is_success()))
        {
            activity.upgrade();
        }
        Poll::Ready(Ok(response.map(|body| ResponseBody::new(body, this.in_flight.take()))))
    }
}
