//! Groups of every kind, several bases, and who is not one person.

use portcullis_testing::{ManualClock, TestDirectory};
use portcullis_tests::{Slapd, Transport};
use std::sync::Arc;
use std::time::Duration;

use crate::record::{Record, fill, group, user};
use crate::service::{Log, Service};

async fn told(record: &Record, user: &str, password: &str) -> String {
    let told = Service::new(&record.element()).await.told(user, password).await;
    told.split_once(": ").unwrap().1.to_owned()
}

#[tokio::test]
async fn groups_are_found_by_distinguished_names_by_user_names_and_by_unique_names() {
    let slapd = Slapd::start();
    for transport in Transport::ALL {
        let record = Record::of(&slapd, transport);
        assert_eq!(told(&record, "alice", "alice@123").await, "admin hello");
        assert_eq!(told(&record, "bob", "bob@123").await, "readers");
        let without = record.clone().without("groupSearchBase").without("membershipAttribute");
        assert_eq!(told(&without, "bob", "bob@123").await, "");
        // Names that are hard to write are members all the same.
        for (user, password) in
            [("john", "john@123"), ("hash", "hash@123"), ("quoted", "quoted@123"), ("zoë", "pässwörd")]
        {
            assert_eq!(told(&record, user, password).await, "hello", "{user}");
        }

        let posix = record
            .clone()
            .text("groupSearchBase", "ou=Posix,dc=ballerina,dc=io")
            .text("groupNameListFilter", "(objectClass=posixGroup)")
            .text("membershipAttribute", "memberUid");
        // The directory's spelling counts, not the typed one: `memberUid` is compared exactly.
        assert_eq!(told(&posix, "ALICE", "alice@123").await, "ops");
        assert_eq!(told(&posix, "bob", "bob@123").await, "");

        let unique = record
            .clone()
            .text("groupSearchBase", "ou=Unique,dc=ballerina,dc=io")
            .text("groupNameListFilter", "(objectClass=groupOfUniqueNames)")
            .text("membershipAttribute", "uniqueMember");
        assert_eq!(told(&unique, "bob", "bob@123").await, "unique");
        assert_eq!(told(&unique, "alice", "alice@123").await, "");
    }
}

#[tokio::test]
async fn group_bases_are_all_searched_and_the_list_filter_narrows_them() {
    let slapd = Slapd::start();
    let record = Record::of(&slapd, Transport::Plain);
    let both = record
        .clone()
        .set("groupSearchBase", "[\"ou=Groups,dc=ballerina,dc=io\", \"ou=Unique,dc=ballerina,dc=io\"]");
    assert_eq!(told(&both, "alice", "alice@123").await, "admin hello");
    let narrow = both.text("groupNameListFilter", "(&(objectClass=groupOfNames)(cn=h*))");
    assert_eq!(told(&narrow, "alice", "alice@123").await, "hello");
    let service =
        Service::new(&record.text("groupSearchBase", "ou=Nowhere,dc=ballerina,dc=io").element()).await;
    assert_eq!(service.status("alice", "alice@123").await, 503, "a base that is not there is the operator's");
    assert_eq!(service.status("alice", "wrong").await, 401);
}

#[tokio::test]
async fn groups_are_read_from_the_user_where_the_directory_tells_them() {
    let slapd = Slapd::start();
    let record = Record::of(&slapd, Transport::Plain).text("userMembershipAttribute", "memberOf");
    assert_eq!(told(&record, "alice", "alice@123").await, "admin hello");
    assert_eq!(told(&record, "john", "john@123").await, "hello");
    assert_eq!(told(&record, "dora", "dora@123").await, "leaf");
}

#[tokio::test]
async fn groups_within_groups_are_walked_and_a_circle_ends() {
    let slapd = Slapd::start();
    for transport in Transport::ALL {
        let record = Record::of(&slapd, transport);
        assert_eq!(told(&record, "dora", "dora@123").await, "leaf");
        let nested = record.set("nestedGroups", "true");
        assert_eq!(told(&nested, "dora", "dora@123").await, "leaf middle top");
        assert_eq!(told(&nested, "alice", "alice@123").await, "admin hello");
        let from_user = nested.text("userMembershipAttribute", "memberOf");
        assert_eq!(told(&from_user, "dora", "dora@123").await, "leaf middle top");
    }
}

#[tokio::test]
async fn user_bases_are_tried_in_order_and_the_first_that_has_the_name_decides() {
    let slapd = Slapd::start();
    let (users, partners) = ("ou=Users,dc=ballerina,dc=io", "ou=Partners,dc=ballerina,dc=io");
    let record = Record::of(&slapd, Transport::Plain);
    for (bases, own, other) in [
        (format!("\"{users}#{partners}\""), "alice@123", "partner@123"),
        (format!("[\"{users}\", \"{partners}\"]"), "alice@123", "partner@123"),
        (format!("\"{partners}#{users}\""), "partner@123", "alice@123"),
    ] {
        let service = Service::new(&record.clone().set("userSearchBase", bases).element()).await;
        assert_eq!(service.status("alice", own).await, 200);
        assert_eq!(service.status("alice", other).await, 401, "the other alice is not asked");
        assert_eq!(service.told("pat", "pat@123").await, "pat of ballerina.io: hello");
        assert_eq!(service.status("bob", "bob@123").await, 200);
    }
    // One base alone does not know her.
    assert_eq!(Service::new(&record.element()).await.status("pat", "pat@123").await, 401);
}

#[tokio::test]
async fn a_name_that_two_entries_of_one_base_have_is_nobodys() {
    let slapd = Slapd::start();
    let log = Log::start();
    let record = Record::of(&slapd, Transport::Plain);
    let service = Service::new(&record.element()).await;
    assert_eq!(service.status("twin", "twin@123").await, 401);
    assert!(log.text().contains("ambiguous-user"), "{}", log.text());
    // The pair: where only one of them stands below the base.
    let north = record.text("userSearchBase", "ou=North,ou=Users,dc=ballerina,dc=io");
    assert_eq!(Service::new(&north.element()).await.status("twin", "twin@123").await, 200);
}

#[tokio::test]
async fn a_base_that_cannot_be_searched_ends_the_search_as_unavailable() {
    let slapd = Slapd::start();
    let bases = "\"ou=Nowhere,dc=ballerina,dc=io#ou=Users,dc=ballerina,dc=io\"";
    let record = Record::of(&slapd, Transport::Plain).set("userSearchBase", bases);
    let service = Service::new(&record.element()).await;
    assert_eq!(service.status("alice", "alice@123").await, 503);
    assert_eq!(service.status("nobody", "x").await, 503);
}

#[tokio::test]
async fn roles_are_remembered_for_their_time_and_asked_for_again_then() {
    let directory = TestDirectory::start().await;
    fill(&directory);
    let clock = Arc::new(ManualClock::at(portcullis::UnixTime::from_secs(1_700_000_000)));
    let record = Record::in_process(&directory).set("userRolesCacheEnabled", "true").set("rolesMaxAge", "60");
    let service = Service::with_clock(&record.element(), Arc::clone(&clock) as _).await;
    assert_eq!(service.told("alice", "alice@123").await, "alice of ballerina.io: admin hello");
    let asked = directory.searches();
    directory.remove(&group("admin"));
    assert_eq!(service.told("alice", "alice@123").await, "alice of ballerina.io: admin hello");
    assert_eq!(directory.searches(), asked + 1, "the user only");
    assert_eq!(service.status("alice", "wrong").await, 401, "a remembered role is no password");
    clock.advance(Duration::from_secs(61));
    assert_eq!(service.told("alice", "alice@123").await, "alice of ballerina.io: hello");

    // Off unless it is asked for.
    let service = Service::new(&Record::in_process(&directory).element()).await;
    assert_eq!(service.told("alice", "alice@123").await, "alice of ballerina.io: hello");
    directory.add_group(&group("admin"), [user("alice").as_str()]);
    assert_eq!(service.told("alice", "alice@123").await, "alice of ballerina.io: admin hello");
}

#[tokio::test]
async fn referrals_are_left_alone_with_a_line_in_the_log() {
    let directory = TestDirectory::start().await;
    fill(&directory);
    directory.add_referral("ou=Far,ou=Users,dc=ballerina,dc=io", "ldap://far.example/ou=Far");
    directory.add_referral("ou=Far,ou=Groups,dc=ballerina,dc=io", "ldap://far.example/ou=Groups");
    let log = Log::start();
    let service = Service::new(&Record::in_process(&directory).element()).await;
    assert_eq!(service.told("alice", "alice@123").await, "alice of ballerina.io: admin hello");
    assert_eq!(service.status("nobody", "x").await, 401);
    assert!(log.text().contains("eferral"), "{}", log.text());
    assert_eq!(directory.connections(), directory.peak_connections(), "no other server was asked");
    // A base that is held elsewhere cannot be searched.
    let far = Record::in_process(&directory).text("userSearchBase", "ou=Far,ou=Users,dc=ballerina,dc=io");
    assert_eq!(Service::new(&far.element()).await.status("alice", "alice@123").await, 503);
}
