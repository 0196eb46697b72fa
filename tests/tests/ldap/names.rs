//! User names that are more than names: they find nobody, or exactly the user so named.

use portcullis_tests::{Slapd, Transport};

use crate::gateway::Gateway;
use crate::record::Record;
use crate::service::Service;

const USERS: &str = "ou=Users,dc=ballerina,dc=io";

/// Names that a careless filter would take for more, and how each stands in a distinguished name; `None` where no directory
/// holds it.
const HOSTILE: [(&str, Option<&str>); 12] = [
    ("*", Some("*")),
    ("alice)(uid=*", Some("alice)(uid=*")),
    (r"\2a", Some(r"\\2a")),
    ("#", Some(r"\#")),
    ("a*", Some("a*")),
    ("*)(objectClass=*", Some("*)(objectClass=*")),
    (r"alice\", Some(r"alice\\")),
    ("?", Some("?")),
    ("alice,ou=Users", Some(r"alice\,ou=Users")),
    ("alice)(|(uid=*))", Some("alice)(|(uid=*))")),
    ("alice\0", None),
    ("al\nice", None),
];

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_find_nobody_and_then_exactly_the_user_so_named() {
    let slapd = Slapd::start();
    for transport in Transport::ALL {
        let service = Service::new(&Record::of(&slapd, transport).element()).await;
        for (name, _) in HOSTILE {
            for password in ["alice@123", "bob@123"] {
                assert_eq!(service.status(name, password).await, 401, "{name:?} over {transport:?}");
            }
        }
    }
    for (number, (name, escaped)) in HOSTILE.iter().enumerate() {
        if let Some(escaped) = escaped {
            slapd.add(&format!(
                "dn: uid={escaped},{USERS}\nobjectClass: inetOrgPerson\nuid: {name}\ncn: x\nsn: x\nuserPassword: own@{number}\n"
            ));
        }
    }
    for transport in Transport::ALL {
        let service = Service::new(&Record::of(&slapd, transport).element()).await;
        for (number, (name, escaped)) in HOSTILE.into_iter().enumerate() {
            let own = format!("own@{number}");
            match escaped {
                Some(_) => assert_eq!(service.told(name, &own).await, format!("{name} of ballerina.io: ")),
                None => assert_eq!(service.status(name, &own).await, 401, "{name:?}"),
            }
            assert_eq!(service.status(name, "alice@123").await, 401, "{name:?} over {transport:?}");
        }
        assert_eq!(service.status("alice", "alice@123").await, 200);
    }
}

#[test]
fn hostile_names_find_nobody_through_the_program() {
    let slapd = Slapd::start();
    let gateway = Gateway::start(&Record::of(&slapd, Transport::Plain).element());
    for (name, _) in HOSTILE {
        assert_eq!(gateway.status(name, "alice@123"), 401, "{name:?}");
    }
    assert_eq!(gateway.status("alice", "alice@123"), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_with_white_space_around_it_is_refused_before_anybody_is_asked() {
    let mut slapd = Slapd::start();
    let service = Service::new(&Record::of(&slapd, Transport::Plain).element()).await;
    for name in [" alice", "alice ", "\talice", "alice\u{a0}", "\u{3000}alice"] {
        assert_eq!(service.status(name, "alice@123").await, 401, "{name:?}");
    }
    assert_eq!(slapd.traffic().searches("ou=users,dc=ballerina,dc=io"), 0);
    // The pair: slapd itself takes the name for alice's.
    assert_eq!(service.status("alice", "alice@123").await, 200);
    let traffic = slapd.traffic();
    assert!(traffic.all().any(
        |seen| matches!(seen, portcullis_tests::Seen::Search(_, filter) if filter.contains("uid=alice"))
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_principal_has_the_spelling_of_the_directory() {
    let slapd = Slapd::start();
    for transport in Transport::ALL {
        let service = Service::new(&Record::of(&slapd, transport).element()).await;
        for typed in ["alice", "ALICE", "Alice", "ａｌｉｃｅ", "ＡＬＩＣＥ"] {
            let told = service.told(typed, "alice@123").await;
            assert_eq!(told, "alice of ballerina.io: admin hello", "{typed} over {transport:?}");
        }
        assert_eq!(service.told("ZOË", "pässwörd").await, "zoë of ballerina.io: hello");
        assert_eq!(service.status("ALICE", "ALICE@123").await, 401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_may_stand_in_another_attribute_than_the_one_that_is_searched() {
    let slapd = Slapd::start();
    let record = Record::of(&slapd, Transport::Plain)
        .text("userNameAttribute", "cn")
        .text("userNameSearchFilter", "(|(uid=?)(cn=?))");
    let service = Service::new(&record.element()).await;
    assert_eq!(service.told("john", "john@123").await, "Smith, John (Ops) *star* of ballerina.io: hello");
    let told = service.told("smith, john (ops) *STAR*", "john@123").await;
    assert_eq!(told, "Smith, John (Ops) *star* of ballerina.io: hello");
}
