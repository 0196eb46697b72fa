//! How a client says who it is to a token endpoint (RFC 6749 §2.3).

use std::{fmt, sync::Arc};

use portcullis_core::{AssertionSigner, Secret, TokenError};
use portcullis_outbound::{ClientConfig, Form};

use crate::{params::Mistake, server::ClientSecret};

/// The value of `client_assertion_type` (RFC 7523 §2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Where a client with a secret says who it is: `credentialBearer`.
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

/// How a client says who it is to a token endpoint.
#[derive(Clone)]
pub struct ClientAuthentication(Kind);

#[derive(Clone)]
enum Kind {
    None,
    Public(String),
    Secret(ClientSecret),
    Assertion { id: String, signer: Arc<dyn AssertionSigner> },
    MutualTls(String),
}

impl ClientAuthentication {
    /// By its secret, in the header or in the body, as [`CredentialBearer`] says.
    #[must_use]
    pub fn secret(id: impl Into<String>, secret: impl Into<Secret>) -> Self {
        Self(Kind::Secret(ClientSecret { id: id.into(), secret: secret.into() }))
    }

    /// By an assertion that is signed for each request (RFC 7523 §2.2, `private_key_jwt`). Its audience is the endpoint's
    /// or the server's matter: the signer knows it.
    #[must_use]
    pub fn assertion(id: impl Into<String>, signer: Arc<dyn AssertionSigner>) -> Self {
        Self(Kind::Assertion { id: id.into(), signer })
    }

    /// By the certificate that the connection shows (RFC 8705 §2): the id alone is sent. The
    /// [`ClientConfig`] has to have a certificate.
    #[must_use]
    pub fn mutual_tls(id: impl Into<String>) -> Self {
        Self(Kind::MutualTls(id.into()))
    }

    /// Not at all: a public client only says its id (RFC 6749 §3.2.1).
    #[must_use]
    pub fn public(id: impl Into<String>) -> Self {
        Self(Kind::Public(id.into()))
    }

    /// Not at all, and without an id.
    #[must_use]
    pub const fn none() -> Self {
        Self(Kind::None)
    }

    /// Whether the server can tell the client from everybody else.
    pub(crate) const fn proves_something(&self) -> bool {
        !matches!(self.0, Kind::None | Kind::Public(_))
    }

    /// Whether there is a name of the client at all.
    pub(crate) const fn names_client(&self) -> bool {
        !matches!(self.0, Kind::None)
    }

    /// The parameters that it may add to a form.
    pub(crate) const fn own(&self) -> &'static [&'static str] {
        match self.0 {
            Kind::Assertion { .. } => {
                &["client_id", "client_secret", "client_assertion", "client_assertion_type"]
            }
            _ => &["client_id", "client_secret"],
        }
    }

    /// The form with what says who the client is.
    ///
    /// # Errors
    ///
    /// When an assertion cannot be signed.
    pub(crate) fn sign(&self, form: Form, bearer: CredentialBearer) -> Result<Form, TokenError> {
        Ok(match &self.0 {
            Kind::None => form,
            Kind::Public(id) | Kind::MutualTls(id) => form.push("client_id", id.as_str()),
            Kind::Secret(ClientSecret { id, secret }) => match bearer {
                CredentialBearer::AuthHeader => form.basic_auth(id.as_str(), secret.clone()),
                CredentialBearer::PostBody => {
                    form.push("client_id", id.as_str()).push("client_secret", secret.clone())
                }
            },
            Kind::Assertion { id, signer } => form
                .push("client_id", id.as_str())
                .push("client_assertion_type", ASSERTION_TYPE)
                .push("client_assertion", signer.sign()?),
        })
    }

    /// What to look at where the server does not know the client.
    pub(crate) const fn remedy(&self) -> &'static str {
        match self.0 {
            Kind::None => "it wants to know who asks: set `clientId`, and `clientSecret`",
            Kind::Public(_) => "check `clientId`, and whether it wants a `clientSecret`",
            Kind::Secret(_) => "check `clientId` and `clientSecret`",
            Kind::Assertion { .. } => "check `clientId` and `clientAssertion`",
            Kind::MutualTls(_) => "check `clientId` and the certificate in `clientConfig.secureSocket.key`",
        }
    }

    /// All that is wrong, where `client` makes the call.
    pub(crate) fn mistakes(&self, client: &ClientConfig) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        let id = match &self.0 {
            Kind::None => None,
            Kind::Public(id) | Kind::MutualTls(id) | Kind::Assertion { id, .. } => Some(id),
            Kind::Secret(secret) => Some(&secret.id),
        };
        if id.is_some_and(String::is_empty) {
            mistakes.push(Mistake::at("clientId", "must not be empty"));
        }
        match &self.0 {
            Kind::Secret(client) if client.secret.is_empty() => {
                mistakes.push(Mistake::at("clientSecret", "an empty secret protects nothing: set it"));
            }
            Kind::MutualTls(_) if !client.has_client_certificate() => {
                mistakes.push(Mistake::inside(
                    "clientConfig",
                    "secureSocket",
                    "has no `key`: without it the connection shows no certificate to know the client by",
                ));
            }
            _ => {}
        }
        if client.token_source().is_some() {
            mistakes.push(Mistake::inside(
                "clientConfig",
                "auth",
                "a token endpoint is asked with the client's own id and secret: remove it",
            ));
        } else if client.sends_authorization() && self.proves_something() {
            // RFC 6749 §2.3: "The client MUST NOT use more than one authentication method in each request."
            mistakes.push(Mistake::inside(
                "clientConfig",
                "customHeaders",
                "`Authorization` stands beside the client's own id and secret: keep one of them",
            ));
        }
        mistakes
    }
}

/// Shows the id and how it is proved.
impl fmt::Debug for ClientAuthentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::None => f.write_str("None"),
            Kind::Public(id) => f.debug_tuple("Public").field(id).finish(),
            Kind::Secret(client) => f.debug_tuple("Secret").field(&client.id).finish(),
            Kind::Assertion { id, .. } => f.debug_tuple("Assertion").field(id).finish(),
            Kind::MutualTls(id) => f.debug_tuple("MutualTls").field(id).finish(),
        }
    }
}
