//! Whose failures they are, however somebody is called.

use std::time::Duration;

use super::{
    super::{Guess, Held},
    Attempt, Attempted, Door, Ended, STORE, Throttle, Verdict, whole,
};

#[test]
fn spellings_of_a_name_count_as_one() {
    let door = Door::new();
    for name in ["alice", " ALICE", "al\u{ad}ice"] {
        assert_eq!(door.wrong("192.0.2.1", name), None);
    }
    for name in ["\u{ff21}lice", "al\u{200b}ice", "alice"] {
        assert_eq!(door.wrong("192.0.2.1", name), Some(1), "{name:?}");
        assert_eq!(door.wrong("192.0.2.2", name), Some(1), "{name:?}");
    }
    assert_eq!(door.throttle.counted(), [1, 1, 3]);
}

/// Stores tell "Alice" from "alice". Whoever has the one account must not be able to guess at the other for free.
#[test]
fn a_success_speaks_for_the_name_as_it_is_written() {
    let door = Door::by(Throttle::new().per_user(3).per_address(1_000));
    for _ in 0..2 {
        assert_eq!(door.wrong("192.0.2.1", "alice"), None);
        assert_eq!(door.right("192.0.2.1", "Alice"), None);
    }
    assert_eq!(door.wrong("192.0.2.1", "alice"), None);
    assert_eq!(door.wrong("192.0.2.1", "alice"), Some(1), "nothing was reset");
    assert_eq!(door.wrong("192.0.2.9", "alice"), Some(1));
    assert_eq!(door.right("192.0.2.1", "Alice"), None, "where she comes from");
    door.seconds(1);
    assert_eq!(door.wrong("192.0.2.1", "alice"), None);
    assert_eq!(door.wrong("192.0.2.1", "alice"), Some(2), "nor excused");
}

/// A directory takes each of them for the same, and whoever has one password could have all that is known of others forgotten.
#[test]
fn the_endless_spellings_of_one_name_make_no_other_user_forgotten() {
    let door = Door::by(Throttle::new().per_user(3).per_address(1_000_000));
    let remembered = |user: &str| {
        for stranger in 1..=3 {
            assert_eq!(door.wrong(&format!("198.51.100.{stranger}"), user), None);
        }
        assert_eq!(door.wrong("198.51.100.9", user), Some(1));
        door.right("192.0.2.1", user).is_none()
    };
    for user in ["bob", "carol", "Mallory"] {
        assert_eq!(door.right("192.0.2.1", user), None);
    }
    for spelling in 0_u32..1 << 15 {
        let letter = |(at, letter): (usize, char)| match spelling >> at & 1 {
            0 => letter,
            _ => letter.to_ascii_uppercase(),
        };
        let name: String = "mallorysmithson".chars().enumerate().map(letter).collect();
        assert_eq!(door.right("192.0.2.7", &name), None);
        assert_eq!(door.throttle.counted()[1], 0);
    }
    assert!(remembered("bob") && remembered("carol"));
    assert!(remembered("Mallory"), "another user");
}

#[test]
fn of_one_user_the_last_sixteen_are_known_whatever_the_spelling() {
    for (later, known) in [(15, true), (16, false)] {
        let door = Door::new();
        assert_eq!(door.right("192.0.2.1", "alice"), None);
        for blanks in 1..=later {
            assert_eq!(door.right("192.0.2.1", &format!("{}alice", " ".repeat(blanks))), None);
        }
        for stranger in 1..=3 {
            assert_eq!(door.wrong(&format!("198.51.100.{stranger}"), "alice"), None);
        }
        assert_eq!(door.right("192.0.2.1", "alice").is_none(), known, "{later}");
    }
}

#[test]
fn who_has_come_to_one_of_two_stores_need_not_wait_for_strangers_at_the_other() {
    let door = Door::new();
    let home = |ended, verdict: fn(usize) -> Verdict| {
        door.begin_at(&[1, 2], "192.0.2.1", "alice", "x").map(|attempt| attempt.settle(ended, verdict))
    };
    let second = |store| if store == 2 { Verdict::Right } else { Verdict::Wrong };
    home(Ended::Known, second).unwrap();
    for stranger in 1..=3 {
        let attempt = door.begin_at(&[1, 2], &format!("198.51.100.{stranger}"), "alice", "x").unwrap();
        attempt.settle(Ended::Refused, |_| Verdict::Wrong);
    }
    assert!(door.begin_at(&[1, 2], "198.51.100.9", "alice", "x").is_err());
    home(Ended::Known, second).unwrap();
}

#[test]
fn accounts_count_whatever_the_name_that_they_were_found_by() {
    let door = Door::new();
    let dn = "uid=alice,ou=people,dc=example";
    let guess = |name: &str, right: bool| {
        let attempt = door.begin("192.0.2.1", name, "x").unwrap();
        let held = Attempted::of(&attempt, STORE).guess().at(dn);
        match held {
            Ok(held) if right => held.right(),
            Ok(held) => held.wrong(),
            Err(unavailable) => {
                attempt.settle(Ended::Unavailable, |_| Verdict::Untold);
                return Some(whole(unavailable.retry_after().unwrap()));
            }
        }
        let (ended, verdict) =
            if right { (Ended::Known, Verdict::Right) } else { (Ended::Refused, Verdict::Wrong) };
        attempt.settle(ended, |_| verdict);
        None
    };
    for name in ["alice", "alice@example.org", "+49 30 1234567"] {
        assert_eq!(guess(name, false), None);
    }
    assert_eq!(guess("a.liddell", false), Some(1), "looked for, and not tried");
    door.seconds(1);
    assert_eq!(guess("a.liddell", true), None);
    assert_eq!(guess("a.liddell", false), None);
    assert_eq!(door.throttle.counted()[2], 3 + 1 + 1, "three names, one more, one account");
}

/// An attempt of alice by a name, and what it is told of an account.
fn at(door: &Door, address: &str, account: &str) -> (Attempt, Guess) {
    let attempt = door.begin(address, account, "x").unwrap();
    let guess = Attempted::of(&attempt, STORE).guess();
    (attempt, guess)
}

/// Alice's account has to wait for a second, but not where she comes from: 192.0.2.1.
fn guessed() -> Door {
    let door = Door::by(Throttle::new().per_user(3).per_address(6));
    let (attempt, guess) = at(&door, "192.0.2.1", "0");
    guess.at("uid=alice").unwrap().right();
    attempt.settle(Ended::Known, |_| Verdict::Right);
    for name in ["1", "2", "3"] {
        let (attempt, guess) = at(&door, "192.0.2.2", name);
        guess.at("uid=alice").unwrap().wrong();
        attempt.settle(Ended::Refused, |_| Verdict::Wrong);
    }
    door
}

#[test]
fn an_account_that_has_to_wait_is_not_recalled_and_that_counts_for_nobody() {
    let door = guessed();
    let counted = door.throttle.counted();
    for _ in 0..100 {
        let (attempt, guess) = at(&door, "192.0.2.3", "4");
        assert!(guess.recalled("uid=alice").is_none());
        assert!(guess.recalled("UID=Alice").is_none(), "however it is written");
        assert!(guess.recalled("uid=bob").is_some_and(|held| {
            held.right();
            true
        }));
        attempt.settle(Ended::Known, |_| Verdict::Right);
    }
    assert_eq!(door.throttle.counted(), counted);
    let (_attempt, guess) = at(&door, "192.0.2.1", "4");
    assert!(guess.recalled("uid=alice").is_some(), "where she comes from");
    assert!(Guess::untold().recalled("uid=alice").is_some());
}

#[test]
fn to_find_an_account_that_has_to_wait_counts_for_the_address_alone() {
    let door = guessed();
    for _ in 0..6 {
        let (attempt, guess) = at(&door, "192.0.2.3", "4");
        assert_eq!(guess.at("uid=alice").unwrap_err().retry_after(), Some(Duration::from_secs(1)));
        attempt.settle(Ended::Unavailable, |_| Verdict::Untold);
    }
    assert_eq!(door.right("192.0.2.3", "carol"), Some(1));
    assert_eq!(door.seconds(1).right("192.0.2.4", "4"), None);
    assert!(at(&door, "192.0.2.4", "5").1.at("uid=alice").is_ok(), "three failures, and not nine");
}

/// Her program, with the right password from where she has not been before: her colleagues there are not kept out for long.
#[test]
fn an_account_that_has_to_wait_delays_an_address_by_a_few_seconds_at_most() {
    let door = guessed();
    let mut waits = Vec::new();
    for round in 0..12 {
        let begin = || door.begin("192.0.2.3", "4", "x");
        let attempt = begin().or_else(|wait| {
            waits.push(wait.as_secs());
            door.seconds(wait.as_secs());
            begin()
        });
        let attempt = attempt.unwrap();
        // Somebody far away sees to it that it has to wait.
        let (other, guess) = at(&door, &format!("198.51.100.{round}"), &format!("5.{round}"));
        if let Ok(held) = guess.at("uid=alice") {
            held.wrong();
        }
        other.settle(Ended::Refused, |_| Verdict::Wrong);
        assert!(Attempted::of(&attempt, STORE).guess().at("uid=alice").is_err());
        attempt.settle(Ended::Unavailable, |_| Verdict::Untold);
    }
    assert_eq!(waits, [1, 2, 4, 4, 4, 4]);
}

#[test]
fn what_another_store_knows_counts_for_nobody_where_the_account_has_to_wait() {
    let door = guessed();
    let counted = door.throttle.counted();
    for _ in 0..100 {
        let (attempt, guess) = at(&door, "192.0.2.3", "4");
        assert!(guess.at("uid=alice").is_err());
        attempt.settle(Ended::Known, |_| Verdict::Untold);
    }
    assert_eq!(door.throttle.counted(), counted);
}

#[test]
fn a_password_of_which_nothing_is_said_counts_for_its_account_as_one_that_nobody_can_tell() {
    let door = Door::by(Throttle::new().per_user(3));
    let held = |name: &str| -> Result<Held, u64> {
        let (attempt, guess) = at(&door, "192.0.2.1", name);
        let held = guess.at("uid=alice");
        attempt.settle(Ended::Known, |_| Verdict::Right);
        held.map_err(|unavailable| whole(unavailable.retry_after().unwrap()))
    };
    for name in ["1", "2", "3"] {
        let held = held(name).unwrap();
        door.seconds(10);
        drop(held);
    }
    for (name, wait) in [("4", 1), ("5", 2), ("6", 4), ("7", 4), ("8", 4)] {
        assert_eq!(held(name).unwrap_err(), wait);
        door.seconds(wait);
        drop(held(name).unwrap());
    }
    held_right(&door);
    assert!(held("9").is_ok(), "a success resets");
}

fn held_right(door: &Door) {
    door.seconds(4);
    let (attempt, guess) = at(door, "192.0.2.1", "alice");
    guess.at("uid=alice").unwrap().right();
    attempt.settle(Ended::Known, |_| Verdict::Right);
}

#[test]
fn a_name_and_an_account_that_is_called_the_same_count_apart() {
    let door = Door::new();
    let (attempt, guess) = at(&door, "192.0.2.1", "alice");
    guess.at("alice").unwrap().wrong();
    attempt.settle(Ended::Refused, |_| Verdict::Wrong);
    assert_eq!(door.throttle.counted(), [1, 2, 2]);
    // Failures of the one are not those of the other.
    for name in ["1", "2"] {
        let (attempt, guess) = at(&door, "192.0.2.1", name);
        guess.at("alice").unwrap().wrong();
        attempt.settle(Ended::Refused, |_| Verdict::Wrong);
    }
    assert!(at(&door, "192.0.2.1", "3").1.at("alice").is_err());
    assert_eq!(door.wrong("192.0.2.1", "alice"), None);
}

/// Two elements of a chain may ask the same directory.
#[test]
fn an_account_that_is_asked_about_twice_in_an_attempt_is_guessed_at_once() {
    let door = Door::by(Throttle::new().per_user(3));
    let twice = |name: &str, ended, [first, second]: [bool; 2]| {
        let (attempt, guess) = at(&door, "192.0.2.1", name);
        for right in [first, second] {
            let held = guess.at("uid=alice").unwrap();
            if right { held.right() } else { held.wrong() }
        }
        let verdict = if first || second { Verdict::Right } else { Verdict::Wrong };
        attempt.settle(ended, |_| verdict);
    };
    for name in ["1", "2", "3"] {
        twice(name, Ended::Refused, [false, false]);
    }
    assert!(at(&door, "192.0.2.1", "4").1.at("uid=alice").is_err(), "three, and not six");
    door.seconds(1);
    twice("4", Ended::Known, [false, true]);
    twice("5", Ended::Known, [true, false]);
    for name in ["1", "2"] {
        twice(name, Ended::Refused, [false, false]);
    }
    assert!(at(&door, "192.0.2.1", "6").1.at("uid=alice").is_ok(), "a success resets");
}

#[test]
fn a_guess_of_which_one_element_says_nothing_and_another_says_no_is_one() {
    for order in [[true, false], [false, true]] {
        let door = Door::by(Throttle::new().per_user(2));
        let guess = |name: &str| {
            let (attempt, guess) = at(&door, "192.0.2.1", name);
            for breaks_off in order {
                let held = guess.at("uid=alice").unwrap();
                if breaks_off { drop(held) } else { held.wrong() }
            }
            attempt.settle(Ended::Refused, |_| Verdict::Wrong);
        };
        guess("1");
        guess("2");
        assert!(at(&door, "192.0.2.1", "3").1.at("uid=alice").is_err(), "{order:?}");
    }
}

#[test]
fn what_another_store_knows_is_no_guess_at_an_account() {
    for (ended, counts) in [
        (Some(Ended::Known), false),
        (Some(Ended::Refused), true),
        (Some(Ended::Unavailable), true),
        (Some(Ended::Overloaded), true),
        // The caller hangs up.
        (None, true),
    ] {
        let door = Door::by(Throttle::new().per_user(1));
        let (attempt, guess) = at(&door, "192.0.2.1", "1");
        guess.at("uid=alice").unwrap().wrong();
        match ended {
            Some(ended) => attempt.settle(ended, |_| Verdict::Untold),
            None => drop(attempt),
        }
        assert_eq!(at(&door, "192.0.2.2", "2").1.at("uid=alice").is_err(), counts, "{ended:?}");
    }
}

/// A lookup goes on without the caller who began it.
#[test]
fn what_an_account_refuses_after_the_end_of_an_attempt_counts_at_once() {
    let door = Door::by(Throttle::new().per_user(1));
    let (attempt, guess) = at(&door, "192.0.2.1", "1");
    let held = guess.at("uid=alice").unwrap();
    drop(attempt);
    assert!(at(&door, "192.0.2.2", "2").1.at("uid=alice").is_err(), "it is being looked at");
    door.seconds(10);
    held.wrong();
    let error = at(&door, "192.0.2.2", "3").1.at("uid=alice").unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(1)));
    door.seconds(1);
    assert!(at(&door, "192.0.2.2", "4").1.at("uid=alice").is_ok());
}
