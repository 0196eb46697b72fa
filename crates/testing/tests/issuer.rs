//! The issuer: its documents, its keys, its tokens.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use std::{sync::Arc, time::Duration};

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
    UnparsedPublicKey, VerificationAlgorithm,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use common::{as_json, client, get, request, send};
use http::{Method, StatusCode, header};
use portcullis_core::UnixTime;
use portcullis_testing::{Algorithm, ManualClock, TestIssuer, TestTls};
use serde_json::{Value, json};

fn decoded(part: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(part).unwrap()
}

/// Header and claims.
fn read(token: &str) -> (Value, Value) {
    let parts: Vec<&str> = token.split('.').collect();
    assert_eq!(parts.len(), 3);
    (serde_json::from_slice(&decoded(parts[0])).unwrap(), serde_json::from_slice(&decoded(parts[1])).unwrap())
}

/// Whether the JWK verifies the token.
fn verifies(jwk: &Value, token: &str) -> bool {
    let (text, signature) = token.rsplit_once('.').unwrap();
    let (text, signature) = (text.as_bytes(), decoded(signature));
    let member = |name: &str| decoded(jwk[name].as_str().unwrap());
    let plain = |by: &'static dyn VerificationAlgorithm, key: Vec<u8>| {
        UnparsedPublicKey::new(by, key).verify(text, &signature).is_ok()
    };
    let rsa = |by: &'static RsaParameters| {
        let key = RsaPublicKeyComponents { n: member("n"), e: member("e") };
        key.verify(by, text, &signature).is_ok()
    };
    let point = || [vec![4], member("x"), member("y")].concat();
    match read(token).0["alg"].as_str().unwrap() {
        "ES256" => plain(&ECDSA_P256_SHA256_FIXED, point()),
        "ES384" => plain(&ECDSA_P384_SHA384_FIXED, point()),
        "EdDSA" => plain(&ED25519, member("x")),
        "RS256" => rsa(&RSA_PKCS1_2048_8192_SHA256),
        "RS384" => rsa(&RSA_PKCS1_2048_8192_SHA384),
        "RS512" => rsa(&RSA_PKCS1_2048_8192_SHA512),
        "PS256" => rsa(&RSA_PSS_2048_8192_SHA256),
        "PS384" => rsa(&RSA_PSS_2048_8192_SHA384),
        "PS512" => rsa(&RSA_PSS_2048_8192_SHA512),
        other => panic!("{other}"),
    }
}

async fn key_set(issuer: &TestIssuer) -> Vec<Value> {
    let answer = get(&issuer.jwks_url()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let set = as_json(&answer);
    assert_eq!(set, issuer.jwks());
    set["keys"].as_array().unwrap().clone()
}

#[tokio::test]
async fn every_algorithm_signs_what_the_served_key_verifies_and_no_other_does() {
    let issuer = TestIssuer::start().await;
    let mut tokens = Vec::new();
    for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa] {
        let kid = issuer.add_key(algorithm);
        tokens.push((kid.clone(), issuer.token().sign()));
        if algorithm == Algorithm::Rs256 {
            for other in Algorithm::ALL.into_iter().filter(|other| other.name().ends_with('6')) {
                if other != Algorithm::Es256 {
                    tokens.push((kid.clone(), issuer.token().algorithm(other).sign()));
                }
            }
            for other in [Algorithm::Rs384, Algorithm::Rs512, Algorithm::Ps384, Algorithm::Ps512] {
                tokens.push((kid.clone(), issuer.token().algorithm(other).sign()));
            }
        }
    }
    let keys = key_set(&issuer).await;
    assert_eq!(keys.len(), 5);
    let by_name = |kid: &str| keys.iter().find(|key| key["kid"] == kid).unwrap();
    for (kid, token) in &tokens {
        assert_eq!(read(token).0["kid"], **kid);
        assert!(verifies(by_name(kid), token), "{token}");
        let signature = token.rfind('.').unwrap() + 1;
        let other = if token.as_bytes()[signature] == b'A' { "B" } else { "A" };
        let tampered = format!("{}{other}{}", &token[..signature], &token[signature + 1..]);
        assert!(!verifies(by_name(kid), &tampered), "{token}");
    }
    let first = by_name("key-1");
    assert_eq!((&first["kty"], &first["crv"], &first["use"]), (&json!("EC"), &json!("P-256"), &json!("sig")));
    assert!(!verifies(first, &tokens.iter().find(|(kid, _)| kid == "key-3").unwrap().1));
}

#[tokio::test]
async fn a_rotation_leaves_the_new_key_alone() {
    let issuer = TestIssuer::start().await;
    let old = issuer.kid();
    let new = issuer.rotate();
    assert_ne!(old, new);
    assert_eq!(issuer.kid(), new);
    let keys = key_set(&issuer).await;
    assert_eq!(keys.iter().map(|key| key["kid"].as_str().unwrap()).collect::<Vec<_>>(), [&new]);
    assert!(verifies(&keys[0], &issuer.token().sign()));
    let by_old = issuer.token().key(&old).sign();
    assert_eq!(read(&by_old).0["kid"], old);
    assert!(!verifies(&keys[0], &by_old));
}

#[tokio::test]
async fn a_retired_key_is_served_no_more_and_the_one_before_signs() {
    let issuer = TestIssuer::start().await;
    let (first, second) = (issuer.kid(), issuer.add_key(Algorithm::EdDsa));
    assert_eq!(read(&issuer.token().sign()).0["alg"], "EdDSA");
    issuer.retire(&second);
    assert_eq!(issuer.kid(), first);
    assert_eq!(key_set(&issuer).await.len(), 1);
    assert_eq!(read(&issuer.token().sign()).0["alg"], "ES256");
}

#[tokio::test]
async fn a_name_may_be_given_to_another_key() {
    let issuer = TestIssuer::start().await;
    let before = issuer.token().sign();
    issuer.add_key_as("key-1", Algorithm::Es256);
    let keys = key_set(&issuer).await;
    assert_eq!((keys.len(), &keys[0]["kid"]), (1, &json!("key-1")));
    assert!(verifies(&keys[0], &issuer.token().sign()));
    assert!(!verifies(&keys[0], &before));
}

#[tokio::test]
async fn a_token_says_what_it_is_told() {
    let clock = ManualClock::at(UnixTime::from_secs(1_700_000_000));
    let issuer = TestIssuer::builder().clock(Arc::new(clock.clone())).start().await;
    let (header, claims) = read(&issuer.token().sign());
    assert_eq!(header, json!({"alg": "ES256", "kid": "key-1", "typ": "at+jwt"}));
    let plain =
        json!({"iss": issuer.url(), "sub": "alice", "iat": 1_700_000_000, "exp": 1_700_000_300, "jti": "1"});
    assert_eq!(claims, plain);

    clock.advance(Duration::from_secs(10));
    let token = issuer
        .token()
        .subject("bob")
        .issuer("https://elsewhere")
        .audience(["a", "b"])
        .scopes(["read", "write"])
        .claim("tenant", json!({"id": 1}))
        .expires_in(Duration::from_secs(5))
        .not_before(UnixTime::from_secs(7))
        .without_claim("jti")
        .typ("JWT")
        .without_kid()
        .header("alg", "none");
    let (header, claims) = read(&token.sign());
    assert_eq!(header, json!({"alg": "none", "typ": "JWT"}));
    let expected = json!({
        "iss": "https://elsewhere", "sub": "bob", "aud": ["a", "b"], "scope": "read write", "tenant": {"id": 1},
        "iat": 1_700_000_010, "exp": 1_700_000_015, "nbf": 7,
    });
    assert_eq!(claims, expected);
    let (header, claims) =
        read(&issuer.token().kid("other").without_typ().expires_at(UnixTime::from_secs(3)).sign());
    assert_eq!(header, json!({"alg": "ES256", "kid": "other"}));
    assert_eq!((&claims["exp"], &claims["jti"]), (&json!(3), &json!("3")));
}

#[tokio::test]
#[should_panic(expected = "the issuer has no key")]
async fn an_unknown_key_signs_nothing() {
    let issuer = TestIssuer::start().await;
    let _ = issuer.token().key("key-9").sign();
}

#[tokio::test]
async fn an_unchanged_key_set_is_304_and_a_changed_one_is_sent() {
    let issuer = TestIssuer::start().await;
    let conditional = async |tag: &header::HeaderValue| {
        let mut request = request(Method::GET, &issuer.jwks_url(), "");
        request.headers_mut().insert(header::IF_NONE_MATCH, tag.clone());
        send(&client(), request).await.unwrap()
    };
    let first = get(&issuer.jwks_url()).await.unwrap();
    assert_eq!(first.headers()[header::CONTENT_TYPE], "application/json");
    assert!(!first.headers().contains_key(header::CACHE_CONTROL));
    let tag = first.headers()[header::ETAG].clone();
    issuer.cache_control("max-age=60");
    let same = conditional(&tag).await;
    assert_eq!((same.status(), same.body().len()), (StatusCode::NOT_MODIFIED, 0));
    assert_eq!(same.headers()[header::ETAG], tag);
    assert_eq!(same.headers()[header::CACHE_CONTROL], "max-age=60");
    issuer.rotate();
    let other = conditional(&tag).await;
    assert_eq!((other.status(), as_json(&other)), (StatusCode::OK, issuer.jwks()));
    assert_ne!(other.headers()[header::ETAG], tag);
    let fetches = issuer.fetches();
    assert_eq!((fetches.jwks, fetches.not_modified, fetches.discovery), (3, 1, 0));
}

#[tokio::test]
async fn discovery_is_served_in_both_forms_below_a_path_too() {
    for path in ["", "/realms/one"] {
        let mut builder = TestIssuer::builder();
        if !path.is_empty() {
            builder = builder.path(path);
        }
        let issuer = builder.start().await;
        assert_eq!(issuer.url(), format!("{}{path}", issuer.origin()));
        let openid = format!("{}/.well-known/openid-configuration", issuer.url());
        let rfc8414 = format!("{}/.well-known/oauth-authorization-server{path}", issuer.origin());
        for url in [&openid, &rfc8414] {
            let document = as_json(&get(url).await.unwrap());
            assert_eq!(document["issuer"], issuer.url());
            assert_eq!(document["jwks_uri"], issuer.jwks_url());
        }
        key_set(&issuer).await;
        let other = format!("{}/realms/two/.well-known/openid-configuration", issuer.origin());
        assert_eq!(get(&other).await.unwrap().status(), StatusCode::NOT_FOUND);
        assert_eq!((issuer.fetches().discovery, issuer.fetches().jwks), (2, 1));

        issuer.without_openid_configuration();
        assert_eq!(get(&openid).await.unwrap().status(), StatusCode::NOT_FOUND);
        assert_eq!(get(&rfc8414).await.unwrap().status(), StatusCode::OK);
        issuer.without_authorization_server_metadata();
        assert_eq!(get(&rfc8414).await.unwrap().status(), StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn answers_given_by_hand_stand_until_the_issuer_recovers() {
    let issuer = TestIssuer::start().await;
    let discovery = format!("{}/.well-known/openid-configuration", issuer.url());
    issuer.answer_jwks_with("text/html", "<html>");
    let answer = get(&issuer.jwks_url()).await.unwrap();
    assert_eq!(
        (&answer.headers()[header::CONTENT_TYPE], &answer.body()[..]),
        (&"text/html".parse().unwrap(), &b"<html>"[..])
    );
    issuer.answer_discovery_with("application/json", "{");
    assert_eq!(get(&discovery).await.unwrap().body(), "{");
    issuer.fail_with(StatusCode::BAD_GATEWAY);
    assert_eq!(get(&issuer.jwks_url()).await.unwrap().status(), StatusCode::BAD_GATEWAY);
    issuer.recover();
    key_set(&issuer).await;

    issuer.discovery_member("issuer", "https://elsewhere");
    issuer.discovery_member("jwks_uri", Value::Null);
    let document = as_json(&get(&discovery).await.unwrap());
    assert_eq!((&document["issuer"], document.get("jwks_uri")), (&json!("https://elsewhere"), None));
}

#[tokio::test]
async fn fetches_are_counted_when_they_come_and_not_when_they_are_answered() {
    let issuer = Arc::new(TestIssuer::start().await);
    let hold = issuer.hold();
    let fetch = {
        let issuer = Arc::clone(&issuer);
        tokio::spawn(async move { get(&issuer.jwks_url()).await.unwrap().status() })
    };
    issuer.fetched(1).await;
    assert_eq!(issuer.fetches().jwks, 1);
    hold.release();
    assert_eq!(fetch.await.unwrap(), StatusCode::OK);
    let posted = send(&client(), request(Method::POST, &issuer.jwks_url(), "")).await.unwrap();
    assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn over_https_the_issuer_is_named_so() {
    let issuer =
        TestIssuer::builder().https(TestTls::self_signed()).algorithm(Algorithm::EdDsa).start().await;
    assert!(issuer.url().starts_with("https://localhost:"));
    assert!(issuer.certificate_pem().unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    assert_eq!(issuer.jwks()["keys"][0]["crv"], "Ed25519");
}
