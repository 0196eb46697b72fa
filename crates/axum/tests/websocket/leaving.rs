//! What a client learns of a handler that is done, and a handler of a client.

use axum::extract::ws::Message;
use futures_util::SinkExt as _;
use portcullis_axum::GuardedSocket;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    runtime::Handle,
};
use tokio_tungstenite::tungstenite;

use crate::{
    client::open_by_hand,
    support::{Parted, Reports, Running, echo, soon, until},
};

#[tokio::test]
async fn a_handler_that_returns_closes_normally_after_its_last_message_and_leaves_no_task() {
    let server = Running::start(|mut socket: GuardedSocket| async move {
        // The last one is only queued.
        socket.send(Message::text("one")).await.unwrap();
        socket.feed(Message::text("two")).await.unwrap();
    })
    .await;
    let tasks = Handle::current().metrics().num_alive_tasks();
    for _ in 0..3 {
        let mut client = server.open("/feed", "lasting").await;
        assert_eq!(client.next().await.into_text().unwrap(), "one");
        assert_eq!(client.next().await.into_text().unwrap(), "two");
        assert_eq!(client.closed().await, (1000, String::new()));
    }
    until(|| Handle::current().metrics().num_alive_tasks() == tasks).await;
}

#[tokio::test]
async fn a_handler_that_panics_says_that_the_server_failed() {
    let server = Running::start(|socket: GuardedSocket| async move {
        let _socket = socket;
        panic!("a mistake of the handler");
    })
    .await;
    let mut client = server.open("/feed", "good").await;
    assert_eq!(client.closed().await, (1011, String::new()));
}

#[tokio::test]
async fn a_client_that_closes_gets_its_own_code_back() {
    let (reports, mut ended) = Reports::new();
    let server = Running::start(move |socket| echo(socket, reports.clone())).await;
    let mut client = server.open("/feed", "good").await;
    let frame = tungstenite::protocol::CloseFrame { code: 4000.into(), reason: "enough".into() };
    client.0.close(Some(frame)).await.unwrap();
    assert_eq!(client.closed().await, (4000, "enough".to_owned()));
    let parted = soon(ended.recv()).await.unwrap();
    assert_eq!(parted, Parted { last: "no more messages".to_owned(), closed: None });
}

#[tokio::test]
async fn a_handler_that_leaves_at_the_clients_close_frame_has_it_answered() {
    let server = Running::start(|mut socket: GuardedSocket| async move {
        while !matches!(socket.recv().await, Some(Ok(Message::Close(_)))) {}
    })
    .await;
    let mut client = server.open("/feed", "good").await;
    let frame = tungstenite::protocol::CloseFrame { code: 4000.into(), reason: "enough".into() };
    client.0.close(Some(frame)).await.unwrap();
    assert_eq!(client.closed().await, (4000, "enough".to_owned()));
}

#[tokio::test]
async fn a_handler_that_closes_itself_has_the_last_word() {
    let server = Running::start(|mut socket: GuardedSocket| async move {
        let frame = axum::extract::ws::CloseFrame { code: 4001, reason: "done".into() };
        socket.send(Message::Close(Some(frame))).await.unwrap();
    })
    .await;
    let mut client = server.open("/feed", "good").await;
    assert_eq!(client.closed().await, (4001, "done".to_owned()));
}

#[tokio::test]
async fn a_client_that_speaks_no_websocket_is_told_so() {
    let (reports, mut ended) = Reports::new();
    let server = Running::start(move |socket| echo(socket, reports.clone())).await;
    let mut client = open_by_hand(&server, "/feed", "good", "13").await.0;
    // RFC 6455 §5.1 has clients mask their frames.
    client.write_all(&[0x81, 0x02, b'h', b'i']).await.unwrap();
    let mut frame = [0; 4];
    soon(client.read_exact(&mut frame)).await.unwrap();
    assert_eq!(frame, [0x88, 2, 0x03, 0xea], "1002");
    assert_eq!(soon(ended.recv()).await.unwrap().closed, None);
}
