//! `refreshConfig`: how a grant goes on with the refresh token that came with its first answer.

use portcullis_core::{BuildError, Secret};
use portcullis_outbound::{ClientConfig, Endpoint};

use super::{
    ClientAuthentication, CredentialBearer, RotationHook, flow::Refresh, leg::Leg, rotation::RefreshToken,
    settings::Settings,
};
use crate::params::Mistake;

/// The parameters that a refresh request sends itself.
pub(super) const OWN: [&str; 1] = ["refresh_token"];

/// How a grant goes on with the refresh token that came with its first answer (RFC 6749 §6): `refreshConfig`.
#[derive(Clone, Debug)]
#[must_use]
pub struct RefreshConfig(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Inferred,
    Own(Box<Own>),
}

/// What is said here is the refresh request's own; whatever else there is comes from the grant.
#[derive(Clone)]
struct Own {
    settings: Settings,
    authentication: Option<ClientAuthentication>,
}

impl RefreshConfig {
    /// As the grant itself: its URL, optional parameters, credential bearer and client. No scopes are sent: the new token has
    /// those of the old one. `"INFER_REFRESH_CONFIG"`.
    pub const fn inferred() -> Self {
        Self(Kind::Inferred)
    }

    /// At `refresh_endpoint`, by a client with the defaults.
    pub fn new(refresh_endpoint: Endpoint) -> Self {
        let settings = Settings::new(refresh_endpoint, ClientAuthentication::none());
        Self(Kind::Own(Box::new(Own { settings, authentication: None })))
    }

    fn change(mut self, change: impl FnOnce(&mut Own)) -> Self {
        if let Kind::Own(own) = &mut self.0 {
            change(own);
        }
        self
    }

    /// What the new token is for: no more than the first one was. Not sent where there is none. No effect on one that is
    /// inferred, and so with what follows.
    pub fn scopes<S: Into<String>>(self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.change(|own| own.settings.scopes = scopes.into_iter().map(Into::into).collect())
    }

    /// A further parameter of every refresh request.
    pub fn optional_param(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.change(|own| own.settings.optional_params.push((name.into(), value.into())))
    }

    /// Where a client with a secret says who it is. Default in the header.
    pub fn credential_bearer(self, bearer: CredentialBearer) -> Self {
        self.change(|own| own.settings.credential_bearer = bearer)
    }

    /// How the refresh endpoint is called: `clientConfig`.
    pub fn client(self, client: ClientConfig) -> Self {
        self.change(|own| own.settings.client = client)
    }

    /// How the client says who it is there; as at the token endpoint, unless given.
    pub fn authentication(self, authentication: ClientAuthentication) -> Self {
        self.change(|own| own.authentication = Some(authentication))
    }

    /// All that is wrong, each with the key inside `refreshConfig`, where the grant has these settings.
    pub(super) fn mistakes(&self, grant: &Settings) -> Vec<Mistake> {
        match &self.0 {
            Kind::Inferred => Vec::new(),
            Kind::Own(own) => own.settings(grant).mistakes(&OWN),
        }
    }

    /// What is sent, where `grant` is what is sent first.
    pub(super) fn build(
        &self,
        grant: &Settings,
        first: &Leg,
        hook: Option<RotationHook>,
    ) -> Result<Refresh, BuildError> {
        let leg = match &self.0 {
            Kind::Inferred => first.without_scopes(),
            Kind::Own(own) => Leg::new(&own.settings(grant))?,
        };
        let nothing: Option<Secret> = None;
        let token = RefreshToken::new(nothing, hook, grant.clock.clone());
        Ok(Refresh { leg, token, forgets: true })
    }
}

impl Own {
    fn settings(&self, grant: &Settings) -> Settings {
        Settings {
            authentication: self.authentication.clone().unwrap_or_else(|| grant.authentication.clone()),
            default_token_exp_time: grant.default_token_exp_time,
            clock_skew: grant.clock_skew,
            ..self.settings.clone()
        }
    }
}

impl std::fmt::Debug for Own {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Own")
            .field("settings", &self.settings)
            .field("authentication", &self.authentication)
            .finish()
    }
}
