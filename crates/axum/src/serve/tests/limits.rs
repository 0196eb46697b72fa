//! How much a client may send, and how many clients there may be.

use std::{io, sync::Arc, time::Duration};

use axum::{Router, routing::get};
use bytes::Bytes;
use http::{Request, StatusCode, header::CONTENT_LENGTH};
use http_body_util::channel::Channel;
use portcullis_keys::{SelfSigned, ServerTls};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::Notify,
    time::{Instant, sleep},
};

use super::memory::{Server, ok};
use crate::serve::ListenerConfig;

fn app() -> Router {
    Router::new().route("/", get(async || "hello"))
}

/// A request whose line and headers have `size` bytes together.
fn head_of(size: usize) -> Vec<u8> {
    let start = "GET / HTTP/1.1\r\nHost: a\r\nX-Long: ";
    let end = "\r\n\r\n";
    let filler = "x".repeat(size - start.len() - end.len());
    [start, &filler, end].concat().into_bytes()
}

#[tokio::test(start_paused = true)]
async fn a_head_of_exactly_the_limit_is_read_and_one_byte_more_is_a_431_without_a_body() {
    for limit in [8 << 10, 20_000, 64 << 10] {
        let server = Server::start(app(), ListenerConfig::default().max_header_bytes(limit));
        let mut client = server.connect();
        client.send(head_of(limit)).await;
        assert_eq!(client.answer().await, ok("hello"), "{limit}");
        client.send(head_of(limit + 1)).await;
        let head = client.head().await;
        assert!(head.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"), "{head}");
        assert!(head.contains("content-length: 0\r\n"), "{head}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_that_never_ends_is_a_431() {
    let server = Server::start(app(), ListenerConfig::default());
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\nAuthorization: Bearer ").await;
    client.send(vec![b'.'; 1 << 20]).await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"), "{head}");
    assert!(head.contains("content-length: 0\r\n") && head.contains("connection: close\r\n"), "{head}");
    // The rest is read and thrown away for a while.
    assert!(client.closed().await <= Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn after_a_body_was_refused_its_bytes_are_thrown_away_for_a_while() {
    let server = Server::start(app(), ListenerConfig::default());
    let mut client = server.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"));
    assert_eq!(client.closed().await, Duration::ZERO, "the side that writes is closed");
    for _ in 0..3 {
        client.send(vec![0; 100_000]).await;
        sleep(Duration::from_millis(600)).await;
        assert_eq!(server.metric("portcullis_connections_open"), 1);
    }
    sleep(Duration::from_millis(300)).await;
    assert_eq!(server.metric("portcullis_connections_open"), 0);
    assert!(client.io.write_all(b"x").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn after_a_body_was_refused_over_http2_its_stream_is_not_reset_for_a_while() {
    let server = Server::start(app(), ListenerConfig::default());
    let pipe = hyper_util::rt::TokioIo::new(server.pipe(1 << 20));
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, pipe).await.unwrap();
    tokio::spawn(connection);
    let (mut body, channel) = Channel::<Bytes>::new(1);
    let request = Request::post("http://a/").body(channel).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    // More than all windows together.
    for _ in 0..30 {
        body.send_data(Bytes::from(vec![0; 100_000])).await.unwrap();
    }
    sleep(Duration::from_secs(3)).await;
    let mut refused = false;
    for _ in 0..3 {
        refused |= body.send_data(Bytes::from_static(b"x")).await.is_err();
        sleep(Duration::from_secs(1)).await;
    }
    assert!(refused);
}

#[tokio::test(start_paused = true)]
async fn more_than_a_hundred_headers_are_a_431() {
    let server = Server::start(app(), ListenerConfig::default());
    for (count, status) in [(100, "200"), (101, "431")] {
        let mut client = server.connect();
        let headers: String = (1..count).map(|number| format!("H{number}: x\r\n")).collect();
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{headers}\r\n")).await;
        let head = client.head().await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
    }
}

#[tokio::test(start_paused = true)]
async fn large_headers_over_http2_are_a_431_and_the_connection_goes_on() {
    let server = Server::start(app(), ListenerConfig::default());
    let mut client = server.connect_http2().await;
    for (size, status) in [
        (60_000, StatusCode::OK),
        (70_000, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        (100, StatusCode::OK),
    ] {
        let request =
            Request::get("http://a/").header("x-long", "x".repeat(size)).body(Default::default()).unwrap();
        // hyper's client knows the limit from the settings and sends nevertheless.
        let response = client.sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), status, "{size}");
        if status != StatusCode::OK {
            assert_eq!(response.headers().get(CONTENT_LENGTH).map(|length| length.as_bytes()), None);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn over_max_connections_the_next_one_waits_until_one_is_closed() {
    let server = Server::start(app(), ListenerConfig::default().max_connections(2));
    let (mut first, mut second, mut third) = (server.connect(), server.connect(), server.connect());
    assert_eq!(first.get("/").await, ok("hello"));
    assert_eq!(second.get("/").await, ok("hello"));
    third.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    // Paused time moves only when nobody has anything to do.
    sleep(Duration::from_secs(5)).await;
    assert_eq!(server.metric("portcullis_connections_total"), 2);
    drop(first);
    assert_eq!(third.answer().await, ok("hello"));
    assert_eq!(server.metric("portcullis_connections_total"), 3);
    assert_eq!(server.metric("portcullis_connections_open"), 2);
}

#[tokio::test(start_paused = true)]
async fn over_max_concurrent_streams_an_http2_request_waits() {
    let (entered, released) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handler = {
        let (entered, released) = (entered.clone(), released.clone());
        async move || {
            entered.notify_one();
            released.notified().await;
        }
    };
    let app = Router::new().route("/", get(handler));
    let server = Server::start(app, ListenerConfig::default().max_concurrent_streams(1));
    let mut client = server.connect_http2().await;
    let request = || Request::get("http://a/").body(Default::default()).unwrap();
    let first = tokio::spawn(client.sender.send_request(request()));
    entered.notified().await;
    let second = tokio::spawn(client.sender.send_request(request()));
    let none = tokio::time::timeout(Duration::from_secs(5), entered.notified()).await;
    assert!(none.is_err(), "the second waits");
    released.notify_one();
    assert_eq!(first.await.unwrap().unwrap().status(), StatusCode::OK);
    entered.notified().await;
    released.notify_one();
    assert_eq!(second.await.unwrap().unwrap().status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn failures_to_accept_neither_end_the_listener_nor_make_it_spin() {
    let server = Server::start(app(), ListenerConfig::default());
    let start = Instant::now();
    let too_many_open_files = || io::Error::from_raw_os_error(24);
    for _ in 0..10 {
        server.fail(too_many_open_files());
    }
    let mut client = server.connect();
    assert_eq!(client.get("/").await, ok("hello"));
    // 10 ms, doubled up to a second.
    assert_eq!(start.elapsed().as_secs(), 4);
    // A connection that is gone says nothing about the next.
    let start = Instant::now();
    for _ in 0..10 {
        server.fail(io::ErrorKind::ConnectionAborted.into());
    }
    assert_eq!(server.connect().get("/").await, ok("hello"));
    assert!(start.elapsed() < Duration::from_millis(10));
}

#[tokio::test(start_paused = true)]
async fn a_tls_handshake_that_takes_too_long_is_cut_off_and_counted() {
    let made = SelfSigned::generate(Duration::from_secs(1_800_000_000)).unwrap();
    let config = ListenerConfig::default().secure(ServerTls::new(made.identity)).unwrap();
    let server = Server::start(app(), config);
    // Silence, a hello that never ends, and no TLS at all.
    assert_eq!(server.connect().closed().await, Duration::from_secs(10));
    let start = Instant::now();
    let mut pipe = server.pipe(1024);
    while pipe.write_all(if start.elapsed().is_zero() { b"\x16\x03\x01\x02\x00" } else { b"x" }).await.is_ok()
    {
        sleep(Duration::from_secs(1)).await;
    }
    assert!(start.elapsed() <= Duration::from_secs(11), "{:?}", start.elapsed());
    let mut plain = server.pipe(1024);
    plain.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut alert = Vec::new();
    plain.read_to_end(&mut alert).await.unwrap();
    assert_eq!(alert.first(), Some(&21), "a TLS alert");
    assert_eq!(server.metric("portcullis_tls_handshake_failures_total"), 3);
    assert_eq!(server.metric("portcullis_connections_open"), 0);
}
