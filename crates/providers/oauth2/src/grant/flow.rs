//! What all grants do: a token is asked for by the grant itself, and later by a refresh token where one came.

use std::{fmt, sync::Arc, time::Duration};

use portcullis_core::{AssertionSigner, BoxFuture, Clock, Secret, TokenError};
use portcullis_outbound::Form;
use tracing::info;

use super::{
    keeper::{Fetch, Fetched, TokenKeeper},
    leg::{Denied, Leg},
    response::Tokens,
    rotation::{HOOK_MOST, RefreshToken},
};

/// The value of `grant_type` (RFC 7523 §2.1).
pub(crate) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// What a grant itself says.
pub(super) enum First {
    ClientCredentials,
    Password {
        username: String,
        password: Secret,
    },
    /// An assertion that somebody made.
    Assertion(Secret),
    /// Assertions that are made when they are needed.
    Signed(Arc<dyn AssertionSigner>),
}

impl First {
    fn form(&self) -> Result<Form, TokenError> {
        let form = Form::new();
        Ok(match self {
            Self::ClientCredentials => form.push("grant_type", "client_credentials"),
            Self::Password { username, password } => form
                .push("grant_type", "password")
                .push("username", username.as_str())
                .push("password", password.clone()),
            Self::Assertion(assertion) => {
                form.push("grant_type", JWT_BEARER).push("assertion", assertion.clone())
            }
            Self::Signed(signer) => form.push("grant_type", JWT_BEARER).push("assertion", signer.sign()?),
        })
    }

    /// How the server's refusal is told, and the remedy.
    const fn refusal(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::ClientCredentials => None,
            Self::Password { .. } => Some(("refuses the user", "check `username` and `password`")),
            Self::Assertion(_) => {
                Some(("refuses the assertion", "it may have expired: put a new one into `assertion`"))
            }
            Self::Signed(_) => {
                Some(("refuses the assertion", "check issuer, audience and key of `assertion`"))
            }
        }
    }
}

/// How a grant goes on with refresh tokens (RFC 6749 §6).
pub(super) struct Refresh {
    pub(super) leg: Leg,
    pub(super) token: RefreshToken,
    /// Whether one that the server refuses is not tried again: there is a grant to ask instead.
    pub(super) forgets: bool,
}

/// What one grant does. Refresh tokens are not looked at where there is no `refresh`.
pub(super) enum Flow {
    /// The grant can be asked again.
    Granted { leg: Leg, first: First, refresh: Option<Refresh> },
    /// There is nothing but a refresh token.
    RefreshOnly(Refresh),
}

impl Flow {
    /// Keeps its tokens.
    pub(super) fn kept(self, clock: Arc<dyn Clock>, min_refresh_interval: Duration) -> TokenKeeper {
        TokenKeeper::new(self, clock, min_refresh_interval)
    }

    const fn leg(&self) -> &Leg {
        match self {
            Self::Granted { leg, .. } => leg,
            Self::RefreshOnly(refresh) => &refresh.leg,
        }
    }

    const fn refresh(&self) -> Option<&Refresh> {
        match self {
            Self::Granted { refresh, .. } => refresh.as_ref(),
            Self::RefreshOnly(refresh) => Some(refresh),
        }
    }

    async fn tokens(&self) -> Result<Tokens, TokenError> {
        match self {
            Self::RefreshOnly(refresh) => match refresh.ask().await {
                Some(asked) => asked.map_err(|denied| denied.error),
                None => Err(TokenError::permanent("there is no refresh token")),
            },
            Self::Granted { leg, first, refresh } => {
                if let Some(refresh) = refresh
                    && let Some(asked) = refresh.ask().await
                {
                    match asked {
                        Ok(tokens) => return Ok(tokens),
                        Err(denied) if !denied.invalid_grant => return Err(denied.error),
                        Err(_) => info!(
                            target: "portcullis",
                            url = refresh.leg.address(),
                            "the refresh token is refused: the grant is asked again"
                        ),
                    }
                }
                leg.ask(first.form()?, first.refusal()).await.map_err(|denied| denied.error)
            }
        }
    }
}

impl Refresh {
    /// Asks with the newest refresh token, where there is one.
    async fn ask(&self) -> Option<Result<Tokens, Denied>> {
        let token = self.token.current(self.leg.address()).await?;
        let form = Form::new().push("grant_type", "refresh_token").push("refresh_token", token.clone());
        let refusal = (
            "refuses the refresh token",
            "it has expired, was revoked, or was used elsewhere: put a new one into `refreshToken`",
        );
        let asked = self.leg.ask(form, Some(refusal)).await;
        if self.forgets && asked.as_ref().is_err_and(|denied| denied.invalid_grant) {
            self.token.forget(&token);
        }
        Some(asked)
    }
}

impl Fetch for Flow {
    fn fetch(&self) -> BoxFuture<'_, Result<Fetched, TokenError>> {
        Box::pin(async move {
            let Tokens { access, lifetime, refresh: came } = self.tokens().await?;
            if let (Some(refresh), Some(token)) = (self.refresh(), came) {
                refresh.token.came(token, refresh.leg.address()).await;
            }
            Ok(Fetched { token: access, lifetime })
        })
    }

    fn address(&self) -> &str {
        self.leg().address()
    }

    fn longest(&self) -> Duration {
        let refresh = self.refresh().map_or(Duration::ZERO, |refresh| refresh.leg.longest());
        // The hook may be told before and after.
        self.leg().longest().saturating_add(refresh).saturating_add(2 * HOOK_MOST)
    }
}

impl fmt::Debug for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Flow");
        shown.field("leg", self.leg());
        if let Some(refresh) = self.refresh() {
            shown.field("refresh", &refresh.leg).field("refresh_token", &refresh.token);
        }
        shown.finish_non_exhaustive()
    }
}
