//! `portcullis explain`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

#[allow(dead_code, unreachable_pub, reason = "shared by all tests of commands; none needs everything")]
mod command;

use std::path::PathBuf;

use command::{Finished, Folder, USERS};
use serde_json::json;

const CONFIG: &str = r#"
[services."/foo"]
respond = "Hello, World!"
auth = [
  { scopes = "hello", fileUserStoreConfig = {} },
  { scopes = "hello", jwtValidatorConfig = { signatureConfig = { secret = "canary-secret-canary-secret-canary" } } },
]
resources."/admin" = { scopes = "admin" }
resources."/health" = { public = true }

[services."/foo/deep"]
public = true

[services."/lib"]
auth = [{ scopes = "hello", fileUserStoreConfig = {} }]

[services."/browser"]
respond = "x"
cors = { allowOrigins = ["https://app.example"] }
auth = [{ scopes = "hello", fileUserStoreConfig = {} }]
"#;

// Basic of alice:canary-alice, bob:canary-bob, and alice:canary-wrong.
const ALICE: &str = "Basic YWxpY2U6Y2FuYXJ5LWFsaWNl";
const BOB: &str = "Basic Ym9iOmNhbmFyeS1ib2I=";
const WRONG: &str = "Basic YWxpY2U6Y2FuYXJ5LXdyb25n";

fn folder() -> Folder {
    let folder = Folder::new();
    folder.file("c.toml", format!("{CONFIG}{USERS}"));
    folder
}

/// Asks with a header file on standard input.
fn ask(folder: &Folder, header: &str, arguments: &[&str]) -> Finished {
    let mut all = vec!["explain", "--config", "c.toml"];
    all.extend(arguments);
    if !header.is_empty() {
        all.extend(["--header", "@-"]);
    }
    let run = folder.run_with(header, all);
    let secrets = ["canary", ALICE, BOB, WRONG].map(|secret| secret.trim_start_matches("Basic "));
    for secret in secrets {
        assert!(!format!("{run:?}").contains(secret), "{secret}: {run:?}");
    }
    run
}

#[test]
fn an_admitted_request_is_explained_element_by_element() {
    let run = ask(&folder(), ALICE, &["--path", "/foo/bar?q=1"]);
    run.assert_code(0);
    assert_eq!(run.stdout.lines().next(), Some("GET /foo/bar"));
    assert_eq!(run.line("decision"), "decision admitted");
    assert_eq!(run.line("service "), "service /foo");
    assert_eq!(run.line("policy"), "policy service /foo");
    assert_eq!(run.line("credential"), "credential Basic");
    assert_eq!(run.line("[0]"), "[0] file Basic hello admitted alice holds [\"hello\"]");
    assert_eq!(run.line("[1]"), "[1] jwt Bearer hello not reached an earlier element let the request in");
}

#[test]
fn refusals_say_which_element_refused_and_why() {
    let folder = folder();
    for (header, path, decision, line) in [
        (
            "",
            "/foo/bar",
            "decision refused with 401 Unauthorized: no-credential",
            "[0] file Basic hello not looked at there is no credential that can be read",
        ),
        (
            WRONG,
            "/foo/bar",
            "decision refused with 401 Unauthorized: wrong-password",
            "[0] file Basic hello refused wrong-password the password is not the user's",
        ),
        (
            BOB,
            "/foo/bar",
            "decision refused with 403 Forbidden: insufficient-scope",
            "[0] file Basic hello not authorized insufficient-scope bob holds [\"admin\"] and needs any one of [\"hello\"]",
        ),
        (
            ALICE,
            "/foo/admin",
            "decision refused with 403 Forbidden: insufficient-scope",
            "[0] file Basic admin not authorized insufficient-scope alice holds [\"hello\"] and needs any one of [\"admin\"]",
        ),
        (
            "Bearer not.a.token",
            "/foo/bar",
            "decision refused with 401 Unauthorized: malformed-token",
            "[0] file Basic hello not looked at it looks at Basic credentials",
        ),
        (
            "Digest x",
            "/foo/bar",
            "decision refused with 401 Unauthorized: not-looked-at",
            "[0] file Basic hello not looked at there is no credential that can be read",
        ),
        (
            "Authorization: Basic a\nAuthorization: Basic b\n",
            "/foo/bar",
            "decision refused with 401 Unauthorized: repeated-header",
            "[0] file Basic hello not looked at there is no credential that can be read",
        ),
    ] {
        let run = ask(&folder, header, &["--path", path]);
        run.assert_code(1);
        assert_eq!(run.line("decision"), decision, "{header}");
        assert!(run.line("[0]").starts_with(line), "{run:?}");
    }
}

#[test]
fn service_and_resource_are_chosen_as_the_gateway_does() {
    let folder = folder();
    for (path, code, line, expected) in [
        ("/foo/health", 0, "policy", "policy resource /foo/health"),
        ("/foo/%61dmin", 0, "policy", "policy resource /foo/admin"),
        ("/foo/deep/x", 0, "service ", "service /foo/deep"),
        ("/foo/deeper", 1, "policy", "policy service /foo"),
        ("/lib/x/", 1, "policy", "policy service /lib"),
        ("/other", 1, "decision", "decision refused with 404 Not Found: no-service"),
        ("/foobar", 1, "decision", "decision refused with 404 Not Found: no-service"),
        ("/foo/ADMIN", 1, "decision", "decision refused with 404 Not Found: other-spelling"),
        ("/foo/admin/", 1, "decision", "decision refused with 404 Not Found: other-spelling"),
        ("/foo/x/%2e%2e/admin", 1, "decision", "decision refused with 400 Bad Request: path-dot-segment"),
        ("/foo//admin", 1, "decision", "decision refused with 400 Bad Request: path-empty-segment"),
        ("/foo/admin;x", 1, "decision", "decision refused with 400 Bad Request: path-parameter"),
    ] {
        let header = if path.contains("%61") { BOB } else { "" };
        let run = ask(&folder, header, &["--path", path]);
        run.assert_code(code);
        assert_eq!(run.line(line), expected, "{path}");
    }
    let run = ask(&folder, BOB, &["--path", "/foo/admin", "--method", "TRACE"]);
    run.assert_code(1);
    assert_eq!(run.line("decision"), "decision refused with 405 Method Not Allowed: method-not-allowed");
}

#[test]
fn a_preflight_is_answered_by_cors_and_any_other_options_is_decided() {
    let folder = folder();
    let arguments = ["--path", "/browser/x", "--method", "OPTIONS"];
    let preflight = "Origin: https://app.example\nAccess-Control-Request-Method: PUT\n";
    let run = ask(&folder, preflight, &arguments);
    run.assert_code(0);
    assert!(run.stdout.contains("cross-origin preflight"), "{run:?}");
    ask(&folder, "Origin: https://app.example", &arguments).assert_code(1);
    let elsewhere = ["--path", "/foo/x", "--method", "OPTIONS"];
    ask(&folder, preflight, &elsewhere).assert_code(1);
}

#[test]
fn the_explanation_is_told_in_json() {
    let folder = folder();
    let told = ask(&folder, BOB, &["--path", "/foo/bar", "--json", "--client", "192.0.2.7"]);
    told.assert_code(1);
    let told = told.json();
    assert_eq!(told["admitted"], json!(false));
    assert_eq!(told["status"], json!(403));
    assert_eq!(told["kind"], json!("insufficient-scope"));
    assert_eq!(told["reason"], json!("insufficient-scope"));
    assert_eq!(told["method"], json!("GET"));
    assert_eq!(told["path"], json!("/foo/bar"));
    assert_eq!(told["service"], json!("/foo"));
    assert_eq!(told["principal"], json!(null));
    assert_eq!(told["elements"][0]["outcome"], json!("not authorized"));
    assert_eq!(told["elements"][0]["reason"], json!("insufficient-scope"));
    assert_eq!(told["elements"][0]["text"], json!("bob holds [\"admin\"] and needs any one of [\"hello\"]"));
    assert_eq!(told["elements"][1]["outcome"], json!("not looked at"));
    assert_eq!(told["elements"][1]["reason"], json!(null));

    let told = ask(&folder, ALICE, &["--path", "/foo/bar", "--json"]).json();
    assert_eq!(told["admitted"], json!(true));
    assert_eq!(
        told["principal"],
        json!({ "subject": "alice", "issuer": null, "scopes": ["hello"], "expires": null, "provider": "file" })
    );

    let told = ask(&folder, "", &["--path", "/foo/bar", "--json"]).json();
    assert_eq!(
        told["challenges"],
        json!(["Basic realm=\"portcullis\", charset=\"UTF-8\"", "Bearer realm=\"portcullis\""])
    );
    let told = ask(&folder, "", &["--path", "/foo/ADMIN", "--json"]).json();
    assert_eq!((&told["status"], &told["kind"]), (&json!(404), &json!("turned-away")));
    assert_eq!(told["reason"], "other-spelling");
}

#[test]
fn headers_come_from_a_file_or_standard_input_and_never_from_the_command_line() {
    let folder = folder();
    let file: PathBuf = folder.file("headers.txt", format!("Accept: */*\r\nauthorization:  {ALICE}\r\n"));
    let at = format!("@{}", file.display());
    let ask = |header: &str| {
        folder.run(["explain", "--config", "c.toml", "--path", "/foo/bar", "--header", header])
    };
    ask(&at).assert_code(0);
    for literal in [format!("Authorization: {ALICE}"), ALICE.to_owned(), format!("authorization={ALICE}")] {
        let run = ask(&literal);
        run.assert_code(2);
        assert!(run.stderr.contains("not taken from the command line"), "{run:?}");
        assert!(run.stderr.contains("@FILE"), "{run:?}");
        assert!(!run.stderr.contains("YWxp"), "{run:?}");
    }
    ask("@absent.txt").assert_code(2);
    folder.file("bad.txt", "Accept: x\nno header at all canary\n");
    let run = ask("@bad.txt");
    run.assert_code(2);
    assert!(run.stderr.contains("line 2 of the headers is not a header"), "{run:?}");
    assert!(!run.stderr.contains("canary"), "{run:?}");
}

#[test]
fn what_cannot_be_used_is_neither_admitted_nor_refused() {
    let folder = folder();
    folder.file("wrong.toml", "[services.\"/foo\"]\nauht = []\n");
    let explain = |arguments: &[&str]| {
        let mut all = vec!["explain"];
        all.extend(arguments);
        folder.run(all)
    };
    let run = explain(&["--config", "wrong.toml", "--path", "/foo"]);
    run.assert_code(2);
    assert!(run.stderr.contains("wrong.toml:2:1: services.\"/foo\".auht: "), "{run:?}");
    explain(&["--config", "absent.toml", "--path", "/foo"]).assert_code(2);
    explain(&["--config", "c.toml", "--path", "foo"]).assert_code(2);
    explain(&["--config", "c.toml", "--path", "https://localhost/foo"]).assert_code(2);
    explain(&["--config", "c.toml", "--path", "/a b"]).assert_code(2);
    explain(&["--config", "c.toml", "--path", "/foo", "--method", "get"]).assert_code(2);
    explain(&["--config", "c.toml", "--path", "/foo", "--client", "nowhere"]).assert_code(2);
}
