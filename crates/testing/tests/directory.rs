//! The directory for tests, asked by a client that is not ours.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::time::Duration;

use ldap3::{Ldap, LdapConnAsync, LdapError, Scope, SearchEntry, adapters::PagedResults};
use portcullis_testing::{DirectoryOperation, TestDirectory, TestEntry};

const USERS: &str = "ou=Users,dc=example,dc=org";
const SERVICE: &str = "cn=service,dc=example,dc=org";

/// What it is asked with: bound as the service.
async fn client(directory: &TestDirectory) -> Ldap {
    let mut client = nobody(directory).await;
    client.simple_bind(SERVICE, "secret").await.unwrap().success().unwrap();
    client
}

async fn nobody(directory: &TestDirectory) -> Ldap {
    let (connection, client) = LdapConnAsync::new(&directory.url()).await.unwrap();
    ldap3::drive!(connection);
    client
}

fn fill(directory: &TestDirectory) {
    directory.add(TestEntry::new(SERVICE).password("secret"));
    directory.add_ldif(
        "dn: uid=alice,ou=Users,dc=example,dc=org\n\
         objectClass: inetOrgPerson\n\
         cn: Alice Smith\n\
         sn: Smith\n\
         mail: alice@example.org\n\
         userPassword: wonderland\n\n\
         dn: uid=bob,ou=Users,dc=example,dc=org\n\
         objectClass: inetOrgPerson\n\
         cn: Bob\n\
         userPassword: {SSHA}XuqZo8Cby0+8guq9OzyThG7lmKRzYWx0\n",
    );
    directory
        .add_group("cn=admin,ou=Groups,dc=example,dc=org", ["uid=alice,ou=Users,dc=example,dc=org", SERVICE]);
}

async fn started() -> TestDirectory {
    let directory = TestDirectory::start().await;
    fill(&directory);
    directory
}

async fn search(client: &mut Ldap, base: &str, scope: Scope, filter: &str) -> (u32, Vec<String>) {
    let found = client.search(base, scope, filter, ["*"]).await.unwrap();
    (found.1.rc, found.0.into_iter().map(|entry| SearchEntry::construct(entry).dn).collect())
}

async fn bind(directory: &TestDirectory, dn: &str, password: &str) -> (u32, String) {
    let mut client = nobody(directory).await;
    let result = client.simple_bind(dn, password).await.unwrap();
    (result.rc, result.text)
}

#[tokio::test]
async fn a_bind_succeeds_by_its_password_and_by_nothing_else() {
    let directory = started().await;
    for (dn, password, code) in [
        ("uid=alice,ou=Users,dc=example,dc=org", "wonderland", 0),
        ("UID=Alice, OU=users,DC=example,DC=org", "wonderland", 0),
        ("uid=bob,ou=Users,dc=example,dc=org", "builder", 0),
        ("uid=bob,ou=Users,dc=example,dc=org", "Builder", 49),
        ("uid=alice,ou=Users,dc=example,dc=org", "Wonderland", 49),
        ("uid=carol,ou=Users,dc=example,dc=org", "wonderland", 49),
        ("ou=Users,dc=example,dc=org", "wonderland", 49),
        ("uid=alice,ou=Users,dc=example,dc=org", "", 53),
        ("alice", "wonderland", 34),
        ("", "wonderland", 49),
        ("", "", 0),
    ] {
        assert_eq!(bind(&directory, dn, password).await.0, code, "{dn:?} {password:?}");
    }
    directory.set_password("uid=alice,ou=Users,dc=example,dc=org", "new");
    assert_eq!(bind(&directory, "uid=alice,ou=Users,dc=example,dc=org", "wonderland").await.0, 49);
    assert_eq!(bind(&directory, "uid=alice,ou=Users,dc=example,dc=org", "new").await.0, 0);
    assert_eq!(directory.binds(), 13);
}

#[tokio::test]
async fn a_search_keeps_to_its_base_its_scope_and_its_filter() {
    let directory = started().await;
    let mut client = client(&directory).await;
    let (alice, bob) = ("uid=alice,ou=Users,dc=example,dc=org", "uid=bob,ou=Users,dc=example,dc=org");
    for (base, scope, filter, expected) in [
        (USERS, Scope::Subtree, "(objectClass=inetOrgPerson)", (0, vec![alice, bob])),
        (USERS, Scope::OneLevel, "(uid=ALICE)", (0, vec![alice])),
        (USERS, Scope::Base, "(uid=alice)", (0, vec![])),
        (alice, Scope::Base, "(objectClass=*)", (0, vec![alice])),
        ("dc=example,dc=org", Scope::OneLevel, "(objectClass=*)", (0, vec![])),
        ("dc=example,dc=org", Scope::OneLevel, "(cn=*)", (0, vec![SERVICE])),
        (USERS, Scope::Subtree, "(|(uid=b*b)(cn=*smi*))", (0, vec![alice, bob])),
        (USERS, Scope::Subtree, r"(uid=\2a)", (0, vec![])),
        ("ou=Nowhere,dc=example,dc=org", Scope::Subtree, "(uid=alice)", (32, vec![])),
        ("nowhere", Scope::Subtree, "(uid=alice)", (34, vec![])),
    ] {
        let found = search(&mut client, base, scope, filter).await;
        let expected = (expected.0, expected.1.into_iter().map(str::to_owned).collect());
        assert_eq!(found, expected, "{base} {filter}");
    }
}

#[tokio::test]
async fn only_the_attributes_that_are_asked_for_are_shown_and_never_a_password() {
    let directory = TestDirectory::builder().member_of().start().await;
    fill(&directory);
    let mut client = client(&directory).await;
    let mut shown = async |attributes: &[&str]| {
        let found = client.search(USERS, Scope::Subtree, "(uid=alice)", attributes.to_vec()).await.unwrap();
        let entry = SearchEntry::construct(found.0.into_iter().next().unwrap());
        let mut names: Vec<String> = entry.attrs.into_keys().collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(shown(&["*"]).await, "cn mail objectClass sn uid");
    assert_eq!(shown(&[]).await, "cn mail objectClass sn uid");
    assert_eq!(shown(&["CN", "userPassword", "none"]).await, "cn");
    assert_eq!(shown(&["1.1"]).await, "");
    assert_eq!(shown(&["memberOf"]).await, "memberOf");
    assert_eq!(shown(&["uid", "+"]).await, "entryDN memberOf uid");
}

#[tokio::test]
async fn whoever_is_not_bound_may_read_what_the_directory_can_do_and_no_more() {
    let directory = started().await;
    let mut client = nobody(&directory).await;
    assert_eq!(search(&mut client, USERS, Scope::Subtree, "(uid=alice)").await.0, 50);
    let root = client.search("", Scope::Base, "(objectClass=*)", ["*"]).await.unwrap().success().unwrap().0;
    let root = SearchEntry::construct(root.into_iter().next().unwrap());
    assert_eq!(root.attrs["supportedLDAPVersion"], ["3"]);
    assert_eq!(root.attrs["supportedControl"], ["1.2.840.113556.1.4.319"]);
    // A bind that failed leaves nobody behind.
    client.simple_bind(SERVICE, "secret").await.unwrap().success().unwrap();
    assert_eq!(search(&mut client, USERS, Scope::Subtree, "(uid=alice)").await.0, 0);
    assert_eq!(client.simple_bind(SERVICE, "wrong").await.unwrap().rc, 49);
    assert_eq!(search(&mut client, USERS, Scope::Subtree, "(uid=alice)").await.0, 50);

    let open = TestDirectory::builder().allow_anonymous_search().start().await;
    fill(&open);
    assert_eq!(search(&mut nobody(&open).await, USERS, Scope::Subtree, "(uid=alice)").await.1.len(), 1);
}

#[tokio::test]
async fn a_bind_without_a_password_succeeds_where_that_is_allowed_as_nobody() {
    let directory = TestDirectory::builder().allow_unauthenticated_bind().start().await;
    fill(&directory);
    let mut client = nobody(&directory).await;
    assert_eq!(client.simple_bind(SERVICE, "").await.unwrap().rc, 0);
    assert_eq!(search(&mut client, USERS, Scope::Subtree, "(uid=alice)").await.0, 50);
}

#[tokio::test]
async fn it_behaves_as_active_directory_does_when_it_is_told_to() {
    let directory = TestDirectory::builder().active_directory().max_values(2).start().await;
    fill(&directory);
    let alice = "uid=alice,ou=Users,dc=example,dc=org";
    directory
        .add(TestEntry::new(SERVICE).password("secret").attribute("userPrincipalName", ["svc@example.org"]));
    directory.add_group("cn=staff,ou=Groups,dc=example,dc=org", ["cn=admin,ou=Groups,dc=example,dc=org"]);
    directory.add_group("cn=big,ou=Groups,dc=example,dc=org", ["cn=a,dc=x", "cn=b,dc=x", "cn=c,dc=x"]);

    let (code, text) = bind(&directory, alice, "wrong").await;
    assert_eq!(code, 49);
    assert!(text.contains("data 52e,"), "{text}");
    assert!(bind(&directory, "uid=none,dc=example,dc=org", "x").await.1.contains("data 525,"));
    directory.answer_bind(alice, 49, &TestDirectory::active_directory_text("775"));
    assert!(bind(&directory, alice, "wonderland").await.1.contains("data 775,"));
    assert_eq!(bind(&directory, "SVC@example.org", "secret").await.0, 0);
    let (code, _) = search(&mut nobody(&directory).await, USERS, Scope::Subtree, "(uid=alice)").await;
    assert_eq!(code, 1);

    let mut client = client(&directory).await;
    let chain = format!("(member:1.2.840.113556.1.4.1941:={alice})");
    let (_, mut groups) = search(&mut client, "dc=example,dc=org", Scope::Subtree, &chain).await;
    groups.sort();
    assert_eq!(groups, ["cn=admin,ou=Groups,dc=example,dc=org", "cn=staff,ou=Groups,dc=example,dc=org"]);
    let root = client.search("", Scope::Base, "(objectClass=*)", ["*"]).await.unwrap().success().unwrap().0;
    let root = SearchEntry::construct(root.into_iter().next().unwrap());
    assert!(root.attrs["supportedCapabilities"].contains(&"1.2.840.113556.1.4.800".to_owned()));

    let mut range = async |asked: &str| {
        let base = "cn=big,ou=Groups,dc=example,dc=org";
        let found = client.search(base, Scope::Base, "(cn=*)", [asked]).await.unwrap().success().unwrap();
        SearchEntry::construct(found.0.into_iter().next().unwrap()).attrs
    };
    assert_eq!(range("member").await["member;range=0-1"], ["cn=a,dc=x", "cn=b,dc=x"]);
    assert_eq!(range("member;range=2-*").await["member;range=2-*"], ["cn=c,dc=x"]);
}

#[tokio::test]
async fn a_search_is_limited_by_the_server_and_by_the_client_and_pages_get_all() {
    let directory = TestDirectory::builder().max_entries(3).start().await;
    fill(&directory);
    for number in 0..7 {
        directory.add_user(&format!("uid=u{number},ou=Users,dc=example,dc=org"), "x");
    }
    let mut client = client(&directory).await;
    let (code, found) = search(&mut client, USERS, Scope::Subtree, "(uid=u*)").await;
    assert_eq!((code, found.len()), (4, 3));
    let options = ldap3::SearchOptions::new().sizelimit(2);
    let (code, found) = search(client.with_search_options(options), USERS, Scope::Subtree, "(uid=u*)").await;
    assert_eq!((code, found.len()), (4, 2));
    let (code, found) = search(&mut client, USERS, Scope::Subtree, "(uid=u1)").await;
    assert_eq!((code, found.len()), (0, 1));

    let pages: Vec<Box<dyn ldap3::adapters::Adapter<'_, _, _>>> = vec![Box::new(PagedResults::new(2))];
    let mut stream =
        client.streaming_search_with(pages, USERS, Scope::Subtree, "(uid=u*)", vec!["uid"]).await.unwrap();
    let mut all = 0;
    while stream.next().await.unwrap().is_some() {
        all += 1;
    }
    assert_eq!((all, stream.finish().await.rc), (7, 0));
}

#[tokio::test]
async fn what_is_held_elsewhere_is_referred_to() {
    let directory = started().await;
    directory.add_referral("ou=Far,ou=Users,dc=example,dc=org", "ldap://far.example.org/ou=Far");
    let mut client = client(&directory).await;
    let found = client.search(USERS, Scope::Subtree, "(uid=*)", ["uid"]).await.unwrap();
    // The client puts the references beside the result.
    assert_eq!((found.0.len(), found.1.rc), (2, 0));
    assert_eq!(found.1.refs, ["ldap://far.example.org/ou=Far"]);
    let found = client.search("ou=Far,ou=Users,dc=example,dc=org", Scope::Subtree, "(uid=*)", ["uid"]).await;
    let result = found.unwrap().1;
    assert_eq!((result.rc, result.refs), (10, vec!["ldap://far.example.org/ou=Far".to_owned()]));
}

#[tokio::test]
async fn what_a_test_says_is_answered_until_it_is_taken_back() {
    let directory = started().await;
    let alice = "uid=alice,ou=Users,dc=example,dc=org";
    directory.answer_bind("UID=alice,ou=Users,dc=example,dc=org", 53, "not now");
    assert_eq!(bind(&directory, alice, "wonderland").await, (53, "not now".to_owned()));
    let mut client = client(&directory).await;
    directory.answer_search(USERS, 51, "busy");
    assert_eq!(search(&mut client, USERS, Scope::Subtree, "(uid=alice)").await, (51, vec![]));
    assert_eq!(search(&mut client, alice, Scope::Base, "(uid=alice)").await.0, 0);
    directory.fail_with(52, "going down");
    assert_eq!(bind(&directory, "uid=bob,ou=Users,dc=example,dc=org", "builder").await.0, 52);
    assert_eq!(search(&mut client, alice, Scope::Base, "(uid=alice)").await.0, 52);
    directory.recover();
    assert_eq!(bind(&directory, alice, "wonderland").await.0, 0);
    assert_eq!(search(&mut client, USERS, Scope::Subtree, "(uid=alice)").await.1, [alice]);
}

#[tokio::test]
async fn every_request_is_remembered_with_its_connection_and_as_whom_it_came() {
    let directory = started().await;
    let mut first = client(&directory).await;
    let mut second = client(&directory).await;
    search(&mut second, USERS, Scope::Subtree, r"(&(uid=a\2a)(cn=*))").await;
    first.unbind().await.unwrap();
    directory.closed_down_to(1).await;
    let requests = directory.requests();
    let last = &requests[2];
    assert_eq!((last.connection, last.bound_as.as_deref(), last.encrypted), (2, Some(SERVICE), false));
    let DirectoryOperation::Search { base, scope, filter, .. } = &last.operation else { panic!("{last:?}") };
    assert_eq!((base.as_str(), *scope, filter.as_str()), (USERS, "sub", r"(&(uid=a\2a)(cn=*))"));
    assert_eq!(requests[3].operation, DirectoryOperation::Unbind);
    assert_eq!((directory.binds(), directory.searches()), (2, 1));
    assert_eq!(
        (directory.connections(), directory.open_connections(), directory.peak_connections()),
        (2, 1, 2)
    );
}

#[tokio::test]
async fn requests_are_held_and_answered_when_that_ends() {
    let directory = started().await;
    let mut client = client(&directory).await;
    let hold = directory.hold();
    let asked = tokio::spawn(async move { search(&mut client, USERS, Scope::Subtree, "(uid=alice)").await });
    directory.searched(1).await;
    assert!(!asked.is_finished());
    hold.release();
    assert_eq!(asked.await.unwrap().1.len(), 1);
}

#[tokio::test]
async fn it_goes_away_and_comes_back_on_its_port() {
    let directory = started().await;
    let mut before = client(&directory).await;
    directory.go_down().await;
    assert_eq!(directory.open_connections(), 0);
    assert!(before.search(USERS, Scope::Subtree, "(uid=alice)", ["uid"]).await.is_err());
    assert!(matches!(LdapConnAsync::new(&directory.url()).await, Err(LdapError::Io { .. })));
    directory.come_back().await;
    assert_eq!(search(&mut client(&directory).await, USERS, Scope::Subtree, "(uid=alice)").await.1.len(), 1);
}

#[tokio::test]
async fn connections_are_dropped_half_closed_and_closed_with_a_notice() {
    let directory = started().await;
    let mut dropped = client(&directory).await;
    directory.drop_connections().await;
    assert_eq!(directory.open_connections(), 0);
    assert!(dropped.search(USERS, Scope::Subtree, "(uid=alice)", ["uid"]).await.is_err());

    let mut half = tokio::net::TcpStream::connect(directory.address()).await.unwrap();
    // A whole bind as nobody, so that the connection is known to be served.
    let bind = b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00";
    tokio::io::AsyncWriteExt::write_all(&mut half, bind).await.unwrap();
    directory.bound(2).await;
    directory.half_close().await;
    assert_eq!(directory.open_connections(), 1);
    let mut answer = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut half, &mut answer).await.unwrap();
    // It still reads, and answers nothing.
    tokio::io::AsyncWriteExt::write_all(&mut half, bind).await.unwrap();
    directory.bound(3).await;
    drop(half);
    directory.closed_down_to(0).await;

    let mut noticed = client(&directory).await;
    directory.disconnect_with_notice().await;
    assert!(noticed.search(USERS, Scope::Subtree, "(uid=alice)", ["uid"]).await.is_err());
    assert_eq!(search(&mut client(&directory).await, USERS, Scope::Subtree, "(uid=alice)").await.1.len(), 1);
}

#[tokio::test]
async fn garbage_is_answered_where_the_test_says_so_and_garbage_from_a_client_ends_the_connection() {
    let directory = started().await;
    let mut asking = client(&directory).await;
    directory.answer_garbage();
    let answer = tokio::time::timeout(
        Duration::from_secs(60),
        asking.search(USERS, Scope::Subtree, "(uid=alice)", ["uid"]),
    );
    assert!(answer.await.expect("it is wrong at once").is_err());
    directory.recover();
    let mut client = tokio::net::TcpStream::connect(directory.address()).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut client, b"GET / HTTP/1.1\r\n\r\n\x02\x01\x05").await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut client, &[0x20; 128]).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::io::AsyncReadExt::read_to_end(&mut client, &mut answer).await;
    assert!(read.is_err() || String::from_utf8_lossy(&answer).contains("this is no LDAP"));
}

#[tokio::test]
async fn what_is_not_known_is_refused_and_ends_nothing() {
    let directory = started().await;
    let mut client = client(&directory).await;
    let deleted = client.delete("uid=bob,ou=Users,dc=example,dc=org").await.unwrap();
    assert_eq!(deleted.rc, 53);
    let critical = ldap3::controls::RawControl { ctype: "1.2.3.4".to_owned(), crit: true, val: None };
    let (code, _) = search(client.with_controls(critical), USERS, Scope::Subtree, "(uid=alice)").await;
    assert_eq!(code, 12);
    let me = client.extended(ldap3::exop::WhoAmI).await.unwrap().0.parse::<ldap3::exop::WhoAmIResp>();
    assert_eq!(me.authzid, format!("dn:{SERVICE}"));
    assert_eq!(directory.connections(), 1);
}

#[tokio::test]
#[should_panic(expected = "line 2 of the LDIF: no colon")]
async fn ldif_that_cannot_be_read_is_refused() {
    TestDirectory::start().await.add_ldif("dn: dc=x\nnonsense");
}

#[tokio::test]
#[should_panic(expected = "9 is no result code of LDAP")]
async fn a_code_that_ldap_does_not_have_is_refused() {
    TestDirectory::start().await.answer_bind("dc=x", 9, "");
}
