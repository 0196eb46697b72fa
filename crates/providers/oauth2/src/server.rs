//! A server that is asked by forms: what introspection and grants have in common.

use std::{fmt, time::Duration};

use http::StatusCode;
use portcullis_core::{BuildError, Secret};
use portcullis_outbound::{Answer, ClientConfig, Endpoint, Form, HttpClient, OutboundError};

/// The name and secret by which a server knows us.
#[derive(Clone)]
pub(crate) struct ClientSecret {
    pub(crate) id: String,
    pub(crate) secret: Secret,
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSecret").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A server that is asked by forms.
#[derive(Debug)]
pub(crate) struct FormServer {
    client: HttpClient,
    endpoint: Endpoint,
    address: String,
}

impl FormServer {
    pub(crate) fn new(endpoint: Endpoint, config: ClientConfig) -> Result<Self, BuildError> {
        config.permits(&endpoint).map_err(BuildError::new)?;
        Ok(Self { client: HttpClient::new(config)?, address: endpoint.to_string(), endpoint })
    }

    /// Its address, without query.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn config(&self) -> &ClientConfig {
        self.client.config()
    }

    /// Posts `form`, within the client's bounds of time and size.
    pub(crate) async fn post(&self, form: &Form) -> Result<Reply, Trouble> {
        self.replied(form, |answer| if answer.status.is_success() { None } else { error_code(answer) }).await
    }

    /// Posts `form`, which asks for a token. Some servers tell their `error` with status 200.
    pub(crate) async fn ask_for_token(&self, form: &Form) -> Result<Reply, Trouble> {
        self.replied(form, |answer| if gives_token(answer) { None } else { error_code(answer) }).await
    }

    async fn replied(
        &self,
        form: &Form,
        error: impl FnOnce(&Answer) -> Option<String>,
    ) -> Result<Reply, Trouble> {
        match self.client.post_form(&self.endpoint, form).await {
            Ok(answer) => {
                let retry_after = answer.retry_after(self.client.clock().now());
                let error = error(&answer);
                Ok(Reply { answer, retry_after, error })
            }
            Err(error) => Err(Trouble {
                what: "cannot be asked".to_owned(),
                transient: error.is_transient(),
                retry_after: error.retry_after(),
                source: Some(error),
            }),
        }
    }
}

/// The codes that are said, whatever secrets they resemble. Any other text may repeat what was sent, such as `bad api key …`.
const KNOWN: [&str; 42] = [
    // RFC 6749 §4.1.2.1 and §5.2, RFC 6750 §3.1, RFC 7009 §2.2.1, RFC 8628 §3.5, RFC 8707 §2 and RFC 8693 §2.2.2.
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "unsupported_response_type",
    "invalid_scope",
    "access_denied",
    "server_error",
    "temporarily_unavailable",
    "invalid_token",
    "insufficient_scope",
    "unsupported_token_type",
    "authorization_pending",
    "slow_down",
    "expired_token",
    "invalid_target",
    // RFC 9396 §5, RFC 9449 §5 and §8, RFC 9470 §3, OpenID Connect Core §3.1.2.6.
    "invalid_authorization_details",
    "invalid_dpop_proof",
    "use_dpop_nonce",
    "insufficient_user_authentication",
    "interaction_required",
    "login_required",
    "account_selection_required",
    "consent_required",
    "request_not_supported",
    "registration_not_supported",
    // What identity providers say besides.
    "admin_policy_enforced",
    "bad_verification_code",
    "deleted_client",
    "disabled_client",
    "forbidden",
    "incorrect_client_credentials",
    "internal_error",
    "invalid_resource",
    "mfa_required",
    "not_allowed",
    "not_found",
    "redirect_uri_mismatch",
    "too_many_requests",
    "unauthorized",
    "unknown_error",
];

fn gives_token(answer: &Answer) -> bool {
    answer.status.is_success()
        && answer.json_object().is_ok_and(|members| members.contains_key("access_token"))
}

/// The `error` code of an OAuth answer (RFC 6749 §5.2).
fn error_code(answer: &Answer) -> Option<String> {
    let members = answer.json_object().ok()?;
    members.get("error")?.as_str().map(str::to_owned)
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Reply {
    answer: Answer,
    retry_after: Option<Duration>,
    /// A text from outside: to be shown by [`Reply::shown`] only.
    error: Option<String>,
}

impl Reply {
    pub(crate) fn status(&self) -> StatusCode {
        self.answer.status
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.answer.body
    }

    /// Whether it says that something went wrong.
    pub(crate) fn is_error(&self) -> bool {
        !self.status().is_success() || self.error.is_some()
    }

    /// The `error` code of an answer that is one.
    pub(crate) fn error_code(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// The span after which asking again makes sense, where the server says so.
    pub(crate) const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The status, and the `error` code where there is one, as a log may show them: `400 ("invalid_client")`.
    pub(crate) fn shown(&self) -> String {
        let status = self.status().as_u16();
        match self.error_code() {
            Some(code) if KNOWN.contains(&code) => format!("{status} (\"{code}\")"),
            Some(_) => format!("{status} (an error code that is not known)"),
            None => status.to_string(),
        }
    }

    /// Whether the server does not take the token or assertion that a form is about.
    // RFC 6749 §5.2 has `invalid_grant` for it, RFC 8693 §2.2.2 `invalid_request`.
    pub(crate) fn refuses_token(&self) -> bool {
        matches!(self.error_code(), Some("invalid_grant" | "invalid_request" | "invalid_token"))
    }

    /// Whether the server does not know us, or does not let us ask.
    pub(crate) fn refuses_us(&self) -> bool {
        const US: [&str; 5] =
            ["invalid_client", "unauthorized_client", "access_denied", "invalid_token", "insufficient_scope"];
        matches!(self.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
            || (!self.status().is_server_error() && self.error_code().is_some_and(|code| US.contains(&code)))
    }

    /// What is wrong with it.
    pub(crate) fn trouble(&self, what: impl Into<String>) -> Trouble {
        Trouble {
            what: what.into(),
            transient: self.is_transient(),
            retry_after: self.retry_after,
            source: None,
        }
    }

    /// Whether the server may answer otherwise later, without anybody changing anything.
    fn is_transient(&self) -> bool {
        const PASSING: [StatusCode; 3] =
            [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
        self.status().is_server_error()
            || PASSING.contains(&self.status())
            || matches!(self.error_code(), Some("temporarily_unavailable" | "server_error"))
    }
}

/// A token that nobody issued, to try a server out with.
pub(crate) fn nobodys_token() -> Result<Secret, String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| "the operating system gave no randomness".to_owned())?;
    Ok(Secret::new(format!("portcullis-probe-{:032x}", u128::from_be_bytes(bytes))))
}

/// Why there is no answer, or none that can be used. Holds no secret.
#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    /// What the server does, on one line: `answered 503`.
    pub(crate) what: String,
    /// Whether asking again later may help.
    pub(crate) transient: bool,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) source: Option<OutboundError>,
}

impl Trouble {
    /// With its causes, on one line.
    pub(crate) fn whole(&self) -> String {
        match &self.source {
            // `Debug` of an error prints the message and its causes.
            Some(source) => format!("{}: {source:?}", self.what),
            None => self.what.clone(),
        }
    }
}
