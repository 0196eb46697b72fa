//! Commands that ask servers where they are told to (`check --online`, `explain --online`, `token verify --online`), and
//! `serve`, which asks by itself.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

#[allow(dead_code, unreachable_pub, reason = "shared by all tests of commands; none needs everything")]
mod command;

use std::{
    fs,
    net::TcpStream,
    time::{Duration, Instant},
};

use command::{
    Finished, Folder,
    serving::{Serving, exchange},
};
use http::{Response, StatusCode};
use portcullis_testing::{TestIntrospection, TestIssuer};
use serde_json::json;

/// Three services that need two servers, and a provider that nobody uses.
struct World {
    folder: Folder,
    issuer: TestIssuer,
    introspection: TestIntrospection,
    spare: TestIntrospection,
}

impl World {
    async fn new() -> Self {
        let issuer = TestIssuer::start().await;
        let introspection = TestIntrospection::start().await;
        introspection.require_basic("orders", "canary-secret");
        let spare = TestIntrospection::start().await;
        let folder = Folder::new();
        let config = format!(
            r#"
            [providers.idp.jwtValidatorConfig]
            issuer = "{issuer}"
            audience = "foo"
            signatureConfig = {{ jwksConfig = {{ issuer = "{issuer}" }} }}

            [providers.spare.oauth2IntrospectionConfig]
            url = "{spare}"

            [services."/foo"]
            respond = "x"
            auth = [
              {{ scopes = "read", use = "idp" }},
              {{ scopes = "read", oauth2IntrospectionConfig = {{
                  url = "{introspection}",
                  clientConfig = {{ customHeaders = {{ Authorization = "Basic b3JkZXJzOmNhbmFyeS1zZWNyZXQ=" }} }},
              }} }},
            ]
            resources."/admin" = {{ scopes = "admin" }}

            [services."/bar"]
            respond = "x"
            resources."/own" = {{ auth = [{{ scopes = "read", use = "idp" }}] }}

            [services."/open"]
            respond = "x"
            public = true
            "#,
            issuer = issuer.url(),
            introspection = introspection.url(),
            spare = spare.url(),
        );
        folder.file("c.toml", config);
        Self { folder, issuer, introspection, spare }
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        self.run_with("", arguments)
    }

    fn run_with(&self, input: &str, arguments: &[&str]) -> Finished {
        let run = self.folder.run_with(input, arguments);
        for secret in ["canary", "b3JkZXJz"] {
            assert!(!format!("{run:?}").contains(secret), "{run:?}");
        }
        run
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_server_is_asked_once_and_told_with_all_that_need_it() {
    let world = World::new().await;
    let run = world.run(&["check", "--online", "c.toml"]);
    run.assert_code(0);
    assert!(run.stdout.contains("\nservers\n"), "{run:?}");
    let line = run.line(&world.issuer.jwks_url());
    assert!(line.starts_with(&format!("jwks {} ok ", world.issuer.jwks_url())), "{line}");
    let needed_by = "service /foo [0] idp; resource /bar/own [0] idp; providers.idp";
    assert!(line.ends_with(&format!(" ms {needed_by} 1 key")), "{line}");
    let line = run.line(&world.introspection.url());
    assert!(line.starts_with(&format!("introspection {} ok ", world.introspection.url())), "{line}");
    assert!(line.contains(" ms service /foo [1] introspection "), "{line}");
    let line = run.line(&world.spare.url());
    assert!(line.contains(" ms providers.spare, which is unused "), "{line}");
    let counts = [world.introspection.call_count(), world.spare.call_count(), world.issuer.fetches().jwks];
    assert_eq!(counts, [1, 1, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_being_told_to_nobody_is_asked() {
    let world = World::new().await;
    let run = world.run(&["check", "c.toml"]);
    run.assert_code(0);
    assert!(!run.stdout.contains("servers"), "{run:?}");
    assert_eq!(world.run(&["check", "--json", "c.toml"]).json().get("servers"), None);
    let calls = world.introspection.call_count() + world.spare.call_count() + world.issuer.call_count();
    assert_eq!(calls, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_answer_rightly_is_told_and_the_others_still_are() {
    let world = World::new().await;
    world.issuer.go_down().await;
    world.introspection.require_basic("orders", "another");
    let run = world.run(&["check", "--online", "c.toml"]);
    run.assert_code(1);
    assert_eq!(run.stderr.lines().last(), Some("2 of 3 servers did not answer rightly"), "{run:?}");
    let line = run.line("jwks");
    assert!(line.contains(" WRONG ") && line.contains(world.issuer.url()), "{line}");
    let line = run.line(&world.introspection.url());
    assert!(line.contains(" WRONG ") && line.contains("401"), "{line}");
    assert!(run.line(&world.spare.url()).contains(" ok "), "{run:?}");

    world.issuer.come_back().await;
    for answer in [
        Response::builder().status(StatusCode::INTERNAL_SERVER_ERROR).body("").unwrap(),
        Response::builder().header("content-type", "text/html").body("<html>canary").unwrap(),
    ] {
        world.spare.answer_with(answer);
        let run = world.run(&["check", "--online", "c.toml"]);
        run.assert_code(1);
        assert!(run.line(&world.spare.url()).contains(" WRONG "), "{run:?}");
        assert!(run.line("jwks").contains(" ok "), "{run:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_is_told_in_json() {
    let world = World::new().await;
    world.spare.go_down().await;
    let run = world.run(&["check", "--online", "--json", "c.toml"]);
    run.assert_code(1);
    let told = run.json();
    assert_eq!(told["right"], json!(true), "the file is");
    let servers = told["servers"].as_array().unwrap();
    assert_eq!(servers.len(), 3);
    let of =
        |url: &str| servers.iter().find(|one| one["url"] == url).unwrap_or_else(|| panic!("{url} {told}"));
    let jwks = of(&world.issuer.jwks_url());
    assert_eq!(
        (&jwks["role"], &jwks["right"], &jwks["answer"], &jwks["problem"]),
        (&json!("jwks"), &json!(true), &json!("1 key"), &json!(null))
    );
    assert!(jwks["milliseconds"].is_u64());
    assert_eq!(
        jwks["neededBy"],
        json!(["service /foo [0] idp", "resource /bar/own [0] idp", "providers.idp"])
    );
    let spare = of(&world.spare.url());
    assert_eq!((&spare["right"], &spare["answer"]), (&json!(false), &json!(null)));
    assert!(spare["problem"].is_string());
    assert_eq!(run.stderr, "");
}

#[test]
fn a_file_without_servers_says_so_and_a_wrong_one_asks_nobody() {
    let folder = Folder::new();
    folder.file("none.toml", "[services.\"/a\"]\npublic = true\n");
    let run = folder.run(["check", "--online", "none.toml"]);
    run.assert_code(0);
    assert_eq!(run.stdout.lines().last(), Some("no servers: nothing depends on one"));
    assert_eq!(folder.run(["check", "--online", "--json", "none.toml"]).json()["servers"], json!([]));
    folder.file("wrong.toml", "[services.\"/a\"]\npublik = true\n");
    folder.run(["check", "--online", "wrong.toml"]).assert_code(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_is_explained_with_what_servers_say_where_that_is_asked_for() {
    let world = World::new().await;
    world.introspection.grant("opaque-token", json!({ "sub": "bob", "scope": "read" }));
    let signed = world.issuer.token().audience("foo").scope("read").sign();
    let explain = |header: &str, path: &str, online: bool| {
        let mut arguments = vec!["explain", "--config", "c.toml", "--path", path, "--header", "@-"];
        arguments.extend(online.then_some("--online"));
        let run = world.run_with(header, &arguments);
        assert!(!format!("{run:?}").contains(header.split(' ').nth(1).unwrap()), "{run:?}");
        run
    };
    let (signed, opaque) = (format!("Bearer {signed}"), "Bearer opaque-token");
    for header in [signed.as_str(), opaque] {
        let run = explain(header, "/foo/x", false);
        run.assert_code(1);
        assert!(run.line("decision").contains("503"), "{run:?}");
        assert!(run.line("remedy").contains("--online"), "{run:?}");
    }
    assert_eq!(world.issuer.call_count() + world.introspection.call_count(), 0);

    let run = explain(&signed, "/foo/x", true);
    run.assert_code(0);
    assert!(run.line("decision").contains("admitted"), "{run:?}");
    assert!(run.line("[0] idp").contains("admitted"), "{run:?}");
    let run = explain(opaque, "/foo/x", true);
    run.assert_code(0);
    assert!(run.line("[1] introspection").contains("admitted"), "{run:?}");
    let run = explain(opaque, "/foo/admin", true);
    run.assert_code(1);
    assert!(run.line("decision").contains("403"), "{run:?}");
    let run = explain("Bearer unheard-of", "/foo/x", true);
    run.assert_code(1);
    assert!(run.line("decision").contains("401"), "{run:?}");
    world.issuer.go_down().await;
    let run = explain(&signed, "/bar/own", true);
    run.assert_code(1);
    assert!(run.line("decision").contains("503"), "{run:?}");
    assert!(!run.stdout.contains("--online"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_verified_with_fetched_keys_and_by_its_server_where_that_is_asked_for() {
    let world = World::new().await;
    world.introspection.grant("opaque-token", json!({ "sub": "bob", "scope": "read" }));
    let signed = world.issuer.token().subject("alice").audience("foo").scope("read").sign();
    let verify = |token: &str, by: [&str; 2], online: bool| {
        let mut arguments = vec!["token", "verify", "--config", "c.toml", by[0], by[1], "@-"];
        arguments.extend(online.then_some("--online"));
        world.run_with(token, &arguments)
    };
    let idp = ["--provider", "idp"];
    let element = ["--element", "services.\"/foo\".auth[1]"];
    for (token, by, online, code, start) in [
        (signed.as_str(), idp, true, 0, "accepted: alice holds [\"read\"]"),
        ("opaque-token", element, true, 0, "accepted: bob holds [\"read\"]"),
        ("unheard-of", element, true, 1, "refused: "),
        (signed.as_str(), idp, false, 1, "refused: "),
        ("opaque-token", element, false, 1, "refused: "),
    ] {
        let run = verify(token, by, online);
        run.assert_code(code);
        assert!(run.stdout.starts_with(start), "{online} {run:?}");
        assert_eq!(run.stdout.contains("(unavailable)"), !online, "{run:?}");
    }
    world.issuer.go_down().await;
    let run = verify(&signed, idp, true);
    run.assert_code(1);
    assert!(run.stdout.contains("(unavailable)"), "{run:?}");
}

/// No test waits longer for anything.
const BOUND: Duration = Duration::from_secs(30);

/// A service of two servers.
fn with_servers(issuer: &TestIssuer, introspection: &TestIntrospection, jwks: &str) -> Folder {
    let folder = Folder::new();
    let config = format!(
        r#"
        [listener]
        address = "127.0.0.1:0"

        [services."/foo"]
        respond = "Hello, World!"
        auth = [
          {{ scopes = "read", jwtValidatorConfig = {{
              issuer = "{issuer}", audience = "foo", signatureConfig = {{ jwksConfig = {{ issuer = "{issuer}"{jwks} }} }},
          }} }},
          {{ scopes = "read", oauth2IntrospectionConfig = {{ url = "{}" }} }},
        ]
        "#,
        introspection.url(),
        issuer = issuer.url(),
    );
    folder.file("c.toml", config);
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_without_the_servers_that_it_needs_and_says_which_do_not_answer() {
    let (issuer, introspection) = (TestIssuer::start().await, TestIntrospection::start().await);
    let token = issuer.token().audience("foo").scope("read").sign();
    let folder = with_servers(&issuer, &introspection, ", minRefreshInterval = \"100ms\"");
    issuer.go_down().await;
    let mut serving = Serving::start(&folder, &["--config", "c.toml"]);
    let warning = serving.says("a server does not answer rightly").to_owned();
    for text in [
        "WARN",
        "requests that need it are answered with 503 until it does",
        "role=\"jwks\"",
        issuer.url(),
        "service /foo [0] jwt",
        "error=",
    ] {
        assert!(warning.contains(text), "{text}: {warning}");
    }
    let answer = serving.says("a server answers").to_owned();
    for text in ["INFO", "role=\"introspection\"", &introspection.url(), "service /foo [1] introspection"] {
        assert!(answer.contains(text), "{text}: {answer}");
    }
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let refused = serving.get("/foo", &bearer);
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("retry-after: "), "{refused}");
    issuer.come_back().await;
    // As soon as it may be asked again, and never another answer than these two.
    let begun = Instant::now();
    loop {
        let answer = serving.get("/foo", &bearer);
        if answer.starts_with("HTTP/1.1 200 OK\r\n") {
            break;
        }
        assert!(answer.starts_with("HTTP/1.1 503 ") && begun.elapsed() < BOUND, "{answer}");
    }
    let (code, said) = serving.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains(&token), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_has_to_be_there_is_a_mistake_where_it_is_not() {
    let (issuer, introspection) = (TestIssuer::start().await, TestIntrospection::start().await);
    let folder = with_servers(&issuer, &introspection, ", preload = true");
    issuer.go_down().await;
    let run = folder.run(["serve", "--config", "c.toml"]);
    run.assert_code(2);
    assert!(run.stderr.contains("error: ") && run.stderr.contains(issuer.url()), "{run:?}");
    assert!(!run.stderr.contains("listening"), "{run:?}");
    issuer.come_back().await;
    let mut serving = Serving::start(&folder, &["--config", "c.toml"]);
    serving.says("role=\"jwks\"");
    serving.says("role=\"introspection\"");
    let (_, said) = serving.end();
    assert!(!said.contains("does not answer rightly"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_show_the_servers_that_are_needed_and_how_they_are() {
    let (issuer, introspection) = (TestIssuer::start().await, TestIntrospection::start().await);
    let folder = with_servers(&issuer, &introspection, "");
    let config = fs::read_to_string(folder.path().join("c.toml")).unwrap();
    folder.file("c.toml", config.replacen("[listener]", "[listener]\nadmin.address = \"127.0.0.1:0\"", 1));
    let mut serving = Serving::start(&folder, &["--config", "c.toml"]);
    let admin = serving.says("admin endpoints on http://").split_once("http://").unwrap().1.to_owned();
    serving.says("role=\"jwks\"");
    let metrics = || {
        let mut stream = TcpStream::connect(&admin).unwrap();
        exchange(&mut stream, "/metrics", "")
    };
    let text = metrics();
    for line in [
        format!("portcullis_server_usable{{role=\"jwks\",url=\"{}\"}} 1", issuer.jwks_url()),
        format!("portcullis_server_held{{role=\"jwks\",url=\"{}\"}} 1", issuer.jwks_url()),
        format!("portcullis_server_usable{{role=\"introspection\",url=\"{}\"}} 1", introspection.url()),
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}
