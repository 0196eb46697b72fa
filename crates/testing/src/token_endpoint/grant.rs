//! Grants, told apart.

use crate::server::Call;

/// A way to ask a [`TestTokenEndpoint`](crate::TestTokenEndpoint) for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GrantType {
    /// RFC 6749 §4.4.
    ClientCredentials,
    /// RFC 6749 §4.3.
    Password,
    /// RFC 6749 §6.
    RefreshToken,
    /// RFC 7523 §2.1.
    JwtBearer,
    /// The JWT bearer grant with `requested_token_use=on_behalf_of`, as Microsoft Entra has it.
    OnBehalfOf,
    /// RFC 8693.
    TokenExchange,
}

impl GrantType {
    /// What stands in `grant_type`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
            Self::Password => "password",
            Self::RefreshToken => "refresh_token",
            Self::JwtBearer | Self::OnBehalfOf => "urn:ietf:params:oauth:grant-type:jwt-bearer",
            Self::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
        }
    }

    pub(super) fn of(call: &Call) -> Option<Self> {
        let name = call.parameter("grant_type")?;
        let on_behalf = call.parameter("requested_token_use").as_deref() == Some("on_behalf_of");
        let bearer = if on_behalf { Self::OnBehalfOf } else { Self::JwtBearer };
        let all = [Self::ClientCredentials, Self::Password, Self::RefreshToken, bearer, Self::TokenExchange];
        all.into_iter().find(|grant| grant.name() == name)
    }
}
