//! How much is computed at a time, who waits, and who is told to come back.

use portcullis_core::{Contact, Context, Provider};

use super::{Gate, address, ask, at_once, basic, clock, gated, now, pbkdf2, queues, told};
use crate::{Hashing, User};

fn users() -> [User; 3] {
    [
        User::new("alice", pbkdf2("right", 1)),
        User::new("bob", pbkdf2("right", 1)),
        User::with_password("carol", "right"),
    ]
}

#[tokio::test]
async fn over_the_bound_callers_are_told_to_come_back_and_others_are_not_affected() {
    let gate = Gate::open();
    let users = gated(&gate, users());
    let (_, clock) = clock();
    let loud = Context::new(&clock).with_client(address("192.0.2.1"));
    let quiet = Context::new(&clock).with_client(address("192.0.2.2"));
    let bob = basic("bob", "right");
    assert_eq!(ask(&users, &bob, &quiet).await, "known bob");

    gate.set_open(false);
    let guesses: Vec<_> = (0..6).map(|number| basic("alice", &format!("guess {number}"))).collect();
    let mut answers: Vec<_> = guesses.iter().map(|guess| users.authenticate(guess, &loud)).collect();
    let mut told_now = Vec::new();
    for answer in &mut answers {
        told_now.push(now(answer));
    }
    // One is computed, two wait, and the others find no place.
    assert_eq!(told_now, ["waits", "waits", "waits", "unavailable 1", "unavailable 1", "unavailable 1"]);
    gate.begun(2).await;
    assert_eq!(queues(&users), [("hashing", 2, 2), ("hashing-running", 1, 1)]);

    // Remembered and clear-text credentials need no place, not even from the same address.
    assert_eq!(at_once(&users, &bob, &loud).as_deref(), Some("known bob"));
    assert_eq!(at_once(&users, &basic("carol", "right"), &loud).as_deref(), Some("known carol"));

    // Another address takes the last place of the one that has the most.
    let alice = basic("alice", "right");
    let mut welcome = users.authenticate(&alice, &quiet);
    assert_eq!(now(&mut welcome), "waits");
    assert_eq!(now(&mut answers[2]), "unavailable 1");
    assert_eq!(now(&mut answers[1]), "waits");

    gate.set_open(true);
    assert_eq!(told(&welcome.await), "known alice");
    let mut rest = answers.into_iter();
    assert_eq!(told(&rest.next().unwrap().await), "refused wrong-password");
    assert_eq!(told(&rest.next().unwrap().await), "refused wrong-password");
    assert!(users.verifier().is_idle());
    assert_eq!(queues(&users), [("hashing", 0, 2), ("hashing-running", 0, 1)]);
}

#[tokio::test]
async fn addresses_take_turns() {
    let gate = Gate::closed();
    let users = gated(&gate, users());
    let (_, clock) = clock();
    let [loud, quiet] =
        ["2001:db8::1", "2001:db8:0:1::1"].map(|client| Context::new(&clock).with_client(address(client)));
    let guesses: Vec<_> = (0..3).map(|number| basic("alice", &format!("guess {number}"))).collect();
    let alice = basic("alice", "right");
    let mut first = users.authenticate(&guesses[0], &loud);
    let mut second = users.authenticate(&guesses[1], &loud);
    let mut other = users.authenticate(&alice, &quiet);
    let neighbour = Context::new(&clock).with_client(address("2001:db8::ffff"));
    let mut third = users.authenticate(&guesses[2], &neighbour);
    assert_eq!([now(&mut first), now(&mut second), now(&mut other)], ["waits", "waits", "waits"]);
    assert_eq!(now(&mut third), "unavailable 1", "the same network is the same party");
    for (answer, expected) in
        [(first, "refused wrong-password"), (second, "refused wrong-password"), (other, "known alice")]
    {
        gate.pass_one();
        assert_eq!(told(&answer.await), expected);
    }
    assert!(users.verifier().is_idle());
}

#[tokio::test]
async fn a_caller_who_goes_away_frees_its_place() {
    let gate = Gate::closed();
    let users = gated(&gate, users());
    let (_, clock) = clock();
    let cx = Context::new(&clock);
    let guesses: Vec<_> = (0..6).map(|number| basic("alice", &format!("guess {number}"))).collect();
    let mut computed = users.authenticate(&guesses[0], &cx);
    let mut waiting = users.authenticate(&guesses[1], &cx);
    let mut last = users.authenticate(&guesses[2], &cx);
    let mut none = users.authenticate(&guesses[3], &cx);
    assert_eq!([now(&mut computed), now(&mut waiting), now(&mut last)], ["waits", "waits", "waits"]);
    assert_eq!(now(&mut none), "unavailable 1");
    gate.begun(1).await;

    // Who waits and goes away leaves room for one, and not for two.
    drop(waiting);
    let mut fourth = users.authenticate(&guesses[4], &cx);
    let mut fifth = users.authenticate(&guesses[5], &cx);
    assert_eq!([now(&mut fourth), now(&mut fifth)], ["waits", "unavailable 1"]);

    // Who is being computed for and goes away: the thread is busy until it ends, and the next turn begins then.
    drop(computed);
    assert_eq!(gate.count(), 1);
    gate.pass_one();
    gate.begun(2).await;
    gate.set_open(true);
    assert_eq!(told(&last.await), "refused wrong-password");
    assert_eq!(told(&fourth.await), "refused wrong-password");
    assert_eq!(gate.count(), 3, "nothing was computed for those who went away while they waited");
    assert!(users.verifier().is_idle());
}

#[tokio::test]
async fn a_computation_is_given_up_between_two_hashes_once_nobody_waits() {
    let gate = Gate::closed();
    let users = gated(&gate, [User::new("alice", pbkdf2("right", 1)), User::new("bob", pbkdf2("right", 2))]);
    let (_, clock) = clock();
    let cx = Context::new(&clock);
    let (mallory, bob) = (basic("mallory", "wrong"), basic("bob", "right"));
    let mut gone = users.authenticate(&mallory, &cx);
    assert_eq!(now(&mut gone), "waits");
    gate.begun(1).await;
    drop(gone);
    gate.set_open(true);
    assert_eq!(told(&users.authenticate(&bob, &cx).await), "known bob");
    assert_eq!(gate.count(), 2, "the second dummy was not computed");
    assert!(users.verifier().is_idle());
}

#[tokio::test]
async fn identical_credentials_at_the_same_time_cost_one_hash() {
    let gate = Gate::closed();
    let users = gated(&gate, users());
    let (_, clock) = clock();
    let cx = Context::new(&clock);
    let credentials: Vec<_> = (0..20).map(|_| basic("alice", "right")).collect();
    let mut answers: Vec<_> =
        credentials.iter().map(|credential| users.authenticate(credential, &cx)).collect();
    for answer in &mut answers {
        assert_eq!(now(answer), "waits");
    }
    // Whoever asked first may go away: the answer is still the others'.
    drop(answers.remove(0));
    gate.set_open(true);
    for answer in answers {
        assert_eq!(told(&answer.await), "known alice");
    }
    assert_eq!(gate.count(), 1);
    assert!(users.verifier().is_idle());
}

#[tokio::test]
async fn different_passwords_of_one_user_never_share_an_answer() {
    let gate = Gate::closed();
    let users = gated(&gate, users());
    let (_, clock) = clock();
    let cx = Context::new(&clock);
    let (right, wrong) = (basic("alice", "right"), basic("alice", "wrong"));
    let (mut one, mut other) = (users.authenticate(&right, &cx), users.authenticate(&wrong, &cx));
    assert_eq!([now(&mut one), now(&mut other)], ["waits", "waits"]);
    gate.set_open(true);
    assert_eq!(told(&one.await), "known alice");
    assert_eq!(told(&other.await), "refused wrong-password");
    assert_eq!(gate.count(), 2);
}

#[tokio::test]
async fn a_panic_while_computing_lets_nobody_in_and_frees_the_place() {
    let gate = Gate::open();
    gate.panic_from_now_on();
    let users = gated(&gate, users());
    let (_, clock) = clock();
    let cx = Context::new(&clock);
    for _ in 0..5 {
        assert_eq!(ask(&users, &basic("alice", "right"), &cx).await, "unavailable 1");
    }
    assert!(users.verifier().is_idle());
}

#[tokio::test]
async fn an_explanation_computes_for_itself_within_the_same_bound() {
    let gate = Gate::closed();
    let users = gated(&gate, users());
    let (_, clock) = clock();
    let cx = Context::new(&clock);
    let explaining = cx.explaining(Contact::Forbidden);
    let credential = basic("alice", "right");
    let (mut real, mut told_why) =
        (users.authenticate(&credential, &cx), users.authenticate(&credential, &explaining));
    assert_eq!([now(&mut real), now(&mut told_why)], ["waits", "waits"]);
    gate.set_open(true);
    assert_eq!([told(&real.await), told(&told_why.await)], ["known alice", "known alice"]);
    assert_eq!(gate.count(), 2);
}

#[test]
fn the_place_says_its_bounds() {
    let text = format!("{:?}", Hashing::new().concurrency(0).waiting(7).memory(9));
    assert_eq!(text, "Hashing { concurrency: 1, waiting: 7, memory: 9 }");
    let text = format!("{:?}", Hashing::new().concurrency(2).waiting(7));
    assert_eq!(
        text, "Hashing { concurrency: 2, waiting: 7, memory: 1073741824 }",
        "1 GiB where nothing is said"
    );
}

#[tokio::test]
async fn memory_bounds_what_runs_at_a_time_and_one_is_always_let_run() {
    let gate = Gate::closed();
    // Each takes 8 KiB, an unknown user's as well: two at a time fit into 16 KiB, although four threads are allowed.
    let hashing = Hashing::by(gate.clone() as _).concurrency(4).waiting(9).memory(16 << 10);
    let users =
        crate::FileUserStore::new([User::new("alice", super::ARGON2)]).hashing(&hashing).build().unwrap();
    let (_, clock) = clock();
    let cx = Context::new(&clock);
    let names = ["alice", "nobody", "nobody", "alice"];
    let guesses: Vec<_> =
        names.into_iter().zip(0..).map(|(name, number)| basic(name, &format!("guess {number}"))).collect();
    let mut answers: Vec<_> = guesses.iter().map(|guess| users.authenticate(guess, &cx)).collect();
    for answer in &mut answers {
        assert_eq!(now(answer), "waits");
    }
    gate.begun(2).await;
    assert_eq!(gate.count(), 2);
    gate.set_open(true);
    for answer in answers {
        assert!(told(&answer.await).starts_with("refused"));
    }

    let tight = Hashing::by(gate.clone() as _).memory(1);
    let users =
        crate::FileUserStore::new([User::new("alice", super::ARGON2)]).hashing(&tight).build().unwrap();
    assert_eq!(ask(&users, &basic("alice", "right"), &cx).await, "known alice");
}

#[tokio::test]
async fn what_takes_little_memory_does_not_overtake_what_takes_much() {
    let gate = Gate::closed();
    let hashing = Hashing::by(gate.clone() as _).concurrency(4).waiting(9).memory(10 << 10);
    let store = |user| crate::FileUserStore::new([user]).hashing(&hashing).build().unwrap();
    // 8 KiB and 4 KiB: both together do not fit, two of the second do.
    let (dear, cheap) =
        (store(User::new("alice", super::ARGON2)), store(User::new("bob", pbkdf2("right", 1))));
    let (_, clock) = clock();
    let cx = Context::new(&clock);
    let (alice, bob) = (basic("alice", "right"), basic("bob", "right"));
    let guess = basic("bob", "guess");
    let mut running = cheap.authenticate(&guess, &cx);
    assert_eq!(now(&mut running), "waits");
    gate.begun(1).await;
    let (mut first, mut second) = (dear.authenticate(&alice, &cx), cheap.authenticate(&bob, &cx));
    assert_eq!([now(&mut first), now(&mut second)], ["waits", "waits"]);
    gate.pass_one();
    assert_eq!(told(&running.await), "refused wrong-password");
    gate.begun(2).await;
    assert_eq!(gate.computed().len(), 2, "the dear one is computed next");

    // Where the one whose turn it is goes away, the next begins at once.
    let (other, third) = (basic("alice", "other"), basic("bob", "third"));
    let mut leaving = dear.authenticate(&other, &cx);
    let mut behind = cheap.authenticate(&third, &cx);
    gate.pass_one();
    assert_eq!(told(&first.await), "known alice");
    gate.begun(3).await;
    assert_eq!([now(&mut leaving), now(&mut behind)], ["waits", "waits"]);
    assert_eq!(gate.count(), 3);
    drop(leaving);
    gate.begun(4).await;
    gate.set_open(true);
    assert_eq!([told(&second.await), told(&behind.await)], ["known bob", "refused wrong-password"]);
}
