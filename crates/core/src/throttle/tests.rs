//! What is permitted and what is not, by a clock that stands still.

mod accounts;
mod calls;
mod room;
mod spraying;
mod untold;

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{
    Attempt, Ended, Throttle, Verdict,
    attempt::Attempted,
    counter::Limit,
    name::Name,
    state::{Bid, Settled, State},
};
use crate::{Basic, BoxFuture, Clock, UnixTime};

#[derive(Debug, Default)]
struct Still(AtomicU64);

impl Clock for Still {
    fn now(&self) -> UnixTime {
        UnixTime::default()
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

/// One store and a throttle that delays after 3 failures of a user and 6 of an address.
struct Door {
    throttle: Throttle,
    still: Arc<Still>,
    clock: Arc<dyn Clock>,
}

const STORE: usize = 1;

impl Door {
    fn new() -> Self {
        Self::by(Throttle::new().per_user(3).per_address(6))
    }

    fn by(throttle: Throttle) -> Self {
        let still = Arc::new(Still::default());
        Self { throttle, clock: still.clone(), still }
    }

    fn after(&self, span: Duration) -> &Self {
        self.still.0.fetch_add(u64::try_from(span.as_millis()).unwrap(), Ordering::SeqCst);
        self
    }

    fn seconds(&self, seconds: u64) -> &Self {
        self.after(Duration::from_secs(seconds))
    }

    fn begin(&self, address: &str, user: &str, password: &str) -> Result<Attempt, Duration> {
        self.begin_at(&[STORE], address, user, password)
    }

    fn begin_at(
        &self,
        stores: &[usize],
        address: &str,
        user: &str,
        password: &str,
    ) -> Result<Attempt, Duration> {
        let client = (!address.is_empty()).then(|| address.parse::<IpAddr>().unwrap());
        use base64::Engine as _;
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        let basic = Basic::decode(&pair).unwrap();
        Attempt::basic(&self.throttle, &self.clock, client, &basic, stores)
    }

    /// A wrong password; the span to wait, where it is not looked at.
    #[track_caller]
    fn wrong(&self, address: &str, user: &str) -> Option<u64> {
        match self.begin(address, user, "wrong") {
            Ok(attempt) => {
                attempt.settle(Ended::Refused, |_| Verdict::Wrong);
                None
            }
            Err(wait) => Some(whole(wait)),
        }
    }

    /// The right one.
    fn right(&self, address: &str, user: &str) -> Option<u64> {
        match self.begin(address, user, "right") {
            Ok(attempt) => {
                attempt.settle(Ended::Known, |_| Verdict::Right);
                None
            }
            Err(wait) => Some(whole(wait)),
        }
    }
}

/// As `Retry-After` says it.
fn whole(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}

#[test]
fn after_so_many_failures_of_a_user_each_further_one_doubles_the_delay() {
    let door = Door::by(Throttle::new());
    for _ in 0..10 {
        assert_eq!(door.wrong("192.0.2.1", "alice"), None);
    }
    for delay in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300] {
        assert_eq!(door.wrong("192.0.2.1", "alice"), Some(delay));
        assert_eq!(door.right("192.0.2.1", "alice"), Some(delay), "the right one is not looked at either");
        door.after(Duration::from_millis(delay * 1000 - 1));
        assert_eq!(door.wrong("192.0.2.1", "alice"), Some(1), "a millisecond too early");
        door.after(Duration::from_millis(1));
        assert_eq!(door.wrong("192.0.2.1", "alice"), None);
    }
}

#[test]
fn whoever_is_refused_for_coming_too_early_is_not_counted() {
    let door = Door::new();
    (0..3).for_each(|_| assert_eq!(door.wrong("192.0.2.1", "alice"), None));
    for _ in 0..1000 {
        assert_eq!(door.wrong("192.0.2.1", "alice"), Some(1));
    }
    assert_eq!(door.seconds(1).right("192.0.2.1", "alice"), None);
}

#[test]
fn a_success_resets_that_user_at_that_address_and_nothing_else() {
    let door = Door::new();
    for round in 0..2 {
        (0..2).for_each(|_| assert_eq!(door.wrong("192.0.2.1", "alice"), None, "round {round}"));
        assert_eq!(door.right("192.0.2.1", "alice"), None, "round {round}");
    }
    // Four of alice: elsewhere she has to wait.
    assert_eq!(door.wrong("192.0.2.2", "alice"), Some(2));
    // Four of the address.
    (0..2).for_each(|_| assert_eq!(door.wrong("192.0.2.1", "bob"), None));
    assert_eq!(door.right("192.0.2.1", "carol"), Some(1));
    assert_eq!(door.right("192.0.2.1", "alice"), Some(1));
    assert_eq!(door.seconds(1).right("192.0.2.1", "alice"), None);
}

#[test]
fn a_stranger_does_not_lock_a_user_out_where_the_user_has_succeeded() {
    let door = Door::new();
    assert_eq!(door.right("192.0.2.1", "alice"), None);
    for stranger in 1..=100 {
        door.wrong(&format!("198.51.100.{stranger}"), "alice");
        door.seconds(1);
    }
    assert_eq!(door.right("192.0.2.1", "alice"), None);
    assert_eq!(door.wrong("192.0.2.1", "alice"), None, "her own failures alone count there");
    assert_eq!(door.wrong("192.0.2.1", "alice"), None);
    assert_eq!(door.wrong("192.0.2.1", "alice"), None);
    assert_eq!(door.right("192.0.2.1", "alice"), Some(1));
    assert!(
        door.right("203.0.113.9", "alice").is_some_and(|wait| wait > 1),
        "from elsewhere she has to wait"
    );
}

#[test]
fn an_address_is_delayed_whoever_it_tries_and_others_are_not() {
    let door = Door::new();
    for user in ["a", "b", "c", "d", "e", "f"] {
        assert_eq!(door.wrong("192.0.2.1", user), None);
    }
    assert_eq!(door.right("192.0.2.1", "g"), Some(1));
    assert_eq!(door.right("192.0.2.2", "g"), None);
    assert_eq!(door.seconds(1).wrong("192.0.2.1", "g"), None);
    assert_eq!(door.wrong("192.0.2.1", "h"), Some(2));
}

#[test]
fn an_ipv6_network_is_one_address_and_a_mapped_one_is_ipv4() {
    let door = Door::new();
    for host in 1..=6 {
        assert_eq!(door.wrong(&format!("2001:db8::{host}"), &format!("user-{host}")), None);
        assert_eq!(door.wrong("::ffff:192.0.2.1", &format!("user-{host}")), None);
    }
    assert_eq!(door.right("2001:db8::ffff", "g"), Some(1));
    assert_eq!(door.right("2001:db8:0:1::1", "g"), None);
    assert_eq!(door.right("192.0.2.1", "g"), Some(1));
}

#[test]
fn without_an_address_the_counts_of_users_alone_hold() {
    let door = Door::new();
    for user in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        assert_eq!(door.wrong("", user), None);
    }
    assert_eq!(door.right("", "alice"), None);
    (0..3).for_each(|_| assert_eq!(door.wrong("", "alice"), None));
    assert_eq!(door.right("", "alice"), Some(1));
    assert_eq!(door.throttle.counted(), [0, 9, 0]);
}

#[test]
fn the_same_name_at_another_store_is_another_user() {
    let door = Door::new();
    (0..3).for_each(|_| assert_eq!(door.wrong("192.0.2.1", "alice"), None));
    assert!(door.begin_at(&[2], "192.0.2.1", "alice", "x").is_ok());
    // Where both are asked, who is delayed at one is not looked at.
    assert!(door.begin_at(&[2, STORE], "192.0.2.1", "alice", "x").is_err());
}

#[test]
fn a_success_at_one_store_does_not_reset_another() {
    let door = Door::by(Throttle::new().per_user(3));
    for _ in 0..3 {
        let attempt = door.begin_at(&[1, 2], "192.0.2.1", "alice", "x").unwrap();
        attempt.settle(Ended::Refused, |_| Verdict::Wrong);
        door.seconds(0);
    }
    door.seconds(1);
    let attempt = door.begin_at(&[1], "192.0.2.1", "alice", "right").unwrap();
    attempt.settle(Ended::Known, |_| Verdict::Right);
    assert!(door.begin_at(&[1], "192.0.2.1", "alice", "y").is_ok());
    let guess = door.begin_at(&[2], "192.0.2.1", "alice", "y").unwrap();
    guess.settle(Ended::Refused, |_| Verdict::Wrong);
    assert_eq!(door.begin_at(&[2], "192.0.2.1", "alice", "z").unwrap_err(), Duration::from_secs(2));
    // Refused by the first, known to the second: no failure of the first.
    for _ in 0..10 {
        let attempt = door.begin_at(&[1, 3], "192.0.2.7", "bob", "right").unwrap();
        attempt.settle(Ended::Known, |store| if store == 3 { Verdict::Right } else { Verdict::Wrong });
    }
    assert!(door.begin_at(&[1], "192.0.2.7", "bob", "x").is_ok());
}

#[test]
fn guesses_at_the_same_time_are_no_more_than_may_fail() {
    let door = Door::new();
    let guess = |number: u32| door.begin("192.0.2.1", "alice", &number.to_string());
    let mut begun: Vec<_> = (0..3).map(|number| guess(number).unwrap()).collect();
    for number in 3..100 {
        assert_eq!(guess(number).unwrap_err(), Duration::from_secs(1));
    }
    // Nor from many addresses at once.
    assert!(door.begin("198.51.100.1", "alice", "4711").is_err());
    // The same password again is no other guess.
    let again = guess(0).unwrap();
    begun.push(again);
    for attempt in begun {
        attempt.settle(Ended::Refused, |_| Verdict::Wrong);
    }
    assert_eq!(guess(100).unwrap_err(), Duration::from_secs(1), "three failures, and not four");
    door.seconds(1);
    let one = guess(101).unwrap();
    assert!(guess(102).is_err(), "one at a time after a delay");
    one.settle(Ended::Refused, |_| Verdict::Wrong);
    assert_eq!(guess(103).unwrap_err(), Duration::from_secs(2));
}

#[test]
fn one_address_begins_no_more_than_may_fail() {
    let door = Door::new();
    let begun: Vec<_> =
        (0..6).map(|user| door.begin("192.0.2.1", &format!("user-{user}"), "x").unwrap()).collect();
    assert_eq!(door.begin("192.0.2.1", "one-more", "x").unwrap_err(), Duration::from_secs(1));
    drop(begun);
    // They were abandoned, and the address has caused the work.
    assert_eq!(door.begin("192.0.2.1", "one-more", "x").unwrap_err(), Duration::from_secs(1));
    assert_eq!(door.throttle.counted(), [1, 6, 6]);
    assert!(door.seconds(1).begin("192.0.2.1", "one-more", "x").is_ok());
}

#[test]
fn who_has_come_before_need_not_wait_for_others_at_a_delayed_address() {
    let door = Door::new();
    assert_eq!(door.right("192.0.2.1", "alice"), None);
    for user in ["a", "b", "c", "d", "e", "f"] {
        assert_eq!(door.wrong("192.0.2.1", user), None);
    }
    door.seconds(1);
    let other = door.begin("192.0.2.1", "bob", "x").unwrap();
    assert_eq!(door.right("192.0.2.1", "carol"), Some(1));
    assert_eq!(door.right("192.0.2.1", "alice"), None);
    drop(other);
}

#[test]
fn the_same_wrong_password_again_is_looked_at_no_more_often_than_others() {
    let door = Door::new();
    let first = door.begin("192.0.2.1", "alice", "x").unwrap();
    let second = door.begin("192.0.2.1", "alice", "x").unwrap();
    first.settle(Ended::Refused, |_| Verdict::Wrong);
    let third = door.begin("192.0.2.1", "alice", "x").unwrap();
    second.settle(Ended::Refused, |_| Verdict::Wrong);
    third.settle(Ended::Refused, |_| Verdict::Wrong);
    assert_eq!(door.wrong("192.0.2.1", "alice"), None);
    assert_eq!(
        door.wrong("192.0.2.1", "alice"),
        Some(1),
        "three: the two that were shared, the third, the fourth"
    );
}

#[test]
fn counts_halve_every_hour() {
    let door = Door::new();
    (0..3).for_each(|_| assert_eq!(door.wrong("192.0.2.1", "alice"), None));
    assert_eq!(door.seconds(3599).wrong("192.0.2.1", "alice"), None);
    assert_eq!(door.seconds(1).wrong("192.0.2.1", "alice"), None, "two of four, and this one");
    assert_eq!(door.right("192.0.2.1", "alice"), Some(1));
    assert_eq!(door.seconds(7200).right("192.0.2.1", "alice"), None);
}

#[test]
fn a_million_names_and_addresses_take_no_more_than_the_bounds() {
    let limit = Limit { free: 3, max_delay: Duration::from_secs(300) };
    let mut state = State::with([1000, 1000, 2000, 100]);
    let throttle = Throttle::new();
    let mut attempt = |user: u64, address: u64, settled: Settled| {
        let bid = Bid {
            address: Some(address),
            credential: user ^ address,
            user_limit: limit,
            address_limit: limit,
            now: Duration::from_secs(user.wrapping_add(address) % 7),
        };
        let name = user.to_string();
        let accounts = [throttle.account("name", 1, &Name::new(&name), Some(address))];
        let address_seat = state.enter_address(&accounts, &bid)?;
        let seats = state.enter(&accounts, &bid)?;
        seats.iter().flatten().for_each(|seat| state.settle(seat, settled, &bid));
        address_seat.iter().for_each(|seat| state.settle_address(seat, settled, &bid));
        Ok::<_, Duration>(state.counted())
    };
    let wrong = Settled::Wrong(super::counter::Failure::Plain);
    let alice = u64::MAX;
    for address in 0..3 {
        attempt(alice, u64::MAX - address, wrong).unwrap();
    }
    for number in 0..1_000_000 {
        let counted = attempt(number, number + 10_000_000, wrong).unwrap();
        assert!(counted[0] <= 1000 && counted[1] <= 1000 && counted[2] <= 2000, "{counted:?}");
    }
    for number in 0..100_000 {
        attempt(number + 20_000_000, number + 30_000_000, Settled::Right).unwrap();
    }
    assert!(attempt(alice, 1, wrong).is_err(), "alice's count outlasts a million names");
}

#[test]
fn limits_have_sensible_bounds() {
    let throttle = Throttle::new().per_address(0).per_user(0).max_delay(Duration::ZERO);
    assert_eq!((throttle.per_address, throttle.per_user), (1, 1));
    assert_eq!(throttle.max_delay, Duration::from_secs(1));
    assert_eq!(Throttle::new().max_delay(Duration::MAX).max_delay, Duration::from_secs(3600));
    let text = format!("{:?}", Throttle::new());
    assert_eq!(text, "Throttle { per_address: 100, per_user: 10, max_delay: 300s, .. }");
}

#[test]
fn what_was_abandoned_leaves_no_place_taken_where_the_address_is_not_known() {
    let door = Door::by(Throttle::new().per_user(3).max_delay(Duration::from_secs(1)));
    for round in 0..4 {
        let guess = |number: u32| door.begin("", "alice", &format!("{round} {number}"));
        // The first of each round is alone once all failures have a delay.
        let begun: Vec<_> =
            (0..if round == 0 { 3 } else { 1 }).map(|number| guess(number).unwrap()).collect();
        assert!(guess(3).is_err());
        drop(begun);
        door.seconds(1);
    }
}

#[test]
fn a_delay_begins_when_the_failure_is_known() {
    let door = Door::by(Throttle::new().per_user(3));
    let begin = |name: u32| door.begin("192.0.2.1", &name.to_string(), "x").unwrap();
    let at = |attempt: &Attempt| Attempted::of(attempt, STORE).guess().at("uid=alice");
    for name in 0..3 {
        let attempt = begin(name);
        let held = at(&attempt).unwrap();
        door.seconds(10);
        held.wrong();
        door.seconds(10);
        attempt.settle(Ended::Refused, |_| Verdict::Wrong);
    }
    // Longer than what nobody can tell would delay.
    for (name, delay) in (3..).zip([1, 2, 4, 8, 16]) {
        assert_eq!(at(&begin(100)).unwrap_err().retry_after(), Some(Duration::from_secs(delay)));
        door.seconds(delay);
        let attempt = begin(name);
        at(&attempt).unwrap().wrong();
        attempt.settle(Ended::Refused, |_| Verdict::Wrong);
    }
}
