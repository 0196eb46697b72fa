//! What a client says of itself to a token endpoint, signed (RFC 7523).

mod config;
mod read;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use portcullis_core::{AssertionSigner, BuildError, Clock, Secret, SystemClock, TokenError};

pub use self::{config::ClientAssertionConfig, read::read};
use super::{JwtIssuer, JwtIssuerConfig, rules::Rules};

/// Signs assertions for a token endpoint: `private_key_jwt`, `client_secret_jwt`, and the JWT bearer grant (RFC 7523).
///
/// Each one is made when it is asked for, and has a `jti` of its own.
///
/// ```
/// use portcullis_core::AssertionSigner;
/// use portcullis_jwt::{ClientAssertionConfig, JwtAssertionSigner, SigningConfig, decode_unverified};
///
/// let signing = SigningConfig::secret("a secret of at least thirty-two bytes");
/// let config = ClientAssertionConfig::new("orders", "https://idp.example/token", signing);
/// let signer = JwtAssertionSigner::client(config)?;
///
/// let assertion = signer.sign().unwrap();
/// let claims = decode_unverified(assertion.expose()).unwrap().claims;
/// assert_eq!((&claims["iss"], &claims["sub"]), (&"orders".into(), &"orders".into()));
/// assert_ne!(signer.sign().unwrap(), assertion);
/// # Ok::<(), portcullis_core::BuildError>(())
/// ```
pub struct JwtAssertionSigner {
    issuer: JwtIssuer,
    clock: Arc<dyn Clock>,
}

impl JwtAssertionSigner {
    /// Assertions by which a client authenticates itself (RFC 7523 §2.2), by the machine's clock.
    ///
    /// # Errors
    ///
    /// With everything that is wrong, each mistake on a line of its own.
    pub fn client(config: ClientAssertionConfig) -> Result<Self, BuildError> {
        Ok(Self::of(config.into_issuer()?))
    }

    /// Assertions that are exchanged for a token (RFC 7523 §2.1), by the machine's clock. The configuration names issuer and
    /// audience, and no `jwtId`.
    ///
    /// # Errors
    ///
    /// With everything that is wrong, each mistake on a line of its own.
    pub fn grant(config: JwtIssuerConfig) -> Result<Self, BuildError> {
        let (signer, problems) = config.resolve(Rules::Grant);
        Ok(Self::of(JwtIssuer::resolved(config, signer, problems, None)?))
    }

    fn of(issuer: JwtIssuer) -> Self {
        Self { issuer, clock: Arc::new(SystemClock::new()) }
    }

    /// By another clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}

impl AssertionSigner for JwtAssertionSigner {
    fn sign(&self) -> Result<Secret, TokenError> {
        let failed =
            |error| TokenError::permanent("the client's assertion cannot be signed").with_source(error);
        self.issuer.issue(self.clock.now()).map_err(failed)
    }
}

impl fmt::Debug for JwtAssertionSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtAssertionSigner").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
