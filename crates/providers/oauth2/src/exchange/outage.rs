//! An endpoint that does not answer, or does not know us, is left alone for a while: by all callers together.

use std::time::Duration;

use portcullis_core::TokenError;

/// How long is waited after a failure: this, doubled with each further one, up to the last. Short, since callers are kept
/// out meanwhile.
const BACK_OFF: Duration = Duration::from_secs(1);
const BACK_OFF_MOST: Duration = Duration::from_secs(5);

/// The longest that a server's `Retry-After` is waited for.
const TOLD_MOST: Duration = Duration::from_secs(60);

/// What callers are told to wait while somebody tries.
const WHILE_TRYING: Duration = Duration::from_secs(1);

/// Whether the endpoint is asked. Exchanges have numbers, which grow in the order they begin.
#[derive(Debug, Default)]
pub(super) struct Outage(Option<Failing>);

#[derive(Debug)]
struct Failing {
    error: TokenError,
    count: u32,
    again_at: Duration,
    /// The exchange that tries whether the endpoint is back, and when it is given up for lost. The others do not queue up
    /// behind it.
    trial: Option<(u64, Duration)>,
    /// The exchange that began last before the failure was known: what it and those before it say is old news.
    known_at: u64,
}

impl Outage {
    /// Whether exchange `number` may begin at `now`, which is lost if nothing was heard of it by `lost_at`; else what callers
    /// are told.
    pub(super) fn permit(&mut self, number: u64, now: Duration, lost_at: Duration) -> Result<(), TokenError> {
        let Some(failing) = &mut self.0 else { return Ok(()) };
        if now < failing.again_at {
            return Err(failing.error.clone().with_retry_after(failing.again_at.saturating_sub(now)));
        }
        if failing.trial.is_some_and(|(_, lost_at)| now < lost_at) {
            return Err(failing.error.clone().with_retry_after(WHILE_TRYING));
        }
        failing.trial = Some((number, lost_at));
        Ok(())
    }

    /// Exchange `number` was answered, by whatever the endpoint thinks of its caller. Tells whether that ends an outage.
    pub(super) fn answered(&mut self, number: u64) -> bool {
        self.0.take_if(|failing| number > failing.known_at).is_some()
    }

    /// Exchange `number` failed; `begun` is the one that began last. Tells whether that begins an outage.
    pub(super) fn failed(&mut self, number: u64, error: &TokenError, now: Duration, begun: u64) -> bool {
        let told = now.saturating_add(error.retry_after().unwrap_or_default().min(TOLD_MOST));
        let count = match &mut self.0 {
            // One of those that were on their way together: the same failure, not a further one.
            Some(failing) if number <= failing.known_at => {
                failing.again_at = failing.again_at.max(told);
                return false;
            }
            Some(failing) => failing.count.saturating_add(1),
            None => 0,
        };
        let wait = BACK_OFF.saturating_mul(1 << count.min(6)).min(BACK_OFF_MOST);
        let again_at = now.saturating_add(wait).max(told);
        let first = self.0.is_none();
        self.0 = Some(Failing { error: error.clone(), count, again_at, trial: None, known_at: begun });
        first
    }

    /// Exchange `number` ended without a word.
    pub(super) fn broke_off(&mut self, number: u64) {
        if let Some(failing) = &mut self.0 {
            failing.trial.take_if(|(trial, _)| *trial == number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn down() -> TokenError {
        TokenError::transient("down")
    }

    /// What is told to whoever is not let through.
    fn told(outage: &mut Outage, number: u64, now: u64) -> Option<Duration> {
        outage.permit(number, secs(now), secs(now + 15)).err().map(|error| error.retry_after().unwrap())
    }

    #[test]
    fn each_further_failure_doubles_the_wait_up_to_five_seconds() {
        let mut outage = Outage::default();
        assert_eq!(told(&mut outage, 1, 0), None);
        assert!(outage.failed(1, &down(), secs(0), 1), "it begins");
        let mut now = 0;
        for (number, wait) in (2..).zip([1, 2, 4, 5, 5]) {
            assert_eq!(told(&mut outage, 100, now), Some(secs(wait)));
            now += wait;
            assert_eq!(told(&mut outage, number, now), None, "the wait is over");
            assert!(!outage.failed(number, &down(), secs(now), number), "it has begun before");
        }
        assert!(outage.answered(7));
        assert_eq!(told(&mut outage, 8, now), None);
        assert!(!outage.answered(8));
        assert!(outage.failed(8, &down(), secs(now), 8));
        assert_eq!(told(&mut outage, 9, now), Some(secs(1)), "counted anew");
    }

    #[test]
    fn one_exchange_tries_at_a_time() {
        let mut outage = Outage::default();
        outage.failed(1, &down(), secs(0), 1);
        assert_eq!(told(&mut outage, 2, 1), None);
        assert_eq!(told(&mut outage, 3, 1), Some(secs(1)));
        outage.broke_off(7);
        assert_eq!(told(&mut outage, 3, 1), Some(secs(1)), "another one broke off");
        outage.broke_off(2);
        assert_eq!(told(&mut outage, 3, 1), None);
        assert!(outage.answered(3));
        assert_eq!(told(&mut outage, 4, 1), None);
        assert_eq!(told(&mut outage, 5, 1), None, "nobody tries any more");
    }

    #[test]
    fn one_that_nobody_hears_of_does_not_keep_the_others_waiting() {
        let mut outage = Outage::default();
        outage.failed(1, &down(), secs(0), 1);
        assert_eq!(told(&mut outage, 2, 1), None);
        assert_eq!(told(&mut outage, 3, 15), Some(secs(1)));
        assert_eq!(told(&mut outage, 3, 16), None);
        assert_eq!(told(&mut outage, 4, 16), Some(secs(1)));
        outage.broke_off(2);
        assert_eq!(told(&mut outage, 4, 16), Some(secs(1)), "it is not the one that tries");
    }

    #[test]
    fn exchanges_on_their_way_together_fail_once_and_end_nothing() {
        let mut outage = Outage::default();
        for number in 1..=128 {
            assert_eq!(outage.failed(number, &down(), secs(0), 129), number == 1);
        }
        assert_eq!(told(&mut outage, 130, 0), Some(secs(1)), "as after one failure");
        assert!(!outage.answered(129), "it began before the failure was known");
        assert_eq!(told(&mut outage, 130, 0), Some(secs(1)));
    }

    #[test]
    fn retry_after_is_waited_for_up_to_a_minute() {
        for (says, waits) in [(0, 1), (1, 1), (30, 30), (60, 60), (3600, 60)] {
            let mut outage = Outage::default();
            outage.failed(1, &down().with_retry_after(secs(says)), secs(0), 1);
            assert_eq!(told(&mut outage, 2, 0), Some(secs(waits)), "{says}");
        }
        // Also where it comes with the answer to a call of the same time.
        let mut outage = Outage::default();
        outage.failed(1, &down(), secs(0), 2);
        outage.failed(2, &down().with_retry_after(secs(20)), secs(0), 2);
        assert_eq!(told(&mut outage, 3, 0), Some(secs(20)));
    }
}
