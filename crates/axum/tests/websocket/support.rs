//! A listener, a provider whose mind a test changes, handlers that tell what became of their socket.

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
use http::{Request, header::AUTHORIZATION};
use portcullis_axum::{
    AuthLayer, Closed, GuardedSocket, GuardedUpgrade,
    serve::{Listener, ListenerConfig},
};
use portcullis_core::{
    Auth, AuthBuilder, BoxFuture, Context, Credential, Identity, Outcome, Provider, Reason, Resource, Scheme,
    Unavailable, UnixTime,
};
use portcullis_testing::ManualClock;
use tokio::{
    net::TcpStream,
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};
use tokio_tungstenite::tungstenite::{self, client::IntoClientRequest as _};

use crate::client::{Client, Http2};

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
            _ => Outcome::refused(Reason::Other, "nobody knows the token"),
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
            Mood::Revoked => Outcome::refused(Reason::Inactive, "the token was revoked"),
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
        Http2::connect_to(self.address).await
    }
}
