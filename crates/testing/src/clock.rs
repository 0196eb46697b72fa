use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    task::{Poll, Waker},
    time::Duration,
};

use portcullis_core::{BoxFuture, Clock, UnixTime};

/// A clock that stands still until a test moves it. Clones show the same time.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use portcullis_core::{Clock, UnixTime};
/// use portcullis_testing::ManualClock;
///
/// let clock = ManualClock::at(UnixTime::from_secs(1_000));
/// clock.advance(Duration::from_secs(5));
/// assert_eq!(clock.now(), UnixTime::from_secs(1_005));
/// let shared: Arc<dyn Clock> = Arc::new(clock);
/// ```
#[derive(Clone)]
pub struct ManualClock(Arc<Mutex<State>>);

struct State {
    now: UnixTime,
    monotonic: Duration,
    sleepers: Vec<(Duration, Waker)>,
}

impl ManualClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn at(now: UnixTime) -> Self {
        Self(Arc::new(Mutex::new(State { now, monotonic: Duration::ZERO, sleepers: Vec::new() })))
    }

    /// Lets `span` pass: civil and monotonic time move on, and whoever slept as long wakes up.
    pub fn advance(&self, span: Duration) {
        let mut state = self.lock();
        state.now = state.now.saturating_add(span);
        state.monotonic = state.monotonic.saturating_add(span);
        let now = state.monotonic;
        let (due, rest) =
            std::mem::take(&mut state.sleepers).into_iter().partition(|(until, _)| *until <= now);
        state.sleepers = rest;
        drop(state);
        let due: Vec<(Duration, Waker)> = due;
        due.into_iter().for_each(|(_, waker)| waker.wake());
    }

    /// Sets civil time, as an administrator or NTP does. Monotonic time does not move.
    pub fn set(&self, now: UnixTime) {
        self.lock().now = now;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixTime {
        self.lock().now
    }

    fn monotonic(&self) -> Duration {
        self.lock().monotonic
    }

    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        let clock = self.clone();
        let until = self.monotonic().saturating_add(span);
        Box::pin(std::future::poll_fn(move |cx| {
            let mut state = clock.lock();
            if state.monotonic >= until {
                return Poll::Ready(());
            }
            state.sleepers.push((until, cx.waker().clone()));
            Poll::Pending
        }))
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ManualClock").field(&self.now()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sleepers_wake_when_their_time_has_come_and_not_before() {
        let clock = ManualClock::at(UnixTime::from_secs(10));
        let mut sleep = clock.sleep(Duration::from_secs(5));
        let poll = |sleep: &mut BoxFuture<'static, ()>| {
            sleep.as_mut().poll(&mut std::task::Context::from_waker(Waker::noop()))
        };
        assert!(poll(&mut sleep).is_pending());
        clock.advance(Duration::from_secs(4));
        assert!(poll(&mut sleep).is_pending());
        clock.set(UnixTime::from_secs(1_000));
        assert!(poll(&mut sleep).is_pending(), "civil time wakes nobody");
        clock.advance(Duration::from_secs(1));
        assert!(poll(&mut sleep).is_ready());
        let waiting = tokio::spawn(clock.sleep(Duration::from_secs(1)));
        tokio::task::yield_now().await;
        clock.advance(Duration::from_secs(1));
        waiting.await.unwrap();
    }
}
