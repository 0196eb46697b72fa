//! HTTPS.

use std::{net::SocketAddr, sync::Arc};

use axum::{Router, body::Body, extract::ConnectInfo, extract::Request, routing::post};
use http::Version;
use portcullis_keys::ServerTls;
use rustls::{
    ProtocolVersion,
    version::{TLS12, TLS13},
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{Authority, Running, get, http1, http2, loopback};

const BOTH: [&rustls::SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

async fn describe(version: Version, ConnectInfo(peer): ConnectInfo<SocketAddr>, body: String) -> String {
    assert!(peer.ip().is_loopback());
    format!("{version:?} {body}")
}

async fn serve(authority: &Authority) -> Running {
    let app = Router::new().route("/", post(describe));
    let config = loopback().secure(ServerTls::new(authority.server().identity())).unwrap();
    Running::start(app, &config).await
}

fn post_hello() -> Request {
    Request::post("https://localhost/").header("host", "localhost").body(Body::from("hello")).unwrap()
}

#[tokio::test]
async fn http_1_and_2_are_spoken_over_tls_1_2_and_1_3() {
    let authority = Authority::new();
    let server = serve(&authority).await;
    for (version, protocol) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let config = |alpn: &[&str]| Arc::new(authority.tls(&[version], alpn, None));
        let both = server.connect_tls(&config(&["http/1.1", "h2"])).await.unwrap();
        assert_eq!(both.get_ref().1.protocol_version(), Some(protocol));
        assert_eq!(both.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()), "the better one is chosen");
        assert_eq!(http2(both, post_hello()).await.unwrap(), (200, "HTTP/2.0 hello".to_owned()));

        let one = server.connect_tls(&config(&["http/1.1"])).await.unwrap();
        assert_eq!(http1(one, post_hello()).await.unwrap(), (200, "HTTP/1.1 hello".to_owned()));

        let unsaid = server.connect_tls(&config(&[])).await.unwrap();
        assert_eq!(http1(unsaid, post_hello()).await.unwrap(), (200, "HTTP/1.1 hello".to_owned()));

        let other = server.connect_tls(&config(&["ftp"])).await.unwrap_err();
        assert!(other.to_string().contains("NoApplicationProtocol"), "{other}");
    }
}

#[tokio::test]
async fn a_resumed_connection_may_not_send_early_data() {
    let authority = Authority::new();
    let server = serve(&authority).await;
    let mut config = authority.tls(&[&TLS13], &[], None);
    config.enable_early_data = true;
    let config = Arc::new(config);
    let first = server.connect_tls(&config).await.unwrap();
    assert_eq!(http1(first, post_hello()).await.unwrap().0, 200, "and the tickets have come");

    let mut hello = rustls::ClientConnection::new(config.clone(), "localhost".try_into().unwrap()).unwrap();
    assert!(hello.early_data().is_none(), "the tickets do not allow it");
    let second = server.connect_tls(&config).await.unwrap();
    assert_eq!(second.get_ref().1.handshake_kind(), Some(rustls::HandshakeKind::Resumed));
    assert_eq!(http1(second, post_hello()).await.unwrap().0, 200);
}

#[tokio::test]
async fn plain_http_on_the_https_port_is_not_answered_and_disturbs_nobody() {
    let authority = Authority::new();
    let server = serve(&authority).await;
    assert!(http1(server.connect().await, get("/")).await.is_err());
    let tls = Arc::new(authority.tls(&BOTH, &[], None));
    let stream = server.connect_tls(&tls).await.unwrap();
    assert_eq!(http1(stream, post_hello()).await.unwrap().0, 200);
}

#[tokio::test]
async fn an_answer_arrives_although_the_client_is_still_sending() {
    let authority = Authority::new();
    let server = serve(&authority).await;
    let tls = Arc::new(authority.tls(&BOTH, &[], None));
    let mut stream = server.connect_tls(&tls).await.unwrap();
    let request = [b"POST / HTTP/1.1\r\nAuthorization: Bearer ".as_slice(), &vec![b'.'; 1 << 20]].concat();
    stream.write_all(&request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "no body: {answer}");
}
