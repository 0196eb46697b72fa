use std::time::Duration;

use super::table::Occupant;

/// So long is remembered that a user succeeded from an address.
const MARK_LIFE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// So many are remembered of one user, however the name was written. Who has a password can make no others forgotten but
/// his own, and where each spelling is an account, no last one of another's.
const MOST: usize = 16;

/// From where a user has succeeded under which spelling of the name, and when: the latest last.
#[derive(Debug, Default)]
pub(super) struct Marks(Vec<Mark>);

#[derive(Debug, PartialEq, Eq)]
struct Mark {
    /// The name as it was written.
    written: u64,
    address: u64,
    at: Duration,
}

impl Marks {
    pub(super) fn holds(&self, written: u64, address: u64, now: Duration) -> bool {
        self.0.iter().any(|mark| mark.is_of(written, address) && now.saturating_sub(mark.at) < MARK_LIFE)
    }

    pub(super) fn set(&mut self, written: u64, address: u64, now: Duration) {
        self.0.retain(|mark| !mark.is_of(written, address) && now.saturating_sub(mark.at) < MARK_LIFE);
        if self.0.len() >= MOST {
            self.0.remove(self.least());
        }
        self.0.push(Mark { written, address, at: now });
    }

    /// The oldest of the spelling that has the most.
    fn least(&self) -> usize {
        let of = |written| self.0.iter().filter(|mark| mark.written == written).count();
        let most = self.0.iter().map(|mark| of(mark.written)).max();
        self.0.iter().position(|mark| Some(of(mark.written)) == most).unwrap_or_default()
    }
}

impl Mark {
    const fn is_of(&self, written: u64, address: u64) -> bool {
        self.written == written && self.address == address
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
            marks.set(7, address, at(address));
        }
        marks.set(7, 1, at(17));
        marks.set(7, 1, at(18));
        assert!(!marks.holds(7, 0, at(18)));
        assert!((1..17).all(|address| marks.holds(7, address, at(18))));
        marks.set(7, 17, at(19));
        assert!(!marks.holds(7, 2, at(19)) && marks.holds(7, 1, at(19)) && marks.holds(7, 3, at(19)));
        let life = 2_592_000;
        assert!(marks.holds(7, 1, at(17 + life)) && !marks.holds(7, 1, at(18 + life)));
        assert_eq!(marks.rank(at(0)), Some(at(19)));
    }

    #[test]
    fn each_address_has_one_place_and_none_once_it_is_over() {
        let at = Duration::from_secs;
        let mut marks = Marks::default();
        assert!(marks.is_spent());
        marks.set(7, 0, at(0));
        for second in 1..=40 {
            marks.set(7, 1 + second % 2, at(second));
        }
        assert!(!marks.is_spent() && marks.holds(7, 0, at(40)), "two addresses make no third forgotten");
        let mut marks = Marks::default();
        (1..=3).for_each(|address| marks.set(7, address, at(0)));
        marks.set(7, 4, MARK_LIFE);
        assert_eq!(marks.0, [Mark { written: 7, address: 4, at: MARK_LIFE }]);
    }

    /// Stores may have both "Alice" and "alice".
    #[test]
    fn whoever_has_one_spelling_does_not_drive_another_out() {
        let at = Duration::from_secs;
        let mut marks = Marks::default();
        marks.set(1, 0, at(0));
        marks.set(1, 1, at(1));
        for address in 0..100 {
            marks.set(2, address, at(2 + address));
        }
        assert!(marks.holds(1, 0, at(102)) && marks.holds(1, 1, at(102)));
        assert!(marks.holds(2, 86, at(102)) && !marks.holds(2, 85, at(102)));
        assert_eq!(marks.0.len(), MOST);
    }
}
