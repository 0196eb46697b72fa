//! Time as a value that is handed in, so that tests set it.

use std::{
    fmt,
    time::{Duration, Instant, SystemTime},
};

use crate::BoxFuture;

/// A moment in civil time: the span since 1970-01-01T00:00:00Z, as in a JWT's `NumericDate` (RFC 7519 §2).
///
/// Arithmetic saturates: a token that claims to live until the year 10^300 is a token that lives for ever,
/// never an overflow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixTime(Duration);

impl UnixTime {
    /// The latest moment that can be told.
    pub const MAX: Self = Self(Duration::MAX);

    /// The moment `seconds` after 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// The moment `since_epoch` after 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn from_duration(since_epoch: Duration) -> Self {
        Self(since_epoch)
    }

    /// Whole seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0.as_secs()
    }

    /// The span since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn since_epoch(self) -> Duration {
        self.0
    }

    /// This moment moved later by `span`, or [`UnixTime::MAX`].
    #[must_use]
    pub const fn saturating_add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }

    /// This moment moved earlier by `span`, or the epoch.
    #[must_use]
    pub const fn saturating_sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(span))
    }

    /// How long after `earlier` this moment is; zero when it is not after it.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Debug for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnixTime({}.{:03})", self.0.as_secs(), self.0.subsec_millis())
    }
}

/// Where portcullis reads the time and waits for it.
///
/// Civil time ([`Clock::now`]) may jump in both directions; ages and intervals are therefore measured with
/// [`Clock::monotonic`], and only claims that name a civil moment (`exp`, `nbf`) are compared with `now`.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Civil time.
    fn now(&self) -> UnixTime;

    /// The span since some fixed start. Never goes backwards.
    fn monotonic(&self) -> Duration;

    /// Whether [`Clock::monotonic`] has reached `moment`. Asked for every request, so a clock may find out in fewer steps.
    fn has_reached(&self, moment: Duration) -> bool {
        self.monotonic() >= moment
    }

    /// Completes once `span` has passed on the monotonic scale.
    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()>;
}

/// The machine's clock. Waiting needs a tokio runtime with time enabled.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock whose monotonic scale starts now.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "a default that reads the clock would surprise")]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> UnixTime {
        // A clock before 1970 reads as 1970: every `exp` is then in the future and every `nbf` too,
        // so that nothing with a start date is let in.
        UnixTime(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn has_reached(&self, moment: Duration) -> bool {
        // A moment beyond the clock's end never comes.
        self.start.checked_add(moment).is_some_and(|moment| Instant::now() >= moment)
    }

    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unix_time_saturates_at_both_ends() {
        assert_eq!(UnixTime::MAX.saturating_add(Duration::from_secs(1)), UnixTime::MAX);
        assert_eq!(UnixTime::from_secs(1).saturating_sub(Duration::from_secs(2)), UnixTime::default());
        assert_eq!(UnixTime::from_secs(1).since(UnixTime::from_secs(2)), Duration::ZERO);
        assert_eq!(UnixTime::from_secs(5).since(UnixTime::from_secs(2)), Duration::from_secs(3));
    }

    #[test]
    fn the_machines_clock_reaches_what_is_over_and_nothing_beyond_its_end() {
        let clock = SystemClock::new();
        assert!(clock.has_reached(Duration::ZERO) && clock.has_reached(clock.monotonic()));
        for moment in [clock.monotonic() + Duration::from_secs(3_600), Duration::MAX] {
            assert!(!clock.has_reached(moment));
        }
    }
}
