//! Where the keys come from: `signatureConfig`.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use portcullis_core::{Clock, Secret, config::Section};

#[cfg(feature = "jwks")]
use crate::jwks::{Jwks, JwksConfig, KeySource};
use crate::keys::{Fault, Key, KeySet, ReadKeys, read_file, read_jwk, read_trust_store};

/// Where the keys come from that tokens are verified with: exactly one place, and never none.
///
/// The key decides which algorithms there are:
///
/// | key | `alg` |
/// |---|---|
/// | RSA of 2048 to 8192 bits | RS256, RS384, RS512, PS256, PS384, PS512 |
/// | EC on P-256 | ES256 |
/// | EC on P-384 | ES384 |
/// | Ed25519 | EdDSA |
/// | a secret of 32, 48 or 64 bytes and more | HS256; HS384; HS512 |
/// | a JWK with `alg` | that one only |
///
/// A JWK that was fetched with `x5c` (RFC 7517 §4.7) is usable while its certificate is valid.
#[derive(Clone)]
pub struct SignatureConfig(Kind);

#[derive(Clone)]
enum Kind {
    CertFile(PathBuf),
    TrustStore {
        path: PathBuf,
        password: Secret,
        alias: String,
    },
    Secret {
        secret: Secret,
        insecure_short: bool,
    },
    Jwk(Secret),
    Read(KeySet),
    #[cfg(feature = "jwks")]
    Jwks(Jwks),
}

/// What the keys are once they are looked for.
#[derive(Debug)]
pub(super) enum Keys {
    /// They stay as they are.
    Fixed(KeySet),
    /// They are fetched, and change.
    #[cfg(feature = "jwks")]
    Fetched(KeySource),
}

impl Keys {
    /// The clock by which they age, where they do.
    pub(super) fn clock(&self) -> Option<&Arc<dyn Clock>> {
        match self {
            Self::Fixed(_) => None,
            #[cfg(feature = "jwks")]
            Self::Fetched(source) => Some(source.clock()),
        }
    }
}

/// A key of the configuration relative to `signatureConfig`, and what is wrong there.
type Fails<T> = Result<T, (&'static str, String)>;

impl SignatureConfig {
    /// A file with a certificate, a public key (PEM or DER), a JWK, or a set of JWKs (RFC 7517).
    ///
    /// A certificate outside its validity refuses every token, at the time of use. A JWK of the type `oct` is a shared
    /// secret, and refused: it belongs into [`SignatureConfig::secret`].
    #[must_use]
    pub fn cert_file(path: impl AsRef<Path>) -> Self {
        Self(Kind::CertFile(path.as_ref().into()))
    }

    /// The certificate of an entry of a PKCS#12 trust store or key store.
    #[must_use]
    pub fn trust_store(
        path: impl AsRef<Path>,
        password: impl Into<Secret>,
        alias: impl Into<String>,
    ) -> Self {
        let (path, password, alias) = (path.as_ref().into(), password.into(), alias.into());
        Self(Kind::TrustStore { path, password, alias })
    }

    /// A shared secret, for HS256 of at least 32 bytes, for HS384 of 48 and for HS512 of 64 (RFC 7518 §3.2).
    #[must_use]
    pub fn secret(secret: impl Into<Secret>) -> Self {
        Self(Kind::Secret { secret: secret.into(), insecure_short: false })
    }

    /// A shared secret of any length but zero. Whoever sees one token can try secrets until one fits; use it only where
    /// the other side cannot be changed.
    #[must_use]
    pub fn insecure_short_secret(secret: impl Into<Secret>) -> Self {
        Self(Kind::Secret { secret: secret.into(), insecure_short: true })
    }

    /// The text of a JWK, or of a set of JWKs. One of the type `oct` is a shared secret, as long as its hash at least.
    #[must_use]
    pub fn jwk(text: impl Into<Secret>) -> Self {
        Self(Kind::Jwk(text.into()))
    }

    /// The keys that an issuer publishes, fetched and renewed. Validators that are made of clones of this value share one key
    /// set.
    #[cfg(feature = "jwks")]
    #[must_use]
    pub fn jwks(config: JwksConfig) -> Self {
        Self(Kind::Jwks(Jwks::new(config)))
    }

    /// Whether the keys are fetched from a server, so that they vouch for whatever it signs.
    pub(super) const fn is_fetched(&self) -> bool {
        match &self.0 {
            #[cfg(feature = "jwks")]
            Kind::Jwks(_) => true,
            _ => false,
        }
    }

    /// The issuer whose discovery document names the keys.
    pub(super) fn discovers(&self) -> Option<&str> {
        match &self.0 {
            #[cfg(feature = "jwks")]
            Kind::Jwks(jwks) => jwks.config().discovers(),
            _ => None,
        }
    }

    /// Where the keys are: read, or to be fetched.
    pub(super) fn keys(&self) -> Fails<Keys> {
        match &self.0 {
            #[cfg(feature = "jwks")]
            Kind::Jwks(jwks) => jwks.source().map(Keys::Fetched),
            _ => self.load().map(|read| Keys::Fixed(read.keys)),
        }
    }

    /// Reads the keys that do not have to be fetched.
    fn load(&self) -> Fails<ReadKeys> {
        let all = |keys| ReadKeys { keys, warnings: Vec::new() };
        match &self.0 {
            Kind::Read(keys) => Ok(all(keys.clone())),
            // Nobody asks: see `keys`.
            #[cfg(feature = "jwks")]
            Kind::Jwks(_) => Err(("jwksConfig", "is fetched, not read".to_owned())),
            Kind::CertFile(path) => read_file(path).map_err(|why| ("certFile", why)),
            Kind::TrustStore { path, password, alias } => {
                let place = |(fault, why)| {
                    let key = match fault {
                        Fault::Path => "trustStoreConfig.trustStore.path",
                        Fault::Password | Fault::KeyPassword => "trustStoreConfig.trustStore.password",
                        Fault::Alias => "trustStoreConfig.certAlias",
                    };
                    (key, why)
                };
                read_trust_store(path, password, alias).map(all).map_err(place)
            }
            Kind::Secret { secret, insecure_short } => {
                let too_short = |why| {
                    (
                        "secret",
                        format!(
                            "the secret {why}; use a longer one, such as `openssl rand -base64 48` prints, or accept the \
                         risk with insecureShortSecret = true"
                        ),
                    )
                };
                Key::configured_secret(secret, *insecure_short).map(KeySet::one).map(all).map_err(too_short)
            }
            Kind::Jwk(text) => {
                read_jwk(text.expose().as_bytes()).map_err(|why| ("jwk", format!("the text {why}")))
            }
        }
    }

    /// Reads `signatureConfig`, and the keys with it.
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let insecure_short = section.boolean("insecureShortSecret", false);
        let which = section.exactly_one(&["certFile", "trustStoreConfig", "secret", "jwksConfig"])?;
        if insecure_short && which != "secret" {
            section.problem("insecureShortSecret", "is about `secret`, which is not there: remove it");
        }
        let kind = match which {
            "certFile" => Kind::CertFile(section.required_file("certFile")?),
            "secret" => Kind::Secret { secret: section.required_secret("secret")?, insecure_short },
            "trustStoreConfig" => {
                return Self::read_trust_store(&section.required_section("trustStoreConfig")?);
            }
            #[cfg(feature = "jwks")]
            _ => {
                let config = JwksConfig::read(&section.required_section("jwksConfig")?)?;
                return Some(Self::jwks(config));
            }
            #[cfg(not(feature = "jwks"))]
            _ => {
                section.node("jwksConfig");
                section.problem(
                    "jwksConfig",
                    "this build lacks the feature `jwks`: add it to portcullis' features in Cargo.toml",
                );
                return None;
            }
        };
        match Self(kind).load() {
            Ok(read) => {
                for warning in read.warnings {
                    section.warn(which, warning);
                }
                if insecure_short {
                    section.warn(
                        "insecureShortSecret",
                        "a short secret can be guessed by whoever sees one token: use a longer one",
                    );
                }
                Some(Self(Kind::Read(read.keys)))
            }
            Err((key, why)) => {
                section.problem(key, why);
                None
            }
        }
    }

    fn read_trust_store(section: &Section<'_>) -> Option<Self> {
        let store = section.required_section("trustStore");
        let alias = section.required_string("certAlias");
        let store = store?;
        let (path, password) = (store.required_file("path"), store.required_secret("password"));
        let keys = match read_trust_store(&path?, &password?, &alias?) {
            Ok(keys) => keys,
            Err((fault, why)) => {
                match fault {
                    Fault::Path => store.problem("path", why),
                    Fault::Password | Fault::KeyPassword => store.problem("password", why),
                    Fault::Alias => section.problem("certAlias", why),
                }
                return None;
            }
        };
        Some(Self(Kind::Read(keys)))
    }
}

impl fmt::Debug for SignatureConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::CertFile(path) => f.debug_tuple("CertFile").field(path).finish(),
            Kind::TrustStore { path, alias, .. } => {
                f.debug_struct("TrustStore").field("path", path).field("alias", alias).finish_non_exhaustive()
            }
            Kind::Secret { .. } => f.write_str("Secret([redacted])"),
            Kind::Jwk(_) => f.write_str("Jwk([redacted])"),
            Kind::Read(keys) => keys.fmt(f),
            #[cfg(feature = "jwks")]
            Kind::Jwks(jwks) => jwks.fmt(f),
        }
    }
}
