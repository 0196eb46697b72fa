//! Directories: names that are more than names, passwords that are none, and servers that are not well.

use std::time::{Duration, Instant};

use portcullis_testing::{DirectoryOperation, Fault, FaultProxy, TestDirectory, TestEntry, TestTls};
use portcullis_tests::{Slapd, Transport, temp_dir, write};

use crate::support_http::{Sheet, Site};

pub const SERVICE: &str = "cn=service,dc=ballerina,dc=io";
pub const USERS: &str = "ou=Users,dc=ballerina,dc=io";
const GROUPS: &str = "ou=Groups,dc=ballerina,dc=io";
pub const PROVIDER: &str = "crates/providers/ldap/src/tests";

/// A service whose users are in the directory at this URL. It admits whoever is known.
pub fn element(url: &str, more: &str) -> String {
    format!(
        r#"[services."/"]
throttle = false
auth = [{{ scopes = "*", ldapUserStoreConfig = {{
    domainName = "ballerina.io", connectionUrl = "{url}", connectionName = "{SERVICE}", connectionPassword = "secret",
    userSearchBase = "{USERS}", userNameAttribute = "uid", userNameSearchFilter = "(&(objectClass=person)(uid=?))",
    userNameListFilter = "(objectClass=person)", groupSearchBase = "{GROUPS}", groupNameAttribute = "cn",
    groupNameListFilter = "(objectClass=groupOfNames)", membershipAttribute = "member",
    connectionTimeout = "500ms", readTimeout = "500ms", {more} }} }}]
"#
    )
}

pub fn user(name: &str) -> String {
    format!("uid={name},{USERS}")
}

pub fn group(name: &str) -> String {
    format!("cn={name},{GROUPS}")
}

/// Alice, who is in `hello`, and bob.
pub fn fill(directory: &TestDirectory) {
    directory.add_user(SERVICE, "secret");
    directory.add_user(&user("alice"), "alice@123");
    directory.add_user(&user("bob"), "bob@123");
    directory.add_group(&group("hello"), [user("alice").as_str()]);
}

pub async fn started(more: &str) -> (TestDirectory, Site) {
    let directory = TestDirectory::start().await;
    fill(&directory);
    let site = telling(&element(&directory.url(), more)).await;
    (directory, site)
}

/// A service whose handler says who called, and with which groups.
pub async fn telling(text: &str) -> Site {
    let handler = async |caller: portcullis::Caller| {
        let mut scopes: Vec<&str> = caller.scopes().iter().collect();
        scopes.sort_unstable();
        format!("{} [{}]", caller.subject().unwrap_or("?"), scopes.join(" "))
    };
    Site::ticking(text, axum::Router::new().route("/orders", axum::routing::get(handler))).await
}

/// Status and reason, or who was let in.
pub async fn told(site: &Site, name: &str, password: &str) -> String {
    let seen = site.login(name, password).await;
    if seen.status == 200 { format!("200 {}", seen.body) } else { seen.to_string() }
}

#[tokio::test]
async fn line_37_a_password_that_is_none_is_shown_to_no_directory() {
    let mut sheet = Sheet::new(37, "Passwords that a directory takes for none, and answers with success");
    let directory = TestDirectory::builder().allow_unauthenticated_bind().start().await;
    fill(&directory);
    let site = telling(&element(&directory.url(), "")).await;
    for (what, password, expected) in [
        ("an empty password", "", "401 empty-password"),
        ("a space", " ", "401 blank-password"),
        ("spaces that are none in ASCII", "\u{a0}\u{3000}", "401 blank-password"),
        ("a tab", "\t", "401 control-character"),
        ("a NUL", "\0", "401 control-character"),
        ("a NUL, and the right password", "\0alice@123", "401 control-character"),
    ] {
        sheet.row(what, told(&site, "alice", password).await, expected);
    }
    sheet.row(
        "requests that reached the directory, which accepts an empty password",
        directory.requests().len(),
        0,
    );
    sheet.row("the right password", told(&site, "alice", "alice@123").await, "200 alice [hello]");
    sheet.shown_by(
        "slapd with `allow bind_anon_dn`, over every transport",
        "tests/tests/ldap/passwords.rs::a_password_that_is_none_never_reaches_a_server_that_would_accept_it",
    );
    sheet.settle();
}

#[tokio::test]
async fn line_38_a_user_name_is_a_value_in_filters_and_in_names() {
    let mut sheet = Sheet::new(38, "User names made of what filters and distinguished names are made of");
    let (directory, site) = started("").await;
    let names = [
        ("*", r"\2a"),
        ("alice)(uid=*", r"alice\29\28uid=\2a"),
        (r"\", r"\5c"),
        (r"\2a", r"\5c2a"),
        ("#", "#"),
        ("alice,ou=Users", "alice,ou=Users"),
        ("alice+cn=x", "alice+cn=x"),
        ("zo\u{eb}", "zo"),
        ("?", "?"),
    ];
    for (name, escaped) in names {
        let seen = told(&site, name, "alice@123").await;
        sheet.row(format!("`{name}`, whom there is not"), seen, "401 unknown-user");
        let asked = directory.requests().into_iter().rev().find_map(|request| match request.operation {
            DirectoryOperation::Search { filter, base, .. } if base == USERS => Some(filter),
            _ => None,
        });
        let asked = asked.unwrap();
        assert!(asked.contains(&format!("(uid={escaped}")), "{asked}");
    }
    for (what, name, expected) in [
        ("a NUL in the name", "ali\0ce", "401 control-character"),
        ("a line end", "al\nice", "401 control-character"),
        ("a space before it", " alice", "401 malformed-username"),
        ("a wide space behind it", "alice\u{3000}", "401 malformed-username"),
    ] {
        let before = directory.requests().len();
        sheet.row(what, told(&site, name, "alice@123").await, expected);
        assert_eq!(directory.requests().len(), before, "{what}: nobody is asked");
    }
    // Somebody who is so named, with a name that has to be escaped in the entry's own.
    for (name, dn) in [
        ("*", r"uid=*"),
        ("alice)(uid=*", "uid=alice)(uid=*"),
        (r"\2a", r"uid=\\2a"),
        ("#", r"uid=\#"),
        ("alice,ou=Users", r"uid=alice\,ou=Users"),
        ("alice+cn=x", r"uid=alice\+cn\=x"),
        ("zo\u{eb}", "uid=zo\u{eb}"),
    ] {
        let dn = format!("{dn},{USERS}");
        directory.add(
            TestEntry::new(dn.clone())
                .attribute("uid", [name])
                .attribute("objectClass", ["person"])
                .password("own"),
        );
        directory.add_group(&group("odd"), [dn.as_str()]);
        sheet.row(
            format!("`{name}`, who is there, with the own password"),
            told(&site, name, "own").await,
            format!("200 {name} [odd]"),
        );
        sheet.row(
            format!("`{name}`, who is there, with that of alice"),
            told(&site, name, "alice@123").await,
            "401 wrong-password",
        );
        directory.remove(&group("odd"));
    }
    sheet.row("alice", told(&site, "alice", "alice@123").await, "200 alice [hello]");
    sheet.shown_by(
        "slapd",
        "tests/tests/ldap/names.rs::hostile_names_find_nobody_and_then_exactly_the_user_so_named",
    );
    sheet.shown_by("any name at all", "crates/providers/ldap/src/filter.rs::every_name_is_one_value");
    sheet.settle();
}

#[tokio::test]
async fn line_39_who_is_not_exactly_one_entry_is_nobody() {
    let mut sheet = Sheet::new(39, "Searches that find none, two, or somebody elsewhere");
    let (directory, site) = started("").await;
    sheet.row("one entry", told(&site, "alice", "alice@123").await, "200 alice [hello]");
    sheet.row("none", told(&site, "nobody", "alice@123").await, "401 unknown-user");
    for base in ["North", "South"] {
        directory.add(
            TestEntry::new(format!("uid=twin,ou={base},{USERS}"))
                .attribute("uid", ["twin"])
                .attribute("objectClass", ["person"])
                .password("twin@123"),
        );
    }
    sheet.row("two, which share a password", told(&site, "twin", "twin@123").await, "401 ambiguous-user");
    directory.add_referral(&format!("ou=Far,{USERS}"), "ldap://far.example/ou=Far");
    sheet.row("one, beside a referral", told(&site, "alice", "alice@123").await, "200 alice [hello]");
    sheet.row("none, beside a referral", told(&site, "nobody", "alice@123").await, "401 unknown-user");
    for (code, what, expected) in [
        (10, "a referral as the result", "503 unavailable"),
        (4, "more than the server may give", "503 unusable-answer"),
        (3, "more time than the server has", "503 unusable-answer"),
        (11, "an administrative limit", "503 unusable-answer"),
    ] {
        directory.answer_search(USERS, code, "");
        sheet.row(what, told(&site, "alice", "alice@123").await, expected);
        directory.recover();
    }
    directory.answer_search(GROUPS, 4, "");
    sheet.row(
        "groups of which some are missing",
        told(&site, "alice", "alice@123").await,
        "503 unusable-answer",
    );
    directory.recover();
    sheet.row("afterwards", told(&site, "alice", "alice@123").await, "200 alice [hello]");
    sheet.shown_by(
        "a server that gives more entries than were wanted",
        &format!("{PROVIDER}/names.rs::a_server_that_ignores_the_size_limit_makes_nobody_known"),
    );
    sheet.settle();
}

#[tokio::test]
async fn line_40_nothing_is_searched_on_a_users_connection() {
    let mut sheet = Sheet::new(40, "Connections on which a user was bound");
    let (directory, site) = started("").await;
    for _ in 0..10 {
        for (name, password, expected) in
            [("alice", "alice@123", 200), ("bob", "bob@123", 200), ("alice", "wrong", 401)]
        {
            assert_eq!(site.login(name, password).await.status, expected);
        }
    }
    let mut users = std::collections::BTreeSet::new();
    let mut service = std::collections::BTreeSet::new();
    for request in directory.requests() {
        match request.operation {
            DirectoryOperation::Bind { dn, .. } if dn == SERVICE => service.insert(request.connection),
            DirectoryOperation::Bind { .. } => users.insert(request.connection),
            DirectoryOperation::Search { .. } => service.insert(request.connection),
            _ => false,
        };
    }
    assert!(!users.is_empty() && !service.is_empty());
    sheet.row("thirty logins of two users, one of three with a wrong password: connections that served a user and a search", users.intersection(&service).count(), 0);
    sheet.shown_by(
        "ten thousand logins on slapd",
        "tests/tests/ldap/pool.rs::ten_thousand_logins_leave_no_more_than_max_connections_open_at_any_time",
    );
    sheet.shown_by("logins that are given up half way", &format!("{PROVIDER}/cancellation.rs::logins_that_are_given_up_leave_no_answer_to_others_and_take_no_place_with_them"));
    sheet.settle();
}

#[tokio::test]
async fn line_41_a_directory_that_is_away_is_no_wrong_password_and_no_reason_for_clear_text() {
    let mut sheet = Sheet::new(41, "Directories that vanish, hang, or are not who they say");
    let (directory, site) = started("").await;
    let good = "200 alice [hello]";
    sheet.row("a directory that is well", told(&site, "alice", "alice@123").await, good);
    directory.drop_connections().await;
    sheet.row(
        "idle connections that were reset, the next login",
        told(&site, "alice", "alice@123").await,
        good,
    );
    directory.half_close().await;
    sheet.row("idle connections that were closed on one side", told(&site, "alice", "alice@123").await, good);
    directory.disconnect_with_notice().await;
    sheet.row(
        "idle connections that were closed with a notice",
        told(&site, "alice", "alice@123").await,
        good,
    );
    directory.drop_connections().await;
    sheet.row("the same, with a wrong password", told(&site, "alice", "wrong").await, "401 wrong-password");
    let hold = directory.hold();
    let begun = Instant::now();
    sheet.row(
        "a directory that does not answer, with the right password",
        told(&site, "alice", "alice@123").await,
        "503 timed-out",
    );
    sheet.row("with a wrong one", told(&site, "alice", "wrong").await, "503 timed-out");
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    hold.release();
    sheet.row("when it goes on", told(&site, "alice", "alice@123").await, good);
    directory.go_down().await;
    sheet.row("a directory that is away", told(&site, "alice", "alice@123").await, "503 unavailable");
    directory.come_back().await;
    sheet.row("when it is back", told(&site, "alice", "alice@123").await, good);

    let proxy = FaultProxy::start(directory.address()).await;
    let silent = telling(&element(&format!("ldap://{}", proxy.address()), "")).await;
    sheet.row("through a balancer", told(&silent, "alice", "alice@123").await, good);
    proxy.set(Fault::BlackHole).await;
    sheet.row(
        "a balancer that drops kept connections in silence",
        told(&silent, "alice", "alice@123").await,
        "503 timed-out",
    );
    proxy.set(Fault::None).await;
    sheet.row("when it has found another server", told(&silent, "alice", "alice@123").await, good);

    let second = TestDirectory::start().await;
    fill(&second);
    let both = telling(&element(&format!("{} {}", directory.url(), second.url()), "")).await;
    directory.go_down().await;
    sheet.row("the first of two is away", told(&both, "alice", "alice@123").await, good);
    directory.come_back().await;

    let (folder, tls) = (temp_dir(), TestTls::self_signed());
    let authority = write(&folder, "ca.crt", tls.certificate_pem().unwrap());
    let secure = TestDirectory::builder().start_tls(tls).start().await;
    fill(&secure);
    let encrypted = telling(&element(
        &secure.url(),
        &format!("startTls = true, secureSocket = {{ cert = {authority:?} }}"),
    ))
    .await;
    secure.refuse_start_tls(52, "not now");
    sheet.row("StartTLS that is refused", told(&encrypted, "alice", "alice@123").await, "503 unavailable");
    sheet.row("passwords that were sent in clear then", secure.binds(), 0);
    secure.recover();
    sheet.row("StartTLS that is granted", told(&encrypted, "alice", "alice@123").await, good);
    assert!(secure.requests().iter().filter(|request| request.is_bind()).all(|request| request.encrypted));
    sheet.shown_by(
        "a certificate for another host, of slapd",
        "tests/tests/ldap/tls.rs::a_certificate_for_another_host_is_refused_and_no_password_is_sent",
    );
    sheet.settle();
}

#[tokio::test]
async fn line_41_a_directory_with_another_name_in_its_certificate_is_not_shown_a_password() {
    let mut slapd = Slapd::builder().certificate_for("directory.elsewhere.example").start();
    let more = format!("secureSocket = {{ cert = {:?} }}", slapd.certificate());
    let site = telling(&element(&slapd.url(Transport::Ldaps), &more)).await;
    assert_eq!(told(&site, "alice", "alice@123").await, "503 unavailable");
    assert_eq!(slapd.traffic().binds(SERVICE), 0);
}
