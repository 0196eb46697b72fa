//! docs/observability.md is true, and one refusal is called the same wherever it is told.
#![cfg(all(feature = "config", feature = "metrics", feature = "axum", feature = "file"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::{
    collections::BTreeSet,
    io,
    sync::{Arc, Mutex},
};

use http::{HeaderMap, HeaderValue, Method, header::AUTHORIZATION};
use portcullis::{
    Config, Contact, Reason, RequestHead,
    metrics::{ALL, AuthMetrics, Kind, PrometheusText},
    observe::{Answer, ConnectionEnded, Decided, TurnedAway},
};
use tracing_subscriber::fmt::format::FmtSpan;

const PAGE: &str = include_str!("../../../docs/observability.md");

/// The rows of the table below a heading, as their first cell without its code marks, and their last.
fn table(heading: &str) -> Vec<(String, String)> {
    let (_, rest) = PAGE.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    let section = rest.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        (cells[0].trim_matches('`').to_owned(), cells[cells.len() - 1].to_owned())
    })
    .collect()
}

#[test]
fn every_reason_is_documented_and_no_other() {
    let documented: Vec<(String, String)> = table("## Reasons");
    let listed: Vec<(String, String)> =
        Reason::ALL.iter().map(|one| (one.as_str().to_owned(), one.meaning().to_owned())).collect();
    assert_eq!(documented, listed);
}

#[test]
fn every_metric_is_documented_and_no_other() {
    let documented: BTreeSet<String> = table("## Metrics").into_iter().map(|(name, _)| name).collect();
    let mut listed: BTreeSet<String> = ALL
        .iter()
        .map(|metric| format!("{}{{{}}}", metric.name, metric.labels.join(",")).replace("{}", ""))
        .collect();
    listed.extend(
        [
            "portcullis_requests_total{status}",
            "portcullis_rejections_total{kind}",
            "portcullis_connections_total",
            "portcullis_connections_open",
            "portcullis_tls_handshake_failures_total",
        ]
        .map(str::to_owned),
    );
    assert_eq!(documented, listed);
    assert!(ALL.iter().all(|metric| (metric.kind == Kind::Counter) == metric.name.ends_with("_total")));
}

#[test]
fn every_outcome_is_documented() {
    for word in Decided::OUTCOMES
        .iter()
        .chain(Answer::OUTCOMES)
        .chain([&TurnedAway::OUTCOME, &ConnectionEnded::OUTCOME])
    {
        assert!(PAGE.contains(&format!("`{word}`")), "{word}");
    }
}

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const CONFIG: &str = r#"
[observability]
audit = true

[listener]
admin.address = "127.0.0.1:0"

[[auth.users]]
username = "alice"
password = "canary-alice"
scopes = "hello"

[services."/foo"]
auth = [{ scopes = "hello", fileUserStoreConfig = {} }]
resources."/admin" = { scopes = "admin" }
"#;

/// What one request leaves behind: its log lines, the numbers, and the explanation's reason.
fn told(config: &str, path: &str, authorization: Option<&str>) -> (Vec<String>, String, Option<Reason>) {
    let text = Arc::new(PrometheusText::new());
    let metrics = Arc::new(AuthMetrics::new(text.clone()));
    let config = Config::builder().admin_metrics(metrics).parse(config, ".").unwrap();
    let auth = config.services()[0].auth().clone();
    let headers: HeaderMap = authorization
        .map(|value| (AUTHORIZATION, HeaderValue::from_str(value).unwrap()))
        .into_iter()
        .collect();
    let head = RequestHead::new(&Method::GET, path, &headers).with_client(Some([192, 0, 2, 7].into()));
    let captured = Captured::default();
    let writer = captured.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(false)
        .without_time()
        .with_writer(move || writer.clone())
        .finish();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let reason = tracing::subscriber::with_default(subscriber, || {
        runtime.block_on(async {
            let _ = auth.decided(&head).await;
            auth.explain(&head, Contact::Forbidden).await.reason
        })
    });
    let bytes = captured.0.lock().unwrap().clone();
    let lines = String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect();
    (lines, text.render(), reason)
}

// Basic of alice:canary-alice, alice:canary-wrong and bob:canary-wrong.
const ALICE: &str = "Basic YWxpY2U6Y2FuYXJ5LWFsaWNl";
const WRONG: &str = "Basic YWxpY2U6Y2FuYXJ5LXdyb25n";
const BOB: &str = "Basic Ym9iOmNhbmFyeS13cm9uZw==";

#[test]
fn one_refusal_is_called_the_same_in_log_span_metric_audit_and_explanation() {
    for (path, authorization, outcome, reason) in [
        ("/foo/x", None, "refused", Reason::NoCredential),
        ("/foo/x", Some("Basic"), "refused", Reason::EmptyCredential),
        ("/foo/x", Some("Bearer x"), "refused", Reason::NotLookedAt),
        ("/foo/x", Some(WRONG), "refused", Reason::WrongPassword),
        ("/foo/x", Some(BOB), "refused", Reason::UnknownUser),
        ("/foo/admin", Some(ALICE), "forbidden", Reason::InsufficientScope),
        ("/foo//admin", Some(ALICE), "bad-request", Reason::AmbiguousPath),
        ("/bar", Some(ALICE), "error", Reason::NotMounted),
    ] {
        let (lines, numbers, explained) = told(CONFIG, path, authorization);
        let word = format!("reason=\"{reason}\"");
        let line = |part: &str| {
            lines.iter().find(|line| line.contains(part)).unwrap_or_else(|| panic!("{part} in {lines:#?}"))
        };
        let logged = line("request not let in");
        assert!(logged.contains(&word), "log: {word} in {logged}");
        let audited = line("portcullis::audit");
        assert!(audited.contains(&word) && audited.contains(&format!("outcome=\"{outcome}\"")), "{audited}");
        assert!(audited.contains("client=192.0.2.7") && audited.contains("method=\"GET\""), "{audited}");
        let closed = line(": close");
        assert!(closed.contains("decision{") && closed.contains(&word), "span: {word} in {closed}");
        let counted = numbers.lines().find(|line| line.starts_with("portcullis_decisions_total{")).unwrap();
        assert!(counted.contains(&word) && counted.contains(&format!("outcome=\"{outcome}\"")), "{counted}");
        assert_eq!(explained, Some(reason), "explanation of {path} {authorization:?}");
        assert!(!lines.join("\n").contains("canary") && !numbers.contains("canary"));
    }
}

#[test]
fn an_audit_event_says_who_was_let_in_and_who_was_known_and_forbidden() {
    let (lines, numbers, reason) = told(CONFIG, "/foo/x", Some(ALICE));
    assert_eq!(reason, None);
    let audited: Vec<&String> = lines.iter().filter(|line| line.contains("portcullis::audit")).collect();
    let [line] = &audited[..] else { panic!("{lines:#?}") };
    for part in [
        "INFO",
        "outcome=\"admitted\"",
        "resource=\"service /foo\"",
        "element=\"file\"",
        "scheme=\"Basic\"",
        "subject=\"alice\"",
        "path=\"/foo/x\"",
        "remembered=",
        "latency_us=",
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
    assert!(!line.contains("reason=") && !line.contains("status="), "{line}");
    assert!(numbers.contains("outcome=\"admitted\",reason=\"none\"} 1"), "{numbers}");
    let (lines, ..) = told(CONFIG, "/foo/admin", Some(ALICE));
    let line = lines.iter().find(|line| line.contains("portcullis::audit")).unwrap();
    assert!(line.contains("status=403") && line.contains("subject=\"alice\""), "{line}");
}

#[test]
fn what_a_caller_chose_is_cut_escaped_and_quoted() {
    let path = format!("/foo/x\"outcome=\"admitted\"\u{202e}{}", "y".repeat(5_000));
    let (lines, ..) = told(CONFIG, &path, None);
    for line in &lines {
        assert!(line.len() < 4_000, "{} {line}", line.len());
        assert!(!line.contains('\u{202e}'), "{line}");
    }
    let audited = lines.iter().find(|line| line.contains("portcullis::audit")).unwrap();
    assert!(audited.contains("path=\"/foo/x\\\"outcome=\\\"admitted\\\""), "{audited}");
}

#[test]
fn nothing_is_counted_or_written_unless_it_is_asked_for() {
    let off = CONFIG.replace("audit = true", "audit = false").replace("admin.address", "# admin.address");
    let (lines, numbers, _) = told(&off, "/foo/x", Some(WRONG));
    assert!(!lines.iter().any(|line| line.contains("portcullis::audit")), "{lines:#?}");
    assert!(!numbers.contains("portcullis_decisions_total{"), "{numbers}");
}

/// Every secret of the listener's side that a configuration may hold.
#[cfg(all(feature = "introspection", feature = "ldap", feature = "jwt"))]
const SECRETS: &str = r#"
[[auth.users]]
username = "alice"
password = "canary-clear-text"

[services."/foo"]
auth = [
  { scopes = "a", fileUserStoreConfig = {} },
  { scopes = "a", jwtValidatorConfig = { signatureConfig = { secret = "canary-hmac-0123456789abcdef0123456789" } } },
  { scopes = "a", oauth2IntrospectionConfig = { url = "https://id.example/introspect?canary-query", clientConfig = { customHeaders = { X-Key = "canary-header" }, customPayload = { key = "canary-payload" }, auth = { tokenUrl = "https://id.example/token", clientId = "gate", clientSecret = "canary-client-secret" } } } },
  { scopes = "a", ldapUserStoreConfig = { domainName = "x", connectionUrl = "ldaps://ldap.example", connectionName = "cn=foo", connectionPassword = "canary-directory", userSearchBase = "ou=P", userNameAttribute = "uid", userNameSearchFilter = "(uid=?)" } },
]
"#;

#[cfg(all(feature = "introspection", feature = "ldap", feature = "jwt"))]
#[test]
fn no_configured_secret_is_in_any_debug_or_error() {
    let config = Config::parse(SECRETS, ".").unwrap();
    let mut shown = format!("{config:?} {config:#?}");
    for service in config.services() {
        shown.push_str(&format!("{service:?} {:?}", service.auth()));
        for provider in service.auth().providers() {
            shown.push_str(&format!("{provider:?} {:?} {:?}", provider.servers(), provider.queues()));
        }
    }
    assert!(!shown.contains("canary"), "{shown}");
    // Wrong in every place where a secret stands.
    for (right, wrong) in [
        ("password = \"canary-clear-text\"", "passwort = \"canary-clear-text\""),
        ("password = \"canary-clear-text\"", "password = [\"canary-clear-text\"]"),
        ("secret = \"canary-hmac-0123456789abcdef0123456789\"", "secret = \"canary-short\""),
        ("clientSecret = \"canary-client-secret\"", "clientSecret = { canary = \"canary-client-secret\" }"),
        (
            "connectionPassword = \"canary-directory\"",
            "connectionPassword = { file = \"canary-directory\", env = \"X\" }",
        ),
        ("X-Key = \"canary-header\"", "\"X Key\" = \"canary-header\""),
        ("[[auth.users]]", "[[auth.users]\npassword = \"canary-syntax\""),
    ] {
        let error = Config::parse(&SECRETS.replace(right, wrong), ".").unwrap_err();
        let text = format!("{error} {error:?} {error:#?}");
        for secret in
            ["canary-clear", "canary-short", "canary-client", "canary-header", "canary-syntax", "canary-hmac"]
        {
            assert!(!text.contains(secret), "{wrong}: {text}");
        }
    }
}
