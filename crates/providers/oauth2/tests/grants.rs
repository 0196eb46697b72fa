//! The promises of sources of tokens, kept by every grant.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use portcullis_core::{AssertionSigner, Scheme, Secret, TokenError, TokenSource, UnixTime};
use portcullis_oauth2::{
    ClientAuthentication, ClientCredentials, ClientCredentialsConfig, JwtBearerGrant, JwtBearerGrantConfig,
    PasswordGrant, PasswordGrantConfig, RefreshConfig, RefreshTokenGrant, RefreshTokenGrantConfig,
};
use portcullis_outbound::{ClientConfig, Endpoint};
use portcullis_testing::{
    ManualClock, TestTokenEndpoint,
    contract::{SourceCase, token_source_keeps_its_contract},
};

const SECRETS: [&str; 4] =
    ["canary-secret:%&+= \u{fc}", "canary-password:%&+=", "canary-refresh-token", "canary-assertion"];

#[derive(Debug, Default)]
struct Signer(AtomicUsize);

impl AssertionSigner for Signer {
    fn sign(&self) -> Result<Secret, TokenError> {
        Ok(Secret::new(format!("{}{}", SECRETS[3], self.0.fetch_add(1, Ordering::Relaxed))))
    }
}

fn at(server: &TestTokenEndpoint) -> Endpoint {
    Endpoint::parse(&server.url()).unwrap()
}

async fn server() -> Arc<TestTokenEndpoint> {
    let server = TestTokenEndpoint::start().await;
    server.user("zoe", SECRETS[1]);
    server.accept_refresh_token(SECRETS[2]);
    server.with_refresh_tokens();
    Arc::new(server)
}

async fn keeps_the_contract(server: Arc<TestTokenEndpoint>, source: impl TokenSource) {
    token_source_keeps_its_contract(SourceCase {
        source: Arc::new(source),
        scheme: Scheme::Bearer,
        renews: true,
        subject: None,
        requests: Some(Box::new(move || server.call_count())),
        secrets: SECRETS.map(str::to_owned).to_vec(),
    })
    .await;
}

#[tokio::test]
async fn client_credentials_keep_it() {
    let server = server().await;
    server.require_client("app", SECRETS[0]);
    let config = ClientCredentialsConfig::new(at(&server), "app", SECRETS[0]);
    keeps_the_contract(Arc::clone(&server), ClientCredentials::new(config).unwrap()).await;
}

#[tokio::test]
async fn the_password_grant_keeps_it_with_and_without_refresh() {
    for refresh in [None, Some(RefreshConfig::inferred())] {
        let server = server().await;
        server.require_client("app", SECRETS[0]);
        let client = ClientAuthentication::secret("app", SECRETS[0]);
        let mut config = PasswordGrantConfig::new(at(&server), "zoe", SECRETS[1]).authentication(client);
        if let Some(refresh) = refresh {
            config = config.refresh(refresh);
        }
        keeps_the_contract(Arc::clone(&server), PasswordGrant::new(config).unwrap()).await;
    }
}

#[tokio::test]
async fn a_refresh_token_keeps_it() {
    let server = server().await;
    server.require_public_client("app");
    let client = ClientAuthentication::public("app");
    let config = RefreshTokenGrantConfig::new(at(&server), SECRETS[2], client);
    keeps_the_contract(Arc::clone(&server), RefreshTokenGrant::new(config).unwrap()).await;
}

#[tokio::test]
async fn the_jwt_bearer_grant_keeps_it_with_and_without_a_key() {
    let signer = || Arc::new(Signer::default());
    for signed in [false, true] {
        let server = server().await;
        let config = if signed {
            JwtBearerGrantConfig::signed(at(&server), signer())
        } else {
            JwtBearerGrantConfig::new(at(&server), SECRETS[3])
        };
        let client = ClientAuthentication::assertion("app", signer());
        let source = JwtBearerGrant::new(config.authentication(client)).unwrap();
        keeps_the_contract(Arc::clone(&server), source).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_callers_on_four_threads_cause_one_request_each_time_a_token_ends() {
    let server = server().await;
    server.expires_in(Some(60));
    let clock = ManualClock::at(UnixTime::from_secs(1_700_000_000));
    let client = ClientAuthentication::public("app");
    let config = RefreshTokenGrantConfig::new(at(&server), SECRETS[2], client).clock(Arc::new(clock.clone()));
    let source: Arc<dyn TokenSource> = Arc::new(RefreshTokenGrant::new(config).unwrap());
    for round in 1..=5 {
        let callers: Vec<_> = (0..1_000)
            .map(|_| {
                let source = Arc::clone(&source);
                tokio::spawn(async move {
                    let at_hand = source.try_token();
                    let token = source.token().await.unwrap();
                    assert!(at_hand.is_none_or(|at_hand| at_hand == token));
                    token.token().unwrap().expose().to_owned()
                })
            })
            .collect();
        for caller in callers {
            assert_eq!(caller.await.unwrap(), format!("access-{round}"));
        }
        assert_eq!(server.call_count(), round);
        clock.advance(Duration::from_secs(60));
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_in_time_is_an_error_that_names_it() {
    let server = server().await;
    let clock = ManualClock::at(UnixTime::from_secs(1_700_000_000));
    let client = ClientConfig::new().clock(Arc::new(clock.clone())).request_timeout(Duration::from_secs(2));
    let config = ClientCredentialsConfig::new(at(&server), "app", SECRETS[0]).client(client);
    let source = Arc::new(ClientCredentials::new(config.clock(Arc::new(clock.clone()))).unwrap());
    let _hold = server.hold();
    let asking = tokio::spawn({
        let source = Arc::clone(&source);
        async move { source.token().await }
    });
    server.called(1).await;
    clock.advance(Duration::from_secs(2));
    let error = asking.await.unwrap().unwrap_err();
    let shown = format!("{error:?}");
    let expected = format!("the token endpoint cannot be asked: {}: not answered within 2s", server.url());
    assert!(shown.starts_with(&expected), "{shown}");
    assert!(error.is_transient());
}
