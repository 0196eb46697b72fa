//! Keys from files: the one place that meets `portcullis-keys`.

use std::path::Path;

use aws_lc_rs::rsa;
use portcullis_core::Secret;
pub(crate) use portcullis_keys::config::explained;
use portcullis_keys::{KeyAlgorithm, KeyError, KeyErrorKind, KeyFile, KeyStore, PublicKey};

use super::{
    Key, KeySet,
    jwk::{self, ReadKeys},
};

/// Reads a `certFile`: a certificate, a public key, a JWK or a set of them.
///
/// # Errors
///
/// With a sentence that names the file, what is wrong with it, and the remedy.
pub(crate) fn read_file(path: &Path) -> Result<ReadKeys, String> {
    let file = KeyFile::read(path).map_err(|error| explained(&error))?;
    let named = |why: String| format!("{}: {why}", path.display());
    if file.is_json() {
        let read = jwk::read(file.bytes()).map_err(|why| named(format!("it {why}")))?;
        // A file of this key is what everybody may read, and HMAC is for `secret` alone.
        if read.keys.algorithms().iter().any(|algorithm| algorithm.least_secret().is_some()) {
            return Err(named("it holds a shared secret (`oct`): give it as `secret`".to_owned()));
        }
        return Ok(read);
    }
    let public = PublicKey::from_key_file(&file).map_err(|error| explained(&error))?;
    let key = prepare(&public).map_err(|why| named(format!("the key {why}")))?;
    Ok(ReadKeys { keys: KeySet::one(key), warnings: Vec::new() })
}

/// Which of the keys that name an entry of a key store is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Path,
    Password,
    KeyPassword,
    Alias,
}

impl Fault {
    /// What an error of a key store speaks of.
    pub(crate) fn of(error: &KeyError) -> Self {
        match error.kind() {
            KeyErrorKind::WrongPassword => Self::Password,
            KeyErrorKind::WrongKeyPassword(_) | KeyErrorKind::Encrypted => Self::KeyPassword,
            KeyErrorKind::UnknownAlias { .. }
            | KeyErrorKind::AmbiguousAlias(_)
            | KeyErrorKind::NotAKeyEntry(_)
            | KeyErrorKind::NoCertificateEntry(_)
            | KeyErrorKind::SeveralKeyEntries(_) => Self::Alias,
            _ => Self::Path,
        }
    }
}

/// Reads the certificate of an entry of a PKCS#12 file.
///
/// # Errors
///
/// As [`read_file`]; for an unknown alias the sentence lists those that there are.
pub(crate) fn read_trust_store(
    path: &Path,
    password: &Secret,
    alias: &str,
) -> Result<KeySet, (Fault, String)> {
    let faulty = |error: KeyError| (Fault::of(&error), explained(&error));
    let store = KeyStore::open(path, password.expose()).map_err(faulty)?;
    let certificate = store.certificate(alias).map_err(faulty)?;
    let unusable = |why| (Fault::Alias, format!("{}: the key of the entry {alias:?} {why}", path.display()));
    Ok(KeySet::one(prepare(&PublicKey::from(&certificate)).map_err(unusable)?))
}

fn prepare(key: &PublicKey) -> Result<Key, String> {
    let spki = key.spki_der();
    let prepared = match key.algorithm() {
        KeyAlgorithm::Rsa { .. } => {
            let numbers = rsa::PublicKey::from_der(spki).map_err(|_| "is not a valid RSA key".to_owned())?;
            Key::rsa(
                numbers.modulus().big_endian_without_leading_zero(),
                numbers.exponent().big_endian_without_leading_zero(),
            )?
        }
        KeyAlgorithm::EcP256 => Key::p256(spki)?,
        KeyAlgorithm::EcP384 => Key::p384(spki)?,
        // RFC 8410 §4: the key is the whole of the bit string, and that is the end of the structure.
        KeyAlgorithm::Ed25519 => Key::ed25519(spki.last_chunk::<32>().map_or(&[], <[u8; 32]>::as_slice))?,
        other => return Err(format!("is {other}, and RSA, EC on P-256 or P-384, and Ed25519 are supported")),
    };
    Ok(prepared.with_validity(key.validity()))
}
