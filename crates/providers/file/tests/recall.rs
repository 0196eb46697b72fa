//! Whom the store knows from the text of a header alone, before the credential is read.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::{sync::Arc, time::Duration};

use portcullis_core::{Basic, Clock, Contact, Context, Credential, Outcome, Provider, Recall, UnixTime};
use portcullis_file::{FileUserStore, FileUsers, User};
use portcullis_testing::ManualClock;

/// Hashes of `right`.
const HASH: &str =
    "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$/rlPheEuIOPjYHKhaPJaJGV9XBSrUYzuHgudziGWdAc";
const OTHER_HASH: &str =
    "$argon2id$v=19$m=16,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$vifDoXM/YGFwB8qrIyrfGRcYuVWW2ZhxE0NH/qSKby4";

/// `alice:right` in base64, with its padding and without.
const SPELLINGS: [&str; 2] = ["YWxpY2U6cmlnaHQ=", "YWxpY2U6cmlnaHQ"];

/// What is none of them, though some decode to the same.
const OTHERS: [&str; 9] = [
    "",
    "YWxpY2U6cmlnaHR=",
    "YWxpY2U6cmlnaHQ==",
    " YWxpY2U6cmlnaHQ=",
    "YWxpY2U6cmlnaHQ= ",
    "YWxpY2U6cmlnaHQ=,",
    "YWxpY2U6d3Jvbmc=",
    "Ym9iOnJpZ2h0",
    "alice:right",
];

struct Asked {
    users: FileUsers,
    manual: ManualClock,
    clock: Arc<dyn Clock>,
}

impl Asked {
    fn new(user: User) -> Self {
        let manual = ManualClock::at(UnixTime::from_secs(1_000_000));
        let users = FileUserStore::new([user]).build().unwrap();
        Self { users, clock: Arc::new(manual.clone()), manual }
    }

    fn cx(&self) -> Context<'_> {
        Context::new(&self.clock)
    }

    /// The scopes of whom the store knows. It answers with nothing else.
    fn recalls(&self, text: &str) -> Option<Vec<String>> {
        self.recalls_bytes(text.as_bytes(), &self.cx())
    }

    fn recalls_bytes(&self, text: &[u8], cx: &Context<'_>) -> Option<Vec<String>> {
        match self.users.recall(text, cx) {
            Recall::Answer(Outcome::Known(identity)) => {
                assert_eq!(identity.subject(), Some("alice"));
                Some(identity.scopes().iter().map(str::to_owned).collect())
            }
            Recall::Unasked | Recall::Nothing => None,
            other => panic!("{other:?}"),
        }
    }

    async fn log_in(&self) {
        let credential = Credential::Basic(Basic::decode(SPELLINGS[0]).unwrap());
        let Outcome::Known(_) = self.users.authenticate(&credential, &self.cx()).await else {
            panic!("the password is right");
        };
    }

    fn knows_nobody(&self) {
        for text in SPELLINGS.iter().chain(&OTHERS) {
            assert_eq!(self.recalls(text), None, "{text:?}");
        }
        assert_eq!(self.recalls_bytes(b"YWxpY2U6cmlnaHQ\xff", &self.cx()), None);
    }

    fn says_nothing_where_memory_is_no_answer(&self) {
        for cx in [self.cx().afresh(), self.cx().explaining(Contact::Allowed)] {
            for text in SPELLINGS {
                assert_eq!(self.recalls_bytes(text.as_bytes(), &cx), None, "{text:?}");
            }
        }
    }

    fn knows_alice_only(&self, scope: &str) {
        for text in SPELLINGS {
            assert_eq!(self.recalls(text).as_deref(), Some(&[scope.to_owned()][..]), "{text:?}");
        }
        for text in OTHERS {
            assert_eq!(self.recalls(text), None, "{text:?}");
        }
    }
}

#[tokio::test]
async fn a_password_that_was_verified_is_known_as_long_as_it_is_the_users() {
    let asked = Asked::new(User::new("alice", HASH).scopes(["hello"]));
    asked.knows_nobody();
    asked.log_in().await;
    asked.knows_alice_only("hello");
    asked.says_nothing_where_memory_is_no_answer();

    asked.users.replace([User::new("alice", HASH).scopes(["other"])]).unwrap();
    asked.knows_alice_only("other");
    asked.users.replace([User::new("alice", OTHER_HASH).scopes(["other"])]).unwrap();
    asked.knows_nobody();
    asked.users.replace([User::new("bob", HASH)]).unwrap();
    asked.knows_nobody();

    asked.users.replace([User::new("alice", HASH).scopes(["hello"])]).unwrap();
    asked.log_in().await;
    asked.knows_alice_only("hello");
    asked.manual.advance(Duration::from_secs(15 * 60));
    asked.knows_nobody();
}

#[tokio::test]
async fn a_password_in_clear_text_is_known_as_long_as_it_is_the_users() {
    let asked = Asked::new(User::with_password("alice", "right").scopes(["hello"]));
    asked.knows_alice_only("hello");
    asked.says_nothing_where_memory_is_no_answer();
    asked.users.replace([User::with_password("alice", "other").scopes(["hello"])]).unwrap();
    asked.knows_nobody();
}
