//! Keys, certificates and trust that change while the listener serves.

use std::{sync::Arc, time::Duration};

use axum::{Router, extract::Request, routing::get};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use portcullis_axum::serve::{ListenerConfig, Stop, Stopping, TrustedProxies};
use portcullis_keys::{ServerTls, TrustAnchors};
use rustls::{
    HandshakeKind,
    version::{TLS12, TLS13},
};
use tokio::{
    sync::{Notify, mpsc},
    time::timeout,
};

use super::support::{Authority, Issued, Running, loopback};

/// No test waits longer for anything: what takes so long never comes.
const BOUND: Duration = Duration::from_secs(20);

async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(BOUND, work).await.expect("it never came")
}

fn secure(server: &Issued, clients: Option<(&TrustAnchors, bool)>) -> ListenerConfig {
    let tls = ServerTls::new(server.identity());
    let tls = match clients {
        None => tls,
        Some((anchors, true)) => tls.require_client_certificate(anchors.clone()),
        Some((anchors, false)) => tls.accept_client_certificate(anchors.clone()),
    };
    loopback().secure(tls).unwrap()
}

fn app() -> Router {
    Router::new().route("/", get(async || "here"))
}

/// A connection that is kept.
struct Kept {
    sender: http1::SendRequest<Empty<Bytes>>,
    closed: tokio::task::JoinHandle<()>,
}

impl Kept {
    async fn open(running: &Running, authority: &Authority, identity: Option<&Issued>) -> Self {
        let config = Arc::new(authority.tls(&[&TLS13], &["http/1.1"], identity));
        let stream = running.connect_tls(&config).await.unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        let closed = tokio::spawn(async { drop(connection.await) });
        let mut kept = Self { sender, closed };
        assert!(kept.answers().await);
        kept
    }

    async fn answers(&mut self) -> bool {
        let request = http::Request::get("/").header("host", "localhost").body(Empty::new()).unwrap();
        let Ok(response) = soon(self.sender.send_request(request)).await else { return false };
        response.into_body().collect().await.is_ok()
    }
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_new_connections_and_old_ones_live() {
    let authority = Authority::new();
    let [first, second] = [authority.server(), authority.server()];
    let running = Running::start(app(), &secure(&first, None)).await;
    let mut kept = Kept::open(&running, &authority, None).await;
    assert!(running.handle.reconfigure(&secure(&second, None)).is_empty());
    let config = Arc::new(authority.tls(&[&TLS13], &["http/1.1"], None));
    let stream = running.connect_tls(&config).await.unwrap();
    assert_eq!(stream.get_ref().1.peer_certificates().unwrap()[0], second.certificate);
    assert!(kept.answers().await);
}

#[tokio::test]
async fn a_session_is_resumed_by_the_same_tls_alone() {
    let authority = Authority::new();
    let server = authority.server();
    for version in [&TLS12, &TLS13] {
        let wanted = secure(&server, None);
        let running = Running::start(app(), &wanted).await;
        let config = Arc::new(authority.tls(&[version], &["http/1.1"], None));
        let kind = async || handshake(&running, &config).await.unwrap();
        assert_eq!(kind().await, HandshakeKind::Full);
        assert_eq!(kind().await, HandshakeKind::Resumed);
        // Read anew, and nothing of it changed.
        running.handle.reconfigure(&secure(&server, None).keeping_tls_of(&wanted));
        assert_eq!(kind().await, HandshakeKind::Resumed);
        // The same certificate, and another configuration: it may trust other clients.
        running.handle.reconfigure(&secure(&server, None));
        assert_eq!(kind().await, HandshakeKind::Full);
    }
}

#[tokio::test]
async fn nobody_resumes_past_a_client_authority_that_is_gone() {
    let [authority, other] = [Authority::new(), Authority::new()];
    let (server, client) = (authority.server(), authority.client());
    for version in [&TLS12, &TLS13] {
        let running = Running::start(app(), &secure(&server, Some((&authority.anchors(), true)))).await;
        let config = Arc::new(authority.tls(&[version], &["http/1.1"], Some(&client)));
        assert_eq!(handshake(&running, &config).await, Some(HandshakeKind::Full));
        assert_eq!(handshake(&running, &config).await, Some(HandshakeKind::Resumed));
        running.handle.reconfigure(&secure(&server, Some((&other.anchors(), true))));
        assert_eq!(handshake(&running, &config).await, None);
        // Nor does its session come back with it: it may have been away for a reason.
        running.handle.reconfigure(&secure(&server, Some((&authority.anchors(), true))));
        assert_eq!(handshake(&running, &config).await, Some(HandshakeKind::Full));
    }
}

/// How the handshake went of a connection that was answered; `None` where it was not.
async fn handshake(running: &Running, config: &Arc<rustls::ClientConfig>) -> Option<HandshakeKind> {
    let stream = running.connect_tls(config).await.ok()?;
    let kind = stream.get_ref().1.handshake_kind();
    // Tickets come with the answer, and so does the alert of TLS 1.3.
    let (status, _) = soon(super::support::http1(stream, super::support::get("/"))).await.ok()?;
    assert_eq!(status, 200);
    kind
}

#[tokio::test]
async fn connections_whose_client_authority_is_gone_are_closed() {
    let [authority, other] = [Authority::new(), Authority::new()];
    let (server, client) = (authority.server(), authority.client());
    let (own, others) = (authority.anchors(), other.anchors());
    for (before, after, with_certificate, closes) in [
        (Some((&own, true)), Some((&own, true)), true, false),
        (Some((&own, true)), Some((&others, true)), true, true),
        (Some((&own, true)), None, true, true),
        (Some((&own, false)), Some((&others, false)), true, true),
        (Some((&own, false)), Some((&others, false)), false, false),
        (Some((&own, false)), Some((&own, true)), false, true),
        (None, Some((&own, true)), false, true),
        (None, None, false, false),
    ] {
        let case = format!("{:?} {:?} {with_certificate}", before.map(|one| one.1), after.map(|one| one.1));
        let running = Running::start(app(), &secure(&server, before)).await;
        let mut kept = Kept::open(&running, &authority, with_certificate.then_some(&client)).await;
        running.handle.reconfigure(&secure(&server, after));
        if closes {
            soon(&mut kept.closed).await.unwrap();
            assert!(!kept.answers().await, "{case}");
        } else {
            assert!(kept.answers().await, "{case}");
            assert!(!kept.closed.is_finished(), "{case}");
        }
    }
}

#[tokio::test]
async fn what_is_in_flight_is_finished_first_over_both_versions_of_http() {
    let [authority, other] = [Authority::new(), Authority::new()];
    let (server, client) = (authority.server(), authority.client());
    for http2 in [false, true] {
        let (arrived, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let handler = {
            let (arrived, go_on) = (arrived.clone(), go_on.clone());
            async move || {
                arrived.notify_one();
                go_on.notified().await;
                "finished"
            }
        };
        let before = secure(&server, Some((&authority.anchors(), true)));
        let running = Running::start(Router::new().route("/", get(handler)), &before).await;
        let alpn = if http2 { "h2" } else { "http/1.1" };
        let config = Arc::new(authority.tls(&[&TLS13], &[alpn], Some(&client)));
        let stream = TokioIo::new(running.connect_tls(&config).await.unwrap());
        let request = http::Request::get("https://localhost/").header("host", "localhost");
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        let (answer, closed) = if http2 {
            let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
            let closed = tokio::spawn(async { drop(connection.await) });
            (tokio::spawn(async move { sender.send_request(request).await }), closed)
        } else {
            let (mut sender, connection) = http1::handshake(stream).await.unwrap();
            let closed = tokio::spawn(async { drop(connection.await) });
            (tokio::spawn(async move { sender.send_request(request).await }), closed)
        };
        soon(arrived.notified()).await;
        running.handle.reconfigure(&secure(&server, Some((&other.anchors(), true))));
        // New ones are not let in, and so the change has arrived.
        assert!(running.connect_tls(&config).await.is_err() || !http2 || !closed.is_finished());
        go_on.notify_one();
        let response = soon(answer).await.unwrap().unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "finished");
        soon(closed).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_in_flight_does_not_keep_a_client_whose_authority_is_gone_for_ever() {
    let [authority, other] = [Authority::new(), Authority::new()];
    let (server, client) = (authority.server(), authority.client());
    let arrived = Arc::new(Notify::new());
    let tell = arrived.clone();
    let handler = async move || {
        tell.notify_one();
        std::future::pending::<&str>().await
    };
    let before =
        secure(&server, Some((&authority.anchors(), true))).shutdown_timeout(Duration::from_millis(50));
    let running = Running::start(Router::new().route("/", get(handler)), &before).await;
    let config = Arc::new(authority.tls(&[&TLS13], &["http/1.1"], Some(&client)));
    let stream = TokioIo::new(running.connect_tls(&config).await.unwrap());
    let (mut sender, connection) = http1::handshake(stream).await.unwrap();
    let closed = tokio::spawn(async { drop(connection.await) });
    let request = http::Request::get("/").header("host", "localhost").body(Empty::<Bytes>::new()).unwrap();
    let answer = tokio::spawn(async move { sender.send_request(request).await.is_err() });
    soon(arrived.notified()).await;
    running.handle.reconfigure(&secure(&server, Some((&other.anchors(), true))));
    soon(closed).await.unwrap();
    assert!(soon(answer).await.unwrap());
}

#[tokio::test]
async fn what_needs_a_restart_is_said_and_the_rest_takes_effect() {
    let authority = Authority::new();
    let first = secure(&authority.server(), None);
    let running = Running::start(app(), &first).await;
    let other = "127.0.0.1:1".parse().unwrap();
    let next = first.clone().with_address(other).admin(other).max_connections(7);
    let later = running.handle.reconfigure(&next);
    assert_eq!(later, ["listener.address", "listener.admin", "listener.maxConnections"]);
    // Clear text does not replace TLS while it serves.
    assert_eq!(running.handle.reconfigure(&loopback()), ["listener.secureSocket"]);
    Kept::open(&running, &authority, None).await;
}

#[tokio::test]
async fn a_peer_that_becomes_a_proxy_has_to_come_anew() {
    let authority = Authority::new();
    let server = authority.server();
    let running = Running::start(app(), &secure(&server, None)).await;
    let mut kept = Kept::open(&running, &authority, None).await;
    let wanted = secure(&server, None);
    let proxies = |net| TrustedProxies::new([net]).unwrap();
    running.handle.reconfigure(&wanted.clone().with_trusted_proxies(proxies("192.0.2.0/24")));
    assert!(kept.answers().await);
    running.handle.reconfigure(&wanted.with_trusted_proxies(proxies("127.0.0.0/8")));
    soon(&mut kept.closed).await.unwrap();
    Kept::open(&running, &authority, None).await;
}

#[tokio::test]
async fn whoever_keeps_a_websocket_open_is_told_that_the_certificate_is_not_accepted() {
    let [authority, other] = [Authority::new(), Authority::new()];
    let (server, client) = (authority.server(), authority.client());
    let (tell, mut told) = mpsc::unbounded_channel();
    let handler = async move |request: Request| {
        if let Some(mut stopping) = Stopping::of(request.extensions()).cloned() {
            tokio::spawn(async move { tell.send(stopping.stopped().await) });
        }
        "here"
    };
    let app = Router::new().route("/", get(handler));
    let before = secure(&server, Some((&authority.anchors(), true)));
    let running = Running::start(app, &before).await;
    let mut kept = Kept::open(&running, &authority, Some(&client)).await;
    let request = http::Request::get("/").header("host", "localhost").header("connection", "upgrade");
    let request = request.header("upgrade", "websocket").header("sec-websocket-version", "13");
    let request = request.header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==").body(Empty::new()).unwrap();
    soon(kept.sender.send_request(request)).await.unwrap();
    // Other limits are no reason.
    running.handle.reconfigure(&before.clone().header_timeout(Duration::from_secs(5)));
    assert!(told.try_recv().is_err());
    running.handle.reconfigure(&secure(&server, Some((&other.anchors(), true))));
    assert_eq!(soon(told.recv()).await, Some(Stop::Certificate));
}
