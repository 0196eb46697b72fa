//! Checking the other side against authorities, and against certificates that are trusted as they are.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::anchors::Trust;
use crate::certificate::{Certificate, Usage};
use crate::error::{KeyError, KeyErrorKind};

/// Certificates that are trusted as they are.
#[derive(Debug)]
struct Pinned(Vec<Certificate>);

impl Pinned {
    /// Whether the peer presented one of them, at a time and for a purpose that it allows. `error` is what the check
    /// against the authorities said.
    fn check(
        &self,
        presented: &CertificateDer<'_>,
        now: UnixTime,
        allowed: impl Fn(Usage) -> bool,
        error: Error,
    ) -> Result<(), Error> {
        let Some(pinned) = self.0.iter().find(|certificate| certificate.der() == presented.as_ref()) else {
            return Err(error);
        };
        let seconds = Duration::from_secs(now.as_secs());
        if !pinned.is_valid_at(seconds) {
            let expired = i64::try_from(now.as_secs()).is_ok_and(|now| now > pinned.not_after());
            return Err(
                if expired { CertificateError::Expired } else { CertificateError::NotValidYet }.into()
            );
        }
        if !allowed(pinned.usage) {
            return Err(CertificateError::InvalidPurpose.into());
        }
        Ok(())
    }
}

fn unknown_issuer() -> Error {
    CertificateError::UnknownIssuer.into()
}

/// Checks servers. The authorities decide first.
#[derive(Debug)]
pub(super) struct ServerVerifier {
    authorities: Option<Arc<WebPkiServerVerifier>>,
    pinned: Pinned,
    provider: Arc<CryptoProvider>,
}

impl ServerVerifier {
    pub(super) fn new(trust: Trust, provider: Arc<CryptoProvider>) -> Result<Self, KeyError> {
        let authorities = if trust.roots.is_empty() {
            None
        } else {
            let builder = WebPkiServerVerifier::builder_with_provider(trust.roots, provider.clone());
            Some(builder.build().map_err(|error| KeyError::with_source(KeyErrorKind::Tls, error))?)
        };
        Ok(Self { authorities, pinned: Pinned(trust.pinned), provider })
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let by_authority = match &self.authorities {
            Some(verifier) => {
                verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            }
            None => Err(unknown_issuer()),
        };
        by_authority.or_else(|error| {
            self.pinned.check(end_entity, now, |usage| usage.server, error)?;
            verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
            Ok(ServerCertVerified::assertion())
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Checks clients. The authorities decide first.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    authorities: Option<Arc<dyn ClientCertVerifier>>,
    pinned: Pinned,
    mandatory: bool,
    /// A client may choose its certificate by the authorities that it is told; told none, it sends what it has.
    hints: Vec<DistinguishedName>,
    provider: Arc<CryptoProvider>,
}

impl ClientVerifier {
    pub(super) fn new(
        trust: Trust,
        mandatory: bool,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, KeyError> {
        let hints = if trust.beyond_roots { Vec::new() } else { trust.roots.subjects() };
        let authorities = if trust.roots.is_empty() {
            None
        } else {
            let builder = WebPkiClientVerifier::builder_with_provider(trust.roots, provider.clone());
            Some(builder.build().map_err(|error| KeyError::with_source(KeyErrorKind::Tls, error))?)
        };
        Ok(Self { authorities, pinned: Pinned(trust.pinned), mandatory, hints, provider })
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let by_authority = match &self.authorities {
            Some(verifier) => verifier.verify_client_cert(end_entity, intermediates, now),
            None => Err(unknown_issuer()),
        };
        by_authority.or_else(|error| {
            self.pinned.check(end_entity, now, |usage| usage.client, error)?;
            Ok(ClientCertVerified::assertion())
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
