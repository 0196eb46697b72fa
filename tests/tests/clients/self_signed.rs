//! A client that signs its tokens itself, and the service that knows its key.

use std::time::Duration;

use portcullis::jwt::decode_unverified;
use portcullis_tests::data;

use crate::service::{Service, ask, client, clock};

#[tokio::test(flavor = "multi_thread")]
async fn one_signature_serves_a_thousand_calls_and_the_next_lifetime_has_its_own() {
    let (key, certificate) =
        (data("ballerina/data/key--private.key"), data("ballerina/data/pub--public.crt"));
    let service = Service::start(&format!(
        "{{ scopes = \"hello\", jwtValidatorConfig = {{ issuer = \"shop\", audience = [\"orders\"], clockSkew = 60, \
         signatureConfig = {{ certFile = {certificate:?} }} }} }}"
    ))
    .await;
    let clock = clock();
    let auth = format!(
        "issuer = \"shop\", username = \"alice\", audience = [\"orders\"], keyId = \"k1\", expTime = 20, customClaims = {{ scope = \
         \"hello\" }}, signatureConfig = {{ algorithm = \"RS256\", config = {{ keyFile = {key:?} }} }}"
    );
    let orders = client(&clock, service.origin(), &auth).await;
    let jti = async || {
        let token = orders.auth().generate_token().await.unwrap();
        decode_unverified(token.expose()).unwrap().claims["jti"].as_str().unwrap().to_owned()
    };
    let first = jti().await;
    for _ in 0..1_000 {
        assert_eq!(ask(&orders).await, (200, "alice".into()));
    }
    assert_eq!(jti().await, first, "signed once");
    clock.advance(Duration::from_secs(20));
    assert_eq!(ask(&orders).await, (200, "alice".into()));
    assert_ne!(jti().await, first);

    // Another audience is another token.
    let elsewhere = client(&clock, service.origin(), &auth.replace("[\"orders\"]", "[\"billing\"]")).await;
    assert_eq!(ask(&elsewhere).await.0, 401);
}
