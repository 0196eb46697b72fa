//! What the endpoint is asked, and what its answer means.

use std::{fmt, time::Duration};

use http::StatusCode;
use portcullis_core::{Authorization, BuildError, Secret, TokenError, json};
use portcullis_outbound::{Form, OutboundErrorKind};
use serde_json::{Map, Value};

use super::{
    config::{Protocol, TokenExchangeConfig},
    token_type::TokenType,
};
use crate::{
    grant::{
        flow::JWT_BEARER,
        response::{self, Tokens},
    },
    server::{FormServer, Reply, Trouble},
};

/// How much longer than its own deadline an exchange may take before it is given up for lost.
const GRACE: Duration = Duration::from_secs(5);

/// The endpoint that exchanges tokens.
pub(super) struct ExchangeEndpoint {
    server: FormServer,
    config: TokenExchangeConfig,
}

/// A token as it came.
#[derive(Debug)]
pub(super) struct Exchanged {
    pub(super) token: Authorization,
    /// How long it is good, from the moment at which it was asked for.
    pub(super) lifetime: Duration,
}

/// Why none came.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: TokenError,
    pub(super) concern: Concern,
}

/// Whom a failure concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Concern {
    /// The caller whose token was to be exchanged. Others are served.
    Caller,
    /// All of them: the endpoint is away, busy, or does not know us.
    Everybody,
}

impl Failed {
    const fn everybody(error: TokenError) -> Self {
        Self { error, concern: Concern::Everybody }
    }

    const fn caller(error: TokenError) -> Self {
        Self { error, concern: Concern::Caller }
    }
}

impl ExchangeEndpoint {
    pub(super) fn new(config: TokenExchangeConfig) -> Result<Self, BuildError> {
        let settings = &config.settings;
        Ok(Self { server: FormServer::new(settings.endpoint.clone(), settings.client.clone())?, config })
    }

    /// Its address, without query.
    pub(super) fn address(&self) -> &str {
        self.server.address()
    }

    /// After how long an exchange that nobody heard of is lost: the runtime that it runs on stands still.
    pub(super) fn lost_after(&self) -> Duration {
        self.server.config().longest_call().saturating_add(GRACE)
    }

    /// Asks for a token in the place of `subject`.
    pub(super) async fn exchange(
        &self,
        subject: &Secret,
        actor: Option<&Authorization>,
    ) -> Result<Exchanged, Failed> {
        let form = self.form(subject, actor).map_err(Failed::everybody)?;
        let reply = self.server.ask_for_token(&form).await.map_err(|trouble| {
            let concern = concern_of_trouble(&trouble);
            Failed { error: response::error(self.address(), trouble), concern }
        })?;
        if reply.is_error() {
            return Err(Failed { error: self.not_given(&reply), concern: concern(&reply) });
        }
        self.read(&reply).map_err(Failed::caller)
    }

    /// Asks for a token in the place of one that nobody issued.
    pub(super) async fn try_out(
        &self,
        nobody: &Secret,
        actor: Option<&Authorization>,
    ) -> Result<String, TokenError> {
        let reply = self.server.ask_for_token(&self.form(nobody, actor)?).await;
        let reply = reply.map_err(|trouble| response::error(self.address(), trouble))?;
        if !reply.is_error() {
            self.read(&reply)?;
            let what = "exchanges a token that nobody issued: anybody could have one of it";
            return Err(response::error(self.address(), reply.trouble(what)));
        }
        if is_refused(&reply) {
            return Ok("answers; a token that nobody issued is not exchanged".to_owned());
        }
        Err(self.not_given(&reply))
    }

    fn form(&self, subject: &Secret, actor: Option<&Authorization>) -> Result<Form, TokenError> {
        let TokenExchangeConfig { settings, audience, resource, .. } = &self.config;
        let mut form = Form::new();
        match self.config.protocol {
            Protocol::OnBehalfOf => {
                form = form
                    .push("grant_type", JWT_BEARER)
                    .push("assertion", subject.clone())
                    .push("requested_token_use", "on_behalf_of");
            }
            Protocol::Exchange => {
                let kind = self.config.subject_token_type.clone().unwrap_or_else(TokenType::access_token);
                form = form
                    .push("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange")
                    .push("subject_token", subject.clone())
                    .push("subject_token_type", kind.uri());
                if let Some(source) = &self.config.actor {
                    // Without it, the new token would say that nobody acts for the caller.
                    let token = actor.and_then(Authorization::token);
                    let token =
                        token.ok_or_else(|| TokenError::permanent("there is no token of the actor's"))?;
                    form = form.push("actor_token", token).push("actor_token_type", source.kind.uri());
                }
                if let Some(kind) = &self.config.requested_token_type {
                    form = form.push("requested_token_type", kind.uri());
                }
                // RFC 8693 §2.1 lets these two occur more than once.
                form = audience.iter().fold(form, |form, name| form.push("audience", name.as_str()));
                form = resource.iter().fold(form, |form, uri| form.push("resource", uri.as_str()));
            }
        }
        settings.completed(form)
    }

    /// The token in an answer of success.
    fn read(&self, reply: &Reply) -> Result<Exchanged, TokenError> {
        if self.config.protocol == Protocol::Exchange
            && let Ok(members) = json::object(reply.body())
            && let Some(what) = self.other_than_asked(&members)
        {
            let trouble = Trouble { what, transient: false, retry_after: None, source: None };
            return Err(response::error(self.address(), trouble));
        }
        let Tokens { access, lifetime, .. } = response::read(reply, self.address(), &self.config.settings)?;
        let most = self.config.cache.max_age.unwrap_or(Duration::MAX);
        Ok(Exchanged { token: access, lifetime: lifetime.min(most) })
    }

    /// What an answer is called that is none of success.
    fn not_given(&self, reply: &Reply) -> TokenError {
        let shown = reply.shown();
        let what = match concern(reply) {
            Concern::Everybody if reply.refuses_us() => {
                let remedy = self.config.settings.authentication.remedy();
                format!("refuses the client, {shown}: {remedy}")
            }
            Concern::Caller if is_refused(reply) => {
                format!(
                    "does not exchange the caller's token, {shown}: only the caller can come with another one"
                )
            }
            Concern::Caller if reply.status().is_client_error() && reply.error_code().is_some() => {
                format!("does not exchange the caller's token, {shown}")
            }
            _ => format!("answered {shown}"),
        };
        response::error(self.address(), reply.trouble(what))
    }

    /// What is wrong with the kind of the token that came.
    fn other_than_asked(&self, members: &Map<String, Value>) -> Option<String> {
        // RFC 8693 §2.2.1: "N_A" is the token type of what is not an access token.
        if let Some(Value::String(kind)) = members.get("token_type")
            && kind.eq_ignore_ascii_case("N_A")
        {
            return Some(
                "gave a token that is not an access token (`token_type` is N_A): set `requestedTokenType` to \
                 \"access_token\", or have the server give one"
                    .to_owned(),
            );
        }
        match members.get("issued_token_type") {
            // RFC 8693 §2.2.1 requires it. Servers that leave it out say by `token_type` that the token is one to call with.
            None | Some(Value::Null) => None,
            Some(Value::String(kind)) => {
                let asked =
                    self.config.requested_token_type.as_ref().is_some_and(|asked| asked.uri() == kind);
                (!asked && !TokenType::is_one_to_call_with(kind)).then(|| {
                    let kind = json::shown(kind);
                    format!(
                        "gave a token of the kind {kind}, which was not asked for: set `requestedTokenType`"
                    )
                })
            }
            Some(_) => Some("gave an `issued_token_type` that is not a string".to_owned()),
        }
    }
}

/// Whether it is the caller's token that the endpoint does not take.
// RFC 8693 §2.2.2 has `invalid_request` for it. Other servers answer `invalid_grant`, as RFC 6749 §5.2 has it for grants, or
// `invalid_token`.
fn is_refused(reply: &Reply) -> bool {
    concern(reply) == Concern::Caller && reply.refuses_token()
}

/// Whom an error of the endpoint concerns. What one caller's token can bring about by itself must not keep others out.
fn concern(reply: &Reply) -> Concern {
    const OURS: [&str; 3] = ["invalid_client", "unauthorized_client", "unsupported_grant_type"];
    const THEIRS: [&str; 6] = [
        "invalid_grant",
        "invalid_request",
        "invalid_token",
        "invalid_target",
        "invalid_scope",
        "access_denied",
    ];
    const AWAY: [StatusCode; 7] = [
        StatusCode::UNAUTHORIZED,
        StatusCode::NOT_FOUND,
        StatusCode::METHOD_NOT_ALLOWED,
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::BAD_GATEWAY,
        StatusCode::SERVICE_UNAVAILABLE,
        StatusCode::GATEWAY_TIMEOUT,
    ];
    let status = reply.status();
    let busy = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
    match reply.error_code() {
        Some("temporarily_unavailable") => Concern::Everybody,
        Some(code) if OURS.contains(&code) => Concern::Everybody,
        Some(code) if THEIRS.contains(&code) && !busy => Concern::Caller,
        _ if AWAY.contains(&status) || (busy && reply.retry_after().is_some()) => Concern::Everybody,
        _ => Concern::Caller,
    }
}

fn concern_of_trouble(trouble: &Trouble) -> Concern {
    match trouble.source.as_ref().map(|error| error.kind()) {
        // It was reached, and began to answer.
        Some(OutboundErrorKind::Interrupted | OutboundErrorKind::Protocol | OutboundErrorKind::TooLarge) => {
            Concern::Caller
        }
        _ => Concern::Everybody,
    }
}

/// Shows what is asked for.
impl fmt::Debug for ExchangeEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.config.fmt(f)
    }
}
