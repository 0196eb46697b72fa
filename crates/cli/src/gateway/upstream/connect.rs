//! Connections to an upstream.

use std::{
    error::Error,
    fmt,
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{self, Builder, ResponseFuture, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use portcullis_core::{BoxFuture, Clock};
use tower_service::Service;

use crate::gateway::body::{BoxError, Outgoing};

/// How long connecting may take: looking the name up, TCP and TLS together.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection without requests is kept.
const KEEP_IDLE: Duration = Duration::from_secs(30);

/// How many connections without requests are kept.
const MAX_IDLE: usize = 128;

/// How often the server is asked for a sign of life on an HTTP/2 connection that waits for it.
const PING_INTERVAL: Duration = Duration::from_secs(20);

/// How long a WebSocket may be quiet before the system asks whether the other machine is there at all.
const TCP_KEEP_ALIVE: Duration = Duration::from_secs(60);

/// How much of an answer over HTTP/2 comes before the client takes it.
const STREAM_WINDOW: u32 = 256 * 1024;

/// How much of all answers on a connection. RFC 9113 §6.9.1: "A sender MUST NOT allow a flow-control window to exceed
/// 2^31-1 octets." All callers share the connection, so it must never be what those who read slowly use up.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;

/// What is spoken on connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaks {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, without being asked (RFC 9113 §3.3).
    Http2,
    /// Over TLS, whatever the two agree on.
    Negotiated,
    /// HTTP/1.1, on connections that are used once and then become something else.
    Upgrades,
}

#[derive(Clone)]
pub(super) enum Client {
    Plain(legacy::Client<Bounded<HttpConnector>, Outgoing>),
    Tls(legacy::Client<Bounded<HttpsConnector<HttpConnector>>, Outgoing>),
}

impl Client {
    pub(super) fn new(tls: Option<&rustls::ClientConfig>, speaks: Speaks, clock: &Arc<dyn Clock>) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        if speaks == Speaks::Upgrades {
            tcp.set_keepalive(Some(TCP_KEEP_ALIVE));
        }
        let clock = Arc::clone(clock);
        let builder = builder(speaks);
        let Some(tls) = tls else {
            return Self::Plain(builder.build(Bounded { connector: tcp, clock }));
        };
        let mut tls = tls.clone();
        // Whatever the configuration says: what is offered is what is spoken.
        tls.alpn_protocols = match speaks {
            Speaks::Upgrades | Speaks::Http1 => vec![b"http/1.1".to_vec()],
            Speaks::Http2 => vec![b"h2".to_vec()],
            Speaks::Negotiated => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        };
        let mut connector = HttpsConnector::from((tcp, tls));
        connector.enforce_https();
        Self::Tls(builder.build(Bounded { connector, clock }))
    }

    pub(super) fn request(&self, request: Request<Outgoing>) -> ResponseFuture {
        match self {
            Self::Plain(client) => client.request(request),
            Self::Tls(client) => client.request(request),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Client(http)",
            Self::Tls(_) => "Client(https)",
        })
    }
}

fn builder(speaks: Speaks) -> Builder {
    let mut builder = legacy::Client::builder(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(KEEP_IDLE)
        .pool_max_idle_per_host(if speaks == Speaks::Upgrades { 0 } else { MAX_IDLE })
        .http2_only(speaks == Speaks::Http2)
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keep_alive_interval(PING_INTERVAL);
    builder
}

/// A connector that gives up after [`CONNECT_TIMEOUT`].
#[derive(Clone)]
pub(super) struct Bounded<C> {
    connector: C,
    clock: Arc<dyn Clock>,
}

impl<C> Service<Uri> for Bounded<C>
where
    C: Service<Uri, Error: Into<BoxError>, Future: Send + 'static>,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<C::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.connector.call(uri);
        let mut alarm = self.clock.sleep(CONNECT_TIMEOUT);
        Box::pin(async move {
            let mut connecting = pin!(connecting);
            poll_fn(|cx| match connecting.as_mut().poll(cx) {
                Poll::Ready(connected) => Poll::Ready(connected.map_err(Into::into)),
                Poll::Pending => alarm.as_mut().poll(cx).map(|()| Err(ConnectTimedOut.into())),
            })
            .await
        })
    }
}

/// No connection within [`CONNECT_TIMEOUT`].
#[derive(Debug)]
pub(super) struct ConnectTimedOut;

impl fmt::Display for ConnectTimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no connection within {} s", CONNECT_TIMEOUT.as_secs())
    }
}

impl Error for ConnectTimedOut {}
