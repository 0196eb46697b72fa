//! The ready configurations of docs/ldap.md, each against a directory that is set up as that kind is.

use portcullis::{Config, RequestHead};
use portcullis_testing::{TestDirectory, TestDirectoryBuilder, TestEntry, TestTls};
use portcullis_tests::{temp_dir, write};

use crate::service::basic;

const PAGE: &str = include_str!("../../../docs/ldap.md");

/// The configuration below a heading.
fn ready(heading: &str) -> &'static str {
    let (_, section) = PAGE.split_once(&format!("\n## {heading}\n")).unwrap();
    let (_, text) = section.split_once("```toml\n").unwrap();
    text.split_once("```").unwrap().0
}

/// Replaces the value of `connectionUrl`.
fn with_url(text: &str, url: &str) -> String {
    let lines = text.lines().map(|line| match line.trim_start().strip_prefix("connectionUrl = ") {
        Some(_) => format!("connectionUrl = \"{url}\","),
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Starts a directory, fills it, and logs in by the configuration below a heading: `alice:wonderland` is let in, `bob:builder`
/// is known and not let in.
async fn serves(
    heading: &str,
    directory: impl FnOnce(TestDirectoryBuilder, TestTls) -> TestDirectoryBuilder,
    fill: impl FnOnce(&TestDirectory),
) -> TestDirectory {
    let (folder, tls) = (temp_dir(), TestTls::self_signed());
    write(&folder, "tls/directory-ca.crt", tls.certificate_pem().unwrap());
    write(&folder, "secrets/directory-password", "secret of the service\n");
    let directory = directory(TestDirectory::builder(), tls).start().await;
    fill(&directory);

    // As it stands, and then with the address changed.
    Config::parse(ready(heading), folder.path()).unwrap_or_else(|error| panic!("{heading}: {error:?}"));
    let config = Config::parse(&with_url(ready(heading), &directory.url()), folder.path()).unwrap();
    assert_eq!(config.warnings().len(), 0, "{heading}: {:?}", config.warnings());
    let auth = config.service("/orders").unwrap().build().await.unwrap();
    for (user, password, status) in [
        ("alice", "wonderland", None),
        ("ALICE", "wonderland", None),
        ("alice", "builder", Some(401)),
        ("bob", "builder", Some(403)),
        ("*", "wonderland", Some(401)),
    ] {
        let mut headers = http::HeaderMap::new();
        headers.insert("authorization", basic(user, password).parse().unwrap());
        let decision = auth.decided(&RequestHead::new(&http::Method::GET, "/orders", &headers)).await;
        let found = decision.err().map(|rejection| rejection.status().as_u16());
        assert_eq!(found, status, "{heading}: {user}");
    }
    assert!(directory.requests().iter().filter(|request| request.is_bind()).all(|bind| bind.encrypted));
    directory
}

fn service(dn: &str) -> TestEntry {
    TestEntry::new(dn).password("secret of the service")
}

fn person(dn: &str, password: &str, classes: &[&str]) -> TestEntry {
    TestEntry::new(dn).attribute("objectClass", classes.iter().copied()).password(password)
}

#[tokio::test]
async fn openldap() {
    serves("OpenLDAP", TestDirectoryBuilder::start_tls, |directory| {
        directory.add(service("cn=orders,ou=Services,dc=example,dc=org"));
        let alice = "uid=alice,ou=People,dc=example,dc=org";
        directory.add_user(alice, "wonderland");
        directory.add_user("uid=bob,ou=People,dc=example,dc=org", "builder");
        directory.add_group("cn=sales,ou=Groups,dc=example,dc=org", [alice]);
    })
    .await;
}

#[tokio::test]
async fn active_directory() {
    let directory = serves(
        "Active Directory",
        |builder, tls| builder.active_directory().ldaps(tls),
        |directory| {
            let upn = ["svc-orders@corp.example.com"];
            let dn = "CN=Orders,OU=Services,DC=corp,DC=example,DC=com";
            directory.add(service(dn).attribute("userPrincipalName", upn));
            let user = |dn: &str, name: &str, password: &str| {
                let classes = ["top", "person", "organizationalPerson", "user"];
                let entry = person(dn, password, &classes).attribute("objectCategory", ["person"]);
                directory.add(entry.attribute("sAMAccountName", [name]));
            };
            let alice = r"CN=Liddell\, Alice,OU=Staff,DC=corp,DC=example,DC=com";
            user(alice, "alice", "wonderland");
            user("CN=Bob,OU=Staff,DC=corp,DC=example,DC=com", "bob", "builder");
            let group = |dn: &str, member: &str| {
                directory.add(
                    TestEntry::new(dn).attribute("objectClass", ["group"]).attribute("member", [member]),
                );
            };
            group("CN=Sales North,OU=Groups,DC=corp,DC=example,DC=com", alice);
            group(
                "CN=Sales,OU=Groups,DC=corp,DC=example,DC=com",
                "CN=Sales North,OU=Groups,DC=corp,DC=example,DC=com",
            );
        },
    )
    .await;
    assert!(format!("{:?}", directory.requests()).contains("1.2.840.113556.1.4.1941"));
}

#[tokio::test]
async fn apache_ds() {
    serves("ApacheDS", TestDirectoryBuilder::ldaps, |directory| {
        directory.add(service("uid=admin,ou=system"));
        let alice = "uid=alice,ou=users,dc=example,dc=com";
        directory.add(person(alice, "wonderland", &["person"]));
        directory.add(person("uid=bob,ou=users,dc=example,dc=com", "builder", &["person"]));
        directory.add(
            TestEntry::new("cn=sales,ou=groups,dc=example,dc=com")
                .attribute("objectClass", ["groupOfUniqueNames"])
                .attribute("uniqueMember", [alice]),
        );
    })
    .await;
}

#[tokio::test]
async fn free_ipa() {
    serves("FreeIPA", TestDirectoryBuilder::ldaps, |directory| {
        directory.add(service("uid=orders,cn=sysaccounts,cn=etc,dc=example,dc=org"));
        let groups = "cn=groups,cn=accounts,dc=example,dc=org";
        let alice =
            person("uid=alice,cn=users,cn=accounts,dc=example,dc=org", "wonderland", &["posixAccount"]);
        directory.add(alice.attribute(
            "memberOf",
            [format!("cn=sales,{groups}"), "cn=helpdesk,cn=roles,cn=accounts,dc=example,dc=org".to_owned()],
        ));
        let bob = person("uid=bob,cn=users,cn=accounts,dc=example,dc=org", "builder", &["posixAccount"]);
        // A role of the name that a group should have.
        directory.add(bob.attribute("memberOf", ["cn=sales,cn=roles,cn=accounts,dc=example,dc=org"]));
        for dn in [format!("cn=sales,{groups}"), "cn=sales,cn=roles,cn=accounts,dc=example,dc=org".to_owned()]
        {
            directory.add(TestEntry::new(dn).attribute("objectClass", ["ipaUserGroup"]));
        }
    })
    .await;
}
