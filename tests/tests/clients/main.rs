//! The client's side with real servers: node's `oidc-provider` and Authlib give the tokens, a service behind the layer is called with
//! them and asks the same server about them, and a fault proxy stands between where something has to fail.
//!
//! Lifetimes are measured by a clock that the tests turn; the servers have the machine's.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod assertions;
mod canaries;
mod certificates;
mod exchange;
mod expiry;
mod grants;
mod in_code;
mod odd_secrets;
mod origins;
mod outages;
mod refresh;
mod self_signed;
mod service;
