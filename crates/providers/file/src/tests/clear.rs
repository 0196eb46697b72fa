//! Passwords in clear text, asked for as a chain asks: what the first look says need not be found out again.

use std::sync::{Arc, Mutex};

use http::{HeaderMap, HeaderValue, Method, header::AUTHORIZATION};
use portcullis_core::{
    Asked, Auth, BoxFuture, Context, Credential, Decided, Observer, Outcome, Provider, Recall, RequestHead,
    Scheme, Step,
};

use super::{ARGON2, STANDARD, clock};
use crate::{FileUserStore, FileUsers, User};
use base64::Engine as _;

/// The store, whose users are replaced between the two looks at a credential, if they are.
#[derive(Debug)]
struct Changing {
    users: FileUsers,
    then: Mutex<Option<User>>,
}

impl Provider for Changing {
    fn kind(&self) -> &'static str {
        "changing"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Basic
    }

    fn recall(&self, text: &[u8], cx: &Context<'_>) -> Recall {
        let said = self.users.recall(text, cx);
        if let Some(then) = self.then.lock().unwrap().take() {
            self.users.replace([then]).unwrap();
        }
        said
    }

    fn try_authenticate(&self, credential: &Credential<'_>, cx: &Context<'_>) -> Option<Outcome> {
        self.users.try_authenticate(credential, cx)
    }

    fn authenticate<'a>(&'a self, _: &'a Credential<'a>, _: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
        panic!("nobody has to wait for clear text")
    }
}

/// Why whoever is refused is.
#[derive(Debug, Default)]
struct Reasons(Mutex<Vec<&'static str>>);

impl Observer for Reasons {
    fn decided(&self, _: &Decided<'_>) {}

    fn asked(&self, asked: &Asked<'_>) {
        self.0.lock().unwrap().push(asked.answer.reason().map_or("none", |reason| reason.as_str()));
    }
}

/// Whether `pair` is let in by the users `before`, who are those of `then` after the first look; and the reason, if not.
fn decided(before: User, then: Option<User>, pair: &str) -> Result<(), &'static str> {
    let users = FileUserStore::new([before]).build().unwrap();
    let reasons = Arc::new(Reasons::default());
    let is_same = then.is_none();
    let quiet = Auth::builder().element(users.clone(), "hello").build().unwrap();
    let provider = Changing { users, then: Mutex::new(then) };
    let auth = Auth::builder().element(provider, "hello").observer(reasons.clone()).build().unwrap();
    let value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair))).unwrap();
    let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
    let head = RequestHead::new(&Method::GET, "/", &headers);
    let Step::Ready(decision) = auth.decide(&head) else { panic!() };
    if is_same {
        let Step::Ready(other) = quiet.decide(&head) else { panic!() };
        assert_eq!(other.is_ok(), decision.is_ok(), "whether or not somebody wants to know why");
    }
    let reason = reasons.0.lock().unwrap().pop();
    decision.map(drop).map_err(|_| reason.unwrap())
}

fn clear(password: &str) -> User {
    User::with_password("alice", password).scopes(["hello"])
}

#[test]
fn a_wrong_password_and_an_unknown_user_are_told_apart_at_the_second_look() {
    assert_eq!(decided(clear("right"), None, "alice:right"), Ok(()));
    assert_eq!(decided(clear("right"), None, "alice:wrong"), Err("wrong-password"));
    assert_eq!(decided(clear("right"), None, "mallory:right"), Err("unknown-user"));
}

#[test]
fn what_was_found_out_about_other_users_is_not_believed() {
    assert_eq!(decided(clear("old"), Some(clear("new")), "alice:new"), Ok(()));
    assert_eq!(decided(clear("old"), Some(clear("new")), "alice:old"), Ok(()), "they were replaced later");
    assert_eq!(decided(clear("old"), Some(clear("new")), "alice:wrong"), Err("wrong-password"));
    let hashed = || User::new("alice", ARGON2).scopes(["hello"]);
    assert_eq!(decided(hashed(), Some(clear("right")), "alice:right"), Ok(()));
    assert_eq!(decided(hashed(), Some(clear("right")), "alice:wrong"), Err("wrong-password"));
}

/// Of clear text a store knows all there is to know. Of a hash it does not, and must not say so: where nobody asks why, whoever
/// is none of those that it knows is refused on its word.
#[tokio::test]
async fn a_store_with_hashes_does_not_say_that_it_knows_all() {
    let hashed = || User::new("alice", ARGON2).scopes(["hello"]);
    let (_, clock) = clock();
    let value = STANDARD.encode("alice:right");
    let says = |users: &[User]| {
        let users = FileUserStore::new(users.to_vec()).build().unwrap();
        users.recall(value.as_bytes(), &Context::new(&clock))
    };
    assert!(matches!(says(&[hashed()]), Recall::Nothing));
    assert!(matches!(says(&[hashed(), User::with_password("bob", "123")]), Recall::Nothing));
    assert!(matches!(says(&[User::with_password("bob", "123")]), Recall::NothingIn(_)));

    let users = FileUserStore::new([hashed()]).build().unwrap();
    let auth = Auth::builder().element(users, "hello").build().unwrap();
    let value = HeaderValue::try_from(format!("Basic {value}")).unwrap();
    let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
    let head = RequestHead::new(&Method::GET, "/", &headers);
    let Step::Wait(deciding) = auth.decide(&head) else { panic!("it has to be verified") };
    assert!(deciding.await.is_ok());
}
