//! Records of keys in a configuration.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use std::time::Duration;

use common::path;
use portcullis_core::config::{Reader, Table};
use portcullis_keys::config::read_identity;

/// Whether the record can be used, and what is wrong with it.
fn identity(keys: &[(&str, &str)]) -> (bool, Vec<String>) {
    let mut table = Table::default();
    for (key, value) in keys {
        table.insert(*key, *value);
    }
    let reader = Reader::new(path("ballerina"));
    let section = reader.section(&table, "key");
    let identity = read_identity(&section, Duration::from_secs(1_700_000_000));
    drop(section);
    (identity.is_some(), reader.into_problems().iter().map(ToString::to_string).collect())
}

#[test]
fn a_record_that_is_neither_or_both_is_one_mistake() {
    let files = [("certFile", "public.crt"), ("keyFile", "private.key")];
    assert_eq!(identity(&files), (true, Vec::new()));
    for (keys, expected) in [
        (&[][..], "key: needs exactly one of `certFile` and `path`"),
        (
            &[("keyFile", "private.key"), ("keyPassword", "x")],
            "key: needs exactly one of `certFile` and `path`",
        ),
        (&[("password", "x"), ("alias", "y")], "key: needs exactly one of `certFile` and `path`"),
        (
            &[("certFile", "public.crt"), ("keyFile", "private.key"), ("path", "x"), ("password", "y")],
            "key.path: `certFile` and `path` exclude each other: keep one of them",
        ),
    ] {
        assert_eq!(identity(keys), (false, vec![expected.to_owned()]));
    }
    let (_, problems) = identity(&[files[0], files[1], ("alias", "x")]);
    assert_eq!(problems, ["key.alias: unknown key; remove it"]);
    let (_, problems) = identity(&[("keyFiel", "private.key")]);
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert_eq!(problems[1], "key.keyFiel: unknown key; did you mean `keyFile`?");
}
