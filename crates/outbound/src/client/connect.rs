//! Connections.

use std::{
    error::Error,
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{
        self, Builder, ResponseFuture,
        connect::{Connection, HttpConnector, dns::GaiResolver},
    },
    rt::{TokioExecutor, TokioTimer},
};
use portcullis_core::{BoxFuture, Clock};
use tower_service::Service;

use super::{deadline::within, names::Names};
use crate::{
    ClientConfig, HttpVersion,
    error::{ConnectTimedOut, NoHttp2},
};

/// How long a connection without requests is kept.
const KEEP_IDLE: Duration = Duration::from_secs(30);
/// How many connections without requests are kept for each server.
const MAX_IDLE: usize = 32;
/// How often a server is asked for a sign of life on an HTTP/2 connection that waits for it.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// The bound on the head of an answer.
pub(super) const MAX_HEAD_BYTES: u16 = u16::MAX;
/// The bound on the lines of a head.
const MAX_HEAD_LINES: usize = 100;

type BoxError = Box<dyn Error + Send + Sync>;

/// Connections to servers of one scheme.
pub(super) enum Transport {
    Plain(legacy::Client<Bounded<HttpConnector<Names>>, Full<Bytes>>),
    Tls(legacy::Client<Bounded<HttpsConnector<HttpConnector>>, Full<Bytes>>),
}

impl Transport {
    pub(super) fn plain(config: &ClientConfig) -> Self {
        let tcp = tcp(Names::of_plain_http(config));
        Self::Plain(builder(config).build(Bounded::new(tcp, config, false)))
    }

    pub(super) fn tls(config: &ClientConfig, mut tls: rustls::ClientConfig) -> Self {
        // The connector says itself which protocols it offers, and takes offence at others.
        tls.alpn_protocols.clear();
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_only();
        let tcp = tcp(GaiResolver::new());
        let connector = match config.version {
            HttpVersion::Negotiated => connector.enable_all_versions().wrap_connector(tcp),
            HttpVersion::Http11 => connector.enable_http1().wrap_connector(tcp),
            HttpVersion::Http2 => connector.enable_http2().wrap_connector(tcp),
        };
        Self::Tls(builder(config).build(Bounded::new(
            connector,
            config,
            config.version == HttpVersion::Http2,
        )))
    }

    pub(super) fn send(&self, request: Request<Full<Bytes>>) -> ResponseFuture {
        match self {
            Self::Plain(client) => client.request(request),
            Self::Tls(client) => client.request(request),
        }
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Transport(http)",
            Self::Tls(_) => "Transport(https)",
        })
    }
}

fn tcp<R>(names: R) -> HttpConnector<R> {
    let mut tcp = HttpConnector::new_with_resolver(names);
    tcp.set_nodelay(true);
    tcp.enforce_http(false);
    tcp
}

fn builder(config: &ClientConfig) -> Builder {
    let mut builder = legacy::Client::builder(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(KEEP_IDLE)
        .pool_max_idle_per_host(MAX_IDLE)
        .http1_max_buf_size(MAX_HEAD_BYTES.into())
        .http1_max_headers(MAX_HEAD_LINES)
        .http2_max_header_list_size(u32::from(MAX_HEAD_BYTES))
        .http2_keep_alive_interval(PING_INTERVAL)
        .http2_only(config.version == HttpVersion::Http2);
    builder
}

/// A connector that gives up in time.
#[derive(Clone)]
pub(super) struct Bounded<C> {
    connector: C,
    clock: Arc<dyn Clock>,
    timeout: Duration,
    /// Whether the server must have agreed to HTTP/2.
    needs_http2: bool,
}

impl<C> Bounded<C> {
    fn new(connector: C, config: &ClientConfig, needs_http2: bool) -> Self {
        Self { connector, clock: Arc::clone(&config.clock), timeout: config.connect_timeout, needs_http2 }
    }
}

impl<C> Service<Uri> for Bounded<C>
where
    C: Service<Uri, Response: Connection, Error: Into<BoxError>, Future: Send + 'static>,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<C::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.connector.call(uri);
        let alarm = self.clock.sleep(self.timeout);
        let (timeout, needs_http2) = (self.timeout, self.needs_http2);
        Box::pin(async move {
            let connected =
                within(alarm, connecting).await.ok_or(ConnectTimedOut(timeout))?.map_err(Into::into)?;
            if needs_http2 && !connected.connected().is_negotiated_h2() {
                return Err(NoHttp2.into());
            }
            Ok(connected)
        })
    }
}
