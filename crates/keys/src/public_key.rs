//! Public keys to verify signatures with.

use std::path::Path;
use std::time::Duration;

use pkcs8::der::asn1::{AnyRef, BitStringRef};
use pkcs8::der::{Decode as _, Encode as _};
use pkcs8::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

use crate::algorithm::{self, KeyAlgorithm};
use crate::asn1::Fields;
use crate::certificate::{Certificate, Validity, is_certificate, not_a_certificate};
use crate::error::{KeyError, KeyErrorKind};
use crate::file::{Content, KeyFile, content};
use crate::pem::Block;

/// A public key, and when it may be used where a certificate says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    spki: Vec<u8>,
    algorithm: KeyAlgorithm,
    validity: Option<Validity>,
}

impl PublicKey {
    /// Reads the public key in a file: of a certificate (where PEM has several, the first: a chain begins with the
    /// certificate that is meant), a `PUBLIC KEY` (SubjectPublicKeyInfo) or an `RSA PUBLIC KEY` (PKCS#1); PEM or DER.
    ///
    /// # Errors
    ///
    /// Any of [`KeyErrorKind`] that speaks of files and public keys; [`Json`](KeyErrorKind::Json) for a JWK.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        Self::from_key_file(&KeyFile::read(path)?)
    }

    /// Reads the public key in a file that was already read.
    ///
    /// # Errors
    ///
    /// As [`from_file`](Self::from_file).
    pub fn from_key_file(file: &KeyFile) -> Result<Self, KeyError> {
        Self::from_bytes(file.bytes()).map_err(|error| error.at(file.path()))
    }

    /// Reads the public key in the content of a file: PEM or DER.
    ///
    /// # Errors
    ///
    /// As [`from_file`](Self::from_file).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        match content(bytes)? {
            Content::Pem(blocks) => Self::from_pem(&blocks),
            Content::Der(der) => Self::from_der(der),
        }
    }

    fn from_pem(blocks: &[Block]) -> Result<Self, KeyError> {
        if let Some(block) = blocks.iter().find(|block| is_certificate(block)) {
            return Ok(Self::from(&Certificate::from_der(&block.der)?));
        }
        let mut keys = blocks.iter().filter(|block| block.label.ends_with("PUBLIC KEY"));
        match (keys.next(), keys.count()) {
            (Some(block), 0) if block.label == "RSA PUBLIC KEY" => Ok(Self::from_pkcs1(&block.der)?),
            (Some(block), 0) => Ok(Self::from_spki(&block.der)?),
            (Some(_), more) => Err(KeyErrorKind::SeveralPublicKeys(more + 1).into()),
            (None, _) => {
                Err(KeyErrorKind::NoPublicKey(blocks.iter().map(|block| block.label.clone()).collect())
                    .into())
            }
        }
    }

    fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        if let Ok(key) = Self::from_spki(der) {
            return Ok(key);
        }
        // PKCS#1 is the only one of these that is two numbers.
        if let Ok(key) = Self::from_pkcs1(der) {
            return Ok(key);
        }
        match not_a_certificate(der) {
            Some(KeyErrorKind::NoCertificate(found)) => Err(KeyErrorKind::NoPublicKey(found).into()),
            Some(other) => Err(other.into()),
            None => Ok(Self::from(&Certificate::from_der(der)?)),
        }
    }

    fn from_spki(der: &[u8]) -> Result<Self, KeyErrorKind> {
        SubjectPublicKeyInfoRef::from_der(der)
            .map_err(|_| KeyErrorKind::Malformed("the public key cannot be parsed"))?;
        Ok(Self { spki: der.to_vec(), algorithm: KeyAlgorithm::of_spki(der)?, validity: None })
    }

    /// RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER }; the algorithm is wrapped around it.
    fn from_pkcs1(der: &[u8]) -> Result<Self, KeyErrorKind> {
        const MALFORMED: KeyErrorKind = KeyErrorKind::Malformed("the RSA public key cannot be parsed");
        let mut fields = Fields::of_sequence(der, "the RSA public key cannot be parsed")?;
        fields.integer()?;
        fields.integer()?;
        fields.finish()?;
        let algorithm = AlgorithmIdentifierRef { oid: algorithm::RSA, parameters: Some(AnyRef::NULL) };
        let subject_public_key = BitStringRef::from_bytes(der).map_err(|_| MALFORMED)?;
        let spki =
            SubjectPublicKeyInfoRef { algorithm, subject_public_key }.to_der().map_err(|_| MALFORMED)?;
        Self::from_spki(&spki)
    }

    /// The key: a SubjectPublicKeyInfo in DER (RFC 5280, section 4.1.2.7).
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// Which kind of key it is.
    #[must_use]
    pub fn algorithm(&self) -> &KeyAlgorithm {
        &self.algorithm
    }

    /// When it may be used: `None` where it did not come from a certificate.
    #[must_use]
    pub fn validity(&self) -> Option<Validity> {
        self.validity
    }

    /// Whether it may be used at `now`, since the Unix epoch.
    #[must_use]
    pub fn is_valid_at(&self, now: Duration) -> bool {
        self.validity.is_none_or(|validity| validity.contains(now))
    }
}

impl From<&Certificate> for PublicKey {
    fn from(certificate: &Certificate) -> Self {
        Self {
            spki: certificate.spki_der().to_vec(),
            algorithm: certificate.algorithm().clone(),
            validity: Some(certificate.validity()),
        }
    }
}
