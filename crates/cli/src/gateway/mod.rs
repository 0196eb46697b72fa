//! The gateway: services in any language, guarded by a configuration alone.
//!
//! A request goes through these doors, in this order:
//!
//! 1. **Its target.** TRACE, CONNECT and methods that are not written in capitals are 405, an extended CONNECT that opens
//!    no WebSocket 501. The host is named once (400). The path reads in one way only (400): percent-decoded once, it
//!    holds no `%`, `;`, `\`, control character, dot segment, empty segment, and no slash that was encoded. Who asks for
//!    a WebSocket asks rightly (400).
//! 2. **Its service**: the longest path that is a prefix on a segment boundary; 404 where there is none, and
//!    where another spelling of the path would choose another one ([`PathMatching`]).
//! 3. **CORS**, where the service has some: preflights are answered here, and what follows gets its headers.
//! 4. **The decision**, on the resource that covers the path; 404 where another spelling of the path falls under
//!    another policy. A rejection is answered as everywhere in portcullis. A WebSocket is decided on as a GET.
//! 5. **The answer**: a text, or the upstream's, to which path and query go exactly as the client sent them,
//!    with the caller's identity, and without anything that pretends to be one. Bodies and trailers pass frame
//!    by frame in both directions. A token in a cookie or among the subprotocols stays here.
//!
//! | the upstream | the client gets |
//! |---|---|
//! | cannot be connected, breaks off, switches protocols unasked or to another than was asked for | 502 |
//! | takes more than 5 s to connect, or is silent for 60 s before it answers | 504 |
//! | waits 60 s for more of the client's body | 408 |
//!
//! | the client asks for | the upstream is asked for | an answer that opens it |
//! |---|---|---|
//! | a WebSocket by `Upgrade` (HTTP/1.1) | the same, with the gateway's own key | 101 |
//! | a WebSocket by extended CONNECT (HTTP/2) | the same, over HTTP/1.1 | 200 |
//! | another upgrade, such as h2c | the request without it | none |
//! | an extended CONNECT for another protocol | nothing: 501 | none |
//!
//! An upstream that opens no WebSocket is the client's to hear: its answer passes like any other, but for a success over
//! HTTP/2, which would open one: 502. What becomes of one that is open says the module `websocket`.
//!
//! An upstream is spoken to in HTTP/1.1; over https in HTTP/2 where it offers that; and in HTTP/2 without asking where the
//! service says `protocol = "grpc"`, whose refusals are told in gRPC's way.

mod answering;
mod body;
mod cors;
mod credential;
mod directory;
mod explain;
mod front;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod headers;
mod log;
mod path;
mod peer;
mod reply;
mod service;
mod site;
mod spelling;
mod target;
mod upstream;
mod versions;
mod websocket;

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, request::Parts};
use http_body::Body as HttpBody;
use portcullis_axum::serve::TrustedProxies;
use portcullis_core::{BuildError, Clock, SystemClock};

pub use self::{
    answering::Answering,
    body::Body,
    cors::Cors,
    explain::Explained,
    peer::{Connection, Peer},
    service::{Answer, PathMatching, Service},
    upstream::Upstream,
    versions::Prepared,
};
use self::{
    answering::Making,
    body::{BoxError, ClientBody},
    directory::{Directory, Entry},
    front::Call,
    reply::{Kind, Refused},
    target::Target,
    versions::{ServedBy, Versions},
};

/// A gateway for services, itself a [`tower_service::Service`]. Cheap to clone. Its services can be replaced while it
/// serves ([`Gateway::prepare`]), for all clones at once.
#[derive(Clone, Debug)]
pub struct Gateway(Arc<Versions>);

impl Gateway {
    /// A gateway for these services.
    ///
    /// # Errors
    ///
    /// With everything that is wrong, each mistake on a line of its own: services or resources that cannot be
    /// told apart, cross-origin settings that browsers would not accept.
    pub fn new(services: impl IntoIterator<Item = Service>) -> Result<Self, BuildError> {
        Self::with_clock(services, Arc::new(SystemClock::new()))
    }

    /// The same behind proxies whose forwarding headers are believed, see [`Gateway::answer_on`].
    ///
    /// # Errors
    ///
    /// As [`Gateway::new`].
    pub fn behind(
        proxies: TrustedProxies,
        services: impl IntoIterator<Item = Service>,
    ) -> Result<Self, BuildError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let mut all = Directory::following(services.into_iter().collect(), &clock, None)?;
        all.proxies = proxies;
        Ok(Self(Arc::new(Versions::new(all, clock))))
    }

    /// The same with another clock for the time-outs of upstreams.
    ///
    /// # Errors
    ///
    /// As [`Gateway::new`].
    pub fn with_clock(
        services: impl IntoIterator<Item = Service>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, BuildError> {
        Directory::following(services.into_iter().collect(), &clock, None)
            .map(|all| Self(Arc::new(Versions::new(all, clock))))
    }

    /// Answers a request of which is known that it came from `peer`.
    pub fn answer<B>(&self, request: Request<B>, peer: Option<Peer>) -> Answering
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        self.answer_by(&self.0.now(), request, peer)
    }

    /// Answers a request that came on `connection`. Whose it is say the proxies of the version that answers it.
    pub fn answer_on<B>(&self, request: Request<B>, connection: Option<Connection>) -> Answering
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let directory = self.0.now();
        let peer = connection.map(|connection| connection.peer(request.headers(), &directory.proxies));
        self.answer_by(&directory, request, peer)
    }

    /// One version for all that becomes of the request.
    fn answer_by<B>(&self, directory: &Directory, request: Request<B>, peer: Option<Peer>) -> Answering
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (parts, body) = request.into_parts();
        let log = log::Answered::of(&parts, peer);
        Answering::new(self.serve(directory, parts, body::client(body), peer), log)
    }

    fn serve(&self, directory: &Directory, mut parts: Parts, body: ClientBody, peer: Option<Peer>) -> Making {
        match find(directory, &parts) {
            Ok((target, entry)) => {
                if target.websocket.is_some() {
                    parts.extensions.insert(ServedBy::new(Arc::clone(&self.0), directory.number));
                }
                entry.front.serve(Call { parts, body, target, peer })
            }
            Err(refused) => Making::done(site::refuse(directory.any_auth(), &parts, peer, refused)),
        }
    }
}

/// The first two doors.
fn find<'d>(directory: &'d Directory, parts: &Parts) -> Result<(Target, &'d Entry), Refused> {
    let target = target::read(parts)?;
    let path = target.path(parts.uri.path());
    let entry = directory.find(path).ok_or(Kind::NoService)?;
    if directory.meets_another(path, entry) {
        return Err(Kind::OtherSpelling.into());
    }
    Ok((target, entry))
}

impl<B> tower_service::Service<Request<B>> for Gateway
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    /// What the listener knows of the connection is a [`Peer`] in the request's extensions.
    fn call(&mut self, request: Request<B>) -> Answering {
        let peer = request.extensions().get().copied();
        self.answer(request, peer)
    }
}
