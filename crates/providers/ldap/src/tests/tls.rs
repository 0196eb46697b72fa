//! TLS from the start, and StartTLS.

use std::sync::Arc;

use portcullis_core::{Clock as _, SystemClock};
use portcullis_keys::{Identity, PrivateKey, SelfSigned, ServerTls, TrustAnchors, parse_certificates};
use rcgen::{CertificateParams, KeyPair};
use tokio_rustls::TlsAcceptor;

use super::{
    Bench,
    server::{Reply, Request, TestDirectory, message, result},
};
use crate::LdapConfig;

fn certificate() -> (TlsAcceptor, TrustAnchors) {
    let made = SelfSigned::generate(SystemClock::new().now().since_epoch()).unwrap();
    (TlsAcceptor::from(ServerTls::new(made.identity).build().unwrap()), trust(&made.pem))
}

fn trust(pem: &str) -> TrustAnchors {
    TrustAnchors::from_certificates(parse_certificates(pem.as_bytes()).unwrap()).unwrap()
}

/// A certificate that is good, for another host.
fn of_another_host() -> (TlsAcceptor, TrustAnchors) {
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(["directory.example".to_owned()]).unwrap().self_signed(&key).unwrap();
    let private_key = PrivateKey::from_bytes(key.serialized_der(), None).unwrap();
    let chain = parse_certificates(certificate.pem().as_bytes()).unwrap();
    let identity = Identity::new(private_key, chain).unwrap();
    (TlsAcceptor::from(ServerTls::new(identity).build().unwrap()), trust(&certificate.pem()))
}

async fn bench(tls: TlsAcceptor, ldaps: bool, change: impl FnOnce(LdapConfig) -> LdapConfig) -> Bench {
    let server = TestDirectory::start_tls(tls, ldaps).await;
    Bench::of(server, |config| change(if ldaps { config } else { config.start_tls(true) }))
}

#[tokio::test]
async fn over_ldaps_and_after_start_tls_users_log_in() {
    for ldaps in [true, false] {
        let (acceptor, trust) = certificate();
        let bench = bench(acceptor, ldaps, |config| config.trust(trust)).await;
        for _ in 0..2 {
            bench.known("alice", "secret").await;
            assert_eq!(bench.code("alice", "wrong").await, "wrong-password");
        }
        assert_eq!(bench.server.accepted(), 2);
        let asked =
            bench.server.requests().iter().filter(|(_, request)| *request == Request::StartTls).count();
        assert_eq!(asked, if ldaps { 0 } else { 2 });
    }
}

#[tokio::test]
async fn over_ldaps_and_after_start_tls_the_contract_is_kept() {
    for ldaps in [true, false] {
        let (acceptor, trust) = certificate();
        super::keeps_the_contract(bench(acceptor, ldaps, |config| config.trust(trust)).await, false).await;
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_or_of_another_host_is_an_outage() {
    for ldaps in [true, false] {
        let (acceptor, _) = certificate();
        let (_, another) = certificate();
        let bench = bench(acceptor, ldaps, |config| config.trust(another)).await;
        let reason = bench.unavailable("alice", "secret").await;
        assert!(reason.contains("failed: invalid peer certificate: UnknownIssuer"), "{reason}");
        nothing_was_sent(&bench);
    }
    for ldaps in [true, false] {
        let (acceptor, trust) = of_another_host();
        let bench = bench(acceptor, ldaps, |config| config.trust(trust)).await;
        let reason = bench.unavailable("alice", "secret").await;
        assert!(reason.contains("failed: invalid peer certificate: "), "{reason}");
        assert!(reason.contains("not valid for name"), "{reason}");
        nothing_was_sent(&bench);
    }
}

/// No password went to the server, and no name.
fn nothing_was_sent(bench: &Bench) {
    let requests = bench.server.requests();
    assert!(requests.iter().all(|(_, request)| *request == Request::StartTls), "{requests:?}");
}

#[tokio::test]
async fn start_tls_that_is_refused_is_an_outage_and_no_way_back_to_clear_text() {
    let server = TestDirectory::start().await;
    let bench = Bench::of(server, |config| config.start_tls(true).trust(certificate().1));
    let reason = bench.unavailable("alice", "secret").await;
    assert!(
        reason.contains(
            "nothing is sent in clear: the server refuses it with 2 (protocol error), \"unsupported"
        ),
        "{reason}"
    );
    nothing_was_sent(&bench);
    for (replies, expected) in [
        (vec![Reply::Close], "nothing is sent in clear: the server closed the connection"),
        (vec![Reply::Op(result(1, 0, ""))], "answers another operation"),
        (vec![Reply::Of(7, result(24, 0, ""))], "answers another operation"),
        (vec![Reply::Raw(b"\x16\x03\x01".to_vec())], "something else than LDAP messages"),
    ] {
        bench.server.script(move |_| Some(replies.clone()));
        let reason = bench.unavailable("alice", "secret").await;
        assert!(reason.contains(expected), "{reason}");
        nothing_was_sent(&bench);
    }
}

#[tokio::test]
async fn what_is_slipped_in_before_tls_begins_is_an_outage() {
    let server = TestDirectory::start().await;
    let bench = Bench::of(server, |config| config.start_tls(true).trust(certificate().1));
    let both = [message(1, result(24, 0, "")), message(1, result(1, 0, ""))].concat();
    bench.server.script(move |_| Some(vec![Reply::Raw(both.clone())]));
    let reason = bench.unavailable("alice", "secret").await;
    assert!(reason.contains("the server goes on in clear"), "{reason}");
    nothing_was_sent(&bench);
}

#[tokio::test]
async fn a_server_without_tls_behind_ldaps_is_an_outage() {
    let server = TestDirectory::start().await;
    let url = server.url().replace("ldap://", "ldaps://");
    let manual = portcullis_testing::ManualClock::at(portcullis_core::UnixTime::from_secs(1));
    let clock: Arc<dyn portcullis_core::Clock> = Arc::new(manual.clone());
    let store = crate::LdapUserStore::new(super::config(&url).trust(certificate().1)).unwrap();
    server.script(|_| Some(vec![Reply::Close]));
    let asked = {
        let (store, clock) = (store.clone(), Arc::clone(&clock));
        tokio::spawn(async move {
            super::ask(&store, "alice", "secret", &portcullis_core::Context::new(&clock)).await
        })
    };
    super::until("the connection", || server.accepted() == 1).await;
    // The server waits for the rest of what it takes for a message.
    manual.advance(std::time::Duration::from_secs(5));
    let reason = super::unavailable(asked.await.unwrap());
    assert!(reason.contains("connecting took longer than it may") || reason.contains("TLS"), "{reason}");
}

#[tokio::test]
async fn without_what_tls_needs_nothing_is_connected() {
    let server = TestDirectory::start().await;
    for (url, start_tls) in [(server.url(), true), (server.url().replace("ldap:", "ldaps:"), false)] {
        let url = crate::config::url::ServerUrl::parse(&url).unwrap();
        let protection = crate::connection::Protection { tls: None, start_tls };
        let opened = crate::connection::Connection::open(&url, 0, &protection).await;
        assert!(opened.is_err_and(|failure| failure.to_string().contains("TLS is not set up")));
    }
    assert_eq!(server.accepted(), 0);
}
