//! Bodies pass as they come: in both directions, of any length, in constant memory.

mod pipe;

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use portcullis_core::Auth;

use crate::support::{
    Frames, Http2, basic, echo, full, gateway, guarded, in_front_of, raw, raw_open, server,
};

fn open() -> Auth {
    Auth::builder().path("/").public().build().unwrap()
}

/// Bytes that pass in one body.
const LENGTH: u64 = 200 << 20;

/// Bytes that may be on their way at once. Nearly all of them are the system's: the connection to the upstream has the
/// buffers that Linux gives it, up to 32 MB. The gateway's own hold less than one.
const BOUND: u64 = 64 << 20;

#[tokio::test]
async fn two_hundred_megabytes_go_up_in_constant_memory() {
    for http2 in [false, true] {
        let peak = pipe::upload(LENGTH, http2).await;
        assert!(peak < BOUND, "{peak} bytes were on their way at once, HTTP/2 {http2}");
    }
}

#[tokio::test]
async fn two_hundred_megabytes_come_down_in_constant_memory() {
    for http2 in [false, true] {
        let peak = pipe::download(LENGTH, http2).await;
        assert!(peak < BOUND, "{peak} bytes were on their way at once, HTTP/2 {http2}");
    }
}

#[tokio::test]
async fn the_upstream_hears_the_body_before_it_is_complete_and_answers_before_that() {
    let (first, rest) = pipe::conversation().await;
    assert_eq!((first.as_str(), rest.as_str()), ("heard: one", "heard: two"));
}

#[tokio::test]
async fn lengths_are_told_as_they_are() {
    let mut upstream = echo().await;
    let gateway = gateway([in_front_of(open(), &upstream)]).await;
    for (head, body, length, coding) in [
        ("POST /\nContent-Length: 5\n", "hello", Some("5"), None),
        ("POST /\nContent-Length: 5\nContent-Length: 5\n", "hello", Some("5"), None),
        ("POST /\nContent-Length: 0\n", "", Some("0"), None),
        ("POST /\nContent_Length: 7\n", "", None, None),
        ("POST /\n", "", None, None),
        ("GET /\n", "", None, None),
        ("GET /\nContent-Length: 5\n", "hello", Some("5"), None),
        ("POST /\nTransfer-Encoding: chunked\n", "5\r\nhello\r\n0\r\n\r\n", None, Some("chunked")),
        ("GET /\nTransfer-Encoding: chunked\n", "5\r\nhello\r\n0\r\n\r\n", None, Some("chunked")),
        (
            "POST /\nTransfer-Encoding: chunked\nContent-Length: 2\n",
            "5\r\nhello\r\n0\r\n\r\n",
            None,
            Some("chunked"),
        ),
    ] {
        let mut connection = raw_open(gateway).await;
        let mut lines = head.lines();
        connection
            .write(format!("{} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n", lines.next().unwrap()))
            .await;
        for line in lines {
            connection.write(format!("{line}\r\n")).await;
        }
        connection.write(format!("\r\n{body}")).await;
        assert_eq!(connection.read_to_end().await.status, 200, "{head}");
        let seen = upstream.reached_once();
        assert_eq!(seen.body, if body.is_empty() { "" } else { "hello" }, "{head}");
        assert_eq!(seen.all("content-length"), length.into_iter().collect::<Vec<_>>(), "{head}");
        assert_eq!(seen.all("transfer-encoding"), coding.into_iter().collect::<Vec<_>>(), "{head}");
        assert!(seen.all("content_length").is_empty());
    }
}

#[tokio::test]
async fn contradictory_lengths_are_refused() {
    let mut upstream = echo().await;
    let gateway = gateway([in_front_of(open(), &upstream)]).await;
    for head in [
        "POST /\nContent-Length: 5\nContent-Length: 6",
        "POST /\nContent-Length: 5, 6",
        "POST /\nContent-Length: +5",
        "POST /\nTransfer-Encoding: gzip",
        "POST /\nTransfer-Encoding: chunked, identity",
    ] {
        assert_eq!(raw(gateway, head).await.status, 400, "{head}");
    }
    assert_eq!(upstream.reached().len(), 0);
}

#[tokio::test]
async fn a_client_that_waits_for_100_gets_it_only_once_it_is_let_in() {
    let mut upstream = echo().await;
    let gateway = gateway([in_front_of(guarded("/").build().unwrap(), &upstream)]).await;
    let head = |authorization: &str| {
        format!(
            "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\nExpect: 100-continue\r\n{authorization}\r\n"
        )
    };
    let mut connection = raw_open(gateway).await;
    connection.write(head("")).await;
    assert_eq!(connection.read_to_end().await.status, 401);
    assert_eq!(upstream.reached().len(), 0);

    let mut connection = raw_open(gateway).await;
    connection.write(head(&format!("Authorization: {}\r\n", basic("alice")))).await;
    assert_eq!(connection.read_until("\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    connection.write("hello").await;
    assert_eq!(connection.read_to_end().await.status, 200);
    let seen = upstream.reached_once();
    assert_eq!(seen.body, "hello");
    assert!(seen.all("expect").is_empty());
}

#[tokio::test]
async fn trailers_pass_in_both_directions() {
    let mut upstream = server(Arc::new(|_| {
        let trailers = HeaderMap::from_iter([("x-checksum".parse().unwrap(), "7".parse().unwrap())]);
        let frames = [Ok(Frame::data(Bytes::from_static(b"body"))), Ok(Frame::trailers(trailers))];
        let mut response = Response::new(StreamBody::new(Frames::of(frames)).boxed_unsync());
        response.headers_mut().insert("trailer", "x-checksum".parse().unwrap());
        response
    }))
    .await;
    let gateway = gateway([in_front_of(open(), &upstream)]).await;

    let mut connection = raw_open(gateway).await;
    connection
        .write(
            "POST / HTTP/1.1\r\nHost: a\r\nConnection: close, te\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\
             Trailer: x-sum\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 9\r\n\r\n",
        )
        .await;
    let reply = connection.read_to_end().await;
    assert_eq!(reply.body, "4\r\nbody\r\n0\r\nx-checksum: 7\r\n\r\n");
    let seen = upstream.reached_once();
    assert_eq!(seen.trailers["x-sum"], "9");
    assert_eq!(seen.all("te"), ["trailers"]);
    assert_eq!(seen.all("connection"), ["te"]);

    let mut client = Http2::connect(gateway).await;
    let trailers = HeaderMap::from_iter([("x-sum".parse().unwrap(), "9".parse().unwrap())]);
    let frames =
        [Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"hello"))), Ok(Frame::trailers(trailers))];
    let request = Request::post("http://a/").header("te", "trailers").header("trailer", "x-sum");
    let request = request.body(StreamBody::new(Frames::of(frames))).unwrap();
    let (response, trailers) = client.send_for_trailers(request).await;
    assert_eq!(response.body(), "body");
    assert_eq!(trailers["x-checksum"], "7");
    assert_eq!(upstream.reached_once().trailers["x-sum"], "9");
}

#[tokio::test]
async fn answers_without_bodies_stay_as_they_are() {
    let upstream = server(Arc::new(|seen| {
        let status: u16 = seen.target.trim_start_matches('/').parse().unwrap();
        let body = if seen.method == "HEAD" || status != 200 { "" } else { "upstream" };
        let mut response = Response::new(full(body));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        if seen.method == "HEAD" {
            response.headers_mut().insert("content-length", "1234".parse().unwrap());
        }
        response.headers_mut().insert("etag", "\"x\"".parse().unwrap());
        response
    }))
    .await;
    let gateway = gateway([in_front_of(open(), &upstream)]).await;
    for (line, length) in
        [("GET /204", vec![]), ("GET /304", vec![]), ("HEAD /200", vec!["1234"]), ("GET /404", vec!["0"])]
    {
        let reply = raw(gateway, line).await;
        assert_eq!(reply.status.to_string(), line[line.len() - 3..], "{line}");
        assert_eq!((reply.all("content-length"), reply.body.as_str()), (length, ""), "{line}");
        assert_eq!(reply.all("etag"), ["\"x\""]);
    }
    let mut client = Http2::connect(gateway).await;
    let request = Request::head("http://a/200").body(Full::<Bytes>::default()).unwrap();
    let response = client.send(request).await;
    assert_eq!((response.headers()["content-length"].to_str().unwrap(), response.body().len()), ("1234", 0));
}
