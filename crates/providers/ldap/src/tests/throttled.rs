//! Guesses at one entry, whatever names it is found by.

use std::{net::IpAddr, sync::Arc, time::Duration};

use http::{HeaderMap, Method, header::AUTHORIZATION};
use portcullis_core::{Auth, RequestHead, RequiredScopes, Throttle};

use super::{ALICE, Bench, header, server::TestEntry};

struct Door {
    bench: Bench,
    auth: Auth,
}

impl Door {
    async fn new() -> Self {
        let bench = Bench::new().await;
        let names = ["alice", "a.liddell", "alice@x.example", "4711"];
        bench.server.add(TestEntry::new(ALICE).with("uid", &names).password("secret"));
        let auth = Auth::builder()
            .element(bench.store.clone(), RequiredScopes::anyone())
            .throttle(Throttle::new().per_user(3))
            .clock(Arc::clone(&bench.clock))
            .build()
            .unwrap();
        Self { bench, auth }
    }

    /// The status, and what `Retry-After` says.
    async fn login(&self, from: &str, name: &str, password: &str) -> (u16, Option<u64>) {
        let headers = HeaderMap::from_iter([(AUTHORIZATION, header(name, password))]);
        let client: IpAddr = from.parse().unwrap();
        let head = RequestHead::new(&Method::GET, "/", &headers).with_client(Some(client));
        match self.auth.decided(&head).await {
            Ok(_) => (200, None),
            Err(rejection) => {
                (rejection.status().as_u16(), rejection.retry_after().map(|span| span.as_secs()))
            }
        }
    }

    fn asked(&self) -> (usize, usize) {
        (self.bench.server.searches(), self.bench.server.user_binds().len())
    }
}

#[tokio::test]
async fn spellings_of_a_name_are_delayed_before_the_directory_is_asked() {
    let door = Door::new().await;
    for name in ["alice", "ALICE", "al\u{ad}ice"] {
        assert_eq!(door.login("192.0.2.1", name, "wrong").await, (401, None), "{name}");
    }
    let asked = door.asked();
    for name in ["alice", "Alice", "\u{ff21}lice", "al\u{200b}ice"] {
        for password in ["wrong", "secret"] {
            assert_eq!(door.login("192.0.2.1", name, password).await, (429, Some(1)), "{name}");
        }
    }
    assert_eq!(door.asked(), asked);
    assert_eq!(door.login("192.0.2.1", "bob", "wrong").await, (401, None), "another user at the address");
    door.bench.manual.advance(Duration::from_secs(1));
    assert_eq!(door.login("192.0.2.1", "alice", "secret").await, (200, None));
}

#[tokio::test]
async fn other_names_of_an_entry_are_delayed_before_its_password_is_tried() {
    let door = Door::new().await;
    for name in ["alice", "a.liddell", "alice@x.example"] {
        assert_eq!(door.login("192.0.2.1", name, "wrong").await, (401, None), "{name}");
    }
    let binds = door.asked().1;
    assert_eq!(door.login("192.0.2.1", "4711", "secret").await, (429, Some(1)));
    assert_eq!(door.login("198.51.100.9", "4711", "secret").await, (429, Some(1)), "nor from elsewhere");
    assert_eq!(door.asked().1, binds);
    door.bench.manual.advance(Duration::from_secs(1));
    assert_eq!(door.login("192.0.2.1", "4711", "secret").await, (200, None));
    assert_eq!(door.login("192.0.2.1", "a.liddell", "secret").await, (200, None));
}

#[tokio::test]
async fn a_stranger_does_not_lock_a_user_out_under_any_of_the_names() {
    let door = Door::new().await;
    assert_eq!(door.login("192.0.2.1", "alice", "secret").await, (200, None));
    for (from, name) in [("198.51.100.1", "alice"), ("198.51.100.2", "4711"), ("198.51.100.3", "a.liddell")] {
        assert_eq!(door.login(from, name, "wrong").await, (401, None));
    }
    assert_eq!(door.login("198.51.100.4", "alice", "secret").await, (429, Some(1)));
    assert_eq!(door.login("192.0.2.1", "alice", "secret").await, (200, None));
    assert_eq!(door.login("192.0.2.1", "alice@x.example", "secret").await, (200, None));
}

#[tokio::test]
async fn an_outage_counts_for_nobody() {
    let door = Door::new().await;
    door.bench.server.stop().await;
    for _ in 0..20 {
        assert_eq!(door.login("192.0.2.1", "alice", "secret").await.0, 503);
    }
    assert_eq!(door.auth.throttle().unwrap().counted(), [0, 0, 0]);
}
