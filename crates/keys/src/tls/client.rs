//! The client's side of TLS.

use std::fmt;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::danger::ServerCertVerifier;
use rustls::time_provider::{DefaultTimeProvider, TimeProvider};

use super::anchors::TrustAnchors;
use super::pinned::ServerVerifier;
use super::unverified::Unverified;
use super::{provider, refused};
use crate::error::KeyError;
use crate::identity::Identity;

/// Makes the TLS configuration of a client: TLS 1.2 and 1.3, no early data.
///
/// It says nothing of ALPN, which belongs to the protocol that is spoken: hyper-rustls sets it by itself.
#[must_use]
pub struct ClientTls {
    servers: Option<TrustAnchors>,
    identity: Option<Identity>,
    time: Arc<dyn TimeProvider>,
}

impl ClientTls {
    /// A client of servers that are good by `anchors`: their chain, validity and name are checked.
    pub fn new(anchors: TrustAnchors) -> Self {
        Self { servers: Some(anchors), identity: None, time: Arc::new(DefaultTimeProvider) }
    }

    /// A client that takes any server for the right one: neither chain nor validity nor name are checked.
    ///
    /// Whoever sits between can read and change everything, credentials included. Only for trying things out.
    pub fn dangerous_without_verification() -> Self {
        Self { servers: None, identity: None, time: Arc::new(DefaultTimeProvider) }
    }

    /// The certificate to show to servers that ask for one.
    pub fn identity(self, identity: Identity) -> Self {
        Self { identity: Some(identity), ..self }
    }

    /// The clock by which certificates are judged; the system's unless given.
    pub fn time_provider(self, time: Arc<dyn TimeProvider>) -> Self {
        Self { time, ..self }
    }

    /// Makes the configuration.
    ///
    /// # Errors
    ///
    /// [`Tls`](crate::KeyErrorKind::Tls), with rustls' own error as the source.
    pub fn build(self) -> Result<ClientConfig, KeyError> {
        let provider = provider();
        let verifier: Arc<dyn ServerCertVerifier> = match self.servers {
            Some(anchors) => Arc::new(ServerVerifier::new(anchors.into_trust(), provider.clone())?),
            None => Arc::new(Unverified::new(provider.clone())),
        };
        let builder = ClientConfig::builder_with_details(provider, self.time)
            .with_safe_default_protocol_versions()
            .map_err(refused)?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        match self.identity {
            None => Ok(builder.with_no_client_auth()),
            Some(identity) => builder
                .with_client_auth_cert(identity.rustls_chain(), identity.key().to_rustls())
                .map_err(refused),
        }
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: &dyn fmt::Debug = match &self.servers {
            Some(anchors) => anchors,
            None => &"not verified",
        };
        f.debug_struct("ClientTls")
            .field("servers", servers)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}
