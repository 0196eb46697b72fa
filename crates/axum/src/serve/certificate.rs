use std::{fmt, sync::Arc};

use rustls::pki_types::CertificateDer;

/// The certificate that the client showed in the TLS handshake, in the extensions of each of its requests.
///
/// The handshake checked it against `mutualSsl.cert`, and that the client has its key. It is no principal: it says
/// who sent the bytes, and the chain alone says who may call.
#[derive(Clone)]
pub struct ClientCertificate(Arc<[CertificateDer<'static>]>);

impl ClientCertificate {
    /// `None` where the client showed none.
    pub(super) fn new(chain: Option<&[CertificateDer<'static>]>) -> Option<Self> {
        chain.filter(|chain| !chain.is_empty()).map(|chain| Self(chain.iter().cloned().collect()))
    }

    pub(super) fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.0
    }

    /// The client's own certificate, as DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        self.0.first().map(AsRef::as_ref).unwrap_or_default()
    }

    /// All that the client sent, as DER, its own first. Only that one is known to be good.
    pub fn chain(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(AsRef::as_ref)
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").field("certificates", &self.0.len()).finish()
    }
}
