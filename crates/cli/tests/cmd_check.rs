//! `portcullis check`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

#[allow(dead_code, unreachable_pub, reason = "shared by all tests of commands; none needs everything")]
mod command;

use std::process::Stdio;

use command::{Folder, USERS};
use serde_json::json;

const RIGHT: &str = r#"
[listener]
address = "127.0.0.1:0"

[providers.partner.jwtValidatorConfig]
signatureConfig = { secret = "canary-secret-canary-secret-canary" }

[services."/foo"]
respond = "Hello, World!"
auth = [
  { scopes = ["hello", "hi"], fileUserStoreConfig = {} },
  { use = "partner" },
]
resources."GET /admin" = { scopes = "admin" }
resources."/health" = { public = true }
resources."/maybe" = { optional = true }

[services."/bar"]
upstream = "http://127.0.0.1:8080/base"
resources."/own" = { auth = [{ scopes = "x", fileUserStoreConfig = {} }] }

[services."/lib"]
public = true
"#;

#[test]
fn a_right_file_is_told_service_by_service() {
    let folder = Folder::new();
    folder.file("c.toml", format!("{RIGHT}{USERS}"));
    let run = folder.run(["check", "c.toml"]);
    run.assert_code(0);
    assert_eq!(run.line("c.toml"), "c.toml is right");
    assert_eq!(run.line("listener"), "listener http://127.0.0.1:0");
    assert_eq!(run.line("service /foo"), "service /foo answers a text");
    assert_eq!(run.line("/foo/admin"), "GET /foo/admin guarded [0] file Basic admin");
    assert_eq!(run.line("/foo/health"), "any /foo/health public");
    assert_eq!(run.line("/foo/maybe"), "any /foo/maybe optional [0] file Basic hello, hi");
    assert_eq!(run.line("/foo/…"), "any /foo/… guarded [0] file Basic hello, hi");
    assert_eq!(run.line("anyone"), "[1] partner Bearer anyone");
    assert_eq!(run.line("service /bar"), "service /bar forwards to http://127.0.0.1:8080/base");
    assert_eq!(run.line("/bar/own"), "any /bar/own guarded [0] file Basic x");
    assert_eq!(run.line("/bar/…"), "any /bar/… closed");
    assert_eq!(run.line("service /lib"), "service /lib is served by Rust code");
    assert_eq!(run.line("/lib/…"), "any /lib/… public");
    assert!(run.stderr.contains("warning: c.toml:"), "{run:?}");
    assert!(run.stderr.contains("a password in clear text"), "{run:?}");
    assert!(run.stderr.contains("warning: c.toml: services.\"/foo\".auth[1]: no `scopes`"), "{run:?}");
    assert!(!format!("{run:?}").contains("canary"), "{run:?}");
}

#[test]
fn a_right_file_is_told_in_json() {
    let folder = Folder::new();
    folder.file("c.toml", format!("{RIGHT}{USERS}"));
    let run = folder.run(["check", "c.toml", "--json"]);
    run.assert_code(0);
    let told = run.json();
    assert_eq!(told["right"], json!(true));
    assert_eq!(told["problems"], json!([]));
    assert_eq!(told["warnings"].as_array().unwrap().len(), 2);
    assert_eq!(told["listener"], json!({ "address": "127.0.0.1:0", "secure": false }));
    assert_eq!(told["files"], json!(["c.toml"]), "what a gateway looks at for changes");
    let foo = &told["services"][0];
    assert_eq!(foo["path"], json!("/foo"));
    assert_eq!(foo["respond"], json!(true));
    assert_eq!(
        foo["elements"],
        json!([
            { "name": "file", "kind": "file", "scheme": "Basic", "scopes": ["hello", "hi"] },
            { "name": "partner", "kind": "jwt", "scheme": "Bearer", "scopes": null },
        ])
    );
    let admin = foo["resources"].as_array().unwrap().iter().find(|one| one["path"] == "/foo/admin").unwrap();
    assert_eq!(admin["method"], json!("GET"));
    assert_eq!(admin["policy"], json!("guarded"));
    assert_eq!(told["services"][1]["upstream"], json!("http://127.0.0.1:8080/base"));
    assert_eq!(run.stderr, "");
    assert!(!run.stdout.contains("canary"), "{run:?}");
}

const FIVE_MISTAKES: &str = r#"[listener]
address = "0.0.0.0:9090"

[[auth.users]]
username = "alice"
pasword = "canary-password"

[services."/foo"]
respond = 7
auth = [
  { fileUserStoreConfig = { scopes = ["hello"] } },
  { scopes = [], use = "nobody" },
]
"#;

#[test]
fn mistakes_are_told_all_at_once_each_at_its_place() {
    let folder = Folder::new();
    folder.file("c.toml", FIVE_MISTAKES);
    let run = folder.run(["check", "c.toml"]);
    run.assert_code(1);
    assert_eq!(run.stdout, "");
    for (place, words) in [
        ("c.toml:2:1: listener.address: ", "`secureSocket`"),
        ("c.toml:6:1: auth.users[0].pasword: ", "unknown key; did you mean `password`?"),
        ("c.toml:9:11: services.\"/foo\".respond: ", "expected a string, found an integer"),
        (
            "c.toml:11:29: services.\"/foo\".auth[0].fileUserStoreConfig.scopes: ",
            "does not belong here: `scopes` is a key of the element: move it to services.\"/foo\".auth[0]",
        ),
        ("c.toml:12:5: services.\"/foo\".auth[1].scopes: ", "admit nobody"),
        ("c.toml:12:18: services.\"/foo\".auth[1].use: ", "no provider of this name"),
    ] {
        let found = run.stderr.lines().any(|line| line.starts_with(place) && line.contains(words));
        assert!(found, "{place} {words}\n{}", run.stderr);
    }
    let last = run.stderr.lines().last().unwrap();
    assert_eq!(last, format!("{} mistakes in c.toml", run.stderr.lines().count() - 1));
    assert!(!run.stderr.contains("canary"), "{run:?}");
}

#[test]
fn a_scopes_line_after_a_table_header_is_told_where_it_belongs() {
    let folder = Folder::new();
    let text = format!(
        "{USERS}\n[[services]]\npath = \"/foo\"\n[[services.auth]]\n[services.auth.fileUserStoreConfig]\nscopes = \"hello\"\n"
    );
    folder.file("c.toml", &text);
    let line = text.lines().position(|line| line.starts_with("scopes = \"hello\"")).unwrap() + 1;
    let run = folder.run(["check", "c.toml"]);
    run.assert_code(1);
    let expected = format!(
        "c.toml:{line}:1: services[0].auth[0].fileUserStoreConfig.scopes: does not belong here: \
         `scopes` is a key of the element: move it to services[0].auth[0], before the record's table\n\
         1 mistake in c.toml\n"
    );
    assert_eq!(run.stderr, expected);
}

#[test]
fn mistakes_are_told_in_json() {
    let folder = Folder::new();
    folder.file("c.toml", FIVE_MISTAKES);
    let run = folder.run(["check", "--json", "c.toml"]);
    run.assert_code(1);
    let told = run.json();
    assert_eq!(told["right"], json!(false));
    let problems = told["problems"].as_array().unwrap();
    assert!(problems.len() >= 5, "{told}");
    let expected = json!({
        "path": "services.\"/foo\".respond", "line": 9, "column": 11,
        "message": "expected a string, found an integer",
    });
    assert!(problems.contains(&expected), "{told}");
    assert_eq!(run.stderr, "");
}

#[test]
fn what_only_the_gateway_minds_is_a_mistake_where_the_gateway_serves() {
    let folder = Folder::new();
    let text = |answer: &str| {
        format!(
            "{USERS}\n[services.\"/foo\"]\n{answer}\nauth = [{{ scopes = \"a\", fileUserStoreConfig = {{}} }}]\n\
             resources.\"/admin\" = {{ scopes = \"b\" }}\nresources.\"/ADMIN\" = {{ scopes = \"c\" }}\n"
        )
    };
    folder.file("gateway.toml", text("respond = \"x\""));
    let run = folder.run(["check", "gateway.toml"]);
    run.assert_code(1);
    assert!(run.stderr.contains("differ only in case or in a trailing slash"), "{run:?}");
    folder.file("library.toml", text(""));
    folder.run(["check", "library.toml"]).assert_code(0);
}

#[test]
fn a_file_that_cannot_be_read_is_not_a_mistake_in_it() {
    let folder = Folder::new();
    let run = folder.run(["check", "absent.toml"]);
    run.assert_code(2);
    assert!(run.stderr.starts_with("error: cannot read absent.toml: "), "{run:?}");
    folder.run(["check", "."]).assert_code(2);
    folder.run(["check"]).assert_code(2);
}

#[test]
fn text_that_is_no_toml_is_located_and_not_shown() {
    let folder = Folder::new();
    folder.file("c.toml", "a = 1\npassword = canary\n");
    let run = folder.run(["check", "c.toml"]);
    run.assert_code(1);
    assert!(run.stderr.starts_with("c.toml:2:"), "{run:?}");
    assert!(!run.stderr.contains("canary"), "{run:?}");
}

#[test]
fn control_characters_of_a_file_do_not_reach_the_terminal() {
    let folder = Folder::new();
    folder.file("c.toml", "[services.\"/a\\u001b[2Jb\"]\npublic = true\n\"k\\u009b\\u202e\" = 1\n");
    let run = folder.run(["check", "c.toml"]);
    run.assert_code(1);
    assert!(!run.stderr.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{run:?}");
}

#[test]
fn a_reader_that_went_away_is_no_panic() {
    let folder = Folder::new();
    folder.file("c.toml", format!("{RIGHT}{USERS}"));
    for arguments in
        [&["check", "c.toml"][..], &["check", "c.toml", "--json"], &["--help"], &["check", "--help"]]
    {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = folder.command();
        command.args(arguments).stdout(writer).stdin(Stdio::null());
        let output = command.output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?} {stderr}");
        assert!(!stderr.contains("panic"), "{stderr}");
    }
}

#[test]
fn a_standard_error_that_went_away_does_not_change_the_verdict() {
    let folder = Folder::new();
    folder.file("wrong.toml", FIVE_MISTAKES);
    folder.file("right.toml", format!("{RIGHT}{USERS}"));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (arguments, code) in [
        (&["check", "wrong.toml"][..], 1),
        (&["check", "absent.toml"], 2),
        (&["check", "--unknown"], 2),
        (&["serve", "--config", "right.toml", "--listen", &address], 2),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let status = folder.command().args(arguments).stderr(writer).status().unwrap();
        assert_eq!(status.code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn mistakes_about_fetched_keys_are_told_with_their_own_line() {
    let folder = Folder::new();
    folder.file(
        "c.toml",
        r#"[services."/foo"]
respond = "x"
[[services."/foo".auth]]
scopes = "a"
[services."/foo".auth.jwtValidatorConfig]
issuer = "https://id.example"
audience = "orders"
[services."/foo".auth.jwtValidatorConfig.signatureConfig.jwksConfig]
issuer = "https://id.example"
minRefreshInterval = 0
  maxStale = "8d"
"#,
    );
    let run = folder.run(["check", "c.toml"]);
    run.assert_code(1);
    let jwks = "services.\"/foo\".auth[0].jwtValidatorConfig.signatureConfig.jwksConfig";
    for (place, key) in
        [("10:1", "minRefreshInterval: is out of bounds"), ("11:3", "maxStale: is more than seven days")]
    {
        assert!(run.stderr.contains(&format!("c.toml:{place}: {jwks}.{key}")), "{}", run.stderr);
    }
}

#[test]
fn where_credentials_come_from_and_how_refusals_are_told_is_shown_where_it_is_out_of_the_ordinary() {
    let folder = Folder::new();
    let config = |keys: &str| {
        format!(
            "[[auth.users]]\nusername = \"alice\"\npassword = \"password1\"\n[services.\"/feed\"]\nauth = [{{ scopes = \"feed\", fileUserStoreConfig = {{}} }}]\n{keys}\n"
        )
    };
    folder.file("plain.toml", config(""));
    let run = folder.run(["check", "plain.toml"]);
    run.assert_code(0);
    assert!(!run.stdout.contains("credentials in") && !run.stdout.contains("gRPC"), "{}", run.stdout);
    let keys = "credentialSources = [\"header\", \"cookie:sid\"]\npublicOrigin = \"https://app.example\"\nprotocol = \"grpc\"\nrevalidateInterval = 30";
    folder.file("feed.toml", config(keys));
    let run = folder.run(["check", "feed.toml"]);
    run.assert_code(0);
    assert_eq!(
        run.line("credentials in"),
        "credentials in header, cookie:sid from https://app.example; refuses in gRPC's way; asks about open WebSockets every 30s"
    );
    let json = folder.run(["check", "--json", "feed.toml"]).json();
    let service = &json["services"][0];
    assert_eq!(service["credentialSources"], serde_json::json!(["header", "cookie:sid"]));
    assert_eq!(service["origins"], serde_json::json!(["https://app.example"]));
    assert_eq!((&service["protocol"], &service["revalidateInterval"]), (&"grpc".into(), &30.0.into()));
}
