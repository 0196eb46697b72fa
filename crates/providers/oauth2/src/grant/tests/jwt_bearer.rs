//! The JWT bearer grant (RFC 7523 §2.1).

use std::sync::Arc;

use portcullis_core::{AssertionSigner, Secret, TokenError};
use portcullis_outbound::{ClientConfig, Endpoint};
use portcullis_testing::{GrantType, TestTokenEndpoint};

use super::{Bench, MINUTE, Numbered, at, bodies, endpoint};
use crate::{ClientAuthentication, JwtBearerGrant, JwtBearerGrantConfig};

const GRANT: &str = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";

fn bench(config: JwtBearerGrantConfig) -> Bench {
    Bench::new(|clock| JwtBearerGrant::new(config.clock(clock)).unwrap())
}

fn fixed(server: &TestTokenEndpoint) -> JwtBearerGrantConfig {
    server.accept_assertion("e30.e30.c2ln");
    JwtBearerGrantConfig::new(at(server), "e30.e30.c2ln")
}

#[tokio::test]
async fn a_fixed_assertion_is_sent_and_later_the_refresh_token_without_scopes() {
    let server = endpoint().await;
    server.member("refresh_token", "refresh-1");
    let config = fixed(&server).scopes(["a"]).optional_param("o", "1");
    let bench = bench(config.authentication(ClientAuthentication::public("app")));
    assert_eq!(bench.token().await, "access-1");
    server.accept_refresh_token("refresh-1");
    assert_eq!(bench.next().await, "access-2");
    assert_eq!(
        bodies(&server),
        [
            format!("{GRANT}&assertion=e30.e30.c2ln&scope=a&o=1&client_id=app"),
            "grant_type=refresh_token&refresh_token=refresh-1&o=1&client_id=app".to_owned(),
        ]
    );
}

#[tokio::test]
async fn it_is_sent_again_where_no_refresh_token_came_or_the_server_refuses_that() {
    let server = endpoint().await;
    let bench = bench(fixed(&server));
    assert_eq!((bench.token().await, bench.next().await), ("access-1".into(), "access-2".into()));
    assert_eq!(server.count(GrantType::JwtBearer), 2);
    server.member("refresh_token", "refresh-1");
    assert_eq!(bench.next().await, "access-3");
    assert_eq!(bench.next().await, "access-4");
    assert_eq!((server.count(GrantType::JwtBearer), server.count(GrantType::RefreshToken)), (4, 1));
}

#[tokio::test]
async fn one_that_the_server_refuses_is_told_as_such() {
    let server = endpoint().await;
    let bench = bench(fixed(&server));
    server.answer_next(
        http::StatusCode::BAD_REQUEST,
        r#"{"error":"invalid_grant","error_description":"canary"}"#,
    );
    let error = bench.error().await;
    let expected = format!(
        "the token endpoint {} refuses the assertion, 400 (\"invalid_grant\"): it may have expired: put a new one into \
         `assertion`",
        server.url()
    );
    assert_eq!((error.to_string(), error.is_transient()), (expected, false));
    assert_eq!(error.retry_after(), Some(MINUTE));
}

#[tokio::test]
async fn assertions_that_are_signed_are_fresh_each_time_and_need_no_refresh_token() {
    let server = endpoint().await;
    server.member("refresh_token", "refresh-1");
    let bench = bench(JwtBearerGrantConfig::signed(at(&server), Arc::new(Numbered::default())));
    for number in 1..4 {
        assert_eq!(bench.next().await, format!("access-{number}"));
    }
    let expected = [1, 2, 3].map(|number| format!("{GRANT}&assertion=canary-assertion-{number}"));
    assert_eq!(bodies(&server), expected);
}

#[derive(Debug)]
struct NoKey;

impl AssertionSigner for NoKey {
    fn sign(&self) -> Result<Secret, TokenError> {
        Err(TokenError::permanent("the key cannot sign"))
    }
}

#[tokio::test]
async fn what_cannot_be_signed_is_not_asked_for() {
    let server = endpoint().await;
    let error = bench(JwtBearerGrantConfig::signed(at(&server), Arc::new(NoKey))).error().await;
    assert_eq!((error.to_string().as_str(), error.is_transient()), ("the key cannot sign", false));
    let client = ClientAuthentication::assertion("app", Arc::new(NoKey));
    let error = bench(fixed(&server).authentication(client)).error().await;
    assert_eq!(error.to_string(), "the key cannot sign");
    assert_eq!(server.call_count(), 0);
}

#[test]
fn what_cannot_work_is_told_when_the_source_is_built() {
    let endpoint = || Endpoint::parse("https://localhost/token").unwrap();
    let config = JwtBearerGrantConfig::new(endpoint(), "")
        .optional_param("assertion", "x")
        .optional_param("refresh_token", "x");
    let error = JwtBearerGrant::new(config).unwrap_err();
    let expected = [
        "assertion: an empty secret protects nothing: set it",
        "optionalParams.assertion: is sent by this record itself, and would be sent twice: remove it",
        "optionalParams.refresh_token: is sent by this record itself, and would be sent twice: remove it",
    ];
    assert_eq!(error.to_string().lines().collect::<Vec<_>>(), expected);
    let signer = Arc::new(Numbered::default());
    let config = JwtBearerGrantConfig::signed(endpoint(), signer).optional_param("refresh_token", "not sent");
    assert!(JwtBearerGrant::new(config.client(ClientConfig::new().header("authorization", "x"))).is_ok());
}
