//! https.

use std::{error::Error, fmt, sync::Arc};

use portcullis_keys::{Certificate, Identity, PrivateKey, ServerTls};
use rcgen::{CertificateParams, IsCa, KeyPair, date_time_ymd};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

/// What a test server shows to clients over https.
#[derive(Clone)]
pub struct TestTls {
    config: Arc<ServerConfig>,
    pem: Option<String>,
}

impl TestTls {
    /// A certificate made now, for `localhost` and 127.0.0.1. Nobody trusts it who was not given its
    /// [PEM](Self::certificate_pem).
    ///
    /// It is good from 1970 to the year 2100, so that clients may judge it by any clock that a test sets.
    ///
    /// # Panics
    ///
    /// If none can be made, which is a mistake of ours: please report it.
    #[must_use]
    pub fn self_signed() -> Self {
        match self_signed() {
            Ok((identity, pem)) => Self { pem: Some(pem), ..Self::new(ServerTls::new(identity)) },
            Err(error) => panic!("a certificate for localhost can be made: {error}"),
        }
    }

    /// A certificate of the test's own, with or without asking clients for theirs.
    ///
    /// # Panics
    ///
    /// If rustls refuses it.
    #[must_use]
    pub fn new(server: ServerTls) -> Self {
        match server.build() {
            Ok(config) => Self { config, pem: None },
            Err(error) => panic!("the certificate cannot be used: {error}"),
        }
    }

    /// The self-signed certificate as PEM; `None` for one of the test's own.
    #[must_use]
    pub fn certificate_pem(&self) -> Option<&str> {
        self.pem.as_deref()
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }
}

fn self_signed() -> Result<(Identity, String), Box<dyn Error>> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.not_before = date_time_ymd(1970, 1, 1);
    params.not_after = date_time_ymd(2100, 1, 1);
    let certificate = params.self_signed(&key)?;
    let chain = vec![Certificate::from_der(certificate.der())?];
    let private_key = PrivateKey::from_bytes(key.serialized_der(), None)?;
    Ok((Identity::new(private_key, chain)?, certificate.pem()))
}

impl fmt::Debug for TestTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestTls").field("self_signed", &self.pem.is_some()).finish_non_exhaustive()
    }
}
