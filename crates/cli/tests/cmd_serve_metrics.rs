//! `portcullis serve` tells numbers at its admin address, and the dashboard reads no others. Nothing secret is among them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

#[allow(dead_code, unreachable_pub, reason = "shared by all tests of commands; none needs everything")]
mod command;

use std::{collections::BTreeMap, net::TcpStream};

use command::{
    Folder, USERS,
    serving::{Serving, exchange},
};
use portcullis_testing::{TestIssuer, contract::shows_no_secret};
use serde_json::Value;

// Basic of alice:canary-alice and of alice:canary-wrong.
const ALICE: &str = "YWxpY2U6Y2FuYXJ5LWFsaWNl";
const WRONG: &str = "YWxpY2U6Y2FuYXJ5LXdyb25n";

const SECRETS: [&str; 9] = [
    "canary-alice",
    "canary-wrong",
    "canary-client-secret",
    "canary-hmac-secret-0123456789abcdef",
    "canary.bearer.token",
    "canary-opaque-token",
    "canary-query",
    ALICE,
    WRONG,
];

const CONFIG: &str = r#"
[listener]
address = "127.0.0.1:0"
admin.address = "127.0.0.1:0"

[observability]
audit = true

[services."/foo"]
respond = "Hello, World!"
auth = [
  { scopes = "hello", fileUserStoreConfig = {} },
  { scopes = "hello", oauth2IntrospectionConfig = { url = "https://127.0.0.1:1/introspect", clientConfig = { auth = { tokenUrl = "https://127.0.0.1:1/token", clientId = "gate", clientSecret = "canary-client-secret" } } } },
  { scopes = "hello", jwtValidatorConfig = { signatureConfig = { secret = "canary-hmac-secret-0123456789abcdef" } } },
  { scopes = "hello", jwtValidatorConfig = { issuer = "ISSUER", audience = "foo", signatureConfig = { jwksConfig = { issuer = "ISSUER" } } } },
]
resources."/admin" = { scopes = "admin" }
resources."/health" = { public = true }
"#;

/// What the admin address answers.
fn admin(serving: &mut Serving, path: &str) -> String {
    let line = serving.says("admin endpoints on").to_owned();
    let (_, address) = line.split_once("http://").unwrap();
    let address = address.split(|one: char| !one.is_ascii_digit() && !".:".contains(one)).next().unwrap();
    exchange(&mut TcpStream::connect(address).unwrap(), path, "")
}

/// The page after some traffic of every kind.
fn traffic(serving: &mut Serving, issuer: &TestIssuer) -> String {
    let good = format!("Bearer {}", issuer.token().audience("foo").scope("hello").sign());
    let (alice, wrong) = (format!("Basic {ALICE}"), format!("Basic {WRONG}"));
    for (at, (path, authorization)) in [
        ("/foo/bar", None),
        ("/foo/health", None),
        ("/nowhere", Some(&*alice)),
        ("/foo/bar", Some(&*alice)),
        ("/foo/bar", Some(&alice)),
        ("/foo/admin", Some(&alice)),
        ("/foo/bar", Some(&wrong)),
        ("/foo/bar?token=canary-query", Some("Basic canary")),
        ("/foo/bar", Some("Bearer canary.bearer.token")),
        ("/foo/bar", Some("Bearer canary-opaque-token")),
        ("/foo/bar", Some("Bearer canary canary")),
        ("/foo/bar", Some("Digest canary")),
        ("/foo/bar", Some(&good)),
    ]
    .into_iter()
    .enumerate()
    {
        let header = authorization.map(|value| format!("Authorization: {value}\r\n")).unwrap_or_default();
        let path = path.replace("/bar", &format!("/bar-{at}-"));
        let answer = serving.get(&path, &header);
        assert!(!answer.contains("canary") && !answer.contains("wrong-password"), "{path} {answer}");
        // What it says is read on, or it would have to wait.
        if path.contains("/bar") {
            serving.says(&format!("/bar-{at}-"));
        }
    }
    admin(serving, "/metrics")
}

async fn start(arguments: &[&str]) -> (Serving, TestIssuer) {
    let issuer = TestIssuer::start().await;
    let folder = Folder::new();
    folder.file("c.toml", format!("{}{USERS}", CONFIG.replace("ISSUER", issuer.url())));
    let mut serving = Serving::start(&folder, &[&["--config", "c.toml"], arguments].concat());
    serving.says("/jwks");
    (serving, issuer)
}

/// The names of the page's series, with the names of their labels.
fn series(page: &str) -> BTreeMap<&str, Vec<&str>> {
    let lines = page.lines().filter(|line| line.starts_with("portcullis_"));
    lines
        .map(|line| {
            let (series, _) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let labels = labels.trim_end_matches('}').split("\",").filter_map(|label| label.split_once('='));
            (name, labels.map(|(label, _)| label).collect())
        })
        .collect()
}

/// The metrics of a query, each with the labels that the query names beside it.
fn named(query: &str) -> Vec<String> {
    let is_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    query
        .split(|character| !is_name(character))
        .filter(|word| word.starts_with("portcullis_"))
        .map(str::to_owned)
        .collect()
}

/// The labels that a query names: before a comparison, and after `by`.
fn labels(query: &str) -> Vec<String> {
    let mut labels: Vec<String> = Vec::new();
    for selector in query.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
        labels
            .extend(selector.split("\",").filter_map(|one| one.split(['=', '!']).next()).map(str::to_owned));
    }
    for by in query.split("by (").skip(1).filter_map(|rest| rest.split(')').next()) {
        labels.extend(by.split(',').map(|label| label.trim().to_owned()));
    }
    labels
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_reads_what_the_gateway_tells() {
    let (mut serving, issuer) = start(&[]).await;
    let page = traffic(&mut serving, &issuer);
    let series = series(&page);
    let text = include_str!("../../../docs/grafana/portcullis.json");
    let dashboard: Value = serde_json::from_str(text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut queries: Vec<&str> = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().unwrap())
        .map(|target| target["expr"].as_str().unwrap())
        .collect();
    queries.push("sum by (resource) (portcullis_decisions_total)");
    assert!(text.contains("label_values(portcullis_decisions_total, resource)"));
    assert!(queries.len() > 12, "{queries:?}");
    for query in queries {
        let names = named(query);
        assert!(!names.is_empty(), "{query}");
        for name in &names {
            if name.starts_with("portcullis_client_") {
                // The gateway has no clients, other services may.
                let family = name.trim_end_matches("_bucket");
                let metric = portcullis::metrics::ALL.iter().find(|metric| metric.name == family);
                let held = metric.unwrap_or_else(|| panic!("{name} of {query}")).labels;
                assert!(
                    labels(query).iter().all(|label| held.contains(&&**label) || label == "le"),
                    "{query}"
                );
                continue;
            }
            let held = series.get(name.as_str()).unwrap_or_else(|| panic!("{name} of {query} in {page}"));
            for label in labels(query) {
                assert!(held.contains(&label.as_str()), "{label} of {query}: {name} has {held:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_one_that_prometheus_takes_and_counts_what_came_of_each_request() {
    let (mut serving, issuer) = start(&[]).await;
    let page = traffic(&mut serving, &issuer);
    assert!(page.contains("text/plain; version=0.0.4"), "{page}");
    let mut seen = std::collections::HashSet::new();
    for line in page.lines().filter(|line| line.starts_with("portcullis_")) {
        let (series, number) = line.rsplit_once(' ').unwrap();
        assert!(number.parse::<f64>().is_ok(), "{line}");
        assert!(seen.insert(series), "twice: {line}");
    }
    for family in page.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        assert!(seen.insert(family), "twice: {family}");
    }
    for (resource, element, outcome, reason) in [
        ("service /foo", "none", "refused", "no-credential"),
        ("service /foo", "file", "admitted", "none"),
        ("service /foo", "file", "refused", "wrong-password"),
        ("resource /foo/admin", "file", "forbidden", "insufficient-scope"),
        ("resource /foo/health", "none", "public", "none"),
        ("service /foo", "none", "refused", "not-looked-at"),
        ("service /foo", "none", "refused", "trailing-words"),
        ("none", "none", "turned-away", "no-service"),
    ] {
        let series = format!(
            "portcullis_decisions_total{{resource=\"{resource}\",element=\"{element}\",outcome=\"{outcome}\",reason=\"{reason}\"}} "
        );
        assert!(page.contains(&series), "{series} in {page}");
    }
    assert!(admin(&mut serving, "/readyz").ends_with("ready\n"));
    assert!(admin(&mut serving, "/livez").ends_with("alive\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_a_log_an_audit_event_or_a_number_at_any_level() {
    for format in ["text", "json"] {
        let (mut serving, issuer) = start(&["--log", "trace", "--log-format", format]).await;
        let page = traffic(&mut serving, &issuer);
        let (_, said) = serving.end();
        assert!(said.contains("portcullis::audit") && said.contains("request not let in"), "{said}");
        let is_told = |line: &&str| line.contains("portcullis::audit") && line.contains("turned-away");
        assert_eq!(said.lines().filter(is_told).count(), 1, "{said}");
        for text in [&said, &page] {
            // Whole, escaped, percent-encoded, and in base64.
            shows_no_secret(text, &SECRETS);
            assert_eq!(
                text.lines().find(|line| line.contains("canary")),
                None,
                "of those that were malformed"
            );
        }
    }
}
