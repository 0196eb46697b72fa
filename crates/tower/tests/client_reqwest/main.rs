//! The credential of requests that reqwest sends.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod middleware;
mod redirects;
mod send_via;
#[path = "../client/tokens.rs"]
mod tokens;

use portcullis_tower::redirect_policy;
use reqwest::{Client, ClientBuilder};

/// A client as it should be.
fn client() -> ClientBuilder {
    bare_client().redirect(redirect_policy())
}

/// One that follows redirects as reqwest does by itself.
fn bare_client() -> ClientBuilder {
    // The second to do so is told that it is done.
    _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Client::builder()
}
