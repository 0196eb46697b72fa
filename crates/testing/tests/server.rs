//! What every test server does: it remembers, hangs, goes away, fails, and comes back.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use std::io::ErrorKind;

use bytes::Bytes;
use common::{client, get, request, send};
use http::{Method, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use portcullis_keys::{ClientTls, Identity, SelfSigned, ServerTls, TrustAnchors, parse_certificates};
use portcullis_testing::{TestServer, TestTls};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

async fn server() -> TestServer {
    TestServer::start(|call| Response::new(Bytes::from(format!("{} {}", call.method, call.path())))).await
}

#[tokio::test]
async fn requests_are_remembered_in_full_and_in_order() {
    let server = server().await;
    let first = get(&format!("{}/one?x=1", server.origin())).await.unwrap();
    assert_eq!((first.status(), first.body().as_ref()), (StatusCode::OK, &b"GET /one"[..]));
    let mut second = request(Method::POST, &format!("{}/two", server.origin()), "a=1&a=2&b=%26");
    second.headers_mut().insert("x-note", "here".parse().unwrap());
    send(&client(), second).await.unwrap();

    let calls = server.calls();
    assert_eq!(server.call_count(), 2);
    assert_eq!((calls[0].path(), calls[0].uri.query()), ("/one", Some("x=1")));
    assert_eq!((&calls[1].method, calls[1].header("x-note")), (&Method::POST, Some("here")));
    assert_eq!(calls[1].body, "a=1&a=2&b=%26");
    assert_eq!(calls[1].parameter("b").as_deref(), Some("&"));
    assert_eq!(calls[1].parameter("a"), None, "two of a name are not one");
    assert_eq!(calls[1].parameters().len(), 3);
}

#[tokio::test]
async fn a_kept_connection_is_one_connection() {
    let (server, client) = (server().await, client());
    for _ in 0..3 {
        send(&client, request(Method::GET, &server.origin(), "")).await.unwrap();
    }
    assert_eq!((server.call_count(), server.connections()), (3, 1));
    get(&server.origin()).await.unwrap();
    assert_eq!((server.call_count(), server.connections()), (4, 2));
}

#[tokio::test]
async fn a_held_server_answers_when_the_last_guard_is_gone() {
    let server = server().await;
    let (first, second) = (server.hold(), server.hold());
    let url = server.origin();
    let waiting = tokio::spawn(async move { get(&url).await.unwrap().status() });
    server.called(1).await;
    first.release();
    // An answer made before this line would be 200.
    server.fail_with(StatusCode::IM_A_TEAPOT);
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    drop(second);
    assert_eq!(waiting.await.unwrap(), StatusCode::IM_A_TEAPOT);
    server.recover();
    assert_eq!(get(&server.origin()).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_server_that_goes_down_refuses_and_cuts_and_comes_back_on_its_port() {
    let server = server().await;
    let mut kept = TcpStream::connect(server.address()).await.unwrap();
    kept.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    server.called(1).await;
    let hold = server.hold();
    let url = server.origin();
    let waiting = tokio::spawn(async move { get(&url).await });
    server.called(2).await;

    server.go_down().await;
    assert!(waiting.await.unwrap().is_err(), "a request without an answer is cut");
    // What was answered may still be read; then the connection is over.
    let mut rest = Vec::new();
    let end = kept.read_to_end(&mut rest).await;
    assert!(end.is_ok() || end.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
    let refused = TcpStream::connect(server.address()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    // No other test is given the port meanwhile.
    let taken = std::net::TcpListener::bind(server.address()).unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AddrInUse);

    drop(hold);
    server.go_down().await;
    server.come_back().await;
    server.come_back().await;
    assert_eq!(get(&server.origin()).await.unwrap().status(), StatusCode::OK);
    assert_eq!(server.call_count(), 3, "what was refused never came in");
}

#[tokio::test]
async fn a_dropped_server_closes_its_connections() {
    let server = server().await;
    let mut kept = TcpStream::connect(server.address()).await.unwrap();
    kept.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    server.called(1).await;
    drop(server);
    // Ends where the connection does.
    let end = kept.read_to_end(&mut Vec::new()).await;
    assert!(end.is_ok() || end.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn a_failing_server_answers_as_told_until_it_recovers() {
    let server = server().await;
    server.fail_with(StatusCode::SERVICE_UNAVAILABLE);
    let failed = get(&server.origin()).await.unwrap();
    assert_eq!((failed.status(), failed.body().len()), (StatusCode::SERVICE_UNAVAILABLE, 0));
    server.answer_with(Response::builder().status(302).header("location", "http://x/").body("no").unwrap());
    let moved = get(&server.origin()).await.unwrap();
    assert_eq!((moved.status().as_u16(), &moved.headers()["location"]), (302, &"http://x/".parse().unwrap()));
    server.recover();
    assert_eq!(get(&server.origin()).await.unwrap().status(), StatusCode::OK);
    assert_eq!(server.call_count(), 3);
}

#[tokio::test]
async fn http_2_is_spoken_to_who_begins_with_it() {
    let server = server().await;
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let answer = client.request(request(Method::GET, &format!("{}/two", server.origin()), "")).await.unwrap();
    assert_eq!((answer.version(), answer.status()), (Version::HTTP_2, StatusCode::OK));
    assert_eq!(server.calls()[0].version, Version::HTTP_2);
}

/// A GET over https by a client with these anchors.
async fn secure(server: &TestServer, tls: ClientTls) -> Result<Bytes, String> {
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls.build().unwrap())
        .https_only()
        .enable_all_versions()
        .build();
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    let answer = client.request(request(Method::GET, &format!("{}/tls", server.origin()), "")).await;
    let answer = answer.map_err(|error| format!("{error:?}"))?;
    Ok(answer.into_body().collect().await.unwrap().to_bytes())
}

fn trusting(pem: &str) -> TrustAnchors {
    TrustAnchors::from_certificates(parse_certificates(pem.as_bytes()).unwrap()).unwrap()
}

#[tokio::test]
async fn https_is_for_clients_that_trust_the_certificate() {
    let answer = |call: &portcullis_testing::Call| Response::new(Bytes::from(call.path().to_owned()));
    let server = TestServer::start_https(TestTls::self_signed(), answer).await;
    assert!(server.origin().starts_with("https://localhost:"), "{}", server.origin());
    let right = ClientTls::new(trusting(server.certificate_pem().unwrap()));
    assert_eq!(secure(&server, right).await.unwrap(), "/tls");

    let stranger = TestTls::self_signed();
    let wrong = ClientTls::new(trusting(stranger.certificate_pem().unwrap()));
    let error = secure(&server, wrong).await.unwrap_err();
    assert!(error.contains("InvalidCertificate"), "{error}");
    assert_eq!(server.call_count(), 1);
}

#[tokio::test]
async fn a_test_may_bring_its_certificate_and_ask_clients_for_theirs() {
    let now = portcullis_core::Clock::now(&portcullis_core::SystemClock::new()).since_epoch();
    let own = SelfSigned::generate(now).unwrap();
    let client = || Identity::from_files(data("pub--public.crt"), data("key--private.key"), None).unwrap();
    let clients = TrustAnchors::from_file(data("pub--public.crt")).unwrap();
    let tls = ServerTls::new(own.identity).require_client_certificate(clients);
    let server = TestServer::start_https(TestTls::new(tls), |_| Response::new(Bytes::from("in"))).await;
    assert_eq!(server.certificate_pem(), None);
    assert!(secure(&server, ClientTls::new(trusting(&own.pem))).await.is_err());
    assert_eq!(server.call_count(), 0);
    let known = ClientTls::new(trusting(&own.pem)).identity(client());
    assert_eq!(secure(&server, known).await.unwrap(), "in");
}

/// A file of Ballerina's keys.
fn data(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/ballerina/data").join(name)
}
