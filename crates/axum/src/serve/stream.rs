//! One request of an HTTP/2 connection, to the end of its answer.
//!
//! A client takes what is sent on a stream when it opens that stream's window, whatever happens on the connection's others.
//! hyper waits for that without end, and keeps the answer, and so an upstream's connection or a handler's, for as long.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::{
    task::futures::TaskLocalFuture,
    time::{Instant, Sleep, sleep_until},
};

use super::activity::InFlight;

/// How many bytes a client takes in a second at least, beside the time for each wait: what it was given since the last one may all
/// lie between, in a large piece or a large window.
const SLOWEST: u64 = 4 * 1024;

/// How much longer a wait may be for that.
const LONGEST: u64 = 10 * 60;

tokio::task_local! {
    static TURN: Arc<Turn>;
}

/// Whose turn it is.
#[derive(Debug, Default)]
struct Turn(Mutex<State>);

#[derive(Clone, Copy, Debug, Default)]
struct State {
    frames: u64,
    bytes: u64,
    /// It is the client's turn.
    is_given: bool,
}

impl Turn {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the stream that is being driven how much its body has just given to the client, or that it gave nothing.
pub(super) fn tell(given: Option<usize>) {
    // In HTTP/1.1 there is none: the socket tells.
    _ = TURN.try_with(|turn| {
        let mut state = turn.lock();
        state.frames = state.frames.wrapping_add(1);
        state.is_given = given.is_some();
        let bytes = given.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default();
        state.bytes = state.bytes.saturating_add(bytes);
    });
}

pin_project! {
    /// Ends when the stream does, or when its client takes nothing for too long.
    pub(super) struct Stream<F> {
        #[pin]
        stream: TaskLocalFuture<Arc<Turn>, F>,
        turn: Arc<Turn>,
        patience: Duration,
        // The number of the frame that the client was given time for, and how much it had been given with it.
        timed: u64,
        bytes: u64,
        alarm: Option<Pin<Box<Sleep>>>,
        in_flight: InFlight,
    }
}

impl<F: Future> Stream<F> {
    pub(super) fn new(stream: F, patience: Duration, in_flight: InFlight) -> Self {
        let turn = Arc::<Turn>::default();
        let stream = TURN.scope(Arc::clone(&turn), stream);
        Self { stream, turn, patience, timed: 0, bytes: 0, alarm: None, in_flight }
    }
}

impl<F: Future> Future for Stream<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if this.stream.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let State { frames, bytes, is_given } = *this.turn.lock();
        if !is_given {
            return Poll::Pending;
        }
        if frames != *this.timed {
            let seconds = (bytes.saturating_sub(*this.bytes) / SLOWEST).min(LONGEST);
            (*this.timed, *this.bytes) = (frames, bytes);
            let until = Instant::now() + this.patience.saturating_add(Duration::from_secs(seconds));
            match this.alarm {
                Some(alarm) => alarm.as_mut().reset(until),
                None => *this.alarm = Some(Box::pin(sleep_until(until))),
            }
        }
        let Some(alarm) = this.alarm else { return Poll::Pending };
        alarm.as_mut().poll(cx).map(|()| {
            tracing::debug!(target: "portcullis::listener", "a stream was reset: its client does not take the answer");
        })
    }
}
