//! A listener with a gateway, upstreams that speak WebSocket or only raw bytes, and clients of both versions of HTTP.

mod client;
mod tokens;
mod upstream;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use http::Uri;
use portcullis_axum::serve::{Listener, ListenerConfig};
use portcullis_cli::gateway::{Answer, Gateway, Service, Upstream};
use portcullis_core::{Auth, Clock, SystemClock};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};
use tokio_tungstenite::WebSocketStream;

pub(crate) use self::{
    client::{Http2, KEY, ask, closed, connect, echoes, open, refusal},
    tokens::{LIFETIME, Mood, Tokens, clock},
    upstream::{OPENS, RawUpstream, accept_for, echo, echo_on},
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

/// A service whose WebSockets are those of the server at `address`.
pub(crate) fn forwards(auth: Auth, address: SocketAddr) -> Service {
    let url: Uri = format!("http://{address}").parse().unwrap();
    Service::new(auth, Answer::Upstream(Upstream::new(&url, None).unwrap()))
}

/// A public service at `/` before the server at `address`.
pub(crate) fn public(address: SocketAddr) -> Service {
    forwards(Auth::builder().path("/").public().build().unwrap(), address)
}
