//! OAuth2 token introspection (RFC 7662) and grants (RFC 6749) for portcullis.
//!
//! - [`OAuth2Introspection`]: the provider of bearer tokens that only their server can tell about;
//!   [`IntrospectionConfig`] says which server, and what of its answers is believed.
//! - [`ClientCredentials`], [`PasswordGrant`], [`RefreshTokenGrant`], [`JwtBearerGrant`]: get the token that a service of ours
//!   shows to a server. [`grant`] says how it is asked for, kept and renewed; [`grant::read`] reads the records of a
//!   configuration.
//! - [`TokenExchange`]: gets the token that a service of ours shows to a server on behalf of its own caller; [`exchange`].
//!
//! # What is believed of an answer
//!
//! * Only status 200 with one JSON object, without duplicate names. Everything else says nothing about the token: the
//!   provider is unavailable, and nothing is remembered. One exception: 400 with the code `unsupported_token_type` is
//!   the server's word on this token, and refuses it.
//! * `active` has to be the JSON boolean `true`. `false`, `null` or no `active` at all refuses the token as inactive; any
//!   other value refuses it as `malformed-claim`.
//! * The server is the authority: an active answer whose `exp` has passed is accepted. It is never remembered, and the
//!   identity has no expiry then.
//! * A member of the wrong JSON type refuses the token, whether or not the configuration asks for it: `exp`, `nbf` and
//!   `iat` are numbers of zero or more, `iss`, `sub`, `jti`, `client_id`, `username` and `token_type` strings, `aud` a
//!   string or an array of strings, and the member that holds the scopes likewise. `null` is as good as absent.
//! * The subject is `sub`, else `username`. It is never `client_id`: a client that may choose its identifier would choose
//!   a user's (RFC 9700 §4.15). Callers without a subject are known and nameless; `client_id` is among the claims.
//! * A token bound to a key of its sender (`cnf`, or a `token_type` of DPoP) is refused.
//!
//! # Codes
//!
//! A refusal has one of these codes, which logs and explanations show:
//!
//! | code | why |
//! |---|---|
//! | `inactive` | the server says that the token is not active, or does not say that it is |
//! | `unsupported-token-type` | the server does not introspect tokens of this kind |
//! | `malformed-claim` | a member of the answer has the wrong JSON type |
//! | `bound-token` | `cnf`, or `token_type` DPoP |
//! | `not-yet-valid` | `nbf` is in the future |
//! | `wrong-issuer`, `wrong-audience` | not what the configuration asks for |
//! | `empty-token`, `reserved-parameter` | what was asked in code cannot be asked |
//! | `other-scheme` | not a bearer credential at all |

pub mod exchange;
#[cfg(test)]
mod fixtures;
mod flight;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod grant;
mod introspection;
mod params;
mod prf;
mod refusal;
mod server;

pub use self::{
    exchange::{ExchangeCacheConfig, TokenExchange, TokenExchangeConfig, TokenType},
    grant::{
        ClientAuthentication, ClientCredentials, ClientCredentialsConfig, CredentialBearer, JwtBearerGrant,
        JwtBearerGrantConfig, PasswordGrant, PasswordGrantConfig, RefreshConfig, RefreshTokenGrant,
        RefreshTokenGrantConfig, RotationHook, RotationHooks,
    },
    introspection::{CacheConfig, IntrospectionConfig, OAuth2Introspection},
};
