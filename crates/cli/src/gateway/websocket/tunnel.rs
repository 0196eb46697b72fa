//! A WebSocket while it is open, and how it is closed.

use std::{
    fmt,
    future::{Future, poll_fn},
    mem::discriminant,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use portcullis_core::{BoxFuture, Clock};
use tokio::io::{AsyncRead, AsyncWrite, empty, sink};

use super::{
    frames::{self, Writer},
    lane::{Broken, Lane},
};

/// When the gateway closes a WebSocket: how long a frame that has begun may take to its end, and the Close frame behind
/// it to go out.
pub(super) const FRAME_GRACE: Duration = Duration::from_secs(1);

/// And how long, both together, until the answer to the Close frame is there.
pub(super) const CLOSE_GRACE: Duration = Duration::from_secs(2);

/// How long one side may go on after the other has hung up.
pub(super) const HALF_GRACE: Duration = Duration::from_secs(5);

/// Why the gateway closes a WebSocket, told to both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Farewell {
    pub(super) code: u16,
    pub(super) reason: &'static str,
}

/// How a WebSocket came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::gateway) struct Closed {
    pub(in crate::gateway) by: By,
    /// The code of the first Close frame; `None` where there was none.
    pub(in crate::gateway) code: Option<u16>,
    /// What the end looked like: the gateway's reason, or what became of the connection.
    pub(in crate::gateway) reason: String,
    /// How many bytes went from the client to the upstream.
    pub(in crate::gateway) up: u64,
    /// How many bytes went from the upstream to the client.
    pub(in crate::gateway) down: u64,
}

/// Who ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gateway) enum By {
    Client,
    Upstream,
    Gateway,
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Upstream => "upstream",
            Self::Gateway => "gateway",
        })
    }
}

/// Lets everything pass between the two until one of them ends it, or `until` completes. `mask` is random.
pub(super) async fn run<C, U>(
    client: C,
    upstream: U,
    until: impl Future<Output = Farewell>,
    mask: [u8; 4],
    clock: &Arc<dyn Clock>,
) -> Closed
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let mut tunnel = Tunnel {
        client: Side::of(client),
        upstream: Side::of(upstream),
        up: Lane::of(Writer::Client),
        down: Lane::of(Writer::Server),
        stage: Stage::Open,
        mask,
        first: None,
    };
    let mut until = pin!(until);
    poll_fn(|cx| tunnel.poll(cx, until.as_mut(), clock)).await
}

struct Tunnel<C, U> {
    client: Side<C>,
    upstream: Side<U>,
    up: Lane,
    down: Lane,
    stage: Stage,
    mask: [u8; 4],
    /// Who sent the first Close frame, and its code.
    first: Option<(By, u16)>,
}

/// One of the two connections.
struct Side<I> {
    /// `None` once it is closed.
    io: Option<I>,
    /// Nothing more can be written.
    shut: bool,
}

enum Stage {
    /// Frames pass.
    Open,
    /// One side is gone, for this reason; the other may come to its end.
    Left { by: By, reason: String, alarm: BoxFuture<'static, ()> },
    /// The gateway closes it. `frame` is there until it goes off.
    Closing { farewell: Farewell, frame: Option<BoxFuture<'static, ()>>, close: BoxFuture<'static, ()> },
}

impl<C, U> Tunnel<C, U>
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        until: Pin<&mut impl Future<Output = Farewell>>,
        clock: &Arc<dyn Clock>,
    ) -> Poll<Closed> {
        if !self.is_closing()
            && let Poll::Ready(farewell) = until.poll(cx)
        {
            self.close(farewell, clock);
        }
        loop {
            let (stage, sides) = (discriminant(&self.stage), self.sides());
            // Before anything is moved: whoever never stops sending leaves no time for them afterwards.
            if self.poll_alarms(cx).is_ready() {
                return Poll::Ready(self.outcome());
            }
            if let Err(malformed) = self.poll_lanes(cx, clock) {
                return Poll::Ready(malformed);
            }
            let closing = self.is_closing();
            self.client.poll_close(cx, &self.down, &self.up, closing);
            self.upstream.poll_close(cx, &self.up, &self.down, closing);
            match self.sides() {
                0 => return Poll::Ready(self.outcome()),
                // The other side is to hear of it now, and a new stage has alarms that nobody has set.
                left if left < sides || stage != discriminant(&self.stage) => {}
                _ => return Poll::Pending,
            }
        }
    }

    /// Ready once the time for all that is left is over.
    fn poll_alarms(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.stage {
            Stage::Open => Poll::Pending,
            Stage::Left { alarm, .. } => alarm.as_mut().poll(cx),
            Stage::Closing { frame, close, .. } => {
                if let Some(alarm) = frame
                    && alarm.as_mut().poll(cx).is_ready()
                {
                    *frame = None;
                    self.cut_untold();
                    return self.poll_alarms(cx);
                }
                close.as_mut().poll(cx)
            }
        }
    }

    const fn is_closing(&self) -> bool {
        matches!(self.stage, Stage::Closing { .. })
    }

    /// How many of the two connections there are.
    fn sides(&self) -> usize {
        usize::from(self.client.io.is_some()) + usize::from(self.upstream.io.is_some())
    }

    /// Tells both sides that it is over.
    fn close(&mut self, farewell: Farewell, clock: &Arc<dyn Clock>) {
        self.down.finish(frames::close(farewell.code, farewell.reason, None));
        self.up.finish(frames::close(farewell.code, farewell.reason, Some(self.mask)));
        self.stage = Stage::Closing {
            farewell,
            frame: Some(clock.sleep(FRAME_GRACE)),
            close: clock.sleep(CLOSE_GRACE),
        };
    }

    /// Whoever could not be told by now is cut off.
    fn cut_untold(&mut self) {
        if !self.down.is_over() {
            self.client.io = None;
        }
        if !self.up.is_over() {
            self.upstream.io = None;
        }
    }

    /// Moves what can be moved. What is no frame ends everything at once: that is the error.
    fn poll_lanes(&mut self, cx: &mut Context<'_>, clock: &Arc<dyn Clock>) -> Result<(), Closed> {
        let moved = poll_lane(&mut self.up, cx, &mut self.client, &mut self.upstream);
        self.note(By::Client, By::Upstream, moved, clock)?;
        let moved = poll_lane(&mut self.down, cx, &mut self.upstream, &mut self.client);
        self.note(By::Upstream, By::Client, moved, clock)
    }

    /// Takes note of what a direction came to, from one side to the other.
    fn note(
        &mut self,
        from: By,
        to: By,
        moved: Result<(), Broken>,
        clock: &Arc<dyn Clock>,
    ) -> Result<(), Closed> {
        let lane = if from == By::Client { &self.up } else { &self.down };
        if self.first.is_none() && !self.is_closing() {
            self.first = lane.closed().map(|code| (from, code));
        }
        let (by, reason) = match moved {
            Ok(()) if lane.has_ended() => (from, None),
            Ok(()) => return Ok(()),
            Err(Broken::Malformed(malformed)) if !self.is_closing() => {
                return Err(self.closed(from, None, malformed.to_string()));
            }
            Err(Broken::Malformed(_)) => {
                self.lose(from);
                (from, None)
            }
            Err(Broken::From(error)) => {
                self.lose(from);
                (from, Some(error))
            }
            Err(Broken::To(error)) => {
                self.lose(to);
                (to, Some(error))
            }
        };
        if matches!(self.stage, Stage::Open) {
            let reason = reason.map_or_else(|| "it hung up".to_owned(), |error| error.to_string());
            self.stage = Stage::Left { by, reason, alarm: clock.sleep(HALF_GRACE) };
        }
        Ok(())
    }

    fn lose(&mut self, side: By) {
        match side {
            By::Client => self.client.io = None,
            By::Upstream => self.upstream.io = None,
            By::Gateway => {}
        }
    }

    fn outcome(&self) -> Closed {
        match (&self.stage, self.first) {
            (Stage::Closing { farewell, .. }, _) => {
                self.closed(By::Gateway, Some(farewell.code), farewell.reason.to_owned())
            }
            (Stage::Left { reason, .. }, Some((by, code))) => self.closed(by, Some(code), reason.clone()),
            (Stage::Left { by, reason, .. }, None) => self.closed(*by, None, reason.clone()),
            (Stage::Open, _) => self.closed(By::Gateway, None, String::new()),
        }
    }

    const fn closed(&self, by: By, code: Option<u16>, reason: String) -> Closed {
        Closed { by, code, reason, up: self.up.bytes(), down: self.down.bytes() }
    }
}

/// Moves what can be moved in one direction; a side that is gone says nothing, and takes everything.
fn poll_lane<R, W>(
    lane: &mut Lane,
    cx: &mut Context<'_>,
    from: &mut Side<R>,
    to: &mut Side<W>,
) -> Result<(), Broken>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    if from.io.is_none() {
        lane.end();
    }
    if to.io.is_none() {
        lane.cut();
    }
    let polled = match (&mut from.io, &mut to.io) {
        (Some(from), Some(to)) => lane.poll(cx, from, to),
        (None, Some(to)) => lane.poll(cx, &mut empty(), to),
        (Some(from), None) => lane.poll(cx, from, &mut sink()),
        (None, None) => Poll::Ready(Ok(())),
    };
    match polled {
        Poll::Ready(ended) => ended,
        Poll::Pending => Ok(()),
    }
}

impl<I: AsyncWrite + Unpin> Side<I> {
    const fn of(io: I) -> Self {
        Self { io: Some(io), shut: false }
    }

    /// Closes the connection as far as it is done: `to` leads here and `from` comes from here.
    fn poll_close(&mut self, cx: &mut Context<'_>, to: &Lane, from: &Lane, closing: bool) {
        let Some(io) = &mut self.io else { return };
        // RFC 6455 §7.1.1: both Close frames first, then the connection.
        let heard = from.has_ended() || closing && (from.closed().is_some() || to.is_torn());
        if !to.is_over() || closing && !heard {
            return;
        }
        if !self.shut {
            match Pin::new(io).poll_shutdown(cx) {
                Poll::Ready(Ok(())) => self.shut = true,
                Poll::Ready(Err(_)) => self.io = None,
                Poll::Pending => return,
            }
        }
        if heard {
            self.io = None;
        }
    }
}
