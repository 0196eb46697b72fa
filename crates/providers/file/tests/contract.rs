//! The promises of every provider, kept by the file user store and by users from a store.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::HeaderValue;
use portcullis_core::{BoxFuture, IntoProvider, Provider, Unavailable, UnixTime};
use portcullis_file::{FileUserStore, StoredUsers, User, UserRecord, UserStore, hash_password};
use portcullis_testing::{
    ManualClock,
    contract::{Case, provider_keeps_its_contract},
};

const PASSWORD: &str = "correct horse";

fn basic(username: &str, password: &str) -> HeaderValue {
    HeaderValue::try_from(format!("Basic {}", STANDARD.encode(format!("{username}:{password}")))).unwrap()
}

async fn keeps_the_contract(provider: Arc<dyn Provider>, recalls: bool) {
    provider_keeps_its_contract(Case {
        provider,
        good: basic("alice", PASSWORD),
        subject: "alice",
        recalls,
        bad: vec![
            basic("alice", "battery staple"),
            basic("alice", "correct horse "),
            basic("Alice", PASSWORD),
            basic("bob", PASSWORD),
            basic("' OR 1=1 --", "' OR 1=1 --"),
            basic("alice", &"x".repeat(11_000)),
        ],
        clock: Arc::new(ManualClock::at(UnixTime::from_secs(1_000_000))),
    })
    .await;
}

#[tokio::test]
async fn clear_text_users_keep_the_contract() {
    let store = FileUserStore::new([User::with_password("alice", PASSWORD).scopes(["hello"])]);
    keeps_the_contract(store.into_provider().unwrap(), true).await;
}

#[tokio::test]
async fn hashed_users_keep_the_contract() {
    let store = FileUserStore::new([User::new("alice", hash_password(PASSWORD)).scopes(["hello"])]);
    keeps_the_contract(store.into_provider().unwrap(), true).await;
}

#[derive(Debug)]
struct One(UserRecord);

impl UserStore for One {
    fn lookup<'a>(&'a self, username: &'a str) -> BoxFuture<'a, Result<Option<UserRecord>, Unavailable>> {
        Box::pin(async move { Ok((username == "alice").then(|| self.0.clone())) })
    }
}

#[tokio::test]
async fn looked_up_users_keep_the_contract() {
    let record = UserRecord::new("alice", hash_password(PASSWORD)).scopes(["hello"]);
    keeps_the_contract(StoredUsers::new(One(record)).build().unwrap(), false).await;
}
