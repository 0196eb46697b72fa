//! What counts where nobody said that a password is wrong: a memory or another store would have told the right one.

use std::time::Duration;

use super::{Attempt, Attempted, Door, Ended, STORE, Throttle, Verdict};

#[test]
fn an_outage_of_one_store_does_not_make_guesses_at_another_free() {
    let door = Door::new();
    for _ in 0..3 {
        let attempt = door.begin_at(&[1, 2], "192.0.2.1", "alice", "x").unwrap();
        attempt.settle(Ended::Unavailable, |store| if store == 1 { Verdict::Wrong } else { Verdict::Untold });
    }
    assert!(door.begin_at(&[1], "192.0.2.1", "alice", "x").is_err());
    for seconds in [1, 2, 4, 4, 4, 4] {
        let wait = door.begin_at(&[1, 2], "192.0.2.1", "alice", "x").unwrap_err();
        assert_eq!(wait, Duration::from_secs(seconds));
        door.seconds(seconds);
        let attempt = door.begin_at(&[1, 2], "192.0.2.1", "alice", "x").unwrap();
        attempt.settle(Ended::Unavailable, |store| if store == 1 { Verdict::Wrong } else { Verdict::Untold });
    }
    assert!(door.begin_at(&[2], "192.0.2.1", "alice", "x").is_ok(), "the store that could not tell");
    assert!(door.begin_at(&[2], "192.0.2.1", "bob", "x").is_ok(), "nor does it count for the address");
}

fn all_cannot_tell(attempt: Attempt, ended: Ended) {
    attempt.settle(ended, |_| Verdict::Unavailable);
}

#[test]
fn what_nobody_can_tell_counts_for_the_user_with_a_delay_of_a_few_seconds_at_most() {
    let door = Door::new();
    let away = |address: &str| {
        door.begin(address, "alice", "x").map(|attempt| all_cannot_tell(attempt, Ended::Unavailable))
    };
    for _ in 0..3 {
        away("192.0.2.1").unwrap();
    }
    for seconds in [1, 2, 4, 4, 4] {
        assert_eq!(away("192.0.2.1").unwrap_err(), Duration::from_secs(seconds));
        assert_eq!(away("192.0.2.2").unwrap_err(), Duration::from_secs(seconds), "nor from elsewhere");
        door.seconds(seconds);
        away("192.0.2.1").unwrap();
    }
    assert_eq!(door.wrong("192.0.2.1", "bob"), Some(4), "nor with another user of the store");
    assert_eq!(door.wrong("192.0.2.2", "bob"), None);
    door.seconds(4);
    assert_eq!(door.right("192.0.2.1", "alice"), None, "soon nobody waits");
    assert_eq!(door.wrong("192.0.2.1", "alice"), None, "a success resets");
}

#[test]
fn an_outage_delays_nobody_where_he_comes_from_for_the_failures_of_others() {
    let door = Door::new();
    assert_eq!(door.right("192.0.2.1", "alice"), None);
    for stranger in 1..=3 {
        let attempt = door.begin(&format!("198.51.100.{stranger}"), "alice", "x").unwrap();
        all_cannot_tell(attempt, Ended::Unavailable);
    }
    assert_eq!(door.right("198.51.100.9", "alice"), Some(1));
    assert_eq!(door.right("192.0.2.1", "alice"), None);
}

#[test]
fn what_no_store_was_asked_about_is_not_counted() {
    let door = Door::new();
    for _ in 0..100 {
        let attempt = door.begin("192.0.2.1", "alice", "x").unwrap();
        attempt.settle(Ended::Unavailable, |_| Verdict::Untold);
        let attempt = door.begin_at(&[1, 2], "192.0.2.1", "alice", "x").unwrap();
        attempt.settle(Ended::Known, |store| if store == 1 { Verdict::Unavailable } else { Verdict::Right });
    }
    assert_eq!(door.throttle.counted(), [0, 0, 0]);
}

#[test]
fn who_fills_the_queue_waits_for_a_few_seconds_at_most() {
    let door = Door::new();
    let shed = |user: u32| {
        let attempt = door.begin("192.0.2.1", &format!("user-{user}"), "x")?;
        all_cannot_tell(attempt, Ended::Overloaded);
        Ok::<_, Duration>(())
    };
    for user in 0..6 {
        shed(user).unwrap();
    }
    for (user, seconds) in [(6, 1), (7, 2), (8, 4), (9, 4)] {
        assert_eq!(shed(user).unwrap_err(), Duration::from_secs(seconds));
        assert_eq!(door.right("192.0.2.2", "bob"), None);
        door.seconds(seconds);
        shed(user).unwrap();
    }
}

/// A remembered password is told at once and another one only after a hash.
#[test]
fn who_hangs_up_between_the_answers_to_a_right_and_a_wrong_password_does_not_guess_for_free() {
    let door = Door::by(Throttle::new().per_user(3));
    for guess in 0..3 {
        drop(door.begin(&format!("192.0.2.{guess}"), "alice", &guess.to_string()).unwrap());
    }
    for seconds in [1, 2, 4, 4, 4] {
        let from = format!("198.51.100.{seconds}");
        assert_eq!(door.begin(&from, "alice", "x").unwrap_err(), Duration::from_secs(seconds));
        door.seconds(seconds);
        drop(door.begin(&from, "alice", "x").unwrap());
    }
}

#[test]
fn who_gives_up_one_of_several_requests_with_the_right_password_has_not_failed() {
    let door = Door::by(Throttle::new().per_user(1).per_address(1));
    for _ in 0..10 {
        let begin = || door.begin("192.0.2.1", "alice", "right").unwrap();
        let (one, other, last) = (begin(), begin(), begin());
        drop(one);
        drop(other);
        last.settle(Ended::Known, |_| Verdict::Right);
    }
    assert_eq!(door.throttle.counted(), [0, 0, 0]);
}

#[test]
fn an_address_that_hangs_up_again_and_again_waits_as_one_that_fails() {
    let door = Door::new();
    let mut waits = Vec::new();
    for user in 0..12 {
        let begin = || door.begin("192.0.2.1", &format!("user-{user}"), "x");
        let begun = begin().or_else(|wait| {
            waits.push(wait.as_secs());
            door.seconds(wait.as_secs());
            begin()
        });
        drop(begun.unwrap());
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32]);
}

/// A store that takes a question and does not answer, and callers who have less patience than it takes to give it up.
#[test]
fn who_goes_after_he_has_waited_for_long_counts_for_the_address_at_the_store_that_was_silent() {
    for (waited, others) in [(2_999, [Some(1), Some(1)]), (3_000, [None, Some(1)])] {
        let door = Door::new();
        for user in 0..6 {
            let attempt = door.begin_at(&[1, 2], "192.0.2.1", &format!("user-{user}"), "x").unwrap();
            Attempted::of(&attempt, 1);
            Attempted::of(&attempt, 2);
            door.after(Duration::from_millis(waited));
            drop(attempt);
        }
        let begin = |store| door.begin_at(&[store], "192.0.2.1", "admin", "x").err().map(super::whole);
        assert_eq!([begin(1), begin(2)], others, "{waited}");
        assert_eq!(door.right("192.0.2.2", "bob"), None);
    }
}

#[test]
fn the_silence_of_a_store_delays_by_a_few_seconds_and_ends_with_its_answer() {
    let door = Door::new();
    let leave = |user: u32| {
        let attempt = door.begin("192.0.2.1", &format!("user-{user}"), "x")?;
        Attempted::of(&attempt, STORE);
        door.seconds(10);
        Ok::<_, Duration>(())
    };
    for user in 0..6 {
        leave(user).unwrap();
    }
    for (user, seconds) in [(6, 1), (7, 2), (8, 4), (9, 4), (10, 4)] {
        assert_eq!(leave(user).unwrap_err(), Duration::from_secs(seconds));
        door.seconds(seconds);
        leave(user).unwrap();
    }
    assert_eq!(door.wrong("192.0.2.1", "bob"), Some(4));
    assert_eq!(door.seconds(4).wrong("192.0.2.1", "bob"), None, "it answers");
    assert_eq!(door.right("192.0.2.1", "carol"), None, "nobody waits");
}

#[test]
fn the_silence_is_not_counted_where_another_waits_on_who_asks_the_same() {
    let door = Door::by(Throttle::new().per_address(1));
    for user in 0..9 {
        let begin = || door.begin("192.0.2.1", &format!("user-{user}"), "right").unwrap();
        let (one, other) = (begin(), begin());
        Attempted::of(&one, STORE);
        door.seconds(10);
        drop(one);
        other.settle(Ended::Known, |_| Verdict::Right);
    }
    assert_eq!(door.throttle.counted(), [0, 0, 0]);
}
