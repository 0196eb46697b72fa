//! Grants: how a service of ours gets the token that it shows to a server (RFC 6749 §4).
mod authentication;
mod client_credentials;
mod flow;
mod jwt_bearer;
pub(crate) mod keeper;
pub(crate) mod leg;
mod password;
pub(crate) mod read;
mod refresh;
mod refresh_token;
pub(crate) mod response;
mod rotation;
pub(crate) mod settings;
pub(crate) mod source;
#[cfg(test)]
mod tests;

pub use self::{
    authentication::{ClientAuthentication, CredentialBearer},
    client_credentials::{ClientCredentials, ClientCredentialsConfig},
    jwt_bearer::{JwtBearerGrant, JwtBearerGrantConfig},
    password::{PasswordGrant, PasswordGrantConfig},
    read::{is_grant, read},
    refresh::RefreshConfig,
    refresh_token::{RefreshTokenGrant, RefreshTokenGrantConfig},
    rotation::{RotationHook, RotationHooks},
};
