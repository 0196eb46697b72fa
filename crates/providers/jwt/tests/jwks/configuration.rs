//! `jwksConfig` in a file: what is read, and every mistake at its key.

use std::sync::Arc;

use portcullis_core::{
    Clock, UnixTime,
    config::{Node, Reader, Table, Value as Given},
};
use portcullis_jwt::{JwksConfig, JwtValidator, JwtValidatorConfig, SignatureConfig};
use portcullis_testing::ManualClock;
use serde_json::{Value, json};

fn table(value: &Value) -> Table {
    let mut table = Table::default();
    for (name, value) in value.as_object().unwrap() {
        table.insert(name, node(value));
    }
    table
}

fn node(value: &Value) -> Node {
    match value {
        Value::String(text) => text.as_str().into(),
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => number
            .as_i64()
            .map_or_else(|| Node::new(Given::Float(number.as_f64().unwrap()), None), Node::from),
        Value::Array(items) => Node::new(Given::Array(items.iter().map(node).collect()), None),
        Value::Object(_) => table(value).into(),
        Value::Null => panic!("a configuration has no null"),
    }
}

/// What was read, the mistakes, and the warnings.
fn read(value: &Value) -> (Option<JwtValidatorConfig>, Vec<String>, Vec<String>) {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(UnixTime::from_secs(1_700_000_000)));
    let table = table(value);
    let reader = Reader::new(".").plug(clock);
    let section = reader.section(&table, "c");
    let config = JwtValidatorConfig::read(&section);
    drop(section);
    let warnings = reader.warnings().iter().map(ToString::to_string).collect();
    (config, reader.into_problems().iter().map(ToString::to_string).collect(), warnings)
}

fn with(jwks: &Value) -> Value {
    json!({"issuer": "wso2", "audience": "ballerina", "signatureConfig": {"jwksConfig": jwks}})
}

fn problems(section: &Value) -> Vec<String> {
    let (config, problems, _) = read(section);
    // Unknown keys come to light after the reading; every other mistake prevents a configuration.
    let prevents = problems.iter().any(|problem| !problem.contains("unknown key"));
    assert!(config.is_none() || !prevents, "{problems:?}");
    problems
}

#[test]
fn all_keys_are_read_and_contact_nobody() {
    let full = json!({
        "url": "http://127.0.0.1:1/jwks", "preload": true, "minRefreshInterval": "500ms", "maxStale": "2h",
        "cacheConfig": {"capacity": 10, "evictionFactor": 0.25, "evictionPolicy": "LRU", "defaultMaxAge": -1, "cleanupInterval": 3600},
        "clientConfig": {"httpVersion": "1.1", "requestTimeout": 3, "customHeaders": {"X-Tenant": "canary"}},
    });
    let (config, problems, warnings) = read(&with(&full));
    assert_eq!(problems, [""; 0]);
    let unneeded = ["capacity", "evictionFactor", "evictionPolicy", "cleanupInterval"].map(|key| {
        format!(
            "c.signatureConfig.jwksConfig.cacheConfig.{key}: accepted and not needed: the key set is kept whole, and renewed \
             as a whole"
        )
    });
    assert_eq!(warnings, unneeded);
    let text = format!("{config:?}");
    for part in [
        "127.0.0.1:1/jwks",
        "preload: true",
        "min_refresh_interval: 500ms",
        "max_stale: 7200s",
        "max_age: 86400s",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("canary"));
    let validator = JwtValidator::new(config.unwrap()).unwrap();
    assert_eq!(validator.key_set().unwrap().url, "http://127.0.0.1:1/jwks");

    let (config, _, warnings) = read(&with(&json!({"url": "https://issuer.example/jwks?key=canary"})));
    assert_eq!(warnings, [""; 0]);
    let text = format!("{config:?}");
    for part in ["preload: false", "min_refresh_interval: 10s", "max_stale: 3600s", "max_age: 300s"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("canary"), "no query: {text}");
}

#[test]
fn every_mistake_stands_at_its_key() {
    let url = "https://issuer.example/jwks";
    for (jwks, expected) in [
        (json!({}), "jwksConfig: needs exactly one of `url` and `issuer`"),
        (json!({"url": url, "issuer": "https://issuer.example"}), "`url` and `issuer` exclude each other"),
        (json!({"url": ""}), "jwksConfig.url: must not be empty"),
        (json!({"url": 1}), "jwksConfig.url: expected a string"),
        (json!({"url": "ftp://issuer.example"}), "jwksConfig.url: has a scheme other than https and http"),
        (json!({"url": "http://issuer.example/jwks"}), "jwksConfig.url: plain http to another machine"),
        (json!({"url": "https://a:canary@issuer.example/"}), "jwksConfig.url: holds a user"),
        (json!({"issuer": "issuer.example"}), "jwksConfig.issuer: does not begin with https://"),
        (json!({"issuer": "http://issuer.example"}), "jwksConfig.issuer: plain http to another machine"),
        (json!({"issuer": "https://issuer.example?a=canary"}), "jwksConfig.issuer: has a query"),
        (json!({"url": url, "preload": "yes"}), "jwksConfig.preload: expected true or false"),
        (
            json!({"url": url, "minRefreshInterval": 0}),
            "jwksConfig.minRefreshInterval: is out of bounds: from 100ms to 3600 s",
        ),
        (json!({"url": url, "minRefreshInterval": "2h"}), "jwksConfig.minRefreshInterval: is out of bounds"),
        (json!({"url": url, "maxStale": "8d"}), "jwksConfig.maxStale: is more than seven days"),
        (json!({"url": url, "maxStale": -1}), "jwksConfig.maxStale: a span of time is zero or more"),
        (
            json!({"url": url, "cacheConfig": {"defaultMaxAge": -2}}),
            "jwksConfig.cacheConfig.defaultMaxAge: a span of time",
        ),
        (json!({"url": url, "maxstale": 1}), "jwksConfig.maxstale: unknown key; did you mean `maxStale`?"),
        (
            json!({"url": url, "clientConfig": {"secureSocket": {"disable": true}}}),
            "jwksConfig.clientConfig.allowUnverifiedKeys: ",
        ),
        (json!({"url": url, "clientConfig": {"auth": {}}}), "jwksConfig.clientConfig.auth: "),
    ] {
        let mut section = with(&jwks);
        section["allowAnyIssuer"] = true.into();
        section.as_object_mut().unwrap().remove("issuer");
        let found = problems(&section);
        assert!(found.len() == 1 && found[0].contains(expected), "{jwks}: {found:?}");
        assert!(!found[0].contains("canary"), "{found:?}");
    }
}

#[test]
fn the_longest_spans_are_accepted() {
    let url = "https://issuer.example/jwks";
    for jwks in [
        json!({"url": url, "maxStale": "7d"}),
        json!({"url": url, "cacheConfig": {"defaultMaxAge": -1}}),
        json!({"url": url, "cacheConfig": {"defaultMaxAge": -1.0}}),
    ] {
        assert_eq!(problems(&with(&jwks)), [""; 0], "{jwks}");
    }
    let wrong = json!({"url": url, "cacheConfig": {"defaultMaxAge": -2.0}});
    assert_eq!(problems(&with(&wrong)).len(), 1);
}

#[test]
fn issuer_and_audience_have_to_be_said() {
    let bare = |jwks: Value| json!({"signatureConfig": {"jwksConfig": jwks}});
    let url = json!({"url": "https://issuer.example/jwks"});
    let places = |section: &Value| -> Vec<String> {
        problems(section).iter().map(|text| text.split(": ").next().unwrap().to_owned()).collect()
    };
    assert_eq!(places(&bare(url.clone())), ["c.issuer", "c.audience"]);
    assert!(problems(&bare(url.clone()))[0].contains("allowAnyIssuer = true"));
    assert!(problems(&bare(url.clone()))[1].contains("allowAnyAudience = true"));
    // All mistakes at once, also where `jwksConfig` has some of its own.
    assert_eq!(
        places(&bare(json!({"url": "ftp://x"}))),
        ["c.signatureConfig.jwksConfig.url", "c.issuer", "c.audience"]
    );
    // Whose keys are asked for says whose tokens are meant.
    let discovered = json!({"issuer": "https://issuer.example"});
    assert_eq!(places(&bare(discovered.clone())), ["c.audience"]);
    assert_eq!(places(&bare(json!({"issuer": "x"}))), ["c.signatureConfig.jwksConfig.issuer", "c.audience"]);
    let mut both = bare(discovered);
    both["audience"] = "orders".into();
    assert_eq!(places(&both), [""; 0]);
    both["issuer"] = "https://issuer.example".into();
    assert_eq!(places(&both), [""; 0]);
    both["issuer"] = "https://issuer.example/".into();
    let found = problems(&both);
    assert!(
        found.len() == 1 && found[0].starts_with("c.issuer: is \"https://issuer.example/\", and "),
        "{found:?}"
    );

    let mut any = bare(url.clone());
    any["allowAnyIssuer"] = true.into();
    any["allowAnyAudience"] = true.into();
    let (config, problems, warnings) = read(&any);
    assert!(config.is_some() && problems.is_empty(), "{problems:?}");
    assert_eq!(
        warnings,
        [
            "c.allowAnyIssuer: tokens of any issuer are accepted that these keys sign",
            "c.allowAnyAudience: tokens for other applications are accepted",
        ]
    );
    let mut needless = with(&url);
    needless["allowAnyIssuer"] = true.into();
    let (_, _, warnings) = read(&needless);
    assert_eq!(
        warnings,
        ["c.allowAnyIssuer: accepted and not needed: `issuer` says whose tokens are accepted"]
    );

    // In code it is the same.
    let code = JwtValidatorConfig::new(SignatureConfig::jwks(JwksConfig::url("https://issuer.example/jwks")));
    let error = JwtValidator::new(code.clone()).unwrap_err().to_string();
    assert!(
        error.starts_with("issuer: required with `jwksConfig`") && error.contains("\naudience: required"),
        "{error}"
    );
    assert!(JwtValidator::new(code.allow_any_issuer(true).allow_any_audience(true)).is_ok());
}

#[test]
fn an_element_needs_scopes_unless_only_access_tokens_pass() {
    let jwks = json!({"url": "https://issuer.example/jwks"});
    let needs = |name: &str, value: Value| {
        let mut section = with(&jwks);
        section[name] = value;
        let config = read(&section).0.unwrap();
        let needs = config.needs_scopes();
        assert_eq!(JwtValidator::new(config).unwrap().needs_scopes(), needs);
        needs
    };
    assert!(needs("clockSkew", 0.into()));
    assert!(needs("types", json!(["JWT", "at+jwt"])));
    assert!(!needs("types", "at+jwt".into()));
    assert!(!needs("types", json!(["application/at+JWT"])));
    assert!(!needs("allowUnscopedTokens", true.into()));
    let secret = json!({"signatureConfig": {"secret": "a secret of thirty-two bytes, ok"}});
    assert!(!read(&secret).0.unwrap().needs_scopes());
}

#[tokio::test]
async fn where_only_access_tokens_pass_a_token_says_that_it_is_one() {
    let bench = super::Bench::new().await;
    let config = |types: &[&str]| {
        let config =
            JwtValidatorConfig::new(SignatureConfig::jwks(bench.by_url())).types(types.iter().copied());
        JwtValidator::new(config.issuer(bench.issuer.url()).audience(["orders"])).unwrap()
    };
    let (strict, usual) = (config(&["at+jwt"]), config(&["JWT", "at+jwt"]));
    // ID tokens often have no `typ`.
    let untyped = bench.token().without_typ().sign();
    assert_eq!(bench.ask(&strict, &untyped).await, "wrong-type");
    assert_eq!(bench.ask(&strict, &bench.token().typ("JWT").sign()).await, "wrong-type");
    assert_eq!(bench.ask(&strict, &bench.token().typ("application/at+jwt").sign()).await, "known");
    assert_eq!(bench.ask(&usual, &untyped).await, "known");
}

#[test]
fn issuers_that_differ_are_shown_unless_they_may_hold_a_password() {
    const OWN: &str = "https://issuer.example";
    let told = |issuer: &str, keys: &str| {
        let config = JwtValidatorConfig::new(SignatureConfig::jwks(JwksConfig::issuer(keys)));
        let error = JwtValidator::new(config.issuer(issuer).audience(["orders"])).unwrap_err().to_string();
        assert!(!error.contains("canary"), "{error}");
        error.lines().next().unwrap().to_owned()
    };
    let differ = |issuer: &str, keys: &str| {
        format!(
            "issuer: is {issuer}, and signatureConfig.jwksConfig.issuer is {keys}: the keys of an issuer are for its own tokens; \
             make them equal, or name the keys by `url`"
        )
    };
    assert_eq!(told("wso2", OWN), differ("\"wso2\"", "\"https://issuer.example\""));
    for keys in [
        "https://canary:canary@issuer.example",
        "https://canary@issuer.example",
        "canary:canary@issuer.example",
        "https://issuer.example?a=canary",
        "https://canary issuer.example",
    ] {
        assert_eq!(told(OWN, keys), differ("\"https://issuer.example\"", "another"), "{keys}");
    }
    assert_eq!(
        told("https://canary:canary@issuer.example", OWN),
        differ("another", "\"https://issuer.example\"")
    );
}

#[test]
fn the_same_mistakes_are_told_in_code() {
    let error = |jwks: JwksConfig| {
        let config =
            JwtValidatorConfig::new(SignatureConfig::jwks(jwks)).audience(["orders"]).allow_any_issuer(true);
        JwtValidator::new(config).unwrap_err().to_string()
    };
    for (jwks, expected) in [
        (JwksConfig::url("http://issuer.example/jwks"), "signatureConfig.jwksConfig.url: plain http"),
        (
            JwksConfig::issuer("issuer.example"),
            "signatureConfig.jwksConfig.issuer: does not begin with https://",
        ),
        (
            JwksConfig::url("https://a.example").min_refresh_interval(std::time::Duration::ZERO),
            "signatureConfig.jwksConfig.minRefreshInterval: is out of bounds",
        ),
        (
            JwksConfig::url("https://a.example")
                .client(portcullis_outbound::ClientConfig::new().header("Host", "canary")),
            "signatureConfig.jwksConfig.clientConfig: the custom header \"Host\"",
        ),
    ] {
        let error = error(jwks);
        assert!(error.starts_with(expected) && !error.contains("canary"), "{error}");
    }
}
