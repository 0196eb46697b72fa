//! The gateway between real sockets: in-process upstreams that say what reached them, and clients that write
//! what no well-behaved client would.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod cors;
mod credentials;
mod failures;
mod grpc;
mod headers;
mod paths;
mod respond;
mod streaming;
mod support;
mod tls;
mod versions;
mod websocket;
mod windows;
