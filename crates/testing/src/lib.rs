//! Test helpers for services guarded by portcullis. Nothing here needs a network beyond loopback.
//!
//! - [`TestPrincipal`]: a caller, as a value and as a layer, for tests of what stands behind the guard.
//! - [`TestIssuer`]: an OpenID-style issuer with keys that rotate; it signs tokens, counts fetches, hangs, goes away.
//! - [`TestIntrospection`]: an introspection endpoint (RFC 7662); [`TestTokenEndpoint`]: one that gives out tokens.
//! - [`TestServer`]: what these three have in common, and any other server that a test needs.
//! - [`FaultProxy`]: a proxy between product and server that delays, cuts, answers garbage, or refuses.
//! - [`ManualClock`]: time that a test moves.
//! - [`contract`]: the checks that every [`Provider`](portcullis_core::Provider) passes; run them against yours.

#![expect(clippy::panic, reason = "a test helper fails the test it helps by panicking")]

mod client_credentials;
mod clock;
pub mod contract;
mod introspection;
mod issuer;
mod principal;
mod proxy;
mod server;
mod token_endpoint;

pub use self::{
    clock::ManualClock,
    introspection::TestIntrospection,
    issuer::{Algorithm, Fetches, TestIssuer, TestIssuerBuilder, TestToken},
    principal::{TestPrincipal, TestPrincipalLayer, TestPrincipalService},
    proxy::{Fault, FaultProxy},
    server::{Call, Hold, TestServer, TestTls},
    token_endpoint::TestTokenEndpoint,
};
