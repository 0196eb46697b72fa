//! Who finds no place leaves nothing behind.

use std::time::Duration;

use super::{
    super::{counter::BUSY, name::Name},
    Bid, Door, Ended, Limit, Settled, State, Throttle, Verdict,
};

const LIMIT: Limit = Limit { free: 3, max_delay: Duration::from_secs(300) };

const BID: Bid =
    Bid { address: Some(1), credential: 1, user_limit: LIMIT, address_limit: LIMIT, now: Duration::ZERO };

#[test]
fn an_attempt_that_finds_no_place_at_one_of_its_accounts_takes_none_at_the_others() {
    let throttle = Throttle::new();
    let account = |name: &str| throttle.account("name", 1, &Name::new(name), Some(1));
    let two = [account("alice"), account("bob")];
    // Addresses, users, users at addresses, marks.
    for bounds in [[8, 1, 8, 8], [8, 8, 1, 8]] {
        let mut state = State::with(bounds);
        assert_eq!(state.enter(&two, &BID).unwrap_err(), BUSY, "{bounds:?}");
        assert_eq!(state.counted(), [0, 0, 0], "{bounds:?}");
        assert!(state.enter(&two[..1], &BID).is_ok(), "{bounds:?}");
    }
}

#[test]
fn an_address_without_a_place_waits_and_takes_none_for_the_user() {
    let mut state = State::with([1, 8, 8, 8]);
    let other = Bid { address: Some(2), ..BID };
    let seat = state.enter_address(&[], &BID).unwrap().unwrap();
    assert_eq!(state.enter_address(&[], &other).unwrap_err(), BUSY);
    state.settle_address(&seat, Settled::Untold, &BID);
    assert!(state.enter_address(&[], &other).unwrap().is_some());
}

#[test]
fn who_may_not_begin_for_one_reason_takes_no_place_by_the_other() {
    let door = Door::by(Throttle::new().per_user(1).per_address(2));
    let alice = door.begin("192.0.2.1", "alice", "1").unwrap();
    for guess in 2..100 {
        // The user has no room, the address has.
        assert!(door.begin("192.0.2.1", "alice", &guess.to_string()).is_err());
    }
    let bob = door.begin("192.0.2.1", "bob", "1").unwrap();
    for user in 0..100 {
        // The address has no room, the user has.
        assert!(door.begin("192.0.2.1", &format!("user-{user}"), "1").is_err());
    }
    assert_eq!(door.throttle.counted(), [1, 2, 2]);
    for attempt in [alice, bob] {
        attempt.settle(Ended::Known, |_| Verdict::Right);
    }
    assert_eq!(door.throttle.counted(), [0, 0, 0]);
}

#[test]
fn who_stays_keeps_the_place_that_another_shared() {
    let door = Door::by(Throttle::new().per_user(1));
    let (gone, stays) =
        (door.begin("192.0.2.1", "alice", "1").unwrap(), door.begin("192.0.2.1", "alice", "1").unwrap());
    gone.settle(Ended::Unavailable, |_| Verdict::Untold);
    assert!(door.begin("192.0.2.1", "alice", "2").is_err());
    stays.settle(Ended::Unavailable, |_| Verdict::Untold);
    assert!(door.begin("192.0.2.1", "alice", "2").is_ok());
}

#[test]
fn of_two_waits_the_longer_is_told() {
    let door = Door::by(Throttle::new().per_user(1).per_address(3));
    for _ in 0..3 {
        door.wrong("192.0.2.1", "alice");
        door.seconds(300);
    }
    // Three of alice: 4 s. Three of the address: 1 s.
    assert_eq!(door.seconds(300).wrong("192.0.2.1", "alice"), None);
    assert_eq!(door.right("192.0.2.1", "alice"), Some(8));
    assert_eq!(door.right("192.0.2.1", "bob"), Some(2));
    for user in ["carol", "dave", "erin"] {
        door.seconds(300);
        assert_eq!(door.wrong("192.0.2.1", user), None);
    }
    assert_eq!(door.right("192.0.2.1", "erin"), Some(16));
    // Alice at two stores, of which one has her wait.
    let door = Door::by(Throttle::new().per_user(1));
    for stores in [&[1][..], &[2], &[2]] {
        let attempt = door.begin_at(stores, "192.0.2.1", "alice", "1").unwrap();
        attempt.settle(Ended::Refused, |_| Verdict::Wrong);
        door.seconds(1);
    }
    let attempt = door.begin_at(&[2], "192.0.2.1", "alice", "1");
    assert_eq!(attempt.unwrap_err(), Duration::from_secs(1));
    for stores in [[1, 2], [2, 1]] {
        assert_eq!(door.begin_at(&stores, "192.0.2.1", "alice", "1").unwrap_err(), Duration::from_secs(1));
    }
}
