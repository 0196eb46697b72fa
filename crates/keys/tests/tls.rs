//! TLS handshakes in memory: who is let in, and who is not.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use std::time::Duration;

use common::path;
use common::tls::{
    Authority, Failed, NOW, VERSIONS, anchors, assert_expired, assert_wrong_name, handshake, invalid, now,
    params, plain_client, plain_server, refused, self_signed,
};
use portcullis_keys::{
    ClientTls, Identity, KeyErrorKind, SelfSigned, ServerTls, TrustAnchors, parse_certificates,
};
use rcgen::{ExtendedKeyUsagePurpose, date_time_ymd};
use rustls::version::{TLS12, TLS13};
use rustls::{CertificateError, Error, ProtocolVersion};

#[test]
fn the_server_speaks_both_versions_and_chooses_http2() {
    let authority = Authority::new("authority");
    let server = ServerTls::new(authority.server()).build().unwrap();
    assert_eq!(server.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    assert_eq!(server.max_early_data_size, 0);
    for (version, expected) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let mut client = plain_client(version, &authority.certificate, None);
        client.alpn_protocols = vec![b"http/1.1".to_vec(), b"h2".to_vec()];
        let shaken = handshake(client, &server, "localhost").unwrap();
        assert_eq!(shaken.client.protocol_version(), Some(expected));
        assert_eq!(shaken.client.alpn_protocol(), Some(b"h2".as_slice()));
        assert!(shaken.server.peer_certificates().is_none());
    }
    let mut client = plain_client(&TLS13, &authority.certificate, None);
    client.alpn_protocols = vec![b"imap".to_vec()];
    assert_eq!(
        refused(handshake(client, &server, "localhost")),
        Failed::Server(Error::NoApplicationProtocol)
    );
}

#[test]
fn the_client_checks_chain_name_and_validity() {
    let authority = Authority::new("authority");
    let client = |anchors| ClientTls::new(anchors).time_provider(now()).build().unwrap();
    for version in VERSIONS {
        let server = plain_server(version, &authority.server());
        handshake(client(authority.anchors()), &server, "localhost").unwrap();

        let other = client(Authority::new("other").anchors());
        let failed = refused(handshake(other, &server, "localhost"));
        assert_eq!(failed, Failed::Client(invalid(CertificateError::UnknownIssuer)));
        // The same name with another key is another authority.
        let same_name = client(Authority::new("authority").anchors());
        let failed = refused(handshake(same_name, &server, "localhost"));
        assert_eq!(failed, Failed::Client(invalid(CertificateError::BadSignature)));

        assert_wrong_name(&refused(handshake(client(authority.anchors()), &server, "example.org")));
        assert_wrong_name(&refused(handshake(client(authority.anchors()), &server, "127.0.0.1")));

        let mut expired = params(&["localhost"]);
        expired.not_after = date_time_ymd(2026, 2, 1);
        let server = plain_server(version, &authority.issue(&expired));
        assert_expired(&refused(handshake(client(authority.anchors()), &server, "localhost")));
    }
}

#[test]
fn a_required_client_certificate_must_be_shown_and_good() {
    let authority = Authority::new("authority");
    let clients = Authority::new("clients");
    let server = ServerTls::new(authority.server())
        .require_client_certificate(clients.anchors())
        .time_provider(now())
        .build();
    let server = server.unwrap();
    for version in VERSIONS {
        let client = |identity: Option<&Identity>| plain_client(version, &authority.certificate, identity);
        let good = clients.issue(&params(&["someone"]));
        let shaken = handshake(client(Some(&good)), &server, "localhost").unwrap();
        assert_eq!(shaken.server.peer_certificates().unwrap()[0].as_ref(), good.certificate().der());

        let failed = refused(handshake(client(None), &server, "localhost"));
        assert_eq!(failed, Failed::Server(Error::NoCertificatesPresented));
        let stranger = Authority::new("strangers").issue(&params(&["someone"]));
        let failed = refused(handshake(client(Some(&stranger)), &server, "localhost"));
        assert_eq!(failed, Failed::Server(invalid(CertificateError::UnknownIssuer)));
        // The server's own authority has no say about clients.
        let failed = refused(handshake(client(Some(&authority.server())), &server, "localhost"));
        assert_eq!(failed, Failed::Server(invalid(CertificateError::UnknownIssuer)));
    }
}

#[test]
fn an_optional_client_certificate_may_be_absent_but_not_bad() {
    let authority = Authority::new("authority");
    let clients = Authority::new("clients");
    let server = ServerTls::new(authority.server())
        .accept_client_certificate(clients.anchors())
        .time_provider(now())
        .build();
    let server = server.unwrap();
    for version in VERSIONS {
        let client = |identity: Option<&Identity>| plain_client(version, &authority.certificate, identity);
        let shaken = handshake(client(None), &server, "localhost").unwrap();
        assert!(shaken.server.peer_certificates().is_none());
        let good = clients.issue(&params(&["someone"]));
        let shaken = handshake(client(Some(&good)), &server, "localhost").unwrap();
        assert_eq!(shaken.server.peer_certificates().unwrap().len(), 1);

        let stranger = Authority::new("strangers").issue(&params(&["someone"]));
        let failed = refused(handshake(client(Some(&stranger)), &server, "localhost"));
        assert_eq!(failed, Failed::Server(invalid(CertificateError::UnknownIssuer)));
        let mut expired = params(&["someone"]);
        expired.not_after = date_time_ymd(2026, 2, 1);
        assert_expired(&refused(handshake(client(Some(&clients.issue(&expired))), &server, "localhost")));
        let mut for_servers = params(&["someone"]);
        for_servers.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let failed = refused(handshake(client(Some(&clients.issue(&for_servers))), &server, "localhost"));
        let Failed::Server(Error::InvalidCertificate(error)) = failed else { panic!("{failed:?}") };
        assert!(
            matches!(
                error,
                CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. }
            ),
            "{error:?}"
        );
    }
}

#[test]
fn a_client_shows_its_identity_to_a_server_that_asks() {
    let authority = Authority::new("authority");
    let clients = Authority::new("clients");
    let server = ServerTls::new(authority.server())
        .require_client_certificate(clients.anchors())
        .time_provider(now())
        .build();
    let client =
        ClientTls::new(authority.anchors()).identity(clients.issue(&params(&["me"]))).time_provider(now());
    let shaken = handshake(client.build().unwrap(), &server.unwrap(), "localhost").unwrap();
    assert_eq!(shaken.server.peer_certificates().unwrap().len(), 1);
    assert_eq!(shaken.client.alpn_protocol(), None);
}

#[test]
fn trust_stores_and_files_are_trust_anchors() {
    let store = TrustAnchors::from_key_store(path("ballerina/ballerinaTruststore.p12"), "ballerina").unwrap();
    assert_eq!(store.certificates().len(), 95);
    assert!(ClientTls::new(store).build().is_ok());
    assert!(TrustAnchors::from_file(path("certs/chain.pem")).is_ok());
    let error = TrustAnchors::from_file(path("stores/java.trust.p12")).unwrap_err();
    assert_eq!(error.kind(), &KeyErrorKind::Pkcs12);
    let error = TrustAnchors::from_certificates(Vec::new()).unwrap_err();
    assert_eq!(error.kind(), &KeyErrorKind::NoTrustAnchors);
}

#[test]
fn a_key_store_serves_tls_with_its_chain() {
    let identity =
        Identity::from_key_store(path("stores/java.several.p12"), "changeit", Some("server")).unwrap();
    let server = ServerTls::new(identity).build().unwrap();
    let anchors = TrustAnchors::from_key_store(path("stores/java.trust.p12"), "changeit").unwrap();
    for name in ["localhost", "127.0.0.1"] {
        let client = ClientTls::new(anchors.clone()).time_provider(now()).build().unwrap();
        handshake(client, &server, name).unwrap();
    }
}

/// EC keys of keytool have no public half in them, which some libraries want.
#[test]
fn an_ec_key_of_keytool_serves_tls() {
    let identity =
        Identity::from_key_store(path("stores/java.several.p12"), "changeit", Some("signing")).unwrap();
    let server = ServerTls::new(identity).build().unwrap();
    let client = ClientTls::dangerous_without_verification().build().unwrap();
    handshake(client, &server, "localhost").unwrap();
}

#[test]
fn without_verification_any_server_will_do() {
    let mut expired = params(&["elsewhere"]);
    expired.not_after = date_time_ymd(2026, 2, 1);
    for version in VERSIONS {
        let server = plain_server(version, &self_signed(&expired));
        let client = ClientTls::dangerous_without_verification().time_provider(now()).build().unwrap();
        handshake(client, &server, "localhost").unwrap();
    }
    let shown = format!("{:?}", ClientTls::dangerous_without_verification());
    assert!(shown.contains("not verified"), "{shown}");
}

#[test]
fn a_self_signed_certificate_serves_localhost_for_a_year() {
    let made = SelfSigned::generate(Duration::from_secs(NOW)).unwrap();
    let certificate = made.identity.certificate().clone();
    assert_eq!(certificate.subject(), "CN=localhost");
    assert_eq!(certificate.not_before(), i64::try_from(NOW).unwrap() - 3600);
    assert_eq!(certificate.not_after(), i64::try_from(NOW).unwrap() + 365 * 86400);
    assert_eq!(parse_certificates(made.pem.as_bytes()).unwrap(), std::slice::from_ref(&certificate));
    assert_eq!(made.identity.warnings(Duration::from_secs(NOW)), []);
    let server = ServerTls::new(made.identity).build().unwrap();
    for name in ["localhost", "127.0.0.1", "::1"] {
        let client = ClientTls::new(anchors([&certificate])).time_provider(now()).build().unwrap();
        handshake(client, &server, name).unwrap();
        // By itself, rustls takes it for its own issuer.
        handshake(plain_client(&TLS12, &certificate, None), &server, name).unwrap();
    }
    let client = ClientTls::new(anchors([&certificate])).time_provider(now()).build().unwrap();
    assert_wrong_name(&refused(handshake(client, &server, "example.org")));
    let again = SelfSigned::generate(Duration::from_secs(NOW)).unwrap();
    assert_ne!(again.identity.key().spki_der(), certificate.spki_der());
}

#[test]
fn the_systems_certificates_are_found_or_missed_by_name() {
    match TrustAnchors::system() {
        Ok(anchors) => {
            assert!(anchors.certificates().is_empty());
            let server = plain_server(&TLS13, &Authority::new("unknown to any system").server());
            let client = ClientTls::new(anchors).time_provider(now()).build().unwrap();
            let failed = refused(handshake(client, &server, "localhost"));
            assert_eq!(failed, Failed::Client(invalid(CertificateError::UnknownIssuer)));
        }
        Err(error) => assert_eq!(error.kind(), &KeyErrorKind::NoSystemRoots),
    }
}
