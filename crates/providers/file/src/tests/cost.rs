//! A refusal costs the same for everybody, counted in hashes.

use std::collections::HashMap;

use portcullis_core::Context;

use super::{ARGON2, BCRYPT, DEARER_ARGON2, Gate, SCRYPT, ask, at_once, basic, clock, gated, pbkdf2};
use crate::{
    User,
    hash::{Parameters, PasswordHash},
};

fn kind(hash: &str) -> Parameters {
    PasswordHash::parse(hash).unwrap().parameters()
}

fn once_each(hashes: &[&str]) -> HashMap<Parameters, usize> {
    hashes.iter().map(|hash| (kind(hash), 1)).collect()
}

#[tokio::test]
async fn an_unknown_user_costs_what_a_wrong_password_costs() {
    let gate = Gate::open();
    let users = gated(&gate, [User::new("alice", DEARER_ARGON2), User::new("bob", DEARER_ARGON2)]);
    let (_, clock) = clock();
    let cx = Context::new(&clock);
    for (name, expected) in [("alice", "refused wrong-password"), ("mallory", "refused unknown-user")] {
        assert_eq!(ask(&users, &basic(name, "wrong"), &cx).await, expected);
        assert_eq!(gate.computed(), once_each(&[DEARER_ARGON2]), "{name}");
    }
}

#[tokio::test]
async fn in_a_mixed_store_every_refusal_computes_each_kind_of_hash_once() {
    let gate = Gate::open();
    let cheaper = pbkdf2("right", 1);
    let users = gated(
        &gate,
        [
            User::new("alice", ARGON2),
            User::new("bob", DEARER_ARGON2),
            User::new("carol", BCRYPT),
            User::new("dave", SCRYPT),
            User::new("erin", &*cheaper),
            User::with_password("frank", "right"),
        ],
    );
    let all = once_each(&[ARGON2, DEARER_ARGON2, BCRYPT, SCRYPT, &cheaper]);
    let (_, clock) = clock();
    let cx = Context::new(&clock);
    for name in ["alice", "bob", "carol", "dave", "erin", "frank", "mallory"] {
        let expected = if name == "mallory" { "refused unknown-user" } else { "refused wrong-password" };
        assert_eq!(ask(&users, &basic(name, "wrong"), &cx).await, expected);
        assert_eq!(gate.computed(), all, "{name}");
        // Longer than bcrypt takes: no shorter way out for anybody.
        let long = "b".repeat(100);
        let expected = if name == "carol" { "refused unfit-password" } else { expected };
        assert_eq!(ask(&users, &basic(name, &long), &cx).await, expected);
        assert_eq!(gate.computed(), all, "{name}");
    }
}

#[tokio::test]
async fn a_right_password_costs_its_own_hash_alone() {
    let gate = Gate::open();
    let users = gated(
        &gate,
        [User::new("alice", ARGON2), User::new("bob", DEARER_ARGON2), User::with_password("carol", "right")],
    );
    let (_, clock) = clock();
    let cx = Context::new(&clock);
    for (name, cost) in [("alice", once_each(&[ARGON2])), ("bob", once_each(&[DEARER_ARGON2]))] {
        assert_eq!(ask(&users, &basic(name, "right"), &cx).await, format!("known {name}"));
        assert_eq!(gate.computed(), cost, "{name}");
    }
    let carol = basic("carol", "right");
    assert_eq!(
        at_once(&users, &carol, &cx).as_deref(),
        Some("known carol"),
        "clear text is compared at once"
    );
    assert_eq!(gate.computed(), HashMap::new());
}

#[tokio::test]
async fn where_all_passwords_are_clear_text_every_answer_is_given_at_once() {
    let gate = Gate::open();
    let users = gated(&gate, [User::with_password("alice", "right"), User::with_password("bob", "other")]);
    let (_, clock) = clock();
    let cx = Context::new(&clock);
    for (name, password, expected) in [
        ("alice", "right", "known alice"),
        ("alice", "other", "refused wrong-password"),
        ("bob", "right", "refused wrong-password"),
        ("mallory", "right", "refused unknown-user"),
    ] {
        assert_eq!(
            at_once(&users, &basic(name, password), &cx).as_deref(),
            Some(expected),
            "{name} {password}"
        );
    }
    assert_eq!(gate.count(), 0);
}

#[tokio::test]
async fn where_passwords_are_hashed_nothing_but_a_right_one_is_answered_at_once() {
    let gate = Gate::open();
    let users = gated(&gate, [User::new("alice", ARGON2), User::with_password("bob", "right")]);
    let (_, clock) = clock();
    let cx = Context::new(&clock);
    for name in ["alice", "bob", "mallory"] {
        assert_eq!(at_once(&users, &basic(name, "wrong"), &cx), None, "{name}");
    }
    assert_eq!(at_once(&users, &basic("alice", "right"), &cx), None, "it has to be computed first");
}
