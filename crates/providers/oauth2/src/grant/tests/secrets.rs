//! What must not be seen, and what has to arrive as it is.

use std::{fmt::Debug, sync::Arc};

use http::StatusCode;
use portcullis_core::TokenSource;
use portcullis_outbound::ClientConfig;
use portcullis_testing::{TestTokenEndpoint, contract::shows_no_secret};

use super::{Bench, MINUTE, Numbered, at, endpoint};
use crate::{
    ClientAuthentication, ClientCredentials, ClientCredentialsConfig, CredentialBearer, JwtBearerGrant,
    JwtBearerGrantConfig, PasswordGrant, PasswordGrantConfig, RefreshConfig, RefreshTokenGrant,
    RefreshTokenGrantConfig, RotationHook, fixtures::Log,
};

const ID: &str = "a:b/%id \u{e9}";
const SECRET: &str = "canary&=%:+ \u{fc}\u{4e2d}";

#[tokio::test]
async fn any_secret_arrives_as_it_is_both_ways() {
    for (bearer, header, body) in [
        (
            CredentialBearer::AuthHeader,
            Some("Basic YSUzQWIlMkYlMjVpZCslQzMlQTk6Y2FuYXJ5JTI2JTNEJTI1JTNBJTJCKyVDMyVCQyVFNCVCOCVBRA=="),
            "",
        ),
        (
            CredentialBearer::PostBody,
            None,
            "&client_id=a%3Ab%2F%25id+%C3%A9&client_secret=canary%26%3D%25%3A%2B+%C3%BC%E4%B8%AD",
        ),
    ] {
        let server = endpoint().await;
        server.require_client(ID, SECRET);
        let config = ClientCredentialsConfig::new(at(&server), ID, SECRET).credential_bearer(bearer);
        let bench = Bench::new(|clock| ClientCredentials::new(config.clock(clock)).unwrap());
        assert_eq!(bench.token().await, "access-1");
        let call = server.calls().remove(0);
        assert_eq!(call.header("authorization"), header);
        assert_eq!(call.body, format!("grant_type=client_credentials{body}"));
    }
}

const SECRETS: [&str; 12] = [
    "canary-secret-1",
    "canary-password-2",
    "canary-refresh-3",
    "canary-assertion-",
    "canary-param-5",
    "canary-payload-6",
    "canary-header-7",
    "canary-access-8",
    "canary-rotated-9",
    "canary-query-10",
    "canary-description-11",
    "canary-fixed-12",
];

fn shown(what: &impl Debug) -> String {
    format!("{what:?} {what:#?}")
}

async fn server() -> TestTokenEndpoint {
    let server = endpoint().await;
    server.user("zoe", SECRETS[1]);
    server.member("refresh_token", SECRETS[8]);
    server.accept_refresh_token(SECRETS[2]);
    server
}

/// Everything that can be seen of a source, while all goes well and while nothing does.
async fn seen<S: TokenSource>(server: &TestTokenEndpoint, source: S, clock: impl Fn()) -> String {
    server.will_issue(SECRETS[7]);
    let mut texts = vec![shown(&source)];
    texts.push(shown(&source.token().await.unwrap()));
    texts.push(shown(&source));
    clock();
    let bad = format!(r#"{{"error":"invalid_grant","error_description":"{}"}}"#, SECRETS[10]);
    let repeated = serde_json::json!({"error": format!("bad {}", SECRETS.join(" "))}).to_string();
    for (status, body) in [
        (StatusCode::BAD_REQUEST, repeated.as_str()),
        (StatusCode::BAD_REQUEST, bad.as_str()),
        (StatusCode::UNAUTHORIZED, bad.as_str()),
        (StatusCode::INTERNAL_SERVER_ERROR, SECRETS[10]),
        (StatusCode::OK, r#"{"access_token":"canary-access-8 x","token_type":"Bearer"}"#),
        (StatusCode::OK, r#"{"access_token":"canary-access-8","access_token":"canary-access-8"}"#),
    ] {
        server.fail_with(status);
        server.answer_with(http::Response::builder().status(status).body(body.to_owned()).unwrap());
        let error = source.token().await.unwrap_err();
        texts.push(format!("{error} {}", shown(&error)));
        texts.push(shown(&source.probe().await));
        clock();
    }
    server.recover();
    server.go_down().await;
    let error = source.token().await.unwrap_err();
    texts.push(format!("{error} {}", shown(&error)));
    server.come_back().await;
    texts.join("\n")
}

#[tokio::test]
async fn nothing_shows_in_debug_errors_probes_and_logs() {
    let log = Log::default();
    let _guard = log.listen();
    let mut texts = Vec::new();
    for grant in 0..5 {
        let server = server().await;
        let clock = portcullis_testing::ManualClock::at(crate::fixtures::NOW);
        let endpoint =
            portcullis_outbound::Endpoint::parse(&format!("{}?q={}", server.url(), SECRETS[9])).unwrap();
        let client = || ClientConfig::new().payload("p", SECRETS[5]).header("x-key", SECRETS[6]);
        let secret = || ClientAuthentication::secret("app", SECRETS[0]);
        let hook = || RotationHook::new(|_| async { Err("the disk is full".into()) });
        macro_rules! run {
            ($config:expr, $source:ident) => {{
                let config =
                    $config.optional_param("o", SECRETS[4]).client(client()).clock(Arc::new(clock.clone()));
                texts.push(shown(&config));
                let source = $source::new(config).unwrap();
                texts.push(seen(&server, source, || clock.advance(MINUTE * 2)).await);
            }};
        }
        match grant {
            0 => run!(ClientCredentialsConfig::new(endpoint, "app", SECRETS[0]), ClientCredentials),
            1 => run!(
                PasswordGrantConfig::new(endpoint.clone(), "zoe", SECRETS[1])
                    .authentication(secret())
                    .refresh(RefreshConfig::new(endpoint).optional_param("o", SECRETS[4]).client(client()))
                    .on_rotation(hook()),
                PasswordGrant
            ),
            2 => run!(
                RefreshTokenGrantConfig::new(endpoint, SECRETS[2], secret()).on_rotation(hook()),
                RefreshTokenGrant
            ),
            3 => run!(
                JwtBearerGrantConfig::new(endpoint, SECRETS[11])
                    .authentication(secret().clone())
                    .credential_bearer(CredentialBearer::PostBody),
                JwtBearerGrant
            ),
            _ => run!(
                JwtBearerGrantConfig::signed(endpoint, Arc::new(Numbered::default()))
                    .authentication(ClientAuthentication::assertion("app", Arc::new(Numbered::default()))),
                JwtBearerGrant
            ),
        }
    }
    texts.push(log.text());
    let lines = log.lines().join("\n");
    assert!(lines.contains("no token could be fetched") && lines.contains("could not be kept"), "{lines}");
    for text in texts {
        shows_no_secret(&text, &SECRETS);
    }
}
