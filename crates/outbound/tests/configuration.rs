//! `clientConfig` as a file says it: every key, and every mistake at its place.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use std::sync::{Arc, Mutex};

use common::{Tokens, client, clock, data, get, ok, section::Read};
use portcullis_core::{
    TokenSource,
    config::{Node, Reader, Section, Table},
};
use portcullis_outbound::{ClientConfig, Form, Purpose, TokenSourceReader, read_endpoint};
use portcullis_testing::TestServer;
use serde_json::{Value, json};

fn read(client_config: &Value) -> Read {
    Read::tokens(&json!({ "clientConfig": client_config }), clock())
}

fn keys(client_config: &Value) -> Read {
    Read::new(&json!({ "clientConfig": client_config }), clock(), Purpose::Keys, None)
}

/// The problems, without the path that they have in common.
#[track_caller]
fn problems(read: &Read) -> Vec<String> {
    assert!(read.config.is_none() || read.problems.iter().any(|problem| problem.contains("unknown key")));
    for text in read.problems.iter().chain(&read.warnings) {
        assert!(!text.contains("canary"), "{text}");
    }
    let short = |text: &String| text.strip_prefix("section.clientConfig").unwrap_or(text).to_owned();
    read.problems.iter().map(short).collect()
}

#[tokio::test]
async fn every_key_is_read_and_does_what_it_says() {
    let server = TestServer::start(ok).await;
    let section = json!({
        "url": format!("{}/introspect?tenant=blue", server.origin()),
        "clientConfig": {
            "httpVersion": "http:HTTP_2",
            "customHeaders": { "X-Tenant": "blue", "X-Key": { "file": "README.md" } },
            "customPayload": { "client_id": "me", "client_secret": "a&b" },
            "secureSocket": { "cert": "certs/ca.pem" },
            "connectTimeout": "500ms",
            "requestTimeout": 2.5,
            "allowInsecureHttp": true,
        },
    });
    // A file of several lines is no header.
    let failed = Read::tokens(&section, clock());
    assert_eq!(failed.problems.len(), 1, "{:?}", failed.problems);
    assert!(
        failed.problems[0]
            .starts_with("section.clientConfig.customHeaders.X-Key: has a value that no header")
    );

    let mut section = section;
    section["clientConfig"]["customHeaders"].as_object_mut().unwrap().remove("X-Key");
    let read = Read::tokens(&section, clock());
    assert_eq!(read.problems, Vec::<String>::new());
    let expected = "section.url: is plain http: `clientConfig.secureSocket` has no effect";
    assert_eq!(read.warnings, [expected]);
    let config = read.config.unwrap();
    let shown = format!("{config:?}");
    for part in [
        "version: Http2",
        r#"headers: ["X-Tenant"]"#,
        r#"payload: ["client_id", "client_secret"]"#,
        "tls: given",
        "connect_timeout: 500ms",
        "request_timeout: 2.5s",
        "allow_insecure_http: true",
        "max_body_bytes: 1048576",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    client(config).post_form(&read.endpoint.unwrap(), &Form::new().push("token", "t")).await.unwrap();
    let call = &server.calls()[0];
    assert_eq!(call.version, http::Version::HTTP_2);
    assert_eq!(call.header("x-tenant"), Some("blue"));
    assert_eq!(call.body, "token=t&client_id=me&client_secret=a%26b");
    assert_eq!(call.uri.query(), Some("tenant=blue"));
}

#[test]
fn without_the_section_the_defaults_hold() {
    for section in [json!({}), json!({ "clientConfig": {} })] {
        let read = Read::tokens(&section, clock());
        assert_eq!(read.problems, Vec::<String>::new());
        assert_eq!(format!("{:?}", read.config.unwrap()), format!("{:?}", ClientConfig::new()));
    }
}

#[test]
fn every_mistake_is_told_at_its_key_and_all_at_once() {
    let all = read(&json!({
        "httpVersion": "3",
        "customHeaders": { "Host": "canary" },
        "customPayload": "canary",
        "secureSocket": { "cert": "no such file" },
        "connectTimeout": 0,
        "requestTimeout": "soon",
        "allowInsecureHttp": "canary",
        "allowUnverifiedKeys": true,
        "reqTimeout": 3,
    }));
    let places: Vec<String> =
        problems(&all).iter().map(|text| text.split(": ").next().unwrap().to_owned()).collect();
    let mut places: Vec<&str> = places.iter().map(String::as_str).collect();
    places.sort_unstable();
    assert_eq!(
        places,
        [
            ".allowInsecureHttp",
            ".allowUnverifiedKeys",
            ".connectTimeout",
            ".customHeaders.Host",
            ".customPayload",
            ".httpVersion",
            ".reqTimeout",
            ".requestTimeout",
            ".secureSocket.cert",
        ]
    );
}

#[test]
fn wrong_values_are_refused_with_a_remedy() {
    for (section, expected) in [
        (json!("canary"), ": expected a table, found a string"),
        (
            json!({ "httpVersion": "1.0" }),
            ".httpVersion: \"1.0\" is no version of HTTP that is spoken: \"1.1\" and \"2\" are; without the key, it is negotiated",
        ),
        (json!({ "httpVersion": 2 }), ".httpVersion: expected a string, found an integer"),
        (
            json!({ "connectTimeout": 0 }),
            ".connectTimeout: zero lets no call succeed: make it longer, or remove it",
        ),
        (
            json!({ "requestTimeout": "0s" }),
            ".requestTimeout: zero lets no call succeed: make it longer, or remove it",
        ),
        (json!({ "requestTimeout": -1 }), ".requestTimeout: a span of time is zero or more seconds"),
        (json!({ "requestTimout": 3 }), ".requestTimout: unknown key; did you mean `requestTimeout`?"),
        (json!({ "maxBodyBytes": 3 }), ".maxBodyBytes: unknown key; remove it"),
        (json!({ "secureSocket": "canary" }), ".secureSocket: expected a table, found a string"),
        (
            json!({ "secureSocket": { "cert": "certs/ca.pem", "trustStore": "canary" } }),
            ".secureSocket.trustStore: unknown key; remove it",
        ),
        (
            json!({ "secureSocket": { "disable": true, "cert": "certs/ca.pem" } }),
            ".secureSocket.disable: `disable` beside `cert` is a contradiction: `disable` verifies nothing",
        ),
    ] {
        assert_eq!(problems(&read(&section)), [expected], "{section}");
    }
}

#[test]
fn headers_are_checked_and_their_values_never_shown() {
    let ours = "belongs to the connection or to the message, not to a configuration: remove it";
    let bad = "has a value that no header can have: printable ASCII on one line is possible";
    for (headers, expected) in [
        (json!("canary"), ".customHeaders: expected a table, found a string".to_owned()),
        (json!({ "a b": "canary" }), ".customHeaders.\"a b\": is not the name of a header".to_owned()),
        (json!({ "Host": "canary" }), format!(".customHeaders.Host: {ours}")),
        (json!({ "content-type": "canary" }), format!(".customHeaders.content-type: {ours}")),
        (json!({ "Proxy-Connection": "canary" }), format!(".customHeaders.Proxy-Connection: {ours}")),
        (json!({ "X-A": "canary\r\nX-Evil: 1" }), format!(".customHeaders.X-A: {bad}")),
        (json!({ "X-A": "canary\u{7f}" }), format!(".customHeaders.X-A: {bad}")),
        (json!({ "X-A": "" }), ".customHeaders.X-A: an empty secret protects nothing: set it".to_owned()),
        (
            json!({ "X-A": "1", "x-a": "2" }),
            ".customHeaders.x-a: is set twice: the case of a header's name does not matter".to_owned(),
        ),
        (
            json!({ "X-A": { "env": "A_VARIABLE_THAT_NOBODY_SETS" } }),
            ".customHeaders.X-A: the environment variable A_VARIABLE_THAT_NOBODY_SETS is not set, or not UTF-8: set it, or write the secret another way".to_owned(),
        ),
    ] {
        assert_eq!(problems(&read(&json!({ "customHeaders": headers }))), [expected]);
    }
}

#[tokio::test]
async fn a_payload_is_a_table_or_a_string_that_is_decoded_once() {
    let server = TestServer::start(ok).await;
    let url = common::endpoint(&server.origin(), "/");
    for (payload, expected) in [
        (json!({ "a": "1", "b c": "%26" }), "a=1&b+c=%2526"),
        (json!("a=b&c=d"), "a=b&c=d"),
        (json!("a=x%26client_id%3Devil"), "a=x%26client_id%3Devil"),
        (json!("a=x%2526"), "a=x%2526"),
        (json!("a+b=c%20d+e"), "a+b=c+d+e"),
        (json!("a=b=c"), "a=b%3Dc"),
        (json!("a="), "a="),
        (json!({}), ""),
    ] {
        let config = read(&json!({ "customPayload": payload })).config.unwrap();
        client(config).post_form(&url, &Form::new()).await.unwrap();
        assert_eq!(server.calls().pop().unwrap().body, expected, "{payload}");
    }
    let ours = "`grant_type` and `token` are sent by portcullis itself: remove the parameter";
    for (payload, expected) in [
        (json!(["canary"]), ".customPayload: expected a table, or a string such as \"a=b&c=d\", found an array".to_owned()),
        (
            json!("canary"),
            ".customPayload: expected parameters such as \"a=b&c=d\": one of them has no `=` (write %26 for a `&` in a value)".to_owned(),
        ),
        (json!("a=1&canary=2&a=3"), ".customPayload: has a parameter twice: keep one of them".to_owned()),
        (json!("=canary"), ".customPayload: a parameter has no name".to_owned()),
        (
            json!("a=canary%zz"),
            ".customPayload: holds a `%` that is not followed by two hexadecimal digits, or encodes what is not UTF-8".to_owned(),
        ),
        (json!("a=canary&token=x"), format!(".customPayload: {ours}")),
        (json!("%74oken=canary"), format!(".customPayload: {ours}")),
        (json!({ "token": "canary" }), format!(".customPayload.token: {ours}")),
        (json!({ "grant_type": "canary" }), format!(".customPayload.grant_type: {ours}")),
        (json!({ "a": 1 }), ".customPayload.a: expected a string, { env = \"NAME\" } or { file = \"path\" }, found an integer".to_owned()),
        (json!({ "a": "" }), ".customPayload.a: an empty secret protects nothing: set it".to_owned()),
    ] {
        assert_eq!(problems(&read(&json!({ "customPayload": payload }))), [expected], "{payload}");
    }
    let read = keys(&json!({ "customPayload": "a=canary" }));
    assert!(read.config.is_some() && read.problems.is_empty());
    let expected =
        "section.clientConfig.customPayload: has no effect: keys are fetched with GET, which sends no form";
    assert_eq!(read.warnings, [expected]);
}

#[test]
fn unverified_keys_need_a_second_yes_and_nothing_else_does() {
    let unverified = "section.clientConfig.secureSocket.disable: the server's certificate is not verified: whoever sits between can read and change everything";
    let disable = json!({ "disable": true });
    let read = keys(&json!({ "secureSocket": disable, "allowUnverifiedKeys": true }));
    assert!(read.config.is_some() && read.problems.is_empty());
    assert_eq!(read.warnings, [unverified]);
    let read = self::read(&json!({ "secureSocket": disable }));
    assert!(read.config.is_some() && read.problems.is_empty());
    assert_eq!(read.warnings, [unverified]);

    let needed = ".allowUnverifiedKeys: keys of a server that is not verified can be anybody's, and so can every token: give `secureSocket.cert` instead of `secureSocket.disable`, or say here that you know (`true`)";
    for section in
        [json!({ "secureSocket": disable }), json!({ "secureSocket": disable, "allowUnverifiedKeys": false })]
    {
        assert_eq!(problems(&keys(&section)), [needed]);
    }
    let useless = ".allowUnverifiedKeys: allows nothing without `secureSocket.disable = true`: remove it";
    for section in [
        json!({ "allowUnverifiedKeys": true }),
        json!({ "allowUnverifiedKeys": false }),
        json!({ "secureSocket": { "cert": "certs/ca.pem" }, "allowUnverifiedKeys": true }),
        json!({ "secureSocket": { "disable": false, "cert": "certs/ca.pem" }, "allowUnverifiedKeys": true }),
    ] {
        assert_eq!(problems(&keys(&section)), [useless]);
    }
    let elsewhere = ".allowUnverifiedKeys: belongs to a `clientConfig` that fetches keys: remove it";
    for section in [
        json!({ "allowUnverifiedKeys": true }),
        json!({ "secureSocket": disable, "allowUnverifiedKeys": true }),
    ] {
        assert_eq!(problems(&self::read(&section)), [elsewhere]);
    }
}

/// Makes sources of the token that stands in the section.
fn sources(made: &Arc<Mutex<Vec<String>>>) -> TokenSourceReader {
    let made = Arc::clone(made);
    TokenSourceReader::new(move |section: &Section<'_>| {
        made.lock().unwrap().push(section.path().to_owned());
        section.required_secret("token").map(|_| -> Arc<dyn TokenSource> { Tokens::new(["canary"]) })
    })
}

#[tokio::test]
async fn auth_is_read_by_whoever_was_plugged_in() {
    let made = Arc::default();
    let section = |auth: Value| json!({ "clientConfig": { "auth": auth } });
    let read = |section: &Value| Read::new(section, clock(), Purpose::Keys, Some(sources(&made)));

    let config = read(&section(json!({ "token": "t" }))).config.unwrap();
    assert!(config.sends_authorization() && config.token_source().is_some());
    let server = TestServer::start(ok).await;
    get(&client(config), &common::endpoint(&server.origin(), "/")).await.unwrap();
    assert_eq!(server.calls()[0].header("authorization"), Some("Bearer canary"));
    assert_eq!(*made.lock().unwrap(), ["section.clientConfig.auth"]);

    for (auth, expected) in [
        (json!({}), ".auth.token: required, and missing"),
        (json!({ "token": "canary", "tokn": "canary" }), ".auth.tokn: unknown key; did you mean `token`?"),
        (json!("canary"), ".auth: expected a table, found a string"),
    ] {
        let read = read(&section(auth));
        assert_eq!(read.problems, [format!("section.clientConfig{expected}")]);
    }
    assert!(!ClientConfig::new().sends_authorization());
}

#[test]
fn auth_without_grants_in_the_build_names_the_feature() {
    let read = read(&json!({ "auth": { "token": "canary", "clientSecret": "canary" } }));
    let expected =
        ".auth: this build of portcullis cannot obtain tokens: add its feature `client`, or remove `auth`";
    assert_eq!(problems(&read), [expected]);
}

#[test]
fn authorization_stands_in_one_place() {
    let made = Arc::default();
    let headers = json!({ "authorization": "canary" });
    let section = json!({ "clientConfig": { "auth": { "token": "t" }, "customHeaders": headers } });
    let both = Read::new(&section, clock(), Purpose::Tokens, Some(sources(&made)));
    let expected = ".customHeaders.authorization: beside `auth` it would be sent twice: keep one of them";
    assert_eq!(problems(&both), [expected]);
    let one = read(&json!({ "customHeaders": headers }));
    assert!(one.problems.is_empty() && one.config.unwrap().sends_authorization());
}

#[test]
fn a_url_is_refused_at_its_key_and_not_shown() {
    let read = |url: &str, client_config: Value| {
        Read::tokens(&json!({ "url": url, "clientConfig": client_config }), clock())
    };
    for (url, expected) in [
        ("", "must not be empty"),
        (
            "https://user:canary@example.org",
            "holds a user, and perhaps a password: say who calls in `clientConfig.auth` or `clientConfig.customHeaders`",
        ),
        ("https://example.org/#canary", "has a fragment, which is never sent: remove what begins with `#`"),
        ("ldap://example.org/canary", "has a scheme other than https and http"),
        (
            "http://example.org/?canary",
            "plain http to another machine can be read and changed by whoever sits between: write https, or set `allowInsecureHttp = true` in `clientConfig`",
        ),
    ] {
        let read = read(url, json!({}));
        assert_eq!(read.problems, [format!("section.url: {expected}")]);
        assert_eq!(read.endpoint, None);
    }
    let allowed = read("http://example.org/?canary", json!({ "allowInsecureHttp": true }));
    assert_eq!(allowed.problems, Vec::<String>::new());
    let expected =
        "section.url: plain http to another machine: whoever sits between can read and change everything";
    assert_eq!(allowed.warnings, [expected]);
    assert!(allowed.endpoint.is_some());

    let trusting = json!({ "secureSocket": { "cert": "certs/ca.pem" } });
    let https = read("example.org/introspect", trusting);
    assert_eq!((https.problems, https.warnings), (Vec::new(), Vec::new()));
    assert_eq!(https.endpoint.unwrap().to_string(), "https://example.org/introspect");
}

#[test]
fn a_url_is_checked_even_where_the_section_could_not_be_read() {
    let section = json!({ "url": "ftp://example.org", "clientConfig": { "httpVersion": "3" } });
    assert_eq!(Read::tokens(&section, clock()).problems.len(), 2);
    let section = json!({ "url": "http://example.org", "clientConfig": { "allowInsecureHttp": "yes" } });
    let read = Read::tokens(&section, clock());
    assert_eq!(
        read.problems,
        ["section.clientConfig.allowInsecureHttp: expected true or false, found a string"]
    );

    let mut table = Table::default();
    table.insert("other", Node::from(1));
    let reader = Reader::new(data());
    let section = reader.section(&table, "section");
    assert_eq!(read_endpoint(&section, "url", &ClientConfig::new()), None);
    assert_eq!(section.integer("other", 0..=1), Some(1));
    drop(section);
    let problems: Vec<String> = reader.into_problems().iter().map(ToString::to_string).collect();
    assert_eq!(problems, ["section.url: required, and missing"]);
}
