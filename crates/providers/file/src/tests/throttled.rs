//! Who has to wait costs no hash, and finds nothing in a memory.

use std::{cell::Cell, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue, Method, header::AUTHORIZATION};
use portcullis_core::{
    Auth, BoxFuture, Context, Credential, Identity, Outcome, Provider, RequestHead, RequiredScopes, Scheme,
    Step, Throttle, Unavailable,
};

use super::{Gate, address, clock, gated, pbkdf2};
use crate::{FileUsers, Hashing, StoredUsers, User, UserRecord, UserStore};

fn alice() -> User {
    User::new("alice", pbkdf2("right", 1)).scopes(["hello"])
}

fn headers(name: &str, password: &str) -> HeaderMap {
    let value = format!("Basic {}", STANDARD.encode(format!("{name}:{password}")));
    HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::try_from(value).unwrap())])
}

async fn status(auth: &Auth, from: &str, name: &str, password: &str) -> u16 {
    let headers = headers(name, password);
    let head = RequestHead::new(&Method::GET, "/", &headers).with_client(address(from));
    auth.decided(&head).await.map_or_else(|rejection| rejection.status().as_u16(), |_| 200)
}

#[tokio::test]
async fn a_delayed_password_is_not_hashed_and_not_looked_up() {
    let gate = Gate::open();
    let (manual, clock) = clock();
    let auth = Auth::builder()
        .element(gated(&gate, [alice()]), RequiredScopes::anyone())
        .throttle(Throttle::new().per_user(2))
        .clock(clock)
        .build()
        .unwrap();
    assert_eq!(status(&auth, "192.0.2.1", "alice", "right").await, 200);
    assert_eq!(gate.count(), 1);
    for _ in 0..2 {
        assert_eq!(status(&auth, "192.0.2.1", "alice", "wrong").await, 401);
        assert_eq!(status(&auth, "192.0.2.1", "mallory", "wrong").await, 401);
    }
    assert_eq!(gate.count(), 5);
    for _ in 0..100 {
        assert_eq!(status(&auth, "192.0.2.1", "alice", "wrong").await, 429);
        assert_eq!(status(&auth, "192.0.2.1", "mallory", "wrong").await, 429, "known or not");
        assert_eq!(status(&auth, "192.0.2.1", "alice", "right").await, 429, "remembered or not");
        let remembered = headers("alice", "right");
        let asked = Cell::new(false);
        let step = auth.decide_with(&Method::GET, &remembered, || {
            asked.set(true);
            RequestHead::new(&Method::GET, "/", &remembered).with_client(address("192.0.2.1"))
        });
        assert!(matches!(step, Step::Ready(Err(_))) && asked.get(), "no memory says so sooner");
    }
    assert_eq!(gate.count(), 5);
    manual.advance(Duration::from_secs(1));
    assert_eq!(status(&auth, "192.0.2.1", "alice", "right").await, 200);
    assert_eq!(gate.count(), 5, "it is remembered");
}

#[tokio::test]
async fn a_thousand_guesses_at_once_are_as_many_hashes_as_may_fail() {
    let gate = Gate::closed();
    let users = FileUsers::clone(&gated_wide(&gate));
    let (_, clock) = clock();
    let auth = Auth::builder()
        .element(users, RequiredScopes::anyone())
        .throttle(Throttle::new().per_user(10))
        .clock(clock)
        .build()
        .unwrap();
    let mut waiting = Vec::new();
    let mut refused = 0;
    for number in 0..1_000 {
        let headers = headers("alice", &format!("guess-{number}"));
        let head = RequestHead::new(&Method::GET, "/", &headers).with_client(address(&format!(
            "192.0.{}.{}",
            number / 200,
            number % 200
        )));
        match auth.decide(&head) {
            Step::Wait(deciding) => waiting.push(tokio::spawn(deciding)),
            Step::Ready(decision) => {
                assert_eq!(decision.unwrap_err().status().as_u16(), 429);
                refused += 1;
            }
        }
    }
    assert_eq!((waiting.len(), refused), (10, 990));
    gate.set_open(true);
    for decision in waiting {
        assert_eq!(decision.await.unwrap().unwrap_err().status().as_u16(), 401);
    }
    assert_eq!(gate.count(), 10);
}

/// Knows every token at once.
#[derive(Debug)]
struct Tokens;

impl Provider for Tokens {
    fn kind(&self) -> &'static str {
        "tokens"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn try_authenticate(&self, _: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        Some(Outcome::known(Identity::new("bob")))
    }

    fn authenticate<'a>(&'a self, _: &'a Credential<'a>, _: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async { Outcome::known(Identity::new("bob")) })
    }
}

#[tokio::test]
async fn ten_thousand_wrong_passwords_are_ten_hashes_and_nobody_with_a_token_waits() {
    let gate = Gate::closed();
    let (manual, clock) = clock();
    let auth = Auth::builder()
        .element(gated_wide(&gate), RequiredScopes::anyone())
        .element(Tokens, RequiredScopes::anyone())
        .throttle(Throttle::new())
        .clock(clock)
        .build()
        .unwrap();
    let bearer = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("Bearer token"))]);
    let mut waiting = Vec::new();
    for second in 0..3 {
        for number in 0..10_000 {
            let headers = headers("alice", &format!("guess-{second}-{number}"));
            let from = address(&format!("10.0.{}.{}", number % 1_000 / 250, number % 250));
            if let Step::Wait(deciding) =
                auth.decide(&RequestHead::new(&Method::GET, "/", &headers).with_client(from))
            {
                waiting.push(tokio::spawn(deciding));
            }
            let other = RequestHead::new(&Method::GET, "/", &bearer).with_client(from);
            assert!(matches!(auth.decide(&other), Step::Ready(Ok(_))), "from the very same address");
        }
        gate.set_open(true);
        for decision in waiting.drain(..) {
            assert_eq!(decision.await.unwrap().unwrap_err().status().as_u16(), 401);
        }
        gate.set_open(false);
        assert_eq!(gate.count(), [10, 11, 11][second], "the delays are 1 s, then 2 s");
        manual.advance(Duration::from_secs(1));
    }
}

/// A store whose queue is longer than the test needs.
fn gated_wide(gate: &Arc<Gate>) -> FileUsers {
    let hashing = Hashing::by(Arc::clone(gate) as _).waiting(2_000);
    crate::FileUserStore::new([alice()]).hashing(&hashing).build().unwrap()
}

#[tokio::test]
async fn the_same_right_password_a_hundred_times_at_once_is_let_in() {
    let gate = Gate::open();
    let (_, clock) = clock();
    let auth = Auth::builder()
        .element(gated_wide(&gate), RequiredScopes::anyone())
        .throttle(Throttle::new().per_user(1).per_address(1))
        .clock(clock)
        .build()
        .unwrap();
    let one = |number: u32| {
        let auth = auth.clone();
        tokio::spawn(async move { status(&auth, &format!("192.0.2.{}", number % 3), "alice", "right").await })
    };
    let all: Vec<_> = (0..100).map(one).collect();
    for answer in all {
        assert_eq!(answer.await.unwrap(), 200);
    }
}

/// A queue that is full answers for nobody but those who are remembered: what it sheds is no free guess.
#[tokio::test]
async fn who_keeps_the_queue_full_does_not_guess_for_free_at_who_is_remembered() {
    let gate = Gate::open();
    let (_, clock) = clock();
    let auth = Auth::builder()
        .element(gated(&gate, [alice()]), RequiredScopes::anyone())
        .throttle(Throttle::new().per_user(3).per_address(9))
        .clock(clock)
        .build()
        .unwrap();
    assert_eq!(status(&auth, "192.0.2.1", "alice", "right").await, 200);
    gate.set_open(false);
    let attempt = |name: &str, password: &str| {
        let headers = headers(name, password);
        let head = RequestHead::new(&Method::GET, "/", &headers).with_client(address("198.51.100.1"));
        match auth.decide(&head) {
            Step::Wait(deciding) => tokio::spawn(deciding),
            Step::Ready(decision) => panic!("{decision:?}"),
        }
    };
    // One runs, and two may wait.
    let filling: Vec<_> = (0..3).map(|number| attempt(&format!("nobody-{number}"), "x")).collect();
    gate.begun(2).await;
    let mut shed = Vec::new();
    while shed.len() < 3 {
        shed.push(status(&auth, "198.51.100.1", "alice", &format!("guess-{}", shed.len())).await);
    }
    assert_eq!(shed, [503; 3]);
    assert_eq!(status(&auth, "198.51.100.2", "alice", "right").await, 429, "from anywhere");
    assert_eq!(status(&auth, "192.0.2.1", "alice", "right").await, 200, "but where she comes from");
    // Nor does the address that keeps it full go through all users.
    for user in ["bob", "carol", "dave"] {
        assert_eq!(status(&auth, "198.51.100.1", user, "x").await, 503);
    }
    assert_eq!(status(&auth, "198.51.100.1", "erin", "x").await, 429);
    gate.set_open(true);
    for decision in filling {
        assert_eq!(decision.await.unwrap().unwrap_err().status().as_u16(), 401);
    }
}

/// What is remembered is told at once, and what is not after a hash.
#[tokio::test]
async fn who_hangs_up_before_the_hash_is_computed_has_guessed() {
    let gate = Gate::closed();
    let (manual, clock) = clock();
    let auth = Auth::builder()
        .element(gated_wide(&gate), RequiredScopes::anyone())
        .throttle(Throttle::new().per_user(3))
        .clock(clock)
        .build()
        .unwrap();
    for guess in 0..3 {
        let headers = headers("alice", &format!("guess-{guess}"));
        let from = address(&format!("198.51.100.{guess}"));
        let head = RequestHead::new(&Method::GET, "/", &headers).with_client(from);
        let Step::Wait(mut deciding) = auth.decide(&head) else { panic!("no hash is needed") };
        assert!((&mut deciding).now_or_never().is_none());
        drop(deciding);
    }
    assert_eq!(status(&auth, "192.0.2.1", "alice", "right").await, 429);
    gate.set_open(true);
    manual.advance(Duration::from_secs(1));
    assert_eq!(status(&auth, "192.0.2.1", "alice", "right").await, 200);
}

/// Finds users in any case and without accents, as databases do.
#[derive(Debug)]
struct Collated;

impl UserStore for Collated {
    fn lookup<'a>(&'a self, username: &'a str) -> BoxFuture<'a, Result<Option<UserRecord>, Unavailable>> {
        let plain = username.to_lowercase().replace(['\u{e1}', '\u{e0}', '\u{e2}', '\u{e4}'], "a");
        let found = (plain == "alice").then(|| UserRecord::new("alice", pbkdf2("right", 1)));
        Box::pin(async move { Ok(found) })
    }
}

#[tokio::test]
async fn spellings_that_only_the_store_knows_are_delayed_together() {
    let gate = Gate::open();
    let (manual, clock) = clock();
    let users = StoredUsers::new(Collated).hashing(&Hashing::by(Arc::clone(&gate) as _));
    let auth = Auth::builder()
        .element(users, RequiredScopes::anyone())
        .throttle(Throttle::new().per_user(3))
        .clock(clock)
        .build()
        .unwrap();
    assert_eq!(status(&auth, "192.0.2.1", "\u{e4}lice", "right").await, 200);
    for name in ["\u{e1}lice", "\u{e0}lice", "\u{e2}lice"] {
        assert_eq!(status(&auth, "198.51.100.1", name, "wrong").await, 401);
    }
    let hashes = gate.count();
    assert_eq!(status(&auth, "198.51.100.2", "alice", "wrong").await, 429);
    assert_eq!(status(&auth, "198.51.100.2", "\u{e4}lice", "right").await, 429, "remembered or not");
    assert_eq!(gate.count(), hashes);
    assert_eq!(status(&auth, "192.0.2.1", "\u{e4}lice", "right").await, 200, "where she comes from");
    manual.advance(Duration::from_secs(1));
    assert_eq!(status(&auth, "198.51.100.2", "alice", "right").await, 200);
    for _ in 0..100 {
        assert_eq!(status(&auth, "198.51.100.2", "alice", "right").await, 200);
    }
}

#[tokio::test]
async fn a_store_that_replaces_another_with_its_accounts_goes_on_counting() {
    use portcullis_core::{Accounts, IntoProvider as _};

    for (own, expected) in [(false, [200, 401, 429]), (true, [200, 401, 401])] {
        let (_, clock) = clock();
        let (throttle, accounts) = (Throttle::new().per_user(2), Accounts::new());
        let store = |of: Accounts| {
            let store = crate::FileUserStore::new([User::with_password("alice", "right")]).accounts(of);
            let provider = store.into_provider().unwrap();
            let auth = Auth::builder().element(provider, RequiredScopes::anyone());
            auth.throttle(throttle.clone()).clock(clock.clone()).build().unwrap()
        };
        let before = store(accounts);
        assert_eq!(status(&before, "192.0.2.1", "alice", "right").await, 200);
        for address in ["192.0.2.2", "192.0.2.3"] {
            assert_eq!(status(&before, address, "alice", "wrong").await, 401);
        }
        assert_eq!(status(&before, "192.0.2.4", "alice", "wrong").await, 429, "a stranger waits");
        let after = store(if own { Accounts::new() } else { accounts });
        // Where alice has succeeded nobody's failures delay her, and what others have failed is not forgotten.
        let mut statuses = Vec::new();
        for (address, password) in [("192.0.2.1", "right"), ("192.0.2.1", "wrong"), ("192.0.2.4", "wrong")] {
            statuses.push(status(&after, address, "alice", password).await);
        }
        assert_eq!(statuses, expected, "{own}");
    }
}
