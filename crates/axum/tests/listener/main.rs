//! The listener over real sockets on loopback.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod admin;
mod configuration;
mod mutual;
mod plain;
mod reconfigure;
mod staying;
mod support;
mod tls;
