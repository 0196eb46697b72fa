//! Bearer tokens from real identity providers: node's `oidc-provider` and Authlib, with a fault proxy before them where they have to
//! fail, and a real browser where WebSockets are opened.
//!
//! The product is the program `portcullis serve`, or the library in this process where its clock has to be turned or every
//! fetch counted.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod check_online;
mod client;
mod gateway;
mod in_process;
mod introspection;
mod introspection_authlib;
mod jwks;
mod jwks_authlib;
mod outages;
mod page;
mod rotation;
mod storm;
mod websocket_axum;
mod websocket_browser;
