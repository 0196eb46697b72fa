//! The client credentials grant (RFC 6749 §4.4): `OAuth2ClientCredentialsGrantConfig`.

use std::{fmt, sync::Arc, time::Duration};

use portcullis_core::{
    Authorization, BoxFuture, BuildError, Clock, Probe, Secret, SystemClock, TokenError, TokenSource,
};
use portcullis_outbound::{ClientConfig, Endpoint, Form};

use super::{
    keeper::{Fetch, Fetched, TokenKeeper},
    response::{self, Lifetimes},
};
use crate::{
    params::{self, Mistake},
    server::{ClientSecret, FormServer},
};

/// The parameters that are the grant's own.
const OWN: [&str; 4] = ["grant_type", "scope", "client_id", "client_secret"];

/// Where the client says who it is: `credentialBearer`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CredentialBearer {
    /// In the header `Authorization`, by HTTP Basic, id and secret form-encoded (RFC 6749 §2.3.1):
    /// `AUTH_HEADER_BEARER`.
    #[default]
    AuthHeader,
    /// In the body, as `client_id` and `client_secret`: `POST_BODY_BEARER`.
    PostBody,
}

/// How a token is asked for by the client credentials grant. Made in code, or read by [`grant::read`](super::read).
#[derive(Clone)]
#[must_use]
pub struct ClientCredentialsConfig {
    pub(super) endpoint: Endpoint,
    pub(super) client_secret: ClientSecret,
    pub(super) scopes: Vec<String>,
    pub(super) default_token_exp_time: Duration,
    pub(super) clock_skew: Duration,
    pub(super) optional_params: Vec<(String, String)>,
    pub(super) credential_bearer: CredentialBearer,
    pub(super) client: ClientConfig,
    pub(super) clock: Arc<dyn Clock>,
}

impl ClientCredentialsConfig {
    /// Asks the token endpoint as the client `id`.
    pub fn new(token_endpoint: Endpoint, id: impl Into<String>, secret: impl Into<Secret>) -> Self {
        Self {
            endpoint: token_endpoint,
            client_secret: ClientSecret { id: id.into(), secret: secret.into() },
            scopes: Vec::new(),
            default_token_exp_time: Duration::from_secs(3600),
            clock_skew: Duration::ZERO,
            optional_params: Vec::new(),
            credential_bearer: CredentialBearer::default(),
            client: ClientConfig::default(),
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// What the token is for. Sent in one parameter, joined by blanks; not sent where there is none.
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// How long a token is good where the server does not say. Default an hour.
    pub fn default_token_exp_time(mut self, span: Duration) -> Self {
        self.default_token_exp_time = span;
        self
    }

    /// How much earlier than that a token is no longer used. Default zero.
    pub fn clock_skew(mut self, clock_skew: Duration) -> Self {
        self.clock_skew = clock_skew;
        self
    }

    /// A further parameter of every request. What the grant itself sends is not among those that may be given.
    pub fn optional_param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.optional_params.push((name.into(), value.into()));
        self
    }

    /// Where the client says who it is. Default in the header.
    pub fn credential_bearer(mut self, bearer: CredentialBearer) -> Self {
        self.credential_bearer = bearer;
        self
    }

    /// How the token endpoint is called: `clientConfig`. It cannot send an `Authorization` of its own.
    pub fn client(mut self, client: ClientConfig) -> Self {
        self.client = client;
        self
    }

    /// The clock that lifetimes are measured by; the machine's unless given.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// All that is wrong, each with the key of the configuration.
    pub(super) fn mistakes(&self) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        if self.client_secret.id.is_empty() {
            mistakes.push(Mistake::at("clientId", "must not be empty"));
        }
        if self.client_secret.secret.is_empty() {
            mistakes.push(Mistake::at("clientSecret", "an empty secret protects nothing: set it"));
        }
        if self.client.token_source().is_some() {
            mistakes.push(Mistake::inside(
                "clientConfig",
                "auth",
                "a token endpoint is asked with the client's own id and secret: remove it",
            ));
        } else if self.client.sends_authorization() {
            mistakes.push(Mistake::inside(
                "clientConfig",
                "customHeaders",
                "`Authorization` stands beside the client's own id and secret: keep one of them",
            ));
        }
        if self.scopes.iter().any(|scope| scope.trim().is_empty()) {
            mistakes.push(Mistake::at("scopes", "holds an empty scope: name it, or leave it out"));
        }
        mistakes.extend(params::mistakes(&self.optional_params, || self.client.payload_names(), &OWN));
        mistakes
    }
}

/// Shows the names of parameters, and no value of theirs.
impl fmt::Debug for ClientCredentialsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.optional_params.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("ClientCredentialsConfig")
            .field("endpoint", &self.endpoint)
            .field("client_secret", &self.client_secret)
            .field("scopes", &self.scopes)
            .field("default_token_exp_time", &self.default_token_exp_time)
            .field("clock_skew", &self.clock_skew)
            .field("optional_params", &names)
            .field("credential_bearer", &self.credential_bearer)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

/// Gets tokens by the client credentials grant (RFC 6749 §4.4), and keeps them as [the module](super) says.
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
        let lines: Vec<String> = config.mistakes().iter().map(Mistake::line).collect();
        if !lines.is_empty() {
            return Err(BuildError::new(lines.join("\n")));
        }
        let server = FormServer::new(config.endpoint.clone(), config.client.clone())?;
        let clock = Arc::clone(&config.clock);
        Ok(Self { keeper: TokenKeeper::new(Grant { server, config }, clock) })
    }
}

impl TokenSource for ClientCredentials {
    fn token(&self) -> BoxFuture<'_, Result<Authorization, TokenError>> {
        Box::pin(self.keeper.token())
    }

    fn refused(&self, token: &Authorization) -> bool {
        self.keeper.refused(token)
    }

    fn probe(&self) -> BoxFuture<'_, Vec<Probe>> {
        Box::pin(async move {
            let begun = self.keeper.clock().monotonic();
            let result = match self.keeper.try_out().await {
                Ok(fetched) => Ok(format!("gives a token for {} s", fetched.lifetime.as_secs())),
                // `Debug` of an error prints the message and its causes.
                Err(error) => Err(format!("{error:?}")),
            };
            let took = self.keeper.clock().monotonic().saturating_sub(begun);
            vec![Probe::new("token", self.keeper.address(), took, result)]
        })
    }
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClientCredentials").field(&self.keeper).finish()
    }
}

/// The grant's own part: what is sent.
struct Grant {
    server: FormServer,
    config: ClientCredentialsConfig,
}

impl Grant {
    fn form(&self) -> Form {
        let mut form = Form::new().push("grant_type", "client_credentials");
        if !self.config.scopes.is_empty() {
            let scopes: Vec<&str> = self.config.scopes.iter().map(|scope| scope.trim()).collect();
            form = form.push("scope", scopes.join(" "));
        }
        for (name, value) in &self.config.optional_params {
            form = form.push(name.clone(), value.as_str());
        }
        let ClientSecret { id, secret } = &self.config.client_secret;
        match self.config.credential_bearer {
            CredentialBearer::AuthHeader => form.basic_auth(id.as_str(), secret.clone()),
            CredentialBearer::PostBody => {
                form.push("client_id", id.as_str()).push("client_secret", secret.clone())
            }
        }
    }
}

impl Fetch for Grant {
    fn fetch(&self) -> BoxFuture<'_, Result<Fetched, TokenError>> {
        Box::pin(async move {
            let address = self.server.address();
            let lifetimes =
                Lifetimes { default: self.config.default_token_exp_time, skew: self.config.clock_skew };
            match self.server.post(&self.form()).await {
                Ok(reply) => response::read(&reply, address, lifetimes),
                Err(trouble) => Err(response::error(address, trouble)),
            }
        })
    }

    fn address(&self) -> &str {
        self.server.address()
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.config.fmt(f)
    }
}
