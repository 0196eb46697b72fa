//! A private key with the certificates that go with it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use time::OffsetDateTime;

use crate::certificate::{Certificate, read_certificates};
use crate::error::{KeyError, KeyErrorKind};
use crate::key_store::KeyStore;
use crate::private_key::PrivateKey;

/// Who a TLS server or client is: a private key, its certificate, and the certificates between that and an authority.
///
/// The key is checked to be the certificate's.
#[derive(Clone, Debug)]
pub struct Identity {
    key: PrivateKey,
    certificate: Certificate,
    issuers: Vec<Certificate>,
}

/// What is worth a line in the log although the key can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyWarning {
    /// Every user of the machine may read the file of a private key.
    ReadableByOthers(PathBuf),
    /// The certificate of this subject is no longer valid, since this second since the Unix epoch.
    Expired(String, i64),
    /// The certificate of this subject is not valid before this second since the Unix epoch.
    NotYetValid(String, i64),
}

impl Identity {
    /// Joins a key and its certificate chain, which begins with the key's own certificate.
    ///
    /// # Errors
    ///
    /// [`KeyMismatch`](KeyErrorKind::KeyMismatch), and [`NoCertificate`](KeyErrorKind::NoCertificate) for an empty
    /// chain.
    pub fn new(key: PrivateKey, chain: Vec<Certificate>) -> Result<Self, KeyError> {
        let mut issuers = chain.into_iter();
        let Some(certificate) = issuers.next() else {
            return Err(KeyErrorKind::NoCertificate(Vec::new()).into());
        };
        if certificate.spki_der() != key.spki_der() {
            return Err(KeyErrorKind::KeyMismatch.into());
        }
        Ok(Self { key, certificate, issuers: issuers.collect() })
    }

    /// Reads a certificate chain (PEM, or one certificate in DER) and its private key, perhaps from one file.
    ///
    /// # Errors
    ///
    /// Those of [`read_certificates`] and [`PrivateKey::from_file`], and [`KeyMismatch`](KeyErrorKind::KeyMismatch).
    pub fn from_files(
        certificates: impl AsRef<Path>,
        key: impl AsRef<Path>,
        key_password: Option<&str>,
    ) -> Result<Self, KeyError> {
        let path = certificates.as_ref();
        let chain = read_certificates(path)?;
        let key = PrivateKey::from_file(key, key_password)?;
        Self::new(key, chain).map_err(|error| error.at(path))
    }

    /// Takes a private key and its certificate chain from a PKCS#12 key store. The alias may be `None` where the
    /// store has one private key.
    ///
    /// # Errors
    ///
    /// Those of [`KeyStore::open`] and [`KeyStore::identity`].
    pub fn from_key_store(
        path: impl AsRef<Path>,
        password: &str,
        alias: Option<&str>,
    ) -> Result<Self, KeyError> {
        KeyStore::open(path, password)?.identity(alias, None)
    }

    /// The private key.
    #[must_use]
    pub fn key(&self) -> &PrivateKey {
        &self.key
    }

    /// The key's own certificate.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// All certificates, the key's own first.
    pub fn chain(&self) -> impl Iterator<Item = &Certificate> {
        std::iter::once(&self.certificate).chain(&self.issuers)
    }

    /// What is worth a line in the log at `now`, since the Unix epoch.
    #[must_use]
    pub fn warnings(&self, now: Duration) -> Vec<KeyWarning> {
        let now_seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let validity = |certificate: &Certificate| {
            let subject = certificate.subject().to_owned();
            if now_seconds > certificate.not_after() {
                Some(KeyWarning::Expired(subject, certificate.not_after()))
            } else if now_seconds < certificate.not_before() {
                Some(KeyWarning::NotYetValid(subject, certificate.not_before()))
            } else {
                None
            }
        };
        self.key.warning().into_iter().chain(self.chain().filter_map(validity)).collect()
    }

    pub(crate) fn rustls_chain(&self) -> Vec<CertificateDer<'static>> {
        self.chain().map(Certificate::to_rustls).collect()
    }
}

impl fmt::Display for KeyWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReadableByOthers(path) => write!(
                f,
                "{}: every user of this machine may read this private key: `chmod o-r` it",
                path.display()
            ),
            Self::Expired(subject, since) => {
                write!(f, "the certificate of {subject} expired on {}: renew it", date(*since))
            }
            Self::NotYetValid(subject, from) => write!(
                f,
                "the certificate of {subject} is not valid before {}: check the clock, or wait",
                date(*from)
            ),
        }
    }
}

fn date(seconds: i64) -> String {
    match OffsetDateTime::from_unix_timestamp(seconds) {
        Ok(time) => {
            let (year, month, day) = time.to_calendar_date();
            let (hour, minute, second) = time.to_hms();
            format!("{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z", u8::from(month))
        }
        Err(_) => format!("{seconds} seconds after 1970"),
    }
}
