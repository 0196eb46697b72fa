//! The JWT bearer grant (RFC 7523 §2.1): `OAuth2JwtBearerGrantConfig`.

use std::{fmt, sync::Arc};

use portcullis_core::{AssertionSigner, BuildError, Secret};
use portcullis_outbound::Endpoint;

use super::{
    ClientAuthentication, RotationHook,
    flow::{First, Flow},
    keeper::TokenKeeper,
    leg::Leg,
    refresh::{self, RefreshConfig},
    settings::{Settings, common_setters},
    source::token_source,
};
use crate::params::{Mistake, whole};

/// How a token is asked for by an assertion. Made in code, or read by [`grant::read`](super::read()).
#[derive(Clone)]
#[must_use]
pub struct JwtBearerGrantConfig {
    pub(super) settings: Settings,
    pub(super) assertion: Assertion,
    pub(super) rotation: Option<RotationHook>,
}

#[derive(Clone)]
pub(super) enum Assertion {
    Fixed(Secret),
    Signed(Arc<dyn AssertionSigner>),
}

impl JwtBearerGrantConfig {
    /// Asks with an assertion that somebody made. It serves until it expires; from then on tokens come by the refresh token
    /// that came with the first one, or not at all.
    pub fn new(token_endpoint: Endpoint, assertion: impl Into<Secret>) -> Self {
        Self::with(token_endpoint, Assertion::Fixed(assertion.into()))
    }

    /// Asks with an assertion that is signed for each request.
    pub fn signed(token_endpoint: Endpoint, signer: Arc<dyn AssertionSigner>) -> Self {
        Self::with(token_endpoint, Assertion::Signed(signer))
    }

    pub(super) fn with(token_endpoint: Endpoint, assertion: Assertion) -> Self {
        // RFC 7521 §4.1: who asks is said by the assertion; authentication of the client is optional.
        let settings = Settings::new(token_endpoint, ClientAuthentication::none());
        Self { settings, assertion, rotation: None }
    }

    /// Who is told of each refresh token that comes. None is used where assertions are signed.
    pub fn on_rotation(mut self, hook: RotationHook) -> Self {
        self.rotation = Some(hook);
        self
    }

    common_setters!();

    /// All that is wrong, each with the key of the configuration.
    pub(super) fn mistakes(&self) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        let mut own = vec!["assertion"];
        if let Assertion::Fixed(assertion) = &self.assertion {
            own.extend(refresh::OWN);
            if assertion.is_empty() {
                mistakes.push(Mistake::at("assertion", "an empty secret protects nothing: set it"));
            }
        }
        mistakes.extend(self.settings.mistakes(&own));
        mistakes
    }
}

/// Shows neither the assertion nor values of parameters.
impl fmt::Debug for JwtBearerGrantConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let assertion = match self.assertion {
            Assertion::Fixed(_) => "fixed",
            Assertion::Signed(_) => "signed",
        };
        f.debug_struct("JwtBearerGrantConfig")
            .field("settings", &self.settings)
            .field("assertion", &assertion)
            .field("rotation", &self.rotation)
            .finish()
    }
}

/// Gets tokens by an assertion (RFC 7523 §2.1), and keeps them as [the module](super) says.
///
/// One that is signed for each request is all that is needed: refresh tokens are not used. A fixed one is sent once; the next
/// tokens are asked for by the refresh token that came, at the same endpoint and without scopes, and the assertion is sent
/// again where none came or the server refuses it.
#[derive(Debug)]
pub struct JwtBearerGrant {
    keeper: TokenKeeper,
}

impl JwtBearerGrant {
    /// Builds the source. No token is asked for yet.
    ///
    /// # Errors
    ///
    /// With everything that is wrong, each mistake on a line of its own.
    pub fn new(config: JwtBearerGrantConfig) -> Result<Self, BuildError> {
        whole(&config.mistakes())?;
        let JwtBearerGrantConfig { settings, assertion, rotation } = config;
        let leg = Leg::new(&settings)?;
        let (first, refresh) = match assertion {
            Assertion::Signed(signer) => (First::Signed(signer), None),
            Assertion::Fixed(assertion) => {
                let refresh = RefreshConfig::inferred().build(&settings, &leg, rotation)?;
                (First::Assertion(assertion), Some(refresh))
            }
        };
        let flow = Flow::Granted { leg, first, refresh };
        Ok(Self { keeper: flow.kept(settings.clock, settings.min_refresh_interval) })
    }
}

token_source!(JwtBearerGrant);
