//! The server's side of TLS.

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::server::danger::ClientCertVerifier;
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
        self.build_with_check().map(|(config, _)| config)
    }

    /// Makes the configuration, and what judges by it the clients that are connected already.
    ///
    /// # Errors
    ///
    /// As [`ServerTls::build`].
    pub fn build_with_check(self) -> Result<(Arc<ServerConfig>, ClientCheck), KeyError> {
        let mut check = ClientCheck { verifier: None, time: self.time.clone() };
        let provider = provider();
        let builder = ServerConfig::builder_with_details(provider.clone(), self.time)
            .with_safe_default_protocol_versions()
            .map_err(refused)?;
        let builder = match self.clients {
            None => builder.with_no_client_auth(),
            Some((anchors, mandatory)) => {
                let verifier = Arc::new(ClientVerifier::new(anchors.into_trust(), mandatory, provider)?);
                check.verifier = Some(verifier.clone());
                builder.with_client_cert_verifier(verifier)
            }
        };
        let key = self.identity.key().to_rustls();
        let mut config = builder.with_single_cert(self.identity.rustls_chain(), key).map_err(refused)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // What comes as early data can be replayed (RFC 8446, section 8), and a request with credentials must not be.
        config.max_early_data_size = 0;
        Ok((Arc::new(config), check))
    }
}

/// Judges the clients of open connections by a TLS configuration that came after their handshake.
pub struct ClientCheck {
    /// `None` where clients are not asked for certificates.
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    time: Arc<dyn TimeProvider>,
}

impl ClientCheck {
    /// Whether the handshake would succeed now with the certificates that the client showed then, its own first; none where
    /// it showed none. A certificate that nobody asks for any more is not accepted: nothing vouches for it.
    #[must_use]
    pub fn accepts(&self, shown: &[CertificateDer<'_>]) -> bool {
        match (&self.verifier, shown) {
            (None, shown) => shown.is_empty(),
            (Some(verifier), []) => !verifier.client_auth_mandatory(),
            (Some(verifier), [own, others @ ..]) => {
                let now = self.time.current_time();
                now.is_some_and(|now| verifier.verify_client_cert(own, others, now).is_ok())
            }
        }
    }
}

impl fmt::Debug for ClientCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCheck").field("verifier", &self.verifier).finish_non_exhaustive()
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
