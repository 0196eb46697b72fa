//! The rows of the area `client-jwt`, but those that call a service.

use std::sync::Arc;

use portcullis_core::{Clock, TokenSource, config::Reader};
use portcullis_jwt::{
    JwtValidator, JwtValidatorConfig, SignatureConfig, UnverifiedToken, client, decode_unverified,
};
use serde_json::{Value, json};

use super::{NOW, clock, data, renamed, row, table};

const FILES: [(&str, &str); 3] = [
    ("ballerinaKeystore.p12", "ballerina-ks--ballerinaKeystore.p12"),
    ("private.key", "key--private.key"),
    ("encryptedPrivate.key", "enckey--encryptedPrivate.key"),
];

/// The row's configuration.
fn config(id: &str) -> Value {
    let mut config = row(id)["config"]["jwtIssuerConfig"].clone();
    renamed(&mut config, &FILES);
    config
}

/// Reads a `JwtIssuerConfig` as a client does, or tells its mistakes.
fn read(config: &Value) -> Result<Arc<dyn TokenSource>, Vec<String>> {
    let table = table(config);
    let clock: Arc<dyn Clock> = clock();
    let reader = Reader::new(data("data")).plug(clock);
    let section = reader.section(&table, "auth");
    let source = client::read(&section);
    drop(section);
    source.ok_or_else(|| reader.into_problems().iter().map(ToString::to_string).collect())
}

/// What a client of this configuration sends, as it is written and as it is read.
fn sent(config: &Value) -> (String, UnverifiedToken) {
    let token = read(config).unwrap().try_token().unwrap().token().unwrap();
    (token.expose().to_owned(), decode_unverified(token.expose()).unwrap())
}

/// The same of a configuration that signs by Ballerina's key, whose signature is right.
fn signed(id: &str) -> UnverifiedToken {
    let (text, token) = sent(&config(id));
    let keys = SignatureConfig::cert_file(data("data/pub--public.crt"));
    assert!(JwtValidator::new(JwtValidatorConfig::new(keys)).unwrap().validate(&text, NOW).is_ok());
    token
}

fn header(token: &UnverifiedToken) -> Value {
    Value::Object(token.header.clone())
}

/// All claims but `jti`, which is another one in each token.
fn claims(mut token: UnverifiedToken) -> Value {
    assert!(token.claims.remove("jti").is_some_and(|jti| jti.is_string()));
    Value::Object(token.claims)
}

/// The claims with the times of a token that lives so many seconds.
fn timed(mut claims: Value, life: u64) -> Value {
    let now = NOW.as_secs();
    for (name, value) in [("exp", now + life), ("nbf", now), ("iat", now)] {
        claims[name] = value.into();
    }
    claims
}

fn johns() -> Value {
    timed(json!({"iss": "wso2", "sub": "John", "aud": ["ballerina", "ballerinaSamples"]}), 600)
}

#[test]
fn jwt_cli_01() {
    let token = signed("jwt-cli-01");
    assert_eq!(header(&token), json!({"alg": "RS256", "typ": "JWT"}));
    let expected = timed(json!({"iss": "wso2", "sub": "admin", "aud": ["ballerina"]}), 300);
    assert_eq!(claims(token), expected);
}

#[test]
fn jwt_iss_01() {
    let token = signed("jwt-iss-01");
    let kid = "5a0b754-895f-4279-8843-b745e11a57e9";
    assert_eq!(header(&token), json!({"alg": "RS256", "typ": "JWT", "kid": kid}));
    assert_eq!(token.claims["jti"], "JlbmMiOiJBMTI4Q0JDLUhTMjU2In");
    let mut expected = johns();
    expected["scp"] = "hello".into();
    assert_eq!(claims(token), expected);
}

#[test]
fn jwt_iss_02() {
    let token = signed("jwt-iss-02");
    assert_eq!(header(&token), json!({"alg": "RS256", "typ": "JWT"}));
    assert_eq!(claims(token)["aud"], "ballerina");
}

#[test]
fn jwt_iss_03() {
    assert_eq!(claims(signed("jwt-iss-03"))["aud"], json!(["ballerina"]));
}

#[test]
fn jwt_iss_04() {
    let expected = timed(json!({"aud": ["ballerina", "ballerinaSamples"]}), 600);
    assert_eq!(claims(signed("jwt-iss-04")), expected);
}

#[test]
fn jwt_iss_06() {
    let token = signed("jwt-iss-06");
    assert_eq!(header(&token), json!({"alg": "RS256", "typ": "JWT"}));
    let mut expected = johns();
    expected["scope"] = "test-scope".into();
    assert_eq!(claims(token), expected);
}

#[test]
fn jwt_iss_07() {
    let mut config = config("jwt-iss-07");
    let problems = read(&config).unwrap_err();
    assert!(problems.len() == 1 && problems[0].starts_with("auth.signatureConfig: required"), "{problems:?}");
    config["signatureConfig"] = json!({"algorithm": "NONE"});
    let (text, token) = sent(&config);
    assert!(text.ends_with('.') && text.matches('.').count() == 2);
    assert_eq!(header(&token), json!({"alg": "none", "typ": "JWT"}));
    assert_eq!(claims(token), johns());
}

#[test]
fn jwt_iss_09() {
    let token = signed("jwt-iss-09");
    assert_eq!(header(&token), json!({"alg": "RS384", "typ": "JWT"}));
    assert_eq!(claims(token), johns());
}

#[test]
fn jwt_iss_13() {
    let mut config = config("jwt-iss-13");
    let problems = read(&config).unwrap_err();
    assert!(problems.len() == 1 && problems[0].contains("the secret is too short"), "{problems:?}");
    config["signatureConfig"]["insecureShortSecret"] = true.into();
    let (text, token) = sent(&config);
    assert_eq!(header(&token), json!({"alg": "HS512", "typ": "JWT"}));
    assert_eq!(claims(token), johns());
    let keys = SignatureConfig::insecure_short_secret("s3cr3t");
    assert!(JwtValidator::new(JwtValidatorConfig::new(keys)).unwrap().validate(&text, NOW).is_ok());
}

#[test]
fn jwt_iss_15() {
    let token = signed("jwt-iss-15");
    assert_eq!(header(&token), json!({"alg": "RS256", "typ": "JWT"}));
    assert_eq!(claims(token), johns());
}

#[test]
fn jwt_iss_16() {
    let token = signed("jwt-iss-16");
    assert_eq!(header(&token), json!({"alg": "RS256", "typ": "JWT"}));
    assert_eq!(claims(token), johns());
}
