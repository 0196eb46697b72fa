//! What the end to end tests share: programs, servers and clients that are real, started from temporary folders on free
//! loopback ports, and stopped when they go out of scope.
//!
//! Nothing here sleeps: a test waits for a line of output, an answer, or the end of a process, each with a
//! bound ([`PATIENCE`]) after which it fails and shows what it saw instead.
//!
//! `cargo xtask test` installs what is needed below `.servers`, and says in `PORTCULLIS_TEST_BIN_DIR` where the programs are that
//! were just built.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::exhaustive_enums,
    clippy::exhaustive_structs,
    reason = "tests fail by panicking, and read plain data"
)]

pub mod architecture;
mod binary;
mod browser;
mod curl;
mod identity;
mod lines;
mod program;
mod server;
mod slapd;
mod tools;
mod upstream;
mod websocket_echo;

pub use browser::Browser;
pub use curl::{Answer, CurlFailure, curl, try_curl};
pub use identity::{ALICE, AUDIENCE, Asked, AuthlibServer, BOB, Keys, OidcProvider, ZOE};
pub use lines::Lines;
pub use program::{Finished, Program, Running};
pub use server::Place;
pub use slapd::{Seen, Slapd, SlapdBuilder, Traffic, Transport};
pub use tempfile::TempDir;
pub use tools::{data, openssl_sha256, temp_dir, tool, write};
pub use upstream::{Express, PythonHttpServer, Request, Upstream};
pub use websocket_echo::WebSocketEcho;

/// How long a test waits for anything before it fails: generous, because two busy cores are the normal case.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);
