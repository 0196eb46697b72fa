//! The tower layer of portcullis: it guards any service of HTTP requests.
//!
//! - [`AuthLayer`] decides on every request and lets in whom the service's [`Auth`](portcullis_core::Auth)
//!   lets in; [`auth_layer`] has the rules and an example.
//! - [`RequireScopes`] stands inside it and narrows: a part of a service for callers with certain scopes.
//! - [`Principal::of`](portcullis_core::Principal::of) tells a handler who is calling, from the extensions of
//!   its request.
//! - With the feature `client`, `ClientAuthLayer` sends credentials along with outgoing requests; `client_auth` has the rules
//!   and an example. With the feature `reqwest` it does so for that client, too, and `SendVia` for single requests.
//!
//! Nothing here knows a web framework. Under axum use the `portcullis-axum` crate, whose `AuthLayer` also knows
//! which route was matched.

pub mod auth_layer;
#[cfg(feature = "client")]
pub mod client_auth;
pub mod require_scopes;
mod source;

#[cfg(feature = "client")]
pub use self::client_auth::{
    ClientAuth, ClientAuthBuilder, ClientAuthError, ClientAuthErrorKind, ClientAuthLayer, ClientAuthService,
    SendError,
};
#[cfg(feature = "reqwest")]
pub use self::client_auth::{SendVia, redirect_policy};
pub use self::{
    auth_layer::{AuthLayer, AuthLayerWith, AuthService, EmptyBody, OnRejection, refuse},
    require_scopes::{RequireScopes, RequireScopesWith},
    source::{ClientAddr, PlainRequest, RequestSource, RequestView},
};
