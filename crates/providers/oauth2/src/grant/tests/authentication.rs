//! How a client says who it is (RFC 6749 §2.3, RFC 7523 §2.2, RFC 8705 §2).

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use http::StatusCode;
use portcullis_core::{BuildError, Clock as _, SystemClock, TokenSource as _};
use portcullis_keys::{ClientTls, Identity, SelfSigned, ServerTls, TrustAnchors, parse_certificates};
use portcullis_outbound::{ClientConfig, Endpoint};
use portcullis_testing::{TestTls, TestTokenEndpoint};

use super::{Bench, MINUTE, Numbered, at, bodies, endpoint};
use crate::{
    ClientAuthentication, ClientCredentials, ClientCredentialsConfig, CredentialBearer, PasswordGrant,
    PasswordGrantConfig, RefreshConfig, RefreshTokenGrant, RefreshTokenGrantConfig, fixtures::text,
};

fn signed(id: &str) -> ClientAuthentication {
    ClientAuthentication::assertion(id, Arc::new(Numbered::default()))
}

fn client_credentials(server: &TestTokenEndpoint, client: ClientAuthentication) -> ClientCredentialsConfig {
    ClientCredentialsConfig::new(at(server), "", "").authentication(client)
}

const ASSERTION: &str = "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer\
                         &client_assertion=canary-assertion-";

#[tokio::test]
async fn an_assertion_is_signed_for_each_request() {
    let server = endpoint().await;
    let config = client_credentials(&server, signed("a:b")).scopes(["x"]).optional_param("o", "1");
    let bench = Bench::new(|clock| ClientCredentials::new(config.clock(clock)).unwrap());
    assert_eq!(bench.token().await, "access-1");
    server.answer_next(StatusCode::SERVICE_UNAVAILABLE, "");
    bench.clock.advance(MINUTE);
    bench.error().await;
    assert_eq!(bench.next().await, "access-2");
    let expected = [1, 2, 3].map(|number| {
        format!("grant_type=client_credentials&scope=x&o=1&client_id=a%3Ab&{ASSERTION}{number}")
    });
    assert_eq!(bodies(&server), expected);
    assert!(server.calls().iter().all(|call| call.header("authorization").is_none()));
}

#[tokio::test]
async fn refreshes_and_the_grant_after_them_have_assertions_of_their_own() {
    let server = endpoint().await;
    server.user("zoe", "secret");
    server.with_refresh_tokens();
    let config = PasswordGrantConfig::new(at(&server), "zoe", "secret")
        .authentication(signed("app"))
        .credential_bearer(CredentialBearer::PostBody)
        .refresh(RefreshConfig::inferred());
    let bench = Bench::new(|clock| PasswordGrant::new(config.clock(clock)).unwrap());
    assert_eq!((bench.token().await, bench.next().await), ("access-1".into(), "access-2".into()));
    server.forget_refresh_tokens();
    assert_eq!(bench.next().await, "access-3");
    for (number, body) in bodies(&server).iter().enumerate() {
        assert!(body.ends_with(&format!("&client_id=app&{ASSERTION}{}", number + 1)), "{body}");
    }
    assert_eq!(server.call_count(), 4);
}

#[tokio::test]
async fn a_refresh_endpoint_may_be_told_otherwise() {
    let (server, other) = (endpoint().await, endpoint().await);
    server.user("zoe", "secret");
    server.with_refresh_tokens();
    other.accept_refresh_token("refresh-1");
    let refresh = RefreshConfig::new(at(&other)).authentication(ClientAuthentication::public("other"));
    let config = PasswordGrantConfig::new(at(&server), "zoe", "secret").authentication(signed("app"));
    let bench = Bench::new(|clock| PasswordGrant::new(config.refresh(refresh).clock(clock)).unwrap());
    assert_eq!((bench.token().await, bench.next().await), ("access-1".into(), "access-1".into()));
    assert_eq!(bodies(&other), ["grant_type=refresh_token&refresh_token=refresh-1&client_id=other"]);
}

#[tokio::test]
async fn a_public_client_says_its_id() {
    let server = endpoint().await;
    server.require_public_client("app/1");
    server.accept_refresh_token("refresh");
    let config = RefreshTokenGrantConfig::new(at(&server), "refresh", ClientAuthentication::public("app/1"));
    let source = RefreshTokenGrant::new(config).unwrap();
    assert_eq!(text(&source.token().await.unwrap()), "access-1");
    assert_eq!(bodies(&server), ["grant_type=refresh_token&refresh_token=refresh&client_id=app%2F1"]);
    assert_eq!(server.calls()[0].header("authorization"), None);
}

/// A file of Ballerina's keys.
fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/data/ballerina/data").join(name)
}

#[tokio::test]
async fn a_certificate_says_who_the_client_is_and_the_id_stands_in_the_body() {
    let own = SelfSigned::generate(SystemClock::new().now().since_epoch()).unwrap();
    let trusted = parse_certificates(own.pem.as_bytes()).unwrap();
    let clients = TrustAnchors::from_file(data("pub--public.crt")).unwrap();
    let tls = ServerTls::new(own.identity).accept_client_certificate(clients);
    let server = TestTokenEndpoint::start_https(TestTls::new(tls)).await;
    let identity = Identity::from_files(data("pub--public.crt"), data("key--private.key"), None).unwrap();
    server.require_client_certificate("app", identity.certificate());
    let tls = || ClientTls::new(TrustAnchors::from_certificates(trusted.clone()).unwrap());
    let client = ClientConfig::new().tls(tls().identity(identity));
    let config = client_credentials(&server, ClientAuthentication::mutual_tls("app")).client(client);
    let source = ClientCredentials::new(config).unwrap();
    assert_eq!(text(&source.token().await.unwrap()), "access-1");
    assert_eq!(bodies(&server), ["grant_type=client_credentials&client_id=app"]);

    let without = ClientConfig::new().tls(tls());
    let config = client_credentials(&server, ClientAuthentication::mutual_tls("app")).client(without);
    let error = ClientCredentials::new(config).unwrap_err();
    assert!(error.to_string().starts_with("clientConfig.secureSocket: has no `key`"), "{error}");
}

#[test]
fn the_client_credentials_grant_is_for_clients_that_prove_who_they_are() {
    let endpoint = || Endpoint::parse("https://localhost/token").unwrap();
    let built = |client| -> Result<ClientCredentials, BuildError> {
        ClientCredentials::new(ClientCredentialsConfig::new(endpoint(), "", "").authentication(client))
    };
    for client in [ClientAuthentication::none(), ClientAuthentication::public("app")] {
        let error = built(client).unwrap_err();
        assert!(error.to_string().starts_with("clientSecret: this grant is for clients that"), "{error}");
    }
    assert!(built(signed("app")).is_ok());
    assert!(built(ClientAuthentication::secret("app", "secret")).is_ok());
}

#[test]
fn two_ways_at_once_are_refused_and_one_of_ones_own_is_not() {
    let endpoint = || Endpoint::parse("https://localhost/token").unwrap();
    let own = || ClientConfig::new().header("authorization", "x");
    for client in [signed("app"), ClientAuthentication::secret("app", "secret")] {
        let config = PasswordGrantConfig::new(endpoint(), "a", "b").authentication(client).client(own());
        let error = PasswordGrant::new(config).unwrap_err();
        assert!(error.to_string().contains("`Authorization` stands beside"), "{error}");
    }
    assert!(PasswordGrant::new(PasswordGrantConfig::new(endpoint(), "a", "b").client(own())).is_ok());
    for (client, name) in [(signed("app"), "client_assertion"), (ClientAuthentication::none(), "client_id")] {
        let config = PasswordGrantConfig::new(endpoint(), "a", "b").authentication(client);
        let error = PasswordGrant::new(config.optional_param(name, "x")).unwrap_err();
        assert!(error.to_string().contains("is sent by this record itself"), "{error}");
    }
}

#[tokio::test]
async fn who_is_not_known_is_told_what_to_look_at() {
    let server = endpoint().await;
    server.require_client("app", "secret");
    for (client, expected) in [
        (ClientAuthentication::secret("app", "x"), "check `clientId` and `clientSecret`"),
        (signed("app"), "check `clientId` and `clientAssertion`"),
        (ClientAuthentication::public("app"), "check `clientId`, and whether it wants a `clientSecret`"),
        (ClientAuthentication::none(), "it wants to know who asks"),
    ] {
        let config = PasswordGrantConfig::new(at(&server), "a", "b").authentication(client);
        let error = PasswordGrant::new(config).unwrap().token().await.unwrap_err();
        assert!(error.to_string().contains(&format!(": {expected}")), "{error}");
        assert!(!error.is_transient());
    }
}
