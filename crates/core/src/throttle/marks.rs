use std::time::Duration;

use super::table::Occupant;

/// So long is remembered that a user succeeded from an address.
const MARK_LIFE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// So many are remembered of one user, however the name was written. Who has a password can make no others forgotten but
/// his own.
const MOST: usize = 16;

/// From where a user has succeeded under which spelling of the name, and when: the latest last.
#[derive(Debug, Default)]
pub(super) struct Marks(Vec<Mark>);

#[derive(Debug, PartialEq, Eq)]
struct Mark {
    /// The name as it was written, at the address.
    pair: u64,
    at: Duration,
}

impl Marks {
    pub(super) fn holds(&self, pair: u64, now: Duration) -> bool {
        self.0.iter().any(|mark| mark.pair == pair && now.saturating_sub(mark.at) < MARK_LIFE)
    }

    pub(super) fn set(&mut self, pair: u64, now: Duration) {
        self.0.retain(|mark| mark.pair != pair && now.saturating_sub(mark.at) < MARK_LIFE);
        if self.0.len() >= MOST {
            self.0.remove(0);
        }
        self.0.push(Mark { pair, at: now });
    }
}

impl Occupant for Marks {
    type Rank = Duration;

    fn is_spent(&self) -> bool {
        self.0.is_empty()
    }

    fn rank(&mut self, _: Duration) -> Option<Duration> {
        Some(self.0.last().map_or(Duration::ZERO, |mark| mark.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_sixteen_addresses_are_known_for_thirty_days() {
        let at = Duration::from_secs;
        let mut marks = Marks::default();
        for address in 0..17 {
            marks.set(address, at(address));
        }
        marks.set(1, at(17));
        marks.set(1, at(18));
        assert!(!marks.holds(0, at(18)));
        assert!((1..17).all(|address| marks.holds(address, at(18))));
        marks.set(17, at(19));
        assert!(!marks.holds(2, at(19)) && marks.holds(1, at(19)) && marks.holds(3, at(19)));
        let life = 2_592_000;
        assert!(marks.holds(1, at(17 + life)) && !marks.holds(1, at(18 + life)));
        assert_eq!(marks.rank(at(0)), Some(at(19)));
    }

    #[test]
    fn each_address_has_one_place_and_none_once_it_is_over() {
        let at = Duration::from_secs;
        let mut marks = Marks::default();
        assert!(marks.is_spent());
        marks.set(0, at(0));
        for second in 1..=40 {
            marks.set(1 + second % 2, at(second));
        }
        assert!(!marks.is_spent() && marks.holds(0, at(40)), "two addresses make no third forgotten");
        let mut marks = Marks::default();
        (1..=3).for_each(|address| marks.set(address, at(0)));
        marks.set(4, MARK_LIFE);
        assert_eq!(marks.0, [Mark { pair: 4, at: MARK_LIFE }]);
    }
}
