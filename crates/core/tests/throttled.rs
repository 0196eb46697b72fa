//! What a service with a throttle counts: for which user, of which provider, and for whom an answer of the chain tells.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, Method, header::AUTHORIZATION};
use portcullis_core::{
    Accounts, Auth, AuthBuilder, BoxFuture, Clock, Context, Credential, Identity, Outcome, Provider, Reason,
    RequestHead, Scheme, Throttle, Unavailable, UnixTime,
};

#[derive(Debug, Default)]
struct Still(AtomicU64);

impl Clock for Still {
    fn now(&self) -> UnixTime {
        UnixTime::default()
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst))
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

/// Knows one user, whose password is `right`.
#[derive(Debug)]
struct Store {
    user: &'static str,
    scope: &'static str,
    accounts: Option<Accounts>,
}

impl Provider for Store {
    fn kind(&self) -> &'static str {
        "store"
    }

    fn accounts(&self) -> Option<Accounts> {
        self.accounts
    }

    fn scheme(&self) -> Scheme {
        Scheme::Basic
    }

    fn try_authenticate(&self, credential: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        let Credential::Basic(basic) = credential else { panic!("asked for another scheme") };
        Some(match (basic.username(), basic.password()) {
            (user, _) if user != self.user => Outcome::refused(Reason::UnknownUser, "unknown"),
            (user, "right") => Outcome::known(Identity::new(user).with_scopes([self.scope])),
            _ => Outcome::refused(Reason::WrongPassword, "wrong"),
        })
    }

    fn authenticate<'a>(&'a self, _: &'a Credential<'a>, _: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
        panic!("nothing to wait for")
    }
}

/// Asks a server about every token, and holds each against the account `entry`; `right` is its own.
#[derive(Debug)]
struct Server;

impl Server {
    fn judge(cx: &Context<'_>, token: &str) -> Result<Outcome, Unavailable> {
        cx.permit_call()?;
        let held = cx.guess().at("entry")?;
        Ok(if token == "right" {
            held.right();
            Outcome::known(Identity::new("alice").with_scopes(["hello"]))
        } else {
            held.wrong();
            Outcome::refused(Reason::Inactive, "not active")
        })
    }
}

impl Provider for Server {
    fn kind(&self) -> &'static str {
        "server"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn try_authenticate(&self, credential: &Credential<'_>, cx: &Context<'_>) -> Option<Outcome> {
        let Credential::Bearer(bearer) = credential else { panic!("asked for another scheme") };
        Some(Self::judge(cx, bearer.token()).unwrap_or_else(Outcome::from))
    }

    fn authenticate<'a>(&'a self, _: &'a Credential<'a>, _: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
        panic!("nothing to wait for")
    }
}

fn service(throttle: &Throttle) -> AuthBuilder {
    Auth::builder().clock(Arc::new(Still::default())).throttle(throttle.clone())
}

fn store(user: &'static str) -> Store {
    Store { user, scope: "hello", accounts: None }
}

async fn status(auth: &Auth, from: u8, authorization: &str) -> u16 {
    let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(authorization).unwrap())]);
    let client = Some(IpAddr::from([192, 0, 2, from]));
    let decision = auth.decided(&RequestHead::new(&Method::GET, "/", &headers).with_client(client)).await;
    decision.map_or_else(|rejection| rejection.status().as_u16(), |_| 200)
}

/// The answers to one try after the other. No two wrong passwords are the same: that would be one guess.
async fn tries<const N: usize>(auth: &Auth, from: u8, user: &str, passwords: [&str; N]) -> [u16; N] {
    let mut answers = [0; N];
    for (at, (answer, password)) in answers.iter_mut().zip(passwords).enumerate() {
        let password =
            if password == "wrong" { format!("wrong {from} {user} {at}") } else { password.to_owned() };
        let pair = STANDARD.encode(format!("{user}:{password}"));
        *answer = status(auth, from, &format!("Basic {pair}")).await;
    }
    answers
}

#[tokio::test]
async fn who_guesses_passwords_waits_and_nobody_else_does() {
    let throttle = Throttle::new().per_user(2);
    let auth = service(&throttle).element(store("alice"), "hello").build().unwrap();
    assert_eq!(tries(&auth, 1, "alice", ["wrong"; 4]).await, [401, 401, 429, 429]);
    assert_eq!(tries(&auth, 1, "bob", ["wrong"]).await, [401], "another user");
    assert_eq!(throttle.counted(), [1, 2, 2]);
}

#[tokio::test]
async fn who_is_known_is_not_counted() {
    let throttle = Throttle::new().per_user(1).per_address(1);
    let auth = service(&throttle).element(store("alice"), "hello").build().unwrap();
    assert_eq!(tries(&auth, 1, "alice", ["right"; 8]).await, [200; 8]);
}

#[tokio::test]
async fn whom_one_provider_lets_in_nobody_else_counts() {
    let throttle = Throttle::new().per_user(1).per_address(1);
    let auth =
        service(&throttle).element(store("bob"), "hello").element(store("alice"), "hello").build().unwrap();
    assert_eq!(tries(&auth, 1, "alice", ["right"; 8]).await, [200; 8]);
}

#[tokio::test]
async fn who_is_known_and_lacks_scopes_guesses_nothing() {
    let throttle = Throttle::new().per_user(1).per_address(1);
    let other = Store { user: "alice", scope: "other", accounts: None };
    let auth = service(&throttle).element(store("bob"), "hello").element(other, "hello").build().unwrap();
    assert_eq!(tries(&auth, 1, "alice", ["right"; 8]).await, [403; 8]);
}

#[tokio::test]
async fn the_same_name_at_another_provider_is_another_user() {
    let throttle = Throttle::new().per_user(2);
    let one = service(&throttle).element(store("alice"), "hello").build().unwrap();
    let other = service(&throttle).element(store("alice"), "hello").build().unwrap();
    assert_eq!(tries(&one, 1, "alice", ["wrong"; 4]).await, [401, 401, 429, 429]);
    assert_eq!(tries(&other, 2, "alice", ["wrong"; 4]).await, [401, 401, 429, 429]);
}

#[tokio::test]
async fn providers_that_say_so_have_the_same_accounts() {
    let (ours, others) = (Accounts::new(), Accounts::new());
    let throttle = Throttle::new().per_user(2);
    let with = |accounts| {
        let store = Store { accounts: Some(accounts), ..store("alice") };
        service(&throttle).element(store, "hello").build().unwrap()
    };
    assert_eq!(tries(&with(ours), 1, "alice", ["wrong"; 3]).await, [401, 401, 429]);
    assert_eq!(tries(&with(ours), 2, "alice", ["wrong"]).await, [429], "the same user, wherever from");
    assert_eq!(tries(&with(others), 2, "alice", ["wrong"]).await, [401], "another one");
}

/// The next one is likely to lie where it lay.
#[tokio::test]
async fn what_is_counted_of_a_provider_that_is_gone_is_nobody_elses() {
    let throttle = Throttle::new().per_user(2);
    for from in 0..64 {
        let auth = service(&throttle).element(store("alice"), "hello").build().unwrap();
        assert_eq!(tries(&auth, from, "alice", ["wrong"; 3]).await, [401, 401, 429], "{from}");
    }
}

#[tokio::test]
async fn where_no_element_looks_at_passwords_none_is_counted() {
    let throttle = Throttle::new().per_user(1).per_address(1);
    let auth = service(&throttle).element(Server, "hello").build().unwrap();
    assert_eq!(tries(&auth, 1, "alice", ["wrong"; 8]).await, [401; 8]);
    assert_eq!(throttle.counted(), [0; 3]);
}

#[tokio::test]
async fn tokens_about_which_a_server_is_asked_count_for_the_address() {
    let throttle = Throttle::new().per_user(100).per_address(2);
    let auth = service(&throttle).element(Server, "hello").build().unwrap();
    let mut answers = Vec::new();
    for at in 0..3 {
        answers.push(status(&auth, 1, &format!("Bearer wrong-{at}")).await);
    }
    assert_eq!(answers, [401, 401, 429]);
    assert_eq!(status(&auth, 2, "Bearer right").await, 200, "another address");
}

#[tokio::test]
async fn what_a_provider_learns_of_an_account_counts_for_it() {
    let throttle = Throttle::new().per_user(2).per_address(100);
    let auth = service(&throttle).element(Server, "hello").build().unwrap();
    let mut answers = Vec::new();
    // A success at this address has what failed there forgotten.
    for token in ["wrong-1", "right", "wrong-2", "wrong-3", "wrong-4"] {
        answers.push(status(&auth, 1, &format!("Bearer {token}")).await);
    }
    assert_eq!(answers, [401, 200, 401, 401, 429]);
}
