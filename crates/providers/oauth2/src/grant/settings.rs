//! What the records of all grants have in common.

use std::{fmt, sync::Arc, time::Duration};

use portcullis_core::{Clock, SystemClock, TokenError};
use portcullis_outbound::{ClientConfig, Endpoint, Form};

use super::{
    authentication::{ClientAuthentication, CredentialBearer},
    keeper,
};
use crate::params::{self, Mistake};

/// What the records of all grants have in common, for one endpoint.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) endpoint: Endpoint,
    pub(crate) authentication: ClientAuthentication,
    pub(crate) credential_bearer: CredentialBearer,
    pub(crate) scopes: Vec<String>,
    pub(crate) default_token_exp_time: Duration,
    pub(crate) clock_skew: Duration,
    pub(crate) min_refresh_interval: Duration,
    pub(crate) optional_params: Vec<(String, String)>,
    pub(crate) client: ClientConfig,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Settings {
    pub(crate) fn new(endpoint: Endpoint, authentication: ClientAuthentication) -> Self {
        Self {
            endpoint,
            authentication,
            credential_bearer: CredentialBearer::default(),
            scopes: Vec::new(),
            default_token_exp_time: Duration::from_secs(3600),
            clock_skew: Duration::ZERO,
            min_refresh_interval: keeper::MIN_REFRESH_INTERVAL,
            optional_params: Vec::new(),
            client: ClientConfig::default(),
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// All that is wrong, each with the key of the configuration. `own` are the parameters that the grant sends itself,
    /// beside `grant_type`, `scope` and what says who the client is.
    pub(crate) fn mistakes(&self, own: &[&str]) -> Vec<Mistake> {
        let mut mistakes = self.authentication.mistakes(&self.client);
        if self.scopes.iter().any(|scope| scope.trim().is_empty()) {
            mistakes.push(Mistake::at("scopes", "holds an empty scope: name it, or leave it out"));
        }
        let bounds = keeper::LEAST_REFRESH_INTERVAL..=keeper::MOST_REFRESH_INTERVAL;
        if !bounds.contains(&self.min_refresh_interval) {
            mistakes.push(Mistake::at("minRefreshInterval", "is out of bounds: from 100ms to 1h"));
        }
        let own: Vec<&str> =
            ["grant_type", "scope"].iter().chain(self.authentication.own()).chain(own).copied().collect();
        mistakes.extend(params::mistakes(&self.optional_params, || self.client.payload_names(), &own));
        mistakes
    }

    /// The form of a request, where `own` is what the grant itself says: with scopes, further parameters, and what says who
    /// the client is.
    ///
    /// # Errors
    ///
    /// When an assertion cannot be signed.
    pub(crate) fn completed(&self, own: Form) -> Result<Form, TokenError> {
        let mut form = own;
        if !self.scopes.is_empty() {
            let scopes: Vec<&str> = self.scopes.iter().map(|scope| scope.trim()).collect();
            form = form.push("scope", scopes.join(" "));
        }
        for (name, value) in &self.optional_params {
            form = form.push(name.clone(), value.as_str());
        }
        self.authentication.sign(form, self.credential_bearer)
    }
}

/// Shows the names of parameters, and no value of theirs.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.optional_params.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Settings")
            .field("endpoint", &self.endpoint)
            .field("authentication", &self.authentication)
            .field("credential_bearer", &self.credential_bearer)
            .field("scopes", &self.scopes)
            .field("default_token_exp_time", &self.default_token_exp_time)
            .field("clock_skew", &self.clock_skew)
            .field("min_refresh_interval", &self.min_refresh_interval)
            .field("optional_params", &names)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

/// The setters of a configuration that has [`Settings`] in its field `settings`.
macro_rules! common_setters {
    () => {
        /// How the client says who it is.
        pub fn authentication(mut self, authentication: $crate::grant::ClientAuthentication) -> Self {
            self.settings.authentication = authentication;
            self
        }

        /// Where a client with a secret says who it is. Default in the header.
        pub fn credential_bearer(mut self, bearer: $crate::grant::CredentialBearer) -> Self {
            self.settings.credential_bearer = bearer;
            self
        }

        /// What the token is for. Sent in one parameter, joined by blanks; not sent where there is none.
        pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
            self.settings.scopes = scopes.into_iter().map(Into::into).collect();
            self
        }

        /// How long a token is good where the server does not say. Default an hour.
        pub fn default_token_exp_time(mut self, span: std::time::Duration) -> Self {
            self.settings.default_token_exp_time = span;
            self
        }

        /// How much earlier than that a token is no longer used. Default zero.
        pub fn clock_skew(mut self, clock_skew: std::time::Duration) -> Self {
            self.settings.clock_skew = clock_skew;
            self
        }

        /// How often tokens that a server refuses may cause another one to be fetched, from 100 ms to an hour. Default 10 s.
        pub fn min_refresh_interval(mut self, span: std::time::Duration) -> Self {
            self.settings.min_refresh_interval = span;
            self
        }

        /// A further parameter of every request. What the grant itself sends is not among those that may be given.
        pub fn optional_param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
            self.settings.optional_params.push((name.into(), value.into()));
            self
        }

        /// How the token endpoint is called: `clientConfig`. It cannot send an `Authorization` of its own beside one of the
        /// client's.
        pub fn client(mut self, client: portcullis_outbound::ClientConfig) -> Self {
            self.settings.client = client;
            self
        }

        /// The clock that lifetimes are measured by; the machine's unless given.
        pub fn clock(mut self, clock: std::sync::Arc<dyn portcullis_core::Clock>) -> Self {
            self.settings.clock = clock;
            self
        }
    };
}
pub(crate) use common_setters;
