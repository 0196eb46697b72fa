//! The end of a service.

use std::time::Duration;

use axum::{Router, extract::Request, routing::get};
use http::{
    StatusCode,
    header::{CONNECTION, UPGRADE},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{Instant, sleep, timeout},
};

use super::memory::{Server, ok, text};
use crate::serve::{ListenerConfig, Stopping};

fn server() -> Server {
    let app = Router::new()
        .route("/", get(async || "hello"))
        .route(
            "/slow",
            get(async || {
                sleep(Duration::from_secs(20)).await;
                "done"
            }),
        )
        .route("/ever", get(async || std::future::pending::<()>().await));
    Server::start(app, ListenerConfig::default())
}

#[tokio::test(start_paused = true)]
async fn requests_in_flight_are_finished_and_the_client_is_told_to_leave() {
    let mut server = server();
    let mut client = server.connect();
    client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    sleep(Duration::from_secs(1)).await;
    server.stop();
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("connection: close\r\n"), "{head}");
    assert_eq!(client.bytes(4).await, "done");
    assert_eq!(client.closed().await, Duration::ZERO);
    server.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn idle_and_new_connections_are_closed_at_once() {
    let mut server = server();
    let (mut idle, mut new, mut http2) = (server.connect(), server.connect(), server.connect_http2().await);
    assert_eq!(idle.get("/").await, ok("hello"));
    assert_eq!(text(http2.get("/").await.unwrap().into_body()).await, "hello");
    sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    server.stop();
    idle.closed().await;
    new.closed().await;
    http2.closed().await;
    server.stopped().await;
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn an_http2_client_gets_goaway_its_answer_and_no_new_stream() {
    let mut server = server();
    let mut client = server.connect_http2().await;
    let request = http::Request::get("http://a/slow").body(Default::default()).unwrap();
    let working = tokio::spawn(client.sender.send_request(request));
    sleep(Duration::from_secs(1)).await;
    server.stop();
    sleep(Duration::from_secs(1)).await;
    assert!(client.get("/").await.is_err(), "the connection takes no more requests");
    assert_eq!(text(working.await.unwrap().unwrap().into_body()).await, "done");
    client.closed().await;
    server.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_accepted_once_the_service_stops() {
    let mut server = server();
    let mut working = server.connect();
    working.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    sleep(Duration::from_secs(1)).await;
    server.stop();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(server.metric("portcullis_connections_total"), 1);
    working.answer().await;
    server.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_finished_in_time_is_cut_off() {
    let mut server = server();
    let mut client = server.connect();
    client.send("GET /ever HTTP/1.1\r\nHost: a\r\n\r\n").await;
    sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    server.stop();
    server.stopped().await;
    assert_eq!(start.elapsed(), Duration::from_secs(30));
    assert_eq!(client.io.read(&mut [0; 1]).await.unwrap_or(0), 0);
}

#[tokio::test(start_paused = true)]
async fn a_handshake_under_way_does_not_hold_up_the_end() {
    let made = portcullis_keys::SelfSigned::generate(Duration::from_secs(1_800_000_000)).unwrap();
    let tls = portcullis_keys::ServerTls::new(made.identity);
    let mut server = Server::start(Router::new(), ListenerConfig::default().secure(tls).unwrap());
    let mut silent = server.connect();
    sleep(Duration::from_secs(1)).await;
    server.stop();
    assert_eq!(silent.closed().await, Duration::ZERO);
    timeout(Duration::from_secs(1), server.stopped()).await.unwrap();
}

/// Opens what calls itself a WebSocket, and says good-bye some time after the service is told to stop.
async fn farewell(delay: Option<Duration>) -> (Server, super::memory::Client) {
    let handler = async move |mut request: Request| {
        let mut stopping = Stopping::of(request.extensions()).unwrap().clone();
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut io = TokioIo::new(upgrade.await.unwrap());
            stopping.stopped().await;
            match delay {
                Some(delay) => sleep(delay).await,
                None => std::future::pending().await,
            }
            io.write_all(b"bye").await.unwrap();
        });
        (StatusCode::SWITCHING_PROTOCOLS, [(CONNECTION, "upgrade"), (UPGRADE, "websocket")])
    };
    let app = Router::new()
        .route("/ws", get(handler))
        .route("/", get(async |request: Request| Stopping::of(request.extensions()).is_some().to_string()));
    let server = Server::start(app, ListenerConfig::default());
    assert_eq!(server.connect().get("/").await, ok("false"), "a request that opens nothing");
    let mut client = server.connect();
    client.send("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 101 "));
    (server, client)
}

#[tokio::test(start_paused = true)]
async fn a_websocket_that_wants_to_know_is_told_and_waited_for() {
    let (mut server, mut client) = farewell(Some(Duration::from_secs(5))).await;
    sleep(Duration::from_secs(3600)).await;
    let start = Instant::now();
    server.stop();
    server.stopped().await;
    assert_eq!(start.elapsed(), Duration::from_secs(5));
    assert_eq!(client.bytes(3).await, "bye");
    client.closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_websocket_that_does_not_leave_holds_up_the_end_no_longer_than_a_request() {
    let (mut server, _client) = farewell(None).await;
    let start = Instant::now();
    server.stop();
    server.stopped().await;
    assert_eq!(start.elapsed(), Duration::from_secs(30));
}

#[cfg(feature = "ws")]
#[tokio::test(start_paused = true)]
async fn a_client_that_keeps_its_websocket_from_being_closed_loses_the_connection() {
    use axum::routing::any;
    use hyper::ext::Protocol;
    use portcullis_testing::TestPrincipal;

    use crate::GuardedUpgrade;

    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let stuck = move |upgrade: GuardedUpgrade| async move {
        upgrade.on_upgrade(async move |socket| {
            std::thread::spawn(move || {
                let busy = socket.keep_busy();
                let (let_go, gone) = std::sync::mpsc::channel::<()>();
                tell.send(let_go).unwrap();
                let _ = gone.recv();
                drop(busy);
            });
        })
    };
    let app = Router::new().route("/ws", any(stuck)).layer(TestPrincipal::new("alice").layer());
    let mut server = Server::start(app, ListenerConfig::default());
    let mut client = server.connect_http2().await;
    // Only once it has seen the server's settings may a client send an extended CONNECT.
    assert_eq!(client.get("/").await.unwrap().status(), 404);
    let open = http::Request::connect("http://a/ws").header("sec-websocket-version", "13");
    let open = open.extension(Protocol::from_static("websocket")).body(Default::default()).unwrap();
    let opened = client.sender.send_request(open).await.unwrap();
    assert_eq!(opened.status(), StatusCode::OK);
    let let_go = told.recv().await.unwrap();
    server.stop();
    assert_eq!(client.closed().await, Duration::from_secs(3));
    drop(let_go);
    server.stopped().await;
}
