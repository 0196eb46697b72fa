//! A queue in which nobody can take everybody's place.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    net::IpAddr,
};

/// Who waits: an address, as far as it tells one party from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "an address, or none")]
pub enum Party {
    /// An IPv4 address.
    V4(u32),
    /// The first 64 bits of an IPv6 address: one party has all addresses below.
    V6(u64),
    /// Everyone whose address is not known.
    Unknown,
}

impl From<Option<IpAddr>> for Party {
    fn from(client: Option<IpAddr>) -> Self {
        match client.map(|address| address.to_canonical()) {
            Some(IpAddr::V4(address)) => Self::V4(address.to_bits()),
            Some(IpAddr::V6(address)) => Self::V6((address.to_bits() >> 64) as u64),
            None => Self::Unknown,
        }
    }
}

/// Waits by parties: they are served in turns, and when the queue is full a newcomer of whom fewer wait takes the last place
/// of the party with the most. One alone may fill the queue; it cannot keep another out.
#[derive(Debug)]
pub struct Queue<T> {
    lines: HashMap<Party, Line<T>>,
    /// Whose turn it is, and then whose.
    turns: BTreeMap<u64, Party>,
    /// The same parties by how many of them wait: a flood must not make finding the longest line dear.
    lengths: BTreeSet<(usize, Party)>,
    waiting: usize,
    bound: usize,
    /// Tickets and turns that were given.
    given: u64,
}

/// Those of one party.
#[derive(Debug)]
struct Line<T> {
    turn: u64,
    /// By their tickets.
    waiting: VecDeque<(u64, T)>,
}

/// Names a place in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(Party, u64);

/// What became of a newcomer.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "one waits or does not")]
pub enum Pushed<T> {
    /// It waits; `T` had to leave for it.
    Waits(Ticket, Option<T>),
    /// The queue is full.
    Full,
}

impl<T> Queue<T> {
    /// A queue for so many.
    #[must_use]
    pub fn new(bound: usize) -> Self {
        Self {
            lines: HashMap::new(),
            turns: BTreeMap::new(),
            lengths: BTreeSet::new(),
            waiting: 0,
            bound,
            given: 0,
        }
    }

    /// Whether nobody waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// How many wait.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.waiting
    }

    /// How many may wait.
    #[must_use]
    pub const fn bound(&self) -> usize {
        self.bound
    }

    /// Whether there is room for a newcomer of this party, or can be made.
    #[must_use]
    pub fn has_room_for(&self, party: impl Into<Party>) -> bool {
        self.waiting < self.bound || self.has_to_give_way_to(party.into()).is_some()
    }

    /// The party whose last place a newcomer may take when the queue is full.
    fn has_to_give_way_to(&self, newcomer: Party) -> Option<Party> {
        let own = self.lines.get(&newcomer).map_or(0, |line| line.waiting.len());
        let (length, longest) = self.lengths.last().copied()?;
        (length > own + 1).then_some(longest)
    }

    /// Lets somebody wait, where there is room or can be made.
    pub fn push(&mut self, party: impl Into<Party>, item: T) -> Pushed<T> {
        let party = party.into();
        let mut displaced = None;
        if self.waiting >= self.bound {
            let Some(longest) = self.has_to_give_way_to(party) else { return Pushed::Full };
            displaced = self.take(longest, VecDeque::pop_back);
        }
        let ticket = self.number();
        let turn = self.number();
        let line = self.lines.entry(party).or_insert_with(|| Line { turn, waiting: VecDeque::new() });
        if line.waiting.is_empty() {
            self.turns.insert(turn, party);
        }
        line.waiting.push_back((ticket, item));
        let length = line.waiting.len();
        self.has_length(party, length - 1, length);
        self.waiting += 1;
        Pushed::Waits(Ticket(party, ticket), displaced)
    }

    /// Whose turn it is.
    #[must_use]
    pub fn peek(&self) -> Option<&T> {
        let (_, party) = self.turns.first_key_value()?;
        self.lines.get(party)?.waiting.front().map(|(_, item)| item)
    }

    /// Takes whose turn it is. It is then another party's, if there is one.
    pub fn pop(&mut self) -> Option<T> {
        let (turn, party) = self.turns.first_key_value().map(|(turn, party)| (*turn, *party))?;
        let item = self.take(party, VecDeque::pop_front);
        let next = self.number();
        if let Some(line) = self.lines.get_mut(&party) {
            line.turn = next;
            self.turns.remove(&turn);
            self.turns.insert(next, party);
        }
        item
    }

    /// Gives a place up; `None` when it was served or displaced before.
    pub fn leave(&mut self, Ticket(party, ticket): Ticket) -> Option<T> {
        let waiting = &self.lines.get(&party)?.waiting;
        let position = waiting.binary_search_by_key(&ticket, |(held, _)| *held).ok()?;
        self.take(party, |waiting| waiting.remove(position))
    }

    fn take(
        &mut self,
        party: Party,
        which: impl FnOnce(&mut VecDeque<(u64, T)>) -> Option<(u64, T)>,
    ) -> Option<T> {
        let line = self.lines.get_mut(&party)?;
        let (_, item) = which(&mut line.waiting)?;
        let (length, turn) = (line.waiting.len(), line.turn);
        if length == 0 {
            self.lines.remove(&party);
            self.turns.remove(&turn);
        }
        self.has_length(party, length + 1, length);
        self.waiting -= 1;
        Some(item)
    }

    fn has_length(&mut self, party: Party, before: usize, now: usize) {
        self.lengths.remove(&(before, party));
        if now > 0 {
            self.lengths.insert((now, party));
        }
    }

    const fn number(&mut self) -> u64 {
        self.given += 1;
        self.given
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(address: &str) -> Party {
        Party::from(Some(address.parse().unwrap()))
    }

    fn waits<T: std::fmt::Debug>(pushed: Pushed<T>) -> (Ticket, Option<T>) {
        match pushed {
            Pushed::Waits(ticket, displaced) => (ticket, displaced),
            Pushed::Full => panic!("the queue is full"),
        }
    }

    fn drain(queue: &mut Queue<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn an_address_is_one_party_however_it_is_written() {
        assert_eq!(party("192.0.2.1"), party("::ffff:192.0.2.1"));
        assert_eq!(party("2001:db8:1:2::1"), party("2001:db8:1:2:ffff::9"));
        assert_ne!(party("2001:db8:1:2::1"), party("2001:db8:1:3::1"));
        assert_ne!(party("192.0.2.1"), party("192.0.2.2"));
        assert_ne!(party("192.0.2.1"), Party::Unknown);
    }

    #[test]
    fn parties_take_turns_and_each_keeps_its_order() {
        let mut queue = Queue::new(10);
        let (loud, quiet) = (party("192.0.2.1"), party("192.0.2.2"));
        for item in ["l1", "l2", "l3"] {
            waits(queue.push(loud, item));
        }
        waits(queue.push(quiet, "q1"));
        assert_eq!(queue.peek(), Some(&"l1"));
        assert_eq!((queue.len(), queue.lengths.len()), (4, 2), "each party has one length");
        assert_eq!((queue.is_empty(), queue.bound()), (false, 10));
        assert_eq!(drain(&mut queue), ["l1", "q1", "l2", "l3"]);
        assert!(queue.is_empty() && queue.peek().is_none());
        let nothing = queue.lines.is_empty() && queue.turns.is_empty() && queue.lengths.is_empty();
        assert!(nothing, "nothing is left of parties that went");
    }

    #[test]
    fn a_full_queue_refuses_the_party_that_fills_it_and_makes_room_for_another() {
        let mut queue = Queue::new(3);
        let (loud, quiet) = (party("192.0.2.1"), party("192.0.2.2"));
        for item in ["l1", "l2", "l3"] {
            waits(queue.push(loud, item));
        }
        assert_eq!((queue.has_room_for(loud), queue.has_room_for(quiet)), (false, true));
        assert!(matches!(queue.push(loud, "l4"), Pushed::Full));
        let (_, displaced) = waits(queue.push(quiet, "q1"));
        assert_eq!(displaced, Some("l3"), "the last of the longest line leaves");
        assert!(!queue.has_room_for(quiet));
        assert!(matches!(queue.push(quiet, "q2"), Pushed::Full), "equal shares are left alone");
        assert_eq!(drain(&mut queue), ["l1", "q1", "l2"]);
    }

    #[test]
    fn whoever_leaves_frees_a_place_once() {
        let mut queue = Queue::new(2);
        let one = party("192.0.2.1");
        let (first, _) = waits(queue.push(one, "1"));
        waits(queue.push(one, "2"));
        assert!(matches!(queue.push(one, "3"), Pushed::Full));
        assert_eq!(queue.leave(first), Some("1"));
        assert!(queue.has_room_for(one));
        assert_eq!(queue.leave(first), None);
        waits(queue.push(one, "3"));
        assert_eq!(drain(&mut queue), ["2", "3"]);
    }

    #[test]
    fn a_queue_without_places_refuses_everyone() {
        assert!(matches!(Queue::new(0).push(Party::Unknown, ""), Pushed::Full));
    }
}
