//! The token endpoint: every grant, every way in which clients say who they are.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use common::post_form;
use http::{Response, StatusCode};
use portcullis_keys::PublicKey;
use portcullis_testing::{Algorithm, GrantType, TestIssuer, TestTokenEndpoint};
use serde_json::{Value, json};

const EXCHANGE: &str = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange";
const JWT_BEARER: &str = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
const SUBJECT_TYPE: &str = "subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token";

async fn ask(endpoint: &TestTokenEndpoint, form: &str) -> (u16, Value) {
    post_form(&endpoint.url(), form, &[]).await
}

fn error(name: &str) -> (u16, Value) {
    (400, json!({ "error": name }))
}

#[tokio::test]
async fn a_token_exchange_gives_each_subject_a_token_and_remembers_whose_it_is() {
    let endpoint = TestTokenEndpoint::start().await;
    let (status, answer) = ask(&endpoint, &format!("{EXCHANGE}&subject_token=alice&{SUBJECT_TYPE}")).await;
    assert_eq!(status, 200);
    assert_eq!(answer["issued_token_type"], "urn:ietf:params:oauth:token-type:access_token");
    let wanted = format!(
        "{EXCHANGE}&subject_token=bob&{SUBJECT_TYPE}&actor_token=svc&actor_token_type=t&audience=x&audience=y\
         &requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt"
    );
    let (_, answer) = ask(&endpoint, &wanted).await;
    assert_eq!(answer["issued_token_type"], "urn:ietf:params:oauth:token-type:jwt");
    let whose = |token: &str| endpoint.subject_of(token);
    assert_eq!((whose("access-1"), whose("access-2")), (Some("alice".into()), Some("bob".into())));
    let calls = endpoint.asked(GrantType::TokenExchange);
    assert_eq!(calls[1].body, wanted, "what was sent is there as it was sent");
    assert_eq!(calls[1].parameter("actor_token").as_deref(), Some("svc"));

    for bad in [
        format!("{EXCHANGE}&subject_token=alice"),
        format!("{EXCHANGE}&{SUBJECT_TYPE}"),
        format!("{EXCHANGE}&subject_token=&{SUBJECT_TYPE}"),
        format!("{EXCHANGE}&subject_token=alice&{SUBJECT_TYPE}&actor_token=svc"),
        format!("{EXCHANGE}&subject_token=alice&{SUBJECT_TYPE}&actor_token_type=t"),
    ] {
        assert_eq!(ask(&endpoint, &bad).await, error("invalid_request"), "{bad}");
    }
    endpoint.accept_subject("alice");
    assert_eq!(ask(&endpoint, &wanted).await, error("invalid_request"));
    assert_eq!(ask(&endpoint, &format!("{EXCHANGE}&subject_token=alice&{SUBJECT_TYPE}")).await.0, 200);
    assert_eq!(endpoint.count(GrantType::TokenExchange), 9);
    assert_eq!(endpoint.issued().len(), 3);
}

#[tokio::test]
async fn a_jwt_bearer_grant_takes_any_assertion_until_one_is_named() {
    let endpoint = TestTokenEndpoint::start().await;
    assert_eq!(ask(&endpoint, &format!("{JWT_BEARER}&assertion=a.b.c")).await.0, 200);
    let obo = format!("{JWT_BEARER}&assertion=x.y.z&requested_token_use=on_behalf_of");
    assert_eq!(ask(&endpoint, &obo).await.0, 200);
    assert_eq!(endpoint.subject_of("access-2").as_deref(), Some("x.y.z"));
    assert_eq!(endpoint.subject_of("access-3"), None);
    assert_eq!((endpoint.count(GrantType::JwtBearer), endpoint.count(GrantType::OnBehalfOf)), (1, 1));
    endpoint.accept_assertion("x.y.z");
    assert_eq!(ask(&endpoint, &obo).await.0, 200);
    assert_eq!(ask(&endpoint, &format!("{JWT_BEARER}&assertion=a.b.c")).await, error("invalid_grant"));
    assert_eq!(ask(&endpoint, JWT_BEARER).await, error("invalid_request"));
}

/// An issuer's key as a file has it, of an RSA key by its JWK.
async fn public_key(issuer: &TestIssuer) -> PublicKey {
    let jwks = common::as_json(&common::get(&issuer.jwks_url()).await.unwrap());
    let jwk = &jwks["keys"][0];
    let part = |name: &str| BASE64_URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    // SubjectPublicKeyInfo of a P-256 key (RFC 5480): a fixed head, then the point.
    let head = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
        0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
    ];
    PublicKey::from_bytes(&[&head[..], &part("x"), &part("y")].concat()).unwrap()
}

#[tokio::test]
async fn a_client_says_who_it_is_by_an_assertion_that_is_good_once() {
    let endpoint = TestTokenEndpoint::start().await;
    let (own, other) = (TestIssuer::start().await, TestIssuer::start().await);
    endpoint.require_client_assertion("app", public_key(&own).await);
    let good = |issuer| {
        let token: portcullis_testing::TestToken<'_> = TestIssuer::token(issuer);
        token.issuer("app").subject("app").audience(endpoint.url())
    };
    let with = |assertion: &str, kind: &str| {
        format!("grant_type=client_credentials&client_assertion_type={kind}&client_assertion={assertion}")
    };
    const KIND: &str = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
    let first = good(&own).claim("jti", "1").sign();
    assert_eq!(ask(&endpoint, &with(&first, KIND)).await.0, 200);
    assert_eq!(
        ask(&endpoint, &(with(&good(&own).claim("jti", "2").sign(), KIND) + "&client_id=app")).await.0,
        200
    );
    let next = || good(&own).claim("jti", "3");
    for (form, says) in [
        (with(&first, KIND), "jti was used before"),
        (with(&good(&other).claim("jti", "9").sign(), KIND), "the signature is wrong"),
        (with("a.b", KIND), "the assertion is no JWT"),
        (with(&next().sign(), "jwt"), "client_assertion_type is not the one of RFC 7523"),
        (with(&next().sign(), KIND) + "&client_id=other", "client_id names another client"),
        (with(&next().sign(), KIND) + "&client_secret=s", "the client authenticates itself twice"),
        (with(&next().subject("other").sign(), KIND), "iss and sub are not the client"),
        (with(&next().issuer("other").sign(), KIND), "iss and sub are not the client"),
        (with(&next().audience("https://other.example").sign(), KIND), "aud is not this server"),
        (with(&next().without_claim("exp").sign(), KIND), "exp is not there"),
        (with(&next().without_claim("jti").sign(), KIND), "jti is not there"),
        ("grant_type=client_credentials".to_owned(), "client_assertion_type is not the one of RFC 7523"),
    ] {
        let (status, answer) = ask(&endpoint, &form).await;
        let expected = json!({"error": "invalid_client", "error_description": says});
        assert_eq!((status, answer), (401, expected), "{form}");
    }
    assert_eq!(endpoint.issued().len(), 2);
    // Any signature, and an audience among several.
    endpoint.require_any_client_assertion("app");
    let others = good(&other).audience(json!(["https://x.example", endpoint.origin()])).sign();
    assert_eq!(ask(&endpoint, &with(&others, KIND)).await.0, 200);
}

#[tokio::test]
async fn grants_of_assertions_verify_them_and_take_each_once() {
    let endpoint = TestTokenEndpoint::start().await;
    let (own, other) = (TestIssuer::start().await, TestIssuer::start().await);
    endpoint.accept_assertions_of(public_key(&own).await);
    let ask = async |assertion: &str| ask(&endpoint, &format!("{JWT_BEARER}&assertion={assertion}")).await;
    let assertion = own.token().sign();
    assert_eq!(ask(&assertion).await.0, 200);
    assert_eq!(ask(&assertion).await, error("invalid_grant"), "its jti was used");
    assert_eq!(ask(&other.token().sign()).await, error("invalid_grant"));
    assert_eq!(ask(&own.token().without_claim("jti").sign()).await, error("invalid_grant"));
    own.add_key(Algorithm::Rs256);
    assert_eq!(ask(&own.token().sign()).await, error("invalid_grant"), "another key");
    endpoint.accept_assertion(&assertion);
    assert_eq!(ask(&assertion).await.0, 200, "named");
}

#[tokio::test]
async fn a_client_says_who_it_is_in_the_place_that_is_asked_for() {
    let endpoint = TestTokenEndpoint::start().await;
    let basic = [("authorization", "Basic YXBwOnNlY3JldA==")];
    let grant = "grant_type=client_credentials";
    let (secret, name) =
        (format!("{grant}&client_id=app&client_secret=secret"), format!("{grant}&client_id=app"));
    let all = async || {
        let mut answers = Vec::new();
        for (form, headers) in
            [(grant, &basic[..]), (&secret, &[]), (&name, &[]), (grant, &[]), (&name, &basic)]
        {
            answers.push(post_form(&endpoint.url(), form, headers).await.0);
        }
        answers
    };
    endpoint.require_client_in_header("app", "secret");
    assert_eq!(all().await, [200, 401, 401, 401, 200]);
    endpoint.require_client_in_body("app", "secret");
    assert_eq!(all().await, [401, 200, 401, 401, 401]);
    endpoint.require_public_client("app");
    assert_eq!(all().await, [401, 401, 200, 401, 401]);
}

#[tokio::test]
async fn one_request_fails_and_the_next_does_not() {
    let endpoint = TestTokenEndpoint::start().await;
    let grant = "grant_type=client_credentials";
    endpoint.answer_next(StatusCode::BAD_REQUEST, r#"{"error":"slow_down"}"#);
    endpoint.answer_next_with(Response::builder().status(503).header("retry-after", "7").body("").unwrap());
    assert_eq!(ask(&endpoint, grant).await, error("slow_down"));
    assert_eq!(ask(&endpoint, grant).await.0, 503);
    assert_eq!(ask(&endpoint, grant).await.0, 200);
    endpoint.answer_next(StatusCode::BAD_GATEWAY, "");
    endpoint.recover();
    assert_eq!(ask(&endpoint, grant).await.0, 200);
    assert_eq!((endpoint.count(GrantType::ClientCredentials), endpoint.issued().len()), (4, 2));
}

#[tokio::test]
async fn refresh_tokens_rotate_or_last_and_are_forgotten() {
    let endpoint = TestTokenEndpoint::start().await;
    endpoint.user("alice", "pass");
    endpoint.with_lasting_refresh_tokens();
    let password = "grant_type=password&username=alice&password=pass";
    let refresh = |number| format!("grant_type=refresh_token&refresh_token=refresh-{number}");
    assert_eq!(ask(&endpoint, password).await.1["refresh_token"], "refresh-1");
    for _ in 0..2 {
        let (status, answer) = ask(&endpoint, &refresh(1)).await;
        assert_eq!((status, answer.get("refresh_token")), (200, None));
    }
    endpoint.with_refresh_tokens();
    endpoint.will_issue_refresh_token("mine");
    assert_eq!(ask(&endpoint, &refresh(1)).await.1["refresh_token"], "mine");
    assert_eq!(
        ask(&endpoint, "grant_type=refresh_token&refresh_token=mine").await.1["refresh_token"],
        "refresh-5"
    );
    assert_eq!(ask(&endpoint, &refresh(1)).await, error("invalid_grant"));
    endpoint.forget_refresh_tokens();
    assert_eq!(ask(&endpoint, &refresh(5)).await, error("invalid_grant"));
    assert_eq!((endpoint.count(GrantType::Password), endpoint.count(GrantType::RefreshToken)), (1, 6));
}

#[tokio::test]
async fn members_of_answers_are_added_changed_and_left_out() {
    let endpoint = TestTokenEndpoint::start().await;
    endpoint.without_expires_in();
    endpoint.member("token_type", "DPoP");
    endpoint.member("id_token", "x");
    let answer = ask(&endpoint, "grant_type=client_credentials").await.1;
    assert_eq!(answer, json!({"access_token": "access-1", "token_type": "DPoP", "id_token": "x"}));
    endpoint.member("token_type", Value::Null);
    endpoint.member("id_token", Value::Null);
    assert_eq!(ask(&endpoint, "grant_type=client_credentials").await.1, json!({"access_token": "access-2"}));
}
