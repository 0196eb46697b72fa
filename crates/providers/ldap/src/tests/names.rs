//! Who is found, and what the principal is called.

use std::time::Duration;

use portcullis_core::Provider as _;

use super::{
    Bench, scopes,
    server::{Reply, Request, SERVICE, TestEntry, entry, reference, result},
    until,
};

#[tokio::test]
async fn a_user_logs_in_with_the_right_password_and_with_no_other() {
    let bench = Bench::new().await;
    let identity = bench.known("alice", "secret").await;
    assert_eq!((identity.subject(), identity.issuer()), (Some("alice"), Some("x.example")));
    assert_eq!(scopes(&identity), ["hello"]);
    assert_eq!(bench.code("alice", "Secret").await, "wrong-password");
    assert_eq!(bench.code("bob", "secret").await, "unknown-user");
}

#[tokio::test]
async fn names_full_of_syntax_find_nobody_or_exactly_the_user_so_named() {
    let bench = Bench::new().await;
    let hostile = ["*", "alice)(uid=*", "\\2a", "#", "a,b+c=\"d\"", "(", "\\", "zo\u{eb}", "?"];
    for name in hostile {
        assert_eq!(bench.code(name, "secret").await, "unknown-user", "{name}");
    }
    for name in hostile {
        let dn = format!("cn={name:?} is not parsed,ou=Users,dc=x").replace(['"', '\\', '#', '+', '='], "");
        let dn = format!("cn={},ou=Users,dc=x", dn.replace(',', ""));
        bench.server.add(TestEntry::new(&dn).with("uid", &[name]).password("secret"));
        assert_eq!(bench.known(name, "secret").await.subject(), Some(name), "{name}");
    }
    assert_eq!(bench.known("alice", "secret").await.subject(), Some("alice"));
}

#[tokio::test]
async fn names_with_outer_white_space_and_blank_passwords_reach_nobody() {
    let bench = Bench::new().await;
    for name in [" alice", "alice ", "\u{3000}alice", "\u{a0}"] {
        assert_eq!(bench.code(name, "secret").await, "malformed-username", "{name:?}");
    }
    for password in [" ", "  ", "\u{a0}", "\u{3000} "] {
        assert_eq!(bench.code("alice", password).await, "blank-password", "{password:?}");
    }
    assert_eq!(bench.server.accepted(), 0);
    // The server would have granted a bind without a password.
    bench.known("alice", "secret").await;
}

#[tokio::test]
async fn the_principal_has_the_spelling_of_the_directory() {
    let bench = Bench::new().await;
    for typed in ["ALICE", "Alice", "\u{ff21}\u{ff2c}\u{ff29}\u{ff23}\u{ff25}"] {
        assert_eq!(bench.known(typed, "secret").await.subject(), Some("alice"), "{typed}");
    }
}

#[tokio::test]
async fn of_several_names_one_is_chosen_that_does_not_depend_on_their_order() {
    let bench = Bench::new().await;
    let user =
        |dn: &str, names: &[&str]| bench.server.add(TestEntry::new(dn).with("uid", names).password("secret"));
    // The one that names the entry.
    user("uid=bob,ou=Users,dc=x", &["bobby", "bob", "robert"]);
    assert_eq!(bench.known("robert", "secret").await.subject(), Some("bob"));
    // However it is written there.
    user("UID=Dora,ou=Users,dc=x", &["dd", "dora"]);
    assert_eq!(bench.known("dd", "secret").await.subject(), Some("dora"));
    // Else the one that was typed.
    user("cn=Carol,ou=Users,dc=x", &["cc", "carol"]);
    assert_eq!(bench.known("Carol", "secret").await.subject(), Some("carol"));
    // Else the first by letters: here the filter found the user by something else.
    bench.server.script(|request| match request {
        Request::Search { base, .. } if base == "ou=Users,dc=x" => {
            let names = ["zed".to_owned(), "dave".to_owned()].to_vec();
            Some(vec![
                Reply::Op(entry("cn=Carol,ou=Users,dc=x", &[("uid", &names)])),
                Reply::Op(result(5, 0, "")),
            ])
        }
        _ => None,
    });
    assert_eq!(bench.known("other", "secret").await.subject(), Some("dave"));
}

#[tokio::test]
async fn an_entry_without_the_name_is_the_operators_mistake_for_the_right_password_only() {
    let bench = Bench::with(|config| config.user_name_attribute("mail")).await;
    assert_eq!(bench.code("alice", "wrong").await, "wrong-password");
    let reason = bench.unavailable("alice", "secret").await;
    assert!(reason.contains("the entry of a user has no mail: name an attribute"), "{reason}");
}

#[tokio::test]
async fn names_of_entries_are_used_exactly_as_the_directory_writes_them() {
    let bench = Bench::new().await;
    for (number, dn) in [
        "cn=Smith\\2C John (Ops) *star*,ou=Users,dc=x",
        "cn=Miller\\, Ann (Ops) *star*,ou=Users,dc=x",
        "cn=\\#hash\\\\back+uid=hash,ou=Users,dc=x",
        "cn=\\22quoted\\22,ou=Users,dc=x",
        "cn=zo\u{eb} \u{4f60},ou=Users,dc=x",
        "CN = spaced , OU=Users,DC=x",
        "cn=semi\\;colon\\=\\<\\>,ou=Users,dc=x",
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("user{number}");
        bench.server.add(TestEntry::new(dn).with("uid", &[&name]).password("secret"));
        let group = format!("cn=group{number},ou=Groups,dc=x");
        bench
            .server
            .add(TestEntry::new(&group).with("cn", &[&format!("group{number}")]).with("member", &[dn]));
        let identity = bench.known(&name, "secret").await;
        assert_eq!(scopes(&identity), [format!("group{number}")], "{dn}");
        assert_eq!(bench.server.user_binds().last().map(String::as_str), Some(dn));
    }
}

#[tokio::test]
async fn the_first_base_that_has_any_entry_decides() {
    let bench = Bench::with(|config| config.user_search_base(["ou=A,dc=x", "ou=B,dc=x"])).await;
    let user = |dn: &str, password: &str| {
        bench.server.add(TestEntry::new(dn).with("uid", &["carol"]).password(password));
    };
    bench.server.add(TestEntry::new("ou=A,dc=x"));
    bench.server.add(TestEntry::new("ou=B,dc=x"));
    user("uid=carol,ou=B,dc=x", "of-b");
    bench.known("carol", "of-b").await;
    user("uid=carol,ou=A,dc=x", "of-a");
    bench.known("carol", "of-a").await;
    assert_eq!(bench.code("carol", "of-b").await, "wrong-password", "the other carol is not tried");
}

#[tokio::test]
async fn two_entries_are_nobody() {
    let bench = Bench::new().await;
    bench.server.add(TestEntry::new("cn=other,ou=Users,dc=x").with("uid", &["alice"]).password("secret"));
    assert_eq!(bench.code("alice", "secret").await, "ambiguous-user");
    // A server that stops at one and says that there are more.
    let one = |code| {
        move |request: &Request| match request {
            Request::Search { base, size_limit, .. } if base == "ou=Users,dc=x" => {
                assert_eq!(*size_limit, 2);
                let names = vec!["alice".to_owned()];
                let alice = entry("uid=alice,ou=Users,dc=x", &[("uid", &names)]);
                Some(vec![Reply::Op(alice), Reply::Op(result(5, code, ""))])
            }
            _ => None,
        }
    };
    bench.server.script(one(4));
    assert_eq!(bench.code("alice", "secret").await, "ambiguous-user");
    bench.server.script(one(0));
    bench.known("alice", "secret").await;
}

#[tokio::test]
async fn a_server_that_ignores_the_size_limit_makes_nobody_known() {
    let bench = Bench::new().await;
    let many = |count: usize| {
        bench.server.script(move |request| match request {
            Request::Search { base, .. } if base == "ou=Users,dc=x" => {
                let names = vec!["alice".to_owned()];
                let found = |number| Reply::Op(entry(&format!("cn={number},dc=x"), &[("uid", &names)]));
                let mut replies: Vec<Reply> = (0..count).map(found).collect();
                replies.push(Reply::Op(result(5, 0, "")));
                Some(replies)
            }
            _ => None,
        });
    };
    many(900);
    assert_eq!(bench.code("alice", "secret").await, "ambiguous-user");
    many(2_000);
    let reason = bench.unavailable("alice", "secret").await;
    assert!(reason.contains("it sends more entries than were asked for"), "{reason}");
}

#[tokio::test]
async fn an_entry_without_a_name_is_never_bound() {
    let bench = Bench::new().await;
    bench.server.script(|request| match request {
        Request::Search { .. } => {
            let names = vec!["alice".to_owned()];
            Some(vec![Reply::Op(entry("", &[("uid", &names)])), Reply::Op(result(5, 0, ""))])
        }
        _ => None,
    });
    assert!(bench.unavailable("alice", "secret").await.contains("a user without a name"));
    assert_eq!(bench.server.user_binds(), [""; 0]);
}

#[tokio::test]
async fn referrals_are_passed_over_and_told_once() {
    let log = super::Log::default();
    let _guard = log.listen();
    let bench = Bench::new().await;
    let names = vec!["alice".to_owned()];
    bench.server.script(move |request| match request {
        Request::Search { base, .. } if base == "ou=Users,dc=x" => Some(vec![
            Reply::Op(reference()),
            Reply::Op(entry("uid=alice,ou=Users,dc=x", &[("uid", &names)])),
            Reply::Op(reference()),
            Reply::Op(result(5, 0, "")),
        ]),
        _ => None,
    });
    for _ in 0..3 {
        bench.known("alice", "secret").await;
    }
    let lines = log.lines();
    let told = lines.iter().filter(|line| line.contains("the directory refers to other servers")).count();
    assert_eq!(told, 1, "{lines:?}");
    // A base that stands at another server is not an empty one.
    bench.server.script(|request| match request {
        Request::Search { .. } => Some(vec![Reply::Op(result(5, 10, ""))]),
        _ => None,
    });
    let reason = bench.unavailable("alice", "secret").await;
    assert!(reason.contains("10 (referral): another server holds it"), "{reason}");
}

#[tokio::test]
async fn a_user_that_is_not_there_costs_as_many_questions_as_a_wrong_password() {
    let bench = Bench::new().await;
    let asked = |from: usize| {
        let kinds = bench.server.requests().into_iter().skip(from).map(|(connection, request)| {
            let kind = match request {
                Request::Bind { dn, .. } if dn == SERVICE => "service",
                Request::Bind { .. } => "bind",
                Request::Search { .. } => "search",
                Request::StartTls | Request::Unbind => "other",
            };
            (connection, kind)
        });
        kinds.collect::<Vec<_>>()
    };
    bench.known("alice", "secret").await;
    let from = bench.server.requests().len();
    assert_eq!(bench.code("alice", "wrong").await, "wrong-password");
    let known = asked(from);
    let from = bench.server.requests().len();
    assert_eq!(bench.code("nobody", "wrong").await, "unknown-user");
    assert_eq!(asked(from), known);
    assert_eq!(known.iter().map(|(_, kind)| *kind).collect::<Vec<_>>(), ["search", "bind"]);
    let nobody = bench.server.requests().pop().unwrap().1;
    let Request::Bind { dn, password } = nobody else { panic!("a bind") };
    assert!(dn.starts_with("uid=portcullis-") && dn.ends_with(",ou=Users,dc=x"), "{dn}");
    assert_ne!(password, "wrong", "what was typed goes to no other name");
}

#[tokio::test]
async fn a_wrong_password_is_looked_for_below_as_many_bases_as_a_name_that_is_nowhere() {
    let bases = ["ou=Users,dc=x", "ou=Guests,dc=x", "ou=Partners,dc=x"];
    let bench = Bench::with(|config| config.user_search_base(bases)).await;
    for base in bases {
        bench.server.add(TestEntry::new(base));
    }
    let asked = |from: usize| {
        let requests = bench.server.requests().into_iter().skip(from);
        let mut asked: Vec<String> = requests
            .map(|(_, request)| match request {
                Request::Search { base, .. } => base,
                Request::Bind { .. } => "bind".to_owned(),
                other => panic!("{other:?}"),
            })
            .collect();
        asked.sort_unstable();
        asked
    };
    bench.known("alice", "secret").await;
    let all = ["bind", "ou=Guests,dc=x", "ou=Partners,dc=x", "ou=Users,dc=x"];
    for (name, code) in [("alice", "wrong-password"), ("nobody", "unknown-user")] {
        let from = bench.server.requests().len();
        assert_eq!(bench.code(name, "wrong").await, code);
        assert_eq!(asked(from), all, "{name}");
    }
    let from = bench.server.requests().len();
    bench.known("alice", "secret").await;
    assert_eq!(asked(from), ["bind", "ou=Groups,dc=x", "ou=Users,dc=x"], "who is let in need not wait");
    // A base that cannot be searched makes no outage of a wrong password.
    bench.server.script(|request| match request {
        Request::Search { base, .. } if base == "ou=Partners,dc=x" => {
            Some(vec![Reply::Op(result(5, 32, ""))])
        }
        _ => None,
    });
    assert_eq!(bench.code("alice", "wrong").await, "wrong-password");
    // Nor does one that does not answer, after two seconds.
    bench.server.script(|request| {
        matches!(request, Request::Search { base, .. } if base == "ou=Partners,dc=x").then(Vec::new)
    });
    let (searches, login) = (bench.server.searches(), bench.begin("alice", "wrong"));
    until("the searches", || bench.server.searches() == searches + 3).await;
    bench.manual.advance(Duration::from_secs(2));
    assert_eq!(super::code(login.await.unwrap()), "wrong-password");
    assert!(bench.store.servers()[0].usable);
}

#[tokio::test]
async fn a_directory_that_cannot_tell_about_a_user_is_an_outage_for_nobody_too() {
    let bench = Bench::new().await;
    for (code, known) in
        [(51, false), (52, false), (13, false), (80, false), (0, true), (49, true), (32, true)]
    {
        bench.server.script(move |request| match request {
            Request::Bind { dn, .. } if dn != SERVICE => Some(vec![Reply::Op(result(1, code, ""))]),
            _ => None,
        });
        if known {
            // Not even a directory that grants every bind makes somebody of nobody.
            assert_eq!(bench.code("nobody", "wrong").await, "unknown-user", "{code}");
        } else {
            let (nobody, alice) =
                (bench.unavailable("nobody", "wrong").await, bench.unavailable("alice", "wrong").await);
            assert_eq!(nobody, alice, "{code}");
        }
    }
}
