//! A listener with a gateway, upstreams that speak WebSocket or only raw bytes, and clients of both versions of HTTP.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::{BodyExt as _, Empty};
use hyper::{
    client::conn::http2::{self, SendRequest},
    ext::Protocol,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use portcullis_axum::serve::{Listener, ListenerConfig};
use portcullis_cli::gateway::{Answer, Gateway, Service, Upstream};
use portcullis_core::{
    Auth, AuthBuilder, BoxFuture, Clock, Context, Credential, Identity, Outcome, Provider, Scheme,
    SystemClock, Unavailable, UnixTime,
};
use portcullis_testing::ManualClock;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async, client_async,
    tungstenite::{
        self, Message,
        handshake::{
            derive_accept_key,
            server::{Request as Asked, Response as Answer101},
        },
        protocol::{CloseFrame, Role},
    },
};

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

pub(crate) trait Io: AsyncRead + AsyncWrite + std::fmt::Debug + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + std::fmt::Debug + Unpin + Send> Io for T {}
pub(crate) type Stream = Box<dyn Io>;
pub(crate) type Socket = WebSocketStream<Stream>;

/// How a client comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Http1,
    Http1Tls,
    Http2,
    Http2Tls,
}

impl By {
    pub(crate) const ALL: [Self; 4] = [Self::Http1, Self::Http1Tls, Self::Http2, Self::Http2Tls];

    pub(crate) fn is_http2(self) -> bool {
        matches!(self, Self::Http2 | Self::Http2Tls)
    }

    fn is_tls(self) -> bool {
        matches!(self, Self::Http1Tls | Self::Http2Tls)
    }
}

/// A gateway behind the listener of `serve`.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    by: By,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

impl Served {
    /// Tells it to stop; the task ends when it has.
    pub(crate) fn stop(self) -> JoinHandle<()> {
        self.stop.send(()).unwrap();
        self.ended
    }
}

pub(crate) async fn serve(by: By, services: impl IntoIterator<Item = Service>) -> Served {
    serve_with(by, services, Arc::new(SystemClock::new()), |config| config).await
}

pub(crate) async fn serve_with(
    by: By,
    services: impl IntoIterator<Item = Service>,
    clock: Arc<dyn Clock>,
    change: impl FnOnce(ListenerConfig) -> ListenerConfig,
) -> Served {
    // So that a client of HTTP/2 knows what the server can do before it asks for a WebSocket.
    let hello = Auth::builder().path("/hello").public().build().unwrap();
    let hello = Service::new(hello, Answer::Respond("hello".into()));
    let gateway = Gateway::with_clock(services.into_iter().chain([hello]), clock).unwrap();
    let mut config = ListenerConfig::new("127.0.0.1:0".parse().unwrap());
    if by.is_tls() {
        let now = SystemClock::new().now().since_epoch();
        let made = portcullis_keys::SelfSigned::generate(now).unwrap();
        config = config.secure(portcullis_keys::ServerTls::new(made.identity)).unwrap();
    }
    let listener = Listener::bind(&change(config)).await.unwrap();
    let address = listener.local_addr();
    let (stop, stopped) = oneshot::channel();
    let ended = tokio::spawn(listener.serve_with_shutdown(gateway, async { drop(stopped.await) }));
    Served { address, by, stop, ended }
}

/// A connection to the gateway.
pub(crate) async fn connect(served: &Served) -> Stream {
    let stream = TcpStream::connect(served.address).await.unwrap();
    if !served.by.is_tls() {
        return Box::new(stream);
    }
    let mut config = portcullis_keys::ClientTls::dangerous_without_verification().build().unwrap();
    let protocol: &[u8] = if served.by.is_http2() { b"h2" } else { b"http/1.1" };
    config.alpn_protocols = vec![protocol.to_vec()];
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol));
    Box::new(stream)
}

/// Asks for a WebSocket; what comes back is one with the head of its answer, or an answer that opens none.
pub(crate) async fn ask(
    served: &Served,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<(Socket, HeaderMap), Response<Bytes>> {
    let stream = connect(served).await;
    soon(async {
        if served.by.is_http2() {
            Http2::on(stream).await.ask("websocket", path, headers).await
        } else {
            ask_http1(stream, path, headers).await
        }
    })
    .await
}

/// The same where a WebSocket is sure to come.
pub(crate) async fn open(served: &Served, path: &str, headers: &[(&str, &str)]) -> Socket {
    match ask(served, path, headers).await {
        Ok((socket, _)) => socket,
        Err(response) => panic!("{response:?}"),
    }
}

/// The status of an answer that opens no WebSocket.
pub(crate) async fn refusal(served: &Served, path: &str, headers: &[(&str, &str)]) -> u16 {
    match ask(served, path, headers).await {
        Ok(_) => panic!("a WebSocket was opened at {path}"),
        Err(response) => response.status().as_u16(),
    }
}

async fn ask_http1(
    stream: Stream,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<(Socket, HeaderMap), Response<Bytes>> {
    let mut request = Request::get(format!("ws://api.example{path}"))
        .header("host", "api.example")
        .header("upgrade", "websocket")
        .header("sec-websocket-key", KEY)
        .header("sec-websocket-version", "13");
    if !headers.iter().any(|(name, _)| *name == "connection") {
        request = request.header("connection", "Upgrade");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    match client_async(request.body(()).unwrap(), stream).await {
        Ok((socket, response)) => {
            assert_eq!(response.status(), 101);
            Ok((socket, response.headers().clone()))
        }
        Err(tungstenite::Error::Http(response)) => {
            Err(response.map(|body| Bytes::from(body.unwrap_or_default())))
        }
        Err(error) => panic!("{error}"),
    }
}

/// The key of clients of HTTP/1.1, which is nobody else's.
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// A connection in HTTP/2.
#[derive(Debug)]
pub(crate) struct Http2(SendRequest<Empty<Bytes>>);

impl Http2 {
    pub(crate) async fn on(stream: Stream) -> Self {
        let (sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut http2 = Self(sender);
        let hello = Request::get("https://api.example/hello").body(Empty::new()).unwrap();
        assert_eq!(http2.send(hello).await.unwrap_err().body(), "hello");
        http2
    }

    /// An extended CONNECT for a protocol.
    pub(crate) async fn ask(
        &mut self,
        protocol: &'static str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<(Socket, HeaderMap), Response<Bytes>> {
        let mut request = Request::builder()
            .method(Method::CONNECT)
            .uri(format!("https://api.example{path}"))
            .extension(Protocol::from_static(protocol))
            .header("sec-websocket-version", "13");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Empty::new()).unwrap()).await
    }

    async fn send(&mut self, request: Request<Empty<Bytes>>) -> Result<(Socket, HeaderMap), Response<Bytes>> {
        let is_connect = request.method() == Method::CONNECT;
        self.0.ready().await.unwrap();
        let mut response = self.0.send_request(request).await.unwrap();
        if is_connect && response.status() == 200 {
            let upgraded = hyper::upgrade::on(&mut response).await.unwrap();
            let stream: Stream = Box::new(TokioIo::new(upgraded));
            let socket = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
            return Ok((socket, response.headers().clone()));
        }
        let (parts, body) = response.into_parts();
        Err(Response::from_parts(parts, body.collect().await.unwrap().to_bytes()))
    }
}

/// What an upstream saw of a WebSocket.
#[derive(Debug)]
pub(crate) enum Event {
    Asked(Request<()>),
    /// Its end, with the Close frame that came.
    Ended(Option<(u16, String)>),
}

/// An upstream that sends every message back.
#[derive(Debug)]
pub(crate) struct Echo {
    pub(crate) address: SocketAddr,
    events: mpsc::UnboundedReceiver<Event>,
}

impl Echo {
    /// The next request for a WebSocket.
    pub(crate) async fn asked(&mut self) -> Request<()> {
        match soon(self.events.recv()).await.unwrap() {
            Event::Asked(request) => request,
            event @ Event::Ended(_) => panic!("{event:?}"),
        }
    }

    /// How the next WebSocket that ends does so.
    pub(crate) async fn ended(&mut self) -> Option<(u16, String)> {
        loop {
            if let Event::Ended(how) = soon(self.events.recv()).await.unwrap() {
                return how;
            }
        }
    }

    /// Whether nobody has asked it for anything.
    pub(crate) fn is_untouched(&mut self) -> bool {
        self.events.try_recv().is_err()
    }
}

/// Serves WebSockets on connections that `accept` makes of sockets. Of subprotocols it takes the last one.
pub(crate) async fn echo_on<F, R, I>(accept: F) -> Echo
where
    F: Fn(TcpStream) -> R + Send + 'static,
    R: Future<Output = Option<I>> + Send + 'static,
    I: Io + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, events) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (accepted, tell) = (accept(stream), tell.clone());
            tokio::spawn(async move {
                if let Some(stream) = accepted.await {
                    let ended = talk(stream, &tell).await;
                    let _ = tell.send(Event::Ended(ended));
                }
            });
        }
    });
    Echo { address, events }
}

pub(crate) async fn echo() -> Echo {
    echo_on(|stream| async { Some(stream) }).await
}

async fn talk(stream: impl Io, tell: &mpsc::UnboundedSender<Event>) -> Option<(u16, String)> {
    #[expect(clippy::result_large_err, reason = "the library's type")]
    let shake = |asked: &Asked, mut answer: Answer101| {
        tell.send(Event::Asked(asked.clone())).unwrap();
        let offered = asked.headers().get("sec-websocket-protocol");
        if let Some(last) = offered.and_then(|list| list.to_str().unwrap().rsplit(", ").next()) {
            answer.headers_mut().insert("sec-websocket-protocol", last.parse().unwrap());
        }
        Ok(answer)
    };
    let mut socket = accept_hdr_async(stream, shake).await.ok()?;
    let mut close = None;
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Close(Some(CloseFrame { code, reason })) = &message {
            close = Some(((*code).into(), reason.to_string()));
        }
        if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
            break;
        }
    }
    close
}

/// An upstream whose bytes a test writes itself.
#[derive(Debug)]
pub(crate) struct RawUpstream(pub(crate) TcpListener);

impl RawUpstream {
    pub(crate) async fn bind() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// Takes a connection and the head of its request.
    pub(crate) async fn asked(&self) -> (TcpStream, String) {
        soon(async {
            let (mut stream, _) = self.0.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            (stream, String::from_utf8(head).unwrap())
        })
        .await
    }

    /// Takes a connection, and answers with `answer`, in which `{accept}` stands for the right key.
    pub(crate) async fn answers(&self, answer: &str) -> TcpStream {
        let (mut stream, head) = self.asked().await;
        let answer = answer.replace("{accept}", &accept_for(&head));
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream
    }

    /// Takes a connection and opens the WebSocket.
    pub(crate) async fn opens(&self) -> TcpStream {
        self.answers(OPENS).await
    }
}

pub(crate) const OPENS: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                                Sec-WebSocket-Accept: {accept}\r\n\r\n";

/// The key that answers the one in a request's head.
pub(crate) fn accept_for(head: &str) -> String {
    let key = head.lines().find_map(|line| line.strip_prefix("sec-websocket-key: ")).unwrap_or_default();
    derive_accept_key(key.as_bytes())
}

/// A service whose WebSockets are those of the server at `address`.
pub(crate) fn forwards(auth: Auth, address: SocketAddr) -> Service {
    let url: Uri = format!("http://{address}").parse().unwrap();
    Service::new(auth, Answer::Upstream(Upstream::new(&url, None).unwrap()))
}

/// A public service at `/` before the server at `address`.
pub(crate) fn public(address: SocketAddr) -> Service {
    forwards(Auth::builder().path("/").public().build().unwrap(), address)
}

/// Sends a text and has it back.
pub(crate) async fn echoes(socket: &mut Socket, text: &str) {
    soon(socket.send(Message::text(text))).await.unwrap();
    let back = soon(socket.next()).await.unwrap().unwrap();
    assert_eq!(back, Message::text(text));
}

/// The Close frame that comes next, and that nothing but the end follows.
pub(crate) async fn closed(socket: &mut Socket) -> (u16, String) {
    let close = match soon(socket.next()).await {
        Some(Ok(Message::Close(Some(CloseFrame { code, reason })))) => (code.into(), reason.to_string()),
        other => panic!("{other:?}"),
    };
    match soon(socket.next()).await {
        None | Some(Err(tungstenite::Error::ConnectionClosed)) => close,
        other => panic!("{other:?} after {close:?}"),
    }
}

/// When all clocks start.
pub(crate) const START: UnixTime = UnixTime::from_secs(1_000_000);

/// How long the token `good` lives.
pub(crate) const LIFETIME: Duration = Duration::from_secs(60);

pub(crate) fn clock() -> ManualClock {
    ManualClock::at(START)
}

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

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.0.asked.load(SeqCst)
    }

    /// A service at `/` for those who hold the scope `feed`.
    pub(crate) fn guard(&self, clock: &ManualClock) -> AuthBuilder {
        Auth::builder().path("/").clock(Arc::new(clock.clone())).element(self.clone(), "feed")
    }
}

impl Provider for Tokens {
    fn kind(&self) -> &'static str {
        "tokens"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn try_authenticate(&self, credential: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        self.0.asked.fetch_add(1, SeqCst);
        let Credential::Bearer(bearer) = credential else { panic!("only bearer tokens come here") };
        Some(match (*self.0.mood.lock().unwrap(), bearer.token()) {
            (Mood::Away, _) => Unavailable::new("the server is away").into(),
            (Mood::Good, "good") => Outcome::known(
                Identity::new("good").with_scopes(["feed"]).with_expiry(START.saturating_add(LIFETIME)),
            ),
            (Mood::Good, "lasting") => Outcome::known(Identity::new("lasting").with_scopes(["feed"])),
            (Mood::Good, "poor") => Outcome::known(Identity::new("poor")),
            _ => Outcome::refused("unknown", "nobody knows the token"),
        })
    }

    fn authenticate<'a>(
        &'a self,
        credential: &'a Credential<'a>,
        cx: &'a Context<'a>,
    ) -> BoxFuture<'a, Outcome> {
        let outcome = self.try_authenticate(credential, cx);
        Box::pin(async move { outcome.unwrap() })
    }

    fn can_revoke(&self) -> bool {
        true
    }
}
