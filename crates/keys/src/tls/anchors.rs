//! The certificates that the other side is checked against.

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;

use crate::certificate::{Certificate, read_certificates};
use crate::error::{KeyError, KeyErrorKind};
use crate::key_store::KeyStore;

/// The certificates that a peer's certificate is checked against.
///
/// One that is an authority (a CA certificate) is trusted to issue others. One that is not, such as the very certificate
/// that a server presents, is *pinned*: the peer must present exactly this one. Nobody may issue certificates with it.
/// An authority that itself serves as a server's certificate, which `openssl req -x509` makes, is both.
///
/// Pinning replaces the check of the chain and nothing else. The certificate must be valid at the time, be meant for its
/// purpose where it says so, and, for a server, carry the name that was called among its subject alternative names; the
/// common name is never looked at (RFC 9525).
#[derive(Clone, Debug)]
pub struct TrustAnchors {
    certificates: Vec<Certificate>,
    system: Vec<CertificateDer<'static>>,
}

/// The same as rustls needs it.
pub(super) struct Trust {
    pub(super) roots: Arc<RootCertStore>,
    pub(super) pinned: Vec<Certificate>,
    /// Some peer may be trusted that no authority here has issued.
    pub(super) beyond_roots: bool,
}

impl TrustAnchors {
    /// The certificates in a file: PEM with one or more, or DER with one.
    ///
    /// # Errors
    ///
    /// Those of [`read_certificates`].
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        Self::from_certificates(read_certificates(path)?)
    }

    /// The trusted certificates of a PKCS#12 trust store.
    ///
    /// # Errors
    ///
    /// Those of [`KeyStore::open`], and [`NoTrustAnchors`](KeyErrorKind::NoTrustAnchors).
    pub fn from_key_store(path: impl AsRef<Path>, password: &str) -> Result<Self, KeyError> {
        let path = path.as_ref();
        let store = KeyStore::open(path, password)?;
        Self::from_certificates(store.trusted_certificates()).map_err(|error| error.at(path))
    }

    /// These certificates.
    ///
    /// # Errors
    ///
    /// [`NoTrustAnchors`](KeyErrorKind::NoTrustAnchors) when there are none.
    pub fn from_certificates(certificates: Vec<Certificate>) -> Result<Self, KeyError> {
        if certificates.is_empty() {
            return Err(KeyErrorKind::NoTrustAnchors.into());
        }
        Ok(Self { certificates, system: Vec::new() })
    }

    /// The certificates that the operating system trusts. `SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured.
    ///
    /// # Errors
    ///
    /// [`NoSystemRoots`](KeyErrorKind::NoSystemRoots) when there are none.
    pub fn system() -> Result<Self, KeyError> {
        let mut found = rustls_native_certs::load_native_certs();
        if found.certs.is_empty() {
            return Err(match found.errors.pop() {
                Some(error) => KeyError::with_source(KeyErrorKind::NoSystemRoots, error),
                None => KeyErrorKind::NoSystemRoots.into(),
            });
        }
        Ok(Self { certificates: Vec::new(), system: found.certs })
    }

    /// The certificates that were given; none where the system's are used.
    #[must_use]
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    pub(super) fn into_trust(self) -> Trust {
        let mut roots = RootCertStore::empty();
        let authorities = self.certificates.iter().filter(|certificate| certificate.issues_others);
        // Stores of authorities have oddities that rustls does not take; whoever they issued is refused then.
        roots.add_parsable_certificates(authorities.map(Certificate::to_rustls).chain(self.system));
        let beyond_roots = self.certificates.iter().any(|certificate| !certificate.issues_others);
        Trust { roots: Arc::new(roots), pinned: self.certificates, beyond_roots }
    }
}
