//! Who gets a WebSocket.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use axum::{
    Router,
    extract::{Request, ws::WebSocketUpgrade},
    response::Response,
    routing::{any, get},
};
use http::{Method, header::WWW_AUTHENTICATE};
use portcullis_axum::{
    Admission, AuthLayer, AuthRouter, Caller, ConnectionLease, GuardExt as _, GuardedUpgrade, UpgradeExt as _,
};

use crate::{
    client::open_by_hand,
    support::{LIFETIME, Reports, Running, echo, soon},
};

#[tokio::test]
async fn a_refused_upgrade_is_a_plain_401_or_403_and_reaches_no_handler() {
    let handled = Arc::new(AtomicUsize::new(0));
    let counter = handled.clone();
    let server = Running::start(move |_| {
        counter.fetch_add(1, SeqCst);
        async {}
    })
    .await;
    for (token, status, challenge) in [
        ("", 401, r#"Bearer realm="feeds""#),
        ("wrong", 401, r#"Bearer realm="feeds", error="invalid_token""#),
        ("poor", 403, r#"Bearer realm="feeds", error="insufficient_scope", scope="feed""#),
    ] {
        let refused = server.refusal(Running::request("/feed", token)).await;
        assert_eq!(refused.status(), status, "{token}");
        assert_eq!(refused.headers()[WWW_AUTHENTICATE], challenge, "{token}");
        assert_eq!(refused.headers()["content-length"], "0", "{token}");
        assert!(!refused.headers().contains_key("upgrade"), "{token}");
    }
    assert_eq!(handled.load(SeqCst), 0);
}

#[tokio::test]
async fn what_opens_no_websocket_is_refused_as_axum_does_after_the_decision() {
    let server = Running::start(|_| async {}).await;
    let mut client = server.http2().await;
    assert_eq!(client.get("/feed", "wrong").await, 401);
    assert_eq!(client.get("/feed", "good").await, 405, "HTTP/2 opens WebSockets by CONNECT");
    for (version, status) in [("13", 101), ("8", 400)] {
        let head = open_by_hand(&server, "/feed", "good", version).await.1;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
    }
}

#[tokio::test]
async fn without_a_layer_nothing_is_opened() {
    let (reports, _ended) = Reports::new();
    let guarded = async move |upgrade: GuardedUpgrade| -> Response {
        upgrade.on_upgrade(move |socket| echo(socket, reports))
    };
    let leased = async |_: ConnectionLease| "never";
    let app = Router::new().route("/guarded", any(guarded)).route("/leased", any(leased));
    let server = Running::serve(|listener| listener, |auth| auth, |_| app).await;
    for path in ["/guarded", "/leased"] {
        assert_eq!(server.refusal(Running::request(path, "good")).await.status(), 500, "{path}");
    }
}

#[tokio::test]
async fn axums_own_upgrade_is_guarded_by_a_lease_from_wherever() {
    let (reports, mut ended) = Reports::new();
    let (one, other) = (reports.clone(), reports);
    let by_extractor = async move |lease: ConnectionLease, upgrade: WebSocketUpgrade| -> Response {
        upgrade.on_upgrade_guarded(lease, move |socket| echo(socket, one))
    };
    let by_admission = async move |upgrade: WebSocketUpgrade, request: Request| -> Response {
        let admission = Admission::of(request.extensions()).unwrap();
        upgrade.on_upgrade_guarded(admission, move |socket| echo(socket, other))
    };
    let app = Router::new().route("/extractor", any(by_extractor)).route("/admission", any(by_admission));
    let server =
        Running::serve(|listener| listener, |auth| auth, |auth| app.layer(AuthLayer::new(auth))).await;
    let mut clients = [server.open("/extractor", "good").await, server.open("/admission", "good").await];
    for client in &mut clients {
        client.echoes("hello").await;
    }
    server.clock.advance(LIFETIME);
    for client in &mut clients {
        assert_eq!(client.closed().await, (1008, "the token expired".to_owned()));
        assert!(soon(ended.recv()).await.unwrap().closed.is_some());
    }
}

#[tokio::test]
async fn the_policy_of_a_get_is_that_of_the_upgrade_over_either_version() {
    let handler = async |caller: Option<Caller>, upgrade: GuardedUpgrade| -> Response {
        let name = caller.and_then(|caller| caller.subject().map(str::to_owned)).unwrap_or_default();
        upgrade.on_upgrade(async move |mut socket| drop(socket.send(name.into()).await))
    };
    let routes = AuthRouter::new()
        .route("/feed", get(handler).connect(handler))
        .route("/any", any(handler))
        .route("/admin", any(handler).scopes(["admin"]))
        .route("/health", any(handler).public());
    let server = Running::serve(
        |listener| listener,
        |auth| {
            // The one that is public by the service is not routed here.
            auth.resource(portcullis_core::Resource::new("/any").method(Method::GET).scopes("admin"))
        },
        |auth| routes.route("/open", get(async || "open")).guard(&auth).unwrap(),
    )
    .await;
    let mut http2 = server.http2().await;
    for (path, token, status) in [
        ("/feed", "good", 200),
        ("/feed", "", 401),
        ("/feed", "poor", 403),
        ("/any", "good", 403),
        ("/any", "", 401),
        ("/admin", "good", 403),
        ("/health", "", 200),
    ] {
        let over2 = http2.connect("websocket", path, token, &[]).await;
        assert_eq!(over2.status(), status, "CONNECT {path} {token}");
        let over1 = match server.dial(Running::request(path, token)).await {
            Ok((_, response)) => response.status().as_u16(),
            Err(tokio_tungstenite::tungstenite::Error::Http(response)) => response.status().as_u16(),
            Err(error) => panic!("{error}"),
        };
        assert_eq!(over1, if status == 200 { 101 } else { status }, "GET {path} {token}");
    }
}
