//! What becomes of open WebSockets when the service stops.

use std::time::Duration;

use axum::{Router, extract::ws::WebSocketUpgrade, response::Response, routing::any};
use portcullis_axum::{AuthLayer, Closed};

use tokio::io::AsyncReadExt as _;

use crate::{
    client::open_by_saying,
    support::{Parted, Reports, Running, echo, soon},
};

#[tokio::test]
async fn open_sockets_are_closed_with_1001_and_waited_for() {
    let (reports, mut ended) = Reports::new();
    let server = Running::start(move |socket| echo(socket, reports.clone())).await;
    let mut over1 = server.open("/feed", "good").await;
    let mut over2 = server.http2().await.open("/open", "").await;
    over1.echoes("hello").await;
    over2.echoes("hello").await;
    let stopped = server.stop();
    assert_eq!(over1.closed().await, (1001, "the service stops".to_owned()));
    assert_eq!(over2.closed().await, (1001, "the service stops".to_owned()));
    for _ in 0..2 {
        let parted = soon(ended.recv()).await.unwrap();
        let last = "no more messages".to_owned();
        assert_eq!(parted, Parted { last, closed: Some(Closed::Stopping) });
    }
    soon(stopped).await.unwrap();
}

/// axum takes a `Connection` in which the word occurs for one that asks for an upgrade.
#[tokio::test]
async fn a_socket_that_was_opened_by_half_a_handshake_hears_of_it_too() {
    let (reports, mut ended) = Reports::new();
    let server = Running::start(move |socket| echo(socket, reports.clone())).await;
    let (mut stream, head) = open_by_saying(&server, "/feed", "good", "13", "xupgrade").await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    let stopped = server.stop();
    let mut frame = [0; 4];
    soon(stream.read_exact(&mut frame)).await.unwrap();
    assert_eq!((frame[0], u16::from_be_bytes([frame[2], frame[3]])), (0x88, 1001));
    drop(stream);
    assert_eq!(soon(ended.recv()).await.unwrap().closed, Some(Closed::Stopping));
    soon(stopped).await.unwrap();
}

#[tokio::test]
async fn a_client_that_does_not_leave_is_waited_for_within_the_limit() {
    let (reports, mut ended) = Reports::new();
    let handler = async move |upgrade: portcullis_axum::GuardedUpgrade| -> Response {
        upgrade.on_upgrade(move |socket| echo(socket, reports))
    };
    let app = Router::new().route("/feed", any(handler));
    let server = Running::serve(
        |listener| listener.shutdown_timeout(Duration::from_millis(10)),
        |auth| auth,
        |auth| app.layer(AuthLayer::new(auth)),
    )
    .await;
    // The clock stands still, so the two seconds of the close handshake never pass.
    let client = server.open("/feed", "good").await;
    let stopped = server.stop();
    soon(ended.recv()).await.unwrap();
    soon(stopped).await.unwrap();
    drop(client);
}

#[tokio::test]
async fn sockets_that_nobody_guards_are_their_handlers_and_not_waited_for() {
    let handler = async |upgrade: WebSocketUpgrade| -> Response {
        upgrade.on_upgrade(async |mut socket| {
            while let Some(Ok(message)) = socket.recv().await {
                socket.send(message).await.unwrap();
            }
        })
    };
    let app = Router::new().route("/feed", any(handler));
    let server =
        Running::serve(|listener| listener, |auth| auth, |auth| app.layer(AuthLayer::new(auth))).await;
    let mut client = server.open("/feed", "good").await;
    client.echoes("hello").await;
    soon(server.stop()).await.unwrap();
    client.echoes("until the program ends").await;
}
