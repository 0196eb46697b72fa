//! What a handler finds in a request, and what is counted of the answers.

use std::net::SocketAddr;

use axum::{
    Extension, Router,
    body::Body,
    extract::{ConnectInfo, Request},
    response::Response,
    routing::{any, get, post},
};
use http::{
    HeaderMap, Method, StatusCode, Uri,
    header::{CONNECTION, UPGRADE},
};
use hyper_util::rt::TokioIo;
use portcullis_core::{Auth, RequestHead};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{Duration, sleep},
};

use super::memory::{Server, ok};
use crate::serve::{ClientAddr, ClientCertificate, ListenerConfig, TrustedProxies};

/// Answers `Upgrade: echo` and CONNECT, and sends back what it gets.
async fn echo(mut request: Request) -> Response {
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut io = TokioIo::new(upgrade.await.unwrap());
        let mut space = [0; 64];
        loop {
            match io.read(&mut space).await.unwrap() {
                0 => break,
                count => io.write_all(&space[..count]).await.unwrap(),
            }
        }
        // The side that writes may be closed while the other is still read.
        io.write_all(b"bye").await.unwrap();
        io.shutdown().await.unwrap();
    });
    let mut response = Response::new(Body::empty());
    if request.method() == Method::GET {
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.headers_mut().insert(CONNECTION, "upgrade".parse().unwrap());
        response.headers_mut().insert(UPGRADE, "echo".parse().unwrap());
    }
    response
}

fn upgrading() -> Server {
    Server::start(Router::new().route("/echo", any(echo)), ListenerConfig::default().max_connections(1))
}

#[tokio::test(start_paused = true)]
async fn handlers_find_the_peer_and_the_client() {
    let handler = async |ConnectInfo(peer): ConnectInfo<SocketAddr>,
                         Extension(ClientAddr(client)): Extension<ClientAddr>,
                         certificate: Option<Extension<ClientCertificate>>| {
        assert!(certificate.is_none(), "nobody showed one");
        format!("{peer} {client}")
    };
    let app = Router::new().route("/", get(handler));
    for (proxies, client) in [
        (TrustedProxies::default(), "192.0.2.7"),
        (TrustedProxies::new(["192.0.2.0/24"]).unwrap(), "198.51.100.1"),
    ] {
        let server = Server::start(app.clone(), ListenerConfig::default().with_trusted_proxies(proxies));
        let mut io = server.connect();
        io.send("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.9, 198.51.100.1\r\n\r\n").await;
        assert_eq!(io.answer().await, ok(&format!("192.0.2.7:4711 {client}")));
    }
}

#[tokio::test(start_paused = true)]
async fn credentials_are_marked_as_sensitive_all_of_them_and_nothing_else() {
    let handler = async |headers: HeaderMap| {
        let mut marked: Vec<&str> =
            headers.iter().filter(|(_, value)| value.is_sensitive()).map(|(name, _)| name.as_str()).collect();
        marked.sort_unstable();
        assert!(!format!("{headers:?}").contains("canary"));
        marked.join(" ")
    };
    let server = Server::start(Router::new().route("/", get(handler)), ListenerConfig::default());
    let mut client = server.connect();
    client
        .send("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: canary\r\nauthorization: canary\r\nCookie: canary\r\nProxy-Authorization: canary\r\nSec-WebSocket-Protocol: bearer, canary\r\nX-Other: x\r\n\r\n")
        .await;
    assert_eq!(
        client.answer().await,
        ok("authorization authorization cookie proxy-authorization sec-websocket-protocol")
    );
}

#[tokio::test(start_paused = true)]
async fn answers_and_rejections_are_counted_by_class_and_by_kind() {
    let auth = Auth::builder().public().build().unwrap();
    let guarded = async move |request: http::request::Parts| {
        let head = RequestHead::new(&request.method, request.uri.path(), &request.headers);
        let rejection = auth.refuse_not_mounted(&head);
        let mut response = Response::new(Body::empty());
        *response.status_mut() = rejection.status();
        response.extensions_mut().insert(rejection);
        response
    };
    let app = Router::new().route("/", get(async || "hello")).route("/guarded", get(guarded));
    let server = Server::start(app, ListenerConfig::default());
    let mut client = server.connect();
    for path in ["/", "/", "/guarded", "/nowhere"] {
        client.get(path).await;
    }
    for (metric, expected) in [
        ("portcullis_requests_total{status=\"2xx\"}", 2),
        ("portcullis_requests_total{status=\"4xx\"}", 1),
        ("portcullis_requests_total{status=\"5xx\"}", 1),
        ("portcullis_rejections_total{kind=\"not-mounted\"}", 1),
        ("portcullis_rejections_total{kind=\"refused\"}", 0),
        ("portcullis_connections_total", 1),
        ("portcullis_connections_open", 1),
    ] {
        assert_eq!(server.metric(metric), expected, "{metric}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_upgraded_connection_is_the_handlers_and_keeps_its_place() {
    let server = upgrading();
    let mut client = server.connect();
    client.send("GET /echo HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 101 "));
    let mut next = server.connect();
    for _ in 0..3 {
        sleep(Duration::from_secs(3600)).await;
        client.send("hello").await;
        assert_eq!(client.bytes(5).await, "hello");
    }
    assert_eq!(server.metric("portcullis_connections_total"), 1);
    client.io.shutdown().await.unwrap();
    assert_eq!(client.bytes(3).await, "bye");
    client.closed().await;
    next.send("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(next.head().await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test(start_paused = true)]
async fn a_websocket_over_http2_is_not_idle_however_long_it_is_silent() {
    let server = upgrading();
    let mut client = server.connect_http2().await;
    // The client may ask only once it has seen the server's settings.
    assert_eq!(client.get("/nowhere").await.unwrap().status(), StatusCode::NOT_FOUND);
    let request = http::Request::connect("http://a/echo")
        .extension(hyper::ext::Protocol::from_static("websocket"))
        .body(Default::default())
        .unwrap();
    let response = client.sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let mut io = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    for _ in 0..3 {
        sleep(Duration::from_secs(3600)).await;
        io.write_all(b"hello").await.unwrap();
        let mut space = [0; 5];
        io.read_exact(&mut space).await.unwrap();
        assert_eq!(&space, b"hello");
    }
    drop(io);
    assert_eq!(client.closed().await, Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn an_upgraded_connection_can_be_closed_on_one_side() {
    let (tell, told) = tokio::sync::oneshot::channel();
    let tell = std::sync::Arc::new(std::sync::Mutex::new(Some(tell)));
    let handler = async move |mut request: Request| {
        let upgrade = hyper::upgrade::on(&mut request);
        let tell = tell.lock().unwrap().take().unwrap();
        tokio::spawn(async move {
            let mut io = TokioIo::new(upgrade.await.unwrap());
            io.read_exact(&mut [0; 4]).await.unwrap();
            io.shutdown().await.unwrap();
            let mut rest = String::new();
            io.read_to_string(&mut rest).await.unwrap();
            tell.send(rest).unwrap();
        });
        (StatusCode::SWITCHING_PROTOCOLS, [(CONNECTION, "upgrade"), (UPGRADE, "echo")])
    };
    let server = Server::start(Router::new().route("/", get(handler)), ListenerConfig::default());
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 101 "));
    client.send("stop").await;
    client.closed().await;
    client.send("and the rest").await;
    drop(client);
    assert_eq!(told.await.unwrap(), "and the rest");
}

/// Sends each on a connection of its own to a handler that tells method, path and body, and returns status and body.
async fn statuses(requests: &[&str]) -> Vec<(String, String)> {
    let tell = async |method: Method, uri: Uri, headers: HeaderMap, body: String| {
        assert!(!(headers.contains_key("content-length") && headers.contains_key("transfer-encoding")));
        format!("{method} {uri} {body}")
    };
    let server = Server::start(Router::new().fallback(tell), ListenerConfig::default());
    let mut answers = Vec::new();
    for request in requests {
        let mut client = server.connect();
        client.send(request).await;
        let (status, body) = client.answer().await;
        answers.push((status.split(' ').nth(1).unwrap().to_owned(), body));
    }
    answers
}

#[tokio::test(start_paused = true)]
async fn requests_that_can_be_read_in_two_ways_are_refused_before_any_service_sees_them() {
    let requests = [
        // Folded, spaced, and broken lines (RFC 9112 §5).
        "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer a\r\n b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nAuthorization : Bearer a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n X: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
        "GET  /  HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /<script> HTTP/1.1\r\nHost: a\r\n\r\n",
        "G\x01T / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /\r\n\r\n",
        "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
        // Whose request it is (RFC 9112 §3.2), and for what.
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET x HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        // Where it ends (RFC 9112 §6).
        "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\nabc",
    ];
    for (request, answer) in requests.iter().zip(statuses(&requests).await) {
        assert_eq!(answer, ("400".to_owned(), String::new()), "{request:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn codings_that_nobody_undoes_are_not_passed_on_as_content() {
    for (codings, status) in [
        ("Transfer-Encoding: chunked", "200"),
        ("transfer-encoding: Chunked", "200"),
        ("Transfer-Encoding: gzip, chunked", "501"),
        ("Transfer-Encoding: identity, chunked", "501"),
        ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", "501"),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "501"),
        ("Transfer-Encoding: chunked, chunked", "501"),
    ] {
        let request = format!("POST / HTTP/1.1\r\nHost: a\r\n{codings}\r\n\r\n2\r\nhi\r\n0\r\n\r\n");
        let body = if status == "200" { "POST / hi" } else { "" };
        assert_eq!(statuses(&[&request]).await, [(status.to_owned(), body.to_owned())], "{codings}");
    }
}

#[tokio::test(start_paused = true)]
async fn unusual_requests_with_one_reading_are_passed_on() {
    let requests = [
        ("GET / HTTP/1.0\r\n\r\n", "GET / "),
        ("GET http://b/x?y HTTP/1.1\r\nHost: b\r\n\r\n", "GET http://b/x?y "),
        ("GET http://b HTTP/1.1\r\nHost: b\r\n\r\n", "GET http://b/ "),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * "),
        ("GET //x HTTP/1.1\r\nHost: a\r\n\r\n", "GET //x "),
        ("PATCH /%2e%2e/ HTTP/1.1\r\nHost: a\r\n\r\n", "PATCH /%2e%2e/ "),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\n\r\n",
            "POST / hello",
        ),
        // RFC 9112 §6.3: "the Transfer-Encoding overrides the Content-Length", which no handler gets to see.
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST / ",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
            "POST / ",
        ),
    ];
    let all: Vec<&str> = requests.iter().map(|(request, _)| *request).collect();
    for ((request, body), answer) in requests.iter().zip(statuses(&all).await) {
        assert_eq!(answer, ("200".to_owned(), (*body).to_owned()), "{request:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn http2_requests_name_their_host_once_and_a_path() {
    let server = Server::start(Router::new().fallback(async || "hello"), ListenerConfig::default());
    let mut client = server.connect_http2().await;
    for (hosts, status) in [(&[][..], 200), (&["a"], 200), (&["A"], 200), (&["b"], 400), (&["a", "a"], 400)] {
        let mut request = http::Request::get("http://a/").body(Default::default()).unwrap();
        for host in hosts {
            request.headers_mut().append(http::header::HOST, host.parse().unwrap());
        }
        assert_eq!(client.sender.send_request(request).await.unwrap().status(), status, "{hosts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_expects_100_is_told_to_go_on_only_when_the_body_is_wanted() {
    let app = Router::new()
        .route("/", post(async |body: String| body))
        .route("/no", post(async || StatusCode::UNAUTHORIZED));
    let server = Server::start(app, ListenerConfig::default());
    for (path, first) in [("/", "HTTP/1.1 100 Continue\r\n"), ("/no", "HTTP/1.1 401 Unauthorized\r\n")] {
        let mut client = server.connect();
        client
            .send(format!(
                "POST {path} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
            ))
            .await;
        assert!(client.head().await.starts_with(first), "{path}");
        if path == "/" {
            client.send("hello").await;
            assert_eq!(client.answer().await, ok("hello"));
        }
    }
}
