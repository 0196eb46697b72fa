//! Passwords: those that never reach a server, those that changed, and those that are remembered.

use std::sync::Arc;
use std::time::Duration;

use portcullis_testing::{DirectoryOperation, ManualClock, TestDirectory};
use portcullis_tests::{Slapd, Transport};

use crate::gateway::Gateway;
use crate::record::{Record, fill, user};
use crate::service::Service;

/// What a server may take for no password at all, and answer with success.
const NONE: [&str; 6] = ["", " ", "\t", "\u{a0}\u{3000}", "\0", "\0alice@123"];

#[tokio::test]
async fn a_password_that_is_none_never_reaches_a_server_that_would_accept_it() {
    let mut slapd = Slapd::builder().line("allow bind_anon_dn").start();
    // It would: this is what the guard is for.
    portcullis_tests::tool(
        "ldapwhoami",
        ["-x", "-H", &format!("ldap://{}", slapd.address()), "-D", &user("alice"), "-w", ""],
    );
    let before = slapd.traffic();
    assert_eq!(before.binds(&user("alice")), 1);
    for transport in Transport::ALL {
        let service = Service::new(&Record::of(&slapd, transport).element()).await;
        for password in NONE {
            assert_eq!(service.status("alice", password).await, 401, "{password:?} over {transport:?}");
        }
    }
    let after = slapd.traffic();
    assert_eq!((after.binds(&user("alice")), after.binds("uid=admin,ou=system")), (1, 0));
    assert_eq!(after.connections.len(), before.connections.len());

    let gateway = Gateway::start(&Record::of(&slapd, Transport::Plain).element());
    for password in NONE {
        assert_eq!(gateway.status("alice", password), 401, "{password:?}");
    }
    assert_eq!(gateway.status("alice", "alice@123"), 200);
}

#[tokio::test]
async fn nor_the_directory_in_process() {
    let directory = TestDirectory::builder().allow_unauthenticated_bind().start().await;
    fill(&directory);
    let service = Service::new(&Record::in_process(&directory).element()).await;
    for password in NONE {
        assert_eq!(service.status("alice", password).await, 401, "{password:?}");
    }
    assert_eq!(directory.requests(), []);
    assert_eq!(service.status("alice", "alice@123").await, 200);
    let blank = directory.requests().into_iter().any(|request| {
        matches!(request.operation, DirectoryOperation::Bind { password, .. } if password.trim().is_empty())
    });
    assert!(!blank);
}

#[tokio::test]
async fn every_login_is_a_bind_so_that_an_old_password_ends_at_once() {
    let slapd = Slapd::start();
    for transport in Transport::ALL {
        let service = Service::new(&Record::of(&slapd, transport).element()).await;
        assert_eq!(service.status("bob", "bob@123").await, 200);
        slapd.set_password(&user("bob"), "bob@456");
        assert_eq!(service.status("bob", "bob@123").await, 401, "{transport:?}");
        assert_eq!(service.status("bob", "bob@456").await, 200, "{transport:?}");
        slapd.set_password(&user("bob"), "bob@123");
        assert_eq!(service.status("bob", "bob@456").await, 401, "{transport:?}");
    }
}

#[tokio::test]
async fn a_remembered_credential_asks_nobody_and_ends_with_its_time() {
    let mut slapd = Slapd::start();
    let clock = Arc::new(ManualClock::at(portcullis::UnixTime::from_secs(1_700_000_000)));
    let record = Record::of(&slapd, Transport::Plain).set("credentialCache", "{ maxAge = 60 }");
    let service = Service::with_clock(&record.element(), Arc::clone(&clock) as _).await;
    for _ in 0..3 {
        assert_eq!(service.told("bob", "bob@123").await, "bob of ballerina.io: readers");
    }
    assert_eq!(slapd.traffic().binds(&user("bob")), 1);
    // A wrong one is not remembered as anything.
    for _ in 0..2 {
        assert_eq!(service.status("bob", "wrong").await, 401);
    }
    assert_eq!(slapd.traffic().binds(&user("bob")), 3);
    assert_eq!(service.status("bob", "bob@123").await, 200, "and takes nothing away");

    slapd.set_password(&user("bob"), "bob@456");
    assert_eq!(service.status("bob", "bob@456").await, 200);
    clock.advance(Duration::from_secs(59));
    assert_eq!(service.status("bob", "bob@123").await, 200, "the old one is remembered still");
    clock.advance(Duration::from_secs(2));
    assert_eq!(service.status("bob", "bob@123").await, 401, "and not beyond `maxAge`");
    assert_eq!(service.status("bob", "bob@456").await, 200);

    // While it is remembered it outlives an outage; what is not remembered is 503.
    slapd.kill();
    assert_eq!(service.status("bob", "bob@456").await, 200);
    assert_eq!(service.status("bob", "wrong").await, 503);
    assert_eq!(service.status("alice", "alice@123").await, 503);
}
