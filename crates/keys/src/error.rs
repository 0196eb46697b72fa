//! What can be wrong with a key, a certificate or a key store, and what to do about it.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why a key, a certificate, a key store or a TLS configuration could not be had.
///
/// Its text names the file, what is wrong and the remedy, and never holds a password or key material. [`Debug`] prints
/// the same as [`Display`](fmt::Display). All of them are the operator's to mend; none is worth a retry.
pub struct KeyError {
    kind: KeyErrorKind,
    path: Option<PathBuf>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The kinds of [`KeyError`], one for each distinct mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyErrorKind {
    /// The file could not be read.
    Unreadable(io::ErrorKind),
    /// The file has more than [`MAX_FILE_BYTES`](crate::MAX_FILE_BYTES) bytes.
    TooLarge,
    /// The file is empty.
    Empty,
    /// The content is neither PEM nor DER.
    Unrecognized,
    /// The file was saved as UTF-16.
    Utf16,
    /// The content is JSON, perhaps a JWK.
    Json,
    /// The content is a Java key store in the JKS or JCEKS format.
    Jks,
    /// The content is a PKCS#12 key store where a key or certificate file was expected.
    Pkcs12,
    /// The content is not PKCS#12 where a key store was expected.
    NotPkcs12,
    /// A PEM block is cut off or is not base64.
    DamagedPem {
        /// The line, from 1, where the block begins.
        line: usize,
    },
    /// The content is not what its header promises.
    Malformed(&'static str),
    /// The key is encrypted and no password was given.
    Encrypted,
    /// The password does not open the key file or the key store.
    WrongPassword,
    /// The password does not open the private key of this alias, although that of the store opened the store.
    WrongKeyPassword(String),
    /// The encryption is one that portcullis does not read.
    UnsupportedEncryption(String),
    /// The key's algorithm is one that portcullis does not use.
    UnsupportedKey(String),
    /// Opening the file would take more work than is allowed.
    TooExpensive {
        /// What is too large, e.g. the number of iterations.
        what: &'static str,
        /// What the file asks for.
        found: u64,
        /// The most that is allowed.
        limit: u64,
    },
    /// There is no private key in the file; the labels of the PEM blocks that are there.
    NoPrivateKey(Vec<String>),
    /// There are several private keys in the file.
    SeveralPrivateKeys(usize),
    /// There is no certificate in the file; the labels of the PEM blocks that are there.
    NoCertificate(Vec<String>),
    /// There is neither a certificate nor a public key in the file; the labels of the PEM blocks that are there.
    NoPublicKey(Vec<String>),
    /// There are several public keys in the file.
    SeveralPublicKeys(usize),
    /// The private key does not belong to the certificate.
    KeyMismatch,
    /// The key store has no such alias.
    UnknownAlias {
        /// The alias that was asked for.
        alias: String,
        /// The aliases that the store has.
        available: Vec<String>,
    },
    /// Several entries of the key store have this alias.
    AmbiguousAlias(String),
    /// The entry of this alias is a certificate without a private key.
    NotAKeyEntry(String),
    /// The entry of this alias has no certificate.
    NoCertificateEntry(String),
    /// The key store has no private key.
    NoKeyEntry,
    /// The key store has several private keys, and no alias was given; their aliases.
    SeveralKeyEntries(Vec<String>),
    /// There is no usable certificate to trust.
    NoTrustAnchors,
    /// The system's own trusted certificates could not be found.
    NoSystemRoots,
    /// rustls refused the configuration.
    Tls,
    /// The self-signed certificate could not be made.
    SelfSigned,
}

impl KeyError {
    pub(crate) fn with_source(kind: KeyErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, path: None, source: Some(source.into()) }
    }

    pub(crate) fn unreadable(path: &Path, source: io::Error) -> Self {
        Self { path: Some(path.into()), ..Self::with_source(KeyErrorKind::Unreadable(source.kind()), source) }
    }

    /// Names the file, unless the error came from a file that it already names.
    pub(crate) fn at(mut self, path: &Path) -> Self {
        self.path.get_or_insert_with(|| path.into());
        self
    }

    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> &KeyErrorKind {
        &self.kind
    }

    /// The file it is wrong with, where there is one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }
}

impl From<KeyErrorKind> for KeyError {
    fn from(kind: KeyErrorKind) -> Self {
        Self { kind, path: None, source: None }
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            write!(f, "{}: ", path.display())?;
        }
        self.kind.fmt(f)
    }
}

impl fmt::Debug for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for KeyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

impl fmt::Display for KeyErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(io::ErrorKind::NotFound) => {
                f.write_str("the file does not exist: check its path")
            }
            Self::Unreadable(io::ErrorKind::PermissionDenied) => {
                f.write_str("the file may not be read: give the service's user the right to read it")
            }
            Self::Unreadable(io::ErrorKind::IsADirectory) => {
                f.write_str("this is a directory: name the file in it")
            }
            Self::Unreadable(_) => f.write_str("the file cannot be read"),
            Self::TooLarge => {
                write!(f, "the file is larger than {} MiB, which no key file is", crate::MAX_FILE_BYTES >> 20)
            }
            Self::Empty => f.write_str("the file is empty"),
            Self::Unrecognized => f.write_str("the file is neither PEM (`-----BEGIN …`) nor DER"),
            Self::Utf16 => f.write_str("the file is UTF-16 text: save it as UTF-8 or ASCII"),
            Self::Json => f.write_str("the file is JSON, where PEM or DER is expected"),
            Self::Jks => f.write_str(
                "the file is a key store in Java's old JKS or JCEKS format: convert it with `keytool -importkeystore \
                 -srckeystore OLD -destkeystore NEW.p12 -deststoretype pkcs12`",
            ),
            Self::Pkcs12 => f.write_str(
                "the file is a PKCS#12 key store, where a PEM or DER file is expected: configure it as `{ path, \
                 password }`",
            ),
            Self::NotPkcs12 => f.write_str(
                "the file is not a PKCS#12 key store: configure PEM files by their file name, or make a key store \
                 with `openssl pkcs12 -export`",
            ),
            Self::DamagedPem { line } => write!(
                f,
                "the PEM block that begins on line {line} is damaged: it is cut off, or not base64 between its \
                 BEGIN and END lines"
            ),
            Self::Malformed(what) => write!(f, "the file is damaged: {what}"),
            Self::Encrypted => f.write_str("the private key is encrypted: set `keyPassword`"),
            Self::WrongPassword => f.write_str("the password is wrong: check `password` and `keyPassword`"),
            Self::WrongKeyPassword(alias) => write!(
                f,
                "the password does not open the private key {alias:?}: check `keyPassword`; keytool gives the keys of a \
                 PKCS#12 store the store's own password, whatever `-keypass` says"
            ),
            Self::UnsupportedEncryption(algorithm) => write!(
                f,
                "the encryption {algorithm} is not supported: encrypt the file anew, a key with `openssl pkcs8 -topk8`, \
                 a key store with `openssl pkcs12`"
            ),
            Self::UnsupportedKey(algorithm) => write!(
                f,
                "{algorithm} is not supported: use RSA of 2048 to 8192 bits, EC on P-256, P-384 or P-521, or Ed25519"
            ),
            Self::TooExpensive { what, found, limit } => write!(
                f,
                "{what} is {found}, and {limit} is the most that is allowed: encrypt the file anew and ask for less"
            ),
            Self::NoPrivateKey(found) => {
                f.write_str("there is no private key in the file")?;
                holds(f, found)
            }
            Self::SeveralPrivateKeys(count) => {
                write!(f, "there are {count} private keys in the file: leave the one that is meant")
            }
            Self::NoCertificate(found) => {
                f.write_str("there is no certificate in the file")?;
                holds(f, found)
            }
            Self::NoPublicKey(found) => {
                f.write_str("there is neither a certificate nor a public key in the file")?;
                holds(f, found)
            }
            Self::SeveralPublicKeys(count) => {
                write!(f, "there are {count} public keys in the file: leave the one that is meant")
            }
            Self::KeyMismatch => f.write_str(
                "the private key does not belong to the certificate: the server's or client's own certificate must \
                 come first in its file, and be of this key",
            ),
            Self::UnknownAlias { alias, available } => {
                write!(f, "the key store has no alias {alias:?}: ")?;
                aliases(f, available)
            }
            Self::AmbiguousAlias(alias) => {
                write!(f, "several entries of the key store have the alias {alias:?}: rename or remove the others")
            }
            Self::NotAKeyEntry(alias) => {
                write!(f, "the entry {alias:?} of the key store is a certificate without a private key")
            }
            Self::NoCertificateEntry(alias) => {
                write!(f, "the entry {alias:?} of the key store has no certificate")
            }
            Self::NoKeyEntry => f.write_str("the key store has no private key"),
            Self::SeveralKeyEntries(available) => {
                f.write_str("the key store has several private keys: say which by its alias; ")?;
                aliases(f, available)
            }
            Self::NoTrustAnchors => f.write_str(
                "there is no certificate to trust: import the authority's certificate, e.g. with `keytool -importcert`",
            ),
            Self::NoSystemRoots => f.write_str(
                "the system's trusted certificates were not found: install them (package `ca-certificates`), or name \
                 the certificate to trust with `cert`",
            ),
            Self::Tls => f.write_str("the key and certificates do not make a TLS configuration"),
            Self::SelfSigned => f.write_str("the self-signed certificate could not be made"),
        }
    }
}

/// What a file holds instead. The labels come from the file, so they are shown short and escaped.
fn holds(f: &mut fmt::Formatter<'_>, labels: &[String]) -> fmt::Result {
    if labels.is_empty() {
        return Ok(());
    }
    f.write_str("; it holds ")?;
    list(f, labels)
}

fn aliases(f: &mut fmt::Formatter<'_>, aliases: &[String]) -> fmt::Result {
    if aliases.is_empty() {
        return f.write_str("it has none");
    }
    f.write_str("it has ")?;
    list(f, aliases)
}

fn list(f: &mut fmt::Formatter<'_>, items: &[String]) -> fmt::Result {
    const MOST: usize = 12;
    for (index, item) in items.iter().take(MOST).enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        let short: String = item.chars().take(80).collect();
        write!(f, "{separator}{short:?}")?;
    }
    match items.len().saturating_sub(MOST) {
        0 => Ok(()),
        more => write!(f, " and {more} more"),
    }
}
