//! The client credentials grant (RFC 6749 §4.4): `OAuth2ClientCredentialsGrantConfig`.

use portcullis_core::{BuildError, Secret};
use portcullis_outbound::Endpoint;

use super::{
    ClientAuthentication,
    flow::{First, Flow},
    keeper::TokenKeeper,
    leg::Leg,
    settings::{Settings, common_setters},
    source::token_source,
};
use crate::params::{Mistake, whole};

/// How a token is asked for by the client credentials grant. Made in code, or read by [`grant::read`](super::read()).
#[derive(Clone, Debug)]
#[must_use]
pub struct ClientCredentialsConfig {
    pub(super) settings: Settings,
}

impl ClientCredentialsConfig {
    /// Asks the token endpoint as the client `id`. Who has no secret says so by
    /// [`authentication`](Self::authentication).
    pub fn new(token_endpoint: Endpoint, id: impl Into<String>, secret: impl Into<Secret>) -> Self {
        let authentication = ClientAuthentication::secret(id, secret);
        Self { settings: Settings::new(token_endpoint, authentication) }
    }

    common_setters!();

    /// All that is wrong, each with the key of the configuration.
    pub(super) fn mistakes(&self) -> Vec<Mistake> {
        let mut mistakes = self.settings.mistakes(&[]);
        // RFC 6749 §4.4: "The client credentials grant type MUST only be used by confidential clients."
        if !self.settings.authentication.proves_something() {
            mistakes.push(Mistake::at(
                "clientSecret",
                "this grant is for clients that can prove who they are: set it, or `clientAssertion`, or give \
                 `clientConfig.secureSocket` a `key`",
            ));
        }
        mistakes
    }
}

/// Gets tokens by the client credentials grant (RFC 6749 §4.4), and keeps them as [the module](super) says. A refresh token
/// that comes is not used: the grant is asked again, as RFC 6749 §4.4.3 has it.
///
/// # Example
///
/// ```no_run
/// use std::sync::Arc;
/// use portcullis_oauth2::{ClientCredentials, ClientCredentialsConfig};
/// use portcullis_outbound::{ClientConfig, Endpoint};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let endpoint = Endpoint::parse("https://localhost:9445/oauth2/token")?;
/// let source = ClientCredentials::new(
///     ClientCredentialsConfig::new(endpoint, "gateway", "s3cret").scopes(["introspect"]),
/// )?;
/// let client = ClientConfig::new().auth(Arc::new(source));
/// # drop(client);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ClientCredentials {
    keeper: TokenKeeper,
}

impl ClientCredentials {
    /// Builds the source. No token is asked for yet.
    ///
    /// # Errors
    ///
    /// With everything that is wrong, each mistake on a line of its own.
    pub fn new(config: ClientCredentialsConfig) -> Result<Self, BuildError> {
        whole(&config.mistakes())?;
        let settings = config.settings;
        let leg = Leg::new(&settings)?;
        let flow = Flow::Granted { leg, first: First::ClientCredentials, refresh: None };
        Ok(Self { keeper: flow.kept(settings.clock, settings.min_refresh_interval) })
    }
}

token_source!(ClientCredentials);
