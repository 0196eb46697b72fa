//! Private keys, in every container and encryption they come in.

use std::fmt;
use std::path::{Path, PathBuf};

use pkcs8::der::asn1::{AnyRef, OctetStringRef};
use pkcs8::der::{Decode as _, Tag};
use pkcs8::spki::AlgorithmIdentifierRef;
use pkcs8::{PrivateKeyInfoRef, SecretDocument};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

use crate::algorithm::{self, KeyAlgorithm};
use crate::asn1::{Fields, context};
use crate::encryption::{self, Password};
use crate::error::{KeyError, KeyErrorKind};
use crate::file::{Content, KeyFile, content};
use crate::identity::KeyWarning;
use crate::pem::Block;

/// A private key: RSA of 2048 to 8192 bits, EC on P-256, P-384 or P-521, or Ed25519.
///
/// Whatever it was read from, it is kept as PKCS#8, zeroised when dropped, and known to be one that can sign.
/// Its `Debug` shows the algorithm only.
///
/// # What is read
///
/// * PEM (`PRIVATE KEY`, `ENCRYPTED PRIVATE KEY`, `RSA PRIVATE KEY`, `EC PRIVATE KEY`) with anything around it that is
///   not another private key, and DER: PKCS#8 (RFC 5958), PKCS#1 (RFC 8017, appendix A.1.2), SEC1 (RFC 5915).
/// * PKCS#8 encrypted with PBES2: PBKDF2 (HMAC with SHA-1, SHA-224, SHA-256, SHA-384, SHA-512) or scrypt, and AES-128,
///   AES-192 or AES-256 in CBC mode, or 3DES.
/// * PKCS#8 encrypted with the methods of PKCS#12: 3DES with three or two keys, RC2 with 128 or 40 bits.
/// * PEM headers `Proc-Type: 4,ENCRYPTED` with `DES-EDE3-CBC` or AES in CBC mode.
#[derive(Clone)]
pub struct PrivateKey {
    pkcs8: Zeroizing<Vec<u8>>,
    algorithm: KeyAlgorithm,
    spki: Vec<u8>,
    readable_by_others: Option<PathBuf>,
}

impl PrivateKey {
    /// Reads the private key in a file. The password is ignored where the key is not encrypted.
    ///
    /// # Errors
    ///
    /// Any of [`KeyErrorKind`] that speaks of files and private keys; among them
    /// [`Encrypted`](KeyErrorKind::Encrypted) and [`WrongPassword`](KeyErrorKind::WrongPassword).
    pub fn from_file(path: impl AsRef<Path>, password: Option<&str>) -> Result<Self, KeyError> {
        let file = KeyFile::read(path)?;
        let mut key = Self::from_bytes(file.bytes(), password).map_err(|error| error.at(file.path()))?;
        key.readable_by_others = file.is_readable_by_others().then(|| file.path().to_owned());
        Ok(key)
    }

    /// Reads the private key in the content of a file: PEM or DER.
    ///
    /// # Errors
    ///
    /// As [`from_file`](Self::from_file).
    pub fn from_bytes(bytes: &[u8], password: Option<&str>) -> Result<Self, KeyError> {
        Ok(match content(bytes)? {
            Content::Pem(blocks) => Self::from_pem(&blocks, password)?,
            Content::Der(der) => Self::from_any_der(der, password)?,
        })
    }

    fn from_pem(blocks: &[Block], password: Option<&str>) -> Result<Self, KeyErrorKind> {
        let mut keys = blocks.iter().filter(|block| block.label.ends_with("PRIVATE KEY"));
        let Some(block) = keys.next() else {
            return Err(KeyErrorKind::NoPrivateKey(blocks.iter().map(|block| block.label.clone()).collect()));
        };
        match keys.count() {
            0 => Self::from_block(block, password),
            more => Err(KeyErrorKind::SeveralPrivateKeys(more + 1)),
        }
    }

    fn from_block(block: &Block, password: Option<&str>) -> Result<Self, KeyErrorKind> {
        let decrypted = match block.header("Proc-Type") {
            Some(kind) if kind.ends_with("ENCRYPTED") => {
                let dek_info =
                    block.header("DEK-Info").ok_or(KeyErrorKind::Malformed("it has no DEK-Info header"))?;
                let password = password.ok_or(KeyErrorKind::Encrypted)?;
                Some(encryption::decrypt_legacy_pem(dek_info, &block.der, password)?)
            }
            _ => None,
        };
        let der = decrypted.as_ref().unwrap_or(&block.der);
        let key = match block.label.as_str() {
            "PRIVATE KEY" => Self::from_pkcs8(der),
            "ENCRYPTED PRIVATE KEY" => Self::from_encrypted_pkcs8(der, password),
            "RSA PRIVATE KEY" => Self::from_pkcs1(der),
            "EC PRIVATE KEY" => Self::from_sec1(der),
            "OPENSSH PRIVATE KEY" => Err(KeyErrorKind::UnsupportedKey(
                "a key in OpenSSH's own format (`ssh-keygen -p -m PKCS8 -f KEY` converts it)".to_owned(),
            )),
            "DSA PRIVATE KEY" => Err(KeyErrorKind::UnsupportedKey("DSA".to_owned())),
            other => {
                let label: String = other.chars().take(40).collect();
                Err(KeyErrorKind::UnsupportedKey(format!("a {label:?}")))
            }
        };
        key.map_err(|error| match error {
            // Now and then a wrong password gives right padding.
            KeyErrorKind::Malformed(_) if decrypted.is_some() => KeyErrorKind::WrongPassword,
            other => other,
        })
    }

    /// Tells the structures apart by their first fields.
    fn from_any_der(der: &[u8], password: Option<&str>) -> Result<Self, KeyErrorKind> {
        const WHAT: &str = "it begins like DER, but is no private key";
        let mut fields = Fields::of_sequence(der, WHAT)?;
        if fields.peek() == Some(Tag::Sequence) {
            // A certificate and a SubjectPublicKeyInfo begin like this, too.
            fields.any()?;
            return match fields.peek() {
                Some(Tag::OctetString) => Self::from_encrypted_pkcs8(der, password),
                Some(Tag::Sequence) => Err(KeyErrorKind::NoPrivateKey(vec!["CERTIFICATE".to_owned()])),
                Some(Tag::BitString) => Err(KeyErrorKind::NoPrivateKey(vec!["PUBLIC KEY".to_owned()])),
                _ => Err(KeyErrorKind::Malformed(WHAT)),
            };
        }
        match (fields.integer()?, fields.peek()) {
            (3, Some(Tag::Sequence)) => Err(KeyErrorKind::Pkcs12),
            (_, Some(Tag::Sequence)) => Self::from_pkcs8(der),
            (_, Some(Tag::Integer)) => Self::from_pkcs1(der),
            (1, Some(Tag::OctetString)) => Self::from_sec1(der),
            _ => Err(KeyErrorKind::Malformed(WHAT)),
        }
    }

    fn from_encrypted_pkcs8(der: &[u8], password: Option<&str>) -> Result<Self, KeyErrorKind> {
        let password = Password::new(password.ok_or(KeyErrorKind::Encrypted)?);
        Self::from_shrouded(der, &password)
    }

    pub(crate) fn from_shrouded(der: &[u8], password: &Password<'_>) -> Result<Self, KeyErrorKind> {
        let decrypted = encryption::decrypt_info(der, password)?;
        // Now and then a wrong password gives right padding.
        if PrivateKeyInfoRef::from_der(&decrypted).is_err() {
            return Err(KeyErrorKind::WrongPassword);
        }
        Self::from_pkcs8(&decrypted)
    }

    /// PKCS#1 has no place for the algorithm, so this wraps it.
    fn from_pkcs1(der: &[u8]) -> Result<Self, KeyErrorKind> {
        Fields::of_sequence(der, "the RSA private key cannot be parsed")?;
        let algorithm = AlgorithmIdentifierRef { oid: algorithm::RSA, parameters: Some(AnyRef::NULL) };
        Self::from_pkcs8(wrap(algorithm, der)?.as_bytes())
    }

    /// In SEC1 the curve stands at the end, and in PKCS#8 in the algorithm.
    fn from_sec1(der: &[u8]) -> Result<Self, KeyErrorKind> {
        let mut fields = Fields::of_sequence(der, "the EC private key cannot be parsed")?;
        fields.integer()?;
        fields.octets()?;
        if fields.peek() != Some(context(0, true)) {
            return Err(KeyErrorKind::UnsupportedKey("an EC key that does not name its curve".to_owned()));
        }
        let parameters = fields.explicit(0)?.any()?;
        let algorithm = AlgorithmIdentifierRef { oid: algorithm::EC, parameters: Some(parameters) };
        Self::from_pkcs8(wrap(algorithm, der)?.as_bytes())
    }

    /// All roads end here: the key is checked to be of a known kind, and consistent in itself.
    pub(crate) fn from_pkcs8(der: &[u8]) -> Result<Self, KeyErrorKind> {
        const WHAT: &str = "the private key cannot be parsed";
        let info = PrivateKeyInfoRef::from_der(der).map_err(|_| KeyErrorKind::Malformed(WHAT))?;
        match KeyAlgorithm::of_identifier(&info.algorithm) {
            KeyAlgorithm::Other(name) => return Err(KeyErrorKind::UnsupportedKey(name)),
            KeyAlgorithm::Rsa { .. } => {
                let mut fields = Fields::of_sequence(info.private_key.as_bytes(), WHAT)?;
                fields.integer()?;
                let bits = algorithm::modulus_bits(&mut fields)?;
                if !(2048..=8192).contains(&bits) {
                    return Err(KeyErrorKind::UnsupportedKey(KeyAlgorithm::Rsa { bits }.to_string()));
                }
            }
            _ => {}
        }
        let signer = any_supported_type(&PrivateKeyDer::Pkcs8(der.into()))
            .map_err(|_| KeyErrorKind::Malformed("the numbers of the private key do not fit together"))?;
        let spki = signer.public_key().ok_or(KeyErrorKind::Malformed(WHAT))?.to_vec();
        let algorithm = KeyAlgorithm::of_spki(&spki)?;
        Ok(Self { pkcs8: Zeroizing::new(der.to_vec()), algorithm, spki, readable_by_others: None })
    }

    /// Which kind of key it is.
    #[must_use]
    pub fn algorithm(&self) -> &KeyAlgorithm {
        &self.algorithm
    }

    /// The key itself: PKCS#8 in DER, whatever it was read from. Secret: not for logs.
    #[must_use]
    pub fn pkcs8_der(&self) -> &[u8] {
        &self.pkcs8
    }

    /// The public half: a SubjectPublicKeyInfo in DER (RFC 5280, section 4.1.2.7).
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// A copy for rustls.
    #[must_use]
    pub fn to_rustls(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.pkcs8.to_vec()))
    }

    /// What is worth a line in the log although the key can be used: that every user of the machine may read its file.
    #[must_use]
    pub fn warning(&self) -> Option<KeyWarning> {
        self.readable_by_others.clone().map(KeyWarning::ReadableByOthers)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

fn wrap(algorithm: AlgorithmIdentifierRef<'_>, key: &[u8]) -> Result<SecretDocument, KeyErrorKind> {
    let failed = |_| KeyErrorKind::Malformed("the private key cannot be parsed");
    let key = OctetStringRef::new(key).map_err(failed)?;
    SecretDocument::try_from(PrivateKeyInfoRef::new(algorithm, key))
        .map_err(|_| KeyErrorKind::Malformed("the private key cannot be parsed"))
}
