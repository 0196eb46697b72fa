//! Guesses at one entry, whatever names it is found by.

use std::{net::IpAddr, sync::Arc, time::Duration};

use http::{HeaderMap, Method, header::AUTHORIZATION};
use portcullis_core::{Auth, Provider as _, RequestHead, RequiredScopes, Throttle};

use super::{ALICE, Bench, config, header, server::TestEntry};

struct Door {
    bench: Bench,
    auth: Auth,
}

impl Door {
    async fn new() -> Self {
        Self::of(Bench::new().await)
    }

    async fn remembering() -> Self {
        Self::of(Bench::with(|config| config.remember_credentials(Duration::from_secs(60))).await)
    }

    fn of(bench: Bench) -> Self {
        let store = bench.store.clone();
        Self::asking(bench, [store])
    }

    fn asking(bench: Bench, stores: impl IntoIterator<Item = crate::LdapUserStore>) -> Self {
        let names = ["alice", "a.liddell", "alice@x.example", "4711"];
        bench.server.add(TestEntry::new(ALICE).with("uid", &names).password("secret"));
        let auth = stores
            .into_iter()
            .fold(Auth::builder(), |auth, store| auth.element(store, RequiredScopes::anyone()))
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

/// Under each of the names fewer are wrong than are free.
#[tokio::test]
async fn guesses_at_an_entry_wait_ever_longer_whatever_its_names() {
    let door = Door::new().await;
    let names = ["alice", "a.liddell", "alice@x.example", "4711"];
    for (guess, wait) in [0, 0, 1, 2, 4, 8, 16].into_iter().enumerate() {
        let name = names[guess % names.len()];
        assert_eq!(door.login(&format!("198.51.100.{guess}"), name, "wrong").await, (401, None), "{guess}");
        if wait > 0 {
            assert_eq!(door.login("192.0.2.1", "4711", "secret").await, (429, Some(wait)), "{guess}");
            door.bench.manual.advance(Duration::from_secs(wait));
        }
    }
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

/// "4711" is remembered, and the entry has to wait because of guesses under its other names.
#[tokio::test]
async fn while_an_entry_has_to_wait_a_remembered_password_is_answered_as_a_wrong_one() {
    let door = Door::remembering().await;
    assert_eq!(door.login("192.0.2.1", "4711", "secret").await, (200, None));
    for name in ["alice", "a.liddell", "alice@x.example"] {
        assert_eq!(door.login("198.51.100.1", name, "wrong").await, (401, None), "{name}");
    }
    let asked = door.asked();
    for guess in 1..=20 {
        assert_eq!(door.login("198.51.100.2", "4711", "wrong").await, (429, Some(1)));
        assert_eq!(door.login("198.51.100.2", "4711", "secret").await, (429, Some(1)));
        assert_eq!(
            door.asked(),
            (asked.0 + 2 * guess, asked.1),
            "as many questions, and no password is tried"
        );
    }
    assert_eq!(door.login("192.0.2.1", "4711", "secret").await, (200, None), "where she comes from");
    door.bench.manual.advance(Duration::from_secs(1));
    assert_eq!(door.login("198.51.100.2", "4711", "secret").await, (200, None));
    assert_eq!(door.asked(), (asked.0 + 40, asked.1), "it is remembered");
}

/// What one element refuses, the next one asks the same directory about.
#[tokio::test]
async fn two_elements_of_one_directory_count_a_guess_once() {
    let bench = Bench::new().await;
    let other = crate::LdapUserStore::new(config(&bench.server.url()).domain_name("other")).unwrap();
    let stores = [bench.store.clone(), other];
    let door = Door::asking(bench, stores);
    for guess in 0..3 {
        let asked = door.asked();
        assert_eq!(door.login("192.0.2.1", "alice", "wrong").await, (401, None), "{guess}");
        assert_eq!(door.asked(), (asked.0 + 2, asked.1 + 2), "both are asked");
    }
    assert_eq!(door.login("192.0.2.1", "4711", "secret").await, (429, Some(1)), "another name of the entry");
    door.bench.manual.advance(Duration::from_secs(1));
    assert_eq!(door.login("192.0.2.1", "alice", "wrong").await, (401, None));
    assert_eq!(door.login("192.0.2.1", "alice", "secret").await, (429, Some(2)));
    door.bench.manual.advance(Duration::from_secs(2));
    assert_eq!(door.login("192.0.2.1", "alice", "secret").await, (200, None));
}

/// From where somebody was let in by a memory he has come as well.
#[tokio::test]
async fn who_was_remembered_where_he_comes_from_is_not_locked_out_when_that_ends() {
    let door = Door::remembering().await;
    assert_eq!(door.login("192.0.2.1", "alice", "secret").await, (200, None));
    assert_eq!(door.login("192.0.2.2", "alice", "secret").await, (200, None));
    door.bench.manual.advance(Duration::from_secs(60));
    for (from, name) in [("198.51.100.1", "alice"), ("198.51.100.2", "4711"), ("198.51.100.3", "a.liddell")] {
        assert_eq!(door.login(from, name, "wrong").await, (401, None));
    }
    assert_eq!(door.login("192.0.2.2", "alice", "secret").await, (200, None));
}

#[tokio::test]
async fn an_outage_delays_users_by_four_seconds_at_most_and_no_address() {
    let door = Door::new().await;
    door.bench.server.stop().await;
    for _ in 0..3 {
        assert_eq!(door.login("192.0.2.1", "alice", "secret").await.0, 503);
    }
    for wait in [1, 2, 4, 4, 4] {
        assert_eq!(door.login("192.0.2.1", "alice", "secret").await, (429, Some(wait)));
        door.bench.manual.advance(Duration::from_secs(wait));
        assert_eq!(door.login("192.0.2.1", "alice", "secret").await.0, 503);
    }
    assert_eq!(door.auth.throttle().unwrap().counted(), [0, 1, 1]);
}

/// A memory goes on answering while the directory is away: a wrong password is then no more free than a right one.
#[tokio::test]
async fn an_outage_does_not_make_guesses_at_what_is_remembered_free() {
    let door = Door::remembering().await;
    assert_eq!(door.login("192.0.2.1", "alice", "secret").await, (200, None));
    door.bench.server.stop().await;
    for guess in 0..3 {
        assert_eq!(door.login(&format!("198.51.100.{guess}"), "alice", "wrong").await.0, 503);
    }
    assert_eq!(door.login("198.51.100.9", "alice", "secret").await, (429, Some(1)));
    assert_eq!(door.login("192.0.2.1", "alice", "secret").await, (200, None), "where she comes from");
}

/// Names and passwords that no directory is asked about are refused in an outage, too.
#[tokio::test]
async fn what_the_directory_is_not_asked_about_does_not_make_an_outage_free() {
    let door = Door::remembering().await;
    door.bench.server.stop().await;
    let mut looked_at = 0;
    for guess in 0..120 {
        match door.login("192.0.2.1", &format!("user-{guess}"), "spring").await.0 {
            503 => looked_at += 1,
            status => assert_eq!(status, 429),
        }
        if guess < 90 && guess % 30 == 29 {
            assert_eq!(door.login("192.0.2.1", &format!("mallory-{guess} "), "spring").await.0, 401);
            assert_eq!(door.login("192.0.2.1", &format!("mallory-{guess}"), " ").await.0, 401);
        }
    }
    assert_eq!(looked_at, 100, "as many as an address has free");
}

#[test]
fn users_are_those_of_a_directory_whoever_asks_it_and_how() {
    let config = || {
        crate::LdapConfig::new("ldap://localhost:389 ldap://127.0.0.1")
            .domain_name("x")
            .service("cn=a", "p")
            .user_search_base(["dc=x", "dc=y"])
            .user_name_attribute("uid")
            .user_name_search_filter("(uid=?)")
    };
    let accounts = |config: crate::LdapConfig| config.settings().unwrap().accounts;
    let of = |url: &str| crate::LdapConfig { connection_url: url.to_owned(), ..config() };
    let store = accounts(config());
    for same in [
        of("ldap://127.0.0.1 ldap://LocalHost"),
        of("ldap://127.0.0.1:389/ ldap://localhost ldap://localhost"),
        config().domain_name("other").service("cn=b", "q"),
        config().user_name_attribute("cn").read_timeout(Duration::from_secs(7)),
        config().remember_credentials(Duration::from_secs(60)),
    ] {
        assert_eq!(accounts(same), store);
    }
    for other in [
        of("ldap://localhost"),
        of("ldap://localhost ldap://127.0.0.2"),
        of("ldap://localhost:390 ldap://127.0.0.1"),
        config().user_search_base(["dc=x"]),
        // The first base in which there is such a name counts.
        config().user_search_base(["dc=y", "dc=x"]),
        config().user_name_search_filter("(cn=?)"),
        crate::LdapConfig { user_name_list_filter: Some("(a=b)".to_owned()), ..config() },
    ] {
        assert_ne!(accounts(other), store);
    }
    assert_eq!(crate::LdapUserStore::new(config()).unwrap().accounts(), Some(store));
}
