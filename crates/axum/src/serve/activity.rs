//! Whose turn it is on a connection, and for how long.

use std::{
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use http::Response;
use tokio::{sync::Notify, time::Instant};

use super::{config::Limits, metrics::Metrics};

/// What happens on one connection, told by its socket, its requests and their bodies.
///
/// What the socket and a request over HTTP/1.1 tell, they tell while the connection is being driven, and it is dated when that
/// is done ([`Activity::due`]): one look at the clock is enough for all of it.
#[derive(Debug)]
pub(super) struct Activity {
    state: Mutex<State>,
    /// Something arrived, after the last request began and the last one ended.
    read: AtomicBool,
    /// Something was sent.
    written: AtomicBool,
    cut: Notify,
    /// The listener's.
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct State {
    /// Bytes that arrive between requests begin a head in HTTP/1.1; in HTTP/2 they may be anything.
    http2: bool,
    /// Requests that are with the service or whose response is being sent.
    in_flight: usize,
    /// Since when no request is in flight, and nothing of a response.
    idle: Instant,
    /// The same since now.
    idle_now: bool,
    /// Since when a head is arriving.
    head: Option<Instant>,
    /// Since when the service waits for more of a request's body.
    body: Option<Instant>,
    /// Since when the client does not take what is sent.
    blocked: Option<Instant>,
    /// Since when the client knows that no more requests are taken.
    leaving: Option<Instant>,
    /// A request's body was left unread.
    unread: bool,
    /// The client has closed its side.
    ended: bool,
    /// The bytes are no longer HTTP.
    upgraded: bool,
}

/// Why a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overdue {
    /// No request for too long.
    Idle,
    /// The head of a request takes too long.
    Header,
    /// The client neither sends nor takes a body.
    Stalled,
    /// The client was told to leave and stays.
    Leaving,
}

impl Overdue {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Header => "a request's head takes too long",
            Self::Stalled => "the client neither sends nor takes a body",
            Self::Leaving => "the client does not leave",
        }
    }
}

impl Activity {
    pub(super) fn new(metrics: Arc<Metrics>) -> Arc<Self> {
        let now = Instant::now();
        let state = State {
            http2: false,
            in_flight: 0,
            idle: now,
            idle_now: false,
            head: Some(now),
            body: None,
            blocked: None,
            leaving: None,
            unread: false,
            ended: false,
            upgraded: false,
        };
        let (read, written) = (AtomicBool::new(false), AtomicBool::new(false));
        Arc::new(Self { state: Mutex::new(state), read, written, cut: Notify::new(), metrics })
    }

    /// Has the connection closed, whatever happens on it.
    pub(super) fn cut(&self) {
        self.cut.notify_one();
    }

    /// Completes once it is to be closed.
    pub(super) async fn is_cut(&self) {
        self.cut.notified().await;
    }

    /// HTTP begins now, and the first request is due.
    pub(super) fn open(&self, http2: bool) {
        let now = Instant::now();
        let mut state = self.lock();
        self.read.store(false, Relaxed);
        self.written.store(false, Relaxed);
        state.idle = now;
        state.http2 = http2;
        state.head = (!http2).then_some(now);
        state.blocked = None;
    }

    pub(super) fn has_read(&self, bytes: usize) {
        if bytes == 0 {
            self.lock().ended = true;
        } else {
            self.read.store(true, Relaxed);
        }
    }

    pub(super) fn has_written(&self, blocked: bool) {
        if !blocked {
            self.written.store(true, Relaxed);
            return;
        }
        let mut state = self.lock();
        state.take_written(&self.written);
        state.blocked.get_or_insert_with(Instant::now);
    }

    pub(super) fn request(self: &Arc<Self>, http2: bool) -> InFlight {
        let mut state = self.lock();
        state.http2 |= http2;
        // It had its head.
        self.read.store(false, Relaxed);
        state.head = None;
        state.unread = false;
        state.in_flight += 1;
        InFlight(self.clone())
    }

    pub(super) fn body_waits(&self) {
        self.lock().body.get_or_insert_with(Instant::now);
    }

    pub(super) fn body_moves(&self) {
        self.lock().body = None;
    }

    pub(super) fn body_ends(&self, unread: bool) {
        let mut state = self.lock();
        state.body = None;
        state.unread |= unread;
    }

    pub(super) fn leave(&self) {
        self.lock().leaving = Some(Instant::now());
    }

    /// When the client's turn is over, where it is the client's turn, and what is wrong then. What happened since this was
    /// last asked happened at `now`.
    pub(super) fn due(&self, limits: &Limits, now: Instant) -> Option<(Instant, Overdue)> {
        let mut state = self.lock();
        state.take_written(&self.written);
        if mem::take(&mut state.idle_now) {
            state.idle = now;
        }
        if self.read.swap(false, Relaxed) {
            state.has_read(now);
        }
        let at = |since: Instant, limit: Duration, why| Some((since + limit, why));
        let blocked = state.blocked.and_then(|since| at(since, limits.idle, Overdue::Stalled));
        let turn = if state.in_flight > 0 {
            state.body.and_then(|since| at(since, limits.idle, Overdue::Stalled))
        } else if let Some(since) = state.leaving {
            at(since.max(state.idle), limits.idle, Overdue::Leaving)
        } else if let Some(since) = state.head {
            at(since, limits.header, Overdue::Header)
        } else {
            at(state.idle, limits.idle, Overdue::Idle)
        };
        [blocked, turn].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// Whether the client may still be sending when the connection is closed.
    pub(super) fn is_sending(&self) -> bool {
        let state = self.lock();
        let head = state.head.is_some() || self.read.load(Relaxed) && state.is_between_requests();
        !state.ended && !state.upgraded && (state.unread || head || state.in_flight > 0)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What arrives now begins a head in HTTP/1.1.
    const fn is_between_requests(&self) -> bool {
        self.in_flight == 0 && !self.http2
    }

    fn has_read(&mut self, now: Instant) {
        if self.is_between_requests() {
            self.head.get_or_insert(now);
        } else if self.body.is_some() {
            self.body = Some(now);
        }
    }

    fn take_written(&mut self, written: &AtomicBool) {
        if written.swap(false, Relaxed) {
            self.blocked = None;
            // The end of a response is still on its way after its body is done. In HTTP/2 it may be a PING's echo.
            self.idle_now |= self.is_between_requests();
        }
    }
}

/// A request that is in flight until this is dropped.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Activity>);

impl InFlight {
    /// Its response begins; `switches` is whether with it the connection ceases to be one of HTTP.
    pub(super) fn answered<B>(&self, response: &Response<B>, switches: bool) {
        let Self(activity) = self;
        activity.metrics.answered(response);
        if switches {
            activity.lock().upgraded = true;
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.in_flight = state.in_flight.saturating_sub(1);
        if state.in_flight == 0 {
            // What was read meanwhile was its body.
            self.0.read.store(false, Relaxed);
            if state.http2 {
                // Streams have tasks of their own, and need not wake the connection's.
                state.idle = Instant::now();
            } else {
                state.idle_now = true;
            }
        }
    }
}
