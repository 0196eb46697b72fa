//! Who waits for a client, and for how long.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    routing::{get, post},
};
use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt as _, channel::Channel};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{Instant, sleep},
};

use super::memory::{Server, ok, text};
use crate::serve::ListenerConfig;

const SECOND: Duration = Duration::from_secs(1);
const HEADER: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(60);

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A body of two words with ten minutes before the second, and after it.
fn slow_words() -> Body {
    let (mut sender, body) = Channel::<Bytes>::new(1);
    tokio::spawn(async move {
        for word in ["first ", "last"] {
            sender.send_data(Bytes::from(word)).await.unwrap();
            sleep(seconds(600)).await;
        }
    });
    Body::new(body)
}

fn app() -> Router {
    Router::new()
        .route("/", get(async || "hello"))
        .route(
            "/late",
            get(async || {
                sleep(seconds(300)).await;
                "late"
            }),
        )
        .route("/stream", get(async || slow_words()))
        .route("/zeros", get(async || vec![0; 1 << 20]))
        .route(
            "/echo",
            post(async |body: Body| match to_bytes(body, 1 << 20).await {
                Ok(bytes) => (StatusCode::OK, bytes),
                Err(_) => (StatusCode::BAD_REQUEST, Bytes::new()),
            }),
        )
}

fn server() -> Server {
    Server::start(app(), ListenerConfig::default())
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_request_is_closed_after_the_header_timeout() {
    let server = server();
    assert_eq!(server.connect().closed().await, HEADER);
    assert_eq!(server.metric("portcullis_connections_open"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_comes_byte_by_byte_is_cut_off_at_the_header_timeout() {
    let server = server();
    let mut client = server.connect();
    let start = Instant::now();
    for byte in b"GET / HTTP/1.1\r\nHost: a\r\n" {
        if client.io.write_all(&[*byte]).await.is_err() {
            break;
        }
        sleep(SECOND).await;
    }
    client.closed().await;
    assert_eq!(start.elapsed(), HEADER + SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_comes_in_time_is_answered() {
    let server = server();
    let mut client = server.connect();
    client.send("GET / HTT").await;
    sleep(HEADER - SECOND).await;
    client.send("P/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.answer().await, ok("hello"));
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_kept_between_requests_for_the_idle_timeout_and_not_longer() {
    let server = server();
    let mut client = server.connect();
    for _ in 0..3 {
        assert_eq!(client.get("/").await, ok("hello"));
        sleep(IDLE - SECOND).await;
    }
    assert_eq!(client.get("/").await, ok("hello"));
    assert_eq!(client.closed().await, IDLE);
}

#[tokio::test(start_paused = true)]
async fn the_head_of_a_later_request_has_the_header_timeout_from_its_first_byte() {
    let server = server();
    let mut client = server.connect();
    assert_eq!(client.get("/").await, ok("hello"));
    sleep(seconds(30)).await;
    client.send("G").await;
    assert_eq!(client.closed().await, HEADER);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_takes_its_time_is_not_idle() {
    let server = server();
    let mut client = server.connect();
    assert_eq!(client.get("/late").await, ok("late"));
    assert_eq!(client.closed().await, IDLE, "and idleness begins with the answer");
}

#[tokio::test(start_paused = true)]
async fn a_response_that_streams_is_not_idle() {
    let server = server();
    let mut client = server.connect();
    client.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!(client.bytes(11).await, "6\r\nfirst \r\n");
    assert_eq!(client.bytes(9).await, "4\r\nlast\r\n");
    assert_eq!(client.bytes(5).await, "0\r\n\r\n");
    assert_eq!(client.get("/").await, ok("hello"));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_waited_for_as_long_as_the_idle_timeout() {
    let server = server();
    let mut client = server.connect();
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na").await;
    sleep(IDLE - SECOND).await;
    client.send("b").await;
    let took = client.closed().await;
    assert!((IDLE..=IDLE * 2).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_keeps_moving_is_taken() {
    let server = server();
    let mut client = server.connect();
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n").await;
    for byte in b"hello" {
        sleep(IDLE - SECOND).await;
        client.send([*byte]).await;
    }
    assert_eq!(client.answer().await, ok("hello"));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_take_its_answer_is_cut_off() {
    let server = server();
    let mut pipe = server.pipe(1024);
    pipe.write_all(b"GET /zeros HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    sleep(IDLE - SECOND).await;
    assert_eq!(server.metric("portcullis_connections_open"), 1);
    sleep(SECOND * 2).await;
    assert_eq!(server.metric("portcullis_connections_open"), 0);
    let mut rest = Vec::new();
    pipe.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest.len(), 1024, "no more than the pipe held");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_its_answer_slowly_gets_it() {
    let server = server();
    let mut pipe = server.pipe(64 << 10);
    pipe.write_all(b"GET /zeros HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut taken = 0;
    let mut space = vec![0; 64 << 10];
    loop {
        sleep(IDLE / 2).await;
        match pipe.read(&mut space).await.unwrap() {
            0 => break,
            count => taken += count,
        }
    }
    assert!(taken > 1 << 20, "{taken}");
}

#[tokio::test(start_paused = true)]
async fn an_http2_connection_without_streams_is_told_to_leave_after_the_idle_timeout() {
    let server = server();
    let mut client = server.connect_http2().await;
    let response = client.get("/").await.unwrap();
    assert_eq!(text(response.into_body()).await, "hello");
    assert_eq!(client.closed().await, IDLE);
    assert_eq!(server.metric("portcullis_connections_open"), 0);
}

#[tokio::test(start_paused = true)]
async fn an_http2_stream_that_says_nothing_is_not_idle() {
    let server = server();
    let mut client = server.connect_http2().await;
    let mut body = client.get("/stream").await.unwrap().into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "first ");
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "last");
    assert_eq!(client.get("/late").await.unwrap().status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn an_http2_client_that_asks_for_nothing_is_closed() {
    let server = server();
    let mut pipe = server.pipe(1 << 20);
    let start = Instant::now();
    // The preface, empty SETTINGS, and then PING for ever.
    pipe.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    while pipe.write_all(b"\0\0\x08\x06\0\0\0\0\0\0\0\0\0\0\0\0\0").await.is_ok() {
        sleep(SECOND).await;
    }
    assert!(start.elapsed() <= HEADER + SECOND, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_http2_client_that_is_told_to_leave_and_stays_is_cut_off() {
    let server = server();
    let mut pipe = server.pipe(1 << 20);
    let start = Instant::now();
    // The preface, SETTINGS, and GET / of a client that acknowledges nothing.
    pipe.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    pipe.write_all(b"\0\0\x06\x01\x05\0\0\0\x01\x82\x84\x86\x41\x01a").await.unwrap();
    let mut answer = Vec::new();
    pipe.read_to_end(&mut answer).await.unwrap();
    assert!(answer.windows(5).any(|five| five == b"hello"));
    assert!(start.elapsed() > IDLE, "{:?}", start.elapsed());
    assert!(start.elapsed() <= IDLE * 2, "{:?}", start.elapsed());
}

/// A body of pieces of so many bytes without end, and when it was given up.
fn endless(piece: usize) -> (Router, Arc<Mutex<Option<Instant>>>) {
    let ended = Arc::new(Mutex::new(None));
    let app = {
        let ended = Arc::clone(&ended);
        app().route(
            "/endless",
            get(async move || {
                let (mut sender, body) = Channel::<Bytes>::new(1);
                tokio::spawn(async move {
                    while sender.send_data(Bytes::from(vec![0; piece])).await.is_ok() {}
                    *ended.lock().unwrap() = Some(Instant::now());
                });
                Body::new(body)
            }),
        )
    };
    (app, ended)
}

#[tokio::test(start_paused = true)]
async fn an_http2_client_that_does_not_take_an_answer_loses_that_and_no_other() {
    for (piece, patience) in [(16, IDLE), (200 << 10, IDLE + seconds(100)), (8 << 20, IDLE + seconds(600))] {
        let (app, ended) = endless(piece);
        let server = Server::start(app, ListenerConfig::default());
        let mut client = server.connect_http2_with_window(16).await;
        let start = Instant::now();
        let mut stalled = client.get("/endless").await.unwrap().into_body();
        let mut stream = client.get("/stream").await.unwrap().into_body();
        assert_eq!(stream.frame().await.unwrap().unwrap().into_data().unwrap(), "first ");
        while start.elapsed() < patience - SECOND {
            assert_eq!(text(client.get("/").await.unwrap().into_body()).await, "hello");
            sleep(SECOND).await;
        }
        assert_eq!(*ended.lock().unwrap(), None);
        sleep(SECOND * 2).await;
        let ended = ended.lock().unwrap().expect("its sender knows");
        assert_eq!((ended - start).as_secs(), patience.as_secs());
        let mut taken = 0;
        let error = loop {
            match stalled.frame().await.unwrap() {
                Ok(frame) => taken += frame.into_data().unwrap().len(),
                Err(error) => break error,
            }
        };
        assert!(taken <= 16 && error.to_string().contains("error"), "{taken} {error}");
        assert_eq!(stream.frame().await.unwrap().unwrap().into_data().unwrap(), "last");
        assert_eq!(text(client.get("/").await.unwrap().into_body()).await, "hello");
        assert_eq!(server.metric("portcullis_connections_open"), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_http2_client_that_takes_its_answer_slowly_gets_it() {
    let (app, ended) = endless(16);
    let server = Server::start(app, ListenerConfig::default());
    let mut client = server.connect_http2_with_window(16).await;
    let mut body = client.get("/endless").await.unwrap().into_body();
    for _ in 0..20 {
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap().len(), 16);
        sleep(IDLE - SECOND).await;
    }
    assert_eq!(*ended.lock().unwrap(), None);
    drop(body);
    sleep(SECOND).await;
    assert!(ended.lock().unwrap().is_some());
}
