//! Test helpers for services guarded by portcullis.
//!
//! - [`ManualClock`]: time that a test moves.
//! - [`TestPrincipal`]: a caller, as a value and as a layer.
//! - [`contract`]: the checks that every [`Provider`](portcullis_core::Provider) passes; run them against yours.

#![expect(clippy::panic, reason = "a test helper fails the test it helps by panicking")]

mod clock;
pub mod contract;
mod principal;

pub use self::{
    clock::ManualClock,
    principal::{TestPrincipal, TestPrincipalLayer, TestPrincipalService},
};
