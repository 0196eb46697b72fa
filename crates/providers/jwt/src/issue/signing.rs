//! Who signs: `signatureConfig` of an issuer.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use aws_lc_rs::{
    error::Unspecified,
    hmac,
    rand::SystemRandom,
    signature::{self, EcdsaKeyPair, Ed25519KeyPair, RsaEncoding, RsaKeyPair},
};
use portcullis_core::Secret;
use portcullis_keys::{KeyAlgorithm, KeyError, KeyStore, PrivateKey};
use zeroize::Zeroizing;

use crate::{
    algorithm::{self, Algorithm},
    keys::{Fault, explained},
};

/// The key that tokens are signed with, and the algorithm.
#[derive(Clone)]
pub struct SigningConfig {
    from: From,
    /// `None`: tokens are not signed.
    algorithm: Option<Algorithm>,
}

#[derive(Clone)]
enum From {
    File { path: PathBuf, password: Option<Secret> },
    Store { path: PathBuf, password: Secret, alias: Option<String>, key_password: Option<Secret> },
    Bytes(Arc<Zeroizing<Vec<u8>>>),
    Secret { secret: Secret, insecure_short: bool },
    Read(Signer),
    Nothing,
}

/// A key of the configuration relative to `signatureConfig`, and what is wrong there.
type Fails<T> = Result<T, (&'static str, String)>;

impl SigningConfig {
    /// A file with a private key: PKCS#8, PKCS#1 or SEC1, PEM or DER. Signs by RS256 unless [`Self::algorithm`] says
    /// otherwise.
    #[must_use]
    pub fn key_file(path: impl AsRef<Path>) -> Self {
        Self::rsa(From::File { path: path.as_ref().into(), password: None })
    }

    /// A file with a private key that is encrypted.
    #[must_use]
    pub fn encrypted_key_file(path: impl AsRef<Path>, password: impl Into<Secret>) -> Self {
        Self::rsa(From::File { path: path.as_ref().into(), password: Some(password.into()) })
    }

    /// The content of a file with a private key.
    #[must_use]
    pub fn key(content: impl AsRef<[u8]>) -> Self {
        Self::rsa(From::Bytes(Arc::new(Zeroizing::new(content.as_ref().to_vec()))))
    }

    /// The private key of an entry of a PKCS#12 key store.
    #[must_use]
    pub fn key_store(path: impl AsRef<Path>, password: impl Into<Secret>, alias: impl Into<String>) -> Self {
        let (path, password, alias) = (path.as_ref().into(), password.into(), Some(alias.into()));
        Self::rsa(From::Store { path, password, alias, key_password: None })
    }

    /// A shared secret of at least 32 bytes. Signs by HS256 unless [`Self::algorithm`] says otherwise; HS384 needs 48
    /// bytes, HS512 64 (RFC 7518 §3.2).
    #[must_use]
    pub fn secret(secret: impl Into<Secret>) -> Self {
        let from = From::Secret { secret: secret.into(), insecure_short: false };
        Self { from, algorithm: Some(Algorithm::Hs256) }
    }

    /// A shared secret of any length but zero, which whoever sees a token may guess.
    #[must_use]
    pub fn insecure_short_secret(secret: impl Into<Secret>) -> Self {
        let from = From::Secret { secret: secret.into(), insecure_short: true };
        Self { from, algorithm: Some(Algorithm::Hs256) }
    }

    /// No signature: `alg` is `none` (RFC 7519 §6). Anybody can make such a token, and [`JwtValidator`](crate::JwtValidator)
    /// refuses it.
    #[must_use]
    pub const fn insecure_unsigned() -> Self {
        Self { from: From::Nothing, algorithm: None }
    }

    /// Signs by this algorithm. It has to be one of the key's.
    #[must_use]
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = Some(algorithm);
        self
    }

    const fn rsa(from: From) -> Self {
        Self { from, algorithm: Some(Algorithm::Rs256) }
    }

    pub(super) const fn is_unsigned(&self) -> bool {
        self.algorithm.is_none()
    }

    pub(super) fn configured_file(path: PathBuf, password: Option<Secret>, algorithm: Algorithm) -> Self {
        Self { from: From::File { path, password }, algorithm: Some(algorithm) }
    }

    pub(super) fn configured_store(
        path: PathBuf,
        password: Secret,
        alias: Option<String>,
        key_password: Option<Secret>,
        algorithm: Algorithm,
    ) -> Self {
        Self { from: From::Store { path, password, alias, key_password }, algorithm: Some(algorithm) }
    }

    pub(super) const fn read(signer: Signer) -> Self {
        let algorithm = signer.algorithm;
        Self { from: From::Read(signer), algorithm }
    }

    /// Reads the key and makes it ready.
    pub(super) fn load(&self) -> Fails<Signer> {
        let Some(algorithm) = self.algorithm else { return Ok(Signer::unsigned()) };
        let key = match &self.from {
            From::Read(signer) => return Ok(signer.clone()),
            From::Nothing => {
                return Err(("algorithm", format!("{algorithm} signs by a key, and there is none")));
            }
            From::Secret { secret, insecure_short } => {
                return Signer::hmac(secret, *insecure_short, algorithm);
            }
            From::File { path, password } => {
                let place = |error: KeyError| match Fault::of(&error) {
                    Fault::Password | Fault::KeyPassword => ("config.keyPassword", explained(&error)),
                    Fault::Path | Fault::Alias => ("config.keyFile", explained(&error)),
                };
                PrivateKey::from_file(path, password.as_ref().map(Secret::expose)).map_err(place)?
            }
            From::Bytes(bytes) => {
                PrivateKey::from_bytes(bytes, None).map_err(|error| ("config", explained(&error)))?
            }
            From::Store { path, password, alias, key_password } => {
                let place = |error: KeyError| match Fault::of(&error) {
                    Fault::Path => ("config.keyStore.path", explained(&error)),
                    Fault::Password => ("config.keyStore.password", explained(&error)),
                    Fault::KeyPassword => ("config.keyPassword", explained(&error)),
                    Fault::Alias => ("config.keyAlias", explained(&error)),
                };
                let store = KeyStore::open(path, password.expose()).map_err(place)?;
                let key = store.private_key(alias.as_deref(), key_password.as_ref().map(Secret::expose));
                key.map_err(place)?
            }
        };
        let warning = key.warning().map(|warning| warning.to_string());
        Ok(Signer { warning, ..Signer::of(&key, algorithm)? })
    }
}

impl fmt::Debug for SigningConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningConfig").field("alg", &alg(self.algorithm)).finish_non_exhaustive()
    }
}

/// What stands in a token's `alg`.
fn alg(algorithm: Option<Algorithm>) -> &'static str {
    algorithm.map_or("none", Algorithm::name)
}

/// A key made ready to sign by one algorithm.
#[derive(Clone)]
pub(super) struct Signer {
    /// `None`: signs nothing.
    algorithm: Option<Algorithm>,
    with: Arc<With>,
    /// The public half of the key, where it has one.
    public: Option<Arc<[u8]>>,
    /// What is worth a line in the log.
    pub(super) warning: Option<String>,
}

enum With {
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Hmac(Box<hmac::Key>),
    Nothing,
}

impl Signer {
    fn of(key: &PrivateKey, algorithm: Algorithm) -> Fails<Self> {
        let allowed: &[Algorithm] = match key.algorithm() {
            KeyAlgorithm::Rsa { .. } => &Algorithm::RSA,
            KeyAlgorithm::EcP256 => &[Algorithm::Es256],
            KeyAlgorithm::EcP384 => &[Algorithm::Es384],
            KeyAlgorithm::Ed25519 => &[Algorithm::EdDsa],
            other => return Err(("config", format!("the key is {other}, which signs no tokens"))),
        };
        if !allowed.contains(&algorithm) {
            let (kind, names) = (key.algorithm(), algorithm::names(allowed.iter().copied()));
            return Err((
                "algorithm",
                format!("{algorithm} is not for the key, which is {kind}: set one of {names}"),
            ));
        }
        let pkcs8 = key.pkcs8_der();
        let unusable = |_| ("config", "the key cannot be used to sign".to_owned());
        let with = match algorithm {
            Algorithm::Es256 => {
                let by = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
                With::Ecdsa(EcdsaKeyPair::from_pkcs8(by, pkcs8).map_err(unusable)?)
            }
            Algorithm::Es384 => {
                let by = &signature::ECDSA_P384_SHA384_FIXED_SIGNING;
                With::Ecdsa(EcdsaKeyPair::from_pkcs8(by, pkcs8).map_err(unusable)?)
            }
            Algorithm::EdDsa => {
                With::Ed25519(Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).map_err(unusable)?)
            }
            rsa => With::Rsa(RsaKeyPair::from_pkcs8(pkcs8).map_err(unusable)?, rsa_encoding(rsa)),
        };
        let public = Some(key.spki_der().into());
        Ok(Self { algorithm: Some(algorithm), with: Arc::new(with), public, warning: None })
    }

    fn unsigned() -> Self {
        Self { algorithm: None, with: Arc::new(With::Nothing), public: None, warning: None }
    }

    fn hmac(secret: &Secret, insecure_short: bool, algorithm: Algorithm) -> Fails<Self> {
        let (Some(least), Some(hash)) = (algorithm.least_secret(), hmac_hash(algorithm)) else {
            let names = algorithm::names(Algorithm::HMAC);
            return Err(("algorithm", format!("{algorithm} is not for a shared secret: set one of {names}")));
        };
        if secret.is_empty() {
            return Err(("config", "an empty secret protects nothing: set it".to_owned()));
        }
        if secret.len() < least && !insecure_short {
            return Err((
                "config",
                format!(
                    "the secret is too short: {algorithm} needs at least {least} bytes; use a longer one, such as `openssl \
                 rand -base64 48` prints, or accept the risk with insecureShortSecret = true"
                ),
            ));
        }
        let key = hmac::Key::new(hash, secret.expose().as_bytes());
        let with = Arc::new(With::Hmac(Box::new(key)));
        Ok(Self { algorithm: Some(algorithm), with, public: None, warning: None })
    }

    /// What stands in a token's `alg`.
    pub(super) fn alg(&self) -> &'static str {
        alg(self.algorithm)
    }

    /// The public half of the key, as a SubjectPublicKeyInfo. A secret has none.
    pub(super) fn public_key(&self) -> Option<&[u8]> {
        self.public.as_deref()
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        Ok(match &*self.with {
            With::Rsa(key, encoding) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(*encoding, &SystemRandom::new(), message, &mut signature)?;
                signature
            }
            With::Ecdsa(key) => key.sign(&SystemRandom::new(), message)?.as_ref().to_vec(),
            With::Ed25519(key) => key.try_sign(message)?.as_ref().to_vec(),
            With::Hmac(key) => hmac::sign(key, message).as_ref().to_vec(),
            // RFC 7518 §3.6: the signature is the empty octet sequence.
            With::Nothing => Vec::new(),
        })
    }
}

fn rsa_encoding(algorithm: Algorithm) -> &'static dyn RsaEncoding {
    match algorithm {
        Algorithm::Rs384 => &signature::RSA_PKCS1_SHA384,
        Algorithm::Rs512 => &signature::RSA_PKCS1_SHA512,
        Algorithm::Ps256 => &signature::RSA_PSS_SHA256,
        Algorithm::Ps384 => &signature::RSA_PSS_SHA384,
        Algorithm::Ps512 => &signature::RSA_PSS_SHA512,
        _ => &signature::RSA_PKCS1_SHA256,
    }
}

fn hmac_hash(algorithm: Algorithm) -> Option<hmac::Algorithm> {
    match algorithm {
        Algorithm::Hs256 => Some(hmac::HMAC_SHA256),
        Algorithm::Hs384 => Some(hmac::HMAC_SHA384),
        Algorithm::Hs512 => Some(hmac::HMAC_SHA512),
        _ => None,
    }
}
