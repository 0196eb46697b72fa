//! A refresh token that somebody obtained (RFC 6749 §6): `OAuth2DirectTokenConfig`.

use std::{fmt, sync::Arc, time::Duration};

use portcullis_core::{
    Authorization, BoxFuture, BuildError, Clock, Probe, RefreshObserver, Secret, TokenError, TokenLease,
    TokenSource,
};
use portcullis_outbound::Endpoint;

use super::{
    ClientAuthentication, RotationHook,
    flow::{Flow, Refresh},
    keeper::TokenKeeper,
    leg::Leg,
    refresh,
    rotation::RefreshToken,
    settings::{Settings, common_setters},
};
use crate::params::{Mistake, whole};

/// How a token is asked for by a refresh token that somebody obtained. Made in code, or read by
/// [`grant::read`](super::read()).
#[derive(Clone)]
#[must_use]
pub struct RefreshTokenGrantConfig {
    pub(super) settings: Settings,
    pub(super) refresh_token: Secret,
    pub(super) rotation: Option<RotationHook>,
}

impl RefreshTokenGrantConfig {
    /// Asks the refresh endpoint as the client that the refresh token was given to.
    pub fn new(
        refresh_endpoint: Endpoint,
        refresh_token: impl Into<Secret>,
        client: ClientAuthentication,
    ) -> Self {
        let settings = Settings::new(refresh_endpoint, client);
        Self { settings, refresh_token: refresh_token.into(), rotation: None }
    }

    /// Who is told of each refresh token that comes. Where the server sends new ones and nobody keeps them, a restart begins
    /// with the configured one again, which the server may refuse by then.
    pub fn on_rotation(mut self, hook: RotationHook) -> Self {
        self.rotation = Some(hook);
        self
    }

    common_setters!();

    /// All that is wrong, each with the key of the configuration.
    pub(super) fn mistakes(&self) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        if self.refresh_token.is_empty() {
            mistakes.push(Mistake::at("refreshToken", "an empty secret protects nothing: set it"));
        }
        if !self.settings.authentication.names_client() {
            mistakes.push(Mistake::at("clientId", "required, and missing: a refresh token is a client's"));
        }
        mistakes.extend(self.settings.mistakes(&refresh::OWN));
        mistakes
    }
}

/// Shows neither the refresh token nor values of parameters.
impl fmt::Debug for RefreshTokenGrantConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshTokenGrantConfig")
            .field("settings", &self.settings)
            .field("rotation", &self.rotation)
            .finish_non_exhaustive()
    }
}

/// Gets tokens by a refresh token that somebody obtained (RFC 6749 §6), and keeps them as [the module](super) says.
///
/// A refresh token that comes replaces the one before. Where the server refuses it, there is nothing left to ask with: the
/// error says so, and the server is asked again once a minute at most.
///
/// # Example
///
/// ```no_run
/// use portcullis_oauth2::{ClientAuthentication, RefreshTokenGrant, RefreshTokenGrantConfig, RotationHook};
/// use portcullis_outbound::Endpoint;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let endpoint = Endpoint::parse("https://localhost:9445/oauth2/token")?;
/// let client = ClientAuthentication::secret("orders", "s3cret");
/// let source = RefreshTokenGrant::new(
///     RefreshTokenGrantConfig::new(endpoint, "XlfBs91yquexJqDaKEMzVg==", client).on_rotation(
///         RotationHook::new(|newest| async move {
///             std::fs::write("refresh-token", newest.expose())?;
///             Ok(())
///         }),
///     ),
/// )?;
/// # drop(source);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RefreshTokenGrant {
    keeper: TokenKeeper,
    leg: Leg,
    clock: Arc<dyn Clock>,
}

impl RefreshTokenGrant {
    /// Builds the source. No token is asked for yet.
    ///
    /// # Errors
    ///
    /// With everything that is wrong, each mistake on a line of its own.
    pub fn new(config: RefreshTokenGrantConfig) -> Result<Self, BuildError> {
        whole(&config.mistakes())?;
        let RefreshTokenGrantConfig { settings, refresh_token, rotation } = config;
        let token = RefreshToken::new(Some(refresh_token), rotation, settings.clock.clone());
        let (leg, clock) = (Leg::new(&settings)?, settings.clock);
        let flow = Flow::RefreshOnly(Refresh { leg: leg.clone(), token, forgets: false });
        Ok(Self { keeper: flow.kept(Arc::clone(&clock), settings.min_refresh_interval), leg, clock })
    }
}

impl TokenSource for RefreshTokenGrant {
    fn try_token(&self) -> Option<Authorization> {
        self.keeper.try_token()
    }

    fn lease(&self) -> Option<Arc<TokenLease>> {
        self.keeper.lease()
    }

    fn token(&self) -> BoxFuture<'_, Result<Authorization, TokenError>> {
        self.keeper.token()
    }

    fn refused(&self, token: &Authorization) -> bool {
        self.keeper.refused(token)
    }

    fn expires_in(&self) -> Option<Duration> {
        self.keeper.expires_in()
    }

    fn watch_refreshes(&self, observer: Arc<dyn RefreshObserver>) {
        self.keeper.watch_refreshes(observer);
    }

    /// Does not use the refresh token: it may be good for one use, and whoever probes, another process than the service.
    fn probe(&self) -> BoxFuture<'_, Vec<Probe>> {
        Box::pin(async {
            let begun = self.clock.monotonic();
            // `Debug` of an error prints the message and its causes.
            let result = self.leg.try_out_refreshing().await.map_err(|error| format!("{error:?}"));
            let took = self.clock.monotonic().saturating_sub(begun);
            vec![Probe::new("token", self.leg.address(), took, result)]
        })
    }
}
