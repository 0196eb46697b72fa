//! A map that does not grow over its bound.

use std::{
    collections::{HashMap, hash_map::Entry},
    time::Duration,
};

/// So many occupants are compared when one has to go.
const COMPARED: usize = 8;

/// So often is looked for one that may go.
const ROUNDS: usize = 8;

/// What stands in a table.
pub(super) trait Occupant: Default {
    /// The lowest goes first.
    type Rank: Ord;

    /// Whether it says nothing more than its absence.
    fn is_spent(&self) -> bool;

    /// How much it matters; `None` where it may not go.
    fn rank(&mut self, now: Duration) -> Option<Self::Rank>;
}

/// Occupants by a key that nobody can choose: a keyed hash.
///
/// Where it is full, the least of the next eight places goes, and the next newcomer looks at the eight after them. So one of high
/// rank goes only where seven more of at least that rank stand beside it.
#[derive(Debug)]
pub(super) struct Table<T> {
    places: HashMap<u64, usize>,
    occupants: Vec<(u64, T)>,
    next: usize,
    most: usize,
}

impl<T: Occupant> Table<T> {
    pub(super) fn new(most: usize) -> Self {
        Self { places: HashMap::new(), occupants: Vec::new(), next: 0, most: most.max(1) }
    }

    pub(super) fn len(&self) -> usize {
        self.occupants.len()
    }

    pub(super) fn get(&mut self, key: u64) -> Option<&mut T> {
        let place = *self.places.get(&key)?;
        self.occupants.get_mut(place).map(|(_, occupant)| occupant)
    }

    /// The occupant of a key, which gets a place where it has none. `None` where there is none to be had.
    pub(super) fn take(&mut self, key: u64, now: Duration) -> Option<&mut T> {
        let place = match self.places.get(&key) {
            Some(place) => *place,
            None => {
                let place = self.vacant(now)?;
                if place == self.occupants.len() {
                    self.occupants.push((key, T::default()));
                } else {
                    let (old, occupant) = self.occupants.get_mut(place)?;
                    self.places.remove(old);
                    (*old, *occupant) = (key, T::default());
                }
                self.places.insert(key, place);
                place
            }
        };
        self.occupants.get_mut(place).map(|(_, occupant)| occupant)
    }

    /// Gives the place of a key up, if nothing is lost by it.
    pub(super) fn tidy(&mut self, key: u64) {
        let Entry::Occupied(entry) = self.places.entry(key) else { return };
        let place = *entry.get();
        if !self.occupants.get(place).is_some_and(|(_, occupant)| occupant.is_spent()) {
            return;
        }
        entry.remove();
        self.occupants.swap_remove(place);
        if let Some((moved, _)) = self.occupants.get(place) {
            self.places.insert(*moved, place);
        }
    }

    fn vacant(&mut self, now: Duration) -> Option<usize> {
        let len = self.occupants.len();
        if len < self.most {
            return Some(len);
        }
        for _ in 0..ROUNDS {
            let mut least: Option<(T::Rank, usize)> = None;
            for _ in 0..COMPARED.min(len) {
                let place = if self.next < len { self.next } else { 0 };
                self.next = place.saturating_add(1);
                let rank = self.occupants.get_mut(place).and_then(|(_, occupant)| occupant.rank(now));
                if let Some(rank) = rank
                    && least.as_ref().is_none_or(|(lowest, _)| rank < *lowest)
                {
                    least = Some((rank, place));
                }
            }
            if let Some((_, place)) = least {
                return Some(place);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq)]
    struct Rank(u32, bool);

    impl Occupant for Rank {
        type Rank = u32;

        fn is_spent(&self) -> bool {
            self.0 == 0
        }

        fn rank(&mut self, _: Duration) -> Option<u32> {
            (!self.1).then_some(self.0)
        }
    }

    fn put(table: &mut Table<Rank>, key: u64, rank: u32) {
        table.take(key, Duration::ZERO).unwrap().0 = rank;
    }

    #[test]
    fn the_least_goes_where_it_is_full() {
        let mut table = Table::new(4);
        for (key, rank) in [(1, 5), (2, 1), (3, 7), (4, 2)] {
            put(&mut table, key, rank);
        }
        put(&mut table, 5, 3);
        assert_eq!(table.get(2), None);
        put(&mut table, 6, 3);
        assert_eq!(table.get(4), None);
        assert_eq!(table.len(), 4);
        for (key, rank) in [(1, 5), (3, 7), (5, 3), (6, 3)] {
            assert_eq!(table.get(key), Some(&mut Rank(rank, false)));
        }
    }

    #[test]
    fn one_that_may_not_go_stays_and_where_none_may_there_is_no_place() {
        let mut table = Table::new(2);
        for key in [1, 2] {
            *table.take(key, Duration::ZERO).unwrap() = Rank(key as u32, true);
        }
        assert_eq!(table.take(3, Duration::ZERO), None);
        table.get(2).unwrap().1 = false;
        put(&mut table, 3, 9);
        assert!(table.get(1).is_some() && table.get(2).is_none() && table.get(3).is_some());
    }

    #[test]
    fn what_is_spent_gives_its_place_up_and_the_others_are_still_found() {
        let mut table = Table::new(8);
        for key in 1..=4 {
            put(&mut table, key, key as u32);
        }
        table.tidy(1);
        assert_eq!(table.len(), 4, "it still says something");
        put(&mut table, 1, 0);
        table.tidy(1);
        table.tidy(1);
        assert_eq!(table.len(), 3);
        put(&mut table, 4, 0);
        table.tidy(4);
        for key in 2..=3 {
            assert_eq!(table.get(key), Some(&mut Rank(key as u32, false)));
        }
        assert_eq!(table.get(4), None);
    }

    #[test]
    fn a_flood_of_low_ranks_does_not_drive_a_high_one_out() {
        let mut table = Table::new(1000);
        for key in 0..1000 {
            put(&mut table, key, if key == 500 { 4 } else { 1 });
        }
        for key in 1000..1_000_000 {
            put(&mut table, key, 1);
        }
        assert_eq!(table.get(500), Some(&mut Rank(4, false)));
        assert_eq!((table.len(), table.places.len()), (1000, 1000));
    }
}
