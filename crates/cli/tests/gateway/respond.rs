//! Services that answer a text.

use portcullis_cli::gateway::{Answer, Service};
use portcullis_core::Auth;

use crate::support::{Http2, basic, gateway, guarded, raw, raw_open};

fn hello(text: &str) -> Service {
    Service::new(guarded("/foo").build().unwrap(), Answer::Respond(text.into()))
}

#[tokio::test]
async fn the_text_is_answered_as_ballerina_does() {
    let gateway = gateway([hello("Hello, World!")]).await;
    let reply = raw(gateway, &format!("GET /foo/bar\nAuthorization: {}", basic("alice"))).await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "Hello, World!"));
    assert_eq!(reply.all("content-type"), ["text/plain"]);
    assert_eq!(reply.all("content-length"), ["13"]);
    assert_eq!(raw(gateway, "GET /foo/bar").await.status, 401);
}

#[tokio::test]
async fn every_method_gets_the_text_and_head_its_length() {
    let gateway = gateway([hello("Hello, World!")]).await;
    for method in ["POST", "DELETE", "OPTIONS", "PATCH"] {
        let reply = raw(gateway, &format!("{method} /foo\nAuthorization: {}", basic("alice"))).await;
        assert_eq!((reply.status, reply.body.as_str()), (200, "Hello, World!"), "{method}");
    }
    let reply = raw(gateway, &format!("HEAD /foo\nAuthorization: {}", basic("alice"))).await;
    assert_eq!((reply.status, reply.body.as_str()), (200, ""));
    assert_eq!(reply.all("content-length"), ["13"]);
}

#[tokio::test]
async fn http2_gets_the_text_and_head_its_length() {
    let gateway = gateway([hello("Hello, World!")]).await;
    let mut client = Http2::connect(gateway).await;
    let alice = basic("alice");
    let response = client.get("http://a/foo", &[("authorization", &alice)]).await;
    assert_eq!((response.status().as_u16(), &response.body()[..]), (200, &b"Hello, World!"[..]));
    let request = http::Request::head("http://a/foo").header("authorization", &alice);
    let response = client.send(request.body(http_body_util::Full::default()).unwrap()).await;
    assert_eq!((response.status().as_u16(), response.body().len()), (200, 0));
    assert_eq!(response.headers()["content-length"], "13");
}

#[tokio::test]
async fn a_text_outside_ascii_says_its_charset_and_an_empty_one_is_empty() {
    let text = |text: &str| {
        Service::new(Auth::builder().path("/").public().build().unwrap(), Answer::Respond(text.into()))
    };
    let gateway_of = |service| gateway([service]);
    let reply = raw(gateway_of(text("Zoë")).await, "GET /").await;
    assert_eq!(reply.body, "Zoë");
    assert_eq!(reply.all("content-type"), ["text/plain; charset=utf-8"]);
    assert_eq!(reply.all("content-length"), ["4"]);
    let reply = raw(gateway_of(text("")).await, "GET /").await;
    assert_eq!((reply.status, reply.body.as_str()), (200, ""));
    assert_eq!(reply.all("content-length"), ["0"]);
}

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let gateway = gateway([hello("Hello, World!")]).await;
    let mut connection = raw_open(gateway).await;
    for _ in 0..3 {
        connection
            .write(format!("GET /foo HTTP/1.1\r\nHost: a\r\nAuthorization: {}\r\n\r\n", basic("alice")))
            .await;
        connection.read_until("Hello, World!").await;
        connection.write("GET /foo HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(connection.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 401"));
    }
}
