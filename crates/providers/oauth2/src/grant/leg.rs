//! One kind of request to a token endpoint: where it goes, and what it says beside the grant's own parameters.

use std::{sync::Arc, time::Duration};

use portcullis_core::{BuildError, TokenError};
use portcullis_outbound::Form;

use super::{
    keeper::BACK_OFF_MOST,
    response::{self, Tokens},
    settings::Settings,
};
use crate::server::{FormServer, nobodys_token};

/// One kind of request to a token endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Leg {
    server: Arc<FormServer>,
    settings: Box<Settings>,
}

impl Leg {
    pub(crate) fn new(settings: &Settings) -> Result<Self, BuildError> {
        let server = FormServer::new(settings.endpoint.clone(), settings.client.clone())?;
        Ok(Self { server: Arc::new(server), settings: Box::new(settings.clone()) })
    }

    /// The same request, which names no scopes.
    pub(crate) fn without_scopes(&self) -> Self {
        let settings = Settings { scopes: Vec::new(), ..(*self.settings).clone() };
        Self { server: Arc::clone(&self.server), settings: Box::new(settings) }
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
        let form = self.settings.completed(own).map_err(Denied::other)?;
        let reply = self.server.ask_for_token(&form).await;
        let reply = reply.map_err(|trouble| Denied::other(response::error(address, trouble)))?;
        if let Some((what, remedy)) = invalid_grant
            && !reply.status().is_server_error()
            && reply.error_code() == Some("invalid_grant")
        {
            let what = format!("{what}, {}: {remedy}", reply.shown());
            let error = response::error(address, reply.trouble(what));
            // Nobody but people can mend it, and a server may lock whoever tries too often.
            return Err(Denied { error: error.with_retry_after(BACK_OFF_MOST), invalid_grant: true });
        }
        response::read(&reply, address, &self.settings).map_err(Denied::other)
    }

    /// Asks by a refresh token that nobody issued, for people who want to know whether the server answers and knows the client.
    pub(crate) async fn try_out_refreshing(&self) -> Result<String, TokenError> {
        let nobody = nobodys_token().map_err(TokenError::transient)?;
        let form = Form::new().push("grant_type", "refresh_token").push("refresh_token", nobody);
        let reply = self.server.ask_for_token(&self.settings.completed(form)?).await;
        let reply = reply.map_err(|trouble| response::error(self.address(), trouble))?;
        if reply.refuses_token() && !reply.status().is_server_error() {
            return Ok("answers; a refresh token that nobody issued is refused".to_owned());
        }
        response::read(&reply, self.address(), &self.settings)?;
        let what = "gives a token for a refresh token that nobody issued: anybody could have one of it";
        Err(response::error(self.address(), reply.trouble(what)))
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
