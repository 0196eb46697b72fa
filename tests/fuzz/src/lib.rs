//! What the fuzz targets of portcullis do with their input: one module each, with a `run` that takes any bytes and fails by
//! panicking. The fuzzers in `fuzz/` call them, and so does `tests/replay.rs` with every input that is kept, on any toolchain.
//!
//! A target asserts what has to hold of a parser's answer, and not only that there is one: that what is accepted has one
//! spelling, that it says the same when it is read back, that a second reader of the simplest kind agrees.
//!
//! An input is bytes as they come from outside. Where a target needs several, they stand on lines of their own, so that seeds
//! and findings can be read.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a target fails by panicking"
)]

pub mod authorization;
pub mod basic;
pub mod claims;
pub mod client_address;
pub mod config_toml;
pub mod cookies;
pub mod discovery;
pub mod endpoint;
pub mod http_values;
pub mod introspection_answer;
pub mod json_object;
pub mod jwks;
pub mod jws;
pub mod ldap_filter;
pub mod ldap_message;
pub mod ldap_names;
pub mod pem;
pub mod pkcs12;
pub mod request_path;
pub mod token_answer;
pub mod websocket_frames;
pub mod websocket_protocols;

mod support;

/// A target by its name, which is that of its module, its fuzzer and its folders.
pub type Target = (&'static str, fn(&[u8]));

/// All of them but the comparison with another library, which stands in `fuzz/differential`.
pub const TARGETS: &[Target] = &[
    ("authorization", authorization::run),
    ("basic", basic::run),
    ("claims", claims::run),
    ("client_address", client_address::run),
    ("config_toml", config_toml::run),
    ("cookies", cookies::run),
    ("discovery", discovery::run),
    ("endpoint", endpoint::run),
    ("http_values", http_values::run),
    ("introspection_answer", introspection_answer::run),
    ("json_object", json_object::run),
    ("jwks", jwks::run),
    ("jws", jws::run),
    ("ldap_filter", ldap_filter::run),
    ("ldap_message", ldap_message::run),
    ("ldap_names", ldap_names::run),
    ("pem", pem::run),
    ("pkcs12", pkcs12::run),
    ("request_path", request_path::run),
    ("token_answer", token_answer::run),
    ("websocket_frames", websocket_frames::run),
    ("websocket_protocols", websocket_protocols::run),
];
