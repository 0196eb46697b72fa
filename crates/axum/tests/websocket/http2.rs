//! WebSockets over HTTP/2 (RFC 8441).

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use http::header::WWW_AUTHENTICATE;
use portcullis_axum::Closed;
use portcullis_core::Ended;

use crate::{
    client::{text, upgraded},
    support::{LIFETIME, Reports, Running, echo, soon},
};

#[tokio::test]
async fn an_extended_connect_opens_a_socket_that_ends_with_the_token() {
    let (reports, mut ended) = Reports::new();
    let server = Running::start(move |socket| echo(socket, reports.clone())).await;
    let mut http2 = server.http2().await;
    let mut expiring = http2.open("/feed", "good").await;
    let mut lasting = http2.open("/feed", "lasting").await;
    expiring.echoes("hello").await;
    lasting.echoes("hello").await;
    server.clock.advance(LIFETIME);
    assert_eq!(expiring.closed().await, (1008, "the token expired".to_owned()));
    let parted = soon(ended.recv()).await.unwrap();
    assert_eq!(parted.closed, Some(Closed::Ended(Ended::Expired)));
    // The others of the same connection go on.
    lasting.echoes("still there").await;
    assert_eq!(http2.get("/feed", "wrong").await, 401);
}

#[tokio::test]
async fn a_refused_extended_connect_is_a_plain_401_or_403() {
    let (reports, _ended) = Reports::new();
    let server = Running::start(move |socket| echo(socket, reports.clone())).await;
    let mut http2 = server.http2().await;
    for (token, status, challenge) in [
        ("", 401, r#"Bearer realm="feeds""#),
        ("wrong", 401, r#"Bearer realm="feeds", error="invalid_token""#),
        ("poor", 403, r#"Bearer realm="feeds", error="insufficient_scope", scope="feed""#),
    ] {
        let refused = http2.connect("websocket", "/feed", token, &[]).await;
        assert_eq!(refused.status(), status, "{token}");
        assert_eq!(refused.headers()[WWW_AUTHENTICATE], challenge, "{token}");
        assert_eq!(text(refused).await, "", "{token}");
    }
    let admitted = http2.connect("websocket", "/feed", "good", &[]).await;
    upgraded(admitted).await.echoes("hello").await;
}

#[tokio::test]
async fn other_protocols_are_not_taken_for_websockets_and_reach_nobody() {
    let handled = Arc::new(AtomicUsize::new(0));
    let counter = handled.clone();
    let server = Running::start(move |_| {
        counter.fetch_add(1, SeqCst);
        async {}
    })
    .await;
    let mut http2 = server.http2().await;
    for protocol in ["connect-udp", "connect-ip", "webtransport", "WebSocket", ""] {
        for (path, token) in [("/feed", "good"), ("/feed", ""), ("/open", ""), ("/nowhere", "")] {
            let refused = http2.connect(protocol, path, token, &[]).await;
            assert_eq!(refused.status(), 501, "{protocol} {path} {token}");
            assert!(!refused.headers().contains_key(WWW_AUTHENTICATE), "{protocol} {path} {token}");
        }
    }
    assert_eq!(handled.load(SeqCst), 0);
    assert_eq!(http2.connect("websocket", "/feed", "", &[]).await.status(), 401);
}
