//! What reaches a token endpoint (RFC 6749 §4.4.2).

use std::{sync::Arc, time::Duration};

use portcullis_core::TokenSource;
use portcullis_outbound::{ClientConfig, Endpoint};
use portcullis_testing::{ManualClock, TestTls, TestTokenEndpoint};

use crate::{
    ClientCredentials, ClientCredentialsConfig, CredentialBearer,
    fixtures::{NOW, bearer, text},
};

const ID: &str = "a:b/id";
const SECRET: &str = "canary&=%:+ \u{fc}";

fn config(server: &TestTokenEndpoint) -> ClientCredentialsConfig {
    let endpoint = Endpoint::parse(&server.url()).unwrap();
    ClientCredentialsConfig::new(endpoint, ID, SECRET).clock(Arc::new(ManualClock::at(NOW)))
}

async fn token(config: ClientCredentialsConfig) -> String {
    text(&ClientCredentials::new(config).unwrap().token().await.unwrap())
}

#[tokio::test]
async fn the_client_says_who_it_is_in_the_header() {
    let server = TestTokenEndpoint::start().await;
    server.require_client(ID, SECRET);
    let config =
        config(&server).scopes([" view-order ", "place&order"]).optional_param("client", "ballerina=1");
    assert_eq!(token(config).await, "access-1");
    let call = server.calls().remove(0);
    assert_eq!(
        call.body,
        "grant_type=client_credentials&scope=view-order+place%26order&client=ballerina%3D1"
    );
    assert!(call.header("authorization").unwrap().starts_with("Basic "));
    assert_eq!(call.header("accept"), Some("application/json"));
}

#[tokio::test]
async fn or_in_the_body() {
    let server = TestTokenEndpoint::start().await;
    server.require_client(ID, SECRET);
    let client = ClientConfig::new().payload("resource", "orders");
    let config = config(&server).credential_bearer(CredentialBearer::PostBody).client(client);
    assert_eq!(token(config).await, "access-1");
    let call = server.calls().remove(0);
    assert_eq!(
        call.body,
        "grant_type=client_credentials&client_id=a%3Ab%2Fid&client_secret=canary%26%3D%25%3A%2B+%C3%BC&resource=orders"
    );
    assert_eq!(call.header("authorization"), None);
}

#[tokio::test]
async fn a_wrong_secret_is_told_as_such() {
    let server = TestTokenEndpoint::start().await;
    server.require_client(ID, "another");
    for bearer in [CredentialBearer::AuthHeader, CredentialBearer::PostBody] {
        let source = ClientCredentials::new(config(&server).credential_bearer(bearer)).unwrap();
        let error = source.token().await.unwrap_err();
        assert!(error.to_string().contains(r#"refuses the client, 401 ("invalid_client")"#), "{error}");
        assert!(!error.is_transient());
    }
}

#[tokio::test]
async fn a_secret_that_begins_as_a_code_does_not_hide_the_code() {
    let server = TestTokenEndpoint::start().await;
    server.require_client(ID, "another");
    for secret in ["invalid_client_secret", "invalid_client"] {
        let config = ClientCredentialsConfig::new(super::at(&server), ID, secret);
        let error = ClientCredentials::new(config).unwrap().token().await.unwrap_err();
        assert!(error.to_string().contains(r#"401 ("invalid_client")"#), "{error}");
    }
}

#[tokio::test]
async fn over_https_too() {
    let server = TestTokenEndpoint::start_https(TestTls::self_signed()).await;
    let certificates =
        portcullis_keys::parse_certificates(server.certificate_pem().unwrap().as_bytes()).unwrap();
    let anchors = portcullis_keys::TrustAnchors::from_certificates(certificates).unwrap();
    let trusting = ClientConfig::new().tls(portcullis_keys::ClientTls::new(anchors));
    assert_eq!(token(config(&server).client(trusting)).await, "access-1");

    let source = ClientCredentials::new(config(&server)).unwrap();
    let error = format!("{:?}", source.token().await.unwrap_err());
    assert!(error.contains("no TLS with this server"), "{error}");
    assert_eq!(server.call_count(), 1);
}

#[tokio::test]
async fn tokens_are_kept_renewed_and_replaced() {
    let server = TestTokenEndpoint::start().await;
    server.expires_in(Some(60));
    let clock = ManualClock::at(NOW);
    let source = ClientCredentials::new(config(&server).clock(Arc::new(clock.clone()))).unwrap();
    let token = async || text(&source.token().await.unwrap());
    assert_eq!((token().await, token().await), ("access-1".to_owned(), "access-1".to_owned()));
    assert!(source.refused(&bearer("access-1")));
    assert_eq!(token().await, "access-2");
    clock.advance(Duration::from_secs(60));
    assert_eq!(token().await, "access-3");
    assert_eq!(server.issued(), ["access-1", "access-2", "access-3"]);
}

#[tokio::test]
async fn no_secret_shows() {
    let server = TestTokenEndpoint::start().await;
    server.will_issue("canary-token");
    let client = ClientConfig::new().payload("p", "canary").header("x", "canary");
    let config = config(&server).optional_param("o", "canary").client(client);
    let shown = format!("{config:?}");
    let source: Arc<dyn TokenSource> = Arc::new(ClientCredentials::new(config).unwrap());
    assert_eq!(text(&source.token().await.unwrap()), "canary-token");
    for text in [shown, format!("{source:?}"), format!("{:?}", source.probe().await)] {
        assert!(!text.contains("canary"), "{text}");
    }
}

#[test]
fn what_cannot_work_is_told_when_the_source_is_built() {
    let endpoint = || Endpoint::parse("https://localhost/token").unwrap();
    let client = ClientConfig::new().header("Authorization", "x").payload("scope", "y");
    let error = ClientCredentials::new(
        ClientCredentialsConfig::new(endpoint(), "", "")
            .scopes([" "])
            .optional_param("grant_type", "x")
            .client(client),
    )
    .unwrap_err();
    let expected = [
        "clientId: must not be empty",
        "clientSecret: an empty secret protects nothing: set it",
        "clientConfig.customHeaders: `Authorization` stands beside the client's own id and secret: keep one of them",
        "scopes: holds an empty scope: name it, or leave it out",
        "optionalParams.grant_type: is sent by this record itself, and would be sent twice: remove it",
        "clientConfig.customPayload: `scope` is sent by this record itself: remove it",
    ];
    assert_eq!(error.to_string().lines().collect::<Vec<_>>(), expected);

    let inner = ClientCredentials::new(ClientCredentialsConfig::new(endpoint(), "a", "b")).unwrap();
    let nested = ClientConfig::new().auth(Arc::new(inner));
    let error = ClientCredentials::new(ClientCredentialsConfig::new(endpoint(), "a", "b").client(nested))
        .unwrap_err();
    assert!(error.to_string().starts_with("clientConfig.auth: a token endpoint is asked"), "{error}");
}

#[tokio::test]
async fn an_endpoint_that_may_take_long_is_asked_once_for_all_who_come_meanwhile() {
    let server = TestTokenEndpoint::start().await;
    let clock = ManualClock::at(NOW);
    let most = Duration::from_secs(600);
    let client = ClientConfig::new().clock(Arc::new(clock.clone())).request_timeout(most);
    let config = config(&server).client(client).clock(Arc::new(clock.clone()));
    let source = Arc::new(ClientCredentials::new(config).unwrap());
    let ask = || {
        let source = Arc::clone(&source);
        tokio::spawn(async move { source.token().await })
    };
    let hold = server.hold();
    let first = ask();
    server.called(1).await;
    clock.advance(most - Duration::from_secs(1));
    let second = ask();
    // Whoever gave it up would ask again now.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    hold.release();
    for caller in [first, second] {
        assert_eq!(text(&caller.await.unwrap().unwrap()), "access-1");
    }
    assert_eq!(server.call_count(), 1);
}
