//! A token that is sent again and again without asking its source.

use std::{
    fmt,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::Authorization;
use crate::{Clock, UnixTime};

/// A token that may be sent until its term is over, or its source takes it back.
///
/// Whoever sends many requests asks it instead of the source: it looks at the clock and at a flag, and takes no lock.
pub struct TokenLease {
    token: Authorization,
    /// `None` where it has no end.
    term: Option<Term>,
    /// Its source has another token now, or none.
    ended: AtomicBool,
}

/// When a token may be sent.
struct Term {
    clock: Arc<dyn Clock>,
    scale: Scale,
    from: Duration,
    until: Duration,
    /// Seconds of the coarse clock in which it may be sent for sure. Nearly always this one look at the clock is all.
    sure: Range<u64>,
}

#[derive(Clone, Copy)]
enum Scale {
    Monotonic,
    Civil,
}

/// In seconds: the coarse clock lags by less, since a tick is a hundredth of it.
const LAG: u64 = 1;

impl TokenLease {
    /// A token that may be sent until it is taken back.
    #[must_use]
    pub const fn endless(token: Authorization) -> Self {
        Self::new(token, None)
    }

    /// A token that may be sent until `moment` on the monotonic scale of `clock`.
    #[must_use]
    pub const fn until(token: Authorization, clock: Arc<dyn Clock>, moment: Duration) -> Self {
        Self::new(token, Some(Term::new(clock, Scale::Monotonic, Duration::ZERO, moment)))
    }

    /// A token that may be sent from one moment of civil time on and until another, however the clock is set meanwhile.
    #[must_use]
    pub const fn between(
        token: Authorization,
        clock: Arc<dyn Clock>,
        from: UnixTime,
        until: UnixTime,
    ) -> Self {
        Self::new(token, Some(Term::new(clock, Scale::Civil, from.since_epoch(), until.since_epoch())))
    }

    const fn new(token: Authorization, term: Option<Term>) -> Self {
        Self { token, term, ended: AtomicBool::new(false) }
    }

    /// The token.
    #[inline]
    #[must_use]
    pub const fn token(&self) -> &Authorization {
        &self.token
    }

    /// Whether it may be sent now.
    #[inline]
    #[must_use]
    pub fn is_good(&self) -> bool {
        !self.ended.load(Ordering::Acquire) && self.term.as_ref().is_none_or(Term::runs)
    }

    /// Takes it back: from now on it is good no more.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }
}

impl Term {
    const fn new(clock: Arc<dyn Clock>, scale: Scale, from: Duration, until: Duration) -> Self {
        let begun = from.as_secs().saturating_add((from.subsec_nanos() > 0) as u64);
        let sure = begun..until.as_secs().saturating_sub(LAG);
        Self { clock, scale, from, until, sure }
    }

    #[inline]
    fn runs(&self) -> bool {
        let coarse = match self.scale {
            Scale::Monotonic => self.clock.coarse_monotonic(),
            Scale::Civil => self.clock.coarse_now().since_epoch(),
        };
        self.sure.contains(&coarse.as_secs()) || self.runs_exactly()
    }

    /// By the clock that does not lag: a term ends when it is over, and has begun when it has.
    #[cold]
    fn runs_exactly(&self) -> bool {
        let now = match self.scale {
            Scale::Monotonic => self.clock.monotonic(),
            Scale::Civil => self.clock.now().since_epoch(),
        };
        (self.from..self.until).contains(&now)
    }
}

/// Shows nothing of the token.
impl fmt::Debug for TokenLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenLease").field("token", &self.token).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, atomic::AtomicUsize};

    use super::*;
    use crate::{BoxFuture, Secret};

    /// Civil and monotonic time in seconds.
    #[derive(Debug, Default)]
    struct Set(Mutex<(u64, u64)>);

    impl Clock for Set {
        fn now(&self) -> UnixTime {
            UnixTime::from_secs(self.0.lock().unwrap().0)
        }

        fn monotonic(&self) -> Duration {
            Duration::from_secs(self.0.lock().unwrap().1)
        }

        fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
            Box::pin(std::future::pending())
        }
    }

    fn token() -> Authorization {
        Authorization::bearer(&Secret::new("canary")).unwrap()
    }

    #[test]
    fn a_token_is_good_before_the_end_of_its_term_and_not_at_it() {
        let clock = Arc::new(Set::default());
        let lease = TokenLease::until(token(), Arc::clone(&clock) as _, Duration::from_secs(10));
        for (monotonic, good) in [(0, true), (9, true), (10, false), (11, false)] {
            // Civil time has no say.
            *clock.0.lock().unwrap() = (99, monotonic);
            assert_eq!(lease.is_good(), good, "{monotonic}");
        }

        let (from, until) = (UnixTime::from_secs(5), UnixTime::from_secs(10));
        let lease = TokenLease::between(token(), Arc::clone(&clock) as _, from, until);
        for (civil, good) in [(5, true), (9, true), (10, false), (4, false), (7, true)] {
            *clock.0.lock().unwrap() = (civil, 99);
            assert_eq!(lease.is_good(), good, "{civil}");
        }
    }

    /// Its coarse clock lags. Counts how often the other one is read.
    #[derive(Debug, Default)]
    struct Lagging {
        now: Mutex<Duration>,
        lag: Duration,
        reads: AtomicUsize,
    }

    impl Lagging {
        fn fine(&self) -> Duration {
            self.reads.fetch_add(1, Ordering::SeqCst);
            *self.now.lock().unwrap()
        }

        fn coarse(&self) -> Duration {
            self.now.lock().unwrap().saturating_sub(self.lag)
        }
    }

    impl Clock for Lagging {
        fn now(&self) -> UnixTime {
            UnixTime::from_duration(self.fine())
        }

        fn monotonic(&self) -> Duration {
            self.fine()
        }

        fn coarse_now(&self) -> UnixTime {
            UnixTime::from_duration(self.coarse())
        }

        fn coarse_monotonic(&self) -> Duration {
            self.coarse()
        }

        fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
            Box::pin(std::future::pending())
        }
    }

    #[test]
    fn a_clock_that_lags_neither_prolongs_a_term_nor_delays_it_and_is_asked_alone_in_between() {
        let clock = Arc::new(Lagging { lag: Duration::from_millis(990), ..Lagging::default() });
        let shared: Arc<dyn Clock> = Arc::<Lagging>::clone(&clock);
        let millis = Duration::from_millis;
        let (from, until) = (millis(10_500), millis(20_250));
        let civil = UnixTime::from_duration;
        let leases = [
            (TokenLease::until(token(), Arc::clone(&shared), until), true),
            (TokenLease::between(token(), shared, civil(from), civil(until)), false),
        ];
        for (lease, ever) in leases {
            for (now, good, closely) in [
                (millis(10_499), ever, !ever),
                (from, true, !ever),
                // The coarse clock says 10.999, and then 11.
                (millis(11_989), true, !ever),
                (millis(11_990), true, false),
                (millis(19_989), true, false),
                (millis(19_990), true, true),
                (millis(20_249), true, true),
                (until, false, true),
                (millis(21_239), false, true),
                (Duration::MAX, false, true),
            ] {
                *clock.now.lock().unwrap() = now;
                assert_eq!(lease.is_good(), good, "{now:?}");
                assert_eq!(clock.reads.swap(0, Ordering::SeqCst), usize::from(closely), "{now:?}");
            }
        }
    }

    #[test]
    fn a_term_of_less_than_the_clock_may_lag_is_told_by_the_other_one() {
        let clock = Arc::new(Lagging { lag: Duration::from_millis(10), ..Lagging::default() });
        let (from, until) = (UnixTime::from_secs(5), UnixTime::from_secs(6));
        let lease = TokenLease::between(token(), Arc::clone(&clock) as _, from, until);
        for (now, good) in [(4_999, false), (5_000, true), (5_005, true), (5_999, true), (6_000, false)] {
            *clock.now.lock().unwrap() = Duration::from_millis(now);
            assert_eq!(lease.is_good(), good, "{now}");
        }
    }

    #[test]
    fn a_token_that_was_taken_back_is_good_no_more_and_nothing_of_it_is_shown() {
        for lease in [
            TokenLease::until(token(), Arc::new(Set::default()), Duration::MAX),
            TokenLease::endless(token()),
        ] {
            assert!(lease.is_good());
            lease.end();
            assert!(!lease.is_good());
            assert_eq!(*lease.token(), token());
        }
        let lease = TokenLease::endless(token());
        assert_eq!(format!("{lease:?}"), "TokenLease { token: Authorization(Bearer [redacted]), .. }");
    }
}
