//! Open WebSockets count as the connections that they are.

use std::sync::Arc;

use portcullis_core::SystemClock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::support::{By, connect, echo, echoes, open, public, serve_with, soon};

#[tokio::test]
async fn open_websockets_count_among_max_connections() {
    let mut upstream = echo().await;
    let clock = Arc::new(SystemClock::new());
    let served =
        serve_with(By::Http1, [public(upstream.address)], clock, |config| config.max_connections(2)).await;
    let mut first = open(&served, "/", &[]).await;
    let mut second = open(&served, "/", &[]).await;
    let mut waiting = connect(&served).await;
    waiting.write_all(b"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let mut answered = tokio::spawn(async move {
        waiting.read_to_end(&mut answer).await.unwrap();
        answer
    });
    for _ in 0..50 {
        echoes(&mut first, "there is no room").await;
        echoes(&mut second, "for a third").await;
    }
    assert!(!answered.is_finished());
    drop(first);
    let answer = soon(&mut answered).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{:?}", String::from_utf8_lossy(&answer));
    echoes(&mut second, "still here").await;
    upstream.asked().await;
}
