//! The rows about keys that are fetched, against a server with Ballerina's key set.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Response, Version};
use portcullis_core::{Bearer, Context, Credential, Outcome, Provider as _, authenticate_header};
use portcullis_jwt::JwtValidator;
use portcullis_keys::{Identity, ServerTls, TrustAnchors};
use portcullis_testing::{TestServer, TestTls};
use serde_json::{Value, json};

use super::{bearer, clock, data, json_of, payload, read, renamed, row, signed, token};

/// The server's certificate is not Ballerina's, which has no subject alternative name.
const FILES: [(&str, &str); 5] = [
    ("ballerinaTruststore.p12", "../../sts/truststore.p12"),
    ("public.crt", "../../sts/sts.crt"),
    ("invalidPublic.crt", "badpub--invalidPublic.crt"),
    ("private.key", "key--private.key"),
    ("encryptedPrivate.key", "enckey--encryptedPrivate.key"),
];

fn answer(set: &Value) -> impl Fn(&portcullis_testing::Call) -> Response<Bytes> + Send + Sync + 'static {
    let body = Bytes::from(set.to_string());
    move |call| {
        let status = if call.path() == "/oauth2/jwks" { 200 } else { 404 };
        Response::builder().status(status).body(body.clone()).unwrap()
    }
}

async fn sts(change: impl FnOnce(ServerTls) -> ServerTls) -> TestServer {
    let identity = Identity::from_files(data("../sts/sts.crt"), data("../sts/sts.key"), None).unwrap();
    let tls = TestTls::new(change(ServerTls::new(identity)));
    TestServer::start_https(tls, answer(&json_of("data.json")["jwks"])).await
}

/// The validator of a row, with the server's own port.
fn validator(id: &str, server: &TestServer, change: impl FnOnce(&mut Value)) -> JwtValidator {
    let mut config = row(id)["config"]["jwtValidatorConfig"].clone();
    renamed(&mut config, &FILES);
    let jwks = &mut config["signatureConfig"]["jwksConfig"];
    let url = jwks["url"].as_str().unwrap().replace("9445", &server.address().port().to_string());
    jwks["url"] = url.into();
    change(jwks);
    read(&config).unwrap()
}

/// `known`, or the code of the refusal, or why it cannot be told.
async fn told(validator: &JwtValidator, token: &str) -> String {
    let (credential, clock) = (Credential::Bearer(Bearer::new(token).unwrap()), clock());
    match validator.authenticate(&credential, &Context::new(&clock)).await {
        Outcome::Known(identity) => {
            assert_eq!((identity.subject(), identity.issuer()), (Some("admin"), Some("ballerina")));
            "known".to_owned()
        }
        Outcome::Refused(refusal) => refusal.code().to_owned(),
        Outcome::Unavailable(why) => why.to_string(),
    }
}

async fn of_row(id: &str, server: &TestServer) -> String {
    told(&validator(id, server, |_| {}), &token("jwt:JWT2")).await
}

/// What is told where the server's certificate is not trusted.
fn is_not_trusted(told: &str) {
    assert!(told.starts_with("the keys cannot be fetched: https://localhost:"), "{told}");
    assert!(told.contains("invalid peer certificate"), "{told}");
}

#[tokio::test]
async fn jwt_lst_02() {
    let server = sts(|tls| tls).await;
    let header = HeaderValue::from_str(&bearer(&token("jwt:JWT2"))).unwrap();
    for preload in [true, false] {
        let validator = Arc::new(validator("jwt-lst-02", &server, |jwks| jwks["preload"] = preload.into()));
        validator.prepare().await.unwrap();
        let before = server.call_count();
        let provider: Arc<dyn portcullis_core::Provider> = validator;
        let principal = authenticate_header(&provider, &header, &clock()).await.unwrap();
        assert_eq!(principal.claims()["aud"], json!(["vEwzbcasJVQm1jVYHUHCjhxZ4tYa"]));
        assert_eq!(server.call_count() - before, usize::from(!preload));
    }
}

#[tokio::test]
async fn jwt_val_15() {
    is_not_trusted(&of_row("jwt-val-15", &sts(|tls| tls).await).await);
}

#[tokio::test]
async fn jwt_val_17() {
    is_not_trusted(&of_row("jwt-val-17", &sts(|tls| tls).await).await);
}

#[tokio::test]
async fn jwt_val_18() {
    let server = sts(|tls| tls).await;
    assert_eq!(of_row("jwt-val-18", &server).await, "known");
    assert_eq!(server.calls()[0].version, Version::HTTP_2);
}

#[tokio::test]
async fn jwt_val_19() {
    assert_eq!(of_row("jwt-val-19", &sts(|tls| tls).await).await, "known");
}

#[tokio::test]
async fn jwt_val_20() {
    is_not_trusted(&of_row("jwt-val-20", &sts(|tls| tls).await).await);
}

/// A server that lets nobody in without Ballerina's certificate.
async fn of_row_with_a_client_certificate(id: &str) -> String {
    let server = sts(|tls| {
        let anchors = TrustAnchors::from_file(data("data/pub--public.crt")).unwrap();
        tls.require_client_certificate(anchors)
    })
    .await;
    let validator = validator(id, &server, |jwks| {
        jwks["clientConfig"]["secureSocket"]["key"]["certFile"] = "pub--public.crt".into();
    });
    told(&validator, &token("jwt:JWT2")).await
}

#[tokio::test]
async fn jwt_val_22() {
    assert_eq!(of_row_with_a_client_certificate("jwt-val-22").await, "known");
}

#[tokio::test]
async fn jwt_val_23() {
    assert_eq!(of_row_with_a_client_certificate("jwt-val-23").await, "known");
}

#[tokio::test]
async fn jwt_val_26() {
    assert_eq!(of_row("jwt-val-26", &sts(|tls| tls).await).await, "known");
}

/// The third key of Ballerina's set, which signs the tokens of these tests, with changes; null takes a member away.
fn key(changes: &Value) -> Value {
    let mut key = json_of("data.json")["jwks"]["keys"][2].clone();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => key.as_object_mut().unwrap().remove(name),
            value => key.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    key
}

/// What becomes of a token with this header under a set with the key as changed, and Ballerina's second key.
async fn with_key(changes: &Value, header: &Value) -> String {
    let other = json_of("data.json")["jwks"]["keys"][1].clone();
    let server = TestServer::start(answer(&json!({"keys": [other, key(changes)]}))).await;
    let jwks = json!({"url": format!("{}/oauth2/jwks", server.origin())});
    let config =
        json!({"issuer": "ballerina", "audience": "ballerina", "signatureConfig": {"jwksConfig": jwks}});
    let claims = payload(&json!({"iss": "ballerina", "sub": "admin"}));
    told(&read(&config).unwrap(), &signed(header, &claims)).await
}

#[tokio::test]
async fn d_jwt_15() {
    assert_eq!(with_key(&json!({}), &json!({"alg": "RS256"})).await, "known");
    let elsewhere = json!({"n": json_of("data.json")["jwks"]["keys"][1]["n"]});
    assert_eq!(with_key(&elsewhere, &json!({"alg": "RS256"})).await, "bad-signature");
}

#[tokio::test]
async fn d_jwt_17() {
    let nameless = json!({"kid": null});
    assert_eq!(with_key(&nameless, &json!({"alg": "RS256", "kid": "any"})).await, "known");
    assert_eq!(with_key(&nameless, &json!({"alg": "RS256", "kid": "2011-04-29"})).await, "known");
    let odd = json!({"kid": 1});
    assert_eq!(with_key(&odd, &json!({"alg": "RS256", "kid": "any"})).await, "unknown-key");
}

#[tokio::test]
async fn d_jwt_19() {
    let kid = json_of("data.json")["jwks"]["keys"][2]["kid"].clone();
    let header = json!({"alg": "RS256", "kid": kid});
    assert_eq!(with_key(&json!({}), &header).await, "known");
    assert_eq!(with_key(&json!({"use": "enc"}), &header).await, "unknown-key");
    assert_eq!(with_key(&json!({"alg": "PS256"}), &header).await, "unsupported-algorithm");
    assert_eq!(with_key(&json!({"alg": "RSA-OAEP"}), &header).await, "unknown-key");
}
