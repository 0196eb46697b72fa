//! Sends credentials along with outgoing requests, and only where they belong.
mod auth;
mod builder;
mod error;
mod future;
mod layer;
mod origin;
mod refusal;
mod replay;
mod request;
#[cfg(feature = "reqwest")]
mod reqwest;
mod service;

#[cfg(feature = "reqwest")]
pub use self::reqwest::SendVia;
pub use self::{
    auth::ClientAuth,
    builder::ClientAuthBuilder,
    error::{ClientAuthError, ClientAuthErrorKind, SendError},
    future::ResponseFuture,
    layer::ClientAuthLayer,
    origin::Target,
    replay::{NeverReplay, Replay, ReplayCloned, ReplayEmpty},
    request::{IncomingResponse, OutgoingRequest},
    service::ClientAuthService,
};
