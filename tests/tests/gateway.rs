//! `portcullis serve` in front of a Python `http.server` and of Express, driven with curl over HTTPS.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::path::PathBuf;

use portcullis_tests::{
    Answer, Express, Program, PythonHttpServer, Running, Upstream, curl, openssl_sha256, temp_dir, write,
};
use tempfile::TempDir;

/// The gateway in front of one upstream, with `/foo/admin` for admins and the rest of `/foo` for `hello`.
struct Gateway {
    running: Running,
    url: String,
    _folder: TempDir,
}

fn config(upstream: &str) -> String {
    format!(
        r#"
[listener]
address = "127.0.0.1:0"
secureSocket = {{ selfSigned = true }}

[[auth.users]]
username = "alice"
password = "password1"
scopes = ["hello"]

[[auth.users]]
username = "root"
password = "password2"
scopes = ["admin", "hello"]

[services."/foo"]
upstream = "{upstream}"
auth = [{{ scopes = "hello", fileUserStoreConfig = {{}} }}]
resources."/admin" = {{ scopes = "admin" }}
resources."/admin/{{*rest}}" = {{ scopes = "admin" }}
resources."/open" = {{ public = true }}
"#
    )
}

impl Gateway {
    fn in_front_of(upstream: &Upstream) -> Self {
        let folder = temp_dir();
        let file: PathBuf = write(&folder, "Config.toml", config(&upstream.url()));
        let mut running = Program::new("portcullis").arg("serve").arg("--config").arg(file).start();
        let url = format!("https://localhost:{}", running.address().port());
        Self { running, url, _folder: folder }
    }

    fn ask(&self, path: &str, arguments: &[&str]) -> Answer {
        let url = format!("{}{path}", self.url);
        let mut all = vec!["-k", "--path-as-is", "--globoff"];
        all.extend(arguments);
        all.push(&url);
        curl(all)
    }
}

const ALICE: [&str; 2] = ["-u", "alice:password1"];
const ROOT: [&str; 2] = ["-u", "root:password2"];

/// Spellings that some server reads as `/foo/admin`, and no other.
const SPELLINGS: [&str; 14] = [
    "/foo/admin",
    "/foo/%61dmin",
    "/foo/ADMIN",
    "/foo/admin/",
    "/foo/Admin/",
    "/foo/admin;x",
    "/foo/admin%3Bx",
    "/foo//admin",
    "/foo/./admin",
    "/foo/x/../admin",
    "/foo/x/%2e%2e/admin",
    "/foo/%2561dmin",
    "/foo%2Fadmin",
    "/foo/\\admin",
];

fn spellings_never_reach_it_under_a_looser_policy(mut upstream: Upstream) {
    let gateway = Gateway::in_front_of(&upstream);
    for path in SPELLINGS {
        let answer = gateway.ask(path, &ALICE);
        assert!([400, 403, 404].contains(&answer.status), "{path}: {}", answer.status);
    }
    assert!(upstream.reached().is_empty(), "a spelling of /foo/admin reached the server");
    // The pairs: who may, does; and what is no spelling of it, passes.
    assert_eq!(gateway.ask("/foo/admin", &ROOT).status, 200);
    assert_eq!(gateway.ask("/foo/%61dmin", &ROOT).status, 200);
    assert_eq!(gateway.ask("/foo/page", &ALICE).status, 200);
    assert_eq!(gateway.ask("/foo/page", &[]).status, 401);
    let targets: Vec<String> = upstream.reached().iter().map(|request| request.target.clone()).collect();
    assert_eq!(targets, ["/foo/admin", "/foo/%61dmin", "/foo/page"]);
}

#[test]
fn python_is_reached_under_no_looser_policy_than_the_resources() {
    spellings_never_reach_it_under_a_looser_policy(PythonHttpServer::start());
}

#[test]
fn express_is_reached_under_no_looser_policy_than_the_resources() {
    // Express ignores case and trailing slashes unless told otherwise, so it reads /foo/ADMIN/ as /foo/admin.
    spellings_never_reach_it_under_a_looser_policy(Express::start(&["/foo/admin", "/foo/page", "/foo/open"]));
}

fn identity_is_the_gateways_alone(mut upstream: Upstream) {
    let gateway = Gateway::in_front_of(&upstream);
    let forged = [
        "X-Auth-Subject: root",
        "x-auth-subject: root",
        "X_Auth_Subject: root",
        "x_AUTH-subject: root",
        "X-Auth_Subject: root",
        "X-Auth-Scopes: [\"admin\"]",
        "X-Auth-Anything: x",
        "X-HTTP-Method-Override: DELETE",
        "X-Original-URL: /foo/admin",
        "X-Rewrite-URL: /foo/admin",
        "X-Forwarded-For: 203.0.113.9",
        "Forwarded: for=203.0.113.9",
        "Connection: X-Auth-Subject, Authorization",
    ];
    let headers: Vec<&str> = forged.iter().flat_map(|line| ["-H", *line]).collect();
    for (path, credentials) in [("/foo/page", &ALICE[..]), ("/foo/open", &[])] {
        let arguments: Vec<&str> = headers.iter().chain(credentials).copied().collect();
        let answer = gateway.ask(path, &arguments);
        assert_eq!(answer.status, 200, "{path}");
        let request = upstream.next_request();
        let subject = if credentials.is_empty() { vec![] } else { vec!["alice"] };
        assert_eq!(request.all("x-auth-subject"), subject, "{path}");
        for name in [
            "x_auth_subject",
            "x_auth-subject",
            "x-auth_subject",
            "x-auth-anything",
            "x-http-method-override",
            "x-original-url",
            "x-rewrite-url",
            "authorization",
            "forwarded",
        ] {
            assert!(request.all(name).is_empty(), "{path}: {name} passed");
        }
        assert_eq!(request.all("x-forwarded-for"), ["127.0.0.1"], "{path}");
        if !credentials.is_empty() {
            assert_eq!(request.all("x-auth-scopes"), ["[\"hello\"]"]);
            assert_eq!(request.all("x-auth-provider"), ["file"]);
        }
    }
}

#[test]
fn python_sees_the_identity_that_the_gateway_established_and_no_other() {
    identity_is_the_gateways_alone(PythonHttpServer::start());
}

#[test]
fn express_sees_the_identity_that_the_gateway_established_and_no_other() {
    identity_is_the_gateways_alone(Express::start(&["/foo/admin", "/foo/page", "/foo/open"]));
}

#[test]
fn a_body_of_100_mb_passes_both_ways_in_constant_memory() {
    const BYTES: usize = 100 * 1024 * 1024;
    let mut upstream = Express::start(&["/foo/page"]);
    let gateway = Gateway::in_front_of(&upstream);
    let folder = temp_dir();
    let chunk: Vec<u8> = (0..=255_u8).cycle().take(1024 * 1024).collect();
    let sent = write(&folder, "sent", chunk.repeat(BYTES / chunk.len()));
    // Warm up, so that what a first request allocates for good is not counted.
    assert_eq!(gateway.ask("/foo/page", &ALICE).status, 200);
    upstream.next_request();
    let before = gateway.running.peak_memory_kib();

    let upload = format!("@{}", sent.display());
    let type_ = "content-type: application/octet-stream";
    let arguments =
        ["-u", "alice:password1", "-X", "POST", "-H", type_, "-H", "expect:", "--data-binary", &upload];
    assert_eq!(gateway.ask("/foo/page", &arguments).status, 200);
    let request = upstream.next_request();
    assert_eq!(request.body_bytes, BYTES as u64);
    assert_eq!(request.body_sha256, openssl_sha256(&sent));

    let received = folder.path().join("received");
    let output = received.display().to_string();
    let answer = gateway.ask(&format!("/foo/bytes/{BYTES}"), &["-u", "alice:password1", "-o", &output]);
    assert_eq!(answer.status, 200);
    assert_eq!(std::fs::metadata(&received).unwrap().len(), BYTES as u64);

    let grown = gateway.running.peak_memory_kib() - before;
    assert!(grown < 16 * 1024, "the gateway's peak memory grew by {grown} KiB for bodies of {BYTES} bytes");
}

#[test]
fn a_body_passes_over_http_1_and_http_2_alike() {
    let mut upstream = PythonHttpServer::start();
    let gateway = Gateway::in_front_of(&upstream);
    for version in ["--http1.1", "--http2"] {
        let answer = gateway.ask("/foo/page", &["-u", "alice:password1", version, "--data", "a=b"]);
        assert_eq!(answer.status, 200, "{version}");
        assert_eq!(upstream.next_request().method, "POST");
    }
}

#[test]
fn what_no_service_covers_is_404_and_trace_and_connect_are_405() {
    let mut upstream = PythonHttpServer::start();
    let gateway = Gateway::in_front_of(&upstream);
    assert_eq!(gateway.ask("/foobar", &ALICE).status, 404);
    assert_eq!(gateway.ask("/", &ALICE).status, 404);
    assert_eq!(gateway.ask("/foo/page", &["-u", "alice:password1", "-X", "TRACE"]).status, 405);
    assert!(upstream.reached().is_empty());
}

#[test]
fn two_authorization_lines_are_refused() {
    let mut upstream = PythonHttpServer::start();
    let gateway = Gateway::in_front_of(&upstream);
    let answer = gateway.ask(
        "/foo/page",
        &[
            "-u",
            "alice:password1",
            "-H",
            "authorization: Bearer x",
            "-H",
            "AUTHORIZATION: Basic YWxpY2U6cGFzc3dvcmQx",
        ],
    );
    assert_eq!(answer.status, 401);
    assert!(upstream.reached().is_empty());
    assert_eq!(gateway.ask("/foo/page", &ALICE).status, 200);
}
