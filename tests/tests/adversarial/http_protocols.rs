//! WebSockets, gRPC, challenges, and services that are called when they are ready.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use axum::{Router, body::Body, extract::ws::WebSocketUpgrade, routing::any};
use http::{Request, Response};
use portcullis::{AuthLayer, Config};
use portcullis_tests::curl;
use tower::{Layer as _, Service, ServiceExt as _, buffer::Buffer, limit::ConcurrencyLimit};

use crate::{
    support_http::{Sheet, Site, basic, header, users},
    support_tokens::{Signer, validator, with},
};

fn config(more: &str) -> String {
    format!("{}{more}", users(&[("alice", "password1", "hello"), ("poor", "password3", "none")]))
}

/// The request that opens a WebSocket, with these header lines.
fn upgrade(target: &str, lines: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{lines}\r\n"
    )
}

#[tokio::test]
async fn line_51_a_token_among_subprotocols_is_seen_by_nobody_and_one_in_the_query_counts_for_nothing() {
    let mut sheet = Sheet::new(51, "WebSockets: tokens among the subprotocols, and in the query");
    let key = Signer::p256();
    let jwk = key.jwk().to_string();
    let files = [("key.jwk", jwk.as_bytes())];
    let handler = async |upgrade: WebSocketUpgrade| {
        // Who opened it is done with it: the connection ends.
        upgrade.protocols(["chat", "bearer"]).on_upgrade(async |_| ())
    };
    let app = || Router::new().route("/chat", any(handler));
    let service = |more: &str| format!("[services.\"/\"]\n{more}\nauth = [{}]\n", validator("key.jwk", ""));
    let site =
        Site::beside(&files, &service("credentialSources = [\"header\", \"websocketProtocol\"]"), app())
            .await;
    let (good, expired) = (key.good(), key.claims(&with("exp", 1)));
    let encoded = crate::support_tokens::encode(&good);
    let bearer = format!("Authorization: Bearer {good}\r\n");
    let offers = |offered: &str| format!("Sec-WebSocket-Protocol: {offered}\r\n");
    for (what, target, lines, expected) in [
        ("a token in `Authorization`", "/chat".to_owned(), bearer.clone(), "101"),
        (
            "a token behind `bearer`",
            "/chat".to_owned(),
            offers(&format!("bearer, {good}")),
            "101 selects bearer",
        ),
        (
            "beside another protocol",
            "/chat".to_owned(),
            offers(&format!("chat, bearer, {good}")),
            "101 selects chat",
        ),
        (
            "in base64url, beside another protocol",
            "/chat".to_owned(),
            offers(&format!("chat, base64url.bearer.{encoded}")),
            "101 selects chat",
        ),
        ("an expired token", "/chat".to_owned(), offers(&format!("bearer, {expired}")), "401 expired"),
        ("`bearer` alone", "/chat".to_owned(), offers("bearer"), "401 bearer-without-token"),
        (
            "two tokens",
            "/chat".to_owned(),
            offers(&format!("bearer, {good}, base64url.bearer.{encoded}")),
            "401 several-tokens",
        ),
        (
            "a token there and in `Authorization`",
            "/chat".to_owned(),
            format!("{bearer}{}", offers(&format!("bearer, {good}"))),
            "401 several-sources",
        ),
        ("a token in the query", format!("/chat?access_token={good}"), String::new(), "401 no-credential"),
    ] {
        let seen = site.raw(upgrade(&target, &lines)).await;
        assert!(!seen.head.contains(&good) && !seen.head.contains(&encoded), "{what}: the token is echoed");
        let selected = header(&seen, "sec-websocket-protocol")
            .map(|name| format!(" selects {name}"))
            .unwrap_or_default();
        sheet.row(what, format!("{seen}{selected}"), expected);
    }
    let log = site.log.text();
    sheet.holds(
        "the log, afterwards",
        !log.contains(&good) && !log.contains(&encoded) && !log.contains("access_token"),
        "holds no token and no query",
    );
    let plain = Site::beside(&files, &service(""), app()).await;
    let seen = plain.raw(upgrade("/chat", &offers(&format!("bearer, {good}")))).await;
    sheet.row(
        "a token behind `bearer`, where the service looks at the header alone",
        seen,
        "401 no-credential",
    );
    sheet.shown_by("what the handler sees of it", "crates/axum/tests/websocket/sources.rs::a_token_among_the_subprotocols_opens_a_socket_and_is_seen_by_nobody");
    sheet.shown_by("the server behind the gateway", "crates/cli/tests/gateway/websocket/credentials.rs::a_token_among_the_subprotocols_opens_the_websocket_and_goes_no_further");
    sheet.settle();
}

#[tokio::test(flavor = "multi_thread")]
async fn line_52_a_grpc_client_is_refused_in_its_own_way() {
    let mut sheet = Sheet::new(52, "gRPC: how refusals are told");
    let text = config(
        "[services.\"/\"]\nprotocol = \"grpc\"\nauth = [{ scopes = \"hello\", fileUserStoreConfig = {} }]\n",
    );
    let site = Site::open(&text).await;
    for (what, lines, expected) in [
        ("a good credential", basic("alice", "password1"), "HTTP/2 200, grpc-status none, 6 bytes of body"),
        ("none", String::new(), "HTTP/2 200, grpc-status 16, 0 bytes of body"),
        ("a wrong one", basic("alice", "wrong"), "HTTP/2 200, grpc-status 16, 0 bytes of body"),
        (
            "one that is malformed",
            "Authorization: Basic x y\r\n".to_owned(),
            "HTTP/2 200, grpc-status 16, 0 bytes of body",
        ),
        ("one that is not enough", basic("poor", "password3"), "HTTP/2 200, grpc-status 7, 0 bytes of body"),
    ] {
        let mut arguments = vec![
            "--http2-prior-knowledge".to_owned(),
            "-X".into(),
            "POST".into(),
            "-H".into(),
            "content-type: application/grpc".into(),
            "-H".into(),
            "te: trailers".into(),
        ];
        if !lines.is_empty() {
            arguments.extend(["-H".to_owned(), lines.trim_end().to_owned()]);
        }
        arguments.push(format!("http://{}/pkg.Greeter/SayHello", site.address));
        let answer = tokio::task::spawn_blocking(move || curl(arguments)).await.unwrap();
        let status = answer.header("grpc-status").unwrap_or("none");
        sheet.row(
            what,
            format!(
                "{} {}, grpc-status {status}, {} bytes of body",
                answer.version,
                answer.status,
                answer.body.len()
            ),
            expected,
        );
    }
    sheet.shown_by(
        "that it is one block of headers, which is what `trailers-only` means",
        "crates/tower/tests/plain_hyper.rs::a_grpc_refusal_is_one_block_of_headers_on_the_wire",
    );
    sheet.settle();
}

#[tokio::test]
async fn line_54_nothing_configured_leaves_its_place_in_a_challenge() {
    let mut sheet = Sheet::new(54, "Realms and scopes that would end a header, or a quoted word in it");
    let service = |realm: &str, scope: &str| {
        config(&format!(
            "[services.\"/\"]\nrealm = \"{realm}\"\nauth = [{{ scopes = \"{scope}\", fileUserStoreConfig = {{}} }}]\n"
        ))
    };
    for (what, realm, scope) in [
        ("a line end in the realm", r"a\r\nSet-Cookie: x=1", "hello"),
        ("a line feed in the realm", r"a\nb", "hello"),
        ("a NUL in the realm", r"a\u0000b", "hello"),
        ("a letter outside ASCII in the realm", "\u{e9}", "hello"),
    ] {
        let seen = match Config::parse(&service(realm, scope), ".") {
            Ok(_) => "taken".to_owned(),
            Err(error) if error.to_string().contains("services.") => "refused when it is read".to_owned(),
            Err(error) => error.to_string(),
        };
        sheet.row(what, seen, "refused when it is read");
    }
    for (what, realm, expected) in [
        (
            "a quotation mark in the realm",
            r#"a\", error=\"none"#,
            r#"Basic realm="a\", error=\"none", charset="UTF-8""#,
        ),
        ("a backslash at its end", r"a\\", r#"Basic realm="a\\", charset="UTF-8""#),
        ("an ordinary realm", "orders", r#"Basic realm="orders", charset="UTF-8""#),
    ] {
        let seen = match Config::parse(&service(realm, "hello"), ".") {
            Ok(_) => {
                let site = Site::open(&service(realm, "hello")).await;
                let seen = site.send("").await;
                format!("`{}`", header(&seen, "www-authenticate").unwrap_or_default())
            }
            Err(_) => "refused when it is read".to_owned(),
        };
        sheet.row(what, seen, format!("`{expected}`"));
    }
    let key = Signer::p256();
    for (what, scope, expected) in [
        ("a line end in a scope", r"a\r\nSet-Cookie: x=1", ""),
        ("a quotation mark in a scope", r#"a\", error=\"none"#, ""),
        ("a backslash in a scope", r"a\\b", ""),
        ("a letter outside ASCII in a scope", "\u{e9}", ""),
        ("an ordinary scope", "admin", r#", scope="admin""#),
    ] {
        let element = validator("key.jwk", "").replace("\"hello\"", &format!("\"{scope}\""));
        let text = format!("[services.\"/\"]\nauth = [{element}]\n");
        let inside = Router::new().fallback(async || "inside");
        let site = Site::beside(&[("key.jwk", key.jwk().to_string().as_bytes())], &text, inside).await;
        let seen = site.send(format!("Authorization: Bearer {}\r\n", key.good())).await;
        let told = header(&seen, "www-authenticate").unwrap_or_default();
        let lines =
            seen.head.lines().filter(|line| line.to_ascii_lowercase().starts_with("set-cookie")).count();
        let expected = format!(
            "403 with `Bearer realm=\"portcullis\", error=\"insufficient_scope\"{expected}`, and 0 cookies"
        );
        sheet.row(
            format!("{what} that a good token lacks"),
            format!("{} with `{told}`, and {lines} cookies", seen.status),
            expected,
        );
    }
    sheet.settle();
}

/// Counts, and panics where it is called without having said that it is ready.
#[derive(Default)]
struct Strict {
    ready: bool,
    called: Arc<AtomicUsize>,
}

impl Clone for Strict {
    // As tower has it: a clone is not ready because the original was.
    fn clone(&self) -> Self {
        Self { ready: false, called: Arc::clone(&self.called) }
    }
}

impl Service<Request<Body>> for Strict {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called unready");
        self.called.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { Ok(Response::new(Body::empty())) })
    }
}

#[tokio::test]
async fn line_55_a_service_is_called_only_when_it_said_that_it_is_ready() {
    let mut sheet = Sheet::new(55, "Services that may be called only when they are ready");
    // A hash has to be computed, so that the decision is waited for.
    let text = "[[auth.users]]\nusername = \"alice\"\npasswordHash = \"$2b$04$c2FsdHNhbHRzYWx0c2FsdO3qsAnPKj/uqzgpLZF/QruuDLhHKLID6\"\nscopes = \"hello\"\n[services.\"/\"]\nauth = [{ scopes = \"hello\", fileUserStoreConfig = {} }]\n";
    let good = basic("alice", "p\u{e4}ssword 1");
    let wrong = basic("alice", "wrong");
    let request = |line: &str| {
        let value = line.trim_end().strip_prefix("Authorization: ").unwrap();
        Request::get("/orders").header("authorization", value).body(Body::empty()).unwrap()
    };
    for what in ["bare", "within a limit of one", "behind a buffer", "around a limit of one, behind a buffer"]
    {
        let auth = Config::parse(text, ".").unwrap().service("/").unwrap().build().await.unwrap();
        let layer = AuthLayer::new(auth);
        let strict = Strict::default();
        let called = Arc::clone(&strict.called);
        let requests =
            (0..40).map(|number| (number % 2 == 0, request(if number % 2 == 0 { &good } else { &wrong })));
        // One after the other, and then all at once by clones.
        let statuses: Vec<(bool, u16)> = match what {
            "bare" => all(layer.layer(strict), requests).await,
            "within a limit of one" => all(ConcurrencyLimit::new(layer.layer(strict), 1), requests).await,
            "behind a buffer" => all(Buffer::new(layer.layer(strict), 3), requests).await,
            _ => all(Buffer::new(layer.layer(ConcurrencyLimit::new(strict, 1)), 3), requests).await,
        };
        let right = statuses.iter().all(|(good, status)| *status == if *good { 200 } else { 401 });
        sheet.row(
            what,
            format!(
                "{}, {} of 40 calls",
                if right { "every answer is right" } else { "wrong answers" },
                called.load(Ordering::SeqCst)
            ),
            "every answer is right, 20 of 40 calls",
        );
    }
    sheet.shown_by("a caller who hangs up while the decision is waited for", "crates/tower/tests/readiness.rs::a_caller_who_hangs_up_while_an_element_is_waited_for_gives_the_allowance_back");
    sheet.shown_by(
        "a refusal, which leaves the service ready",
        "crates/tower/tests/readiness.rs::a_refusal_does_not_touch_the_inner_service_and_leaves_it_ready",
    );
    sheet.settle();
}

/// What becomes of all these requests, sent at once.
async fn all<S>(service: S, requests: impl Iterator<Item = (bool, Request<Body>)>) -> Vec<(bool, u16)>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone,
    S::Error: std::fmt::Debug,
{
    let sent = requests.map(|(good, request)| {
        let service = service.clone();
        async move { (good, service.oneshot(request).await.unwrap().status().as_u16()) }
    });
    futures_util::future::join_all(sent).await
}
