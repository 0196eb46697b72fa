//! Every row has a test named after it, or a line that says why not.

use std::collections::BTreeSet;

use portcullis_tests::data;

const SOURCES: [&str; 16] = [
    include_str!("client/addresses.rs"),
    include_str!("client/basic.rs"),
    include_str!("client/bearer.rs"),
    include_str!("client/edges.rs"),
    include_str!("client/jwt.rs"),
    include_str!("client/oauth2.rs"),
    include_str!("declarative.rs"),
    include_str!("file_store.rs"),
    include_str!("imperative.rs"),
    include_str!("introspection_at_length.rs"),
    include_str!("ldap.rs"),
    include_str!("oauth2.rs"),
    include_str!("websocket.rs"),
    include_str!("../../../crates/providers/jwt/tests/ballerina.rs"),
    include_str!("../../../crates/providers/jwt/tests/ballerina/client.rs"),
    include_str!("../../../crates/providers/jwt/tests/ballerina/jwks.rs"),
];

const DIFFERENCES: [&str; 2] = [
    include_str!("differences.toml"),
    include_str!("../../../crates/providers/jwt/tests/ballerina-differences.toml"),
];

fn rows() -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for file in ["ballerina/cases.json", "ballerina/edge-cases.json"] {
        let text = std::fs::read_to_string(data(file)).unwrap();
        let rows: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        for row in rows {
            assert!(ids.insert(row["id"].as_str().unwrap().to_owned()), "an id stands once");
        }
    }
    ids
}

/// The test functions of all sources: what follows `fn ` on the line after a test attribute.
fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for source in SOURCES {
        let lines: Vec<&str> = source.lines().map(str::trim).collect();
        for pair in lines.windows(2) {
            if pair[0].starts_with("#[test]") || pair[0].starts_with("#[tokio::test") {
                let name =
                    pair[1].trim_start_matches("async ").trim_start_matches("fn ").split('(').next().unwrap();
                names.insert(name.to_owned());
            }
        }
    }
    names
}

/// The rows of one table of all lists, each with its reason.
fn listed(table: &str) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for text in DIFFERENCES {
        let all: toml::Table = text.parse().unwrap();
        for (id, reason) in all[table].as_table().unwrap() {
            assert!(!reason.as_str().unwrap().is_empty(), "{id} has a reason");
            assert!(ids.insert(id.clone()), "{id} stands once");
        }
    }
    ids
}

#[test]
fn every_row_has_a_test_named_after_it_or_a_reason() {
    let (rows, tests) = (rows(), tests());
    let (deferred, different) = (listed("deferred"), listed("differences"));
    let tested = |id: &String| tests.contains(&id.replace('-', "_"));
    assert_eq!(rows.len(), 214, "the rows are there");
    let missing: Vec<&String> = rows.iter().filter(|id| !tested(id) && !deferred.contains(*id)).collect();
    assert!(missing.is_empty(), "neither test nor reason: {missing:?}");
    let both: Vec<&String> = deferred.iter().filter(|id| tested(id)).collect();
    assert!(both.is_empty(), "a test and a reason not to have one: {both:?}");
    let untested: Vec<&String> = different.iter().filter(|id| !tested(id)).collect();
    assert!(untested.is_empty(), "a difference that no test shows: {untested:?}");
    let unknown: Vec<&String> = deferred.iter().chain(&different).filter(|id| !rows.contains(*id)).collect();
    assert!(unknown.is_empty(), "reasons for rows that do not exist: {unknown:?}");
}
