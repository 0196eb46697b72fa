//! What threads use all the time, apart from one another: a cache line that two processors write to is handed to and fro.

use std::{
    fmt,
    num::NonZero,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// More processors than this share lanes.
const MOST: usize = 64;

/// A value for each of as many threads as there are processors. Which one a thread uses is no secret and no promise: two
/// threads may share a lane, so that what lies in it has to be made for that, and should be quick to leave alone.
pub struct Lanes<T>(Box<[Lane<T>]>);

/// Alone in its cache lines, of which processors fetch two at a time.
#[repr(align(128))]
struct Lane<T>(T);

impl<T> Lanes<T> {
    /// Lanes with values that `make` makes.
    pub fn new(mut make: impl FnMut() -> T) -> Self {
        Self((0..count()).map(|_| Lane(make())).collect())
    }

    /// The value that this thread uses.
    #[must_use]
    pub fn own(&self) -> &T {
        self.numbered(number())
    }

    /// The value of the lane with this number, for whoever has asked for [its own](Self::own_number). There is one for any.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "there are as many lanes as a power of two says")]
    pub fn numbered(&self, number: usize) -> &T {
        &self.0[number & (self.0.len() - 1)].0
    }

    /// The number of the lane that this thread uses, from zero.
    #[must_use]
    pub fn own_number(&self) -> usize {
        number() & (self.0.len() - 1)
    }
}

impl<T> fmt::Debug for Lanes<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lanes").field("count", &self.0.len()).finish_non_exhaustive()
    }
}

/// How many lanes there are: a power of two.
fn count() -> usize {
    static COUNT: OnceLock<usize> = OnceLock::new();
    // Asking reads files.
    *COUNT
        .get_or_init(|| thread::available_parallelism().map_or(1, NonZero::get).min(MOST).next_power_of_two())
}

/// The number of this thread, in the order in which they first asked.
fn number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    NUMBER.with(|number| *number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_keeps_its_lane_and_the_next_thread_has_the_next_one() {
        assert!(count().is_power_of_two());
        assert!(count() >= thread::available_parallelism().map_or(1, NonZero::get).min(MOST));
        let made = AtomicUsize::new(0);
        let lanes = Lanes::new(|| made.fetch_add(1, Ordering::Relaxed));
        assert_eq!(made.load(Ordering::Relaxed), count());
        let own = *lanes.own();
        assert_eq!((*lanes.own(), *lanes.numbered(lanes.own_number())), (own, own));
        let others = |_| thread::scope(|scope| scope.spawn(|| (number(), *lanes.own())).join().unwrap());
        let others: Vec<(usize, usize)> = (0..2 * count()).map(others).collect();
        for (number, lane) in &others {
            assert_eq!(number % count(), *lane);
            assert_eq!(others.iter().filter(|(other, _)| other == number).count(), 1, "one number each");
        }
    }
}
