//! TLS handshakes in memory: who is let in, and who is not.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::path;
use portcullis_keys::{
    Certificate, ClientTls, Identity, KeyErrorKind, PrivateKey, SelfSigned, ServerTls, TrustAnchors,
    parse_certificates,
};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::crypto::aws_lc_rs;
use rustls::time_provider::TimeProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, Error, ProtocolVersion, RootCertStore, ServerConfig,
    ServerConnection, SupportedProtocolVersion,
};
use rustls_pki_types::{ServerName, UnixTime};

/// 2027-01-15.
const NOW: u64 = 1_800_000_000;
const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

#[derive(Debug)]
struct At(u64);

impl TimeProvider for At {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0)))
    }
}

fn now() -> Arc<dyn TimeProvider> {
    Arc::new(At(NOW))
}

/// An authority, and what it issues.
struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

fn params(names: &[&str]) -> CertificateParams {
    let mut params =
        CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2028, 1, 1);
    params.distinguished_name.push(DnType::CommonName, names.first().copied().unwrap_or("nobody"));
    params
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = params(&[]);
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let certificate = Certificate::from_der(params.self_signed(&key).unwrap().der()).unwrap();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    fn issue(&self, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        identity(&key, params.signed_by(&key, &self.issuer).unwrap().der())
    }

    fn server(&self) -> Identity {
        self.issue(&params(&["localhost"]))
    }

    fn anchors(&self) -> TrustAnchors {
        anchors([&self.certificate])
    }
}

fn identity(key: &KeyPair, certificate: &[u8]) -> Identity {
    let key = PrivateKey::from_bytes(key.serialized_der(), None).unwrap();
    Identity::new(key, vec![Certificate::from_der(certificate).unwrap()]).unwrap()
}

fn self_signed(params: &CertificateParams) -> Identity {
    let key = KeyPair::generate().unwrap();
    identity(&key, params.self_signed(&key).unwrap().der())
}

fn anchors<'a>(certificates: impl IntoIterator<Item = &'a Certificate>) -> TrustAnchors {
    TrustAnchors::from_certificates(certificates.into_iter().cloned().collect()).unwrap()
}

/// A client of one TLS version, made without the crate under test.
fn plain_client(
    version: &'static SupportedProtocolVersion,
    root: &Certificate,
    identity: Option<&Identity>,
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(root.to_rustls()).unwrap();
    let builder = ClientConfig::builder_with_details(Arc::new(aws_lc_rs::default_provider()), now())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots);
    match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let chain = identity.chain().map(Certificate::to_rustls).collect();
            builder.with_client_auth_cert(chain, identity.key().to_rustls()).unwrap()
        }
    }
}

/// A server of one TLS version, made without the crate under test.
fn plain_server(version: &'static SupportedProtocolVersion, identity: &Identity) -> Arc<ServerConfig> {
    let chain = identity.chain().map(Certificate::to_rustls).collect();
    let config = ServerConfig::builder_with_details(Arc::new(aws_lc_rs::default_provider()), now())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, identity.key().to_rustls())
        .unwrap();
    Arc::new(config)
}

struct Shaken {
    client: ClientConnection,
    server: ServerConnection,
}

#[derive(Debug, PartialEq)]
enum Failed {
    Client(Error),
    Server(Error),
}

/// Lets the two talk until neither has anything to say.
fn handshake(client: ClientConfig, server: &Arc<ServerConfig>, name: &str) -> Result<Shaken, Failed> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
    let mut server = ServerConnection::new(server.clone()).unwrap();
    loop {
        let mut sent = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut sent).unwrap();
        }
        let mut answered = Vec::new();
        let mut input = sent.as_slice();
        while !input.is_empty() {
            server.read_tls(&mut input).unwrap();
            server.process_new_packets().map_err(Failed::Server)?;
        }
        while server.wants_write() {
            server.write_tls(&mut answered).unwrap();
        }
        let mut input = answered.as_slice();
        while !input.is_empty() {
            client.read_tls(&mut input).unwrap();
            client.process_new_packets().map_err(Failed::Client)?;
        }
        if sent.is_empty() && answered.is_empty() {
            assert!(!client.is_handshaking() && !server.is_handshaking());
            return Ok(Shaken { client, server });
        }
    }
}

#[track_caller]
fn refused(result: Result<Shaken, Failed>) -> Failed {
    match result {
        Ok(_) => panic!("the handshake succeeded"),
        Err(failed) => failed,
    }
}

fn invalid(error: CertificateError) -> Error {
    Error::InvalidCertificate(error)
}

#[track_caller]
fn assert_expired(failed: &Failed) {
    let (Failed::Client(error) | Failed::Server(error)) = failed;
    assert!(
        matches!(
            error,
            Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. })
        ),
        "{failed:?}"
    );
}

#[track_caller]
fn assert_wrong_name(failed: &Failed) {
    let Failed::Client(Error::InvalidCertificate(error)) = failed else { panic!("{failed:?}") };
    assert!(
        matches!(error, CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }),
        "{failed:?}"
    );
}

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

/// What `cert = "server.crt"` means to who writes it, whoever issued the certificate.
#[test]
fn the_servers_own_certificate_can_be_what_is_trusted() {
    let authority = Authority::new("authority");
    let mut ca_bit = params(&["localhost"]);
    ca_bit.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let mut no_ca_bit = params(&["localhost"]);
    no_ca_bit.is_ca = IsCa::ExplicitNoCa;
    for (what, server) in [
        ("issued by an authority", authority.server()),
        ("self-signed", self_signed(&params(&["localhost"]))),
        ("self-signed and no authority", self_signed(&no_ca_bit)),
        ("self-signed and an authority, as `openssl req -x509` makes it", self_signed(&ca_bit)),
    ] {
        let client = |now| {
            ClientTls::new(anchors([server.certificate()])).time_provider(Arc::new(At(now))).build().unwrap()
        };
        for version in VERSIONS {
            let config = plain_server(version, &server);
            handshake(client(NOW), &config, "localhost").unwrap_or_else(|error| panic!("{what}: {error:?}"));
            assert_wrong_name(&refused(handshake(client(NOW), &config, "example.org")));
            assert_expired(&refused(handshake(client(NOW * 2), &config, "localhost")));
            // A new key for the same name is not the certificate that was named.
            let other = plain_server(version, &self_signed(&params(&["localhost"])));
            refused(handshake(client(NOW), &other, "localhost"));
        }
    }
}

#[test]
fn a_pinned_certificate_is_held_to_its_purpose() {
    let mut for_clients = params(&["localhost"]);
    for_clients.is_ca = IsCa::ExplicitNoCa;
    for_clients.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let server = self_signed(&for_clients);
    let client = ClientTls::new(anchors([server.certificate()])).time_provider(now()).build().unwrap();
    let failed = refused(handshake(client, &plain_server(&TLS13, &server), "localhost"));
    assert_eq!(failed, Failed::Client(invalid(CertificateError::InvalidPurpose)));
}

/// Who may present a certificate may not issue others with its key.
#[test]
fn a_pinned_certificate_is_no_authority() {
    let key = KeyPair::generate().unwrap();
    let mut leaf = params(&["localhost"]);
    leaf.is_ca = IsCa::ExplicitNoCa;
    let pinned = identity(&key, leaf.self_signed(&key).unwrap().der());
    let forged = Authority { certificate: pinned.certificate().clone(), issuer: Issuer::new(leaf, key) }
        .issue(&params(&["example.org"]));
    let client = ClientTls::new(anchors([pinned.certificate()])).time_provider(now()).build().unwrap();
    let failed = refused(handshake(client, &plain_server(&TLS13, &forged), "example.org"));
    assert_eq!(failed, Failed::Client(invalid(CertificateError::UnknownIssuer)));
}

#[test]
fn a_clients_own_certificate_can_be_what_is_trusted() {
    let authority = Authority::new("authority");
    let mut ca_bit = params(&["someone"]);
    ca_bit.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    for known in [self_signed(&ca_bit), authority.issue(&params(&["someone"]))] {
        let server = ServerTls::new(authority.server())
            .require_client_certificate(anchors([known.certificate()]))
            .time_provider(now())
            .build()
            .unwrap();
        for version in VERSIONS {
            let client = |identity: &Identity| plain_client(version, &authority.certificate, Some(identity));
            handshake(client(&known), &server, "localhost").unwrap();
            let other = authority.issue(&params(&["someone"]));
            let failed = refused(handshake(client(&other), &server, "localhost"));
            assert_eq!(failed, Failed::Server(invalid(CertificateError::UnknownIssuer)));
        }
    }
}

/// Their certificate names `localhost` in its common name only, which no check of names looks at.
#[test]
fn the_certificate_of_ballerina_serves_as_a_clients_and_not_as_a_servers() {
    let ballerina =
        Identity::from_files(path("ballerina/public.crt"), path("ballerina/private.key"), None).unwrap();
    let trusted = || TrustAnchors::from_file(path("ballerina/public.crt")).unwrap();
    let client = ClientTls::new(trusted()).time_provider(now()).build().unwrap();
    assert_wrong_name(&refused(handshake(client, &plain_server(&TLS13, &ballerina), "localhost")));

    let authority = Authority::new("authority");
    let server =
        ServerTls::new(authority.server()).require_client_certificate(trusted()).time_provider(now()).build();
    let server = server.unwrap();
    for version in VERSIONS {
        handshake(plain_client(version, &authority.certificate, Some(&ballerina)), &server, "localhost")
            .unwrap();
    }
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
    assert_eq!(parse_certificates(made.pem.as_bytes()).unwrap(), [certificate.clone()]);
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
