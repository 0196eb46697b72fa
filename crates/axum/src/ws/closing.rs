//! Who closes a WebSocket when, and how.

use std::{
    error::Error,
    fmt,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use futures_util::{Sink, SinkExt as _, StreamExt as _};
use portcullis_core::{Clock, Ended, SystemClock};
use tokio::{
    sync::oneshot,
    task::{JoinSet, coop},
};

use super::{ConnectionLease, socket::Shared};
use crate::serve::Stop;

/// How long a client may take to answer a close frame, and to take what was sent to it before.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// For how much longer a client may keep its socket from being closed by never pausing, before it loses the connection: over
/// HTTP/2 with all else that is on it.
const GRACE: Duration = Duration::from_secs(1);

/// Why a WebSocket was closed, although neither its handler nor its client asked for it.
///
/// It is the cause of the error that sending gives from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Closed {
    /// The credential that opened it is no longer good, or nobody can tell.
    Ended(Ended),
    /// The listener was told to stop.
    Stopping,
}

impl Closed {
    /// The code of the close frame: that of [`Ended::close_code`]; 1001, going away, where the service stops.
    #[must_use]
    pub const fn close_code(self) -> u16 {
        match self {
            Self::Ended(ended) => ended.close_code(),
            Self::Stopping => close_code::AWAY,
        }
    }

    /// The reason in the close frame.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Ended(ended) => ended.reason(),
            Self::Stopping => "the service stops",
        }
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the connection was closed: {}", self.reason())
    }
}

impl Error for Closed {}

/// How a handler parted with its socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// It was done.
    Done,
    /// What the client sent was no WebSocket message.
    Garbled,
    /// It panicked.
    Panicked,
}

impl Left {
    const fn close_code(self) -> u16 {
        match self {
            Self::Done => close_code::NORMAL,
            Self::Garbled => close_code::PROTOCOL,
            Self::Panicked => close_code::ERROR,
        }
    }
}

/// Waits beside the handler until the socket has to be closed, and closes it. It ends with the connection.
pub(super) async fn watch(shared: Arc<Shared>, lease: ConnectionLease, left: oneshot::Receiver<Left>) {
    let ConnectionLease { lease, stopping } = lease;
    let clock = lease.clock().map_or_else(|| Arc::new(SystemClock::new()) as Arc<dyn Clock>, Arc::clone);
    let stopped = async {
        match stopping.clone() {
            Some(mut stopping) => stopping.stopped().await,
            None => std::future::pending().await,
        }
    };
    let (closed, code, reason) = tokio::select! {
        biased;
        ended = lease.clone().ended() => from_outside(Closed::Ended(ended)),
        stop = stopped => from_outside(match stop {
            Stop::Listener => Closed::Stopping,
            Stop::Certificate => {
                lease.tell_withdrawn();
                Closed::Ended(Ended::Withdrawn)
            }
        }),
        left = left => (None, left.unwrap_or(Left::Done).close_code(), ""),
    };
    let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
    // Aborted where it is not needed. A task of its own: a client that never pauses may keep this one.
    let mut watchdog = JoinSet::new();
    if let Some(stopping) = stopping.clone() {
        let alarm = clock.sleep(PATIENCE + GRACE);
        watchdog.spawn(async move {
            alarm.await;
            stopping.cut_connection();
        });
    }
    let closing = async {
        if let Some(mut socket) = shared.take(closed).await {
            close(&mut socket, frame).await;
        }
    };
    tokio::select! {
        () = closing => {}
        // Who does not answer, or does not read, is cut off.
        () = clock.sleep(PATIENCE) => drop(shared.take(closed).await),
    }
    // Only now is the listener done with it.
    drop((watchdog, stopping));
}

fn from_outside(closed: Closed) -> (Option<Closed>, u16, &'static str) {
    let (code, reason) = (closed.close_code(), closed.reason());
    tracing::info!(target: "portcullis", code, reason, "a WebSocket is closed");
    (Some(closed), code, reason)
}

/// Sends what is queued, then the close frame, and waits for the client's. What else the client sends meanwhile is thrown
/// away.
async fn close(socket: &mut WebSocket, frame: CloseFrame) {
    let (mut frame, mut read) = (Some(Message::Close(Some(frame))), false);
    std::future::poll_fn(|cx| {
        // A client that sends before it reads must not wait for us while we wait for it.
        while !read {
            let Poll::Ready(turn) = coop::poll_proceed(cx) else { break };
            match socket.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(_))) => turn.made_progress(),
                Poll::Ready(Some(Err(_)) | None) => read = true,
                Poll::Pending => break,
            }
        }
        if ready!(flush(socket, &mut frame, cx)).is_err() || read { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// A buffer that is full has no room for the frame, so it is emptied first.
fn flush(
    socket: &mut WebSocket,
    frame: &mut Option<Message>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), axum::Error>> {
    ready!(socket.poll_flush_unpin(cx))?;
    let Some(frame) = frame.take() else { return Poll::Ready(Ok(())) };
    // Refused where a close frame was sent before, which does as well.
    drop(std::pin::Pin::new(&mut *socket).start_send(frame));
    socket.poll_flush_unpin(cx)
}
