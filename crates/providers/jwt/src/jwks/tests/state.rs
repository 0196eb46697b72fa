//! Who fetches, who waits and who is told that there is nothing newer: the moves by themselves, without a server.

use std::{
    future::Future,
    net::IpAddr,
    pin::Pin,
    task::{Context, Waker},
    time::Duration,
};

use portcullis_core::fair::Party;

use super::{
    super::{
        bucket::{Bucket, Share},
        fetch::Failure,
        seats::{MOST_WAITING, Seat},
        state::{Asking, Move, State, Step},
    },
    INTERVAL, URL,
};

const START: Duration = Duration::ZERO;
const LOST_AFTER: Duration = Duration::from_secs(100);

/// The state, and the places of those who wait.
struct Waited {
    state: State,
    seats: Vec<Seat>,
}

impl Waited {
    fn advance(&mut self, asking: Asking, now: Duration) -> Move {
        let step = self.state.advance(asking, now);
        self.seats.extend(step.seat);
        step.next
    }

    fn stop_waiting(&mut self) {
        let seat = self.seats.pop().expect("nobody waits");
        assert!(self.state.stop_waiting(&seat).is_some());
        assert!(self.state.stop_waiting(&seat).is_none(), "a place is left once");
    }
}

impl std::ops::Deref for Waited {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl std::ops::DerefMut for Waited {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

/// Whether the place was needed for another.
fn has_to_leave(seat: &mut Seat) -> bool {
    Pin::new(seat).poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

fn state() -> Waited {
    Waited { state: State::new(Bucket::new(INTERVAL), LOST_AFTER), seats: Vec::new() }
}

/// One who came after `came_at` fetches had begun, and looked at the keys after `looked_at` had ended.
fn asking(came_at: u64, looked_at: u64, share: Share) -> Asking {
    Asking { came_at, looked_at, share, party: Party::Unknown }
}

fn away() -> Option<Failure> {
    Some(Failure::new(URL, "cannot connect").unreached())
}

fn broken() -> Option<Failure> {
    Some(Failure::new(URL, "the answer has the status 500"))
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn the_first_one_begins_a_fetch_and_the_others_wait_for_it() {
    let mut state = state();
    let first = asking(0, 0, Share::Any);
    assert_eq!(state.prospect(first, START), Move::Begin(1));
    assert_eq!(
        (state.is_under_way(), state.begun(), state.waiting()),
        (false, 0, 0),
        "looking changes nothing"
    );
    assert_eq!(state.advance(first, START), Move::Begin(1));
    assert_eq!((state.is_under_way(), state.begun(), state.waiting()), (true, 1, 1));
    for (waiting, share) in [(2, Share::Any), (3, Share::Spare)] {
        assert_eq!(state.advance(asking(1, 0, share), START), Move::Wait(1));
        assert_eq!(state.waiting(), waiting);
    }
    assert!(state.end(1, None, START));
    assert!(!state.is_under_way());
    for waiting in [2, 1, 0] {
        state.stop_waiting();
        assert_eq!(state.waiting(), waiting);
    }
}

#[test]
fn what_began_after_a_request_is_all_there_is_for_it() {
    let mut state = state();
    assert_eq!(state.advance(asking(0, 0, Share::Any), START), Move::Begin(1));
    assert!(state.end(1, None, START));
    assert_eq!(state.advance(asking(0, 0, Share::Any), START), Move::Look, "it looked before the end");
    assert_eq!(state.advance(asking(0, 1, Share::Any), START), Move::Settled, "it came before the beginning");
    assert_eq!((state.begun(), state.waiting()), (1, 1));
    assert_eq!(
        state.advance(asking(1, 1, Share::Any), START),
        Move::Begin(2),
        "it came while it was under way"
    );
    assert!(state.end(2, None, START));
    // There were two.
    assert_eq!(state.advance(asking(2, 2, Share::Any), START), Move::Settled);
    assert_eq!((state.begun(), state.waiting(), state.is_under_way()), (2, 2, false));
}

#[test]
fn what_can_be_spared_leaves_one() {
    let mut state = state();
    assert_eq!(state.advance(asking(0, 0, Share::Spare), START), Move::Begin(1));
    assert!(state.end(1, None, START));
    assert_eq!(state.prospect(asking(1, 1, Share::Spare), START), Move::Settled);
    assert_eq!(state.prospect(asking(1, 1, Share::Any), START), Move::Begin(2));
    assert_eq!(state.prospect(asking(1, 1, Share::Spare), INTERVAL), Move::Begin(2));
}

#[test]
fn as_many_wait_as_may_wait() {
    let mut state = state();
    let asking = asking(0, 0, Share::Any);
    assert_eq!(state.advance(asking, START), Move::Begin(1));
    for waiting in 2..=256 {
        assert_eq!(state.advance(asking, START), Move::Wait(1));
        assert_eq!(state.waiting(), waiting);
    }
    assert_eq!(MOST_WAITING, 256);
    assert_eq!(state.advance(asking, START), Move::Full);
    assert_eq!(state.waiting(), 256);
    state.stop_waiting();
    assert_eq!(state.advance(asking, START), Move::Wait(1));
}

#[test]
fn the_requests_of_one_address_keep_those_of_another_out_of_nothing() {
    let mut state = state();
    let from = |address: &str| {
        let party = Party::from(address.parse::<IpAddr>().ok());
        Asking { party, ..asking(0, 0, Share::Any) }
    };
    let (loud, quiet) = (from("192.0.2.1"), from("192.0.2.2"));
    assert_eq!(state.advance(loud, START), Move::Begin(1));
    for _ in 1..MOST_WAITING {
        assert_eq!(state.advance(loud, START), Move::Wait(1));
    }
    assert_eq!((state.prospect(loud, START), state.advance(loud, START)), (Move::Full, Move::Full));
    assert_eq!(state.prospect(quiet, START), Move::Wait(1));
    let Step { next, seat, displaced } = state.state.advance(quiet, START);
    assert_eq!((next, state.waiting()), (Move::Wait(1), MOST_WAITING));
    assert!(!has_to_leave(&mut seat.unwrap()));
    let mut last = state.seats.pop().unwrap();
    assert!(!has_to_leave(&mut last), "it is told once nothing is locked");
    drop(displaced);
    assert!(has_to_leave(&mut last), "the last of the flood had to leave");
    assert!(state.state.stop_waiting(&last).is_none());
    assert!(state.seats.iter_mut().all(|seat| !has_to_leave(seat)));
}

#[test]
fn who_begins_a_fetch_while_there_is_no_place_waits_without_one() {
    let mut state = state();
    assert_eq!(state.begin_spare(START), Some(1));
    for _ in 0..MOST_WAITING {
        assert_eq!(state.advance(asking(1, 0, Share::Any), START), Move::Wait(1));
    }
    // All have their answer, and none has looked yet.
    assert!(state.end(1, None, START));
    let step = state.state.advance(asking(1, 1, Share::Any), START);
    assert_eq!((step.next, step.seat.is_none()), (Move::Begin(2), true));
    assert_eq!(state.advance(asking(2, 1, Share::Any), START), Move::Full);
}

#[test]
fn where_nobody_was_reached_another_fetch_may_begin_after_a_second() {
    let mut state = state();
    let (needs, spares) = (asking(2, 2, Share::Any), asking(2, 2, Share::Spare));
    for number in 1..=2 {
        assert_eq!(state.advance(asking(number - 1, number - 1, Share::Any), START), Move::Begin(number));
        state.stop_waiting();
        assert!(state.end(number, away(), millis(5_000)));
    }
    assert_eq!(state.failure(), away().as_ref());
    assert_eq!(state.prospect(needs, millis(5_000)), Move::Pause(millis(1_000)));
    assert_eq!(state.prospect(spares, millis(5_000)), Move::Settled, "nobody needs it");
    assert_eq!(state.wait(Share::Any, millis(5_400)), millis(600));
    assert_eq!(state.wait(Share::Spare, millis(5_400)), millis(14_600));
    for waiting in 1..=256 {
        assert_eq!(state.advance(needs, millis(5_400)), Move::Pause(millis(600)));
        assert_eq!(state.waiting(), waiting);
    }
    assert_eq!(state.advance(needs, millis(5_400)), Move::Full);
    assert!(!state.is_under_way());
    assert_eq!(state.prospect(needs, millis(5_999)), Move::Full);
    assert_eq!(state.advance(needs, millis(6_000)), Move::Begin(3));
    // Whoever was reached is asked as often as the interval says.
    assert!(state.end(3, broken(), millis(6_000)));
    assert_eq!(state.failure(), broken().as_ref());
    assert_eq!(state.prospect(asking(3, 3, Share::Any), millis(6_000)), Move::Settled);
    assert_eq!(state.wait(Share::Any, millis(6_000)), millis(4_000));
    assert_eq!(state.wait(Share::Spare, millis(6_000)), millis(14_000));
}

#[test]
fn nobody_waits_for_a_fetch_in_the_background_and_there_is_one_at_a_time() {
    let mut state = state();
    assert_eq!(state.begin_spare(START), Some(1));
    assert_eq!((state.begun(), state.waiting(), state.is_under_way()), (1, 0, true));
    assert_eq!(state.begin_spare(INTERVAL * 3), None);
    assert!(state.end(1, None, START));
    assert_eq!(state.begin_spare(INTERVAL - millis(1)), None);
    assert_eq!((state.begun(), state.is_under_way()), (1, false));
    assert_eq!(state.begin_spare(INTERVAL), Some(2));
    assert_eq!((state.begun(), state.is_under_way()), (2, true));
}

#[test]
fn people_do_not_ask_how_often_and_join_what_is_under_way() {
    let mut state = state();
    for number in 1..=5 {
        assert_eq!(state.begin_anyway(START), (number, true));
        assert_eq!(state.begin_anyway(START), (number, false));
        assert_eq!((state.begun(), state.waiting()), (number, 0));
        assert!(state.end(number, None, START));
    }
    assert_eq!(state.wait(Share::Any, START), INTERVAL);
}

#[test]
fn a_fetch_ends_once() {
    let mut state = state();
    let (number, begins) = state.begin_anyway(START);
    assert!(begins && state.end(number, None, START));
    assert!(!state.end(number, away(), START));
    assert_eq!(state.failure(), None);
    assert_eq!(state.begin_anyway(START), (2, true));
    assert!(!state.end(number, None, START), "that of the first one, a second time");
    assert!(state.is_under_way());
}

#[test]
fn a_fetch_that_should_have_ended_long_ago_is_lost_and_a_later_one_is_not() {
    let mut state = state();
    let begins: [fn(&mut Waited, Duration) -> u64; 3] = [
        |state, now| match state.advance(asking(state.begun(), state.begun(), Share::Any), now) {
            Move::Begin(number) => number,
            other => panic!("{other:?}"),
        },
        |state, now| state.begin_spare(now).unwrap(),
        |state, now| state.begin_anyway(now).0,
    ];
    let mut now = START;
    assert_eq!(state.lost(now), None, "there is none");
    for (begin, number) in begins.into_iter().zip(1..) {
        assert_eq!(begin(&mut state, now), number);
        assert_eq!(state.lost_at(), now + LOST_AFTER);
        assert_eq!(state.lost(now + LOST_AFTER - millis(1)), None);
        now += LOST_AFTER;
        assert_eq!(state.lost(now), Some(number));
        assert!(state.end(number, broken(), now));
        assert_eq!(state.lost(now), None);
    }
}
