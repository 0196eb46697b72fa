//! Authorities, clients and servers for handshakes in memory.

use std::sync::Arc;
use std::time::Duration;

use portcullis_keys::{Certificate, Identity, PrivateKey, TrustAnchors};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::crypto::aws_lc_rs;
use rustls::time_provider::TimeProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, Error, RootCertStore, ServerConfig, ServerConnection,
    SupportedProtocolVersion,
};
use rustls_pki_types::{ServerName, UnixTime};

/// 2027-01-15.
pub const NOW: u64 = 1_800_000_000;
pub const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

#[derive(Debug)]
pub struct At(pub u64);

impl TimeProvider for At {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0)))
    }
}

pub fn now() -> Arc<dyn TimeProvider> {
    Arc::new(At(NOW))
}

/// An authority, and what it issues.
pub struct Authority {
    pub certificate: Certificate,
    pub issuer: Issuer<'static, KeyPair>,
}

pub fn params(names: &[&str]) -> CertificateParams {
    let mut params =
        CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2028, 1, 1);
    params.distinguished_name.push(DnType::CommonName, names.first().copied().unwrap_or("nobody"));
    params
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = params(&[]);
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let certificate = Certificate::from_der(params.self_signed(&key).unwrap().der()).unwrap();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    pub fn issue(&self, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        identity(&key, params.signed_by(&key, &self.issuer).unwrap().der())
    }

    pub fn server(&self) -> Identity {
        self.issue(&params(&["localhost"]))
    }

    pub fn anchors(&self) -> TrustAnchors {
        anchors([&self.certificate])
    }
}

pub fn identity(key: &KeyPair, certificate: &[u8]) -> Identity {
    let key = PrivateKey::from_bytes(key.serialized_der(), None).unwrap();
    Identity::new(key, vec![Certificate::from_der(certificate).unwrap()]).unwrap()
}

pub fn self_signed(params: &CertificateParams) -> Identity {
    let key = KeyPair::generate().unwrap();
    identity(&key, params.self_signed(&key).unwrap().der())
}

pub fn anchors<'a>(certificates: impl IntoIterator<Item = &'a Certificate>) -> TrustAnchors {
    TrustAnchors::from_certificates(certificates.into_iter().cloned().collect()).unwrap()
}

/// A client of one TLS version, made without the crate under test.
pub fn plain_client(
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
pub fn plain_server(version: &'static SupportedProtocolVersion, identity: &Identity) -> Arc<ServerConfig> {
    let chain = identity.chain().map(Certificate::to_rustls).collect();
    let config = ServerConfig::builder_with_details(Arc::new(aws_lc_rs::default_provider()), now())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, identity.key().to_rustls())
        .unwrap();
    Arc::new(config)
}

pub struct Shaken {
    pub client: ClientConnection,
    pub server: ServerConnection,
}

#[derive(Debug, PartialEq)]
pub enum Failed {
    Client(Error),
    Server(Error),
}

/// Lets the two talk until neither has anything to say.
pub fn handshake(client: ClientConfig, server: &Arc<ServerConfig>, name: &str) -> Result<Shaken, Failed> {
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
pub fn refused(result: Result<Shaken, Failed>) -> Failed {
    match result {
        Ok(_) => panic!("the handshake succeeded"),
        Err(failed) => failed,
    }
}

pub fn invalid(error: CertificateError) -> Error {
    Error::InvalidCertificate(error)
}

#[track_caller]
pub fn assert_expired(failed: &Failed) {
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
pub fn assert_wrong_name(failed: &Failed) {
    let Failed::Client(Error::InvalidCertificate(error)) = failed else { panic!("{failed:?}") };
    assert!(
        matches!(error, CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }),
        "{failed:?}"
    );
}
