//! What is sent, and what comes back.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use common::{Tokens, client, endpoint, get, ok, refused, status};
use http::{HeaderValue, Method, Response, StatusCode, header};
use portcullis_core::{Authorization, BoxFuture, Probe, Secret, TokenError};
use portcullis_outbound::{ClientConfig, Endpoint, Form, Get, HttpClient, OutboundErrorKind};
use portcullis_testing::TestServer;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

#[tokio::test]
async fn a_get_names_the_program_and_asks_for_no_compression() {
    let server = TestServer::start(ok).await;
    let url = endpoint(&server.origin(), "/keys?tenant=blue");
    let sent = Get::new()
        .accept("application/jwk-set+json, application/json")
        .if_none_match(HeaderValue::from_static("\"v1\""))
        .if_modified_since(HeaderValue::from_static("Sun, 22 Nov 2026 00:00:00 GMT"));
    let answer = client(ClientConfig::new()).get(&url, sent).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json_object().unwrap()["active"], true);

    let call = &server.calls()[0];
    assert_eq!((&call.method, call.uri.to_string()), (&Method::GET, "/keys?tenant=blue".to_owned()));
    for (name, value) in [
        ("user-agent", concat!("portcullis/", env!("CARGO_PKG_VERSION"))),
        ("accept", "application/jwk-set+json, application/json"),
        ("if-none-match", "\"v1\""),
        ("if-modified-since", "Sun, 22 Nov 2026 00:00:00 GMT"),
        ("host", url.uri().authority().unwrap().as_str()),
    ] {
        assert_eq!(call.header(name), Some(value), "{name}");
    }
    for name in ["accept-encoding", "authorization", "content-type", "content-length", "cookie", "referer"] {
        assert!(!call.headers.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn a_token_that_looks_like_parameters_stays_one_parameter() {
    let server = TestServer::start(ok).await;
    let url = endpoint(&server.origin(), "/introspect");
    let client = client(ClientConfig::new().payload("tenant", "a&b=c").payload("token", "theirs"));
    for token in ["x&client_id=evil", "%26client_id%3devil", "a+b", "a b", "\r\nX-Evil: 1", "ü=&;#?/", ""] {
        let form = Form::new().push("token", token).push("token_type_hint", "access_token");
        client.post_form(&url, &form).await.unwrap();
        let calls = server.calls();
        let call = calls.last().unwrap();
        let expected = [("token", token), ("token_type_hint", "access_token"), ("tenant", "a&b=c")];
        assert_eq!(
            call.parameters(),
            expected.map(|(name, value)| (name.to_owned(), value.to_owned())),
            "{:?}",
            call.body
        );
        assert_eq!(call.method, Method::POST);
        assert_eq!(call.header("content-type"), Some("application/x-www-form-urlencoded"));
        assert_eq!(call.header("accept"), Some("application/json"));
        assert_eq!(call.header("content-length"), Some(call.body.len().to_string().as_str()));
        assert!(!call.headers.contains_key("x-evil"));
    }
}

#[tokio::test]
async fn custom_headers_are_sent_unless_the_call_goes_elsewhere() {
    let server = TestServer::start(ok).await;
    let url = endpoint(&server.origin(), "/");
    let config = ClientConfig::new()
        .header("X-Tenant", "canary")
        .header("user-agent", "mine")
        .header("Authorization", "Basic abc")
        .payload("secret", "canary");
    let client = client(config);
    client.get(&url, Get::new()).await.unwrap();
    client.get(&url, Get::new().without_credentials()).await.unwrap();
    client.post_form(&url, &Form::new()).await.unwrap();
    let calls = server.calls();
    for call in [&calls[0], &calls[2]] {
        assert_eq!(call.header("x-tenant"), Some("canary"));
        assert_eq!(call.header("user-agent"), Some("mine"));
        assert_eq!(call.header("authorization"), Some("Basic abc"));
    }
    assert_eq!(calls[0].body, "", "a GET has no form");
    assert_eq!(calls[2].body, "secret=canary");
    assert_eq!(calls[1].headers.get("x-tenant"), None);
    assert_eq!(calls[1].headers.get("authorization"), None);
    assert_eq!(calls[1].header("user-agent"), Some(concat!("portcullis/", env!("CARGO_PKG_VERSION"))));
}

#[tokio::test]
async fn the_token_of_a_source_is_sent_once_unless_the_call_goes_elsewhere() {
    let server = TestServer::start(ok).await;
    let url = endpoint(&server.origin(), "/");
    let client = client(ClientConfig::new().auth(Tokens::new(["canary"])));
    client.get(&url, Get::new()).await.unwrap();
    client.post_form(&url, &Form::new()).await.unwrap();
    client.get(&url, Get::new().without_credentials()).await.unwrap();
    client.post_form(&url, &Form::new().basic_auth("id", "secret")).await.unwrap();
    let found: Vec<Option<String>> =
        server.calls().iter().map(|call| call.header("authorization").map(str::to_owned)).collect();
    let bearer = Some("Bearer canary".to_owned());
    assert_eq!(found, [bearer.clone(), bearer, None, Some("Basic aWQ6c2VjcmV0".to_owned())]);
    let counts: Vec<usize> =
        server.calls().iter().map(|call| call.headers.get_all("authorization").iter().count()).collect();
    assert_eq!(counts, [1, 1, 0, 1]);
}

#[tokio::test]
async fn a_client_that_authenticates_goes_before_a_custom_header() {
    let server = TestServer::start(ok).await;
    let url = endpoint(&server.origin(), "/");
    let client = client(ClientConfig::new().header("authorization", "Bearer x").header("x-a", "b"));
    client.post_form(&url, &Form::new().basic_auth("id", "secret")).await.unwrap();
    assert_eq!(server.calls()[0].header("authorization"), Some("Basic aWQ6c2VjcmV0"));
    assert_eq!(server.calls()[0].header("x-a"), Some("b"));
}

#[tokio::test]
async fn a_refused_token_is_reported_and_the_call_made_once_more_with_another() {
    let server = TestServer::start(|call| match call.header("authorization") {
        Some("Bearer good") => ok(call),
        _ => status(StatusCode::UNAUTHORIZED),
    })
    .await;
    let url = endpoint(&server.origin(), "/");
    let tokens = Tokens::new(["stale", "good"]);
    let renewing = client(ClientConfig::new().auth(tokens.clone()));
    let answer = renewing.post_form(&url, &Form::new().push("token", "t")).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(tokens.refused(), ["stale"]);
    let bodies: Vec<_> = server.calls().into_iter().map(|call| call.body).collect();
    assert_eq!(bodies, ["token=t", "token=t"]);
    assert_eq!(server.connections(), 1);

    // Refused again: that is the answer.
    let tokens = Tokens::new(["stale", "stale-too", "good"]);
    let twice = client(ClientConfig::new().auth(tokens.clone()));
    assert_eq!(get(&twice, &url).await.unwrap().status, StatusCode::UNAUTHORIZED);
    assert_eq!((tokens.refused(), server.call_count()), (vec!["stale".to_owned()], 4));

    // There is no other: asking again would be no use.
    let tokens = Tokens::new(["stale"]);
    let same = client(ClientConfig::new().auth(tokens.clone()));
    assert_eq!(get(&same, &url).await.unwrap().status, StatusCode::UNAUTHORIZED);
    assert_eq!((tokens.refused(), server.call_count()), (vec!["stale".to_owned()], 5));

    // 403 says nothing about the token, and without a source there is nothing to renew.
    server.fail_with(StatusCode::FORBIDDEN);
    let tokens = Tokens::new(["stale", "good"]);
    let forbidden = client(ClientConfig::new().auth(tokens.clone()));
    assert_eq!(get(&forbidden, &url).await.unwrap().status, StatusCode::FORBIDDEN);
    assert_eq!((tokens.refused(), server.call_count()), (Vec::new(), 6));
    server.recover();
    let without = client(ClientConfig::new().header("authorization", "Bearer stale"));
    assert_eq!(get(&without, &url).await.unwrap().status, StatusCode::UNAUTHORIZED);
    assert_eq!(server.call_count(), 7);
}

/// Gives `stale` and then `next`, whatever it says of a refusal.
#[derive(Debug)]
struct Odd {
    says: bool,
    next: &'static str,
    asked: AtomicBool,
}

impl portcullis_core::TokenSource for Odd {
    fn token(&self) -> BoxFuture<'_, Result<Authorization, TokenError>> {
        let token = if self.asked.swap(true, Ordering::SeqCst) { self.next } else { "stale" };
        Box::pin(async move { Ok(Authorization::bearer(&Secret::new(token)).unwrap()) })
    }

    fn refused(&self, _: &Authorization) -> bool {
        self.says
    }

    fn probe(&self) -> BoxFuture<'_, Vec<Probe>> {
        Box::pin(async { Vec::new() })
    }
}

#[tokio::test]
async fn a_call_is_made_twice_only_where_the_source_has_another_token_and_says_so() {
    let server = TestServer::start(|_| status(StatusCode::UNAUTHORIZED)).await;
    let url = endpoint(&server.origin(), "/");
    for (says, next, calls) in [(false, "good", 1), (true, "stale", 2), (true, "good", 4)] {
        let odd = Arc::new(Odd { says, next, asked: AtomicBool::new(false) });
        let client = client(ClientConfig::new().auth(odd));
        assert_eq!(get(&client, &url).await.unwrap().status, StatusCode::UNAUTHORIZED);
        assert_eq!(server.call_count(), calls, "{says} {next}");
    }
}

#[tokio::test]
async fn without_a_token_nothing_is_sent_and_the_error_is_as_transient_as_its_cause() {
    let server = TestServer::start(ok).await;
    let url = endpoint(&server.origin(), "/");
    let span = Duration::from_secs(7);
    for (error, transient, retry_after) in [
        (TokenError::transient("the token endpoint is away").with_retry_after(span), true, Some(span)),
        (TokenError::permanent("the client secret is refused"), false, None),
    ] {
        let client = client(ClientConfig::new().auth(Tokens::of([Err(error.clone())])));
        let failed = refused(get(&client, &url).await, OutboundErrorKind::Token);
        assert_eq!((failed.is_transient(), failed.retry_after()), (transient, retry_after));
        assert_eq!(format!("{failed:?}"), format!("{url}: there is no token to call it with: {error}"));
    }
    let client = client(ClientConfig::new().auth(Tokens::new(["canary\r\nX-Evil: 1"])));
    let failed = refused(get(&client, &url).await, OutboundErrorKind::Token);
    assert!(!failed.is_transient() && !format!("{failed:?}").contains("canary"), "{failed:?}");
    assert_eq!(server.call_count(), 0);
}

#[tokio::test]
async fn the_error_of_a_second_token_is_told() {
    let server = TestServer::start(|_| status(StatusCode::UNAUTHORIZED)).await;
    let tokens = Tokens::of([Ok(Secret::new("stale")), Err(TokenError::transient("away"))]);
    let client = client(ClientConfig::new().auth(tokens));
    let failed = refused(get(&client, &endpoint(&server.origin(), "/")).await, OutboundErrorKind::Token);
    assert!(failed.is_transient());
    assert_eq!(server.call_count(), 1);
}

#[tokio::test]
async fn bad_statuses_are_answers_and_keep_their_headers() {
    let server = TestServer::start(ok).await;
    let url = endpoint(&server.origin(), "/");
    let client = client(ClientConfig::new());
    for code in [200, 201, 204, 206, 304, 400, 401, 403, 404, 429, 500, 503, 599] {
        let answer = Response::builder().status(code).header(header::RETRY_AFTER, "9").body("").unwrap();
        server.answer_with(answer);
        let answer = get(&client, &url).await.unwrap();
        assert_eq!(answer.status.as_u16(), code);
        assert_eq!(answer.retry_after(common::NOW), Some(Duration::from_secs(9)));
    }
}

#[tokio::test]
async fn plain_http_to_another_machine_is_not_sent() {
    let url = Endpoint::parse("http://192.0.2.1/introspect?canary").unwrap();
    let config = ClientConfig::new().auth(Tokens::new([]));
    let error = refused(get(&client(config), &url).await, OutboundErrorKind::NotPermitted);
    assert!(error.to_string().contains("allowInsecureHttp"), "{error}");
    assert!(!error.is_transient() && !format!("{error:?}").contains("canary"));
}

#[test]
fn what_cannot_work_is_said_when_the_client_is_made() {
    let new = ClientConfig::new;
    for (config, expected) in [
        (new().header("a b", "x"), r#"the custom header "a b" is not the name of a header"#),
        (new().header("", "x"), r#"the custom header "" is not the name of a header"#),
        (new().header("x-a", "canary\r\nX-Evil: 1"), "a value that no header can have"),
        (new().header("x-a", "canary\0"), "a value that no header can have"),
        (new().header("x-a", "canary ü"), "a value that no header can have"),
        (new().header("x-a", " canary"), "begins or ends with a blank"),
        (new().header("x-a", "1").header("X-A", "2"), r#"the custom header "X-A" is set twice"#),
        (new().header("AUTHORIZATION", "canary").auth(Tokens::new(["t"])), "would be sent twice"),
        (new().payload("a", "1").payload("b", "1").payload("a", "2"), "has a parameter twice"),
        (new().payload("", "1"), "one without a name"),
        (new().connect_timeout(Duration::ZERO), "a time-out of zero"),
        (new().request_timeout(Duration::ZERO), "a time-out of zero"),
    ] {
        let error = HttpClient::new(config).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
    for name in [
        "Host",
        "content-length",
        "Content-Type",
        "Content-Encoding",
        "Connection",
        "Keep-Alive",
        "Proxy-Connection",
        "Proxy-Authorization",
        "proxy-authenticate",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
        "HTTP2-Settings",
        "Expect",
        "Accept-Encoding",
    ] {
        let error = HttpClient::new(new().header(name, "x")).unwrap_err().to_string();
        assert!(error.contains("belongs to the connection or to the message"), "{name}: {error}");
    }
    assert!(HttpClient::new(new().header("x-a", "a b\t!~").header("Cookie", "a=b")).is_ok());
}

#[test]
fn debug_shows_no_secret() {
    let config = ClientConfig::new()
        .header("x-tenant", "canary-1")
        .payload("client_secret", "canary-2")
        .auth(Tokens::new(["canary-3"]));
    let client = HttpClient::new(config.clone()).unwrap();
    let shown = format!("{config:?} {client:?}");
    assert!(
        !shown.contains("canary") && shown.contains("client_secret") && shown.contains("x-tenant"),
        "{shown}"
    );
}
