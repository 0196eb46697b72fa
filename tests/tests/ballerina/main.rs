//! Ballerina's own test rows, by id, each with its exact outcome: Ballerina's, or ours where `differences.toml` says why. Those of
//! area jwt, and of client-jwt where nobody is called, stand in `crates/providers/jwt/tests/ballerina.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod client;
mod complete;
mod declarative;
mod file_store;
mod imperative;
mod introspection_at_length;
mod ldap;
mod oauth2;
mod setting;
mod sts;
mod websocket;
