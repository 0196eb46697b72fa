//! The client's side: what an outgoing request shows, and where that comes from.
//!
//! - [`Authorization`]: the value that a request carries.
//! - [`TokenSource`]: gives it, keeps it while it is good, and gets another one in time.
//! - [`TokenLease`]: one that is sent many times without asking its source.
//! - [`OnBehalfOf`]: on whose behalf a call is made.
//! - [`AssertionSigner`]: signs what a client says of itself to a token endpoint.

mod assertion;
mod authorization;
mod on_behalf_of;
mod refresh;
mod token_lease;
mod token_source;

pub use self::{
    assertion::{AssertionReader, AssertionSigner, Purpose as AssertionPurpose},
    authorization::{Authorization, UnfitForHeader},
    on_behalf_of::OnBehalfOf,
    refresh::{RefreshObserver, RefreshObservers, Refreshed},
    token_lease::TokenLease,
    token_source::{TokenError, TokenSource},
};
