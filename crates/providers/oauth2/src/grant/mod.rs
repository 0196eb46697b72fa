//! Grants: how a service of ours gets the token that it shows to a server (RFC 6749 §4).
//!
//! | grant | asked with | then |
//! |---|---|---|
//! | [`ClientCredentials`] | the client's own id and proof | the same again; a refresh token is not used |
//! | [`PasswordGrant`] | a user's name and password | the refresh token, where [`RefreshConfig`] says how; else the same again |
//! | [`RefreshTokenGrant`] | a refresh token that somebody obtained | the newest refresh token |
//! | [`JwtBearerGrant`] | an assertion (RFC 7523 §2.1) | a fixed one: the refresh token, else the same again; a signed one: another |
//!
//! A grant is two things. What is sent, and what the answer means, is its own; that a token is fetched once for all who
//! wait, kept while it is good, and renewed before it is not, is the same for all of them.
//!
//! # How tokens are kept
//!
//! * A token at hand is given without waiting, without a lock and without allocating.
//! * One fetch at a time, the first one too. It runs by itself: a caller that goes away ends it for nobody. Where the runtime
//!   that it runs on is shut down, or stands still beyond the fetch's own deadlines, whoever waits begins another one.
//! * A token is good for `expires_in`, else for `defaultTokenExpTime`, less `clockSkew`, from the moment at which it was
//!   asked for. In its last part, a fifth of that and five minutes at most, with some jitter, the next use begins to fetch
//!   another one and is given the old one, which is good as long as it lives. Only time that passes counts: setting the
//!   machine's calendar changes nothing.
//! * A fetch that fails is tried again after 1 s, 2 s, 4 s and so on, a minute at most, with some jitter; where no token is
//!   left, callers get the error meanwhile and it is tried again after 5 s at most. A `Retry-After` of the server's is
//!   waited for, a minute at most. So is a minute where the server refuses user, assertion or refresh token
//!   (`invalid_grant`) and there is nothing else to ask with: trying often would lock a user out.
//! * A token that a server refuses is not used again, and another one is fetched; not more often than every
//!   `minRefreshInterval` (10 s), so that a server that refuses everything causes no more requests than that. Nor is there
//!   another one while the token endpoint is left alone after a failure: the refused one stays then.
//! * A token that comes with no lifetime left is given to those who waited for it, and not kept.
//! * A probe asks the endpoint. What it gets is kept where there is no good token, and dropped otherwise. That of a
//!   [`RefreshTokenGrant`] asks by a refresh token that nobody issued: the configured one may be good for one use.
//!
//! # Refresh tokens
//!
//! * One that comes replaces the one before; where none comes, that one stays (RFC 6749 §6).
//! * A [`RotationHook`] is told of each one that comes, before the access token beside it is given to anybody. A hook that
//!   fails is logged and told once more before the token's first use; the token is used from memory in any case.
//! * `invalid_grant` has the grant itself asked again, in the same fetch. With [`RefreshTokenGrant`] there is nothing to ask:
//!   the error says that somebody has to put a new refresh token into the configuration. Every other error, of the network or
//!   of the server, costs no refresh token.
//! * A configured refresh token is the first one again after a restart. A server that replaces it has to accept it then, or
//!   a hook has to keep the newest; where there is none, the first replacement is logged as a warning.
//!
//! # How the client says who it is
//!
//! [`ClientAuthentication`]: by a secret in the header (id and secret form-encoded, then Basic: RFC 6749 §2.3.1) or in the
//! body; by an assertion, signed for each request (RFC 7523 §2.2); by the certificate of the connection (RFC 8705 §2); or not
//! at all, which [`ClientCredentials`] does not permit.

mod authentication;
mod client_credentials;
pub(crate) mod flow;
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

#[cfg(feature = "fuzzing")]
pub(crate) use self::response::granted;
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
