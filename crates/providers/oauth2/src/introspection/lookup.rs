//! One question to the server, and what its answer means.

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use portcullis_core::{BuildError, Clock, Probe, Refusal, Unavailable, json};
use portcullis_outbound::Form;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{
    answer,
    cache::Remember,
    config::{IntrospectionConfig, OWN},
    flights::Landed,
    health::Health,
};
use crate::{
    refusal::code,
    server::{FormServer, Trouble, nobodys_token},
};

/// The server, and all that is needed to ask it.
pub(super) struct Server {
    server: FormServer,
    pub(super) config: IntrospectionConfig,
    pub(super) health: Health,
}

/// A question on its way. Owns what it needs.
pub(super) struct Lookup {
    pub(super) server: Arc<Server>,
    pub(super) token: Zeroizing<String>,
    pub(super) form: Form,
    /// Civil time, of the service that asks.
    pub(super) clock: Arc<dyn Clock>,
    /// The clock that ages are measured by.
    pub(super) ages: Arc<dyn Clock>,
    /// When it was asked, on the monotonic scale.
    pub(super) asked: Duration,
    /// Its number among the provider's questions.
    pub(super) number: u64,
}

/// What an answer is.
enum Said {
    /// Something about the token.
    Members(Map<String, Value>),
    /// That it is none that the server introspects.
    Unsupported,
}

impl Server {
    pub(super) fn new(config: IntrospectionConfig) -> Result<Self, BuildError> {
        let server = FormServer::new(config.endpoint.clone(), config.client.clone())?;
        Ok(Self { server, config, health: Health::default() })
    }

    pub(super) fn address(&self) -> &str {
        self.server.address()
    }

    /// The form that asks about `token`. The client's own payload goes after it.
    pub(super) fn form(&self, token: &str, parameters: &[(&str, &str)]) -> Form {
        let mut form = Form::new().push("token", token);
        if let Some(hint) = &self.config.token_type_hint {
            form = form.push("token_type_hint", hint.as_str());
        }
        for (name, value) in &self.config.optional_params {
            if !parameters.iter().any(|(given, _)| given == name) {
                form = form.push(name.clone(), value.as_str());
            }
        }
        for (name, value) in parameters {
            form = form.push((*name).to_owned(), *value);
        }
        match &self.config.client_secret {
            Some(client) => form.basic_auth(client.id.as_str(), client.secret.clone()),
            None => form,
        }
    }

    /// Asks, and reads the answer as far as it is one.
    async fn ask(&self, form: &Form) -> Result<Said, Trouble> {
        let reply = self.server.post(form).await?;
        if reply.status() == StatusCode::OK {
            return match json::object(reply.body()) {
                Ok(members) => Ok(Said::Members(members)),
                Err(error) => Err(reply.trouble(format!("gave an answer that {error}"))),
            };
        }
        // The code is registered for revocation (RFC 7009 §2.2.1). Servers use it for tokens that they issue and do not
        // introspect, such as JWTs: it is said of the token, not of us or of the server.
        if reply.status() == StatusCode::BAD_REQUEST && reply.error_code() == Some("unsupported_token_type") {
            return Ok(Said::Unsupported);
        }
        let shown = reply.shown();
        Err(reply.trouble(if reply.refuses_us() {
            format!("refuses our own credentials, {shown}: set `auth`, `customHeaders` or `secureSocket.key` in clientConfig")
        } else {
            format!("answered {shown}")
        }))
    }

    /// Asks about a token that nobody issued, and asks the server of our own token.
    pub(super) async fn probe(&self, clock: &Arc<dyn Clock>) -> Vec<Probe> {
        let begun = clock.monotonic();
        let result = match nobodys_token() {
            Ok(token) => match self.ask(&self.form(token.expose(), &[])).await {
                Ok(said) => judge_probe(&said),
                Err(trouble) => Err(trouble.whole()),
            },
            Err(text) => Err(text),
        };
        let took = clock.monotonic().saturating_sub(begun);
        let mut probes = vec![Probe::new("introspection", self.address(), took, result)];
        if let Some(source) = self.server.config().token_source() {
            probes.extend(source.probe().await);
        }
        probes
    }
}

impl Lookup {
    pub(super) async fn run(self) -> Landed<Remember> {
        let Self { server, token, form, clock, ages, asked, number } = self;
        let said = server.ask(&form).await;
        let now = ages.monotonic();
        match said {
            Ok(said) => {
                server.health.answered(number, now, server.address());
                match said {
                    Said::Members(members) => {
                        let took = now.saturating_sub(asked);
                        answer::judge(members, &token, &server.config, clock.now(), took)
                    }
                    Said::Unsupported => {
                        let reason = "the server does not introspect tokens of this kind";
                        answer::refused(Refusal::new(code::UNSUPPORTED_TOKEN_TYPE, reason), None)
                    }
                }
            }
            Err(trouble) => {
                server.health.failed(number, &trouble.whole(), server.address());
                let outcome = unavailable(server.address(), trouble).into();
                Landed { outcome, remember: Remember::Nothing }
            }
        }
    }
}

fn unavailable(address: &str, trouble: Trouble) -> Unavailable {
    let mut unavailable = match &trouble.source {
        // The cause names the address.
        Some(_) => Unavailable::new(format!("the introspection endpoint {}", trouble.what)),
        None => Unavailable::new(format!("the introspection endpoint {address} {}", trouble.what)),
    };
    if let Some(span) = trouble.retry_after {
        unavailable = unavailable.with_retry_after(span);
    }
    match trouble.source {
        Some(source) => unavailable.with_source(source),
        None => unavailable,
    }
}

fn judge_probe(said: &Said) -> Result<String, String> {
    let active = match said {
        Said::Members(members) => members.get("active"),
        Said::Unsupported => return Ok("answers; some tokens it does not introspect".to_owned()),
    };
    match active {
        Some(Value::Bool(false)) => Ok("answers; a token that nobody issued is not active".to_owned()),
        Some(Value::Bool(true)) => {
            Err("says that a token that nobody issued is active: it would let everybody in".to_owned())
        }
        _ => {
            Err("answers with JSON that has no boolean `active`: is this an introspection endpoint?"
                .to_owned())
        }
    }
}

/// The first of some parameters that may not be given along with a question.
pub(super) fn reserved<'p>(parameters: &[(&'p str, &str)]) -> Option<&'p str> {
    let twice =
        |position: usize, name: &str| parameters.iter().take(position).any(|(before, _)| *before == name);
    let mut given = parameters.iter().enumerate();
    given
        .find(|(position, (name, _))| name.is_empty() || OWN.contains(name) || twice(*position, name))
        .map(|(_, (name, _))| *name)
}
