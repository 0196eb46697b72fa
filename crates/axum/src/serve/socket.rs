//! The bytes of a connection, below TLS.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::OwnedSemaphorePermit,
    time::{Sleep, sleep},
};

use super::{activity::Activity, metrics::OpenConnection};

/// How long what the client still sends is thrown away, so that it reads the answer.
pub(super) const LINGER: Duration = Duration::from_secs(2);

/// A client's socket: tells what moves, and is closed so that the last answer arrives.
///
/// It holds the connection's place among `maxConnections`, also after an upgrade to a WebSocket, when a handler owns it.
pub(super) struct Socket<I> {
    io: I,
    activity: Arc<Activity>,
    closing: Closing,
    _place: Place,
}

/// Given back when the socket is closed.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) _slot: OwnedSemaphorePermit,
    pub(super) _counted: OpenConnection,
}

enum Closing {
    No,
    Lingering(Pin<Box<Sleep>>),
    Done,
}

impl<I> Socket<I> {
    pub(super) const fn new(io: I, activity: Arc<Activity>, place: Place) -> Self {
        Self { io, activity, closing: Closing::No, _place: place }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Socket<I> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let room = buf.remaining() > 0;
        ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
        if room {
            this.activity.has_read(buf.filled().len() - before);
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Socket<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.io).poll_write(cx, buf);
        this.activity.has_written(result.is_pending());
        result
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.io).poll_write_vectored(cx, bufs);
        this.activity.has_written(result.is_pending());
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    /// RFC 9112 §9.6: "If a server performs an immediate close of a TCP connection, there is a significant risk that
    /// the client will not be able to read the last HTTP response." So the side that writes is closed first, and what
    /// the client is still sending (too many headers, or a body that was refused) is read for a while.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            match &mut this.closing {
                Closing::No => {
                    ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
                    this.closing = if this.activity.is_sending() {
                        Closing::Lingering(Box::pin(sleep(LINGER)))
                    } else {
                        Closing::Done
                    };
                }
                Closing::Lingering(timer) => {
                    let mut space = [0; 4096];
                    let mut buf = ReadBuf::new(&mut space);
                    if timer.as_mut().poll(cx).is_pending() {
                        match ready!(Pin::new(&mut this.io).poll_read(cx, &mut buf)) {
                            Ok(()) if !buf.filled().is_empty() => continue,
                            // The client has closed, too, or is gone.
                            Ok(()) | Err(_) => {}
                        }
                    }
                    this.closing = Closing::Done;
                }
                Closing::Done => return Poll::Ready(Ok(())),
            }
        }
    }
}
