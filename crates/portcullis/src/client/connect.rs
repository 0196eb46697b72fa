//! Connections of a ready client on hyper.

use std::{
    error::Error,
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
    vec,
};

use http::{Uri, uri::Scheme};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{
        self,
        connect::{
            Connection, HttpConnector,
            dns::{GaiResolver, Name},
        },
    },
    rt::{TokioExecutor, TokioTimer},
};
use portcullis_core::{BoxFuture, Clock};
use portcullis_outbound::HttpVersion;
use tower_service::Service;

use super::Transport;

/// How long a connection without requests is kept.
const KEEP_IDLE: Duration = Duration::from_secs(30);
/// How often a server is asked for a sign of life on an HTTP/2 connection that waits for it.
const PING_INTERVAL: Duration = Duration::from_secs(20);

pub(super) type BoxError = Box<dyn Error + Send + Sync>;
type Https = HttpsConnector<HttpConnector<Names>>;

/// hyper-util's client.
pub(super) type Client<B> = legacy::Client<Bounded<Https>, B>;

/// hyper-util's client, whose connections are made as `transport` says.
pub(super) fn client<B>(transport: &Transport, mut tls: rustls::ClientConfig) -> Client<B>
where
    B: http_body::Body + Send,
    B::Data: Send,
{
    // The connector says itself which protocols it offers, and takes offence at others.
    tls.alpn_protocols.clear();
    let mut tcp = HttpConnector::new_with_resolver(Names(GaiResolver::new()));
    tcp.set_nodelay(true);
    tcp.enforce_http(false);
    let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
    let https = match transport.version {
        HttpVersion::Http11 => https.enable_http1().wrap_connector(tcp),
        HttpVersion::Http2 => https.enable_http2().wrap_connector(tcp),
        _ => https.enable_all_versions().wrap_connector(tcp),
    };
    legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(KEEP_IDLE)
        .http2_keep_alive_interval(PING_INTERVAL)
        .http2_only(transport.version == HttpVersion::Http2)
        .build(Bounded {
            connector: https,
            clock: Arc::clone(&transport.clock),
            timeout: transport.connect_timeout,
            needs_http2: transport.version == HttpVersion::Http2,
        })
}

/// A connector that gives up in time.
#[derive(Clone)]
pub(super) struct Bounded<C> {
    connector: C,
    clock: Arc<dyn Clock>,
    timeout: Duration,
    /// Whether a server of https must have agreed to HTTP/2.
    needs_http2: bool,
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
        let needs_http2 = self.needs_http2 && uri.scheme() == Some(&Scheme::HTTPS);
        let connecting = self.connector.call(uri);
        let (alarm, timeout) = (self.clock.sleep(self.timeout), self.timeout);
        Box::pin(async move {
            let connected = within(alarm, connecting).await.ok_or(ConnectTimedOut(timeout))?;
            let connected = connected.map_err(Into::into)?;
            if needs_http2 && !connected.connected().is_negotiated_h2() {
                return Err(NoHttp2.into());
            }
            Ok(connected)
        })
    }
}

/// What `work` gives, or `None` where `alarm` goes off before.
pub(super) async fn within<F: Future>(mut alarm: BoxFuture<'static, ()>, work: F) -> Option<F::Output> {
    let mut work = std::pin::pin!(work);
    std::future::poll_fn(|cx| {
        if let Poll::Ready(output) = work.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        ready!(alarm.as_mut().poll(cx));
        Poll::Ready(None)
    })
    .await
}

/// No connection within the time for it.
#[derive(Debug)]
pub(super) struct ConnectTimedOut(Duration);

impl fmt::Display for ConnectTimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "name, TCP and TLS took more than {:?}", self.0)
    }
}

impl Error for ConnectTimedOut {}

/// The server does not speak the version that the configuration wants.
#[derive(Debug)]
struct NoHttp2;

impl fmt::Display for NoHttp2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server does not offer HTTP/2: leave the version to it")
    }
}

impl Error for NoHttp2 {}

/// The addresses of `localhost`: where plain http may go, whatever a name service says (RFC 6761 §6.3).
pub(super) const LOCALHOST: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// Looks names up as the system does, but for `localhost`.
#[derive(Clone)]
pub(super) struct Names(GaiResolver);

impl Service<Name> for Names {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<vec::IntoIter<SocketAddr>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        if name.as_str().eq_ignore_ascii_case("localhost") {
            let addresses = LOCALHOST.map(|address| SocketAddr::new(address, 0)).to_vec();
            return Box::pin(std::future::ready(Ok(addresses.into_iter())));
        }
        let looked_up = self.0.call(name);
        Box::pin(async move { Ok(looked_up.await?.collect::<Vec<_>>().into_iter()) })
    }
}
