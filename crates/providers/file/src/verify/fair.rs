//! A queue in which nobody can take everybody's place.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    net::IpAddr,
};

/// Who waits: an address, as far as it tells one party from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Lane {
    V4(u32),
    /// The first 64 bits: one party has all addresses below.
    V6(u64),
    /// Everyone whose address is not known.
    Unknown,
}

impl Lane {
    pub(super) fn of(client: Option<IpAddr>) -> Self {
        match client.map(|address| address.to_canonical()) {
            Some(IpAddr::V4(address)) => Self::V4(address.to_bits()),
            Some(IpAddr::V6(address)) => Self::V6((address.to_bits() >> 64) as u64),
            None => Self::Unknown,
        }
    }
}

/// Waits by lanes: lanes are served in turns, and when the queue is full a newcomer of a shorter lane takes the
/// last place of the longest one. A lane alone may fill the queue; it cannot keep another out.
#[derive(Debug)]
pub(super) struct Fair<T> {
    lanes: HashMap<Lane, VecDeque<(Ticket, T)>>,
    turns: VecDeque<Lane>,
    /// The same lanes by length: a flood must not make finding the longest dear.
    lengths: BTreeSet<(usize, Lane)>,
    waiting: usize,
    bound: usize,
    tickets: u64,
}

/// Names a place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket(u64);

/// What became of a newcomer.
#[derive(Debug)]
pub(super) enum Pushed<T> {
    /// It waits; `T` had to leave for it.
    Waits(Ticket, Option<T>),
    /// The queue is full.
    Full,
}

impl<T> Fair<T> {
    pub(super) fn new(bound: usize) -> Self {
        Self {
            lanes: HashMap::new(),
            turns: VecDeque::new(),
            lengths: BTreeSet::new(),
            waiting: 0,
            bound,
            tickets: 0,
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    pub(super) const fn len(&self) -> usize {
        self.waiting
    }

    pub(super) fn push(&mut self, lane: Lane, item: T) -> Pushed<T> {
        let mut displaced = None;
        if self.waiting >= self.bound {
            let own = self.lanes.get(&lane).map_or(0, VecDeque::len);
            match self.lengths.last().copied() {
                Some((length, longest)) if length > own + 1 => {
                    displaced = self.take(longest, VecDeque::pop_back);
                }
                _ => return Pushed::Full,
            }
        }
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let waiting = self.lanes.entry(lane).or_default();
        if waiting.is_empty() {
            self.turns.push_back(lane);
        }
        waiting.push_back((ticket, item));
        let length = waiting.len();
        self.has_length(lane, length - 1, length);
        self.waiting += 1;
        Pushed::Waits(ticket, displaced)
    }

    /// Whose turn it is.
    pub(super) fn peek(&self) -> Option<&T> {
        let (_, item) = self.lanes.get(self.turns.front()?)?.front()?;
        Some(item)
    }

    /// Takes whose turn it is.
    pub(super) fn pop(&mut self) -> Option<T> {
        let lane = *self.turns.front()?;
        let item = self.take(lane, VecDeque::pop_front);
        if self.lanes.contains_key(&lane) {
            self.turns.rotate_left(1);
        }
        item
    }

    /// Gives a place up; `None` when it was served or displaced before.
    pub(super) fn leave(&mut self, lane: Lane, ticket: Ticket) -> Option<T> {
        let position = self.lanes.get(&lane)?.iter().position(|(held, _)| *held == ticket)?;
        self.take(lane, |waiting| waiting.remove(position))
    }

    fn take(
        &mut self,
        lane: Lane,
        which: impl FnOnce(&mut VecDeque<(Ticket, T)>) -> Option<(Ticket, T)>,
    ) -> Option<T> {
        let waiting = self.lanes.get_mut(&lane)?;
        let (_, item) = which(waiting)?;
        let length = waiting.len();
        if length == 0 {
            self.lanes.remove(&lane);
            self.turns.retain(|turn| *turn != lane);
        }
        self.has_length(lane, length + 1, length);
        self.waiting -= 1;
        Some(item)
    }

    fn has_length(&mut self, lane: Lane, before: usize, now: usize) {
        self.lengths.remove(&(before, lane));
        if now > 0 {
            self.lengths.insert((now, lane));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(address: &str) -> Lane {
        Lane::of(Some(address.parse().unwrap()))
    }

    fn waits<T: std::fmt::Debug>(pushed: Pushed<T>) -> (Ticket, Option<T>) {
        match pushed {
            Pushed::Waits(ticket, displaced) => (ticket, displaced),
            Pushed::Full => panic!("the queue is full"),
        }
    }

    fn drain(queue: &mut Fair<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn one_party_is_one_lane_however_its_address_is_written() {
        assert_eq!(lane("192.0.2.1"), lane("::ffff:192.0.2.1"));
        assert_eq!(lane("2001:db8:1:2::1"), lane("2001:db8:1:2:ffff::9"));
        assert_ne!(lane("2001:db8:1:2::1"), lane("2001:db8:1:3::1"));
        assert_ne!(lane("192.0.2.1"), lane("192.0.2.2"));
        assert_ne!(lane("192.0.2.1"), Lane::Unknown);
    }

    #[test]
    fn lanes_take_turns_and_each_keeps_its_order() {
        let mut queue = Fair::new(10);
        let (loud, quiet) = (lane("192.0.2.1"), lane("192.0.2.2"));
        for item in ["l1", "l2", "l3"] {
            waits(queue.push(loud, item));
        }
        waits(queue.push(quiet, "q1"));
        assert_eq!(queue.peek(), Some(&"l1"));
        assert_eq!((queue.len(), queue.lengths.len()), (4, 2), "each lane has one length");
        assert_eq!(drain(&mut queue), ["l1", "q1", "l2", "l3"]);
        assert!(queue.is_empty() && queue.peek().is_none());
        let nothing = queue.lanes.is_empty() && queue.turns.is_empty() && queue.lengths.is_empty();
        assert!(nothing, "nothing is left of lanes that went");
    }

    #[test]
    fn a_full_queue_refuses_the_lane_that_fills_it_and_makes_room_for_another() {
        let mut queue = Fair::new(3);
        let (loud, quiet) = (lane("192.0.2.1"), lane("192.0.2.2"));
        for item in ["l1", "l2", "l3"] {
            waits(queue.push(loud, item));
        }
        assert!(matches!(queue.push(loud, "l4"), Pushed::Full));
        let (_, displaced) = waits(queue.push(quiet, "q1"));
        assert_eq!(displaced, Some("l3"), "the last of the longest lane leaves");
        assert!(matches!(queue.push(quiet, "q2"), Pushed::Full), "equal shares are left alone");
        assert_eq!(drain(&mut queue), ["l1", "q1", "l2"]);
    }

    #[test]
    fn whoever_leaves_frees_a_place_once() {
        let mut queue = Fair::new(2);
        let one = lane("192.0.2.1");
        let (first, _) = waits(queue.push(one, "1"));
        waits(queue.push(one, "2"));
        assert!(matches!(queue.push(one, "3"), Pushed::Full));
        assert_eq!(queue.leave(one, first), Some("1"));
        assert_eq!(queue.leave(one, first), None);
        waits(queue.push(one, "3"));
        assert_eq!(drain(&mut queue), ["2", "3"]);
    }

    #[test]
    fn a_queue_without_places_refuses_everyone() {
        assert!(matches!(Fair::new(0).push(Lane::Unknown, ""), Pushed::Full));
    }
}
