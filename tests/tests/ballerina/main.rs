//! Ballerina's own test rows, by id: areas file-store, declarative-merge, imperative, ldap, oauth2 and websocket. Those of area jwt
//! stand in `crates/providers/jwt/tests/ballerina.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

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
