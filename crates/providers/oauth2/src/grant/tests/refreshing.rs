//! A refresh token that somebody obtained (RFC 6749 §6).

use std::sync::Arc;

use http::{Response, StatusCode};
use portcullis_core::TokenSource as _;
use portcullis_outbound::Endpoint;
use portcullis_testing::{GrantType, TestTokenEndpoint};

use super::{Bench, MINUTE, at, bodies, endpoint};
use crate::{
    ClientAuthentication, CredentialBearer, RefreshTokenGrant, RefreshTokenGrantConfig,
    fixtures::{bearer, text},
};

const TOKEN: &str = "XlfBs91yquexJqDaKEMzVg==";

fn config(server: &TestTokenEndpoint) -> RefreshTokenGrantConfig {
    RefreshTokenGrantConfig::new(at(server), TOKEN, ClientAuthentication::secret("app", "secret"))
}

fn bench(server: &TestTokenEndpoint) -> Bench {
    server.accept_refresh_token(TOKEN);
    Bench::new(|clock| RefreshTokenGrant::new(config(server).clock(clock)).unwrap())
}

#[tokio::test]
async fn the_refresh_token_is_sent_as_a_form() {
    for (bearer, secret) in [
        (CredentialBearer::AuthHeader, ""),
        (CredentialBearer::PostBody, "&client_id=app&client_secret=secret"),
    ] {
        let server = endpoint().await;
        server.accept_refresh_token(TOKEN);
        let config = config(&server).scopes(["a", "b"]).optional_param("o", "1").credential_bearer(bearer);
        let source = RefreshTokenGrant::new(config).unwrap();
        assert_eq!(text(&source.token().await.unwrap()), "access-1");
        let expected = format!(
            "grant_type=refresh_token&refresh_token=XlfBs91yquexJqDaKEMzVg%3D%3D&scope=a+b&o=1{secret}"
        );
        assert_eq!(bodies(&server), [expected]);
    }
}

#[tokio::test]
async fn a_new_refresh_token_replaces_the_old_one_and_without_one_the_old_one_stays() {
    let server = endpoint().await;
    let bench = bench(&server);
    server.with_refresh_tokens();
    assert_eq!((bench.token().await, bench.next().await), ("access-1".into(), "access-2".into()));
    server.with_lasting_refresh_tokens();
    assert_eq!((bench.next().await, bench.next().await), ("access-3".into(), "access-4".into()));
    let sent: Vec<String> =
        server.calls().iter().map(|call| call.parameter("refresh_token").unwrap()).collect();
    assert_eq!(sent, [TOKEN, "refresh-1", "refresh-2", "refresh-2"]);
}

#[tokio::test]
async fn a_refresh_token_good_for_one_use_is_used_once_by_a_thousand_callers() {
    let server = endpoint().await;
    server.with_refresh_tokens();
    let bench = bench(&server);
    for round in 1..4 {
        let callers: Vec<_> = (0..1_000)
            .map(|_| {
                let source = Arc::clone(&bench.source);
                tokio::spawn(async move { text(&source.token().await.unwrap()) })
            })
            .collect();
        for caller in callers {
            assert_eq!(caller.await.unwrap(), format!("access-{round}"));
        }
        assert_eq!(server.call_count(), round);
        bench.clock.advance(MINUTE);
    }
}

#[tokio::test]
async fn one_that_the_server_refuses_is_told_as_such_and_the_server_left_alone() {
    let server = endpoint().await;
    let bench = bench(&server);
    server.forget_refresh_tokens();
    for _ in 0..59 {
        let error = bench.error().await;
        let expected = format!(
            "the token endpoint {} refuses the refresh token, 400 (\"invalid_grant\"): it has expired, was revoked, or was \
             used elsewhere: put a new one into `refreshToken`",
            server.url()
        );
        assert_eq!(error.to_string(), expected);
        assert!(!error.is_transient());
        assert!(!bench.source.refused(&bearer("old")), "no other can be had");
        bench.clock.advance(MINUTE / 60);
    }
    assert_eq!(server.call_count(), 1);
    bench.clock.advance(MINUTE / 60);
    server.accept_refresh_token(TOKEN);
    assert_eq!(bench.token().await, "access-1", "the one and only is tried again once a minute");
}

#[tokio::test]
async fn trouble_costs_no_refresh_token_and_retry_after_is_waited_for() {
    let server = endpoint().await;
    let bench = bench(&server);
    let busy = Response::builder().status(StatusCode::TOO_MANY_REQUESTS).header("retry-after", "30");
    server.answer_next_with(busy.body("").unwrap());
    for _ in 0..30 {
        let error = bench.error().await;
        assert!(error.to_string().ends_with("answered 429") && error.is_transient(), "{error}");
        bench.clock.advance(MINUTE / 60);
    }
    assert_eq!(server.call_count(), 1);
    assert_eq!(bench.token().await, "access-1");
    server.go_down().await;
    bench.clock.advance(MINUTE);
    let error = bench.error().await;
    assert!(format!("{error:?}").contains(&server.origin()), "{error:?}");
    server.come_back().await;
    server.accept_refresh_token(TOKEN);
    assert_eq!(bench.next().await, "access-2");
    assert_eq!(server.count(GrantType::RefreshToken), 3);
}

#[tokio::test]
async fn a_probe_uses_no_refresh_token() {
    let server = endpoint().await;
    server.with_refresh_tokens();
    let bench = bench(&server);
    let probe = async || {
        let probe = bench.source.probe().await.remove(0);
        assert_eq!((probe.role, probe.url), ("token", server.url()));
        probe.result
    };
    assert_eq!(probe().await.as_deref(), Ok("answers; a refresh token that nobody issued is refused"));
    let sent = server.calls()[0].parameter("refresh_token").unwrap();
    assert!(sent.starts_with("portcullis-probe-"), "{sent}");
    assert_eq!((bench.token().await, bench.next().await), ("access-1".into(), "access-2".into()));
    // It says what is wrong, and nothing of it counts.
    for (status, answer, expected) in [
        (
            401,
            r#"{"error":"invalid_client"}"#,
            r#"refuses the client, 401 ("invalid_client"): check `clientId`"#,
        ),
        (503, r#"{"error":"invalid_grant"}"#, r#"answered 503 ("invalid_grant")"#),
        (200, "<html>", "gave an answer that is not JSON"),
        (200, r#"{"access_token":"canary","token_type":"Bearer"}"#, "anybody could have one of it"),
    ] {
        server.answer_next(StatusCode::from_u16(status).unwrap(), answer);
        let error = probe().await.unwrap_err();
        assert!(error.contains(expected) && !error.contains("canary"), "{error}");
    }
    server.go_down().await;
    assert!(probe().await.unwrap_err().contains("cannot be asked"));
    assert_eq!(bench.token().await, "access-2");
    server.come_back().await;
    assert_eq!(bench.next().await, "access-3");
}

#[test]
fn what_cannot_work_is_told_when_the_source_is_built() {
    let endpoint = Endpoint::parse("https://localhost/token").unwrap();
    let config = RefreshTokenGrantConfig::new(endpoint, "", ClientAuthentication::none());
    let error = RefreshTokenGrant::new(config.optional_param("refresh_token", "x")).unwrap_err();
    let expected = [
        "refreshToken: an empty secret protects nothing: set it",
        "clientId: required, and missing: a refresh token is a client's",
        "optionalParams.refresh_token: is sent by this record itself, and would be sent twice: remove it",
    ];
    assert_eq!(error.to_string().lines().collect::<Vec<_>>(), expected);
}
