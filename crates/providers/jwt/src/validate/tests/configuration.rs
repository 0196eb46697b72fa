//! `jwtValidatorConfig`: what is read, and every mistake at its key.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    Algorithm, CacheConfig, JwtValidator, JwtValidatorConfig, SignatureConfig,
    fixtures::{NOW, SECRET, Signs, claims, public_crt, read, rsa_signing},
};

/// The mistakes of a section, and whether it was read.
fn problems(section: &Value) -> Vec<String> {
    let (config, problems, _) = read(section, JwtValidatorConfig::read);
    // Unknown keys come to light after the reading; every other mistake prevents a configuration.
    let prevents = problems.iter().any(|problem| !problem.contains("unknown key"));
    assert!(config.is_none() || !prevents, "{problems:?}");
    assert!(config.is_some() || !problems.is_empty());
    problems
}

fn warnings(section: &Value) -> Vec<String> {
    let (config, problems, warnings) = read(section, JwtValidatorConfig::read);
    assert!(config.is_some(), "{problems:?}");
    warnings
}

fn with(name: &str, value: impl Into<Value>) -> Value {
    json!({"signatureConfig": {"secret": SECRET}, name: value.into()})
}

#[test]
fn all_keys_are_read() {
    let section = json!({
        "issuer": "wso2", "username": "alice", "audience": ["ballerina", "b"], "jwtId": "7", "keyId": "k",
        "customClaims": {"level": 5, "roles": ["a"], "deep": {"x": 1.5, "y": true}}, "clockSkew": 60, "scopeKey": "/a/b",
        "signatureConfig": {"certFile": "pub--public.crt"}, "algorithms": ["RS256", "PS256"], "types": "at+jwt",
        "requireExpiration": false, "cacheConfig": {"capacity": 10, "defaultMaxAge": "5m"},
    });
    let (config, problems, _) = read(&section, JwtValidatorConfig::read);
    assert_eq!(problems, [""; 0]);
    let config = config.unwrap();
    assert_eq!(config.issuer.as_deref(), Some("wso2"));
    assert_eq!(config.username.as_deref(), Some("alice"));
    assert_eq!(config.audience.as_deref(), Some(&["ballerina".to_owned(), "b".to_owned()][..]));
    assert_eq!((config.jwt_id.as_deref(), config.key_id.as_deref()), (Some("7"), Some("k")));
    assert_eq!(
        Value::Object(config.custom_claims.clone()),
        json!({"level": 5, "roles": ["a"], "deep": {"x": 1.5, "y": true}})
    );
    assert_eq!((config.clock_skew, config.scope_key.as_str()), (Duration::from_secs(60), "/a/b"));
    assert_eq!(config.algorithms.as_deref(), Some(&[Algorithm::Rs256, Algorithm::Ps256][..]));
    assert_eq!((config.types.as_slice(), config.require_expiration), (&["at+jwt".to_owned()][..], false));
    assert_eq!(config.cache, CacheConfig::default().capacity(10).max_age(Duration::from_secs(300)));
}

#[test]
fn what_is_left_out_has_its_default() {
    let (config, problems, warnings) =
        read(&json!({"signatureConfig": {"secret": SECRET}}), JwtValidatorConfig::read);
    assert_eq!((problems, warnings), (vec![], vec![]));
    let config = config.unwrap();
    assert_eq!((config.issuer, config.audience, config.clock_skew), (None, None, Duration::ZERO));
    assert_eq!(
        (config.scope_key.as_str(), config.types),
        ("scope", vec!["JWT".to_owned(), "at+jwt".to_owned()])
    );
    assert!(config.require_expiration);
    assert_eq!(config.cache, CacheConfig::default());
}

#[test]
fn a_configuration_that_was_read_validates() {
    let section = json!({"issuer": "wso2", "audience": "ballerina", "signatureConfig": {"certFile": "pub--public.crt"}});
    let (config, ..) = read(&section, JwtValidatorConfig::read);
    let validator = JwtValidator::new(config.unwrap()).unwrap();
    let token = Signs::by(rsa_signing(Algorithm::Rs256)).claims(&claims());
    assert_eq!(validator.validate(&token, NOW).unwrap().subject(), Some("alice"));
    assert_eq!(
        validator.validate(&Signs::secret().claims(&claims()), NOW).unwrap_err().code(),
        "unsupported-algorithm"
    );
}

#[test]
fn all_mistakes_are_told_at_once_and_at_their_keys() {
    let section = json!({
        "issuer": "", "audience": [], "clockSkew": "soon", "scopeKey": "/a~b", "types": [], "algorithms": ["none", "RS265"],
        "customClaims": [], "isuer": "x", "signatureConfig": {"certFile": "missing.crt"}, "cacheConfig": {"capacity": -1},
    });
    assert_eq!(
        problems(&section).iter().map(|text| text.split(": ").next().unwrap()).collect::<Vec<_>>(),
        [
            "c.signatureConfig.certFile",
            "c.customClaims",
            "c.clockSkew",
            "c.algorithms",
            "c.algorithms",
            "c.cacheConfig.capacity",
            "c.issuer",
            "c.audience",
            "c.types",
            "c.scopeKey",
            "c.isuer",
        ]
    );
}

#[test]
fn there_is_no_way_around_a_signature() {
    for (section, expected) in [
        (json!({}), "c.signatureConfig: required, and missing: no token is accepted unverified"),
        (json!({"signatureConfig": {}}), "c.signatureConfig: needs exactly one of"),
        (json!({"signatureConfig": "x"}), "c.signatureConfig: expected a table"),
        (
            json!({"signatureConfig": {"secret": SECRET, "certFile": "pub--public.crt"}}),
            "`certFile` and `secret` exclude each other",
        ),
        (
            json!({"signatureConfig": {"secret": ""}}),
            "c.signatureConfig.secret: an empty secret protects nothing",
        ),
        (
            json!({"signatureConfig": {"secret": "s3cr3t"}}),
            "c.signatureConfig.secret: the secret is too short: HS256 needs \
             at least 32 bytes (HS384 48, HS512 64); use a longer one, such as `openssl rand -base64 48` prints, or accept \
             the risk with insecureShortSecret = true",
        ),
        (
            json!({"signatureConfig": {"secret": "", "insecureShortSecret": true}}),
            "c.signatureConfig.secret: an empty secret protects nothing",
        ),
        (
            json!({"signatureConfig": {"certFile": "pub--public.crt", "insecureShortSecret": true}}),
            "c.signatureConfig.insecureShortSecret: is about `secret`",
        ),
        (json!({"signatureConfig": {"certfile": "x", "secret": SECRET}}), "did you mean `certFile`"),
    ] {
        let found = problems(&section);
        assert!(found.len() == 1 && found[0].contains(expected), "{found:?}");
    }
}

#[test]
#[cfg(not(feature = "jwks"))]
fn without_its_feature_a_key_set_that_is_fetched_is_a_mistake_that_names_it() {
    let section = json!({"signatureConfig": {"jwksConfig": {"url": "https://x", "cacheConfig": {}}}});
    let feature = "this build lacks the feature `jwks`: add it to portcullis' features in Cargo.toml";
    assert_eq!(problems(&section), [format!("c.signatureConfig.jwksConfig: {feature}")]);
}

#[test]
fn trust_stores_are_read_with_every_mistake_at_its_key() {
    let store = |path: &str, password: &str, alias: &str| json!({"signatureConfig": {"trustStoreConfig": {"trustStore": {"path": path, "password": password}, "certAlias": alias}}});
    let name = "ballerina-ts--ballerinaTruststore.p12";
    assert_eq!(problems(&store(name, "ballerina", "ballerina")), [""; 0]);
    for (section, path, part) in [
        (store(name, "canary", "ballerina"), "trustStore.password: ", "password"),
        (store(name, "ballerina", "balerina"), "certAlias: ", "it has "),
        (store("missing.p12", "ballerina", "ballerina"), "trustStore.path: ", "missing.p12"),
        (store("pub--public.crt", "ballerina", "ballerina"), "trustStore.path: ", "pub--public.crt"),
        (store(name, "ballerina", ""), "certAlias: ", "must not be empty"),
        (store(name, "", "ballerina"), "trustStore.password: ", "empty secret"),
    ] {
        let found = problems(&section);
        let expected = format!("c.signatureConfig.trustStoreConfig.{path}");
        assert!(found.len() == 1 && found[0].starts_with(&expected) && found[0].contains(part), "{found:?}");
        assert!(!found[0].contains("canary"), "no password in {found:?}");
    }
    let both = json!({"signatureConfig": {"trustStoreConfig": {"trustStore": {}}}});
    assert_eq!(problems(&both).len(), 3, "{:?}", problems(&both));
}

#[test]
fn what_would_refuse_every_token_or_keep_no_promise_is_a_mistake() {
    for (name, value, part) in [
        ("issuer", json!(""), "c.issuer: must not be empty"),
        ("username", json!(""), "c.username: must not be empty"),
        ("jwtId", json!(""), "c.jwtId: must not be empty"),
        ("keyId", json!(""), "c.keyId: must not be empty"),
        ("issuer", json!(1), "c.issuer: expected a string"),
        ("audience", json!([]), "c.audience: an empty list would refuse every token"),
        ("audience", json!(["a", ""]), "c.audience: holds an empty string"),
        ("types", json!([]), "c.types: an empty list"),
        ("algorithms", json!([]), "c.algorithms: an empty list"),
        (
            "algorithms",
            json!(["RS256"]),
            "c.algorithms: RS256 is not an algorithm of the key, which allows HS256",
        ),
        ("algorithms", json!("None"), "c.algorithms: \"none\" is never accepted"),
        ("algorithms", json!(["ES512"]), "c.algorithms: \"ES512\" is not one of HS256"),
        ("scopeKey", json!(""), "c.scopeKey: must not be empty"),
        ("scopeKey", json!("/a~2"), "c.scopeKey: is not a JSON pointer"),
        ("clockSkew", json!(-1), "c.clockSkew: a span of time is zero or more"),
        ("customClaims", json!("x"), "c.customClaims: expected a table of claims"),
        ("requireExpiration", json!("no"), "c.requireExpiration: expected true or false"),
    ] {
        let found = problems(&with(name, value));
        assert!(found.len() == 1 && found[0].starts_with(part), "{found:?}");
    }
    for (name, value) in [
        ("scopeKey", json!("/a~0b/c~1d")),
        ("scopeKey", json!("~")),
        ("algorithms", json!("HS512")),
        ("customClaims", json!({})),
        ("clockSkew", json!("1m")),
        ("cacheConfig", json!({"defaultMaxAge": -1.0})),
    ] {
        assert_eq!(problems(&with(name, value)), [""; 0]);
    }
}

#[test]
#[cfg(feature = "jwks")]
fn no_algorithm_of_shared_secrets_stands_beside_keys_that_are_fetched() {
    let with = |algorithms: Value| {
        json!({
            "issuer": "wso2", "audience": "ballerina", "algorithms": algorithms,
            "signatureConfig": {"jwksConfig": {"url": "https://issuer.example/jwks"}},
        })
    };
    for (algorithms, stranger) in [
        (json!(["HS256"]), "HS256"),
        (json!("HS512"), "HS512"),
        (json!(["RS256", "HS384", "HS512"]), "HS384"),
    ] {
        let expected = format!(
            "c.algorithms: {stranger} needs a shared secret, which is never fetched: name algorithms of public keys, such as \
             RS256, or give `secret` in the place of `jwksConfig`"
        );
        assert_eq!(problems(&with(algorithms)), [expected]);
    }
    let public: Vec<Algorithm> =
        Algorithm::ALL.into_iter().filter(|algorithm| !Algorithm::HMAC.contains(algorithm)).collect();
    let names: Vec<&str> = public.iter().map(|algorithm| algorithm.name()).collect();
    assert_eq!(problems(&with(json!(names))), [""; 0]);
    let config = |algorithm| {
        let signature = SignatureConfig::jwks(crate::JwksConfig::url("https://issuer.example/jwks"));
        JwtValidatorConfig::new(signature).issuer("wso2").audience(["b"]).algorithms([algorithm])
    };
    let error = JwtValidator::new(config(Algorithm::Hs256)).unwrap_err().to_string();
    assert!(error.starts_with("algorithms: HS256 needs a shared secret"), "{error}");
    assert!(JwtValidator::new(config(Algorithm::EdDsa)).is_ok());
}

#[test]
fn ten_minutes_of_skew_are_no_warning_and_more_are() {
    assert_eq!(warnings(&with("clockSkew", 600)), [""; 0]);
    assert_eq!(warnings(&with("clockSkew", 600.5)).len(), 1);
}

#[test]
fn an_age_without_a_limit_is_told_from_every_other() {
    let age = |value: Value| {
        let (config, problems, _) =
            read(&with("cacheConfig", json!({"defaultMaxAge": value})), JwtValidatorConfig::read);
        config.map(|config| config.cache.max_age).ok_or(problems)
    };
    for unlimited in [json!(-1), json!(-1.0)] {
        assert_eq!(age(unlimited), Ok(None));
    }
    assert_eq!(age(json!(1.0)), Ok(Some(Duration::from_secs(1))));
    assert_eq!(age(json!(1)), Ok(Some(Duration::from_secs(1))));
    assert!(age(json!(-2.0)).is_err() && age(json!(-2)).is_err());
}

#[test]
fn what_works_and_should_be_known_is_told() {
    for (section, part) in [
        (with("requireExpiration", false), "c.requireExpiration: a token without `exp` is accepted for ever"),
        (with("clockSkew", 3600), "c.clockSkew: expired tokens are accepted"),
        (with("allowAnyIssuer", true), "c.allowAnyIssuer: accepted and not needed"),
        (
            with("cacheConfig", json!({"evictionFactor": 0.25})),
            "c.cacheConfig.evictionFactor: accepted and not needed",
        ),
        (
            json!({"signatureConfig": {"secret": "s3cr3t", "insecureShortSecret": true}}),
            "c.signatureConfig.insecureShortSecret: a short secret can be guessed",
        ),
    ] {
        let found = warnings(&section);
        assert!(found.len() == 1 && found[0].starts_with(part), "{found:?}");
    }
}

#[test]
fn the_keys_of_a_set_that_are_left_out_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.json");
    let whole: Value =
        serde_json::from_slice(&std::fs::read(crate::fixtures::data("ballerina/data.json")).unwrap())
            .unwrap();
    std::fs::write(&path, whole["jwks"].to_string()).unwrap();
    assert_eq!(
        warnings(&json!({"signatureConfig": {"certFile": path.to_str().unwrap()}})),
        [
            "c.signatureConfig.certFile: the key at position 0 has the `use` \"enc\", and is not for signatures; it is left out"
        ]
    );
}

#[test]
fn cache_keys_are_ballerinas() {
    let cache = |value: Value| {
        let (cache, problems, _) = read(&value, CacheConfig::read);
        (cache, problems)
    };
    let full = json!({
        "capacity": 10, "evictionFactor": 0.25, "evictionPolicy": "LRU", "defaultMaxAge": -1, "cleanupInterval": 3600,
    });
    assert_eq!(cache(full), (CacheConfig::default().capacity(10), vec![]));
    assert_eq!(cache(json!({})), (CacheConfig::default(), vec![]));
    assert_eq!(cache(json!({"capacity": 0})).0, CacheConfig::off());
    assert_eq!(
        cache(json!({"defaultMaxAge": 30})).0,
        CacheConfig::default().max_age(Duration::from_secs(30))
    );
    assert_eq!(
        cache(json!({"defaultMaxAge": "30s"})).0,
        CacheConfig::default().max_age(Duration::from_secs(30))
    );
    for (value, part) in [
        (json!({"defaultMaxAge": -2}), "c.defaultMaxAge: a span of time is zero or more"),
        (json!({"capacity": -1}), "c.capacity: -1 is out of bounds"),
        (json!({"capcity": 1}), "did you mean `capacity`"),
    ] {
        let (_, found) = cache(value);
        assert!(found.len() == 1 && found[0].contains(part), "{found:?}");
    }
}

#[test]
fn the_same_mistakes_are_told_in_code() {
    let error = |config: JwtValidatorConfig| JwtValidator::new(config).unwrap_err().to_string();
    let short = || JwtValidatorConfig::new(SignatureConfig::secret("s3cr3t"));
    assert!(error(short()).starts_with("signatureConfig.secret: the secret is too short"));
    assert!(!error(short()).contains("s3cr3t"));
    assert!(
        JwtValidator::new(JwtValidatorConfig::new(SignatureConfig::insecure_short_secret("s3cr3t"))).is_ok()
    );
    let empty = JwtValidatorConfig::new(SignatureConfig::insecure_short_secret(""));
    assert!(error(empty).starts_with("signatureConfig.secret: the secret is empty"));
    let several =
        JwtValidatorConfig::new(SignatureConfig::cert_file("missing.crt")).issuer("").types([""; 1]);
    assert_eq!(error(several).lines().count(), 3);
    let narrow =
        JwtValidatorConfig::new(SignatureConfig::cert_file(public_crt())).algorithms([Algorithm::Es256]);
    assert!(error(narrow).starts_with("algorithms: ES256 is not an algorithm of the key"));
    let store = crate::fixtures::ballerina("ballerina-ts--ballerinaTruststore.p12");
    let unknown = JwtValidatorConfig::new(SignatureConfig::trust_store(&store, "ballerina", "nobody"));
    assert!(error(unknown).starts_with("signatureConfig.trustStoreConfig.certAlias: "));
    let jwk = JwtValidatorConfig::new(SignatureConfig::jwk("{}"));
    assert_eq!(error(jwk), "signatureConfig.jwk: the text has no `kty`");
}

#[test]
fn debug_shows_no_secret() {
    let store = SignatureConfig::trust_store("store.p12", "canary-password", "alias");
    for signature in [SignatureConfig::secret("canary-secret"), SignatureConfig::jwk("canary-jwk"), store] {
        let text = format!("{:?}", JwtValidatorConfig::new(signature));
        assert!(!text.contains("canary"), "{text}");
    }
    let (config, ..) = read(&json!({"signatureConfig": {"secret": SECRET}}), JwtValidatorConfig::read);
    assert!(!format!("{config:?}").contains(SECRET));
}
