//! TLS that is not as it should be is an error, never a way back to clear text.

use portcullis_testing::{TestDirectory, TestTls};
use portcullis_tests::{Seen, Slapd, Transport, data, temp_dir, write};

use crate::gateway::Gateway;
use crate::record::{Record, fill, user};
use crate::service::{Log, Service};

const ENCRYPTED: [Transport; 2] = [Transport::Ldaps, Transport::StartTls];
const SERVICE: &str = "uid=admin,ou=system";

#[tokio::test]
async fn a_certificate_for_another_host_is_refused_and_no_password_is_sent() {
    let mut slapd = Slapd::builder().certificate_for("directory.elsewhere.example").start();
    for transport in ENCRYPTED {
        let log = Log::start();
        let service = Service::new(&Record::of(&slapd, transport).element()).await;
        let answer = service.login("alice", "alice@123").await;
        assert_eq!(answer.status, 503, "{transport:?}");
        assert!(answer.headers.contains_key("retry-after"), "{transport:?}");
        assert_eq!(service.status("alice", "wrong").await, 503, "{transport:?}");
        assert!(log.text().contains("directory.elsewhere.example"), "{}", log.text());
    }
    let traffic = slapd.traffic();
    assert_eq!((traffic.binds(SERVICE), traffic.binds(&user("alice"))), (0, 0));
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    let (mut slapd, other) = (Slapd::start(), Slapd::start());
    for transport in ENCRYPTED {
        let record = Record::of(&slapd, transport).trusting(&other.certificate());
        let service = Service::new(&record.element()).await;
        assert_eq!(service.status("alice", "alice@123").await, 503, "{transport:?}");
        // Without `secureSocket` the authorities of the system count, and this one is none of them.
        let service = Service::new(&record.without("secureSocket").element()).await;
        assert_eq!(service.status("alice", "alice@123").await, 503, "{transport:?}");
    }
    assert_eq!(slapd.traffic().binds(SERVICE), 0);
    // The pair.
    for transport in ENCRYPTED {
        let service = Service::new(&Record::of(&slapd, transport).element()).await;
        assert_eq!(service.status("alice", "alice@123").await, 200, "{transport:?}");
    }
    let traffic = slapd.traffic();
    for events in
        traffic.connections.values().filter(|events| events.contains(&Seen::Bind(SERVICE.to_owned())))
    {
        let place = |wanted: &dyn Fn(&Seen) -> bool| events.iter().position(wanted);
        let tls = place(&|seen| *seen == Seen::Tls).expect("TLS comes before the bind");
        assert!(tls < place(&|seen| matches!(seen, Seen::Bind(_))).unwrap(), "{events:?}");
    }
}

#[test]
fn start_tls_that_the_server_does_not_have_is_no_way_to_clear_text() {
    let mut slapd = Slapd::builder().without_tls().start();
    let other = Slapd::start();
    let record =
        Record::at(&slapd.url(Transport::StartTls)).set("startTls", "true").trusting(&other.certificate());
    let mut gateway = Gateway::start(&record.element());
    let answer = gateway.login("alice", "alice@123");
    assert_eq!(answer.status, 503);
    assert!(answer.header("retry-after").is_some());
    gateway.logged(&["StartTLS"]);
    let traffic = slapd.traffic();
    assert_eq!((traffic.binds(SERVICE), traffic.binds(&user("alice"))), (0, 0));
    // The pair: without `startTls` the same server serves.
    let plain = Gateway::start(&Record::at(&slapd.url(Transport::Plain)).element());
    assert_eq!(plain.status("alice", "alice@123"), 200);
}

#[tokio::test]
async fn start_tls_that_is_refused_for_a_while_is_asked_for_again() {
    let (folder, tls) = (temp_dir(), TestTls::self_signed());
    let authority = write(&folder, "ca.crt", tls.certificate_pem().unwrap());
    let directory = TestDirectory::builder().start_tls(tls).start().await;
    fill(&directory);
    let record = Record::in_process(&directory).set("startTls", "true").trusting(&authority);
    let service = Service::new(&record.element()).await;
    for code in [1, 2, 52, 53] {
        directory.refuse_start_tls(code, "not now");
        assert_eq!(service.status("alice", "alice@123").await, 503, "{code}");
        assert_eq!(service.status("alice", "wrong").await, 503, "{code}");
    }
    assert_eq!(directory.binds(), 0);
    directory.recover();
    assert_eq!(service.status("alice", "alice@123").await, 200);
    assert!(directory.requests().iter().filter(|request| request.is_bind()).all(|bind| bind.encrypted));
}

/// Words in clear behind the server's consent to TLS are not taken for the directory's.
#[tokio::test]
async fn what_follows_the_consent_to_tls_in_clear_ends_the_connection() {
    let (folder, tls) = (temp_dir(), TestTls::self_signed());
    let authority = write(&folder, "ca.crt", tls.certificate_pem().unwrap());
    let directory = TestDirectory::builder().start_tls(tls).start().await;
    fill(&directory);
    let record = Record::in_process(&directory).set("startTls", "true").trusting(&authority);
    let service = Service::new(&record.element()).await;
    // Consent, and a bind that succeeds.
    directory.answer_with_bytes(
        &b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00\x30\x0c\x02\x01\x02\x61\x07\x0a\x01\x00\x04\x00\x04\x00"[..],
    );
    assert_eq!(service.status("alice", "alice@123").await, 503);
    assert_eq!(directory.binds(), 0);
}

#[tokio::test]
async fn a_trust_store_does_as_a_certificate_does() {
    let slapd = Slapd::start();
    let store = data("ballerina/data/ballerina-ts--ballerinaTruststore.p12");
    let trust = format!("{{ cert = {{ path = {store:?}, password = \"ballerina\" }} }}");
    for transport in ENCRYPTED {
        let record = Record::of(&slapd, transport).set("secureSocket", &*trust);
        let service = Service::new(&record.element()).await;
        assert_eq!(
            service.status("alice", "alice@123").await,
            503,
            "{transport:?}: not among its authorities"
        );
    }
    // The pair: one that holds the authority, made by keytool as people make theirs.
    let folder = temp_dir();
    let own = folder.path().join("trust.p12").display().to_string();
    let authority = slapd.certificate().display().to_string();
    portcullis_tests::tool(
        "keytool",
        [
            "-importcert",
            "-noprompt",
            "-alias",
            "directory",
            "-file",
            &authority,
            "-keystore",
            &own,
            "-storetype",
            "PKCS12",
            "-storepass",
            "changeit",
        ],
    );
    let trust = format!("{{ cert = {{ path = {own:?}, password = \"changeit\" }} }}");
    for transport in ENCRYPTED {
        let record = Record::of(&slapd, transport).set("secureSocket", &*trust);
        let service = Service::new(&record.element()).await;
        assert_eq!(service.status("alice", "alice@123").await, 200, "{transport:?}");
    }
}
