//! Clear text, and what is seen only over real sockets.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{Router, body::Body, routing::post};
use http::{Request, Response, StatusCode, Version};
use portcullis_axum::serve::{Listener, RequestBody};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::Notify,
};

use crate::support::{Running, get, http1, http2, loopback};

#[tokio::test]
async fn http_1_and_2_are_spoken_in_clear_text() {
    let app = Router::new().route("/", axum::routing::get(async |version: Version| format!("{version:?}")));
    let server = Running::start(app, &loopback()).await;
    let answer = http1(server.connect().await, get("/")).await.unwrap();
    assert_eq!(answer, (200, "HTTP/1.1".to_owned()));
    let answer = http2(server.connect().await, get("http://localhost/")).await.unwrap();
    assert_eq!(answer, (200, "HTTP/2.0".to_owned()));
}

#[tokio::test]
async fn a_time_out_without_end_is_one_of_a_day_and_no_panic() {
    let config = loopback()
        .handshake_timeout(Duration::MAX)
        .header_timeout(Duration::MAX)
        .idle_timeout(Duration::MAX)
        .shutdown_timeout(Duration::MAX);
    let server = Running::start(Router::new(), &config).await;
    let answer = http1(server.connect().await, get("/")).await.unwrap();
    assert_eq!(answer, (404, String::new()));
}

#[tokio::test]
async fn any_tower_service_is_served() {
    let service = tower::service_fn(async |request: Request<RequestBody>| {
        Ok::<_, Infallible>(Response::new(request.uri().path().to_owned()))
    });
    let listener = Listener::bind(&loopback()).await.unwrap();
    let address = listener.local_addr();
    tokio::spawn(listener.serve_with_shutdown(service, std::future::pending()));
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    assert_eq!(http1(stream, get("/some/path")).await.unwrap(), (200, "/some/path".to_owned()));
}

#[tokio::test]
async fn a_megabyte_of_headers_is_a_431_that_arrives() {
    let server = Running::start(Router::new(), &loopback()).await;
    for _ in 0..5 {
        let mut stream = server.connect().await;
        let dots = vec![b'.'; 1 << 20];
        stream
            .write_all(&[b"GET / HTTP/1.1\r\nAuthorization: Bearer ", dots.as_slice()].concat())
            .await
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\n"), "no body: {answer}");
    }
}

#[tokio::test]
async fn the_answer_to_a_body_that_nobody_reads_arrives() {
    let app = Router::new().route("/", post(async || (StatusCode::UNAUTHORIZED, "")));
    let server = Running::start(app, &loopback()).await;
    for _ in 0..5 {
        let mut stream = server.connect().await;
        let length = 16 << 20;
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&vec![0; length]).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 401 Unauthorized\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn a_large_body_passes_both_ways() {
    let app = Router::new().route("/", post(async |body: Body| body));
    let server = Running::start(app, &loopback()).await;
    let text = "0123456789abcdef".repeat(1 << 18);
    let request =
        || Request::post("http://localhost/").header("host", "localhost").body(text.clone().into()).unwrap();
    assert_eq!(http1(server.connect().await, request()).await.unwrap(), (200, text.clone()));
    assert_eq!(http2(server.connect().await, request()).await.unwrap(), (200, text.clone()));
}

#[tokio::test]
async fn a_request_in_flight_is_answered_and_no_connection_is_taken_when_the_service_stops() {
    let (entered, released) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handler = {
        let (entered, released) = (entered.clone(), released.clone());
        async move || {
            entered.notify_one();
            released.notified().await;
            "done"
        }
    };
    let app = Router::new().route("/", axum::routing::get(handler));
    let server = Running::start(app, &loopback()).await;
    let address = server.address;
    let client = tokio::spawn(http1(server.connect().await, get("/")));
    entered.notified().await;
    let stopped = server.stop();
    // The listening socket is closed: connecting fails from some moment on.
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    released.notify_one();
    assert_eq!(client.await.unwrap().unwrap(), (200, "done".to_owned()));
    stopped.await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn sigterm_ends_the_service_once_requests_are_answered() {
    let (entered, released) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handler = {
        let (entered, released) = (entered.clone(), released.clone());
        async move || {
            entered.notify_one();
            released.notified().await;
            "done"
        }
    };
    let listener = Listener::bind(&loopback()).await.unwrap();
    let address = listener.local_addr();
    let service = tokio::spawn(listener.serve(Router::new().route("/", axum::routing::get(handler))));
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let client = tokio::spawn(http1(stream, get("/")));
    // It serves, so it also waits for signals.
    entered.notified().await;
    let kill = tokio::task::spawn_blocking(|| {
        // The shell's own `kill`: a bare machine has no other.
        let id = std::process::id().to_string();
        std::process::Command::new("sh").args(["-c", "kill -TERM \"$1\"", "sh", &id]).status()
    });
    assert!(kill.await.unwrap().unwrap().success());
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    released.notify_one();
    assert_eq!(client.await.unwrap().unwrap(), (200, "done".to_owned()));
    service.await.unwrap().unwrap();
}
