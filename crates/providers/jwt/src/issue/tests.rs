use std::{collections::HashSet, time::Duration};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING};
use portcullis_core::UnixTime;
use serde_json::{Value, json};

use super::{JwtIssuer, JwtIssuerConfig, SigningConfig};
use crate::{
    Algorithm, JwtValidator, JwtValidatorConfig, SignatureConfig, decode_unverified,
    fixtures::{
        NOW, SECRET, ballerina, ec_jwk, ec_key, ed25519_jwk, ed25519_key, public_crt, read, rsa_signing,
    },
    jws::base64url::decode,
};

fn issue(config: JwtIssuerConfig) -> String {
    JwtIssuer::new(config).unwrap().issue(NOW).unwrap().expose().to_owned()
}

/// Header and payload as they are written.
fn texts(token: &str) -> (String, String) {
    let mut segments =
        token.split('.').map(|segment| String::from_utf8_lossy(&decode(segment).unwrap()).into_owned());
    (segments.next().unwrap(), segments.next().unwrap())
}

fn base() -> JwtIssuerConfig {
    JwtIssuerConfig::new(SigningConfig::secret(SECRET))
}

#[test]
fn header_and_claims_are_written_in_their_order() {
    let config = base()
        .issuer("wso2")
        .username("alice")
        .audience(["a", "b"])
        .jwt_id("7")
        .key_id("k")
        .custom_claim("scp", "hello")
        .expiry(Duration::from_secs(60));
    let (header, payload) = texts(&issue(config));
    assert_eq!(header, r#"{"alg":"HS256","typ":"JWT","kid":"k"}"#);
    assert_eq!(
        payload,
        r#"{"iss":"wso2","sub":"alice","aud":["a","b"],"exp":1700000060,"nbf":1700000000,"iat":1700000000,"jti":"7","scp":"hello"}"#
    );
}

#[test]
fn what_is_left_out_is_not_written_and_the_rest_has_its_default() {
    let token = issue(base().single_audience("a"));
    let shown = decode_unverified(&token).unwrap();
    assert_eq!(Value::Object(shown.header), json!({"alg": "HS256", "typ": "JWT"}));
    assert_eq!(shown.claims["aud"], "a");
    assert_eq!(shown.claims["exp"], NOW.as_secs() + 300);
    let mut names: Vec<&str> = shown.claims.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["aud", "exp", "iat", "jti", "nbf"]);
}

#[test]
fn every_token_has_an_id_of_its_own_that_looks_like_a_uuid() {
    let issuer = JwtIssuer::new(base()).unwrap();
    let mut seen = HashSet::new();
    for _ in 0..100 {
        let token = issuer.issue(NOW).unwrap();
        let id = decode_unverified(token.expose()).unwrap().claims["jti"].as_str().unwrap().to_owned();
        let groups: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(groups, [8, 4, 4, 4, 12], "{id}");
        assert_eq!(&id[14..15], "4", "{id}");
        assert!(matches!(&id[19..20], "8" | "9" | "a" | "b"), "{id}");
        assert!(seen.insert(id));
    }
    let custom = issue(base().custom_claim("jti", "own"));
    assert_eq!(decode_unverified(&custom).unwrap().claims["jti"], "own");
}

#[test]
fn a_part_of_a_second_is_a_whole_one() {
    let exp =
        |expiry| decode_unverified(&issue(base().expiry(expiry))).unwrap().claims["exp"].as_u64().unwrap();
    assert_eq!(exp(Duration::from_millis(1)), NOW.as_secs() + 1);
    assert_eq!(exp(Duration::from_millis(1_500)), NOW.as_secs() + 2);
    assert_eq!(exp(Duration::from_secs(2)), NOW.as_secs() + 2);
    let issuer = JwtIssuer::new(base()).unwrap();
    assert!(issuer.issue(UnixTime::MAX).is_err());
}

#[test]
fn what_is_issued_is_accepted_by_the_validator_for_every_algorithm() {
    let (p256, p256_point) = ec_key(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let (p384, p384_point) = ec_key(&ECDSA_P384_SHA384_FIXED_SIGNING);
    let (ed, ed_point) = ed25519_key();
    let jwk = |jwk: Value| SignatureConfig::jwk(jwk.to_string());
    for algorithm in Algorithm::ALL {
        let (signing, signature) = match algorithm {
            Algorithm::Es256 => (SigningConfig::key(&p256), jwk(ec_jwk("P-256", &p256_point))),
            Algorithm::Es384 => (SigningConfig::key(&p384), jwk(ec_jwk("P-384", &p384_point))),
            Algorithm::EdDsa => (SigningConfig::key(&ed), jwk(ed25519_jwk(&ed_point))),
            other if other.least_secret().is_some() => {
                (SigningConfig::secret(SECRET), SignatureConfig::secret(SECRET))
            }
            other => (rsa_signing(other), SignatureConfig::cert_file(public_crt())),
        };
        let token = issue(JwtIssuerConfig::new(signing.algorithm(algorithm)).username("alice"));
        let validator = JwtValidator::new(JwtValidatorConfig::new(signature)).unwrap();
        assert_eq!(validator.validate(&token, NOW).unwrap().subject(), Some("alice"), "{algorithm}");
        assert!(!format!("{:?}", JwtIssuer::new(base()).unwrap()).contains(SECRET));
    }
}

#[test]
fn a_token_without_a_signature_ends_in_a_dot_rfc_7519_6() {
    let token = issue(JwtIssuerConfig::new(SigningConfig::insecure_unsigned()).username("alice").jwt_id("7"));
    let (header, payload) = texts(&token);
    assert_eq!(header, r#"{"alg":"none","typ":"JWT"}"#);
    assert_eq!(payload, r#"{"sub":"alice","exp":1700000300,"nbf":1700000000,"iat":1700000000,"jti":"7"}"#);
    assert!(token.ends_with('.') && token.matches('.').count() == 2);
}

#[test]
fn keys_come_from_files_and_stores() {
    let validator =
        JwtValidator::new(JwtValidatorConfig::new(SignatureConfig::cert_file(public_crt()))).unwrap();
    for signing in [
        SigningConfig::key_file(ballerina("key--private.key")),
        SigningConfig::encrypted_key_file(ballerina("enckey--encryptedPrivate.key"), "ballerina"),
        SigningConfig::key_store(ballerina("ballerina-ks--ballerinaKeystore.p12"), "ballerina", "ballerina"),
    ] {
        let token = issue(JwtIssuerConfig::new(signing.clone()).username("alice"));
        assert!(validator.validate(&token, NOW).is_ok(), "{signing:?}");
    }
}

#[test]
fn a_key_that_does_not_fit_the_algorithm_is_a_mistake() {
    let error =
        |signing: SigningConfig| JwtIssuer::new(JwtIssuerConfig::new(signing)).unwrap_err().to_string();
    let p256 = ec_key(&ECDSA_P256_SHA256_FIXED_SIGNING).0;
    for (signing, expected) in [
        (
            SigningConfig::key(&p256),
            "signatureConfig.algorithm: RS256 is not for the key, which is EC on P-256: set one of ES256",
        ),
        (
            rsa_signing(Algorithm::EdDsa),
            "signatureConfig.algorithm: EdDSA is not for the key, which is RSA of 2048 bits: set one of RS256, RS384, \
             RS512, PS256, PS384, PS512",
        ),
        (rsa_signing(Algorithm::Hs256), "signatureConfig.algorithm: HS256 is not for the key"),
        (
            SigningConfig::secret(SECRET).algorithm(Algorithm::Rs256),
            "signatureConfig.algorithm: RS256 is not for a shared secret: set one of HS256, HS384, HS512",
        ),
        (
            SigningConfig::secret(&SECRET[..31]),
            "signatureConfig.config: the secret is too short: HS256 needs at least 32",
        ),
        (
            SigningConfig::secret(&SECRET[..63]).algorithm(Algorithm::Hs512),
            "signatureConfig.config: the secret is too short: HS512 needs at least 64",
        ),
        (
            SigningConfig::insecure_short_secret(""),
            "signatureConfig.config: an empty secret protects nothing",
        ),
        (SigningConfig::key_file("missing.key"), "signatureConfig.config.keyFile: missing.key: "),
        (
            SigningConfig::key_file(ballerina("enckey--encryptedPrivate.key")),
            "signatureConfig.config.keyPassword: ",
        ),
        (
            SigningConfig::encrypted_key_file(ballerina("enckey--encryptedPrivate.key"), "wrong"),
            "signatureConfig.config.keyPassword: ",
        ),
        (
            SigningConfig::key_store(ballerina("ballerina-ks--ballerinaKeystore.p12"), "wrong", "ballerina"),
            "signatureConfig.config.keyStore.password: ",
        ),
        (
            SigningConfig::key_store(ballerina("ballerina-ks--ballerinaKeystore.p12"), "ballerina", "nobody"),
            "signatureConfig.config.keyAlias: ",
        ),
        (SigningConfig::key("nonsense"), "signatureConfig.config: "),
        (
            SigningConfig::insecure_unsigned().algorithm(Algorithm::Hs256),
            "signatureConfig.algorithm: HS256 signs by a key, and there is none",
        ),
    ] {
        let found = error(signing);
        assert!(found.starts_with(expected), "{found}");
    }
    assert!(JwtIssuer::new(JwtIssuerConfig::new(SigningConfig::insecure_short_secret("s3cr3t"))).is_ok());
}

#[test]
fn custom_claims_leave_times_and_configured_claims_alone() {
    let error = |config: JwtIssuerConfig| JwtIssuer::new(config).unwrap_err().to_string();
    for name in ["exp", "iat", "nbf"] {
        assert!(
            error(base().custom_claim(name, 1)).starts_with(&format!("customClaims: may not set `{name}`"))
        );
    }
    for (config, name) in [
        (base().issuer("a"), "iss"),
        (base().username("a"), "sub"),
        (base().audience(["a"]), "aud"),
        (base().jwt_id("a"), "jti"),
    ] {
        assert!(error(config.custom_claim(name, "b")).starts_with(&format!("customClaims: sets `{name}`")));
        assert!(JwtIssuer::new(base().custom_claim(name, "b")).is_ok());
    }
    assert!(error(base().expiry(Duration::ZERO)).starts_with("expTime: "));
    assert!(error(base().audience([""; 0])).starts_with("audience: an empty list"));
}

#[test]
fn the_configuration_is_read_in_all_its_forms() {
    for (signature, algorithm) in [
        (json!({"config": {"keyFile": "key--private.key"}}), "RS256"),
        (json!({"algorithm": "PS512", "config": {"keyFile": "key--private.key"}}), "PS512"),
        (
            json!({"algorithm": "jwt:RS384", "config": {"keyFile": "enckey--encryptedPrivate.key", "keyPassword": "ballerina"}}),
            "RS384",
        ),
        (
            json!({"config": {
                "keyStore": {"path": "ballerina-ks--ballerinaKeystore.p12", "password": "ballerina"},
                "keyAlias": "ballerina", "keyPassword": "ballerina",
            }}),
            "RS256",
        ),
        (
            json!({"config": {"keyStore": {"path": "ballerina-ks--ballerinaKeystore.p12", "password": "ballerina"}}}),
            "RS256",
        ),
        (json!({"algorithm": "HS384", "config": SECRET}), "HS384"),
        (json!({"algorithm": "HS256", "config": "s3cr3t", "insecureShortSecret": true}), "HS256"),
    ] {
        let section = json!({
            "issuer": "wso2", "username": "alice", "audience": "a", "keyId": "k", "customClaims": {"scp": "hello"},
            "expTime": 60, "signatureConfig": signature,
        });
        let (config, problems, _) = read(&section, JwtIssuerConfig::read);
        assert_eq!(problems, [""; 0], "{section}");
        let shown = decode_unverified(&issue(config.unwrap())).unwrap();
        assert_eq!(Value::Object(shown.header), json!({"alg": algorithm, "typ": "JWT", "kid": "k"}));
        assert_eq!((&shown.claims["aud"], &shown.claims["scp"]), (&json!("a"), &json!("hello")));
        assert_eq!(shown.claims["exp"], NOW.as_secs() + 60);
    }
    let array =
        json!({"audience": ["a"], "jwtId": "7", "signatureConfig": {"algorithm": "HS256", "config": SECRET}});
    let (config, ..) = read(&array, JwtIssuerConfig::read);
    let shown = decode_unverified(&issue(config.unwrap())).unwrap();
    assert_eq!((&shown.claims["aud"], &shown.claims["jti"]), (&json!(["a"]), &json!("7")));
}

#[test]
fn a_token_lives_for_whole_seconds_within_time() {
    let expires = |span, now| {
        let token = JwtIssuer::new(base().expiry(span)).unwrap().issue(now)?;
        Ok::<_, crate::IssueError>(decode_unverified(token.expose()).unwrap().claims["exp"].as_u64().unwrap())
    };
    assert_eq!(expires(Duration::from_millis(1_001), NOW), Ok(NOW.as_secs() + 2));
    assert_eq!(expires(Duration::from_secs(u64::MAX), UnixTime::from_secs(0)), Ok(u64::MAX));
    for (span, now) in [(Duration::MAX, UnixTime::from_secs(0)), (Duration::from_secs(u64::MAX), NOW)] {
        assert!(expires(span, now).is_err(), "{span:?}");
    }
}

#[test]
fn two_keys_at_once_are_one_mistake() {
    let config = json!({"keyFile": "a", "keyStore": {"path": "b", "password": "c"}, "keyAlias": "d", "keyPassword": "e"});
    let (config, problems, _) = read(&json!({"signatureConfig": {"config": config}}), JwtIssuerConfig::read);
    assert!(config.is_none());
    assert_eq!(
        problems,
        ["c.signatureConfig.config.keyStore: `keyFile` and `keyStore` exclude each other: keep one of them"]
    );
}

#[test]
fn every_mistake_of_the_configuration_stands_at_its_key() {
    let store = |path: &str, password: &str, alias: &str| json!({"config": {"keyStore": {"path": path, "password": password}, "keyAlias": alias}});
    let ks = "ballerina-ks--ballerinaKeystore.p12";
    for (signature, expected) in [
        (json!({}), "c.signatureConfig.config: required, and missing"),
        (
            json!({"algorithm": "jwt:NONE", "config": SECRET}),
            "c.signatureConfig.config: NONE signs by nothing: remove it",
        ),
        (
            json!({"algorithm": "NONE", "insecureShortSecret": true}),
            "c.signatureConfig.insecureShortSecret: NONE signs by nothing: remove it",
        ),
        (json!({"algorithm": "None"}), "c.signatureConfig.algorithm: \"None\" is not one of"),
        (
            json!({"algorithm": "HS265", "config": SECRET}),
            "c.signatureConfig.algorithm: \"HS265\" is not one of",
        ),
        (json!({"algorithm": 1, "config": SECRET}), "c.signatureConfig.algorithm: expected a string"),
        (json!({"config": SECRET}), "c.signatureConfig.config: RS256 signs by a key"),
        (
            json!({"algorithm": "HS256", "config": "short"}),
            "c.signatureConfig.config: the secret is too short",
        ),
        (
            json!({"algorithm": "HS256", "config": {"keyFile": "key--private.key"}}),
            "c.signatureConfig.algorithm: HS256 is not for the key",
        ),
        (json!({"config": {"keyFile": "missing"}}), "c.signatureConfig.config.keyFile: "),
        (
            json!({"config": {"keyFile": "enckey--encryptedPrivate.key"}}),
            "c.signatureConfig.config.keyPassword: ",
        ),
        (store("missing", "ballerina", "ballerina"), "c.signatureConfig.config.keyStore.path: "),
        (store(ks, "wrong", "ballerina"), "c.signatureConfig.config.keyStore.password: "),
        (store(ks, "ballerina", "nobody"), "c.signatureConfig.config.keyAlias: "),
        (
            json!({"config": {"keyFile": "key--private.key"}, "insecureShortSecret": true}),
            "c.signatureConfig.insecureShortSecret: is about a secret",
        ),
        (
            json!({"config": {"keyFile": "key--private.key", "keyFiel": "x"}}),
            "c.signatureConfig.config.keyFiel: unknown key",
        ),
    ] {
        let (config, problems, _) = read(&json!({"signatureConfig": signature}), JwtIssuerConfig::read);
        let hit = problems.iter().filter(|problem| problem.starts_with(expected)).count();
        assert_eq!(hit, 1, "{expected}: {problems:?}");
        assert!(config.is_none() || expected.contains("unknown key"), "{expected}");
    }
    for (section, expected) in [
        (json!({}), "c.signatureConfig: required, and missing"),
        (json!({"expTime": 0, "signatureConfig": {"algorithm": "HS256", "config": SECRET}}), "c.expTime: "),
        (
            json!({"customClaims": {"exp": 1}, "signatureConfig": {"algorithm": "HS256", "config": SECRET}}),
            "c.customClaims: may not set `exp`",
        ),
    ] {
        let (config, problems, _) = read(&section, JwtIssuerConfig::read);
        assert!(config.is_none() && problems.len() == 1 && problems[0].starts_with(expected), "{problems:?}");
    }
}

#[test]
fn a_short_secret_and_an_open_key_file_are_told() {
    let section =
        json!({"signatureConfig": {"algorithm": "HS256", "config": "s3cr3t", "insecureShortSecret": true}});
    let (.., warnings) = read(&section, JwtIssuerConfig::read);
    assert!(
        warnings.len() == 1 && warnings[0].starts_with("c.signatureConfig.insecureShortSecret: "),
        "{warnings:?}"
    );

    #[cfg(unix)]
    {
        use std::{fs, os::unix::fs::PermissionsExt};

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("issuer.key");
        fs::copy(ballerina("key--private.key"), &path).unwrap();
        let warnings = |mode| {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let section = json!({"signatureConfig": {"config": {"keyFile": path.to_str()}}});
            let (config, problems, warnings) = read(&section, JwtIssuerConfig::read);
            assert!(config.is_some() && problems.is_empty(), "{problems:?}");
            warnings
        };
        let open = warnings(0o644);
        assert!(
            open.len() == 1
                && open[0].starts_with("c.signatureConfig.config: ")
                && open[0].contains("issuer.key"),
            "{open:?}"
        );
        assert_eq!(warnings(0o600), [""; 0]);
    }
}
