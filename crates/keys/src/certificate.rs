//! X.509 certificates.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer as _, X509Certificate, X509Version};

use crate::algorithm::KeyAlgorithm;
use crate::error::{KeyError, KeyErrorKind};
use crate::file::{Content, KeyFile, content};
use crate::pem::Block;

/// When a certificate is valid: from the first second to the last, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Validity {
    /// `notBefore`, in seconds since the Unix epoch; negative before 1970.
    pub not_before: i64,
    /// `notAfter`, in seconds since the Unix epoch.
    pub not_after: i64,
}

impl Validity {
    /// Whether `now`, since the Unix epoch, lies within.
    #[must_use]
    pub fn contains(&self, now: Duration) -> bool {
        // RFC 5280, section 4.1.2.5: "The validity period for a certificate is the period of time from notBefore
        // through notAfter, inclusive."
        i64::try_from(now.as_secs()).is_ok_and(|now| self.not_before <= now && now <= self.not_after)
    }
}

/// An X.509 certificate (RFC 5280). That it could be parsed says nothing of whom to trust.
#[derive(Clone)]
pub struct Certificate {
    der: CertificateDer<'static>,
    spki: Vec<u8>,
    algorithm: KeyAlgorithm,
    subject: String,
    subject_der: Vec<u8>,
    issuer_der: Vec<u8>,
    validity: Validity,
    pub(crate) issues_others: bool,
    pub(crate) usage: Usage,
}

/// What the extended key usage (RFC 5280, section 4.2.1.12) allows; everything where there is none.
#[derive(Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) server: bool,
    pub(crate) client: bool,
}

impl Certificate {
    /// Parses one certificate in DER.
    ///
    /// # Errors
    ///
    /// [`Malformed`](KeyErrorKind::Malformed).
    pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        const WHAT: &str = "the certificate cannot be parsed";
        let malformed = || KeyErrorKind::Malformed(WHAT);
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|_| malformed())?;
        if !rest.is_empty() {
            return Err(malformed().into());
        }
        let spki = parsed.public_key().raw.to_vec();
        let unreadable = |_| KeyAlgorithm::Other("a key that cannot be parsed".to_owned());
        Ok(Self {
            algorithm: KeyAlgorithm::of_spki(&spki).unwrap_or_else(unreadable),
            spki,
            subject: printable(&parsed.subject().to_string()),
            subject_der: parsed.subject().as_raw().to_vec(),
            issuer_der: parsed.issuer().as_raw().to_vec(),
            validity: Validity {
                not_before: parsed.validity().not_before.timestamp(),
                not_after: parsed.validity().not_after.timestamp(),
            },
            issues_others: issues_others(&parsed),
            usage: usage(&parsed),
            der: CertificateDer::from(der.to_vec()),
        })
    }

    /// The certificate in DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Its public key: a SubjectPublicKeyInfo in DER (RFC 5280, section 4.1.2.7).
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// Which kind of key that is.
    #[must_use]
    pub fn algorithm(&self) -> &KeyAlgorithm {
        &self.algorithm
    }

    /// Whom it names, e.g. `CN=localhost`; control characters are escaped.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// When it is valid.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// The first second of its validity, since the Unix epoch; negative before 1970.
    #[must_use]
    pub fn not_before(&self) -> i64 {
        self.validity.not_before
    }

    /// The last second of its validity, since the Unix epoch.
    #[must_use]
    pub fn not_after(&self) -> i64 {
        self.validity.not_after
    }

    /// Whether it is valid at `now`, since the Unix epoch.
    #[must_use]
    pub fn is_valid_at(&self, now: Duration) -> bool {
        self.validity.contains(now)
    }

    /// The certificate as rustls wants it.
    #[must_use]
    pub fn to_rustls(&self) -> CertificateDer<'static> {
        self.der.clone()
    }

    pub(crate) fn names_as_issuer(&self, issuer: &Self) -> bool {
        self.issuer_der == issuer.subject_der
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("subject", &self.subject)
            .field("validity", &self.validity)
            .finish_non_exhaustive()
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

/// Reads the certificates of a file: PEM with one or more, or DER with one.
///
/// # Errors
///
/// Any of [`KeyErrorKind`] that speaks of files and certificates; [`NoCertificate`](KeyErrorKind::NoCertificate) where
/// there is none, so that the result is never empty.
pub fn read_certificates(path: impl AsRef<Path>) -> Result<Vec<Certificate>, KeyError> {
    let file = KeyFile::read(path)?;
    parse_certificates(file.bytes()).map_err(|error| error.at(file.path()))
}

/// Parses the certificates in the content of a file: PEM with one or more, or DER with one.
///
/// # Errors
///
/// As [`read_certificates`].
pub fn parse_certificates(bytes: &[u8]) -> Result<Vec<Certificate>, KeyError> {
    match content(bytes)? {
        Content::Der(der) => match not_a_certificate(der) {
            Some(kind) => Err(kind.into()),
            None => Ok(vec![Certificate::from_der(der)?]),
        },
        Content::Pem(blocks) => {
            let certificates = blocks.iter().filter(|block| is_certificate(block));
            let certificates =
                certificates.map(|block| Certificate::from_der(&block.der)).collect::<Result<Vec<_>, _>>()?;
            if certificates.is_empty() {
                let labels = blocks.iter().map(|block| block.label.clone()).collect();
                return Err(KeyErrorKind::NoCertificate(labels).into());
            }
            Ok(certificates)
        }
    }
}

pub(crate) fn is_certificate(block: &Block) -> bool {
    // RFC 7468, section 5.1: some writers use the longer label.
    block.label == "CERTIFICATE" || block.label == "X509 CERTIFICATE"
}

/// What this DER is, where it is plainly something else.
pub(crate) fn not_a_certificate(der: &[u8]) -> Option<KeyErrorKind> {
    use pkcs8::der::Tag;
    let mut fields = crate::asn1::Fields::of_sequence(der, "").ok()?;
    let labels = |label: &str| Some(KeyErrorKind::NoCertificate(vec![label.to_owned()]));
    if fields.peek() == Some(Tag::Integer) {
        let version = fields.integer().ok()?;
        return match (version, fields.peek()) {
            (3, Some(Tag::Sequence)) => Some(KeyErrorKind::Pkcs12),
            _ => labels("PRIVATE KEY"),
        };
    }
    fields.any().ok()?;
    match fields.peek() {
        Some(Tag::OctetString) => labels("ENCRYPTED PRIVATE KEY"),
        Some(Tag::BitString) => labels("PUBLIC KEY"),
        _ => None,
    }
}

/// Whether a certificate that is trusted may be the issuer of others.
///
/// The bit for it is `cA` of the basic constraints. Certificates too old for extensions, and self-issued ones that do
/// not say, have always counted as authorities where an operator trusts them.
fn issues_others(certificate: &X509Certificate<'_>) -> bool {
    let signs_certificates = match certificate.key_usage() {
        Ok(Some(usage)) => usage.value.key_cert_sign(),
        Ok(None) => true,
        Err(_) => false,
    };
    let authority = match certificate.basic_constraints() {
        Ok(Some(constraints)) => constraints.value.ca,
        Ok(None) => {
            certificate.version() != X509Version::V3
                || certificate.subject().as_raw() == certificate.issuer().as_raw()
        }
        Err(_) => false,
    };
    authority && signs_certificates
}

fn usage(certificate: &X509Certificate<'_>) -> Usage {
    match certificate.extended_key_usage() {
        Ok(Some(usage)) => Usage {
            server: usage.value.any || usage.value.server_auth,
            client: usage.value.any || usage.value.client_auth,
        },
        Ok(None) => Usage { server: true, client: true },
        Err(_) => Usage { server: false, client: false },
    }
}

fn printable(name: &str) -> String {
    name.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}
