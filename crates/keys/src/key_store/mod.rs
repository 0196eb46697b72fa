//! PKCS#12 key stores and trust stores (RFC 7292).

mod mac;
mod pfx;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use self::pfx::{CertificateBag, KeyBag, Pfx};
use crate::certificate::Certificate;
use crate::encryption::Password;
use crate::error::{KeyError, KeyErrorKind};
use crate::file::KeyFile;
use crate::identity::Identity;
use crate::private_key::PrivateKey;

/// An opened PKCS#12 file: a key store, a trust store, or both.
///
/// Stores of keytool are read as Java writes them today (PBES2, HMAC with SHA-256) and wrote them until 2020 (RC2, 3DES,
/// HMAC with SHA-1), and so are those of OpenSSL, with names or without, with a MAC or without. JKS is not read.
///
/// An *entry* has an alias, which is compared without regard to case, as Java does. Entries are the private keys, each
/// with its certificate, and the certificates that belong to no key. One that has no name is called by its number, as
/// Java does: `1`, `2`, and so on.
///
/// Secret keys and revocation lists in a store are passed over. Private keys are decrypted when they are asked for.
///
/// A store without a MAC has nothing to show that it is whole; where its certificates are not encrypted either, any
/// password opens it. It is as trustworthy as a PEM file.
pub struct KeyStore {
    path: Option<PathBuf>,
    password: Zeroizing<String>,
    /// The store was written with no password at all, not even an empty one.
    without_password: bool,
    keys: Vec<KeyEntry>,
    certificates: Vec<CertificateEntry>,
}

struct KeyEntry {
    alias: String,
    bag: KeyBag,
    /// Where in `certificates` its own is.
    certificate: Option<usize>,
}

struct CertificateEntry {
    alias: Option<String>,
    bag: CertificateBag,
}

enum Entry<'a> {
    Key(&'a KeyEntry),
    Certificate(&'a CertificateEntry),
}

impl KeyStore {
    /// Opens a key store.
    ///
    /// # Errors
    ///
    /// Any of [`KeyErrorKind`] that speaks of files and key stores; among them
    /// [`WrongPassword`](KeyErrorKind::WrongPassword), [`Jks`](KeyErrorKind::Jks),
    /// [`NotPkcs12`](KeyErrorKind::NotPkcs12) and [`TooExpensive`](KeyErrorKind::TooExpensive).
    pub fn open(path: impl AsRef<Path>, password: &str) -> Result<Self, KeyError> {
        let file = KeyFile::read(path)?;
        let store = Self::from_bytes(file.bytes(), password).map_err(|error| error.at(file.path()))?;
        Ok(Self { path: Some(file.path().to_owned()), ..store })
    }

    /// Opens the key store that is the content of a file.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn from_bytes(bytes: &[u8], password: &str) -> Result<Self, KeyError> {
        let opened = pfx::open(bytes, &Password::new(password));
        let (pfx, without_password) = match opened {
            Err(KeyErrorKind::WrongPassword) if password.is_empty() => {
                (pfx::open(bytes, &Password::absent())?, true)
            }
            other => (other?, false),
        };
        Ok(Self { without_password, ..Self::new(pfx, password) })
    }

    fn new(pfx: Pfx, password: &str) -> Self {
        let owners = owners(&pfx);
        let owned: HashSet<usize> = owners.iter().flatten().copied().collect();
        let certificates_only = pfx.keys.is_empty();
        let mut unnamed = 0_usize;
        let mut number = || {
            unnamed += 1;
            unnamed.to_string()
        };
        let keys = pfx.keys.into_iter().zip(&owners).map(|(bag, certificate)| KeyEntry {
            alias: bag.name.clone().unwrap_or_else(&mut number),
            bag,
            certificate: *certificate,
        });
        let keys = keys.collect();
        let certificates = pfx.certificates.into_iter().enumerate().map(|(index, bag)| {
            let alias = match &bag.name {
                _ if owned.contains(&index) => None,
                Some(name) => Some(name.clone()),
                // Without a name, in a store with keys, it is a part of some key's chain.
                None => (bag.trusted || certificates_only).then(&mut number),
            };
            CertificateEntry { alias, bag }
        });
        let certificates = certificates.collect();
        let password = Zeroizing::new(password.to_owned());
        Self { path: None, password, without_password: false, keys, certificates }
    }

    /// The aliases of all entries, keys first.
    #[must_use]
    pub fn aliases(&self) -> Vec<&str> {
        let keys = self.keys.iter().map(|entry| entry.alias.as_str());
        keys.chain(self.certificates.iter().filter_map(|entry| entry.alias.as_deref())).collect()
    }

    /// The certificate of an entry; of a private key its own.
    ///
    /// # Errors
    ///
    /// [`UnknownAlias`](KeyErrorKind::UnknownAlias), which lists those that there are,
    /// [`AmbiguousAlias`](KeyErrorKind::AmbiguousAlias), [`NoCertificateEntry`](KeyErrorKind::NoCertificateEntry).
    pub fn certificate(&self, alias: &str) -> Result<Certificate, KeyError> {
        let entry = match self.find(alias).map_err(|kind| self.error(kind))? {
            Entry::Certificate(entry) => Some(entry),
            Entry::Key(key) => key.certificate.and_then(|index| self.certificates.get(index)),
        };
        let Some(entry) = entry else {
            return Err(self.error(KeyErrorKind::NoCertificateEntry(alias.to_owned())));
        };
        Certificate::from_der(&entry.bag.der).map_err(|error| self.located(error))
    }

    /// The private key of an entry, or the only one of the store. `key_password` is for stores whose keys have a
    /// password of their own, which keytool does not make.
    ///
    /// # Errors
    ///
    /// Those of [`certificate`](Self::certificate), [`NotAKeyEntry`](KeyErrorKind::NotAKeyEntry),
    /// [`NoKeyEntry`](KeyErrorKind::NoKeyEntry), [`SeveralKeyEntries`](KeyErrorKind::SeveralKeyEntries),
    /// [`WrongKeyPassword`](KeyErrorKind::WrongKeyPassword), and those of [`PrivateKey::from_file`] that speak of the
    /// key itself.
    pub fn private_key(
        &self,
        alias: Option<&str>,
        key_password: Option<&str>,
    ) -> Result<PrivateKey, KeyError> {
        let entry = self.key_entry(alias).map_err(|kind| self.error(kind))?;
        self.decrypt(entry, key_password).map_err(|kind| self.error(kind))
    }

    /// A private key with its certificate and the certificates that issued that, as far as the store has them.
    ///
    /// # Errors
    ///
    /// Those of [`private_key`](Self::private_key), and [`KeyMismatch`](KeyErrorKind::KeyMismatch).
    pub fn identity(&self, alias: Option<&str>, key_password: Option<&str>) -> Result<Identity, KeyError> {
        let entry = self.key_entry(alias).map_err(|kind| self.error(kind))?;
        let key = self.decrypt(entry, key_password).map_err(|kind| self.error(kind))?;
        let all = self.parsable(|_| true);
        let own = match entry.certificate.and_then(|index| self.certificates.get(index)) {
            Some(own) => Some(Certificate::from_der(&own.bag.der).map_err(|error| self.located(error))?),
            // A store that does not say which: the key itself does.
            None => all.iter().find(|certificate| certificate.spki_der() == key.spki_der()).cloned(),
        };
        let Some(own) = own else {
            return Err(self.error(KeyErrorKind::NoCertificateEntry(entry.alias.clone())));
        };
        Identity::new(key, chain(own, &all)).map_err(|error| self.located(error))
    }

    /// The certificates to trust: those that Java marked as trusted, or all of a store that has certificates only and
    /// marks none. A private key's own certificates are none of them.
    ///
    /// Certificates that cannot be parsed are left out: one oddity among a hundred and fifty authorities must not
    /// make the others useless.
    #[must_use]
    pub fn trusted_certificates(&self) -> Vec<Certificate> {
        if self.certificates.iter().any(|entry| entry.bag.trusted) {
            self.parsable(|entry| entry.bag.trusted)
        } else if self.keys.is_empty() {
            self.parsable(|_| true)
        } else {
            Vec::new()
        }
    }

    fn parsable(&self, wanted: impl Fn(&CertificateEntry) -> bool) -> Vec<Certificate> {
        let wanted = self.certificates.iter().filter(|entry| wanted(entry));
        wanted.filter_map(|entry| Certificate::from_der(&entry.bag.der).ok()).collect()
    }

    fn find(&self, alias: &str) -> Result<Entry<'_>, KeyErrorKind> {
        let wanted = alias.to_lowercase();
        let keys = self.keys.iter().filter(|entry| entry.alias.to_lowercase() == wanted).map(Entry::Key);
        let named = |entry: &&CertificateEntry| {
            entry.alias.as_ref().is_some_and(|alias| alias.to_lowercase() == wanted)
        };
        let mut found = keys.chain(self.certificates.iter().filter(named).map(Entry::Certificate));
        match (found.next(), found.next()) {
            (Some(entry), None) => Ok(entry),
            (Some(_), Some(_)) => Err(KeyErrorKind::AmbiguousAlias(alias.to_owned())),
            (None, _) => {
                let available = self.aliases().into_iter().map(str::to_owned).collect();
                Err(KeyErrorKind::UnknownAlias { alias: alias.to_owned(), available })
            }
        }
    }

    fn key_entry(&self, alias: Option<&str>) -> Result<&KeyEntry, KeyErrorKind> {
        match (alias, self.keys.as_slice()) {
            (Some(alias), _) => match self.find(alias)? {
                Entry::Key(entry) => Ok(entry),
                Entry::Certificate(_) => Err(KeyErrorKind::NotAKeyEntry(alias.to_owned())),
            },
            (None, []) => Err(KeyErrorKind::NoKeyEntry),
            (None, [entry]) => Ok(entry),
            (None, several) => Err(KeyErrorKind::SeveralKeyEntries(
                several.iter().map(|entry| entry.alias.clone()).collect(),
            )),
        }
    }

    fn decrypt(&self, entry: &KeyEntry, key_password: Option<&str>) -> Result<PrivateKey, KeyErrorKind> {
        if !entry.bag.encrypted {
            return PrivateKey::from_pkcs8(&entry.bag.der);
        }
        let password = match key_password {
            Some(password) => Password::new(password),
            None if self.without_password => Password::absent(),
            None => Password::new(&self.password),
        };
        PrivateKey::from_shrouded(&entry.bag.der, &password).map_err(|error| match error {
            KeyErrorKind::WrongPassword => KeyErrorKind::WrongKeyPassword(entry.alias.clone()),
            other => other,
        })
    }

    fn error(&self, kind: KeyErrorKind) -> KeyError {
        self.located(kind.into())
    }

    fn located(&self, error: KeyError) -> KeyError {
        match &self.path {
            Some(path) => error.at(path),
            None => error,
        }
    }
}

impl fmt::Debug for KeyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyStore")
            .field("path", &self.path)
            .field("aliases", &self.aliases())
            .finish_non_exhaustive()
    }
}

/// For each key, where its own certificate is: the one with the same local key id, or, where the key has none, with the
/// same name. The first of several, as in Java.
fn owners(pfx: &Pfx) -> Vec<Option<usize>> {
    let mut by_id = HashMap::new();
    let mut by_name = HashMap::new();
    for (index, certificate) in pfx.certificates.iter().enumerate() {
        if let Some(id) = &certificate.local_key_id {
            by_id.entry(id).or_insert(index);
        }
        if let Some(name) = certificate.name.as_ref().filter(|_| !certificate.trusted) {
            by_name.entry(name).or_insert(index);
        }
    }
    let owner = |key: &KeyBag| match (&key.local_key_id, &key.name) {
        (Some(id), _) => by_id.get(id).copied(),
        (None, Some(name)) => by_name.get(name).copied(),
        (None, None) => None,
    };
    pfx.keys.iter().map(owner).collect()
}

/// The certificate and, one after the other, those that issued it. A self-issued one ends the chain and is left out: the
/// other side must have it anyway (RFC 8446, section 4.4.2).
fn chain(own: Certificate, all: &[Certificate]) -> Vec<Certificate> {
    const LONGEST: usize = 10;
    let mut chain = vec![own];
    while let Some(last) = chain.last().filter(|_| chain.len() < LONGEST) {
        let issuer = all.iter().find(|candidate| {
            last.names_as_issuer(candidate)
                && !candidate.names_as_issuer(candidate)
                && !chain.contains(candidate)
        });
        match issuer {
            Some(issuer) => chain.push(issuer.clone()),
            None => break,
        }
    }
    chain
}
