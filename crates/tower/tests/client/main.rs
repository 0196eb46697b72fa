//! The credential of outgoing requests: where it goes, what a refusal leads to, what is shown of it.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod behalf;
mod hyper;
mod layer;
mod leases;
mod readiness;
mod retry;
mod rules;
mod secrets;
mod tokens;
