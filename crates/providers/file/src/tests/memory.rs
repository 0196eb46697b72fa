//! What is remembered, and what ends it.

use std::time::Duration;

use portcullis_core::{Contact, Context, Outcome, Provider, Recall};

use super::{Gate, ask, at_once, basic, clock, gated, now, pbkdf2, told};
use crate::{FileUserStore, FileUsers, Hashing, User};

fn alice(password: &str) -> User {
    User::new("alice", pbkdf2(password, 1)).scopes(["hello"])
}

#[tokio::test]
async fn a_verified_credential_costs_nothing_until_fifteen_minutes_are_over() {
    let gate = Gate::open();
    let users = gated(&gate, [alice("right")]);
    let (manual, clock) = clock();
    let cx = Context::new(&clock);
    let right = basic("alice", "right");
    assert_eq!(at_once(&users, &right, &cx), None);
    assert_eq!(ask(&users, &right, &cx).await, "known alice");
    for _ in 0..3 {
        assert_eq!(at_once(&users, &right, &cx).as_deref(), Some("known alice"));
    }
    assert_eq!(told(&users.authenticate(&right, &cx).await), "known alice");
    assert_eq!(gate.count(), 1);
    manual.advance(Duration::from_secs(15 * 60 - 1));
    assert_eq!(at_once(&users, &right, &cx).as_deref(), Some("known alice"));
    manual.advance(Duration::from_secs(1));
    assert_eq!(at_once(&users, &right, &cx), None);
    assert_eq!(ask(&users, &right, &cx).await, "known alice");
    assert_eq!(gate.count(), 2);
}

/// Whose text of a header it is, where that is known without reading it.
fn recalled(users: &FileUsers, text: impl AsRef<[u8]>, cx: &Context<'_>) -> String {
    match users.recall(text.as_ref(), cx) {
        Recall::Unasked => "unasked".to_owned(),
        Recall::Nothing | Recall::NothingIn(_) => "nothing".to_owned(),
        Recall::Answer(outcome) => told(&outcome),
    }
}

#[tokio::test]
async fn a_verified_credential_is_recalled_by_its_text_until_fifteen_minutes_are_over() {
    let gate = Gate::open();
    let users = gated(&gate, [alice("right"), User::with_password("bob", "right")]);
    let (manual, clock) = clock();
    let cx = Context::new(&clock);
    let alice = "YWxpY2U6cmlnaHQ";
    for text in [alice, "YWxpY2U6cmlnaHQ=", ""] {
        assert_eq!(recalled(&users, text, &cx), "nothing", "{text}");
    }
    assert_eq!(ask(&users, &basic("alice", "right"), &cx).await, "known alice");
    for text in [alice, "YWxpY2U6cmlnaHQ="] {
        assert_eq!(recalled(&users, text, &cx), "known alice", "{text}");
    }
    for text in [
        &b" YWxpY2U6cmlnaHQ"[..],
        b"YWxpY2U6cmlnaHQ= ",
        b"YWxpY2U6cmlnaHQ=,",
        b"YWxpY2U6cmlnaHQ\xff",
        b"YWxpY2U6cmlnaHR=",
        b"YWxpY2U6d3Jvbmc=",
        b"alice:right",
        b"",
    ] {
        assert_eq!(recalled(&users, text, &cx), "nothing", "{}", text.escape_ascii());
    }
    for text in ["YWxpY2U6cmlnaHQ==", " YWxpY2U6cmlnaHQ="] {
        assert_eq!(recalled(&users, text, &cx), "unasked", "it cannot be read either");
    }
    for cx in [cx.explaining(Contact::Allowed), cx.afresh()] {
        assert_eq!(recalled(&users, alice, &cx), "nothing");
        assert_eq!(recalled(&users, "Ym9iOnJpZ2h0", &cx), "nothing", "nor is what stands in clear text");
    }
    manual.advance(Duration::from_secs(15 * 60));
    assert_eq!(recalled(&users, alice, &cx), "nothing");
    // A password in clear text need not be verified first.
    assert_eq!(recalled(&users, "Ym9iOnJpZ2h0", &cx), "known bob");
    assert_eq!(recalled(&users, "Ym9iOndyb25n", &cx), "nothing");
    assert_eq!(gate.count(), 1);
}

#[tokio::test]
async fn what_is_recalled_is_what_the_user_is_now() {
    let gate = Gate::open();
    let users = gated(&gate, [alice("right")]);
    let (_, clock) = clock();
    let cx = Context::new(&clock);
    let text = "YWxpY2U6cmlnaHQ";
    assert_eq!(ask(&users, &basic("alice", "right"), &cx).await, "known alice");
    // The same hash, and in other hands, too.
    let mallory = || User::new("mallory", pbkdf2("right", 1)).scopes(["admin"]);
    users.replace([mallory(), alice("right").scopes(["now"])]).unwrap();
    let Recall::Answer(Outcome::Known(identity)) = users.recall(text.as_bytes(), &cx) else {
        panic!("alice is remembered")
    };
    assert_eq!(identity.subject(), Some("alice"));
    assert_eq!(identity.scopes().iter().collect::<Vec<_>>(), ["now"]);
    for replaced in [
        vec![mallory()],
        vec![mallory(), alice("new")],
        vec![User::new("alice", pbkdf2("right", 2))],
        vec![User::with_password("alice", "new")],
    ] {
        users.replace(replaced).unwrap();
        assert_eq!(recalled(&users, text, &cx), "nothing");
    }
    users.replace([User::with_password("alice", "right")]).unwrap();
    assert_eq!(recalled(&users, text, &cx), "known alice");
    users.replace([alice("right")]).unwrap();
    assert_eq!(recalled(&users, text, &cx), "known alice", "it was verified against this hash");
}

#[tokio::test]
async fn a_refusal_is_never_remembered() {
    let gate = Gate::open();
    let users = gated(&gate, [alice("right")]);
    let (_, clock) = clock();
    let cx = Context::new(&clock);
    for round in 1..=3 {
        assert_eq!(ask(&users, &basic("alice", "wrong"), &cx).await, "refused wrong-password");
        assert_eq!(gate.count(), round);
    }
    for round in 4..=6 {
        assert_eq!(ask(&users, &basic("mallory", "right"), &cx).await, "refused unknown-user");
        assert_eq!(gate.count(), round);
    }
}

#[tokio::test]
async fn what_is_remembered_is_the_whole_credential() {
    let gate = Gate::open();
    let users = gated(&gate, [alice("right"), User::new("bob", pbkdf2("right", 1))]);
    let (_, clock) = clock();
    let cx = Context::new(&clock);
    assert_eq!(ask(&users, &basic("alice", "right"), &cx).await, "known alice");
    for (name, password) in [("alice", "right "), ("alice", "righ"), ("bob", "right"), ("Alice", "right")] {
        assert_eq!(at_once(&users, &basic(name, password), &cx), None, "{name} {password}");
    }
}

#[tokio::test]
async fn an_explanation_neither_reads_nor_writes_the_memory() {
    let gate = Gate::open();
    let users = gated(&gate, [alice("right")]);
    let (_, clock) = clock();
    let cx = Context::new(&clock);
    let explaining = cx.explaining(Contact::Allowed);
    let right = basic("alice", "right");
    assert_eq!(ask(&users, &right, &explaining).await, "known alice");
    assert_eq!(at_once(&users, &right, &cx), None, "nothing was written");
    assert_eq!(ask(&users, &right, &cx).await, "known alice");
    assert_eq!(at_once(&users, &right, &explaining), None, "nothing is read");
    assert_eq!(ask(&users, &right, &explaining).await, "known alice");
    assert_eq!(gate.count(), 3);
}

#[tokio::test]
async fn a_store_that_remembers_for_no_time_computes_every_time() {
    let gate = Gate::open();
    let hashing = Hashing::by(gate.clone() as _);
    let users =
        FileUserStore::new([alice("right")]).hashing(&hashing).remember_for(Duration::ZERO).build().unwrap();
    let (_, clock) = clock();
    let cx = Context::new(&clock);
    for round in 1..=2 {
        assert_eq!(ask(&users, &basic("alice", "right"), &cx).await, "known alice");
        assert_eq!(gate.count(), round);
    }
}

/// Two services may share a store and not a clock; the second clock may have been started later.
#[tokio::test]
async fn ages_are_measured_on_one_clock_whoever_asks() {
    let gate = Gate::open();
    let users = gated(&gate, [alice("right")]);
    let (first, first_clock) = clock();
    first.advance(Duration::from_secs(10_000));
    let (_, second_clock) = clock();
    let right = basic("alice", "right");
    assert_eq!(ask(&users, &right, &Context::new(&first_clock)).await, "known alice");
    let second = Context::new(&second_clock);
    assert_eq!(at_once(&users, &right, &second).as_deref(), Some("known alice"));
    first.advance(Duration::from_secs(15 * 60));
    assert_eq!(at_once(&users, &right, &second), None);
}

#[tokio::test]
async fn a_changed_password_ends_the_remembered_one_at_once() {
    let gate = Gate::open();
    let users = gated(&gate, [alice("old"), User::new("bob", pbkdf2("right", 1))]);
    let (_, clock) = clock();
    let cx = Context::new(&clock);
    for credential in [basic("alice", "old"), basic("bob", "right")] {
        ask(&users, &credential, &cx).await;
    }
    users.replace([alice("new")]).unwrap();
    assert_eq!(ask(&users, &basic("alice", "old"), &cx).await, "refused wrong-password");
    assert_eq!(ask(&users, &basic("alice", "new"), &cx).await, "known alice");
    assert_eq!(ask(&users, &basic("bob", "right"), &cx).await, "refused unknown-user", "bob was removed");
}

#[tokio::test]
async fn an_unchanged_hash_stays_remembered_and_new_scopes_hold_at_once() {
    let gate = Gate::open();
    let users = gated(&gate, [alice("right")]);
    let (_, clock) = clock();
    let cx = Context::new(&clock);
    let right = basic("alice", "right");
    assert_eq!(ask(&users, &right, &cx).await, "known alice");
    users.replace([alice("right").scopes(["other"]), User::new("bob", pbkdf2("right", 1))]).unwrap();
    match users.try_authenticate(&right, &cx) {
        Some(Outcome::Known(identity)) => assert_eq!(identity.scopes().iter().collect::<Vec<_>>(), ["other"]),
        other => panic!("{other:?}"),
    }
    assert_eq!(gate.count(), 1);
}

#[tokio::test]
async fn a_clear_text_password_is_replaced_like_a_hashed_one() {
    let users = FileUserStore::new([User::with_password("alice", "old")]).build().unwrap();
    let (_, clock) = clock();
    let cx = Context::new(&clock);
    assert_eq!(ask(&users, &basic("alice", "old"), &cx).await, "known alice");
    users.replace([User::with_password("alice", "new")]).unwrap();
    assert_eq!(ask(&users, &basic("alice", "old"), &cx).await, "refused wrong-password");
    assert_eq!(ask(&users, &basic("alice", "new"), &cx).await, "known alice");
}

#[tokio::test]
async fn users_with_mistakes_replace_nothing() {
    let users = FileUserStore::new([User::with_password("alice", "right")]).build().unwrap();
    let (_, clock) = clock();
    let cx = Context::new(&clock);
    assert!(users.replace([]).unwrap_err().to_string().contains("no users"));
    assert!(users.replace([User::new("alice", "x")]).unwrap_err().to_string().contains("no PHC string"));
    assert_eq!(ask(&users, &basic("alice", "right"), &cx).await, "known alice");
}

#[tokio::test]
async fn a_verification_under_way_does_not_outlive_the_password() {
    for (replaced, expected) in [
        (vec![alice("new")], "refused wrong-password"),
        (vec![User::with_password("alice", "new")], "refused wrong-password"),
        (vec![User::new("bob", pbkdf2("right", 1))], "refused unknown-user"),
        (vec![alice("old"), User::new("bob", pbkdf2("right", 1))], "known alice"),
    ] {
        let gate = Gate::closed();
        let users = gated(&gate, [alice("old")]);
        let (_, clock) = clock();
        let cx = Context::new(&clock);
        let old = basic("alice", "old");
        let mut answer = users.authenticate(&old, &cx);
        assert_eq!(now(&mut answer), "waits");
        gate.begun(1).await;
        users.replace(replaced).unwrap();
        gate.set_open(true);
        assert_eq!(told(&answer.await), expected);
        let remembered = (expected == "known alice").then(|| expected.to_owned());
        assert_eq!(at_once(&users, &old, &cx).filter(|told| told.starts_with("known")), remembered);
        assert!(users.verifier().is_idle());
    }
}

#[tokio::test]
async fn a_verification_under_way_ends_with_the_scopes_of_now() {
    let gate = Gate::closed();
    let users = gated(&gate, [alice("right").scopes(["then"])]);
    let (_, clock) = clock();
    let cx = Context::new(&clock);
    let credential = basic("alice", "right");
    let mut answer = users.authenticate(&credential, &cx);
    assert_eq!(now(&mut answer), "waits");
    gate.begun(1).await;
    users.replace([alice("right").scopes(["now"])]).unwrap();
    gate.set_open(true);
    let Outcome::Known(identity) = answer.await else { panic!("the password is right") };
    assert_eq!(identity.scopes().iter().collect::<Vec<_>>(), ["now"]);
}

#[tokio::test]
async fn a_refusal_under_way_does_not_outlive_the_users_either() {
    let gate = Gate::closed();
    let users = gated(&gate, [alice("old")]);
    let (_, clock) = clock();
    let cx = Context::new(&clock);
    let new = basic("bob", "new");
    let mut answer = users.authenticate(&new, &cx);
    assert_eq!(now(&mut answer), "waits");
    users.replace([User::new("bob", pbkdf2("new", 1))]).unwrap();
    gate.set_open(true);
    assert_eq!(told(&answer.await), "known bob");
}

#[tokio::test]
async fn users_that_change_again_and_again_end_in_unavailable() {
    let gate = Gate::closed();
    let users = gated(&gate, [alice("0")]);
    let (_, clock) = clock();
    let cx = Context::new(&clock);
    let credential = basic("alice", "0");
    let mut answer = users.authenticate(&credential, &cx);
    for round in 1..=3 {
        assert_eq!(now(&mut answer), "waits");
        gate.begun(round).await;
        users.replace([alice(&round.to_string())]).unwrap();
        gate.pass_one();
        if round < 3 {
            // The next round begins when the task is woken.
            while gate.count() == round {
                assert_eq!(now(&mut answer), "waits");
                tokio::task::yield_now().await;
            }
        }
    }
    assert_eq!(told(&answer.await), "unavailable");
}

#[tokio::test]
async fn a_replacement_in_the_middle_of_a_crowd_lets_no_old_password_in() {
    let gate = Gate::open();
    let hashing = Hashing::by(gate.clone() as _).concurrency(2).waiting(1_000);
    let users = FileUserStore::new([alice("p0")]).hashing(&hashing).build().unwrap();
    let (_, clock) = clock();
    let cx = Context::new(&clock);
    for round in 0..50 {
        let (this, next) = (format!("p{round}"), format!("p{}", round + 1));
        let credentials: Vec<_> = (0..8).map(|_| basic("alice", &this)).collect();
        let mut answers: Vec<_> =
            credentials.iter().map(|credential| users.authenticate(credential, &cx)).collect();
        for answer in &mut answers {
            // Some are answered before others are asked.
            assert!(matches!(now(answer).as_str(), "waits" | "known alice"));
        }
        users.replace([alice(&next)]).unwrap();
        for credential in &credentials {
            assert_eq!(told(&users.authenticate(credential, &cx).await), "refused wrong-password");
        }
    }
    // Threads of callers who went away end a moment later.
    let start = std::time::Instant::now();
    while !users.verifier().is_idle() {
        assert!(start.elapsed() < Duration::from_secs(60), "somebody computes for ever");
        std::thread::yield_now();
    }
}
