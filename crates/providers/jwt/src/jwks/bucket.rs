//! How often may be fetched.

use std::time::Duration;

/// Two fetches at once, and then one per interval: a token bucket that holds two.
///
/// Counted on the monotonic scale, and filled by nothing but time: a failed fetch costs as much as a good one, and setting
/// the machine's clock changes nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    interval: Duration,
    /// When it holds two again.
    full_at: Duration,
}

/// What a fetch is for: how many fetches have to be left for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    /// Any that is left.
    Any,
    /// Only one that leaves another: a key that nobody knows yet shall not find the bucket empty because of it.
    Spare,
}

impl Bucket {
    /// A full one.
    pub(super) const fn new(interval: Duration) -> Self {
        Self { interval, full_at: Duration::ZERO }
    }

    /// How long until there is one.
    pub(super) fn wait(&self, share: Share, now: Duration) -> Duration {
        let full_in = self.full_at.saturating_sub(now);
        match share {
            Share::Any => full_in.saturating_sub(self.interval),
            Share::Spare => full_in,
        }
    }

    /// Takes one, if there is one.
    pub(super) fn take(&mut self, share: Share, now: Duration) -> bool {
        let allowed = self.wait(share, now).is_zero();
        if allowed {
            self.full_at = self.full_at.max(now).saturating_add(self.interval);
        }
        allowed
    }

    /// Takes one for somebody who does not have to ask. Below empty it does not go.
    pub(super) fn take_anyway(&mut self, now: Duration) {
        let more = self.full_at.max(now).saturating_add(self.interval);
        self.full_at = more.min(now.saturating_add(self.interval.saturating_mul(2)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(10);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn there_are_two_at_once_and_then_one_per_interval() {
        let mut bucket = Bucket::new(INTERVAL);
        let taken = (0..1_000).filter(|_| bucket.take(Share::Any, seconds(5))).count();
        assert_eq!(taken, 2);
        assert_eq!(bucket.wait(Share::Any, seconds(5)), seconds(10));
        let tenths = 50..=50 + 1_000_u64;
        let taken =
            tenths.filter(|tenth| bucket.take(Share::Any, Duration::from_millis(tenth * 100))).count();
        assert_eq!(taken, 10);
    }

    #[test]
    fn it_never_holds_more_than_two() {
        let mut bucket = Bucket::new(INTERVAL);
        assert_eq!((0..9).filter(|_| bucket.take(Share::Any, seconds(1_000_000))).count(), 2);
    }

    #[test]
    fn a_spare_one_leaves_another() {
        let mut bucket = Bucket::new(INTERVAL);
        assert!(bucket.take(Share::Spare, seconds(0)));
        assert!(!bucket.take(Share::Spare, seconds(0)));
        assert_eq!(bucket.wait(Share::Spare, seconds(3)), seconds(7));
        assert!(bucket.take(Share::Any, seconds(3)));
        assert!(!bucket.take(Share::Spare, seconds(19)));
        assert!(bucket.take(Share::Spare, seconds(20)));
    }

    #[test]
    fn what_is_taken_anyway_empties_it_and_no_more() {
        let mut bucket = Bucket::new(INTERVAL);
        for _ in 0..100 {
            bucket.take_anyway(seconds(7));
        }
        assert_eq!(bucket.wait(Share::Any, seconds(7)), seconds(10));
        assert!(bucket.take(Share::Any, seconds(17)));
    }
}
