//! The layer around a plain hyper service, on a socket.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod support;

use std::{convert::Infallible, net::SocketAddr};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Body, Incoming};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use portcullis_core::{Principal, Protocol, Resource};
use portcullis_tower::{AuthLayer, ClientAddr};
use support::{hello, request};
use tokio::net::{TcpListener, TcpStream};
use tower::{Layer, ServiceExt, service_fn};

async fn greet(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let caller = Principal::of(request.extensions()).and_then(|caller| caller.subject().map(str::to_owned));
    Ok(Response::new(Full::from(format!("Hello, {}!", caller.unwrap_or_default()))))
}

/// Serves on a port of the system's choice for as long as the test lasts.
async fn serve(protocol: Protocol) -> SocketAddr {
    let auth = hello().path("/foo").resource(Resource::new("/admin").scopes("admin"));
    let auth = auth.protocol(protocol).build().unwrap();
    let service = AuthLayer::new(auth).layer(service_fn(greet));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, peer)) = listener.accept().await {
            let service = service.clone().map_request(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(ClientAddr(peer.ip()));
                request
            });
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)).await
            });
        }
    });
    address
}

#[tokio::test]
async fn plain_hyper_is_guarded_without_a_framework() {
    let address = serve(Protocol::Http).await;
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake::<_, Empty<Bytes>>(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for (method, path, token, status, body) in [
        ("GET", "/foo/bar", "", StatusCode::UNAUTHORIZED, ""),
        ("GET", "/foo/bar", "wrong", StatusCode::UNAUTHORIZED, ""),
        ("GET", "/foo/bar", "alice.other", StatusCode::FORBIDDEN, ""),
        ("GET", "/foo/admin", "alice.hello", StatusCode::FORBIDDEN, ""),
        ("GET", "/foo/bar", "alice.hello", StatusCode::OK, "Hello, alice!"),
        ("HEAD", "/foo/bar", "", StatusCode::UNAUTHORIZED, ""),
        ("POST", "/foo/bar", "bob.hello", StatusCode::OK, "Hello, bob!"),
    ] {
        let mut request: Request<Empty<Bytes>> = request(method, path, token);
        request.headers_mut().insert("host", address.to_string().parse().unwrap());
        sender.ready().await.unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), status, "{method} {path} {token}");
        if status != StatusCode::OK {
            assert_eq!(response.headers()["content-length"], "0");
            assert_eq!(response.headers()["content-type"], "text/plain");
            assert!(response.headers().contains_key("www-authenticate"));
        }
        let text = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(text, body.as_bytes());
    }
}

/// The gRPC protocol over HTTP/2, "Trailers-Only": one block of headers that ends the stream.
#[tokio::test]
async fn a_grpc_refusal_is_one_block_of_headers_on_the_wire() {
    let address = serve(Protocol::Grpc).await;
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http2::handshake::<_, _, Empty<Bytes>>(
        TokioExecutor::new(),
        TokioIo::new(stream),
    )
    .await
    .unwrap();
    tokio::spawn(connection);
    for (token, code) in [("", "16"), ("alice.other", "7"), ("away", "14")] {
        let mut request: Request<Empty<Bytes>> = request("POST", "/foo/bar", token);
        *request.uri_mut() = format!("http://{address}/foo/bar").parse().unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["grpc-status"], code);
        assert!(!response.headers().contains_key("content-length"));
        assert!(response.body().is_end_stream(), "{code}");
    }
}

#[tokio::test]
async fn over_http_1_a_grpc_service_answers_in_grpcs_way_too() {
    let address = serve(Protocol::Grpc).await;
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake::<_, Empty<Bytes>>(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut request: Request<Empty<Bytes>> = request("GET", "/foo/bar", "");
    request.headers_mut().insert("host", address.to_string().parse().unwrap());
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(
        (response.status(), &response.headers()["grpc-status"]),
        (StatusCode::OK, &"16".parse().unwrap())
    );
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "");
}
