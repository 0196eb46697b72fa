//! What breaks products like this one, line by line: hostile tokens, key sets, answers, passwords, directories, requests, files and
//! servers, each driven at the real thing, over HTTP where the wire matters. Line 5 is the test `line_05_…`.
//!
//! Every test writes down what it put in and what came out ([`Line`]), and holds that against `verdicts/NN.md`, which
//! are the chapters of `docs/adversarial.md`. `PORTCULLIS_BLESS=1` writes them anew: read the difference before it is committed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "tests fail by panicking"
)]

mod basic;
mod basic_changes;
mod client;
mod client_lifetimes;
mod client_tokens;
mod complete;
mod files;
mod http;
mod http_bound;
mod http_origins;
mod http_protocols;
mod introspection;
mod introspection_memory;
mod jwt_claims;
mod jwt_form;
mod jwt_keys;
mod jwt_signatures;
mod keys;
mod keys_answers;
mod ldap;
mod ldap_answers;
mod line;
mod named;
mod support;
mod support_der;
mod support_http;
mod support_tokens;

use line::Line;
