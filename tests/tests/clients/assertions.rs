//! Clients that sign: `private_key_jwt`, `client_secret_jwt`, and the JWT bearer grant.

use std::{collections::BTreeSet, path::Path, time::Duration};

use portcullis::jwt::decode_unverified;
use portcullis_tests::{Asked, AuthlibServer, OidcProvider, curl};

use crate::{
    grants::{authlib, grant_types, parameter, token_requests},
    service::{Service, ask, client, clock, failure},
};

/// How often each client asks: every token is good for a second, by its own account.
const ROUNDS: usize = 3;

fn signed_by(algorithm: &str, key: &Path) -> String {
    format!("signatureConfig = {{ algorithm = \"{algorithm}\", config = {{ keyFile = {key:?} }} }}")
}

/// The `jti`s of what stands in this parameter of the token requests.
fn jtis(asked: Vec<Asked>, name: &str) -> BTreeSet<String> {
    let requests = token_requests(asked);
    let assertions = requests.iter().filter_map(|asked| parameter(asked, name));
    let jti = |assertion: String| {
        let claims = decode_unverified(&assertion).unwrap().claims;
        assert!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap() <= 60, "a short life");
        claims["jti"].as_str().unwrap().to_owned()
    };
    assertions.map(jti).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn oidc_provider_knows_a_client_by_assertions_each_used_once() {
    let provider = OidcProvider::start();
    let service = Service::introspecting(&provider).await;
    let (secret_jwt, secret) = OidcProvider::SECRET_JWT;
    let shared = format!("signatureConfig = {{ algorithm = \"HS256\", config = \"{secret}\" }}");
    for (id, assertion) in [
        ("key-jwt", format!("{}, keyId = \"rsa\"", signed_by("RS256", &provider.client_key()))),
        ("key-jwt", signed_by("PS256", &provider.client_key())),
        ("key-jwt", format!("{}, keyId = \"ec\"", signed_by("ES256", &provider.client_ec_key()))),
        (
            "key-jwt",
            format!("{}, audience = \"{}\"", signed_by("RS256", &provider.client_key()), provider.issuer()),
        ),
        (secret_jwt, shared),
    ] {
        let clock = clock();
        let auth = format!(
            "tokenUrl = \"{}\", clientId = \"{id}\", scopes = \"hello\", optionalParams = {{ ttl = \"1\" }}, \
             clientAssertion = {{ {assertion} }}",
            provider.url("/token")
        );
        let before = provider.count("/token");
        let orders = client(&clock, service.origin(), &auth).await;
        for _ in 0..ROUNDS {
            orders.auth().generate_token().await.unwrap_or_else(|error| panic!("{assertion}: {error:?}"));
            clock.advance(Duration::from_secs(1));
        }
        let asked = token_requests(provider.asked()).split_off(before);
        assert_eq!(jtis(asked, "client_assertion").len(), ROUNDS, "{assertion}: each one is fresh");
    }

    // What was sent is of no use to whoever reads it.
    let seen = token_requests(provider.asked()).pop().unwrap();
    let again = curl(["-d", &seen.body, &provider.url("/token")]);
    assert_eq!(again.status, 401, "{}", again.text());

    // Another key, and the right one under another name.
    for assertion in
        [signed_by("ES256", &provider_key_of_nobody()), signed_by("RS256", &provider.client_key())]
    {
        let id = if assertion.contains("RS256") { "secret-jwt" } else { "key-jwt" };
        let auth = format!(
            "tokenUrl = \"{}\", clientId = \"{id}\", clientAssertion = {{ {assertion} }}",
            provider.url("/token")
        );
        let error = failure(&client(&clock(), service.origin(), &auth).await).await;
        assert!(error.contains("invalid_client") && error.contains(&provider.url("/token")), "{error}");
    }
}

/// A key that no server knows.
fn provider_key_of_nobody() -> std::path::PathBuf {
    static FOLDER: std::sync::OnceLock<portcullis_tests::TempDir> = std::sync::OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = portcullis_tests::temp_dir();
        let file = folder.path().join("key.pem").display().to_string();
        let made = ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", &file];
        portcullis_tests::tool("openssl", made);
        folder
    });
    folder.path().join("key.pem")
}

#[tokio::test(flavor = "multi_thread")]
async fn authlib_knows_a_client_by_assertions_and_refreshes_with_fresh_ones() {
    let server = AuthlibServer::start();
    let service = Service::introspecting_at_authlib(&server).await;
    let clock = clock();
    let assertion = format!(
        "clientAssertion = {{ {} }}, username = \"alice\", password = \"alice-pass-alice-pass\", refreshConfig = \
         \"INFER_REFRESH_CONFIG\", optionalParams = {{ ttl = \"5\" }}",
        signed_by("RS256", &server.client_key())
    );
    let orders = client(&clock, service.origin(), &authlib(&server, "key-jwt", &assertion)).await;
    for _ in 0..ROUNDS {
        assert_eq!(ask(&orders).await, (200, "alice".into()));
        clock.advance(Duration::from_secs(5));
    }
    assert_eq!(grant_types(server.asked()), ["password", "refresh_token", "refresh_token"]);
    assert_eq!(jtis(server.asked(), "client_assertion").len(), ROUNDS, "each one is fresh");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jwt_bearer_grant_signs_afresh_and_a_given_assertion_is_used_up() {
    let server = AuthlibServer::start();
    let service = Service::introspecting_at_authlib(&server).await;
    let clock = clock();
    let url = server.url("/token");
    let trust = crate::service::trust(&server.certificate());
    let common = format!(
        "tokenUrl = \"{url}\", scopes = \"hello\", optionalParams = {{ ttl = \"5\" }}, clientConfig = {{ {trust} }}"
    );
    let signed = format!(
        "issuer = \"key-jwt\", username = \"bob\", audience = \"{url}\", expTime = 60, {}",
        signed_by("RS256", &server.client_key())
    );
    let orders = client(&clock, service.origin(), &format!("{common}, assertion = {{ {signed} }}")).await;
    for _ in 0..ROUNDS {
        assert_eq!(ask(&orders).await, (200, "bob".into()));
        clock.advance(Duration::from_secs(5));
    }
    assert_eq!(jtis(server.asked(), "assertion").len(), ROUNDS, "each one is fresh");

    // The same assertion as it is: good for one token.
    let issuer = client(&clock, "https://orders.example", &signed).await;
    let assertion = issuer.auth().generate_token().await.unwrap();
    let given = format!("{common}, assertion = \"{}\"", assertion.expose());
    let orders = client(&clock, service.origin(), &given).await;
    assert_eq!(ask(&orders).await, (200, "bob".into()));
    clock.advance(Duration::from_secs(5));
    let error = failure(&orders).await;
    assert!(error.contains("invalid_grant") && error.contains(&url), "{error}");
    assert!(!error.contains(assertion.expose()), "{error}");
}
