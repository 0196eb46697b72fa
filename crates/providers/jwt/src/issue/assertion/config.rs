//! `clientAssertion` in code.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use aws_lc_rs::digest;
use portcullis_core::BuildError;
use portcullis_keys::read_certificates;
use serde_json::Value;

use crate::{
    issue::{JwtIssuer, JwtIssuerConfig, SigningConfig, rules::Rules, signing::Signer},
    jws::base64url,
    keys::explained,
};

/// How a client authenticates itself by assertions (RFC 7523 §2.2): issuer and subject are the client. Made in code, or
/// read from a section of Config.toml.
#[derive(Clone)]
#[must_use]
pub struct ClientAssertionConfig {
    pub(super) token: JwtIssuerConfig,
    pub(super) cert_file: Option<PathBuf>,
}

impl ClientAssertionConfig {
    /// Assertions of the client `client_id` for the server `audience`, which is most often the URL of its token endpoint, that
    /// live for a minute.
    ///
    /// With a secret, that is `client_secret_jwt`; with a key, `private_key_jwt`.
    pub fn new(client_id: impl Into<String>, audience: impl Into<String>, signing: SigningConfig) -> Self {
        Self::of(JwtIssuerConfig::new(signing), client_id.into(), audience.into())
    }

    /// A token whose issuer, subject, audience and life are an assertion's.
    pub(super) fn of(token: JwtIssuerConfig, client_id: String, audience: String) -> Self {
        let token = token.issuer(client_id.clone()).username(client_id).single_audience(audience);
        Self { token: token.expiry(Duration::from_secs(60)), cert_file: None }
    }

    /// `kid` in the header.
    pub fn key_id(mut self, key_id: impl Into<String>) -> Self {
        self.token = self.token.key_id(key_id);
        self
    }

    /// The key's certificate: its thumbprint goes into the header (`x5t#S256`, RFC 7515 §4.1.8), by which Microsoft Entra
    /// finds the key.
    pub fn cert_file(mut self, path: impl AsRef<Path>) -> Self {
        self.cert_file = Some(path.as_ref().into());
        self
    }

    /// One more claim. It cannot be one of RFC 7519 §4.1, all of which are set.
    pub fn custom_claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.token = self.token.custom_claim(name, value);
        self
    }

    /// How long an assertion lives, in whole seconds, rounded up. Default a minute, at most five.
    pub fn expiry(mut self, expiry: Duration) -> Self {
        self.token = self.token.expiry(expiry);
        self
    }

    pub(super) fn into_issuer(self) -> Result<JwtIssuer, BuildError> {
        let (signer, certificate, problems) = self.resolve();
        JwtIssuer::resolved(self.token, signer, problems, certificate.as_deref())
    }

    /// The key, its certificate's thumbprint, and all that is wrong, each with the key of the configuration.
    pub(super) fn resolve(&self) -> (Option<Signer>, Option<String>, Vec<(String, String)>) {
        let (signer, mut problems) = self.token.resolve(Rules::Client);
        let mut thumbprint = None;
        if let (Some(path), Some(signer)) = (&self.cert_file, &signer) {
            match certificate(path, signer) {
                Ok(print) => thumbprint = Some(print),
                Err(text) => problems.push(("certFile".to_owned(), text)),
            }
        }
        (signer, thumbprint, problems)
    }
}

/// The thumbprint of the first certificate of a file, which has to be the key's.
fn certificate(path: &Path, signer: &Signer) -> Result<String, String> {
    let Some(public_key) = signer.public_key() else {
        return Err("a secret has no certificate: remove it".to_owned());
    };
    let certificates = read_certificates(path).map_err(|error| explained(&error))?;
    let own = certificates.first().filter(|certificate| certificate.spki_der() == public_key);
    let own = own.ok_or("is not the certificate of the key: name the one that was issued for it")?;
    Ok(base64url::encode(digest::digest(&digest::SHA256, own.der())))
}

/// Leaves the custom claims out: they may hold personal data.
impl fmt::Debug for ClientAssertionConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientAssertionConfig").field("token", &self.token).finish_non_exhaustive()
    }
}
