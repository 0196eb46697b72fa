//! `oauth2IntrospectionConfig`: what is read, and every mistake at its key.

use std::time::Duration;

use serde_json::{Value, json};

use super::{CacheConfig, IntrospectionConfig};
use crate::fixtures::read;

const URL: &str = "https://localhost:9445/oauth2/introspect";

fn problems(section: &Value) -> Vec<String> {
    let read = read(section, IntrospectionConfig::read);
    assert!(!read.problems.is_empty());
    let unknown = read.problems.iter().all(|problem| problem.contains("unknown key"));
    assert!(read.value.is_none() || unknown, "{:?}", read.problems);
    read.problems
}

fn with(key: &str, value: impl Into<Value>) -> Value {
    json!({"url": URL, key: value.into()})
}

#[test]
fn all_keys_are_read() {
    let read = read(
        &json!({
            "url": URL, "tokenTypeHint": "access_token", "optionalParams": {"client": "ballerina"},
            "cacheConfig": {"capacity": 10, "defaultMaxAge": "5m", "negativeMaxAge": 1.5, "evictionFactor": 0.25,
                "evictionPolicy": "LRU", "cleanupInterval": 3600},
            "defaultTokenExpTime": 1800, "scopeKey": "scp", "issuer": "wso2", "audience": ["a", "b"],
            "clientConfig": {"customHeaders": {"Authorization": "Basic YWRtaW46YWRtaW4="},
                "customPayload": "example_payload_key=example_payload_value"},
        }),
        IntrospectionConfig::read,
    );
    assert_eq!(read.problems, [""; 0]);
    let config = read.value.unwrap();
    assert_eq!(config.endpoint.to_string(), URL);
    assert_eq!(config.token_type_hint.as_deref(), Some("access_token"));
    assert_eq!(config.optional_params, [("client".to_owned(), "ballerina".to_owned())]);
    let cache = CacheConfig::default()
        .capacity(10)
        .max_age(Duration::from_secs(300))
        .negative_max_age(Duration::from_millis(1500));
    assert_eq!(config.cache, Some(cache));
    assert_eq!(config.default_token_exp_time, Duration::from_secs(1800));
    assert_eq!((config.scope_key.as_str(), config.issuer.as_deref()), ("scp", Some("wso2")));
    assert_eq!(config.audience.as_deref(), Some(&["a".to_owned(), "b".to_owned()][..]));
    assert_eq!(config.client.payload_names().collect::<Vec<_>>(), ["example_payload_key"]);
    let unneeded = read.warnings.iter().filter(|warning| warning.contains("accepted and not needed")).count();
    assert_eq!((unneeded, read.warnings.len()), (3, 3), "{:?}", read.warnings);
}

#[test]
fn what_is_left_out_has_its_default() {
    let read = read(&json!({"url": URL}), IntrospectionConfig::read);
    assert_eq!((read.problems, read.warnings), (vec![], vec![]));
    let config = read.value.unwrap();
    assert_eq!(config.cache, None, "nothing is remembered unless it is asked for");
    assert_eq!(config.default_token_exp_time, Duration::from_secs(3600));
    assert_eq!((config.scope_key.as_str(), config.issuer, config.audience), ("scope", None, None));
    let on = read_cache(json!({}));
    assert_eq!(on, CacheConfig::default());
    assert_eq!(
        (on.capacity, on.max_age, on.negative_max_age),
        (10_000, Some(Duration::from_secs(60)), Duration::from_secs(5))
    );
}

fn read_cache(section: Value) -> CacheConfig {
    let read = read(&with("cacheConfig", section), IntrospectionConfig::read);
    assert_eq!(read.problems, [""; 0]);
    read.value.unwrap().cache.unwrap()
}

#[test]
fn minus_one_is_no_limit_and_warns() {
    for number in [json!(-1), json!(-1.0)] {
        let read = read(&with("cacheConfig", json!({"defaultMaxAge": number})), IntrospectionConfig::read);
        assert_eq!(read.value.unwrap().cache.unwrap().max_age, None);
        assert!(read.warnings[0].ends_with("a token that is revoked is accepted until it expires"));
    }
}

#[test]
fn more_than_a_minute_for_a_refused_token_warns() {
    for (span, warns) in [("60s", false), ("60.001s", true), ("2m", true)] {
        let read = read(&with("cacheConfig", json!({"negativeMaxAge": span})), IntrospectionConfig::read);
        assert_eq!(read.warnings.len(), usize::from(warns), "{span}: {:?}", read.warnings);
        assert!(read.warnings.iter().all(|warning| warning.contains("x.cacheConfig.negativeMaxAge: ")));
    }
}

#[test]
fn every_mistake_is_told_at_its_place() {
    let section = json!({
        "audience": [], "cacheConfig": {"capacity": -1, "defaultMaxAge": -2, "maxAge": 5, "negativeMaxAge": -1},
        "clientConfig": {"customPayload": {"token_type_hint": "x"}}, "defaultTokenExpTime": "soon", "issuer": "",
        "optionalParams": {"client": 5, "token": "a", "token_type_hint": "b"}, "scopeKey": "", "tokenTypeHint": "",
        "typo": 1, "url": "ftp://x",
    });
    let problems = problems(&section);
    let places: Vec<String> =
        problems.iter().map(|problem| problem.split(':').nth(2).unwrap().trim().to_owned()).collect();
    for place in [
        "x.audience",
        "x.cacheConfig.capacity",
        "x.cacheConfig.defaultMaxAge",
        "x.cacheConfig.negativeMaxAge",
        "x.cacheConfig.maxAge",
        "x.clientConfig.customPayload",
        "x.defaultTokenExpTime",
        "x.issuer",
        "x.optionalParams.client",
        "x.optionalParams.token",
        "x.optionalParams.token_type_hint",
        "x.scopeKey",
        "x.tokenTypeHint",
        "x.typo",
        "x.url",
    ] {
        assert_eq!(places.iter().filter(|found| *found == place).count(), 1, "{place}: {problems:#?}");
    }
    assert_eq!(places.len(), 15, "{problems:#?}");
    // Line numbers are those of the keys, in the order in which the section holds them.
    assert!(
        problems.iter().any(|problem| problem.starts_with("14:1: x.optionalParams.token: ")),
        "{problems:#?}"
    );
}

#[test]
fn one_mistake_is_one_message_with_its_remedy() {
    for (section, expected) in [
        (json!({}), "x.url: required, and missing"),
        (
            with("optionalParams", json!({"token": "x"})),
            "x.optionalParams.token: is sent by this record itself, and would be sent twice: remove it",
        ),
        (with("optionalParams", "a=b"), "x.optionalParams: expected a table, found a string"),
        (
            with("scopeKey", "/a~"),
            "x.scopeKey: is not a JSON pointer: after `~` comes `0` (for `~`) or `1` (for `/`)",
        ),
        (with("audience", ""), "x.audience: holds an empty string: name what tokens have to say"),
        (with("audience", 5), "x.audience: expected a string or an array of strings, found an integer"),
        (with("cacheConfig", true), "x.cacheConfig: expected a table, found a boolean"),
        (json!({"url": "http://example.org/"}), "x.url: plain http to another machine can be read"),
        (
            json!({"url": URL, "optionalParams": {"a": "1"}, "clientConfig": {"customPayload": {"a": "2"}}}),
            "x.optionalParams.a: is in `clientConfig.customPayload` as well: keep one of them",
        ),
        (with("scopekey", "scp"), "x.scopekey: unknown key; did you mean `scopeKey`?"),
    ] {
        let problems = problems(&section);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains(expected), "{problems:?}");
    }
}

#[test]
fn no_value_shows_in_a_message() {
    let section = json!({
        "url": "https://canary:canary@localhost/?canary", "optionalParams": {"token": "canary"},
        "clientConfig": {"customHeaders": {"Host": "canary"}, "customPayload": "token=canary"},
    });
    for problem in problems(&section) {
        assert!(!problem.contains("canary"), "{problem}");
    }
}

#[test]
fn the_token_of_the_client_is_read_from_its_auth() {
    let auth = |auth: Value| json!({"url": URL, "clientConfig": {"auth": auth}});
    let good =
        json!({"tokenUrl": "https://localhost/token", "clientId": "a", "clientSecret": "b", "scopes": "c"});
    let read = read(&auth(good), IntrospectionConfig::read);
    assert_eq!(read.problems, [""; 0]);
    assert!(read.value.unwrap().client.token_source().is_some());
    let problems = problems(&auth(json!({"tokenUrl": "https://localhost/token", "clientId": "a"})));
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("x.clientConfig.auth.clientSecret: required, and missing"), "{problems:?}");
}
