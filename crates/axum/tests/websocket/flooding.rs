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
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{LIFETIME, Reports, Running, soon, until};

/// A masked frame without a payload.
const fn empty(first: u8) -> [u8; 6] {
    [first, 0x80, 0, 0, 0, 0]
}

/// Opens a WebSocket over HTTP/2, sends `first` and then `again` without end, and sees it end when the token does.
async fn ends_in_time(first: &[u8], again: [u8; 6]) {
    let (reports, mut ended) = Reports::new();
    let server = Running::start(move |socket| listen(socket, reports.clone())).await;
    let mut http2 = server.http2().await;
    let response = http2.connect("websocket", "/feed", "good", &[]).await;
    let io = TokioIo::new(soon(hyper::upgrade::on(response)).await.unwrap());
    let (mut read, mut write) = tokio::io::split(io);
    let sent = Arc::new(AtomicU64::new(0));
    let (counter, first) = (sent.clone(), first.to_vec());
    let flood = tokio::spawn(async move {
        let chunk = again.repeat(20_000);
        write.write_all(&first).await.unwrap();
        while write.write_all(&chunk).await.is_ok() {
            counter.fetch_add(chunk.len() as u64, SeqCst);
        }
    });
    let reader = tokio::spawn(async move { read.read_to_end(&mut Vec::new()).await });
    until(|| sent.load(SeqCst) > 4 << 20).await;
    server.clock.advance(LIFETIME);
    // The two seconds for the close frame, and the one that is left to whoever does not pause.
    until(|| {
        server.clock.advance(Duration::from_millis(10));
        flood.is_finished()
    })
    .await;
    let parted = soon(ended.recv()).await.unwrap();
    assert_eq!(parted.closed, Some(Closed::Ended(Ended::Expired)));
    soon(reader).await.unwrap().ok();
    // There is room for others.
    assert_eq!(server.http2().await.get("/feed", "wrong").await, 401);
}

/// Reads whatever comes, and tells how it ended.
async fn listen(mut socket: GuardedSocket, reports: Reports) {
    while let Some(Ok(_)) = socket.recv().await {}
    reports.tell(&socket, &"");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pings_without_end_do_not_keep_a_socket_open() {
    ends_in_time(b"", empty(0x89)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_message_of_empty_parts_without_end_does_not_keep_a_socket_open() {
    ends_in_time(&empty(0x01), empty(0x00)).await;
}
