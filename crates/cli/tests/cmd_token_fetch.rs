//! `portcullis token fetch`, and clients in `check`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

#[allow(dead_code, unreachable_pub, reason = "shared by all tests of commands; none needs everything")]
mod command;

use command::{Finished, Folder};
use http::{Response, StatusCode};
use portcullis_testing::{TestServer, TestTls, TestTokenEndpoint, contract::shows_no_secret};
use serde_json::json;

const SECRET: &str = "canary-secret:%&+=ä-0123456789abcdef";

struct World {
    folder: Folder,
    tokens: TestTokenEndpoint,
}

impl World {
    async fn new() -> Self {
        let tokens = TestTokenEndpoint::start().await;
        tokens.require_client("shop", SECRET);
        let folder = Folder::new();
        let common =
            format!("tokenUrl = \"{}\", clientId = \"shop\", clientSecret = \"{SECRET}\"", tokens.url());
        let config = format!(
            r#"
            [clients.orders]
            url = "https://orders.example/base"
            origins = ["https://archive.example"]
            auth = {{ {common}, scopes = "orders" }}

            [clients.signed]
            url = "https://signed.example"
            auth = {{ issuer = "shop", signatureConfig = {{ algorithm = "HS256", config = "{SECRET}" }} }}

            [clients.fixed]
            anyOrigin = true
            auth = {{ token = "fixed-token" }}

            [clients.basic]
            url = "https://basic.example"
            auth = {{ username = "alice", password = "password1" }}

            [clients.lasting]
            url = "https://lasting.example"
            auth = {{ refreshUrl = "{0}", refreshToken = "canary-refresh-0", clientId = "shop", clientSecret = "{SECRET}" }}

            [clients.ledger]
            url = "https://ledger.example"
            auth = {{ grant = "token_exchange", {common} }}
            "#,
            tokens.url()
        );
        folder.file("c.toml", config);
        Self { folder, tokens }
    }

    fn fetch(&self, client: &str, more: &[&str]) -> Finished {
        self.fetch_with("", client, more)
    }

    fn fetch_with(&self, input: &str, client: &str, more: &[&str]) -> Finished {
        let arguments = ["token", "fetch", "--config", "c.toml", "--client", client];
        let run = self.folder.run_with(input, arguments.iter().chain(more));
        shows_no_secret(&format!("{run:?}"), &[SECRET]);
        run
    }

    fn check(&self, arguments: &[&str]) -> Finished {
        let run = self.folder.run(["check"].iter().chain(arguments));
        shows_no_secret(&format!("{run:?}"), &[SECRET, "password1", "fixed-token"]);
        run
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_and_nothing_else_is_printed() {
    let world = World::new().await;
    let run = world.fetch("orders", &[]);
    assert_eq!((run.code, &*run.stdout, &*run.stderr), (0, "access-1\n", ""), "{run:?}");
    assert_eq!(world.tokens.calls()[0].parameter("scope").as_deref(), Some("orders"));

    let run = world.fetch("orders", &["--header"]);
    assert_eq!(
        (run.code, &*run.stdout, &*run.stderr),
        (0, "Authorization: Bearer access-2\n", ""),
        "{run:?}"
    );

    let told = world.fetch("orders", &["--json"]).json();
    assert_eq!(
        told,
        json!({ "client": "orders", "credential": "client_credentials", "fetched": true, "scheme": "Bearer", "token": "access-3" })
    );
    let told = world.fetch("orders", &["--json", "--header"]).json();
    assert_eq!(told["authorization"], json!("Bearer access-4"));

    let run = world.fetch("fixed", &[]);
    assert_eq!((run.code, &*run.stdout), (0, "fixed-token\n"), "{run:?}");
    assert_eq!(world.tokens.call_count(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_signed_here_is_one_that_can_be_decoded() {
    let world = World::new().await;
    let run = world.fetch("signed", &[]);
    run.assert_code(0);
    let decoded = world.folder.run_with(run.stdout, ["token", "decode", "--json"]);
    assert_eq!(decoded.json()["claims"]["iss"], json!("shop"));
    assert_eq!(world.tokens.call_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_is_spent_by_a_fetch_which_is_told_and_not_by_a_check() {
    let world = World::new().await;
    world.tokens.accept_refresh_token("canary-refresh-0");
    world.tokens.with_refresh_tokens();
    world.tokens.accept_subject("caller");
    let run = world.check(&["c.toml", "--online"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.contains("a refresh token that nobody issued is refused"), "{run:?}");
    let run = world.fetch("lasting", &[]);
    assert_eq!((run.code, run.stdout.starts_with("access-")), (0, true), "{run:?}");
    assert!(run.stderr.starts_with("note: the configured refresh token was used."), "{run:?}");
    shows_no_secret(&format!("{run:?}"), &["canary-refresh-0", "refresh-1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_and_a_password_are_no_token_but_a_header() {
    let world = World::new().await;
    let run = world.fetch("basic", &[]);
    assert_eq!((run.code, &*run.stdout), (2, ""), "{run:?}");
    assert!(
        run.stderr.contains("client \"basic\" has no token: it shows a user name and a password"),
        "{run:?}"
    );
    let run = world.fetch("basic", &["--header"]);
    assert_eq!((run.code, &*run.stdout), (0, "Authorization: Basic YWxpY2U6cGFzc3dvcmQx\n"), "{run:?}");
    let told = world.fetch("basic", &["--header", "--json"]).json();
    assert_eq!((&told["token"], &told["scheme"]), (&json!(null), &json!("Basic")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_step_that_failed_is_told_with_status_and_code() {
    let world = World::new().await;
    let html = || Response::builder().header("content-type", "text/html").body("<html>canary-body").unwrap();
    let answer = |text: &'static str| {
        Response::builder().header("content-type", "application/json").body(text).unwrap()
    };
    let status = |status: u16, text: &'static str| {
        let answer = Response::builder().status(status).header("content-type", "application/json");
        answer.body(text).unwrap()
    };
    for (forced, step, words) in [
        (status(401, r#"{"error":"invalid_client"}"#), "the answer", &["401", "invalid_client"][..]),
        (status(400, r#"{"error":"invalid_scope"}"#), "the answer", &["400", "invalid_scope"]),
        (status(500, ""), "the answer", &["500"]),
        (html(), "the answer", &["JSON"]),
        (answer(r#"{"token_type":"Bearer"}"#), "the answer", &["access_token"]),
        (answer(r#"{"access_token":"x","token_type":"mac"}"#), "the answer", &["mac", "Bearer"]),
    ] {
        world.tokens.answer_with(forced);
        let run = world.fetch("orders", &[]);
        assert_eq!((run.code, &*run.stdout), (1, ""), "{run:?}");
        let lines: Vec<&str> = run.stderr.lines().collect();
        assert_eq!((lines.len(), lines[0]), (2, "error: no token for client \"orders\""), "{run:?}");
        assert!(lines[1].starts_with(&format!("{step}: ")), "{run:?}");
        assert!(lines[1].contains(&world.tokens.url()), "{run:?}");
        assert!(words.iter().all(|word| lines[1].contains(word)), "{words:?} {run:?}");
        assert!(!run.stderr.contains("canary-body"), "{run:?}");
    }
    let run = world.fetch("orders", &["--json"]);
    run.assert_code(1);
    let told = run.json();
    assert_eq!(
        (&told["fetched"], &told["step"], &told["transient"]),
        (&json!(false), &json!("the answer"), &json!(false))
    );

    world.tokens.recover();
    world.tokens.go_down().await;
    let run = world.fetch("orders", &[]);
    run.assert_code(1);
    assert!(run.stderr.lines().nth(1).unwrap().starts_with("connecting: "), "{run:?}");
    assert!(run.stderr.contains(&world.tokens.url()) && run.stderr.contains("efused"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_trusted_and_one_that_is_late_are_told_apart() {
    let folder = Folder::new();
    let other = TestTls::self_signed();
    folder.file("ca.crt", other.certificate_pem().unwrap());
    let server = TestServer::start_https(TestTls::self_signed(), |_| Response::default()).await;
    let late = TestTokenEndpoint::start().await;
    let _hold = late.hold();
    let config = format!(
        r#"
        [clients.untrusted]
        url = "https://orders.example"
        auth = {{ tokenUrl = "{}/token", clientId = "a", clientSecret = "b", clientConfig = {{ secureSocket = {{ cert = "ca.crt" }} }} }}
        [clients.late]
        url = "https://orders.example"
        auth = {{ tokenUrl = "{}", clientId = "a", clientSecret = "b", clientConfig = {{ requestTimeout = "100ms" }} }}
        "#,
        server.origin(),
        late.url()
    );
    folder.file("c.toml", config);
    for (client, step) in [("untrusted", "TLS: "), ("late", "waiting for the answer: ")] {
        let run = folder.run(["token", "fetch", "--config", "c.toml", "--client", client]);
        run.assert_code(1);
        assert!(run.stderr.lines().nth(1).unwrap().starts_with(step), "{run:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_needs_the_token_of_somebody_and_never_on_the_command_line() {
    let world = World::new().await;
    world.tokens.accept_subject("callers-token");
    let run = world.fetch("ledger", &[]);
    run.assert_code(2);
    assert!(
        run.stderr.contains("client \"ledger\" calls on behalf of somebody")
            && run.stderr.contains("--subject-token"),
        "{run:?}"
    );
    let run = world.fetch("ledger", &["--subject-token", "callers-token"]);
    run.assert_code(2);
    assert!(run.stderr.contains("a token is not taken from the command line"), "{run:?}");
    assert!(!run.stderr.contains("callers-token"), "{run:?}");
    assert_eq!(world.tokens.call_count(), 0);

    let run = world.fetch_with("callers-token\n", "ledger", &["--subject-token", "@-"]);
    assert_eq!((run.code, &*run.stdout), (0, "access-1\n"), "{run:?}");
    assert_eq!(world.tokens.subject_of("access-1").as_deref(), Some("callers-token"));
    world.folder.file("caller.txt", "callers-token");
    world.fetch("ledger", &["--subject-token", "@caller.txt"]).assert_code(0);

    let run = world.fetch_with("anothers-token", "ledger", &["--subject-token", "@-"]);
    assert_eq!((run.code, &*run.stdout), (1, ""), "{run:?}");
    assert!(!run.stderr.contains("anothers-token"), "{run:?}");
    for (input, told) in [("", "the subject token is empty"), ("\n", "the subject token is empty")] {
        let run = world.fetch_with(input, "ledger", &["--subject-token", "@-"]);
        run.assert_code(2);
        assert!(run.stderr.contains(told), "{run:?}");
    }
    // A client whose token is its own acts on behalf of nobody.
    let run = world.fetch_with("callers-token", "orders", &["--subject-token", "@-"]);
    run.assert_code(2);
    assert!(run.stderr.contains("acts on behalf of nobody"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_used_is_told_before_anybody_is_asked() {
    let world = World::new().await;
    let run = world.fetch("order", &[]);
    run.assert_code(2);
    assert!(
        run.stderr.contains(
            "there is no client \"order\"; the configuration has orders, signed, fixed, basic, lasting, ledger"
        ),
        "{run:?}"
    );
    let run = world.folder.run(["token", "fetch", "--config", "absent.toml", "--client", "orders"]);
    run.assert_code(2);
    assert!(run.stderr.contains("cannot read absent.toml"), "{run:?}");
    world
        .folder
        .file("wrong.toml", "[clients.orders]\nurl = \"https://a.example\"\nauth = { tokn = \"canary\" }\n");
    let run = world.folder.run(["token", "fetch", "--config", "wrong.toml", "--client", "orders"]);
    run.assert_code(2);
    assert!(
        run.stderr.contains("wrong.toml:3:10: clients.orders.auth.tokn: unknown key; did you mean `token`?"),
        "{run:?}"
    );
    assert!(!run.stderr.contains("canary"), "{run:?}");
    world.folder.run(["token", "fetch", "--config", "c.toml"]).assert_code(2);
    assert_eq!(world.tokens.call_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_tells_the_clients_and_asks_their_token_endpoints_where_it_may() {
    let world = World::new().await;
    // What is asked about the exchange is a token that nobody showed.
    world.tokens.accept_subject("callers-token");
    let run = world.check(&["c.toml"]);
    run.assert_code(0);
    assert_eq!(
        run.line("orders "),
        "orders client_credentials https://orders.example, https://archive.example"
    );
    assert_eq!(run.line("fixed "), "fixed bearer any origin");
    assert_eq!(run.line("basic "), "basic basic https://basic.example");
    assert_eq!(world.tokens.call_count(), 0);
    let told = world.check(&["--json", "c.toml"]).json();
    assert_eq!(
        told["clients"][0],
        json!({ "name": "orders", "credential": "client_credentials", "origins": ["https://orders.example", "https://archive.example"] })
    );
    assert_eq!(told["clients"][2], json!({ "name": "fixed", "credential": "bearer", "origins": null }));

    let run = world.check(&["--online", "c.toml"]);
    let line = run.line("clients.orders");
    assert!(line.starts_with(&format!("token {} ok ", world.tokens.url())), "{line}");
    run.assert_code(0);

    world.tokens.fail_with(StatusCode::INTERNAL_SERVER_ERROR);
    let run = world.check(&["--online", "c.toml"]);
    run.assert_code(1);
    let line = run.line("clients.orders");
    assert!(line.contains(" WRONG ") && line.contains("500"), "{line}");
}
