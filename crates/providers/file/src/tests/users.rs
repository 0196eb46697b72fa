//! Who is let in, and what cannot be built.

use std::{
    io,
    sync::{Arc, Mutex},
    task::{self, Poll, Wake},
    thread::{self, Thread},
};

use portcullis_core::{Bearer, Contact, Context, Credential, Identity, Outcome, Provider};

use super::{ARGON2, BCRYPT, Gate, SCRYPT, ask, at_once, basic, clock, gated, pbkdf2, told};
use crate::{FileUserStore, User, UserRecord};

#[tokio::test]
async fn a_right_password_is_known_and_every_other_is_refused_by_its_reason() {
    let gate = Gate::open();
    let users = gated(
        &gate,
        [
            User::new("alice", ARGON2).scopes(["hello"]),
            User::new("bob", BCRYPT).scopes(["hello", "admin"]),
            User::new("carol", SCRYPT),
            User::new("dave", pbkdf2("right", 1)),
            User::with_password("eve", "right:right"),
        ],
    );
    let (_, clock) = clock();
    let cx = Context::new(&clock);
    for name in ["alice", "bob", "carol", "dave"] {
        assert_eq!(ask(&users, &basic(name, "right"), &cx).await, format!("known {name}"));
        for wrong in ["Right", "right ", "righ", "r"] {
            assert_eq!(
                ask(&users, &basic(name, wrong), &cx).await,
                "refused wrong-password",
                "{name} {wrong}"
            );
        }
    }
    assert_eq!(ask(&users, &basic("eve", "right:right"), &cx).await, "known eve");
    assert_eq!(ask(&users, &basic("eve", "right"), &cx).await, "refused wrong-password");
    for stranger in ["mallory", "Alice", "alice ", " alice", "alic", "alice\u{200b}"] {
        assert_eq!(ask(&users, &basic(stranger, "right"), &cx).await, "refused unknown-user", "{stranger:?}");
    }
    let Outcome::Known(bob) = users.authenticate(&basic("bob", "right"), &cx).await else { panic!() };
    assert_eq!(bob.scopes().iter().collect::<Vec<_>>(), ["hello", "admin"]);
    assert!(bob.claims().is_empty() && bob.expires_at().is_none() && bob.issuer().is_none());
}

#[tokio::test]
async fn bearer_tokens_are_none_of_its_business() {
    let users = FileUserStore::new([User::with_password("alice", "right")]).build().unwrap();
    let (_, clock) = clock();
    let cx = Context::new(&clock);
    let token = Credential::Bearer(Bearer::new("abc").unwrap());
    assert_eq!(at_once(&users, &token, &cx).as_deref(), Some("refused other-scheme"));
    assert_eq!(told(&users.authenticate(&token, &cx).await), "refused other-scheme");
}

#[tokio::test]
async fn an_explanation_waits_only_where_something_has_to_be_computed() {
    let (_, clock) = clock();
    let cx = Context::new(&clock).explaining(Contact::Allowed);
    let clear = FileUserStore::new([User::with_password("alice", "right")]).build().unwrap();
    assert_eq!(at_once(&clear, &basic("alice", "right"), &cx).as_deref(), Some("known alice"));
    assert_eq!(at_once(&clear, &basic("alice", "wrong"), &cx).as_deref(), Some("refused wrong-password"));
    let hashed = FileUserStore::new([User::with_password("alice", "right"), User::new("bob", ARGON2)]);
    assert_eq!(at_once(&hashed.build().unwrap(), &basic("alice", "right"), &cx), None);
}

#[test]
fn it_vouches_for_its_users_and_for_nobody_else() {
    let users =
        FileUserStore::new([User::with_password("alice", "right").scopes(["hello"])]).build().unwrap();
    assert_eq!(users.kind(), "file");
    assert!(users.vouch(&Identity::new("alice")).is_some());
    assert!(users.vouch(&Identity::new("mallory")).is_none());
    assert!(users.vouch(&Identity::anonymous()).is_none());
}

#[test]
fn a_record_is_another_one_with_another_password_and_tells_nothing_of_it() {
    let record = |user: User| {
        let users = FileUserStore::new([user]).build().unwrap();
        format!("{:?}", users.vouch(&Identity::new("alice")).unwrap())
    };
    let right = record(User::with_password("alice", "right"));
    assert_eq!(right, record(User::with_password("alice", "right")));
    for other in [
        User::with_password("alice", "other"),
        User::new("alice", ARGON2),
        User::with_password("alice", ARGON2),
        User::new("alice", SCRYPT),
    ] {
        assert_ne!(right, record(other));
    }
    assert_ne!(record(User::new("alice", ARGON2)), record(User::with_password("alice", ARGON2)));
}

#[tokio::test]
async fn the_two_spellings_of_an_umlaut_are_two_users() {
    let (composed, decomposed) = ("zo\u{eb}", "zoe\u{308}");
    let (_, clock) = clock();
    let cx = Context::new(&clock);
    let one = FileUserStore::new([User::with_password(composed, "right")]).build().unwrap();
    assert_eq!(ask(&one, &basic(composed, "right"), &cx).await, "known zo\u{eb}");
    assert_eq!(ask(&one, &basic(decomposed, "right"), &cx).await, "refused unknown-user");
    let both = [User::with_password(composed, "1"), User::with_password(decomposed, "2")];
    let both = FileUserStore::new(both).build().unwrap();
    assert_eq!(ask(&both, &basic(decomposed, "2"), &cx).await, "known zoe\u{308}");
    assert_eq!(ask(&both, &basic(decomposed, "1"), &cx).await, "refused wrong-password");
}

#[tokio::test]
async fn a_password_that_bcrypt_would_cut_off_is_refused_and_72_bytes_are_not() {
    let long = "a".repeat(72);
    let hash = "$2b$04$abcdefghijklmnopqrstuuBzzIgyKkz7xMWYSzkIjUSnxEQFQ0WNe";
    let gate = Gate::open();
    let users = gated(&gate, [User::new("alice", hash)]);
    let (_, clock) = clock();
    let cx = Context::new(&clock);
    assert_eq!(ask(&users, &basic("alice", &long), &cx).await, "known alice");
    let longer = basic("alice", &format!("{long}b"));
    assert_eq!(ask(&users, &longer, &cx).await, "refused unfit-password");
    assert_eq!(gate.count(), 2, "and it costs what any other password costs");
}

#[test]
fn hashes_need_no_runtime() {
    let users = FileUserStore::new([User::new("alice", ARGON2)]).build().unwrap();
    let (_, clock) = clock();
    let cx = Context::new(&clock);
    // Whoever computes wakes this thread.
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(thread::current())).into();
    let ask = |password| {
        let credential = basic("alice", password);
        let mut answer = users.authenticate(&credential, &cx);
        loop {
            match answer.as_mut().poll(&mut task::Context::from_waker(&waker)) {
                Poll::Ready(outcome) => return told(&outcome),
                Poll::Pending => thread::park(),
            }
        }
    };
    assert_eq!([ask("wrong"), ask("right")], ["refused wrong-password", "known alice"]);
}

#[test]
fn everything_that_is_wrong_is_reported_at_once_and_names_the_user() {
    let error = FileUserStore::new([
        User::with_password("alice", "canary-1"),
        User::with_password("alice", "canary-2"),
        User::with_password("", "canary-3"),
        User::with_password("bob", ""),
        User::with_password("a:b", "canary-4"),
        User::with_password(" carol", "canary-5"),
        User::with_password("d\u{7}ve", "canary-6"),
        User::with_password("eve", "canary\n7"),
        User::new("frank", "canary-8"),
        User::new("grace", "$argon2id$v=19$m=4294967295,t=1,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNo"),
        User::new("heidi", ""),
        User::with_password("ivan", "canary-9").scopes(["a", ""]),
    ])
    .build()
    .unwrap_err()
    .to_string();
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(
        lines,
        [
            r#"user "alice": is there twice: user names are unique, remove one of them"#,
            "user at position 3: an empty user name is refused wherever it comes from: name the user",
            r#"user "bob": an empty password protects nothing: set one"#,
            r#"user "a:b": a user name cannot hold a colon: Basic authentication ends the name there"#,
            r#"user " carol": a user name cannot begin or end with white space: remove it"#,
            r#"user "d\u{7}ve": a user name cannot hold control characters: Basic authentication refuses them"#,
            r#"user "eve": a password cannot hold control characters: Basic authentication refuses them"#,
            r#"user "frank": the password hash is no PHC string, which starts with `$`: use argon2id, scrypt, pbkdf2-sha256 or pbkdf2-sha512 as a PHC string, or bcrypt as $2b$"#,
            r#"user "grace": the password hash has m=4294967295, which is out of bounds: from 8 to 1048576"#,
            r#"user "heidi": the password hash is empty: `portcullis hash` makes one"#,
            r#"user "ivan": an empty scope can never be asked for: remove it"#,
        ]
    );
}

#[test]
fn a_store_without_users_is_an_error_and_never_open() {
    let error = FileUserStore::new([]).build().unwrap_err().to_string();
    assert_eq!(
        error,
        "the file user store has no users and would refuse everybody: add at least one ([[auth.users]] in Config.toml)"
    );
    let error =
        portcullis_core::Auth::builder().element(FileUserStore::new([]), "hello").build().unwrap_err();
    assert!(error.to_string().starts_with("element 0: the file user store has no users"), "{error}");
}

#[test]
fn no_debug_text_holds_a_password_or_a_hash() {
    let users = [User::with_password("alice", "canary-1"), User::new("bob", ARGON2)];
    let store = || FileUserStore::new(users.clone());
    let record = UserRecord::new("carol", SCRYPT);
    let clear = UserRecord::with_password("dave", "canary-2");
    let text = format!("{users:?} {:?} {:?} {record:?} {clear:?}", store(), store().build().unwrap());
    assert!(!text.contains("canary") && !text.contains('$'), "{text}");
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn logged(users: impl IntoIterator<Item = User>) -> String {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .without_time()
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || FileUserStore::new(users).build().unwrap());
    let bytes = lines.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn clear_text_passwords_are_warned_about_once_and_hashed_ones_are_not() {
    let text = logged([
        User::with_password("alice", "canary-1"),
        User::with_password("bob", "canary-2"),
        User::new("carol", ARGON2),
    ]);
    assert_eq!(text.lines().count(), 1, "{text}");
    for part in ["WARN portcullis: users have clear-text passwords", "users=2", "portcullis hash"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!text.contains("canary"), "{text}");
    assert_eq!(logged([User::new("carol", ARGON2)]), "");
    let told = User { told: true, ..User::with_password("alice", "canary-1") };
    assert_eq!(logged([told]), "", "whoever read the configuration has said it");
}

#[test]
fn many_kinds_of_hash_are_warned_about() {
    let users = |kinds| (1..=kinds).map(|rounds| User::new(format!("user{rounds}"), pbkdf2("right", rounds)));
    assert_eq!(logged(users(3)), "");
    let text = logged(users(4));
    assert!(
        text.contains("every refused password costs one hash of each kind") && text.contains("kinds=4"),
        "{text}"
    );
}
