//! What is sent, byte by byte.

use std::sync::Arc;

use http::StatusCode;
use portcullis_core::{AssertionSigner, OnBehalfOf, Secret, TokenError, TokenSource as _, UnixTime};
use portcullis_outbound::Endpoint;
use portcullis_testing::TestPrincipal;

use super::{super::TokenType, Bench, bearer, secs};
use crate::{ClientAuthentication, CredentialBearer, TokenExchangeConfig};

impl Bench {
    /// The one body that was posted.
    fn body(&self) -> String {
        let calls = self.server.calls();
        assert_eq!(calls.len(), 1);
        String::from_utf8(calls[0].body.to_vec()).unwrap()
    }
}

#[tokio::test]
async fn the_smallest_exchange_says_what_token_is_exchanged_and_of_what_kind() {
    let bench = Bench::new().await;
    assert_eq!(bench.text("caller's/token").await, "access-1");
    assert_eq!(
        bench.body(),
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange\
         &subject_token=caller%27s%2Ftoken\
         &subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token"
    );
    let calls = bench.server.calls();
    assert_eq!(calls[0].header("authorization"), Some("Basic Z2F0ZXdheTpzM2NyZXQ="));
    assert_eq!(calls[0].header("content-type"), Some("application/x-www-form-urlencoded"));
}

#[tokio::test]
async fn the_largest_says_all_that_is_configured_in_its_order() {
    let bench = Bench::with(|config| {
        config
            .audience(["orders", "b&lling"])
            .resource(["https://orders.example/v1", "urn:billing"])
            .scopes(["read", "write"])
            .subject_token_type(TokenType::jwt())
            .requested_token_type(TokenType::access_token())
            .actor(Arc::new(bearer("our.own+token")), TokenType::jwt())
            .optional_param("tenant", "blü")
            .credential_bearer(CredentialBearer::PostBody)
    })
    .await;
    bench.text("caller").await;
    assert_eq!(
        bench.body(),
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange\
         &subject_token=caller\
         &subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt\
         &actor_token=our.own%2Btoken\
         &actor_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt\
         &requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token\
         &audience=orders&audience=b%26lling\
         &resource=https%3A%2F%2Forders.example%2Fv1&resource=urn%3Abilling\
         &scope=read+write&tenant=bl%C3%BC&client_id=gateway&client_secret=s3cret"
    );
    assert_eq!(bench.server.calls()[0].header("authorization"), None);
}

/// The same in the other way.
fn on_behalf_of(mut config: TokenExchangeConfig) -> TokenExchangeConfig {
    let other = TokenExchangeConfig::on_behalf_of(
        config.settings.endpoint.clone(),
        config.settings.authentication.clone(),
    );
    config.protocol = other.protocol;
    config.scopes(["orders"])
}

#[tokio::test]
async fn entra_is_given_the_callers_token_as_an_assertion() {
    let bench = Bench::with(|config| {
        on_behalf_of(config)
            .scopes(["https://graph.microsoft.com/user.read", "offline_access"])
            .credential_bearer(CredentialBearer::PostBody)
    })
    .await;
    assert_eq!(bench.text("caller").await, "access-1");
    assert_eq!(
        bench.body(),
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer\
         &assertion=caller&requested_token_use=on_behalf_of\
         &scope=https%3A%2F%2Fgraph.microsoft.com%2Fuser.read+offline_access\
         &client_id=gateway&client_secret=s3cret"
    );
    assert_eq!(bench.server.subject_of("access-1").as_deref(), Some("caller"));
}

/// Signs `assertion-1`, `assertion-2` and so on.
#[derive(Debug, Default)]
struct Counting(std::sync::atomic::AtomicUsize);

impl AssertionSigner for Counting {
    fn sign(&self) -> Result<Secret, TokenError> {
        let number = 1 + self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(Secret::new(format!("assertion-{number}")))
    }
}

#[tokio::test]
async fn a_client_that_signs_says_who_it_is_anew_with_each_exchange() {
    let bench = Bench::with(|config| {
        config.authentication(ClientAuthentication::assertion("gateway", Arc::new(Counting::default())))
    })
    .await;
    // What the assertion says is another test's matter.
    bench.server.answer_with(http::Response::new(
        r#"{"access_token":"t","token_type":"Bearer","issued_token_type":"urn:ietf:params:oauth:token-type:access_token"}"#,
    ));
    bench.text("one").await;
    bench.text("two").await;
    for (call, number) in bench.server.calls().iter().zip(1..) {
        assert_eq!(call.parameter("client_id").as_deref(), Some("gateway"));
        assert_eq!(call.parameter("client_assertion"), Some(format!("assertion-{number}")));
        assert_eq!(
            call.parameter("client_assertion_type").as_deref(),
            Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
        );
        assert_eq!((call.header("authorization"), call.parameter("client_secret")), (None, None));
    }
    assert_eq!(bench.calls(), 2);
}

#[tokio::test]
async fn the_token_of_a_request_is_exchanged_until_it_expires() {
    let end = UnixTime::from_secs(4_000_000_000);
    let caller = TestPrincipal::new("alice").expires_at(end).principal();
    let subject = OnBehalfOf::caller(&caller).unwrap();
    let token = subject.subject_token().expose().to_owned();
    let bench = Bench::new().await;
    let source = bench.exchange.on_behalf_of(&subject).unwrap();
    source.token().await.unwrap();
    assert_eq!(bench.server.calls()[0].parameter("subject_token"), Some(token));
    bench.manual.set(end.saturating_sub(secs(1)));
    assert!(source.try_token().is_some());
    bench.manual.set(end);
    assert!(source.try_token().is_none());
    assert!(!source.token().await.unwrap_err().is_transient());
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn without_a_caller_nothing_is_asked() {
    for bench in [Bench::new().await, Bench::with(on_behalf_of).await] {
        let error = bench.exchange.token().await.unwrap_err();
        assert!(!error.is_transient());
        assert_eq!(
            error.to_string(),
            "this client calls on behalf of a caller: say whose, with `on_behalf_of`"
        );
        assert_eq!(bench.exchange.try_token(), None);
        assert!(!bench.exchange.refused(&bearer("x")));
        let error = bench.error("").await;
        assert_eq!(error.to_string(), "the caller's token is empty: there is nothing to exchange");
        assert!(!error.is_transient());
        assert_eq!(bench.calls(), 0);
    }
}

#[test]
fn what_cannot_work_is_told_at_once() {
    let endpoint = || Endpoint::parse("https://localhost/token").unwrap();
    let client = || ClientAuthentication::secret("gateway", "s3cret");
    let told = |config: TokenExchangeConfig| {
        let error = crate::TokenExchange::new(config).unwrap_err();
        error.to_string().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        told(
            TokenExchangeConfig::new(endpoint(), client())
                .audience(["orders", " "])
                .resource(["https://orders.example/#part"])
                .scopes([""])
                .optional_param("subject_token", "x")
                .optional_param("actor_token", "x")
        ),
        [
            "scopes: holds an empty scope: name it, or leave it out",
            "optionalParams.subject_token: is sent by this record itself, and would be sent twice: remove it",
            "optionalParams.actor_token: is sent by this record itself, and would be sent twice: remove it",
            "audience: holds an empty name: name the service, or leave it out",
            "resource: holds what is no absolute URI without fragment, such as https://orders.example",
        ]
    );
    let no_part =
        |key: &str| format!("{key}: is no part of this grant: name what the token is for in `scopes`");
    assert_eq!(
        told(
            TokenExchangeConfig::on_behalf_of(endpoint(), client())
                .audience(["orders"])
                .resource(["https://orders.example"])
                .subject_token_type(TokenType::jwt())
                .requested_token_type(TokenType::jwt())
                .actor(Arc::new(bearer("own")), TokenType::jwt())
                .optional_param("assertion", "x")
        ),
        [
            "optionalParams.assertion: is sent by this record itself, and would be sent twice: remove it"
                .to_owned(),
            "scopes: required, and missing: it alone says what the token is for".to_owned(),
            no_part("audience"),
            no_part("resource"),
            no_part("subjectTokenType"),
            no_part("requestedTokenType"),
            no_part("actor"),
        ]
    );
}

#[test]
fn on_behalf_of_asks_for_scopes() {
    let config = |scopes: &[&str]| {
        let config = TokenExchangeConfig::on_behalf_of(
            Endpoint::parse("https://localhost/token").unwrap(),
            ClientAuthentication::secret("gateway", "s3cret"),
        );
        crate::TokenExchange::new(config.scopes(scopes.iter().copied()))
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    assert_eq!(config(&["orders"]), Ok(()));
    for (scopes, told) in [
        (&[][..], "scopes: required, and missing: it alone says what the token is for"),
        (&[" "], "scopes: holds an empty scope: name it, or leave it out"),
        (&["orders", ""], "scopes: holds an empty scope: name it, or leave it out"),
    ] {
        assert_eq!(config(scopes), Err(told.to_owned()), "{scopes:?}");
    }
}

#[tokio::test]
async fn a_probe_tries_a_token_that_nobody_issued() {
    let bench = Bench::new().await;
    let probe = |bench: &Bench| {
        let exchange = bench.exchange.clone();
        async move { exchange.probe().await.remove(0).result }
    };
    let error = probe(&bench).await.unwrap_err();
    assert!(error.ends_with("exchanges a token that nobody issued: anybody could have one of it"), "{error}");
    bench.server.accept_subject("caller");
    assert_eq!(probe(&bench).await.unwrap(), "answers; a token that nobody issued is not exchanged");
    let sent = bench.server.calls().remove(1).parameter("subject_token").unwrap();
    assert!(sent.starts_with("portcullis-probe-"), "{sent}");
    bench.server.require_client("gateway", "another");
    let error = probe(&bench).await.unwrap_err();
    assert!(error.contains("refuses the client, 401 (\"invalid_client\"): check `clientId`"), "{error}");
    bench.server.go_down().await;
    let error = bench.of("caller").probe().await.remove(0).result.unwrap_err();
    assert!(error.contains("cannot be asked"), "{error}");
    // Nothing of it counts.
    bench.server.come_back().await;
    bench.server.require_client("gateway", "s3cret");
    for (answer, expected) in [
        (r#"{"error":"invalid_grant"}"#, Ok("answers; a token that nobody issued is not exchanged")),
        (r#"{"error":"server_error"}"#, Err(r#"answered 200 ("server_error")"#)),
        ("<html>", Err("gave an answer that is not JSON")),
    ] {
        bench.answer_next(StatusCode::OK, answer);
        match (probe(&bench).await, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
            (found, _) => panic!("{answer}: {found:?}"),
        }
    }
    assert_eq!(bench.text("caller").await, "access-2");
}
