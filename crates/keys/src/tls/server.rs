//! The server's side of TLS.

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::time_provider::{DefaultTimeProvider, TimeProvider};

use super::anchors::TrustAnchors;
use super::pinned::ClientVerifier;
use super::{provider, refused};
use crate::error::KeyError;
use crate::identity::Identity;

/// Makes the TLS configuration of a server: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN (RFC 7301), no early data.
///
/// Without a word about client certificates, none is asked for.
#[must_use]
pub struct ServerTls {
    identity: Identity,
    clients: Option<(TrustAnchors, bool)>,
    time: Arc<dyn TimeProvider>,
}

impl ServerTls {
    /// A server that shows this certificate.
    pub fn new(identity: Identity) -> Self {
        Self { identity, clients: None, time: Arc::new(DefaultTimeProvider) }
    }

    /// Clients must show a certificate that is good by `anchors`, or the handshake fails.
    pub fn require_client_certificate(self, anchors: TrustAnchors) -> Self {
        Self { clients: Some((anchors, true)), ..self }
    }

    /// Clients may show a certificate. One that is not good by `anchors` fails the handshake; showing none does not.
    pub fn accept_client_certificate(self, anchors: TrustAnchors) -> Self {
        Self { clients: Some((anchors, false)), ..self }
    }

    /// The clock by which client certificates are judged; the system's unless given.
    pub fn time_provider(self, time: Arc<dyn TimeProvider>) -> Self {
        Self { time, ..self }
    }

    /// Makes the configuration.
    ///
    /// # Errors
    ///
    /// [`Tls`](crate::KeyErrorKind::Tls), with rustls' own error as the source.
    pub fn build(self) -> Result<Arc<ServerConfig>, KeyError> {
        let provider = provider();
        let builder = ServerConfig::builder_with_details(provider.clone(), self.time)
            .with_safe_default_protocol_versions()
            .map_err(refused)?;
        let builder = match self.clients {
            None => builder.with_no_client_auth(),
            Some((anchors, mandatory)) => {
                let verifier = ClientVerifier::new(anchors.into_trust(), mandatory, provider)?;
                builder.with_client_cert_verifier(Arc::new(verifier))
            }
        };
        let key = self.identity.key().to_rustls();
        let mut config = builder.with_single_cert(self.identity.rustls_chain(), key).map_err(refused)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // What comes as early data can be replayed (RFC 8446, section 8), and a request with credentials must not be.
        config.max_early_data_size = 0;
        Ok(Arc::new(config))
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls")
            .field("identity", &self.identity)
            .field("clients", &self.clients)
            .finish_non_exhaustive()
    }
}
