//! How long one waits after how many failures.

use std::time::Duration;

use super::table::Occupant;

/// The span in which a count halves.
pub(super) const HALF_LIFE: Duration = Duration::from_secs(60 * 60);

/// The delay after the first failure that has one.
const FIRST_DELAY: Duration = Duration::from_secs(1);

/// What somebody is told to wait while too many other attempts are being looked at.
pub(super) const BUSY: Duration = Duration::from_secs(1);

/// Attempts of one counter that are looked at at the same time, whatever the limits.
const MOST_AT_ONCE: usize = 256;

/// From which failure on there are delays, and how long they get.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    pub(super) free: u32,
    pub(super) max_delay: Duration,
}

impl Limit {
    /// The delay after so many failures: 0, …, 0, 1, 2, 4, … seconds, up to the longest.
    fn delay(self, failures: u32) -> Duration {
        let Some(beyond) = failures.checked_sub(self.free) else { return Duration::ZERO };
        let doubled =
            1_u32.checked_shl(beyond).map_or(Duration::MAX, |times| FIRST_DELAY.saturating_mul(times));
        doubled.min(self.max_delay)
    }

    /// The count from which the delay grows no longer. To count on would only make the way back longer.
    fn most(self) -> u32 {
        let doublings = 64_u32.saturating_sub(self.max_delay.as_secs().leading_zeros());
        self.free.saturating_add(doublings)
    }

    /// The same where an outage or an impatient caller may be at fault: enough to slow a guesser down, soon over for who is
    /// none.
    fn most_in_outage(self) -> u32 {
        self.free.saturating_add(2)
    }
}

/// Failures of one kind, and the attempts that are being looked at.
#[derive(Debug, Default)]
pub(super) struct Counter {
    failures: u32,
    /// When it was last halved, or began.
    aged: Duration,
    /// When the last failure was.
    failed: Duration,
    /// Each a credential of its own: the same one many times is one guess.
    under_way: Vec<UnderWay>,
}

#[derive(Debug)]
struct UnderWay {
    credential: u64,
    number: u64,
    shared_by: u32,
}

/// How bad a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The credential is wrong.
    Plain,
    /// Nobody said that it is wrong, but the right one might have been told at once: from a memory, or by another store.
    InOutage,
}

impl Counter {
    /// Halves the count once for each half-life that has passed.
    pub(super) fn age(&mut self, now: Duration) {
        if self.failures == 0 {
            self.aged = now;
            return;
        }
        let passed = now.saturating_sub(self.aged).as_secs().checked_div(HALF_LIFE.as_secs()).unwrap_or(0);
        let times = u32::try_from(passed).unwrap_or(u32::MAX);
        self.failures = self.failures.checked_shr(times).unwrap_or(0);
        self.aged = self.aged.saturating_add(HALF_LIFE.saturating_mul(times));
    }

    /// How long one has to wait now.
    pub(super) fn delay(&mut self, limit: Limit, now: Duration) -> Option<Duration> {
        self.age(now);
        let left = limit.delay(self.failures).saturating_sub(now.saturating_sub(self.failed));
        (!left.is_zero()).then_some(left)
    }

    /// Whether one more credential may be looked at beside those that are: no more than may fail without a delay, and one at
    /// least.
    pub(super) fn has_room(&self, credential: u64, limit: Limit) -> bool {
        let under_way = self.under_way.len();
        under_way == 0
            || self.under_way.iter().any(|one| one.credential == credential)
            || (under_way < MOST_AT_ONCE
                && u32::try_from(under_way).unwrap_or(u32::MAX).saturating_add(self.failures) < limit.free)
    }

    /// Notes an attempt, under the number of the one with the same credential where there is one.
    pub(super) fn enter(&mut self, credential: u64, number: u64) -> u64 {
        if let Some(one) = self.under_way.iter_mut().find(|one| one.credential == credential) {
            one.shared_by = one.shared_by.saturating_add(1);
            return one.number;
        }
        self.under_way.push(UnderWay { credential, number, shared_by: 1 });
        number
    }

    /// Forgets an attempt of which nothing came.
    pub(super) fn leave(&mut self, number: u64) {
        if let Some(at) = self.under_way.iter().position(|one| one.number == number)
            && let Some(one) = self.under_way.get_mut(at)
        {
            one.shared_by = one.shared_by.saturating_sub(1);
            if one.shared_by == 0 {
                self.remove(at);
            }
        }
    }

    /// Forgets an attempt whose caller has gone; whether nobody is left who waits for what comes of it.
    pub(super) fn abandon(&mut self, number: u64) -> bool {
        let before = self.under_way.len();
        self.leave(number);
        self.under_way.len() < before
    }

    /// Ends an attempt for all who share it; whether it was still under way.
    pub(super) fn end(&mut self, number: u64) -> bool {
        let at = self.under_way.iter().position(|one| one.number == number);
        at.map(|at| self.remove(at)).is_some()
    }

    fn remove(&mut self, at: usize) {
        self.under_way.swap_remove(at);
        // A count is kept for hours, and its attempts for a moment.
        if self.under_way.is_empty() {
            self.under_way = Vec::new();
        }
    }

    pub(super) fn count(&mut self, failure: Failure, limit: Limit, now: Duration) {
        self.age(now);
        let most = match failure {
            Failure::Plain => limit.most(),
            Failure::InOutage => limit.most_in_outage(),
        };
        if self.failures < most {
            self.failures = self.failures.saturating_add(1);
        }
        self.failed = now;
    }

    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

impl Occupant for Counter {
    type Rank = (u32, Duration);

    fn is_spent(&self) -> bool {
        self.failures == 0 && self.under_way.is_empty()
    }

    fn rank(&mut self, now: Duration) -> Option<Self::Rank> {
        self.age(now);
        self.under_way.is_empty().then_some((self.failures, self.failed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Limit = Limit { free: 3, max_delay: Duration::from_secs(300) };

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn delays_double_from_a_second_to_the_longest() {
        let delays: Vec<u64> = (0..15).map(|failures| LIMIT.delay(failures).as_secs()).collect();
        assert_eq!(delays, [0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        assert_eq!(LIMIT.delay(u32::MAX), at(300));
        assert_eq!(LIMIT.delay(LIMIT.most()), at(300));
        assert_eq!(
            LIMIT.delay(LIMIT.most() - 1),
            at(256),
            "no count beyond the first that has the longest delay"
        );
        let second = Limit { free: 1, max_delay: at(1) };
        assert_eq!((second.delay(1), second.most()), (at(1), 2));
    }

    #[test]
    fn a_count_halves_with_each_half_life() {
        let mut counter = Counter::default();
        for _ in 0..100 {
            counter.count(Failure::Plain, LIMIT, at(5));
        }
        assert_eq!(counter.failures, LIMIT.most());
        counter.age(at(5 + 3599));
        assert_eq!(counter.failures, 12);
        counter.age(at(5 + 3600));
        assert_eq!(counter.failures, 6);
        counter.age(at(5 + 3 * 3600 + 1));
        assert_eq!(counter.failures, 1);
        counter.age(at(5 + 4 * 3600));
        assert!(counter.is_spent());
        counter.count(Failure::Plain, LIMIT, Duration::MAX);
        assert_eq!(counter.failures, 1, "a new count begins at its first failure");
        counter.age(at(0));
        assert_eq!(counter.failures, 1);
    }

    #[test]
    fn an_outage_delays_by_a_few_seconds_at_most() {
        let mut counter = Counter::default();
        for _ in 0..100 {
            counter.count(Failure::InOutage, LIMIT, at(5));
        }
        assert_eq!(counter.delay(LIMIT, at(5)), Some(at(4)));
        counter.count(Failure::Plain, LIMIT, at(5));
        assert_eq!(counter.delay(LIMIT, at(5)), Some(at(8)));
        counter.count(Failure::InOutage, LIMIT, at(5));
        assert_eq!(counter.delay(LIMIT, at(5)), Some(at(8)), "what was counted stays");
    }

    #[test]
    fn however_many_may_fail_no_more_than_256_are_looked_at_at_once() {
        let (mut counter, limit) = (Counter::default(), Limit { free: 100_000, ..LIMIT });
        for credential in 0..256 {
            assert!(counter.has_room(credential, limit));
            counter.enter(credential, credential);
        }
        assert!(!counter.has_room(256, limit));
        assert!(counter.has_room(255, limit));
    }

    #[test]
    fn an_attempt_is_abandoned_when_the_last_goes_who_shares_it() {
        let mut counter = Counter::default();
        counter.enter(1, 11);
        counter.enter(1, 12);
        assert!(!counter.abandon(11));
        assert!(counter.abandon(11));
        assert!(!counter.abandon(11));
        assert!(counter.is_spent());
    }

    #[test]
    fn so_many_are_looked_at_at_once_as_may_fail() {
        let mut counter = Counter::default();
        assert_eq!(counter.enter(1, 11), 11);
        assert!(counter.has_room(2, LIMIT));
        assert_eq!(counter.enter(2, 12), 12);
        assert_eq!(counter.enter(1, 13), 11, "the same credential is one guess");
        assert!(counter.has_room(3, LIMIT));
        counter.enter(3, 14);
        assert!(!counter.has_room(4, LIMIT));
        assert!(counter.has_room(3, LIMIT));
        counter.leave(11);
        assert!(!counter.has_room(4, LIMIT), "one still shares it");
        counter.leave(11);
        assert!(counter.has_room(4, LIMIT));
        assert!(counter.end(12));
        assert!(!counter.end(12), "it fails once for all who share it");
        assert!(!counter.abandon(12), "nor is it abandoned after that");
        counter.count(Failure::Plain, LIMIT, at(0));
        counter.count(Failure::Plain, LIMIT, at(0));
        assert!(!counter.has_room(4, LIMIT));
        assert!(counter.end(14));
        counter.count(Failure::Plain, LIMIT, at(0));
        assert!(counter.has_room(4, LIMIT), "one at a time after a delay");
        counter.enter(4, 15);
        assert!(!counter.has_room(5, LIMIT));
    }
}
