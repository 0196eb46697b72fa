//! Requests that mean one thing to the gateway and another to whoever stands behind it.

use http::Response;
use portcullis_testing::TestServer;
use portcullis_tests::{Answer, curl};

use crate::support_http::{Gateway, Sheet, basic, raw, users};

/// Alice, who may call all but what is for admins, and root.
pub fn config(more: &str) -> String {
    format!(
        "{}{more}",
        users(&[
            ("alice", "password1", "hello"),
            ("root", "password2", "admin"),
            ("poor", "password3", "none")
        ])
    )
}

/// The program in front of a server in this process that says yes to everything.
pub async fn in_front(more: &str) -> (TestServer, Gateway) {
    let upstream = TestServer::start(|_| Response::new("inside".into())).await;
    let text = config(&format!(
        r#"
[services."/foo"]
upstream = "{}"
throttle = false
auth = [{{ scopes = ["hello", "admin"], fileUserStoreConfig = {{}} }}]
resources."/admin" = {{ scopes = "admin" }}
resources."/admin/{{*rest}}" = {{ scopes = "admin" }}
resources."DELETE /items" = {{ scopes = "admin" }}
resources."GET /report" = {{ scopes = "admin" }}
resources."/open" = {{ public = true }}
{more}"#,
        upstream.origin()
    ));
    let gateway = tokio::task::spawn_blocking(move || Gateway::start(&text)).await.unwrap();
    (upstream, gateway)
}

/// A request to the gateway: the request line without its version, and header lines.
pub async fn ask(gateway: &Gateway, line: &str, lines: &str) -> u16 {
    raw(gateway.address, format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\r\n"))
        .await
        .status
}

/// curl, away from the threads that serve.
async fn curled(arguments: Vec<String>) -> Answer {
    tokio::task::spawn_blocking(move || curl(arguments)).await.unwrap()
}

pub fn alice() -> String {
    basic("alice", "password1")
}

#[tokio::test(flavor = "multi_thread")]
async fn line_45_an_authorization_is_one_line_with_one_credential() {
    let mut sheet = Sheet::new(45, "`Authorization` more than once, or in more than one form");
    let (upstream, gateway) = in_front("").await;
    let good = alice();
    let value = good.trim_end().strip_prefix("Authorization: ").unwrap();
    let wrong = basic("alice", "wrong");
    let rows: Vec<(&str, String, u16)> = vec![
        ("one line", good.clone(), 200),
        (
            "its name and scheme in other letters",
            format!("aUTHORIZATION: {}\r\n", value.replace("Basic", "bAsIC")),
            200,
        ),
        ("the same line twice", format!("{good}{good}"), 401),
        ("a good one, then a wrong one", format!("{good}{wrong}"), 401),
        ("a wrong one, then a good one", format!("{wrong}{good}"), 401),
        ("names that differ in case", format!("{good}authorization: {value}\r\n"), 401),
        ("`Basic` and `Bearer`", format!("{good}Authorization: Bearer abc\r\n"), 401),
        ("an empty one beside a good one", format!("Authorization:\r\n{good}"), 401),
        ("two in one line, joined by a comma", format!("Authorization: {value}, {value}\r\n"), 401),
        ("`Basic` and `Bearer` in one line", format!("Authorization: {value}, Bearer abc\r\n"), 401),
        ("a line that is folded before the value", format!("Authorization:\r\n {value}\r\n"), 400),
        ("a line that is folded within", format!("Authorization: Basic\r\n {}\r\n", &value[6..]), 400),
        ("a tab behind the scheme", format!("Authorization: {}\r\n", value.replace(' ', "\t")), 401),
        ("a letter outside ASCII behind it", format!("Authorization: {value}\u{e9}\r\n"), 401),
        ("a space before the colon of the name", format!("Authorization : {value}\r\n"), 400),
        ("an underscore for nothing", format!("_Authorization: {value}\r\n"), 401),
        ("no such line", String::new(), 401),
    ];
    for (what, lines, expected) in rows {
        let status = raw(
            gateway.address,
            format!("GET /foo/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\r\n"),
        )
        .await
        .status;
        sheet.row(what, status, expected);
    }
    sheet.row("requests that reached the server behind", upstream.call_count(), 2);
    sheet.shown_by(
        "over HTTP/2",
        "crates/cli/tests/gateway/credentials.rs::two_authorization_headers_are_refused_over_http2_too",
    );
    sheet.shown_by(
        "each form by its reason",
        "crates/core/src/credential/header.rs::every_other_form_is_refused_for_its_own_reason",
    );
    sheet.settle();
}

#[tokio::test(flavor = "multi_thread")]
async fn line_46_connection_names_neither_credential_nor_identity_away() {
    let mut sheet = Sheet::new(46, "`Authorization` and others, named in `Connection`");
    let (upstream, gateway) = in_front("").await;
    for named in
        ["Authorization", "authorization, close", "X-Auth-Subject", "Host, Authorization, X-Auth-Scopes"]
    {
        let request = |lines: &str| {
            format!(
                "GET /foo/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nConnection: {named}\r\n{lines}\r\n"
            )
        };
        let before = upstream.call_count();
        let status = raw(gateway.address, request(&alice())).await.status;
        let calls = upstream.calls();
        let told = calls[before..]
            .iter()
            .map(|call| call.header("x-auth-subject").unwrap_or("nobody"))
            .collect::<Vec<_>>()
            .join(", ");
        sheet.row(
            format!("`{named}`, with a good credential"),
            format!("{status}, told to the server behind: {told}"),
            "200, told to the server behind: alice",
        );
        sheet.row(
            format!("`{named}`, with a wrong one"),
            raw(gateway.address, request(&basic("alice", "wrong"))).await.status,
            401,
        );
        sheet.row(format!("`{named}`, without"), raw(gateway.address, request("")).await.status, 401);
    }
    sheet.shown_by("what else is named there", "crates/cli/tests/gateway/headers.rs::hop_by_hop_headers_stay_and_connection_names_no_identity_and_no_credential_away");
    sheet.settle();
}

#[tokio::test(flavor = "multi_thread")]
async fn line_47_only_the_request_line_says_which_resource_is_meant() {
    let mut sheet = Sheet::new(47, "Headers that say that another path, method or host was meant");
    let (upstream, gateway) = in_front("").await;
    let names = [
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Original-URI",
        "X-Forwarded-Uri",
        "X-Forwarded-Path",
        "X-Forwarded-Prefix",
        "X-Forwarded-Url",
        "X-Override-URL",
    ];
    for name in names {
        let open = ask(&gateway, "GET /foo/admin", &format!("{}{name}: /foo/open\r\n", alice())).await;
        let closed = ask(&gateway, "GET /foo/open", &format!("{name}: /foo/admin\r\n")).await;
        let seen = upstream.calls().last().is_some_and(|call| call.headers.contains_key(name));
        sheet.row(
            format!("`{name}`: a closed path that says it is an open one, and the reverse"),
            format!("{open}, {closed}, passed on: {seen}"),
            "403, 200, passed on: false",
        );
    }
    for name in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "x_http_method_override"] {
        let before = upstream.call_count();
        let open = ask(&gateway, "DELETE /foo/items", &format!("{}{name}: GET\r\n", alice())).await;
        assert_eq!(upstream.call_count(), before, "{name}");
        let closed = ask(&gateway, "POST /foo/items", &format!("{}{name}: DELETE\r\n", alice())).await;
        let call = upstream.calls().pop().unwrap();
        let seen = call.headers.contains_key(name);
        sheet.row(
            format!("`{name}`: a closed method that says it is an open one, and the reverse"),
            format!("{open}, {closed} as {}, passed on: {seen}", call.method),
            "403, 200 as POST, passed on: false",
        );
    }
    for lines in [
        "X-Forwarded-Host: elsewhere.example",
        "X-Forwarded-Proto: https",
        "X-Forwarded-For: 127.0.0.1",
        "Forwarded: for=127.0.0.1;host=x",
        "X-Real-IP: 127.0.0.1",
        "X-Forwarded-User: root",
        "X-Auth-Subject: root",
        "X-Auth-Scopes: [\"admin\"]",
    ] {
        let status = ask(&gateway, "GET /foo/admin", &format!("{}{lines}\r\n", alice())).await;
        sheet.row(format!("`{lines}`, from whom nobody trusts"), status, 403);
    }
    sheet.row(
        "a closed path by who may",
        ask(&gateway, "GET /foo/admin", &basic("root", "password2")).await,
        200,
    );
    sheet.shown_by("every spelling of a caller's identity", "crates/cli/tests/gateway/headers.rs::no_spelling_of_a_clients_identity_gets_through_on_guarded_and_public_routes");
    sheet.settle();
}

#[tokio::test(flavor = "multi_thread")]
async fn line_48_a_path_is_read_once_and_as_everybody_reads_it() {
    let mut sheet = Sheet::new(48, "Spellings of a path that is closed, by somebody who may call the others");
    let (upstream, gateway) = in_front("").await;
    let closed = [
        ("/foo/admin", 403),
        ("/foo/%61dmin", 403),
        ("/foo/admin/x", 403),
        ("/foo//admin", 400),
        ("//foo/admin", 400),
        ("/foo/./admin", 400),
        ("/foo/x/../admin", 400),
        ("/foo/%2e/admin", 400),
        ("/foo/x/%2e%2e/admin", 400),
        ("/foo%2fadmin", 400),
        ("/foo/%2561dmin", 400),
        ("/foo/admin%00", 400),
        ("/foo/\\admin", 400),
        ("/foo/admin%5c", 400),
        ("/foo/admin;x", 400),
        ("/foo/admin;x=1/y", 400),
        ("/foo/admin%3bx", 400),
        ("/foo/admin/", 403),
        ("/foo/ADMIN", 404),
        ("/foo/Admin/x", 404),
        ("/FOO/admin", 404),
        ("/foo/%c0%aeadmin", 400),
        ("/foo/admin?x=/foo/open", 403),
        ("/foo/admin#/../open", 403),
        ("http://localhost/foo/admin", 403),
        ("http://elsewhere.example/foo/admin", 403),
        ("http://localhost", 404),
        ("*", 400),
        ("foo/admin", 400),
        ("/foo/open/../admin", 400),
        ("/foo/open;/../admin", 400),
    ];
    for (path, expected) in closed {
        sheet.row(format!("`GET {path}`"), ask(&gateway, &format!("GET {path}"), &alice()).await, expected);
    }
    sheet.row("`OPTIONS *`", ask(&gateway, "OPTIONS *", &alice()).await, 404);
    sheet.row("`CONNECT localhost:80`", ask(&gateway, "CONNECT localhost:80", &alice()).await, 405);
    sheet.row("`CONNECT /foo/admin`", ask(&gateway, "CONNECT /foo/admin", &alice()).await, 400);
    sheet.row(
        "`GET /foo/report`, for admins when it is GET",
        ask(&gateway, "GET /foo/report", &alice()).await,
        403,
    );
    sheet.row("`get /foo/report`", ask(&gateway, "get /foo/report", &alice()).await, 405);
    sheet.row("requests that reached the server behind, so far", upstream.call_count(), 0);
    sheet.row(
        "`GET /foo/%61dmin` by root",
        ask(&gateway, "GET /foo/%61dmin", &basic("root", "password2")).await,
        200,
    );
    sheet.row("`GET /foo/x` by alice", ask(&gateway, "GET /foo/x", &alice()).await, 200);
    for (what, test) in [
        (
            "each spelling, before servers that read paths otherwise",
            "tests/tests/gateway.rs::express_is_reached_under_no_looser_policy_than_the_resources",
        ),
        (
            "routes of axum, below nests too",
            "crates/axum/tests/auth_layer.rs::text_before_a_parameter_and_percent_encoded_routes_hide_no_resource",
        ),
        (
            "a slash that is encoded, in axum",
            "crates/axum/tests/auth_layer.rs::an_encoded_slash_that_changes_the_resource_is_ambiguous",
        ),
    ] {
        sheet.shown_by(what, test);
    }
    sheet.settle();
}

#[tokio::test(flavor = "multi_thread")]
async fn line_53_other_ways_to_send_a_request_change_nothing_about_it() {
    let mut sheet = Sheet::new(53, "`HEAD`, `Expect: 100-continue`, and HTTP/2");
    let (upstream, gateway) = in_front("").await;
    sheet.row(
        "`HEAD` of what is for admins when it is `GET`",
        ask(&gateway, "HEAD /foo/report", &alice()).await,
        403,
    );
    let seen =
        raw(gateway.address, "HEAD /foo/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    sheet.row(
        "`HEAD` without a credential",
        format!("{} and a body of {}", seen.status, seen.body.len()),
        "401 and a body of 0",
    );
    sheet.row("`HEAD` with a good one", ask(&gateway, "HEAD /foo/x", &alice()).await, 200);
    let before = upstream.call_count();
    let seen = raw(gateway.address, "POST /foo/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n").await;
    sheet.row("`Expect: 100-continue` without a credential: the first answer", seen.status, 401);
    sheet.row("requests that reached the server behind meanwhile", upstream.call_count() - before, 0);
    sheet.row(
        "another expectation",
        ask(&gateway, "POST /foo/x", &format!("{}Expect: 200-ok\r\nContent-Length: 0\r\n", alice())).await,
        200,
    );
    let url = gateway.url("/foo/x");
    let value = alice().trim_end().to_owned();
    let h2 = async |more: &[&str]| {
        let mut arguments = vec!["--http2-prior-knowledge".to_owned()];
        arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
        arguments.push(url.clone());
        let answer = curled(arguments).await;
        format!("{} {}", answer.version, answer.status)
    };
    sheet.row("HTTP/2 with one `authorization`", h2(&["-H", &value]).await, "HTTP/2 200");
    sheet.row(
        "HTTP/2 with two fields of it",
        h2(&["-H", &value, "-H", "authorization: Bearer x"]).await,
        "HTTP/2 401",
    );
    sheet.row("HTTP/2 with the same field twice", h2(&["-H", &value, "-H", &value]).await, "HTTP/2 401");
    sheet.row("HTTP/2 without", h2(&[]).await, "HTTP/2 401");
    sheet.row("HTTP/2, `HEAD`, without", h2(&["-I"]).await, "HTTP/2 401");
    sheet.row(
        "HTTP/2 with a `connection` field",
        h2(&["-H", &value, "-H", "connection: authorization"]).await,
        "HTTP/2 200",
    );
    let before = upstream.call_count();
    sheet.row(
        "HTTP/2 with a cookie in two fields",
        h2(&["-H", &value, "-H", "cookie: a=1", "-H", "cookie: b=2"]).await,
        "HTTP/2 200",
    );
    sheet.row(
        "how that cookie reaches a server behind that speaks HTTP/1.1",
        upstream.calls()[before].header("cookie").unwrap_or("in two lines"),
        "a=1; b=2",
    );
    sheet.shown_by(
        "bodies that are waited for only once the caller is let in",
        "crates/cli/tests/gateway/streaming.rs::a_client_that_waits_for_100_gets_it_only_once_it_is_let_in",
    );
    sheet.settle();
}
