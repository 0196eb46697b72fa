//! WebSockets over real sockets on loopback: who gets one, for how long, and how it ends.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod admission;
mod client;
mod flooding;
mod http2;
mod leaving;
mod lifetime;
mod sources;
mod stopping;
mod support;
mod told;
mod versions;
