//! A ready client on hyper.

use std::{
    error::Error,
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf as _, Bytes};
use http::{Request, Response, header::HOST};
use http_body::Body;
use http_body_util::{BodyExt as _, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use portcullis_core::{BoxFuture, Clock, Principal};
use portcullis_tower::{
    ClientAuth, ClientAuthError, ClientAuthLayer, ClientAuthService, SendError,
    client_auth::{NeverReplay, ReplayCloned, ReplayEmpty},
};
use tower_layer::Layer as _;
use tower_service::Service;

use super::{
    Transport,
    connect::{self, BoxError, Client, ConnectTimedOut, within},
    join::Base,
};

/// A client on hyper whose requests carry a credential, with URL, TLS and credential from one place.
///
/// [`ConfiguredClient::hyper`](crate::ConfiguredClient::hyper) makes it of a table of Config.toml, [`Transport::hyper`] of a
/// [`ClientAuth`]. It is a [`Service`] of any `http::Request<B>`, so it also stands below tonic's clients. Cheap to clone;
/// clones share connections and the token.
///
/// * A URI without host is joined to the client's URL: with the URL `https://h/base`, `/foo` is `https://h/base/foo`. A
///   header `Host` gives way then: of a request that is passed on, it names this service.
/// * Redirects are answers: they are not followed.
/// * After a 401 a request is sent once more with another token where there is one to be had, and the request has no
///   body ([`HyperClient::replay_cloned`] sends bodies again, too).
#[derive(Clone)]
pub struct HyperClient<P = ReplayEmpty> {
    service: ClientAuthService<Connections, P>,
    auth: ClientAuth,
    base: Option<Base>,
}

impl HyperClient {
    pub(super) fn new(transport: &Transport, tls: rustls::ClientConfig, auth: ClientAuth) -> Self {
        let connections = Connections {
            client: connect::client(transport, tls),
            clock: Arc::clone(&transport.clock),
            timeout: transport.request_timeout,
        };
        let base = auth.url().and_then(Base::of);
        Self { service: ClientAuthLayer::new(auth.clone()).layer(connections), auth, base }
    }
}

impl<P> HyperClient<P> {
    /// A client over the same connections whose calls are made on behalf of `caller`.
    ///
    /// # Errors
    ///
    /// When the caller showed no token, or the client's credential is the service's own.
    pub fn on_behalf_of(&self, caller: &Principal) -> Result<Self, ClientAuthError>
    where
        P: Clone + Default,
    {
        let auth = self.auth.on_behalf_of(caller)?;
        let layer = ClientAuthLayer::new(auth.clone()).replay_with(P::default());
        Ok(Self { service: layer.layer(self.service.get_ref().clone()), auth, base: self.base.clone() })
    }

    /// The same, which sends any request again after a 401, with a clone of its body: for bodies that are cheap to clone,
    /// such as `Full<Bytes>`.
    #[must_use]
    pub fn replay_cloned(self) -> HyperClient<ReplayCloned> {
        let layer = ClientAuthLayer::new(self.auth.clone()).replay_cloned();
        HyperClient { service: layer.layer(self.service.into_inner()), auth: self.auth, base: self.base }
    }

    /// The same, which sends nothing twice: for bodies that have no default, such as `Incoming`.
    #[must_use]
    pub fn never_replay(self) -> HyperClient<NeverReplay> {
        let layer = ClientAuthLayer::new(self.auth.clone()).never_replay();
        HyperClient { service: layer.layer(self.service.into_inner()), auth: self.auth, base: self.base }
    }

    /// What puts the credential on its requests.
    #[must_use]
    pub const fn auth(&self) -> &ClientAuth {
        &self.auth
    }

    /// Sends a request. The answer's body is the caller's to read.
    ///
    /// # Errors
    ///
    /// When there is no credential to send, it may not go there, or no answer came.
    pub async fn request<B>(
        &self,
        request: Request<B>,
    ) -> Result<Response<Incoming>, SendError<TransportError>>
    where
        ClientAuthService<Connections, P>:
            Service<Request<B>, Response = Response<Incoming>, Error = SendError<TransportError>>,
        P: Clone,
    {
        // Always ready: connections are made when they are needed.
        self.clone().call(request).await
    }
}

impl<B, P> Service<Request<B>> for HyperClient<P>
where
    ClientAuthService<Connections, P>: Service<Request<B>>,
{
    type Response = <ClientAuthService<Connections, P> as Service<Request<B>>>::Response;
    type Error = <ClientAuthService<Connections, P> as Service<Request<B>>>::Error;
    type Future = <ClientAuthService<Connections, P> as Service<Request<B>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if let Some(uri) = self.base.as_ref().and_then(|base| base.uri(request.uri())) {
            *request.uri_mut() = uri;
            request.headers_mut().remove(HOST);
        }
        self.service.call(request)
    }
}

impl<P> fmt::Debug for HyperClient<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperClient").field("auth", &self.auth).finish_non_exhaustive()
    }
}

/// What a [`HyperClient`] sends its requests by: hyper-util's client with a bound in time, for bodies of any type.
#[derive(Clone)]
pub struct Connections {
    client: Client<UnsyncBoxBody<Bytes, BoxError>>,
    clock: Arc<dyn Clock>,
    timeout: Duration,
}

impl<B> Service<Request<B>> for Connections
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Incoming>;
    type Error = TransportError;
    type Future = BoxFuture<'static, Result<Response<Incoming>, TransportError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let request = request.map(|body| {
            let whole = |frame: http_body::Frame<B::Data>| {
                frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))
            };
            body.map_frame(whole).map_err(Into::into).boxed_unsync()
        });
        let answer = self.client.request(request);
        let (alarm, timeout) = (self.clock.sleep(self.timeout), self.timeout);
        Box::pin(async move {
            match within(alarm, answer).await {
                Some(answer) => answer.map_err(TransportError::of),
                None => Err(TransportError { kind: Kind::Late(timeout), source: None }),
            }
        })
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// Why a request on hyper was not answered. Holds nothing of the request.
pub struct TransportError {
    kind: Kind,
    source: Option<legacy::Error>,
}

#[derive(Clone, Copy)]
enum Kind {
    Connect,
    ConnectLate,
    Late(Duration),
    Lost,
}

impl TransportError {
    fn of(source: legacy::Error) -> Self {
        let mut cause: Option<&(dyn Error + 'static)> = Some(&source);
        while let Some(error) = cause.filter(|error| !error.is::<ConnectTimedOut>()) {
            cause = error.source();
        }
        let kind = match cause {
            Some(_) => Kind::ConnectLate,
            None if source.is_connect() => Kind::Connect,
            None => Kind::Lost,
        };
        Self { kind, source: Some(source) }
    }

    /// Whether there was no connection: nothing of the request was sent.
    #[must_use]
    pub const fn is_connect(&self) -> bool {
        matches!(self.kind, Kind::Connect | Kind::ConnectLate)
    }

    /// Whether it took too long, to connect or to be answered.
    #[must_use]
    pub const fn is_timeout(&self) -> bool {
        matches!(self.kind, Kind::ConnectLate | Kind::Late(_))
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Connect => f.write_str("cannot connect"),
            Kind::ConnectLate => f.write_str("no connection in time"),
            Kind::Late(timeout) => write!(f, "no answer within {timeout:?}"),
            Kind::Lost => f.write_str("the connection was lost before the answer"),
        }
    }
}

/// Prints the message and its causes.
impl fmt::Debug for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        let mut cause = self.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl Error for TransportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| source as &(dyn Error + 'static))
    }
}
