//! Upstreams that do not answer, or answer nonsense.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use http::{Response, StatusCode, Uri};
use portcullis_cli::gateway::{Answer, Service, Upstream};
use portcullis_core::{Auth, UnixTime};
use portcullis_testing::ManualClock;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::support::{Http2, Raw, echo, full, gateway, gateway_with, in_front_of, raw, raw_open, server};

fn at(address: SocketAddr) -> Service {
    let url: Uri = format!("http://{address}").parse().unwrap();
    let auth = Auth::builder().path("/").public().build().unwrap();
    Service::new(auth, Answer::Upstream(Upstream::new(&url, None).unwrap()))
}

async fn bind() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        read.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(read).unwrap()
}

/// An upstream that reads a request's head, writes `answer` and hangs up, once for each connection.
async fn says(answer: &'static [u8]) -> SocketAddr {
    let (listener, address) = bind().await;
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_head(&mut stream).await;
            stream.write_all(answer).await.unwrap();
        }
    });
    address
}

#[tokio::test]
async fn an_upstream_that_is_down_is_a_502_without_a_word() {
    let (listener, address) = bind().await;
    drop(listener);
    let gateway = gateway([at(address)]).await;
    let reply = raw(gateway, "GET /").await;
    assert_eq!((reply.status, reply.body.as_str()), (502, ""));
    assert_eq!(reply.all("content-type"), ["text/plain"]);
    assert_eq!(reply.all("content-length"), ["0"]);
}

#[tokio::test]
async fn an_upstream_that_breaks_off_or_talks_nonsense_is_a_502() {
    for answer in [
        &b""[..],
        b"HTTP/1.1 200",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
    ] {
        let gateway = gateway([at(says(answer).await)]).await;
        let reply = raw(gateway, "POST /\nContent-Length: 0").await;
        assert_eq!((reply.status, reply.body.as_str()), (502, ""), "{:?}", String::from_utf8_lossy(answer));
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_never_shown_as_complete() {
    let gateway_of = |answer| async move { gateway([at(says(answer).await)]).await };
    let short = gateway_of(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").await;
    let reply = raw(short, "GET /").await;
    assert_eq!(reply.all("content-length"), ["10"]);
    assert_eq!(reply.body, "hello");
    let chunked = gateway_of(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n").await;
    let reply = raw(chunked, "GET /").await;
    assert_eq!(reply.body, "5\r\nhello\r\n", "the last chunk is missing here, too");
}

#[tokio::test]
async fn a_body_that_ends_with_its_connection_is_complete_as_far_as_anybody_can_tell() {
    let gateway = gateway([at(says(b"HTTP/1.0 200 OK\r\n\r\nhello").await)]).await;
    assert_eq!(raw(gateway, "GET /").await.body, "5\r\nhello\r\n0\r\n\r\n");
}

#[tokio::test]
async fn an_answers_length_beside_its_chunks_is_not_believed() {
    let gateway_of = |answer| async move { gateway([at(says(answer).await)]).await };
    let both = gateway_of(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nb\r\nhello world\r\n0\r\n\r\n",
    )
    .await;
    let reply = raw(both, "GET /").await;
    assert_eq!((reply.all("content-length"), reply.all("transfer-encoding")), (vec![], vec!["chunked"]));
    assert_eq!(reply.body, "B\r\nhello world\r\n0\r\n\r\n");
    let reply = Http2::connect(both).await.get("http://a/", &[]).await;
    assert_eq!((reply.headers().get("content-length"), &reply.body()[..]), (None, &b"hello world"[..]));
    let length = gateway_of(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").await;
    let reply = raw(length, "GET /").await;
    assert_eq!((reply.all("content-length"), reply.body.as_str()), (vec!["5"], "hello"));
}

#[tokio::test]
async fn informational_answers_are_skipped() {
    let address = says(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n\
          HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    );
    let gateway = gateway([at(address.await)]).await;
    let reply = raw(gateway, "GET /").await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "ok"));
}

#[tokio::test]
async fn redirects_and_errors_of_the_upstream_are_the_clients_to_see() {
    let mut upstream = server(Arc::new(|seen| {
        let mut response = Response::new(full("body"));
        *response.status_mut() = match seen.target.as_str() {
            "/moved" => StatusCode::FOUND,
            "/login" => StatusCode::UNAUTHORIZED,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        response.headers_mut().insert("location", "http://evil.example/".parse().unwrap());
        response
    }))
    .await;
    let auth = Auth::builder().path("/").public().build().unwrap();
    let gateway = gateway([in_front_of(auth, &upstream)]).await;
    for (path, status) in [("/moved", 302), ("/login", 401), ("/other", 500)] {
        let reply = raw(gateway, &format!("GET {path}")).await;
        assert_eq!((reply.status, reply.body.as_str()), (status, "body"), "{path}");
        assert_eq!(reply.all("location"), ["http://evil.example/"]);
        assert_eq!(upstream.reached().len(), 1);
    }
}

#[tokio::test]
async fn connections_are_used_again() {
    let mut upstream = echo().await;
    let auth = Auth::builder().path("/").public().build().unwrap();
    let gateway = gateway([in_front_of(auth, &upstream)]).await;
    for _ in 0..5 {
        assert_eq!(raw(gateway, "POST /\nContent-Length: 0").await.status, 200);
    }
    assert_eq!((upstream.reached().len(), upstream.connections()), (5, 1));
}

#[tokio::test]
async fn a_request_that_an_upstream_may_have_seen_is_not_sent_again() {
    let (listener, address) = bind().await;
    let gateway = gateway([at(address)]).await;
    let accepted = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        // The connection was kept; it ends after the head of the second request has come.
        read_head(&mut stream).await;
        drop(stream);
        listener
    });
    assert_eq!(raw(gateway, "POST /\nContent-Length: 0").await.status, 200);
    assert_eq!(raw(gateway, "POST /\nContent-Length: 0").await.status, 502);
    let listener = accepted.await.unwrap();
    let again = tokio::select! {
        biased;
        _ = listener.accept() => true,
        () = tokio::task::yield_now() => false,
    };
    assert!(!again, "no third connection");
}

/// A gateway on a clock that stands still before an upstream that reads and is silent.
async fn silent() -> (ManualClock, SocketAddr, TcpListener) {
    let (listener, address) = bind().await;
    let clock = ManualClock::at(UnixTime::from_secs(1_000_000));
    let gateway = gateway_with([at(address)], Arc::new(clock.clone()), |_| {}).await;
    (clock, gateway, listener)
}

fn ask(gateway: SocketAddr, line: &'static str) -> JoinHandle<crate::support::Reply> {
    tokio::spawn(async move { raw(gateway, line).await })
}

#[tokio::test]
async fn an_upstream_that_is_silent_for_a_minute_is_a_504() {
    let (clock, gateway, listener) = silent().await;
    let asked = ask(gateway, "GET /");
    let (mut stream, _) = listener.accept().await.unwrap();
    read_head(&mut stream).await;
    clock.advance(Duration::from_secs(60));
    let reply = asked.await.unwrap();
    assert_eq!((reply.status, reply.body.as_str()), (504, ""));
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0, "the connection was given up");
}

#[tokio::test]
async fn a_second_less_is_not_too_long() {
    let (clock, gateway, listener) = silent().await;
    let asked = ask(gateway, "GET /");
    let (mut stream, _) = listener.accept().await.unwrap();
    read_head(&mut stream).await;
    clock.advance(Duration::from_secs(59));
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
    assert_eq!(asked.await.unwrap().status, 200);
}

#[tokio::test]
async fn a_client_that_hangs_up_ends_the_request_upstream() {
    let (_clock, gateway, listener) = silent().await;
    let mut client = raw_open(gateway).await;
    client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let (mut stream, _) = listener.accept().await.unwrap();
    read_head(&mut stream).await;
    drop(client);
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
}

async fn uploading() -> (ManualClock, Raw, TcpStream) {
    let (clock, gateway, listener) = silent().await;
    let mut client = raw_open(gateway).await;
    client.write("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 9\r\n\r\none").await;
    let (mut stream, _) = listener.accept().await.unwrap();
    read_head(&mut stream).await;
    read_exactly(&mut stream, "one").await;
    (clock, client, stream)
}

async fn read_exactly(stream: &mut TcpStream, text: &str) {
    let mut read = vec![0; text.len()];
    stream.read_exact(&mut read).await.unwrap();
    assert_eq!(read, text.as_bytes());
}

#[tokio::test]
async fn an_upload_may_take_its_time_as_long_as_it_moves() {
    let (clock, mut client, mut stream) = uploading().await;
    for part in ["two", "end"] {
        clock.advance(Duration::from_secs(59));
        client.write(part).await;
        read_exactly(&mut stream, part).await;
    }
    clock.advance(Duration::from_secs(59));
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
    assert_eq!(client.read_to_end().await.status, 200);
}

#[tokio::test]
async fn a_client_that_sends_no_more_of_its_body_for_a_minute_is_a_408() {
    let (clock, mut client, mut stream) = uploading().await;
    clock.advance(Duration::from_secs(60));
    assert_eq!(client.read_to_end().await.status, 408);
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0, "the upstream is told");
}

#[tokio::test]
async fn an_upstream_that_does_not_take_the_body_and_does_not_answer_is_a_504() {
    let (clock, gateway, listener) = silent().await;
    let mut client = raw_open(gateway).await;
    client.write("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nall").await;
    let (mut stream, _) = listener.accept().await.unwrap();
    read_head(&mut stream).await;
    read_exactly(&mut stream, "all").await;
    clock.advance(Duration::from_secs(60));
    assert_eq!(client.read_to_end().await.status, 504);
}

#[tokio::test]
async fn a_body_that_is_malformed_or_breaks_off_does_not_look_complete_to_the_upstream() {
    let mut upstream = echo().await;
    let auth = Auth::builder().path("/").public().build().unwrap();
    let gateway = gateway([in_front_of(auth, &upstream)]).await;
    let mut client = raw_open(gateway).await;
    client
        .write("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\nzz\r\n")
        .await;
    assert_eq!(client.read_to_end().await.status, 400);
    assert!(upstream.reached().iter().all(|seen| seen.body == "broken off"));
}
