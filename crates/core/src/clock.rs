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

    /// Civil time as it was some milliseconds ago at most, for what is asked with every request and need not know better. It
    /// may lag behind [`Clock::now`] and never runs ahead: what has not begun by it may have begun.
    fn coarse_now(&self) -> UnixTime {
        self.now()
    }

    /// [`Clock::monotonic`] as it was some milliseconds ago at most, likewise: what is over by it is over. No span is measured
    /// from a moment of the one to a moment of the other.
    fn coarse_monotonic(&self) -> Duration {
        self.monotonic()
    }

    /// Whether `moment` is over by [`Clock::coarse_monotonic`].
    fn has_reached(&self, moment: Duration) -> bool {
        self.coarse_monotonic() >= moment
    }

    /// Completes once `span` has passed on the monotonic scale.
    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()>;
}

/// The machine's clock. Waiting needs a tokio runtime with time enabled.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
    /// The same moment in whole seconds of the coarse clock, or a moment later.
    coarse_start: Option<u64>,
}

impl SystemClock {
    /// A clock whose monotonic scale started within the last second.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "a default that reads the clock would surprise")]
    pub fn new() -> Self {
        let now = Instant::now();
        // Read later, so that what is counted from there is never ahead. The scale begins with a second of that clock: of
        // what is read there, seconds are all that has to be subtracted.
        let begun = coarse::start().and_then(|read| {
            let start = now.checked_sub(Duration::from_nanos(read.subsec_nanos().into()))?;
            Some(Self { start, coarse_start: Some(read.as_secs()) })
        });
        begun.unwrap_or(Self { start: now, coarse_start: None })
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

    fn coarse_now(&self) -> UnixTime {
        coarse::civil().map_or_else(|| self.now(), UnixTime)
    }

    fn coarse_monotonic(&self) -> Duration {
        match (coarse::monotonic(), self.coarse_start) {
            (Some(now), Some(start)) => match now.as_secs().checked_sub(start) {
                Some(seconds) => Duration::new(seconds, now.subsec_nanos()),
                // It lags, and the scale has begun since.
                None => Duration::ZERO,
            },
            _ => self.monotonic(),
        }
    }

    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(span))
    }
}

/// The clocks that the kernel sets with each of its ticks, every 1 to 10 ms. To read one takes a seventh of the time: the
/// processor's counter is not asked.
#[cfg(target_os = "linux")]
mod coarse {
    use std::time::Duration;

    use nix::time::{ClockId, clock_gettime};

    pub(super) fn start() -> Option<Duration> {
        read(ClockId::CLOCK_MONOTONIC)
    }

    pub(super) fn civil() -> Option<Duration> {
        read(ClockId::CLOCK_REALTIME_COARSE)
    }

    pub(super) fn monotonic() -> Option<Duration> {
        read(ClockId::CLOCK_MONOTONIC_COARSE)
    }

    /// `None` where the system has no such clock, and before 1970.
    fn read(clock: ClockId) -> Option<Duration> {
        let read = clock_gettime(clock).ok()?;
        (read.tv_sec() >= 0).then(|| read.into())
    }
}

/// Elsewhere there are none.
#[cfg(not(target_os = "linux"))]
mod coarse {
    use std::time::Duration;

    pub(super) const fn start() -> Option<Duration> {
        None
    }

    pub(super) const fn civil() -> Option<Duration> {
        None
    }

    pub(super) const fn monotonic() -> Option<Duration> {
        None
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
        assert!(clock.has_reached(Duration::ZERO) && clock.has_reached(clock.coarse_monotonic()));
        for moment in [clock.monotonic() + Duration::from_secs(3_600), Duration::MAX] {
            assert!(!clock.has_reached(moment));
        }
    }

    #[test]
    fn the_coarse_clock_goes_on_and_lags_a_little_and_is_never_ahead() {
        let clock = SystemClock::new();
        let (mut last, mut moves, mut least) = (clock.coarse_monotonic(), 0, Duration::MAX);
        while moves < 3 {
            let (coarse, fine) = (clock.coarse_monotonic(), clock.monotonic());
            assert!(last <= coarse && coarse <= fine, "{last:?}, {coarse:?}, {fine:?}");
            let (civil, now) = (clock.coarse_now(), clock.now());
            assert!(civil <= now && now.since(civil) < Duration::from_secs(60), "{civil:?}, {now:?}");
            moves += u32::from(last < coarse);
            last = coarse;
            least = least.min(fine - coarse);
        }
        // Both are on one scale: a lag of more than a tick is another's work, and not always there.
        assert!(least < Duration::from_millis(100), "{least:?}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_coarse_clock_says_nothing_of_the_second_before_its_scale_begins() {
        let clock = SystemClock::new();
        let later = SystemClock { coarse_start: clock.coarse_start.map(|start| start + 3_600), ..clock };
        assert_eq!(later.coarse_monotonic(), Duration::ZERO, "a part of a second would be ahead");
    }

    #[test]
    fn a_clock_that_says_no_more_is_as_coarse_as_it_is_fine() {
        #[derive(Debug)]
        struct Still;

        impl Clock for Still {
            fn now(&self) -> UnixTime {
                UnixTime::from_secs(7)
            }
            fn monotonic(&self) -> Duration {
                Duration::from_secs(5)
            }
            fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
                Box::pin(std::future::pending())
            }
        }

        assert_eq!((Still.coarse_now(), Still.coarse_monotonic()), (Still.now(), Still.monotonic()));
        assert!(Still.has_reached(Duration::from_secs(5)) && !Still.has_reached(Duration::from_secs(6)));
    }
}
