//! Token exchange (RFC 8693): how a service calls another on behalf of its own caller.
//!
//! The token that a caller shows is made for this service. What the next service is shown is another one, which the token
//! endpoint gives in its place: for that service, and in the caller's name. [`TokenExchange`] asks for it, by RFC 8693 or in
//! Microsoft Entra's way ([`TokenExchangeConfig::on_behalf_of`]).
//!
//! Without a caller there is no token: a call is never made in the service's own name instead.
//!
//! # How tokens are kept
//!
//! * Per token of a caller's, and per token of the actor's where one is configured. Audience, resource and scopes are the
//!   configuration's: another client has tokens of its own. Callers' tokens rest nowhere: what is kept is found by their
//!   HMAC under a random key.
//! * One exchange at a time for all who want the same. It runs by itself: whoever goes away ends it for nobody. At most 4,096
//!   are on their way, and 128 of them are sent at once; who comes on top is told to come again in a second.
//! * A token is good for `expires_in`, else for `defaultTokenExpTime`, less `clockSkew`, and no longer than the caller's own
//!   token, where its end is known. In the last part of its life the next use begins to fetch another one. A caller's token
//!   that has expired is not exchanged.
//! * 10,000 tokens are kept ([`ExchangeCacheConfig`]); those that are used least make room.
//! * A token that a service refuses is exchanged anew; for each caller not more often than every `minRefreshInterval`.
//!
//! # What goes wrong
//!
//! * A caller whose token is refused, or for whose token the endpoint fails (a status such as 500), is told so for 5 s without
//!   asking again. It is nobody else's matter.
//! * An endpoint that cannot be reached, is busy (429, 502, 503, 504, any 5xx with a `Retry-After`), is no token endpoint (404,
//!   405), or does not know us (401, `invalid_client` and its like) is left alone for 1 s, 2 s, 4 s and then 5 s at a time, or
//!   as long as `Retry-After` says, a minute at most. Then one exchange tries it. All callers are told the error meanwhile,
//!   and tokens that are at hand are used.
//! * An answer without `issued_token_type` is accepted, since `token_type` has to be Bearer; one that says something else than
//!   an access token, a JWT, or what was asked for is not. Nor is `token_type` N_A.

mod config;
mod endpoint;
mod exchanges;
mod kept;
mod outage;
mod read;
mod source;
#[cfg(test)]
mod tests;
mod token_type;

pub use self::{
    config::{ExchangeCacheConfig, TokenExchangeConfig},
    read::{SignedTokenReader, read},
    source::TokenExchange,
    token_type::TokenType,
};
