//! The LDAP user store against real directories: OpenLDAP's slapd over clear text, ldaps and StartTLS, with a fault proxy before it
//! where it has to fail; and the directory in process where a directory has to behave as another than slapd.
//!
//! The product is the program `portcullis serve`, or the library in this process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod active_directory;
mod check_online;
mod documents;
mod gateway;
mod groups;
mod harness;
mod hostile_servers;
mod names;
mod outages;
mod passwords;
mod pool;
mod record;
mod restart;
mod results;
mod seeds;
mod service;
mod tls;
