//! The proxy: each fault does what it says, and is over when it is taken back.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use std::{io::ErrorKind, time::Duration};

use bytes::Bytes;
use common::{Plain, client, request, send};
use http::{Method, Response, StatusCode};
use portcullis_testing::{Fault, FaultProxy, TestServer};
use tokio::net::TcpStream;

const BODY: &str = "sixteen letters.";

async fn pair() -> (TestServer, FaultProxy) {
    let server = TestServer::start(|_| Response::new(Bytes::from_static(BODY.as_bytes()))).await;
    let proxy = FaultProxy::start(server.address()).await;
    (server, proxy)
}

async fn ask(client: &Plain, proxy: &FaultProxy) -> Result<(StatusCode, Bytes), String> {
    let answer = send(client, request(Method::GET, &proxy.origin(), "")).await?;
    Ok((answer.status(), answer.into_body()))
}

async fn is_right(client: &Plain, proxy: &FaultProxy) {
    assert_eq!(ask(client, proxy).await, Ok((StatusCode::OK, Bytes::from_static(BODY.as_bytes()))));
}

#[tokio::test]
async fn without_a_fault_requests_go_through_and_connections_are_kept() {
    let ((server, proxy), client) = (pair().await, client());
    for _ in 0..3 {
        is_right(&client, &proxy).await;
    }
    assert_eq!((proxy.connections(), server.connections(), server.call_count()), (1, 1, 3));
    proxy.connected(1).await;
}

#[tokio::test]
async fn an_answer_in_the_servers_place_never_reaches_it() {
    let ((server, proxy), client) = (pair().await, client());
    is_right(&client, &proxy).await;
    proxy.set(Fault::Answer(StatusCode::INTERNAL_SERVER_ERROR)).await;
    // On the kept connection, and on a new one.
    for _ in 0..2 {
        assert_eq!(ask(&client, &proxy).await, Ok((StatusCode::INTERNAL_SERVER_ERROR, Bytes::new())));
    }
    proxy.set(Fault::None).await;
    is_right(&client, &proxy).await;
    assert_eq!(server.call_count(), 2);
}

#[tokio::test]
async fn garbage_is_no_answer() {
    let (server, proxy) = pair().await;
    proxy.set(Fault::Garbage).await;
    let error = ask(&client(), &proxy).await.unwrap_err();
    assert!(error.contains("Parse"), "{error}");
    assert_eq!(server.call_count(), 0);
    proxy.set(Fault::None).await;
    is_right(&client(), &proxy).await;
}

#[tokio::test]
async fn an_answer_is_cut_after_so_many_bytes() {
    let (server, proxy) = pair().await;
    for fault in [Fault::CutAfter(0), Fault::CutAfter(20)] {
        proxy.set(fault).await;
        let error = ask(&client(), &proxy).await.unwrap_err();
        assert!(error.contains("IncompleteMessage") || error.contains("reset"), "{fault:?}: {error}");
    }
    // Longer than the head, shorter than head and body.
    proxy.set(Fault::None).await;
    let whole = raw(&proxy).await.len();
    proxy.set(Fault::CutAfter(whole - 3)).await;
    assert_eq!(raw(&proxy).await.len(), whole - 3);
    proxy.set(Fault::CutAfter(whole + 1)).await;
    assert_eq!(raw(&proxy).await.len(), whole);
    assert_eq!(server.call_count(), 5);
}

/// Everything that comes back to one request.
async fn raw(proxy: &FaultProxy) -> Vec<u8> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.unwrap();
    all
}

#[tokio::test]
async fn a_late_answer_and_a_slow_one_are_whole() {
    let (server, proxy) = pair().await;
    for fault in [Fault::Delay(Duration::from_millis(1)), Fault::Drip(Duration::from_millis(1))] {
        proxy.set(fault).await;
        is_right(&client(), &proxy).await;
    }
    assert_eq!(server.call_count(), 2);
}

#[tokio::test]
async fn a_delay_that_is_taken_back_ends_at_once() {
    let (server, proxy) = pair().await;
    let hour = Duration::from_secs(3600);
    for (count, fault) in [(1, Fault::Delay(hour)), (2, Fault::Drip(hour))] {
        proxy.set(fault).await;
        let url = proxy.origin();
        let waiting = tokio::spawn(async move { send(&client(), request(Method::GET, &url, "")).await });
        server.called(count).await;
        proxy.set(Fault::None).await;
        assert_eq!(waiting.await.unwrap().unwrap().body(), BODY);
    }
}

#[tokio::test]
async fn nothing_comes_out_of_a_black_hole() {
    let ((server, proxy), client) = (pair().await, client());
    proxy.set(Fault::BlackHole).await;
    let (url, held) = (proxy.origin(), client.clone());
    let waiting = tokio::spawn(async move { send(&held, request(Method::GET, &url, "")).await });
    proxy.connected(1).await;
    proxy.cut().await;
    assert!(waiting.await.unwrap().is_err());
    assert_eq!(server.call_count(), 0);
    // A cut takes no fault back.
    assert!(format!("{proxy:?}").contains("BlackHole"), "{proxy:?}");
    proxy.set(Fault::None).await;
    is_right(&client, &proxy).await;
}

#[tokio::test]
async fn a_refused_connection_is_refused_and_an_open_one_is_cut() {
    let ((server, proxy), client) = (pair().await, client());
    is_right(&client, &proxy).await;
    let hold = server.hold();
    let (url, held) = (proxy.origin(), client.clone());
    let waiting = tokio::spawn(async move { send(&held, request(Method::GET, &url, "")).await });
    server.called(2).await;
    proxy.set(Fault::Refuse).await;
    assert!(waiting.await.unwrap().is_err());
    let refused = TcpStream::connect(proxy.address()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    drop(hold);
    proxy.set(Fault::None).await;
    is_right(&client, &proxy).await;
}

#[tokio::test]
async fn a_half_closed_connection_ends_on_the_side_of_the_server_alone() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let ((server, proxy), client) = (pair().await, client());
    is_right(&client, &proxy).await;
    let mut before = TcpStream::connect(proxy.address()).await.unwrap();
    proxy.connected(2).await;
    proxy.set(Fault::HalfClose).await;
    // It ends without a question …
    assert_eq!(before.read(&mut [0; 8]).await.unwrap(), 0);
    // … and questions are taken in all the same, on one that is new as well.
    before.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert_eq!(raw(&proxy).await, b"");
    assert_eq!(server.call_count(), 1);
    proxy.set(Fault::None).await;
    is_right(&common::client(), &proxy).await;
}
