//! One password tried with many users, while nobody can tell whether it is right.

use super::{Door, STORE, whole};
use crate::throttle::{Ended, Verdict};

const OTHER_STORE: usize = 2;

impl Door {
    /// A password of which no store says anything; the span to wait, where it is not looked at.
    #[track_caller]
    fn away_at(&self, stores: &[usize], address: &str, user: &str, ended: Ended) -> Option<u64> {
        match self.begin_at(stores, address, user, "spring") {
            Ok(attempt) => {
                attempt.settle(ended, |_| Verdict::Unavailable);
                None
            }
            Err(wait) => Some(whole(wait)),
        }
    }

    #[track_caller]
    fn away(&self, address: &str, user: &str) -> Option<u64> {
        self.away_at(&[STORE], address, user, Ended::Unavailable)
    }

    /// As many attempts as are free, each with another user.
    #[track_caller]
    fn sprayed(&self, address: &str) {
        for user in 0..6 {
            assert_eq!(self.away(address, &format!("user{user}")), None);
        }
    }
}

#[test]
fn whoever_tries_many_users_while_a_store_is_away_has_to_wait_four_seconds_at_most() {
    let door = Door::new();
    door.sprayed("192.0.2.1");
    for (user, wait) in [(6, 1), (7, 2), (8, 4), (9, 4), (10, 4)] {
        assert_eq!(door.away("192.0.2.1", &format!("user{user}")), Some(wait), "{user}");
        assert_eq!(door.seconds(wait).away("192.0.2.1", &format!("user{user}")), None, "{user}");
    }
    assert_eq!(door.away("198.51.100.1", "user20"), None, "another address");
    assert_eq!(
        door.away_at(&[OTHER_STORE], "192.0.2.1", "user20", Ended::Unavailable),
        None,
        "another store"
    );
    // It is not the address that has failed.
    assert_eq!(door.away_at(&[OTHER_STORE], "192.0.2.1", "user21", Ended::Unavailable), None);
}

#[test]
fn who_has_succeeded_from_the_address_goes_on_and_does_not_make_others_wait() {
    let door = Door::new();
    for user in ["alice", "bob"] {
        assert_eq!(door.right("192.0.2.1", user), None);
    }
    door.sprayed("192.0.2.1");
    assert_eq!(door.away("192.0.2.1", "user6"), Some(1));
    // Her password is remembered: she is let in, though nobody can ask.
    assert_eq!(door.right("192.0.2.1", "alice"), None);
    assert_eq!(door.away("192.0.2.1", "user6"), Some(1), "that says nothing of the store");
    assert_eq!(door.seconds(1).right("192.0.2.1", "carol"), None);
    door.sprayed("192.0.2.1");
    let other = Door::new();
    assert_eq!(other.right("192.0.2.1", "bob"), None);
    for _ in 0..3 {
        assert_eq!(other.away("192.0.2.1", "bob"), None);
    }
    assert_eq!(other.away("192.0.2.1", "bob"), Some(1), "his own count holds");
    other.sprayed("192.0.2.1");
}

#[test]
fn it_is_over_when_the_store_answers_and_not_when_another_one_does() {
    let door = Door::new();
    door.sprayed("192.0.2.1");
    let attempt = door.begin_at(&[OTHER_STORE], "192.0.2.1", "mallory", "right").unwrap();
    attempt.settle(Ended::Known, |_| Verdict::Right);
    assert_eq!(door.away("192.0.2.1", "user6"), Some(1), "an account elsewhere excuses nothing");
    // In a chain, the one store that answers excuses nothing at the other.
    let attempt = door.begin_at(&[OTHER_STORE, STORE], "192.0.2.1", "mallory", "right").unwrap();
    attempt.settle(
        Ended::Known,
        |store| if store == OTHER_STORE { Verdict::Right } else { Verdict::Unavailable },
    );
    assert_eq!(door.away("192.0.2.1", "user6"), Some(1));
    // The first that is asked finds it back: nobody else waits.
    assert_eq!(door.seconds(1).wrong("192.0.2.1", "dave"), None);
    for user in ["erin", "frank", "grace"] {
        assert_eq!(door.right("192.0.2.1", user), None);
    }
    door.sprayed("192.0.2.1");
}

#[test]
fn attempts_at_the_same_time_are_bounded_and_one_at_a_time_after_a_delay() {
    let door = Door::new();
    let begun: Vec<_> =
        (0..6).map(|user| door.begin("192.0.2.1", &format!("user{user}"), "spring").unwrap()).collect();
    assert!(door.begin("192.0.2.1", "user6", "spring").is_err());
    for attempt in begun {
        attempt.settle(Ended::Unavailable, |_| Verdict::Unavailable);
    }
    door.seconds(1);
    let one = door.begin("192.0.2.1", "user6", "spring").unwrap();
    assert_eq!(door.away("192.0.2.1", "user7"), Some(1));
    // Who hangs up says nothing of the store.
    drop(one);
    assert_eq!(door.away("192.0.2.1", "user7"), None);
    assert_eq!(door.away("192.0.2.1", "user8"), Some(2));
}

#[test]
fn a_queue_that_is_full_counts_for_the_address_as_ever() {
    let door = Door::new();
    for user in 0..6 {
        let user = format!("user{user}");
        assert_eq!(door.away_at(&[STORE], "192.0.2.1", &user, Ended::Overloaded), None);
    }
    assert_eq!(door.away_at(&[OTHER_STORE], "192.0.2.1", "user6", Ended::Overloaded), Some(1));
    assert_eq!(door.wrong("", "user6"), None, "without an address nothing is counted for one");
}
