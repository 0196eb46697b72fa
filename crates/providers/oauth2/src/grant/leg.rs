//! One kind of request to a token endpoint: where it goes, and what it says beside the grant's own parameters.

use std::{sync::Arc, time::Duration};

use portcullis_core::{BuildError, TokenError};
use portcullis_outbound::Form;

use super::{
    keeper::BACK_OFF_MOST,
    response::{self, Tokens},
    settings::Settings,
};
use crate::server::FormServer;

/// One kind of request to a token endpoint.
#[derive(Debug)]
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
