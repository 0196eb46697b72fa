//! Which groups become scopes.

use super::{
    ALICE, Bench, Log, scopes,
    server::{Reply, Request, TestEntry, entry, result},
};

fn group(name: &str, attribute: &str, members: &[&str]) -> TestEntry {
    TestEntry::new(&format!("cn={name},ou=Groups,dc=x")).with("cn", &[name]).with(attribute, members)
}

fn dn(name: &str) -> String {
    format!("cn={name},ou=Groups,dc=x")
}

#[tokio::test]
async fn groups_of_distinguished_names_under_every_base_count() {
    let bench = Bench::with(|config| {
        config.group_search_base(["ou=Groups,dc=x", "ou=More,dc=x"]).membership_attribute("uniqueMember")
    })
    .await;
    bench.server.add(TestEntry::new("ou=More,dc=x"));
    bench.server.add(group("admin", "uniquemember", &["uid=bob,dc=x", ALICE]));
    bench.server.add(
        TestEntry::new("cn=more,ou=More,dc=x")
            .with("cn", &["more", "mehr", "admin"])
            .with("uniquemember", &[ALICE]),
    );
    bench.server.add(group("other", "uniquemember", &["uid=bob,dc=x"]));
    bench
        .server
        .add(TestEntry::new("cn=outside,dc=x").with("cn", &["outside"]).with("uniquemember", &[ALICE]));
    // Each name once, though two groups have it.
    assert_eq!(scopes(&*bench.known("alice", "secret").await), ["admin", "more", "mehr"]);
}

#[tokio::test]
async fn groups_of_posix_hold_the_name_of_the_directory() {
    for attribute in ["memberUid", "memberuid"] {
        let bench = Bench::with(|config| config.membership_attribute(attribute)).await;
        bench.server.add(group("posix", "memberuid", &["alice"]));
        bench.server.add(group("by-dn", "memberuid", &[ALICE]));
        assert_eq!(scopes(&*bench.known("ALICE", "secret").await), ["posix"]);
    }
}

#[tokio::test]
async fn the_list_filter_narrows_the_search() {
    let bench = Bench::with(|config| config.group_name_list_filter("(kind=app)")).await;
    bench.server.add(group("app", "member", &[ALICE]).with("kind", &["app"]));
    assert_eq!(scopes(&*bench.known("alice", "secret").await), ["app"]);
}

#[tokio::test]
async fn without_a_group_search_there_are_no_scopes() {
    let bench = Bench::new().await;
    bench.server.remove("cn=hello,ou=Groups,dc=x");
    assert!(bench.known("alice", "secret").await.scopes().is_empty());
    assert_eq!(bench.server.searches(), 2);
}

#[tokio::test]
async fn a_list_of_groups_that_is_cut_short_lets_nobody_in() {
    let bench = Bench::new().await;
    bench.server.script(|request| match request {
        Request::Search { base, size_limit, .. } if base == "ou=Groups,dc=x" => {
            assert_eq!(*size_limit, 5_000);
            let names = vec!["hello".to_owned()];
            Some(vec![
                Reply::Op(entry("cn=hello,ou=Groups,dc=x", &[("cn", &names)])),
                Reply::Op(result(5, 4, "")),
            ])
        }
        _ => None,
    });
    let reason = bench.unavailable("alice", "secret").await;
    assert!(reason.contains("the directory does not give out the whole list"), "{reason}");
}

#[tokio::test]
async fn nested_groups_are_walked_through_cycles() {
    let nested = Bench::with(|config| config.nested_groups(true)).await;
    let flat = Bench::new().await;
    for bench in [&nested, &flat] {
        bench.server.add(group("a", "member", &[ALICE, &dn("c")]));
        bench.server.add(group("b", "member", &[&dn("a")]));
        bench.server.add(group("c", "member", &[&dn("B"), &dn("c")]));
    }
    assert_eq!(scopes(&*nested.known("alice", "secret").await), ["hello", "a", "b", "c"]);
    // The user, what the server can, the user's groups, and those of `hello` and `a`, of `b`, and of `c`.
    assert_eq!(nested.server.searches(), 6, "no group is looked at twice");
    assert_eq!(scopes(&*flat.known("alice", "secret").await), ["hello", "a"]);
}

#[tokio::test]
async fn a_chain_of_groups_is_followed_ten_deep() {
    let log = Log::default();
    let _guard = log.listen();
    let bench = Bench::with(|config| config.nested_groups(true)).await;
    let mut member = ALICE.to_owned();
    for level in 0..15 {
        bench.server.add(group(&format!("l{level}"), "member", &[&member]));
        member = dn(&format!("l{level}"));
    }
    let identity = bench.known("alice", "secret").await;
    assert!(identity.scopes().contains("l10"), "{identity:?}");
    assert!(!identity.scopes().contains("l11"), "{identity:?}");
    let deeper = |line: &String| line.contains("groups are nested deeper than is looked at");
    assert_eq!(log.lines().iter().filter(|line| deeper(line)).count(), 1);
    // What ends there is no deeper.
    bench.server.remove(&dn("l10"));
    bench.known("alice", "secret").await;
    assert_eq!(log.lines().iter().filter(|line| deeper(line)).count(), 1);
}

#[tokio::test]
async fn active_directory_follows_the_chain_by_itself() {
    let nested = Bench::with(|config| config.nested_groups(true)).await;
    let flat = Bench::new().await;
    for bench in [&nested, &flat] {
        bench.server.add(
            TestEntry::new("")
                .with("supportedcapabilities", &["1.2.840.113556.1.4.1670", "1.2.840.113556.1.4.800"]),
        );
        bench.server.add(group("a", "member", &[ALICE]));
        bench.server.add(group("b", "member", &[&dn("a")]));
        bench.server.add(group("c", "member", &[&dn("b")]));
    }
    for _ in 0..2 {
        assert_eq!(scopes(&*nested.known("alice", "secret").await), ["hello", "a", "b", "c"]);
        assert_eq!(scopes(&*flat.known("alice", "secret").await), ["hello", "a"], "only where it is wanted");
    }
    // The user, what the server can, the groups; then the user and the groups.
    assert_eq!((nested.server.searches(), flat.server.searches()), (5, 4));
}

#[tokio::test]
async fn groups_are_read_from_the_users_entry() {
    let bench = Bench::with(|config| config.user_membership_attribute("memberOf")).await;
    bench.server.add(
        TestEntry::new(ALICE)
            .with("uid", &["alice"])
            .with(
                "memberof",
                &[
                    "CN=Smith\\2C \\(Ops\\) *star*,OU=Groups,DC=x",
                    "ou=unit,ou=Groups,dc=x",
                    "cn=gone+ou=x,ou=Groups,dc=x",
                    "cn=elsewhere,dc=y",
                ],
            )
            .password("secret"),
    );
    bench.server.add(TestEntry::new("ou=unit,ou=Groups,dc=x").with("cn", &["unit", "einheit"]));
    assert_eq!(
        scopes(&*bench.known("alice", "secret").await),
        ["Smith, (Ops) *star*", "unit", "einheit"],
        "by its name where that says it, else by its entry; none elsewhere, and none that is gone"
    );
}

#[tokio::test]
async fn nested_groups_are_read_from_the_entries_of_groups_where_they_cannot_be_searched() {
    let bench = Bench::with(|config| {
        let mut config = config.user_membership_attribute("memberOf").nested_groups(true);
        config.membership_attribute = None;
        config.group_search_base(Vec::<String>::new())
    })
    .await;
    bench
        .server
        .add(TestEntry::new(ALICE).with("uid", &["alice"]).with("memberof", &[&dn("a")]).password("secret"));
    bench.server.add(group("a", "memberof", &[&dn("b")]));
    bench.server.add(group("b", "memberof", &[&dn("a"), &dn("c")]));
    bench.server.add(group("c", "memberof", &[]));
    assert_eq!(scopes(&*bench.known("alice", "secret").await), ["a", "b", "c"]);
}

#[tokio::test]
async fn groups_that_users_name_plainly_are_found_by_their_name_where_they_are_walked() {
    let bench = Bench::with(|config| {
        config.user_membership_attribute("groups").nested_groups(true).group_name_search_filter("(cn=?)")
    })
    .await;
    bench
        .server
        .add(TestEntry::new(ALICE).with("uid", &["alice"]).with("groups", &["a", "*"]).password("secret"));
    bench.server.add(group("a", "member", &[]));
    bench.server.add(group("b", "member", &[&dn("a")]));
    bench.server.add(group("unrelated", "member", &[]));
    assert_eq!(scopes(&*bench.known("alice", "secret").await), ["a", "*", "b"]);
}

#[tokio::test]
async fn a_list_that_comes_in_parts_is_read_whole() {
    let bench = Bench::with(|config| config.user_membership_attribute("memberOf")).await;
    let (uid, first, rest) = (vec!["alice".to_owned()], vec![dn("a")], vec![dn("b"), dn("c")]);
    bench.server.script(move |request| match request {
        Request::Search { attributes, .. } if attributes.iter().any(|name| name == "memberOf;range=1-*") => {
            Some(vec![Reply::Op(entry(ALICE, &[("memberOf;range=1-*", &rest)])), Reply::Op(result(5, 0, ""))])
        }
        Request::Search { base, .. } if base == "ou=Users,dc=x" => Some(vec![
            Reply::Op(entry(ALICE, &[("uid", &uid), ("memberOf", &vec![]), ("memberOf;range=0-0", &first)])),
            Reply::Op(result(5, 0, "")),
        ]),
        _ => None,
    });
    assert_eq!(scopes(&*bench.known("alice", "secret").await), ["a", "b", "c"]);
    // A server that begins again and again is given up.
    let (uid, first) = (vec!["alice".to_owned()], vec![dn("a")]);
    bench.server.script(move |request| match request {
        Request::Search { .. } => Some(vec![
            Reply::Op(entry(ALICE, &[("uid", &uid), ("memberOf;range=0-0", &first)])),
            Reply::Op(result(5, 0, "")),
        ]),
        _ => None,
    });
    assert!(bench.unavailable("alice", "secret").await.contains("more than 32 parts"));
}

#[tokio::test]
async fn a_list_with_a_part_missing_lets_nobody_in() {
    let bench = Bench::with(|config| config.user_membership_attribute("memberOf")).await;
    let (uid, first) = (vec!["alice".to_owned()], vec![dn("a")]);
    bench.server.script(move |request| match request {
        Request::Search { attributes, .. } if attributes.iter().any(|name| name == "memberOf;range=1-*") => {
            Some(vec![Reply::Op(entry(ALICE, &[])), Reply::Op(result(5, 0, ""))])
        }
        Request::Search { base, .. } if base == "ou=Users,dc=x" => Some(vec![
            Reply::Op(entry(ALICE, &[("uid", &uid), ("memberOf;range=0-0", &first)])),
            Reply::Op(result(5, 0, "")),
        ]),
        _ => None,
    });
    let reason = bench.unavailable("alice", "secret").await;
    assert!(reason.contains("memberOf of an entry comes in parts, and one is missing"), "{reason}");
}

#[tokio::test]
async fn a_group_that_cannot_be_read_lets_nobody_in_and_one_that_is_gone_counts_for_itself() {
    let bench = Bench::with(|config| {
        let mut config = config.user_membership_attribute("memberOf").nested_groups(true);
        config.membership_attribute = None;
        config.group_search_base(Vec::<String>::new())
    })
    .await;
    bench.server.add(
        TestEntry::new(ALICE).with("uid", &["alice"]).with("memberof", &[&dn("gone")]).password("secret"),
    );
    assert_eq!(scopes(&*bench.known("alice", "secret").await), ["gone"]);
    for code in [3, 50, 51, 52] {
        bench.server.script(move |request| match request {
            Request::Search { base, .. } if base.starts_with("cn=gone") => {
                Some(vec![Reply::Op(result(5, code, ""))])
            }
            _ => None,
        });
        let reason = bench.unavailable("alice", "secret").await;
        assert!(reason.contains(&format!("\"cn=gone,ou=Groups,dc=x\" ended with {code}")), "{reason}");
    }
}

#[tokio::test]
async fn a_group_that_has_to_be_read_for_its_name_and_cannot_be_lets_nobody_in() {
    let bench = Bench::with(|config| config.user_membership_attribute("memberOf")).await;
    let unit = "ou=unit,ou=Groups,dc=x";
    bench
        .server
        .add(TestEntry::new(ALICE).with("uid", &["alice"]).with("memberof", &[unit]).password("secret"));
    bench.server.script(move |request| match request {
        Request::Search { base, .. } if base == unit => Some(vec![Reply::Op(result(5, 50, ""))]),
        _ => None,
    });
    let reason = bench.unavailable("alice", "secret").await;
    assert!(reason.contains("\"ou=unit,ou=Groups,dc=x\" ended with 50"), "{reason}");
}

#[tokio::test]
async fn whoever_is_in_too_many_groups_is_not_let_in_with_some_of_them() {
    const TOO_MANY: &str = "a user is in more than 5000 groups";
    let bench = Bench::with(|config| config.user_membership_attribute("groups")).await;
    let names: Vec<String> = (0..=5_000).map(|number| format!("group{number}")).collect();
    let user = |names: &[String]| {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        bench
            .server
            .add(TestEntry::new(ALICE).with("uid", &["alice"]).with("groups", &names).password("secret"));
    };
    user(&names[1..]);
    assert_eq!(bench.known("alice", "secret").await.scopes().len(), 5_000);
    user(&names);
    assert!(bench.unavailable("alice", "secret").await.contains(TOO_MANY));
    // Those without a name count as well.
    let bench = Bench::new().await;
    let groups = |count: usize| {
        bench.server.script(move |request| match request {
            Request::Search { base, .. } if base == "ou=Groups,dc=x" => {
                let found = |number| Reply::Op(entry(&format!("cn={number},ou=Groups,dc=x"), &[]));
                Some((0..count).map(found).chain([Reply::Op(result(5, 0, ""))]).collect())
            }
            _ => None,
        });
    };
    groups(5_000);
    assert!(bench.known("alice", "secret").await.scopes().is_empty());
    groups(5_001);
    assert!(bench.unavailable("alice", "secret").await.contains(TOO_MANY));
}
