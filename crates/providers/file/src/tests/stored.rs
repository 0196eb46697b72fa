//! Users that a store looks up.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use portcullis_core::{BoxFuture, Contact, Context, Outcome, Provider, Unavailable};
use serde_json::Map;

use super::{ARGON2, BCRYPT, Gate, SCRYPT, ask, at_once, basic, clock, pbkdf2, queues, told};
use crate::{
    Hashing, StoredUsers, UserRecord, UserStore,
    hash::{PasswordHash, RECOMMENDED},
};

/// A table that is asked for every request. Names are found in any case, as in many databases.
#[derive(Debug, Default)]
struct Table {
    rows: Mutex<HashMap<&'static str, UserRecord>>,
    asked: AtomicUsize,
}

impl Table {
    fn of(rows: impl IntoIterator<Item = (&'static str, UserRecord)>) -> Arc<Self> {
        Arc::new(Self { rows: Mutex::new(rows.into_iter().collect()), asked: AtomicUsize::new(0) })
    }

    fn set(&self, name: &'static str, record: UserRecord) {
        self.rows.lock().unwrap().insert(name, record);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl UserStore for Table {
    fn lookup<'a>(&'a self, username: &'a str) -> BoxFuture<'a, Result<Option<UserRecord>, Unavailable>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let found = self.rows.lock().unwrap().get(username.to_lowercase().as_str()).cloned();
        Box::pin(async move { Ok(found) })
    }
}

#[derive(Debug)]
struct Down;

impl UserStore for Down {
    fn lookup<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<UserRecord>, Unavailable>> {
        let down = Unavailable::new("the database is down").with_retry_after(Duration::from_secs(7));
        Box::pin(async move { Err(down) })
    }
}

fn provider(gate: &Arc<Gate>, table: &Arc<Table>) -> Arc<dyn Provider> {
    StoredUsers::new(Arc::clone(table)).hashing(&Hashing::by(Arc::clone(gate) as _)).build().unwrap()
}

fn parameters(hash: &str) -> crate::hash::Parameters {
    PasswordHash::parse(hash).unwrap().parameters()
}

#[tokio::test]
async fn the_principal_bears_the_name_the_scopes_and_the_claims_of_the_record() {
    let claims: Map<_, _> = [("team".to_owned(), "red".into())].into_iter().collect();
    let record = UserRecord::new("Alice", ARGON2).scopes(["hello"]).claims(claims.clone());
    let table = Table::of([("alice", record)]);
    let gate = Gate::open();
    let users = provider(&gate, &table);
    let (_, clock) = clock();
    let cx = Context::new(&clock);
    for typed in ["alice", "ALICE", "alice"] {
        match users.authenticate(&basic(typed, "right"), &cx).await {
            Outcome::Known(identity) => {
                assert_eq!(identity.subject(), Some("Alice"));
                assert_eq!(identity.scopes().iter().collect::<Vec<_>>(), ["hello"]);
                assert_eq!(*identity.claims(), claims);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(gate.count(), 2, "each spelling is a credential of its own");
    assert_eq!(ask(&*users, &basic("alice", "wrong"), &cx).await, "refused wrong-password");
    assert_eq!(ask(&*users, &basic("bob", "right"), &cx).await, "refused unknown-user");
    assert_eq!((users.kind(), table.asked()), ("user-store", 5));
    let named = StoredUsers::new(table).kind("sqlite").build().unwrap();
    assert_eq!(named.kind(), "sqlite");
}

#[tokio::test]
async fn a_remembered_password_is_held_against_the_record_of_now() {
    let table = Table::of([("alice", UserRecord::new("alice", pbkdf2("old", 1)).scopes(["hello"]))]);
    let gate = Gate::open();
    let users = provider(&gate, &table);
    let (_, clock) = clock();
    let cx = Context::new(&clock);
    let old = basic("alice", "old");
    for _ in 0..3 {
        assert_eq!(ask(&*users, &old, &cx).await, "known alice");
    }
    assert_eq!((gate.count(), table.asked()), (1, 3), "it is looked up each time and computed once");

    table.set("alice", UserRecord::new("alice", pbkdf2("old", 1)).scopes(["other"]));
    match users.authenticate(&old, &cx).await {
        Outcome::Known(identity) => assert!(identity.scopes().contains("other")),
        other => panic!("{other:?}"),
    }
    table.set("alice", UserRecord::new("alice", pbkdf2("new", 1)));
    assert_eq!(ask(&*users, &old, &cx).await, "refused wrong-password");
    assert_eq!(ask(&*users, &basic("alice", "new"), &cx).await, "known alice");
    table.rows.lock().unwrap().clear();
    assert_eq!(ask(&*users, &basic("alice", "new"), &cx).await, "refused unknown-user");
}

#[test]
fn its_queues_are_those_of_its_hashes() {
    let gate = Gate::open();
    let users = provider(&gate, &Table::of([]));
    assert_eq!(
        (users.kind(), queues(&*users)),
        ("user-store", [("hashing", 0, 2), ("hashing-running", 0, 1)].into())
    );
}

#[tokio::test]
async fn a_store_that_cannot_be_asked_is_unavailable_and_never_a_wrong_password() {
    let users = StoredUsers::new(Down).build().unwrap();
    let (_, clock) = clock();
    let cx = Context::new(&clock);
    assert_eq!(ask(&*users, &basic("alice", "right"), &cx).await, "unavailable 7");
}

#[tokio::test]
async fn an_explanation_asks_the_store_only_where_it_may_and_remembers_nothing() {
    let table = Table::of([("alice", UserRecord::new("alice", ARGON2))]);
    let gate = Gate::open();
    let users = provider(&gate, &table);
    let (_, clock) = clock();
    let cx = Context::new(&clock);
    let right = basic("alice", "right");
    let offline = users.authenticate(&right, &cx.explaining(Contact::Forbidden)).await;
    assert_eq!((told(&offline).as_str(), table.asked()), ("unavailable", 0));
    for round in 1..=2 {
        let online = users.authenticate(&right, &cx.explaining(Contact::Allowed)).await;
        assert_eq!((told(&online).as_str(), gate.count()), ("known alice", round));
    }
}

#[tokio::test]
async fn a_hash_that_cannot_be_used_refuses_its_user_at_the_usual_cost() {
    let canary = "canary-7f3a";
    let table = Table::of([
        ("alice", UserRecord::new("alice", ARGON2)),
        ("locked", UserRecord::new("locked", "!")),
        ("odd", UserRecord::new("odd", canary)),
        ("empty", UserRecord::with_password("empty", "")),
    ]);
    let gate = Gate::open();
    let users = provider(&gate, &table);
    let (_, clock) = clock();
    let cx = Context::new(&clock);
    ask(&*users, &basic("alice", "right"), &cx).await;
    gate.computed();
    for (name, code) in [
        ("locked", "unusable-hash"),
        ("odd", "unusable-hash"),
        ("empty", "wrong-password"),
        ("mallory", "unknown-user"),
        ("alice", "wrong-password"),
    ] {
        match users.authenticate(&basic(name, "wrong"), &cx).await {
            Outcome::Refused(refusal) => {
                assert_eq!(refusal.code(), code, "{name}");
                assert!(!refusal.text().contains(canary), "{refusal}");
            }
            other => panic!("{name}: {other:?}"),
        }
        assert_eq!(gate.computed(), HashMap::from([(parameters(ARGON2), 1)]), "{name}");
    }
}

#[tokio::test]
async fn kinds_of_hash_are_learned_and_cost_every_refusal_from_then_on() {
    let table = Table::of([
        ("alice", UserRecord::new("alice", ARGON2)),
        ("bob", UserRecord::new("bob", BCRYPT)),
        ("carol", UserRecord::with_password("carol", "right")),
    ]);
    let gate = Gate::open();
    let users = provider(&gate, &table);
    let (_, clock) = clock();
    let cx = Context::new(&clock);
    let stranger = basic("mallory", "wrong");

    // Nothing is known of the store yet: what new hashes cost stands in.
    assert_eq!(ask(&*users, &stranger, &cx).await, "refused unknown-user");
    assert_eq!(gate.computed(), HashMap::from([(RECOMMENDED, 1)]));

    ask(&*users, &basic("alice", "wrong"), &cx).await;
    ask(&*users, &basic("bob", "wrong"), &cx).await;
    gate.computed();
    let both = HashMap::from([(parameters(ARGON2), 1), (parameters(BCRYPT), 1)]);
    for name in ["mallory", "alice", "bob", "carol"] {
        ask(&*users, &basic(name, "wrong"), &cx).await;
        assert_eq!(gate.computed(), both, "{name}");
    }
    assert_eq!(ask(&*users, &basic("carol", "right"), &cx).await, "known carol");
    assert_eq!(gate.computed(), HashMap::new());
}

#[tokio::test]
async fn kinds_that_are_given_cost_the_first_refusal_already() {
    let table = Table::of([("alice", UserRecord::new("alice", ARGON2))]);
    let gate = Gate::open();
    let users = StoredUsers::new(table)
        .hashed_like(ARGON2)
        .hashed_like(SCRYPT)
        .hashed_like(SCRYPT)
        .hashing(&Hashing::by(gate.clone() as _))
        .build()
        .unwrap();
    let (_, clock) = clock();
    let cx = Context::new(&clock);
    let both = HashMap::from([(parameters(ARGON2), 1), (parameters(SCRYPT), 1)]);
    for name in ["mallory", "alice"] {
        ask(&*users, &basic(name, "wrong"), &cx).await;
        assert_eq!(gate.computed(), both, "{name}");
    }
    let error = StoredUsers::new(Down).hashed_like("canary").build().unwrap_err().to_string();
    assert!(error.starts_with("a hash given as an example is no PHC string"), "{error}");
    assert!(!error.contains("canary"));
}

#[tokio::test]
async fn kinds_beyond_eight_are_verified_and_no_longer_learned() {
    let names = ["u1", "u2", "u3", "u4", "u5", "u6", "u7", "u8", "u9", "u10"];
    let rows =
        names.iter().zip(1..).map(|(name, rounds)| (*name, UserRecord::new(*name, pbkdf2("right", rounds))));
    let table = Table::of(rows);
    let gate = Gate::open();
    let users = provider(&gate, &table);
    let (_, clock) = clock();
    let cx = Context::new(&clock);
    for name in names {
        assert_eq!(ask(&*users, &basic(name, "right"), &cx).await, format!("known {name}"));
    }
    gate.computed();
    ask(&*users, &basic("mallory", "wrong"), &cx).await;
    assert_eq!(gate.computed().len(), 8);
}

#[tokio::test]
async fn a_store_of_clear_text_passwords_computes_no_hash_once_that_is_known() {
    let table = Table::of([("alice", UserRecord::with_password("Alice", "right"))]);
    let gate = Gate::open();
    let users = provider(&gate, &table);
    let (_, clock) = clock();
    let cx = Context::new(&clock);
    assert_eq!(ask(&*users, &basic("alice", "right"), &cx).await, "known Alice");
    assert_eq!(ask(&*users, &basic("ALICE", "right"), &cx).await, "known Alice");
    assert_eq!(ask(&*users, &basic("alice", "wrong"), &cx).await, "refused wrong-password");
    assert_eq!(ask(&*users, &basic("mallory", "right"), &cx).await, "refused unknown-user");
    assert_eq!(gate.count(), 0);
}

#[tokio::test]
async fn it_answers_nothing_at_once_but_foreign_credentials() {
    let table = Table::of([("alice", UserRecord::new("alice", ARGON2))]);
    let gate = Gate::open();
    let users = provider(&gate, &table);
    let (_, clock) = clock();
    let cx = Context::new(&clock);
    let right = basic("alice", "right");
    ask(&*users, &right, &cx).await;
    assert_eq!(at_once(&*users, &right, &cx), None, "the user has to be looked up");
    let token = portcullis_core::Credential::Bearer(portcullis_core::Bearer::new("abc").unwrap());
    assert_eq!(at_once(&*users, &token, &cx).as_deref(), Some("refused other-scheme"));
}
