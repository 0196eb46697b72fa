//! The keys at a URL: rotation, renewal, sharing.

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, Response};
use portcullis_core::Provider as _;
use portcullis_jwt::{JwtValidator, JwtValidatorConfig, SignatureConfig};
use portcullis_outbound::ClientConfig;
use portcullis_testing::{
    Algorithm, TestIssuer, TestTls,
    contract::{Case, provider_keeps_its_contract},
};

use super::Bench;

#[tokio::test]
async fn every_kind_of_key_verifies() {
    let bench = Bench::new().await;
    let validator = bench.validator(bench.by_url());
    for algorithm in [Algorithm::Es384, Algorithm::EdDsa, Algorithm::Rs256, Algorithm::Ps512] {
        bench.issuer.add_key(algorithm);
        bench.manual.advance(Duration::from_secs(60));
        assert_eq!(bench.ask(&validator, &bench.token().sign()).await, "known", "{algorithm:?}");
    }
    assert_eq!(validator.key_set().unwrap().count, 5);
}

#[tokio::test]
async fn after_a_rotation_the_first_token_is_known_and_tokens_of_the_old_key_are_not() {
    let bench = Bench::new().await;
    let validator = bench.validator(bench.by_url());
    let old = bench.token().sign();
    assert_eq!(bench.ask(&validator, &old).await, "known");
    bench.issuer.rotate();
    assert_eq!(bench.ask(&validator, &bench.token().sign()).await, "known");
    assert_eq!(bench.ask(&validator, &old).await, "unknown-key");
    assert_eq!(bench.issuer.fetches().jwks, 2);
}

#[tokio::test]
async fn an_unchanged_set_is_not_sent_again() {
    let bench = Bench::new().await;
    let validator = bench.validator(bench.by_url());
    bench.issuer.cache_control("public, max-age=100");
    assert_eq!(bench.ask(&validator, &bench.token().sign()).await, "known");
    for round in 1..=3 {
        bench.manual.advance(Duration::from_secs(90));
        // The renewal is seen in the age of the set. Until the fetch before has quite ended there is none.
        while validator.key_set().unwrap().age != Some(Duration::ZERO) {
            assert_eq!(bench.ask(&validator, &bench.token().sign()).await, "known");
            tokio::task::yield_now().await;
        }
        assert_eq!((bench.issuer.fetches().jwks, bench.issuer.fetches().not_modified), (round + 1, round));
    }
}

#[tokio::test]
async fn what_an_unchanged_answer_does_not_repeat_still_holds() {
    let bench = Bench::new().await;
    let validator = bench.validator(bench.by_url());
    let tags = [("if-none-match", "\"v1\""), ("if-modified-since", "Tue, 14 Nov 2023 00:00:00 GMT")];
    let whole = Response::builder().header("etag", tags[0].1).header("last-modified", tags[1].1);
    bench.issuer.answer_with(whole.body(bench.issuer.jwks().to_string()).unwrap());
    validator.probe().await.remove(0).result.unwrap();
    bench.issuer.answer_with(Response::builder().status(304).body("").unwrap());
    for round in 1..=2 {
        assert_eq!(validator.probe().await.remove(0).result.as_deref(), Ok("1 key"));
        for (name, value) in tags {
            assert_eq!(bench.issuer.calls()[round].header(name), Some(value), "{name}, round {round}");
        }
    }
}

#[tokio::test]
async fn validators_made_of_one_configuration_share_one_key_set() {
    let bench = Bench::new().await;
    let signature = SignatureConfig::jwks(bench.by_url());
    let config = || JwtValidatorConfig::new(signature.clone()).issuer(bench.issuer.url());
    let orders = JwtValidator::new(config().audience(["orders"])).unwrap();
    let bills = JwtValidator::new(config().audience(["bills"])).unwrap();
    let token = bench.issuer.token().audience(serde_json::json!(["orders", "bills"])).sign();
    for validator in [&orders, &bills] {
        assert_eq!(bench.ask(validator, &token).await, "known");
    }
    assert_eq!(bench.issuer.fetches().jwks, 1);
    assert_eq!((orders.key_set().unwrap().fetches, bills.key_set().unwrap().fetches), (1, 1));
}

#[tokio::test]
async fn whatever_a_token_names_nobody_else_is_asked() {
    let (bench, canary) = (Bench::new().await, TestIssuer::start().await);
    let validator = bench.validator(bench.by_url());
    let evil = canary.jwks_url();
    let token = bench
        .token()
        .header("jku", evil.as_str())
        .header("x5u", evil.as_str())
        .header("jwk", canary.jwks()["keys"][0].clone())
        .header("x5c", serde_json::json!(["MIIB"]));
    assert_eq!(bench.ask(&validator, &token.sign()).await, "known");
    for kid in ["../../admin", "http://127.0.0.1/", "a?b=c", "a\r\nHost: x", "\u{202e}"] {
        let token = bench.token().kid(kid).sign();
        assert_eq!(bench.ask(&validator, &token).await, "unknown-key", "{kid:?}");
    }
    assert_eq!(canary.call_count(), 0);
    assert!(bench.issuer.calls().iter().all(|call| call.uri == "/jwks"));
    // The canary's own token, under the name of a key that there is.
    let forged = canary.token().issuer(bench.issuer.url()).audience("orders").kid(&bench.issuer.kid()).sign();
    assert_eq!(bench.ask(&validator, &forged).await, "bad-signature");
}

#[tokio::test]
async fn keys_come_over_https_from_whom_the_configuration_trusts() {
    let bench = Bench::new().await;
    let tls = TestTls::self_signed();
    let issuer = TestIssuer::builder().clock(Arc::clone(&bench.clock)).https(tls.clone()).start().await;
    let validator = |client: ClientConfig| {
        let jwks = portcullis_jwt::JwksConfig::url(issuer.jwks_url());
        let signature = SignatureConfig::jwks(jwks.client(client).clock(Arc::clone(&bench.clock)));
        JwtValidator::new(JwtValidatorConfig::new(signature).issuer(issuer.url()).audience(["orders"]))
            .unwrap()
    };
    let pem = tls.certificate_pem().unwrap();
    let anchors = portcullis_keys::TrustAnchors::from_certificates(
        portcullis_keys::parse_certificates(pem.as_bytes()).unwrap(),
    );
    let trusting = validator(ClientConfig::new().tls(portcullis_keys::ClientTls::new(anchors.unwrap())));
    let token = issuer.token().audience("orders").sign();
    assert_eq!(bench.ask(&trusting, &token).await, "known");

    let wary = validator(ClientConfig::new());
    let told = bench.ask(&wary, &token).await;
    assert!(told.starts_with("unavailable: the keys cannot be fetched: https://localhost:"), "{told}");
    assert!(told.contains("certificate"), "{told}");
}

#[tokio::test]
async fn the_validator_keeps_the_contract_of_providers() {
    let bench = Bench::new().await;
    let header = |token: &str| HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    let good = bench.token().sign();
    let (head, _) = good.rsplit_once('.').unwrap();
    provider_keeps_its_contract(Case {
        provider: Arc::new(bench.validator(bench.by_url())),
        good: header(&good),
        subject: "alice",
        recalls: true,
        bad: vec![
            header("abc"),
            header(&format!("{head}.")),
            header(&bench.token().kid("nobody's").sign()),
            header(&bench.token().expires_at(super::NOW).sign()),
            header(&bench.token().issuer("https://evil.example").sign()),
            header(&bench.issuer.token().audience("bills").sign()),
        ],
        clock: Arc::clone(&bench.clock),
    })
    .await;
}

#[tokio::test]
async fn a_probe_names_the_server_and_what_it_has() {
    let bench = Bench::new().await;
    let validator = bench.validator(bench.by_url());
    let probe = validator.probe().await.remove(0);
    assert_eq!((probe.url, probe.result), (bench.issuer.jwks_url(), Ok("1 key".to_owned())));
    let validator = bench.validator(bench.by_discovery());
    assert_eq!(validator.servers()[0].url, format!("{}/", bench.issuer.url()), "nobody has asked yet");
    let probe = validator.probe().await.remove(0);
    assert_eq!((probe.url, probe.result), (bench.issuer.jwks_url(), Ok("1 key".to_owned())));
    assert_eq!(validator.servers()[0].url, bench.issuer.jwks_url());
}
