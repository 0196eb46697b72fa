//! A listener, a provider whose mind a test changes, handlers that tell what became of their socket, and clients.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::ws::Message,
    response::Response,
    routing::{any, get},
};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{
    Request,
    header::{AUTHORIZATION, HeaderName, SEC_WEBSOCKET_PROTOCOL},
};
use http_body_util::{BodyExt as _, Empty};
use hyper::{client::conn::http2::SendRequest, ext::Protocol, upgrade::Upgraded};
use hyper_util::rt::{TokioExecutor, TokioIo};
use portcullis_axum::{
    AuthLayer, Closed, GuardedSocket, GuardedUpgrade,
    serve::{Listener, ListenerConfig},
};
use portcullis_core::{
    Auth, AuthBuilder, BoxFuture, Context, Credential, Identity, Outcome, Provider, Resource, Scheme,
    Unavailable, UnixTime,
};
use portcullis_testing::ManualClock;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{self, client::IntoClientRequest as _, protocol::Role},
};

pub(crate) use self::layer::Log;

#[path = "../../../tower/tests/support/mod.rs"]
mod layer;

/// No test waits longer for anything: what takes so long never comes.
const BOUND: Duration = Duration::from_secs(30);

/// Waits for what has to come.
pub(crate) async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(BOUND, work).await.expect("it never came")
}

/// Waits until something holds.
pub(crate) async fn until(holds: impl Fn() -> bool) {
    soon(async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// When all clocks start.
pub(crate) const START: UnixTime = UnixTime::from_secs(1_000_000);

/// How long the token `good` lives.
pub(crate) const LIFETIME: Duration = Duration::from_secs(60);

/// A server that vouches for tokens: `good` expires after [`LIFETIME`], `lasting` never; `poor` holds no scope.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tokens(Arc<Server>);

#[derive(Debug, Default)]
struct Server {
    mood: Mutex<Mood>,
    asked: AtomicUsize,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Mood {
    #[default]
    Good,
    Revoked,
    Away,
}

impl Tokens {
    pub(crate) fn set(&self, mood: Mood) {
        *self.0.mood.lock().unwrap() = mood;
    }

    /// How often it was asked while a connection was open.
    pub(crate) fn asked(&self) -> usize {
        self.0.asked.load(SeqCst)
    }

    fn answer(token: &str) -> Outcome {
        // What follows a dot makes a token known when it is seen.
        let name = token.split('.').next().unwrap_or_default();
        let identity = Identity::new(name);
        match name {
            "good" => {
                Outcome::known(identity.with_scopes(["feed"]).with_expiry(START.saturating_add(LIFETIME)))
            }
            "lasting" => Outcome::known(identity.with_scopes(["feed"])),
            "poor" => Outcome::known(identity),
            _ => Outcome::refused("unknown", "nobody knows the token"),
        }
    }
}

impl Provider for Tokens {
    fn kind(&self) -> &'static str {
        "tokens"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn try_authenticate(&self, credential: &Credential<'_>, cx: &Context<'_>) -> Option<Outcome> {
        let Credential::Bearer(bearer) = credential else { return None };
        cx.may_recall().then(|| Self::answer(bearer.token()))
    }

    fn authenticate<'a>(
        &'a self,
        credential: &'a Credential<'a>,
        _: &'a Context<'a>,
    ) -> BoxFuture<'a, Outcome> {
        let Credential::Bearer(bearer) = credential else { unreachable!() };
        let mood = *self.0.mood.lock().unwrap();
        self.0.asked.fetch_add(1, SeqCst);
        let outcome = match mood {
            Mood::Good => Self::answer(bearer.token()),
            Mood::Revoked => Outcome::refused("revoked", "the token was revoked"),
            Mood::Away => Unavailable::new("away").into(),
        };
        Box::pin(std::future::ready(outcome))
    }

    fn can_revoke(&self) -> bool {
        true
    }
}

/// A service that asks for the scope `feed`, but for `/open`.
pub(crate) fn service(tokens: &Tokens, clock: &ManualClock) -> AuthBuilder {
    Auth::builder()
        .realm("feeds")
        .element(tokens.clone(), "feed")
        .resource(Resource::new("/open").public())
        .clock(Arc::new(clock.clone()))
}

/// How a handler's socket ended for it: what its last call said, and why.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parted {
    pub(crate) last: String,
    pub(crate) closed: Option<Closed>,
}

/// Where handlers report to.
#[derive(Clone, Debug)]
pub(crate) struct Reports(mpsc::UnboundedSender<Parted>);

impl Reports {
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Parted>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    pub(crate) fn tell(&self, socket: &GuardedSocket, last: &impl ToString) {
        self.0.send(Parted { last: last.to_string(), closed: socket.closed() }).unwrap();
    }
}

/// Sends back texts, and tells how it ended.
pub(crate) async fn echo(mut socket: GuardedSocket, reports: Reports) {
    let last = loop {
        match socket.recv().await {
            Some(Ok(Message::Close(_))) => {}
            Some(Ok(message)) => {
                if let Err(error) = socket.send(message).await {
                    break error.to_string();
                }
            }
            Some(Err(error)) => break error.to_string(),
            None => break "no more messages".to_owned(),
        }
    };
    reports.tell(&socket, &last);
}

/// A running service, on a clock that stands still.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) clock: ManualClock,
    pub(crate) tokens: Tokens,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    /// A service with one handler, at `/feed` for those with the scope and at `/open` for everybody.
    pub(crate) async fn start<F, T>(handler: F) -> Self
    where
        F: Fn(GuardedSocket) -> T + Clone + Send + Sync + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        let handler = async move |upgrade: GuardedUpgrade| -> Response { upgrade.on_upgrade(handler) };
        let routes = Router::new().route("/feed", any(handler.clone())).route("/open", any(handler));
        Self::serve(|listener| listener, |auth| auth, |auth| routes.layer(AuthLayer::new(auth))).await
    }

    /// The same with another router, service, and limit of the listener.
    pub(crate) async fn serve(
        limit: impl FnOnce(ListenerConfig) -> ListenerConfig,
        change: impl FnOnce(AuthBuilder) -> AuthBuilder,
        app: impl FnOnce(Auth) -> Router,
    ) -> Self {
        let (clock, tokens) = (ManualClock::at(START), Tokens::default());
        let auth = change(service(&tokens, &clock)).build().unwrap();
        let config = limit(ListenerConfig::new(SocketAddr::from(([127, 0, 0, 1], 0))));
        let listener = Listener::bind(&config).await.unwrap();
        let address = listener.local_addr();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(
            listener.serve_with_shutdown(app(auth).route("/unguarded", get(async || "hello")), async {
                drop(stopped.await)
            }),
        );
        Self { address, clock, tokens, stop, task }
    }

    /// Tells it to stop, and returns what completes when it has.
    pub(crate) fn stop(self) -> JoinHandle<()> {
        self.stop.send(()).unwrap();
        self.task
    }

    /// The request that opens a WebSocket.
    pub(crate) fn request(path: &str, token: &str) -> Request<()> {
        let mut request = format!("ws://localhost{path}").into_client_request().unwrap();
        if !token.is_empty() {
            request.headers_mut().insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        }
        request
    }

    /// Opens a WebSocket over HTTP/1.1.
    pub(crate) async fn open(&self, path: &str, token: &str) -> Client<TcpStream> {
        let (client, _) = self.dial(Self::request(path, token)).await.unwrap();
        client
    }

    /// The same, whatever comes of it.
    pub(crate) async fn dial(
        &self,
        request: Request<()>,
    ) -> tungstenite::Result<(Client<TcpStream>, http::Response<Option<Vec<u8>>>)> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (socket, response) = soon(tokio_tungstenite::client_async(request, stream)).await?;
        Ok((Client(socket), response))
    }

    /// The answer to a request that is not let in.
    pub(crate) async fn refusal(&self, request: Request<()>) -> http::Response<Option<Vec<u8>>> {
        match self.dial(request).await {
            Err(tungstenite::Error::Http(response)) => *response,
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("it was let in"),
        }
    }

    pub(crate) async fn http2(&self) -> Http2 {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut client = Http2(sender);
        // Only once it has seen the server's settings may a client send an extended CONNECT.
        let hello = Request::get("http://localhost/unguarded").body(Empty::new()).unwrap();
        assert_eq!(client.0.send_request(hello).await.unwrap().status(), 200);
        client
    }
}

/// Asks for a WebSocket of a version without a library that would answer a close frame by itself, and returns the head of
/// the answer, too.
pub(crate) async fn open_by_hand(
    server: &Running,
    path: &str,
    token: &str,
    version: &str,
) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: {version}\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(soon(stream.read_u8()).await.unwrap());
    }
    (stream, String::from_utf8(head).unwrap())
}

/// The other side of a WebSocket.
pub(crate) struct Client<I>(pub(crate) WebSocketStream<I>);

impl<I: AsyncRead + AsyncWrite + Unpin> Client<I> {
    pub(crate) async fn send(&mut self, text: &str) {
        self.0.send(tungstenite::Message::text(text)).await.unwrap();
    }

    /// The next message.
    pub(crate) async fn next(&mut self) -> tungstenite::Message {
        soon(self.0.next()).await.expect("no more messages").unwrap()
    }

    /// Sends a text, and sees it come back.
    pub(crate) async fn echoes(&mut self, text: &str) {
        self.send(text).await;
        assert_eq!(self.next().await, tungstenite::Message::text(text));
    }

    /// Waits for the close frame, answers it, and for the end of the connection.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        let frame = match self.next().await {
            tungstenite::Message::Close(Some(frame)) => frame,
            other => panic!("{other:?} where a close frame should be"),
        };
        match soon(self.0.next()).await {
            None => {}
            Some(other) => panic!("{other:?} after the close frame"),
        }
        (frame.code.into(), frame.reason.to_string())
    }
}

/// A client that speaks HTTP/2.
pub(crate) struct Http2(SendRequest<Empty<Bytes>>);

impl Http2 {
    /// Sends an extended CONNECT (RFC 8441), and returns the answer.
    pub(crate) async fn connect(
        &mut self,
        protocol: &'static str,
        path: &str,
        token: &str,
        headers: &[(HeaderName, &str)],
    ) -> http::Response<hyper::body::Incoming> {
        let mut request = Request::connect(format!("http://localhost{path}"))
            .extension(Protocol::from_static(protocol))
            .header("sec-websocket-version", "13")
            .body(Empty::new())
            .unwrap();
        if !token.is_empty() {
            request.headers_mut().insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        }
        for (name, value) in headers {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        soon(self.0.send_request(request)).await.unwrap()
    }

    /// Opens a WebSocket.
    pub(crate) async fn open(&mut self, path: &str, token: &str) -> Client<TokioIo<Upgraded>> {
        upgraded(self.connect("websocket", path, token, &[]).await).await
    }

    /// Sends a GET with subprotocols, and returns the status.
    pub(crate) async fn get_offering(&mut self, path: &str, protocols: &str) -> u16 {
        let request = Request::get(format!("http://localhost{path}"))
            .header(SEC_WEBSOCKET_PROTOCOL, protocols)
            .body(Empty::new())
            .unwrap();
        soon(self.0.send_request(request)).await.unwrap().status().as_u16()
    }

    /// Sends a GET, and returns the status.
    pub(crate) async fn get(&mut self, path: &str, token: &str) -> u16 {
        let request = Request::get(format!("http://localhost{path}"))
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .body(Empty::new())
            .unwrap();
        soon(self.0.send_request(request)).await.unwrap().status().as_u16()
    }
}

/// The WebSocket that an answer opens.
pub(crate) async fn upgraded(response: http::Response<hyper::body::Incoming>) -> Client<TokioIo<Upgraded>> {
    assert_eq!(response.status(), 200);
    let io = TokioIo::new(soon(hyper::upgrade::on(response)).await.unwrap());
    Client(WebSocketStream::from_raw_socket(io, Role::Client, None).await)
}

/// The body of an answer.
pub(crate) async fn text(response: http::Response<hyper::body::Incoming>) -> String {
    let body = soon(response.into_body().collect()).await.unwrap();
    String::from_utf8(body.to_bytes().to_vec()).unwrap()
}
