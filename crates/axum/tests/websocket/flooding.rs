//! Clients that never stop sending: over HTTP/2 nothing but the service itself makes them wait.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use hyper_util::rt::TokioIo;
use portcullis_axum::{Closed, GuardedSocket};
use portcullis_core::Ended;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::mpsc,
    task::JoinHandle,
};

use crate::{
    client::Http2,
    support::{LIFETIME, Parted, Reports, Running, soon, until},
};

/// A masked frame without a payload.
const fn empty(first: u8) -> [u8; 6] {
    [first, 0x80, 0, 0, 0, 0]
}

/// A WebSocket over HTTP/2 on which a client sends without end.
struct Flood {
    server: Running,
    http2: Http2,
    ended: mpsc::UnboundedReceiver<Parted>,
    /// Ends when it can send no more.
    sending: JoinHandle<()>,
    reading: JoinHandle<()>,
}

impl Flood {
    /// It sends `first` and then `again` for as long as it can.
    async fn of(first: &'static [u8], again: [u8; 6]) -> Self {
        let (reports, ended) = Reports::new();
        let server = Running::start(move |socket| listen(socket, reports.clone())).await;
        let mut http2 = server.http2().await;
        let response = http2.connect("websocket", "/feed", "good", &[]).await;
        let io = TokioIo::new(soon(hyper::upgrade::on(response)).await.unwrap());
        let (mut read, mut write) = tokio::io::split(io);
        let sent = Arc::new(AtomicU64::new(0));
        let counter = sent.clone();
        let sending = tokio::spawn(async move {
            let chunk = again.repeat(20_000);
            write.write_all(first).await.unwrap();
            while write.write_all(&chunk).await.is_ok() {
                counter.fetch_add(chunk.len() as u64, SeqCst);
            }
        });
        let reading = tokio::spawn(async move { drop(read.read_to_end(&mut Vec::new()).await) });
        until(|| sent.load(SeqCst) > 4 << 20).await;
        Self { server, http2, ended, sending, reading }
    }

    async fn is_told_that_the_token_expired(&mut self) {
        let parted = soon(self.ended.recv()).await.unwrap();
        assert_eq!(parted.closed, Some(Closed::Ended(Ended::Expired)));
    }
}

/// Reads whatever comes, and tells how it ended.
async fn listen(mut socket: GuardedSocket, reports: Reports) {
    while let Some(Ok(_)) = socket.recv().await {}
    reports.tell(&socket, &"");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pings_without_end_do_not_keep_a_socket_open() {
    let mut flood = Flood::of(b"", empty(0x89)).await;
    flood.server.clock.advance(LIFETIME);
    flood.is_told_that_the_token_expired().await;
    // The client does not answer the close frame.
    flood.server.clock.advance(Duration::from_secs(2));
    soon(flood.sending).await.unwrap();
    soon(flood.reading).await.unwrap();
    assert_eq!(flood.http2.get("/feed", "wrong").await, 401, "the connection goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_message_of_empty_parts_without_end_does_not_keep_a_socket_open() {
    const FIRST: [u8; 6] = empty(0x01);
    let mut flood = Flood::of(&FIRST, empty(0x00)).await;
    flood.server.clock.advance(LIFETIME);
    // Within two seconds, or with the connection a second later: nobody can tell how long one call reads.
    until(|| {
        flood.server.clock.advance(Duration::from_millis(10));
        flood.sending.is_finished()
    })
    .await;
    flood.is_told_that_the_token_expired().await;
    soon(flood.reading).await.unwrap();
}
