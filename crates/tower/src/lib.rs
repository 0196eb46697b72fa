//! The tower layer of portcullis: it guards any service of HTTP requests.
//!
//! - [`AuthLayer`] decides on every request and lets in whom the service's [`Auth`](portcullis_core::Auth)
//!   lets in; [`auth_layer`] has the rules and an example.
//! - [`RequireScopes`] stands inside it and narrows: a part of a service for callers with certain scopes.
//! - [`Principal::of`](portcullis_core::Principal::of) tells a handler who is calling, from the extensions of
//!   its request.
//!
//! Nothing here knows a web framework. Under axum use the `portcullis-axum` crate, whose `AuthLayer` also knows
//! which route was matched.

pub mod auth_layer;
pub mod require_scopes;
mod source;

pub use self::{
    auth_layer::{AuthLayer, AuthLayerWith, AuthService, EmptyBody, OnRejection, refuse},
    require_scopes::RequireScopes,
    source::{ClientAddr, PlainRequest, RequestSource, RequestView},
};
