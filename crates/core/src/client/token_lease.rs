//! A token that is sent again and again without asking its source.

use std::{
    fmt,
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
    term: Term,
    /// Its source has another token now, or none.
    ended: AtomicBool,
}

enum Term {
    Endless,
    Until(Arc<dyn Clock>, Duration),
    Between(Arc<dyn Clock>, UnixTime, UnixTime),
}

impl TokenLease {
    /// A token that may be sent until it is taken back.
    #[must_use]
    pub const fn endless(token: Authorization) -> Self {
        Self::new(token, Term::Endless)
    }

    /// A token that may be sent until `moment` on the monotonic scale of `clock`.
    #[must_use]
    pub const fn until(token: Authorization, clock: Arc<dyn Clock>, moment: Duration) -> Self {
        Self::new(token, Term::Until(clock, moment))
    }

    /// A token that may be sent from one moment of civil time on and until another, however the clock is set meanwhile.
    #[must_use]
    pub const fn between(
        token: Authorization,
        clock: Arc<dyn Clock>,
        from: UnixTime,
        until: UnixTime,
    ) -> Self {
        Self::new(token, Term::Between(clock, from, until))
    }

    const fn new(token: Authorization, term: Term) -> Self {
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
        !self.ended.load(Ordering::Acquire)
            && match &self.term {
                Term::Endless => true,
                Term::Until(clock, moment) => !clock.has_reached(*moment),
                Term::Between(clock, from, until) => {
                    let now = clock.now();
                    *from <= now && now < *until
                }
            }
    }

    /// Takes it back: from now on it is good no more.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Release);
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
    use std::sync::Mutex;

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
