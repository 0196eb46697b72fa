use std::{collections::HashSet, sync::Arc, time::Duration};

use portcullis_core::{AssertionPurpose, AssertionSigner};
use portcullis_testing::ManualClock;
use serde_json::{Value, json};

use super::{ClientAssertionConfig, JwtAssertionSigner, read};
use crate::{
    Algorithm, JwtIssuerConfig, JwtValidator, JwtValidatorConfig, SignatureConfig, SigningConfig,
    UnverifiedToken, decode_unverified,
    fixtures::{self, NOW, SECRET, ballerina, public_crt, rsa_signing},
};

const TOKEN_URL: &str = "https://idp.example/token";

/// The certificate of `key--private.key`, as `openssl dgst -sha256` has it.
const THUMBPRINT: &str = "UpwkM78Zsv3VxW9EIOh3EZZKAXfmEON0eIlF-mX9JmM";

fn secret() -> SigningConfig {
    SigningConfig::secret(SECRET)
}

fn client() -> ClientAssertionConfig {
    ClientAssertionConfig::new("orders", TOKEN_URL, secret())
}

fn grant() -> JwtIssuerConfig {
    JwtIssuerConfig::new(secret()).issuer("orders").single_audience(TOKEN_URL)
}

/// An assertion made at [`NOW`].
fn signed(signer: JwtAssertionSigner) -> UnverifiedToken {
    let signer = signer.clock(Arc::new(ManualClock::at(NOW)));
    decode_unverified(signer.sign().unwrap().expose()).unwrap()
}

fn signed_by(config: ClientAssertionConfig) -> UnverifiedToken {
    signed(JwtAssertionSigner::client(config).unwrap())
}

fn authenticates() -> AssertionPurpose {
    AssertionPurpose::ClientAuthentication { client_id: "orders".into(), token_url: TOKEN_URL.into() }
}

type Found = (Option<Arc<dyn AssertionSigner>>, Vec<String>, Vec<String>);

fn found(table: &Value, purpose: &AssertionPurpose) -> Found {
    fixtures::read(table, |section| read(section, purpose))
}

/// The token of a record without mistakes.
fn shown(table: &Value, purpose: &AssertionPurpose) -> UnverifiedToken {
    let (signer, problems, _) = found(table, purpose);
    assert_eq!(problems, [""; 0], "{table}");
    decode_unverified(signer.unwrap().sign().unwrap().expose()).unwrap()
}

fn with(mut table: Value, key: &str, value: Value) -> Value {
    table[key] = value;
    table
}

#[test]
fn a_clients_assertion_says_who_it_is_for_which_server_and_for_a_minute() {
    let mut token = signed_by(client());
    assert_eq!(Value::Object(token.header), json!({"alg": "HS256", "typ": "JWT"}));
    let now = NOW.as_secs();
    assert!(token.claims.remove("jti").is_some_and(|jti| jti.as_str().is_some_and(|jti| jti.len() == 36)));
    assert_eq!(
        Value::Object(token.claims),
        json!({"iss": "orders", "sub": "orders", "aud": TOKEN_URL, "exp": now + 60, "nbf": now, "iat": now})
    );
    let token = signed_by(client().key_id("k").custom_claim("tenant", 7).expiry(Duration::from_secs(300)));
    assert_eq!((&token.header["kid"], &token.claims["tenant"]), (&json!("k"), &json!(7)));
    assert_eq!(token.claims["exp"], now + 300);
}

#[test]
fn each_assertion_has_a_jti_of_its_own_though_all_are_made_at_once() {
    for signer in [
        JwtAssertionSigner::client(client()).unwrap(),
        JwtAssertionSigner::grant(grant().username("alice")).unwrap(),
    ] {
        let signer = signer.clock(Arc::new(ManualClock::at(NOW)));
        let mut seen = HashSet::new();
        for _ in 0..1_000 {
            let token = decode_unverified(signer.sign().unwrap().expose()).unwrap();
            assert!(seen.insert(token.claims["jti"].as_str().unwrap().to_owned()));
        }
    }
}

#[test]
fn assertions_are_signed_by_a_key_or_a_secret() {
    for (signing, keys) in [
        (secret(), SignatureConfig::secret(SECRET)),
        (rsa_signing(Algorithm::Rs256), SignatureConfig::cert_file(public_crt())),
        (rsa_signing(Algorithm::Ps256), SignatureConfig::cert_file(public_crt())),
    ] {
        let signer =
            JwtAssertionSigner::client(ClientAssertionConfig::new("orders", TOKEN_URL, signing)).unwrap();
        let token = signer.clock(Arc::new(ManualClock::at(NOW))).sign().unwrap();
        let validator = JwtValidator::new(JwtValidatorConfig::new(keys)).unwrap();
        assert_eq!(validator.validate(token.expose(), NOW).unwrap().subject(), Some("orders"));
    }
}

#[test]
fn the_keys_certificate_is_named_by_its_thumbprint() {
    let by = |signing| ClientAssertionConfig::new("orders", TOKEN_URL, signing);
    let token = signed_by(by(rsa_signing(Algorithm::Ps256)).cert_file(public_crt()));
    assert_eq!(Value::Object(token.header), json!({"alg": "PS256", "typ": "JWT", "x5t#S256": THUMBPRINT}));
    let error = |config| JwtAssertionSigner::client(config).unwrap_err().to_string();
    let other = ballerina("badpub--invalidPublic.crt");
    assert!(error(by(rsa_signing(Algorithm::Ps256)).cert_file(other)).starts_with("certFile: "));
    let other = ballerina("wso2pub--wso2Public.crt");
    assert_eq!(
        error(by(rsa_signing(Algorithm::Ps256)).cert_file(other)),
        "certFile: is not the certificate of the key: name the one that was issued for it"
    );
    assert_eq!(error(client().cert_file(public_crt())), "certFile: a secret has no certificate: remove it");
    assert!(error(by(rsa_signing(Algorithm::Ps256)).cert_file("missing")).starts_with("certFile: missing: "));
}

#[test]
fn what_an_assertion_may_not_say_is_a_mistake() {
    let error = |config| JwtAssertionSigner::client(config).unwrap_err().to_string();
    for (name, expected) in [
        ("exp", "customClaims: may not set `exp`: it comes from the clock"),
        ("iat", "customClaims: may not set `iat`"),
        ("nbf", "customClaims: may not set `nbf`"),
        ("iss", "customClaims: may not set `iss`: it is the client's identifier"),
        ("sub", "customClaims: may not set `sub`: it is the client's identifier"),
        ("aud", "customClaims: may not set `aud`: set `audience`"),
        ("jti", "customClaims: may not set `jti`: each assertion has one of its own"),
    ] {
        let found = error(client().custom_claim(name, 1));
        assert!(found.starts_with(expected) && !found.contains('\n'), "{found}");
    }
    assert!(error(client().expiry(Duration::ZERO)).starts_with("expTime: a token that expires when"));
    assert!(
        error(client().expiry(Duration::from_millis(300_001))).starts_with("expTime: at most 300 seconds")
    );
    let unsigned = ClientAssertionConfig::new("orders", TOKEN_URL, SigningConfig::insecure_unsigned());
    assert!(error(unsigned).starts_with("signatureConfig.algorithm: NONE is not for assertions"));
    assert!(
        error(ClientAssertionConfig::new("", TOKEN_URL, secret())).starts_with("clientId: must not be empty")
    );
    assert!(
        error(ClientAssertionConfig::new("orders", "", secret())).starts_with("audience: must not be empty")
    );
}

#[test]
fn a_grants_assertion_is_whatever_its_record_says_but_always_another() {
    let token =
        signed(JwtAssertionSigner::grant(grant().username("alice").custom_claim("scope", "read")).unwrap());
    assert_eq!((&token.claims["iss"], &token.claims["sub"]), (&json!("orders"), &json!("alice")));
    assert_eq!((&token.claims["aud"], &token.claims["scope"]), (&json!(TOKEN_URL), &json!("read")));
    assert_eq!(token.claims["exp"], NOW.as_secs() + 300);
    // Issuer and audience may also be custom claims, the subject be missing.
    let custom = JwtIssuerConfig::new(secret()).custom_claim("iss", "orders").custom_claim("aud", TOKEN_URL);
    assert!(JwtAssertionSigner::grant(custom).is_ok());
    let error = |config| JwtAssertionSigner::grant(config).unwrap_err().to_string();
    assert!(error(grant().jwt_id("7")).starts_with("jwtId: each assertion has a `jti` of its own"));
    assert!(error(grant().custom_claim("jti", "7")).starts_with("customClaims: may not set `jti`"));
    assert!(
        error(grant().custom_claim("iss", "x")).starts_with("customClaims: sets `iss`, and so does `issuer`")
    );
    let nobody = error(JwtIssuerConfig::new(secret()));
    assert!(nobody.starts_with("issuer: required, and missing"), "{nobody}");
    assert!(nobody.contains("\naudience: required, and missing"), "{nobody}");
    for (config, told) in [
        (grant().issuer(""), "issuer: must not be empty: an assertion says who made it"),
        (grant().issuer(" "), "issuer: must not be empty: an assertion says who made it"),
        (
            grant().single_audience(""),
            "audience: must not be empty: an assertion names the server that it is for",
        ),
        (
            grant().audience([TOKEN_URL, " "]),
            "audience: holds an empty name: an assertion names the server that it is for",
        ),
        (grant().audience([""; 0]), "audience: an empty list is for nobody: name one, or leave it out"),
    ] {
        assert_eq!(error(config), told);
    }
    let unsigned = JwtIssuerConfig::new(SigningConfig::insecure_unsigned()).issuer("a").single_audience("b");
    assert!(error(unsigned).starts_with("signatureConfig.algorithm: NONE is not for assertions"));
}

#[test]
fn a_clients_record_is_read() {
    let signature = json!({"algorithm": "HS256", "config": SECRET});
    let least = json!({"signatureConfig": signature});
    let token = shown(&least, &authenticates());
    assert_eq!((&token.claims["iss"], &token.claims["sub"]), (&json!("orders"), &json!("orders")));
    assert_eq!((&token.claims["aud"], &token.claims["exp"]), (&json!(TOKEN_URL), &json!(NOW.as_secs() + 60)));
    let all = json!({
        "signatureConfig": {"algorithm": "PS256", "config": {"keyFile": "key--private.key"}}, "keyId": "k",
        "certFile": "pub--public.crt", "audience": "https://idp.example", "expTime": "5m", "customClaims": {"a": 1},
    });
    let token = shown(&all, &authenticates());
    assert_eq!(
        Value::Object(token.header),
        json!({"alg": "PS256", "typ": "JWT", "kid": "k", "x5t#S256": THUMBPRINT})
    );
    assert_eq!((&token.claims["aud"], &token.claims["a"]), (&json!("https://idp.example"), &json!(1)));
    assert_eq!(token.claims["exp"], NOW.as_secs() + 300);
}

#[test]
fn every_mistake_of_a_clients_record_stands_at_its_key() {
    let least = || json!({"signatureConfig": {"algorithm": "HS256", "config": SECRET}});
    for (table, expected) in [
        (json!({}), "c.signatureConfig: required, and missing"),
        (json!({"certFile": "pub--public.crt"}), "c.signatureConfig: required, and missing"),
        (
            json!({"signatureConfig": {"algorithm": "NONE"}}),
            "c.signatureConfig.algorithm: NONE is not for assertions",
        ),
        (with(least(), "issuer", json!("x")), "c.issuer: is the client's identifier: remove it"),
        (with(least(), "username", json!("x")), "c.username: is the client's identifier: remove it"),
        (with(least(), "jwtId", json!("x")), "c.jwtId: is another one for each assertion: remove it"),
        (with(least(), "audience", json!([TOKEN_URL])), "c.audience: expected a string"),
        (with(least(), "audience", json!("")), "c.audience: must not be empty"),
        (with(least(), "expTime", json!(301)), "c.expTime: at most 300 seconds"),
        (with(least(), "expTime", json!(0)), "c.expTime: a token that expires when"),
        (with(least(), "customClaims", json!({"jti": "1"})), "c.customClaims: may not set `jti`"),
        (with(least(), "certFile", json!("pub--public.crt")), "c.certFile: a secret has no certificate"),
        (with(least(), "keyID", json!("k")), "c.keyID: unknown key; did you mean `keyId`?"),
    ] {
        let (signer, problems, _) = found(&table, &authenticates());
        assert!(problems.len() == 1 && problems[0].starts_with(expected), "{expected}: {problems:?}");
        assert!(signer.is_none() || expected.contains("unknown key"), "{expected}");
    }
}

#[test]
fn a_grants_record_is_read() {
    let table = json!({
        "issuer": "orders", "username": "alice", "audience": [TOKEN_URL],
        "signatureConfig": {"config": {"keyFile": "key--private.key"}},
    });
    let token = shown(&table, &AssertionPurpose::Grant);
    assert_eq!((&token.header["alg"], &token.claims["aud"]), (&json!("RS256"), &json!([TOKEN_URL])));
    assert_eq!((&token.claims["sub"], &token.claims["exp"]), (&json!("alice"), &json!(NOW.as_secs() + 300)));
    for (key, value, expected) in [
        ("issuer", json!(""), "must not be empty: an assertion says who made it"),
        ("issuer", json!(5), "expected a string, found an integer"),
        ("audience", json!(""), "must not be empty: an assertion names the server that it is for"),
        ("audience", json!([""]), "holds an empty name: an assertion names the server that it is for"),
        ("audience", json!([]), "an empty list is for nobody: name one, or leave it out"),
        ("audience", json!(5), "expected a string or an array of strings, found an integer"),
    ] {
        let (signer, problems, _) = found(&with(table.clone(), key, value), &AssertionPurpose::Grant);
        assert!(signer.is_none(), "{key}");
        assert_eq!(problems, [format!("c.{key}: {expected}")]);
    }
    let (signer, problems, _) = found(&with(table, "jwtId", json!("7")), &AssertionPurpose::Grant);
    assert!(
        signer.is_none() && problems.len() == 1 && problems[0].starts_with("c.jwtId: each"),
        "{problems:?}"
    );
    let unsigned = json!({"issuer": "a", "audience": "b", "signatureConfig": {"algorithm": "NONE"}});
    let (signer, problems, warnings) = found(&unsigned, &AssertionPurpose::Grant);
    assert_eq!(warnings, [""; 0]);
    assert!(signer.is_none() && problems.len() == 1, "{problems:?}");
    assert!(
        problems[0].starts_with("c.signatureConfig.algorithm: NONE is not for assertions"),
        "{problems:?}"
    );
}

#[test]
fn no_secret_is_shown() {
    let config = client().custom_claim("canary-claim", "canary-claim");
    let signer = JwtAssertionSigner::client(config.clone()).unwrap();
    let shown = format!("{config:?} {signer:?} {:?}", signer.sign());
    assert!(
        !shown.contains(SECRET) && !shown.contains("canary-claim") && shown.contains("[redacted]"),
        "{shown}"
    );
}
