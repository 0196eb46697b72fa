use std::{
    fmt,
    ops::{Deref, DerefMut},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError},
    task::{Context, Poll, Waker, ready},
    thread,
};

use axum::{
    Error,
    extract::ws::{Message, WebSocket},
};
use futures_util::{Sink, SinkExt, Stream, StreamExt as _, stream::FusedStream};
use http::HeaderValue;
use tokio::{
    sync::{Notify, oneshot},
    task::coop,
};

use super::{
    Closed, ConnectionLease,
    closing::{Left, watch},
};

/// A WebSocket that is closed when the credential that opened it ends, whatever its handler is doing.
///
/// It offers what axum's [`WebSocket`] offers: [`recv`](Self::recv) and [`send`](Self::send), and the same as a
/// [`Stream`] and a [`Sink`], which can be split. Once it is closed from outside its stream ends, and its sends fail with
/// [`Closed`] as the cause.
///
/// Dropping it closes the connection too, with code 1000, or 1011 where the handler panics. What was sent before arrives
/// before. A client has two seconds to take it and to answer.
///
/// Over HTTP/2 a client that never pauses can keep a single call of [`recv`](Self::recv) busy, so that nobody gets at the
/// socket. Under [`Listener`](crate::serve::Listener) it loses its connection a second later. Another server cannot be
/// told to cut it: let such clients come over HTTP/1.1 there.
pub struct GuardedSocket {
    shared: Arc<Shared>,
    protocol: Option<HeaderValue>,
    /// Taken when it is dropped.
    left: Option<oneshot::Sender<Left>>,
}

/// What the handler and the task that watches have in common.
pub(super) struct Shared {
    state: Mutex<State>,
    /// Told whenever the handler is done with the state.
    free: Notify,
    /// Why the socket is taken from the handler, or about to be.
    closed: OnceLock<Closed>,
}

struct State {
    /// Until one of the two takes it to close it.
    socket: Option<WebSocket>,
    garbled: bool,
    /// Those of the handler who wait, so that they learn of the end.
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl GuardedSocket {
    /// The socket, and what has to run beside its handler to close it.
    pub(super) fn new(
        socket: WebSocket,
        lease: ConnectionLease,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let protocol = socket.protocol().cloned();
        let state = State { socket: Some(socket), garbled: false, reader: None, writer: None };
        let shared =
            Arc::new(Shared { state: Mutex::new(state), free: Notify::new(), closed: OnceLock::new() });
        let (left, leaving) = oneshot::channel();
        let watching = watch(shared.clone(), lease, leaving);
        (Self { shared, protocol, left: Some(left) }, watching)
    }

    /// The next message; `None` once the connection is closed, from whichever side.
    pub async fn recv(&mut self) -> Option<Result<Message, Error>> {
        self.next().await
    }

    /// Sends a message.
    ///
    /// # Errors
    ///
    /// Where the connection is closed or broken; with [`Closed`] as the cause where it was closed from outside.
    pub async fn send(&mut self, message: Message) -> Result<(), Error> {
        SinkExt::send(self, message).await
    }

    /// The subprotocol that was selected, if any.
    #[must_use]
    pub const fn protocol(&self) -> Option<&HeaderValue> {
        self.protocol.as_ref()
    }

    /// Why it was closed from outside, where it was.
    #[must_use]
    pub fn closed(&self) -> Option<Closed> {
        self.shared.closed.get().copied()
    }

    /// Keeps everybody from the socket for as long as what it returns is there, as a call does that does not come back.
    #[cfg(test)]
    pub(crate) fn keep_busy(&self) -> impl Sized + '_ {
        self.shared.lock()
    }

    fn write<T>(
        &self,
        cx: &mut Context<'_>,
        work: impl FnOnce(Pin<&mut WebSocket>, &mut Context<'_>) -> Poll<Result<T, Error>>,
    ) -> Poll<Result<T, Error>> {
        let state = &mut *self.shared.lock();
        let Some(socket) = &mut state.socket else { return Poll::Ready(Err(self.shared.error())) };
        let polled = work(Pin::new(socket), cx);
        remember(&mut state.writer, cx, polled.is_pending());
        polled
    }
}

impl Shared {
    /// Takes the socket away, so that it can be closed. The handler learns of it.
    ///
    /// Waits for a call of the handler that is under way, and takes no thread for that: a call that reads what a client sends
    /// without a pause does not come back.
    pub(super) async fn take(&self, closed: Option<Closed>) -> Option<WebSocket> {
        if let Some(closed) = closed {
            self.closed.get_or_init(|| closed);
        }
        loop {
            if let Ok(socket) = self.try_take() {
                return socket;
            }
            self.free.notified().await;
        }
    }

    fn try_take(&self) -> Result<Option<WebSocket>, Busy> {
        let mut state = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(Busy),
        };
        let (socket, wakers) = (state.socket.take(), [state.reader.take(), state.writer.take()]);
        drop(state);
        wakers.into_iter().flatten().for_each(Waker::wake);
        Ok(socket)
    }

    fn error(&self) -> Error {
        self.closed.get().copied().map_or_else(|| Error::new("the connection was closed"), Error::new)
    }

    /// For the handler.
    fn lock(&self) -> Held<'_> {
        Held { state: self.state.lock().unwrap_or_else(PoisonError::into_inner), _tell: Tell(&self.free) }
    }
}

/// The handler has the state.
struct Busy;

/// The state in the hands of the handler. The fields are dropped in this order.
struct Held<'s> {
    state: MutexGuard<'s, State>,
    _tell: Tell<'s>,
}

struct Tell<'s>(&'s Notify);

impl Drop for Tell<'_> {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Deref for Held<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl DerefMut for Held<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

fn remember(slot: &mut Option<Waker>, cx: &Context<'_>, waits: bool) {
    match slot {
        Some(waker) if waits => waker.clone_from(cx.waker()),
        slot => *slot = waits.then(|| cx.waker().clone()),
    }
}

impl Stream for GuardedSocket {
    type Item = Result<Message, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // Streams of HTTP/2 never pause by themselves, and a handler may look at nothing else.
        let turn = ready!(coop::poll_proceed(cx));
        let state = &mut *self.shared.lock();
        let Some(socket) = &mut state.socket else { return Poll::Ready(None) };
        let polled = socket.poll_next_unpin(cx);
        remember(&mut state.reader, cx, polled.is_pending());
        let item = ready!(polled);
        turn.made_progress();
        state.garbled |= matches!(item, Some(Err(_)));
        Poll::Ready(item)
    }
}

impl FusedStream for GuardedSocket {
    fn is_terminated(&self) -> bool {
        self.shared.lock().socket.as_ref().is_none_or(FusedStream::is_terminated)
    }
}

impl Sink<Message> for GuardedSocket {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.write(cx, Sink::poll_ready)
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        let state = &mut *self.shared.lock();
        match &mut state.socket {
            Some(socket) => socket.start_send_unpin(message),
            None => Err(self.shared.error()),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.write(cx, Sink::poll_flush)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.write(cx, Sink::poll_close)
    }
}

impl Drop for GuardedSocket {
    fn drop(&mut self) {
        let garbled = self.shared.lock().garbled;
        let left = match (thread::panicking(), garbled) {
            (true, _) => Left::Panicked,
            (false, true) => Left::Garbled,
            (false, false) => Left::Done,
        };
        // Who watches is gone where the socket was closed before.
        self.left.take().map(|sender| sender.send(left));
    }
}

impl fmt::Debug for GuardedSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedSocket")
            .field("protocol", &self.protocol)
            .field("closed", &self.closed())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use portcullis_core::Ended;

    use super::*;

    #[test]
    fn whoever_closes_waits_for_the_handlers_call_without_a_thread() {
        let state = State { socket: None, garbled: false, reader: None, writer: None };
        let shared = Shared { state: Mutex::new(state), free: Notify::new(), closed: OnceLock::new() };
        let mut task = Context::from_waker(Waker::noop());
        let call = shared.lock();
        let mut taking = pin!(shared.take(Some(Closed::Ended(Ended::Expired))));
        assert!(taking.as_mut().poll(&mut task).is_pending());
        assert_eq!(
            shared.closed.get(),
            Some(&Closed::Ended(Ended::Expired)),
            "the handler can see it coming"
        );
        drop(call);
        assert!(taking.as_mut().poll(&mut task).is_ready());
    }
}
