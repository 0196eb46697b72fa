//! The password grant (RFC 6749 §4.3): `OAuth2PasswordGrantConfig`.

use std::fmt;

use portcullis_core::{BuildError, Secret};
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

/// How a token is asked for by a user's name and password. Made in code, or read by [`grant::read`](super::read()).
#[derive(Clone)]
#[must_use]
pub struct PasswordGrantConfig {
    pub(super) settings: Settings,
    pub(super) username: String,
    pub(super) password: Secret,
    pub(super) refresh: Option<RefreshConfig>,
    pub(super) rotation: Option<RotationHook>,
}

impl PasswordGrantConfig {
    /// Asks the token endpoint for a token of the user's. Which client asks is not said unless
    /// [`authentication`](Self::authentication) does.
    pub fn new(token_endpoint: Endpoint, username: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self {
            settings: Settings::new(token_endpoint, ClientAuthentication::none()),
            username: username.into(),
            password: password.into(),
            refresh: None,
            rotation: None,
        }
    }

    /// How the grant goes on with a refresh token. Without it, and where none came, the grant itself is asked again.
    pub fn refresh(mut self, refresh: RefreshConfig) -> Self {
        self.refresh = Some(refresh);
        self
    }

    /// Who is told of each refresh token that comes.
    pub fn on_rotation(mut self, hook: RotationHook) -> Self {
        self.rotation = Some(hook);
        self
    }

    common_setters!();

    /// All that is wrong, each with the key of the configuration.
    pub(super) fn mistakes(&self) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        if self.username.is_empty() {
            mistakes.push(Mistake::at("username", "must not be empty"));
        }
        if self.password.is_empty() {
            mistakes.push(Mistake::at("password", "an empty secret protects nothing: set it"));
        }
        let mut own = vec!["username", "password"];
        if self.refresh.is_some() {
            own.extend(refresh::OWN);
        }
        mistakes.extend(self.settings.mistakes(&own));
        mistakes
    }
}

/// Shows neither the password nor values of parameters.
impl fmt::Debug for PasswordGrantConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordGrantConfig")
            .field("settings", &self.settings)
            .field("username", &self.username)
            .field("refresh", &self.refresh)
            .field("rotation", &self.rotation)
            .finish_non_exhaustive()
    }
}

/// Gets tokens by a user's name and password (RFC 6749 §4.3), and keeps them as [the module](super) says.
///
/// With [`PasswordGrantConfig::refresh`] the next token is asked for by the refresh token that came with the one before.
/// Where the server refuses that one, or sent none, the user's name and password are sent again.
#[derive(Debug)]
pub struct PasswordGrant {
    keeper: TokenKeeper,
}

impl PasswordGrant {
    /// Builds the source. No token is asked for yet.
    ///
    /// # Errors
    ///
    /// With everything that is wrong, each mistake on a line of its own.
    pub fn new(config: PasswordGrantConfig) -> Result<Self, BuildError> {
        let mut mistakes = config.mistakes();
        if let Some(refresh) = &config.refresh {
            let found = refresh.mistakes(&config.settings);
            mistakes.extend(found.into_iter().map(|mistake| mistake.below("refreshConfig")));
        }
        whole(&mistakes)?;
        let PasswordGrantConfig { settings, username, password, refresh, rotation } = config;
        let leg = Leg::new(&settings)?;
        let refresh = refresh.map(|refresh| refresh.build(&settings, &leg, rotation)).transpose()?;
        let flow = Flow::Granted { leg, first: First::Password { username, password }, refresh };
        Ok(Self { keeper: flow.kept(settings.clock, settings.min_refresh_interval) })
    }
}

token_source!(PasswordGrant);
