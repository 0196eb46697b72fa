//! https.

use std::{fmt, sync::Arc};

use portcullis_core::{Clock, SystemClock};
use portcullis_keys::{SelfSigned, ServerTls};
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
    /// # Panics
    ///
    /// If none can be made, which is a mistake of ours: please report it.
    #[must_use]
    pub fn self_signed() -> Self {
        // Clients judge it by the machine's clock, whatever clock decides about tokens.
        match SelfSigned::generate(SystemClock::new().now().since_epoch()) {
            Ok(made) => Self { pem: Some(made.pem), ..Self::new(ServerTls::new(made.identity)) },
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

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }
}

impl fmt::Debug for TestTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestTls").field("self_signed", &self.pem.is_some()).finish_non_exhaustive()
    }
}
