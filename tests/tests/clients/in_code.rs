//! Every source of tokens made in code, held to the contract of sources with its real server.

use std::sync::Arc;

use portcullis::{
    ClientAuth, Clock, Scheme, SendVia as _, TokenSource,
    client::{Authorization, OnBehalfOf},
    jwt::{
        self, ClientAssertionConfig, JwtAssertionSigner, JwtIssuer, JwtIssuerConfig, SelfSignedJwt,
        SigningConfig,
    },
    keys::{ClientTls, TrustAnchors},
    oauth2::{
        ClientAuthentication, ClientCredentials, ClientCredentialsConfig, CredentialBearer, JwtBearerGrant,
        JwtBearerGrantConfig, PasswordGrant, PasswordGrantConfig, RefreshTokenGrant, RefreshTokenGrantConfig,
        TokenExchange, TokenExchangeConfig,
    },
    outbound::{ClientConfig, Endpoint},
};
use portcullis_testing::contract::{SourceCase, token_source_keeps_its_contract};
use portcullis_tests::{ALICE, AuthlibServer, OidcProvider};

use crate::service::{Service, clock, plain};

/// A source whose server counts, which hides `secrets`.
fn case(
    source: impl TokenSource,
    requests: impl Fn() -> usize + Send + Sync + 'static,
    secrets: &[&str],
) -> SourceCase {
    let begun = requests();
    SourceCase {
        source: Arc::new(source),
        scheme: Scheme::Bearer,
        renews: true,
        subject: None,
        requests: Some(Box::new(move || requests() - begun)),
        secrets: secrets.iter().map(|&secret| secret.to_owned()).collect(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_keep_their_contract_with_oidc_provider() {
    let provider = Arc::new(OidcProvider::start());
    let endpoint = || Endpoint::parse(&provider.url("/token")).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(clock());
    let counted = || {
        let provider = Arc::clone(&provider);
        move || provider.count("/token")
    };
    let (id, secret) = OidcProvider::APP;
    let client = || ClientAuthentication::secret(id, secret);

    let config = ClientCredentialsConfig::new(endpoint(), id, secret).clock(Arc::clone(&clock));
    let source = ClientCredentials::new(config.credential_bearer(CredentialBearer::PostBody)).unwrap();
    token_source_keeps_its_contract(case(source, counted(), &[secret])).await;

    let (odd, odd_secret) = OidcProvider::ODD;
    let config = ClientCredentialsConfig::new(endpoint(), odd, odd_secret).clock(Arc::clone(&clock));
    let source = ClientCredentials::new(config).unwrap();
    token_source_keeps_its_contract(case(source, counted(), &[odd_secret])).await;

    let config = PasswordGrantConfig::new(endpoint(), ALICE.0, ALICE.1).authentication(client());
    let source = PasswordGrant::new(config.clock(Arc::clone(&clock))).unwrap();
    token_source_keeps_its_contract(case(source, counted(), &[secret, ALICE.1])).await;

    let refresh = provider.refresh_token("hello");
    let config = RefreshTokenGrantConfig::new(endpoint(), refresh.as_str(), client());
    let source = RefreshTokenGrant::new(config.clock(Arc::clone(&clock))).unwrap();
    token_source_keeps_its_contract(case(source, counted(), &[secret, &refresh])).await;

    let key = SigningConfig::key_file(provider.client_ec_key()).algorithm(jwt::Algorithm::Es256);
    let config = ClientAssertionConfig::new("key-jwt", provider.url("/token"), key).key_id("ec");
    let signer = JwtAssertionSigner::client(config).unwrap();
    let config = ClientCredentialsConfig::new(endpoint(), "-", "-")
        .authentication(ClientAuthentication::assertion("key-jwt", Arc::new(signer)));
    let source = ClientCredentials::new(config.clock(Arc::clone(&clock))).unwrap();
    token_source_keeps_its_contract(case(source, counted(), &[])).await;

    let subject = provider.opaque_of(ALICE, "hello", 600);
    let config = TokenExchangeConfig::new(endpoint(), client()).clock(Arc::clone(&clock));
    let mut exchange = case(TokenExchange::new(config).unwrap(), counted(), &[secret, &subject]);
    exchange.subject = Some(OnBehalfOf::token(subject.as_str(), None));
    token_source_keeps_its_contract(exchange).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_keep_their_contract_with_authlib() {
    let server = Arc::new(AuthlibServer::start());
    let endpoint = || Endpoint::parse(&server.url("/token")).unwrap();
    let anchors = TrustAnchors::from_file(server.certificate()).unwrap();
    let http = || ClientConfig::new().tls(ClientTls::new(anchors.clone()));
    let clock: Arc<dyn Clock> = Arc::new(clock());
    let counted = || {
        let server = Arc::clone(&server);
        move || server.count("/token")
    };
    let key = || SigningConfig::key_file(server.client_key());

    let config =
        JwtIssuerConfig::new(key()).issuer("key-jwt").username("alice").single_audience(server.url("/token"));
    let signer = JwtAssertionSigner::grant(config).unwrap();
    let config = JwtBearerGrantConfig::signed(endpoint(), Arc::new(signer)).client(http());
    let source = JwtBearerGrant::new(config.clock(Arc::clone(&clock))).unwrap();
    token_source_keeps_its_contract(case(source, counted(), &[])).await;

    let refresh = server.refresh_token("hello");
    let client = ClientAuthentication::secret("basic", "basic-secret");
    let config = RefreshTokenGrantConfig::new(endpoint(), refresh.as_str(), client).client(http());
    let source = RefreshTokenGrant::new(config.clock(Arc::clone(&clock))).unwrap();
    token_source_keeps_its_contract(case(source, counted(), &["basic-secret", &refresh])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_without_a_server_keep_their_contract() {
    let secret = "canary-secret-0123456789abcdef-0123456789";
    let issuer = JwtIssuerConfig::new(SigningConfig::secret(secret)).issuer("shop").username("alice");
    let source = SelfSignedJwt::new(JwtIssuer::new(issuer).unwrap());
    let without_server = |source: Arc<dyn TokenSource>, scheme, renews| SourceCase {
        source,
        scheme,
        renews,
        subject: None,
        requests: None,
        secrets: vec![secret.to_owned()],
    };
    token_source_keeps_its_contract(without_server(Arc::new(source), Scheme::Bearer, true)).await;
    for fixed in [Authorization::bearer(&secret.into()), Authorization::basic("alice", &secret.into())] {
        let fixed = fixed.unwrap();
        let scheme = fixed.scheme();
        token_source_keeps_its_contract(without_server(Arc::new(fixed), scheme, false)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_made_in_code_sends_by_reqwest() {
    let provider = OidcProvider::start();
    let service = Service::introspecting(&provider).await;
    let (id, secret) = OidcProvider::APP;
    let endpoint = Endpoint::parse(&provider.url("/token")).unwrap();
    let source = ClientCredentials::new(ClientCredentialsConfig::new(endpoint, id, secret).scopes(["hello"]));
    let orders = ClientAuth::builder(source.unwrap()).name("orders").url(service.origin()).build().unwrap();
    let client = plain();
    let url = format!("{}/who", service.origin());
    for _ in 0..3 {
        assert_eq!(client.get(&url).send_via(&orders).await.unwrap().status(), 200);
    }
    assert_eq!(client.get(&url).send().await.unwrap().status(), 401, "without the door it has no credential");
    assert_eq!(provider.count("/token"), 1);
}
