//! Who has to wait costs no hash, and finds nothing in a memory.

use std::{cell::Cell, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, Method, header::AUTHORIZATION};
use portcullis_core::{
    Auth, BoxFuture, Context, Credential, Identity, Outcome, Provider, RequestHead, RequiredScopes, Scheme,
    Step, Throttle,
};

use super::{Gate, address, clock, gated, pbkdf2};
use crate::{FileUsers, Hashing, User};

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
