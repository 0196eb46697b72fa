//! One kind of request to a token endpoint: where it goes, and what it says beside the grant's own parameters.

use std::{fmt, sync::Arc, time::Duration};

use portcullis_core::{BuildError, TokenError};
use portcullis_outbound::Form;

use super::{
    authentication::{ClientAuthentication, CredentialBearer},
    keeper::BACK_OFF_MOST,
    response::{self, Lifetimes, Tokens},
    settings::Settings,
};
use crate::server::FormServer;

/// One kind of request to a token endpoint. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Leg {
    server: Arc<FormServer>,
    authentication: ClientAuthentication,
    credential_bearer: CredentialBearer,
    scope: Option<String>,
    optional_params: Vec<(String, String)>,
    lifetimes: Lifetimes,
}

impl Leg {
    pub(crate) fn new(settings: &Settings) -> Result<Self, BuildError> {
        Ok(Self {
            server: Arc::new(FormServer::new(settings.endpoint.clone(), settings.client.clone())?),
            authentication: settings.authentication.clone(),
            credential_bearer: settings.credential_bearer,
            scope: settings.scope(),
            optional_params: settings.optional_params.clone(),
            lifetimes: Lifetimes { default: settings.default_token_exp_time, skew: settings.clock_skew },
        })
    }

    /// The same request, which names no scopes.
    pub(crate) fn without_scopes(&self) -> Self {
        Self { scope: None, ..self.clone() }
    }

    pub(crate) fn address(&self) -> &str {
        self.server.address()
    }

    /// How long a request may take.
    pub(crate) fn longest(&self) -> Duration {
        self.server.config().longest_call()
    }

    /// Asks for a token. `own` is what the grant itself says; `invalid_grant` is how the server's refusal of that is told,
    /// such as "refuses the refresh token", and the remedy.
    pub(crate) async fn ask(&self, own: Form, invalid_grant: Option<(&str, &str)>) -> Result<Tokens, Denied> {
        let address = self.address();
        let mut form = own;
        if let Some(scope) = &self.scope {
            form = form.push("scope", scope.as_str());
        }
        for (name, value) in &self.optional_params {
            form = form.push(name.clone(), value.as_str());
        }
        let form = self.authentication.sign(form, self.credential_bearer).map_err(Denied::other)?;
        let reply = self.server.post(&form).await;
        let reply = reply.map_err(|trouble| Denied::other(response::error(address, trouble)))?;
        if let Some((what, remedy)) = invalid_grant
            && reply.status().is_client_error()
            && reply.error_code() == Some("invalid_grant")
        {
            let what = format!("{what}, {}: {remedy}", reply.shown());
            let error = response::error(address, reply.trouble(what));
            // Nobody but people can mend it, and a server may lock whoever tries too often.
            return Err(Denied { error: error.with_retry_after(BACK_OFF_MOST), invalid_grant: true });
        }
        response::read(&reply, address, self.lifetimes, self.authentication.remedy()).map_err(Denied::other)
    }
}

/// Shows the names of parameters, and no value of theirs.
impl fmt::Debug for Leg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.optional_params.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Leg")
            .field("server", &self.server)
            .field("authentication", &self.authentication)
            .field("credential_bearer", &self.credential_bearer)
            .field("scope", &self.scope)
            .field("optional_params", &names)
            .field("lifetimes", &self.lifetimes)
            .finish()
    }
}

/// Why there is no token.
#[derive(Debug)]
pub(crate) struct Denied {
    pub(crate) error: TokenError,
    /// The server refuses what the grant itself says, and would say so again.
    pub(crate) invalid_grant: bool,
}

impl Denied {
    const fn other(error: TokenError) -> Self {
        Self { error, invalid_grant: false }
    }
}
