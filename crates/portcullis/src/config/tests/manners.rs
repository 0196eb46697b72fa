//! How a service speaks with its callers, and where it looks for their credentials.

use http::{HeaderMap, Method};
use portcullis_core::{Protocol, RequestHead};

use super::*;

const FIXED: &str = "auth = [{ scopes = \"*\", fixedConfig = { token = \"t1\" } }]";

/// The status of a request for `/foo` with these headers.
async fn status(keys: &str, headers: &[(&'static str, &str)]) -> u16 {
    let config = read(&format!("[services.\"/foo\"]\n{FIXED}\n{keys}")).unwrap();
    let auth = config.service("/foo").unwrap().build().await.unwrap();
    let headers: HeaderMap =
        headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    match auth.decided(&RequestHead::new(&Method::GET, "/foo", &headers)).await {
        Ok(_) => 200,
        Err(rejection) => rejection.status().as_u16(),
    }
}

#[tokio::test]
async fn a_credential_counts_only_where_the_service_looks_for_it() {
    let header = [("authorization", "Bearer t1")];
    let cookie = [("cookie", "a=b; sid=t1"), ("origin", "https://app.example")];
    let elsewhere = [("cookie", "a=b; sid=t1"), ("origin", "https://evil.example")];
    let protocol =
        [("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-protocol", "bearer, t1")];
    let browsers = "credentialSources = [\"websocketProtocol\", \"cookie:sid\"]\nallowedOrigins = [\"https://app.example\"]";
    for (keys, header_status, cookie_status, protocol_status) in [
        ("", 200, 401, 401),
        ("credentialSources = \"header\"", 200, 401, 401),
        ("credentialSources = [\"header\", \"websocketProtocol\"]", 200, 401, 200),
        (browsers, 401, 200, 200),
        (
            "credentialSources = [\"header\", \"cookie:sid\"]\npublicOrigin = \"https://app.example\"",
            200,
            200,
            401,
        ),
    ] {
        assert_eq!(status(keys, &header).await, header_status, "header: {keys}");
        assert_eq!(status(keys, &cookie).await, cookie_status, "cookie: {keys}");
        assert_eq!(status(keys, &protocol).await, protocol_status, "protocol: {keys}");
        assert_eq!(status(keys, &elsewhere).await, 401, "cookie from elsewhere: {keys}");
    }
}

#[test]
fn sources_that_cannot_work_are_mistakes_at_their_keys() {
    for (keys, expected) in [
        ("credentialSources = []", "credentialSources: an empty list would refuse everybody"),
        ("credentialSources = \"query\"", "credentialSources: \"query\" is none of"),
        ("credentialSources = [\"header\", \"header\"]", "credentialSources: names \"header\" twice"),
        ("credentialSources = \"cookie:\"\npublicOrigin = \"https://a.example\"", "credentialSources: "),
        ("credentialSources = \"cookie:a b\"\npublicOrigin = \"https://a.example\"", "credentialSources: "),
        ("allowedOrigins = \"https://a.example\"", "allowedOrigins: is about cookies"),
        ("publicOrigin = \"https://a.example\"", "publicOrigin: is about cookies"),
        ("credentialSources = \"cookie:a\"\npublicOrigin = \"a.example\"", "publicOrigin: "),
        ("credentialSources = \"cookie:a\"\nallowedOrigins = [\"https://a.example/x\"]", "allowedOrigins: "),
        ("credentialSources = \"cookie:a\"\nallowedOrigins = [\"null\"]", "allowedOrigins: "),
        ("revalidateInterval = 0", "revalidateInterval: at least 100 ms"),
        ("revalidateInterval = \"soon\"", "revalidateInterval: "),
        (
            "protocol = \"grcp\"",
            "protocol: \"grcp\" is not one of \"http\", \"grpc\"; did you mean \"grpc\"?",
        ),
        ("protocol = \"grpc\"\nrespond = \"x\"", "respond: a text is no answer to a gRPC call"),
    ] {
        let found = mistakes(&format!("[services.\"/foo\"]\n{FIXED}\n{keys}"));
        assert_eq!(found.len(), 1, "{keys}: {found:?}");
        let place = format!("services.\"/foo\".{expected}");
        assert!(found[0].contains(&place), "{keys}: {found:?}");
    }
}

#[test]
fn every_name_of_a_cookie_that_is_none_is_a_mistake_of_its_own() {
    let keys = r#"credentialSources = ["cookie:", "cookie:a b", "cookie:c", "query"]"#;
    let found =
        mistakes(&format!("[services.\"/foo\"]\n{FIXED}\n{keys}\npublicOrigin = \"https://a.example\""));
    let told = found.iter().filter(|text| text.contains("is no name of a cookie")).count();
    assert_eq!((told, found.len()), (2, 3), "{found:?}");
}

#[test]
fn sources_that_meet_no_element_are_warned_about() {
    const PASSWORDS: &str = "auth = [{ scopes = \"*\", fileUserStoreConfig = {} }]";
    let warnings = |elements: &str, keys: &str| -> Vec<String> {
        let users = "[[auth.users]]\nusername = \"a\"\npassword = \"b\"";
        let config = read(&format!("{users}\n[services.\"/foo\"]\n{elements}\n{keys}")).unwrap();
        let texts = config.warnings().iter().map(ToString::to_string);
        texts.filter(|text| text.contains("credentialSources")).collect()
    };
    for (elements, keys, expected) in [
        (PASSWORDS, "", &[][..]),
        (PASSWORDS, "credentialSources = [\"header\"]", &[]),
        (PASSWORDS, "credentialSources = [\"header\", \"websocketProtocol\"]", &["no element looks at one"]),
        (
            PASSWORDS,
            "credentialSources = \"websocketProtocol\"",
            &["let nobody in", "no element looks at one"],
        ),
        (FIXED, "credentialSources = \"websocketProtocol\"", &[]),
        ("public = true", "credentialSources = \"websocketProtocol\"", &[]),
    ] {
        let found = warnings(elements, keys);
        assert_eq!(found.len(), expected.len(), "{elements} {keys}: {found:?}");
        for text in expected {
            assert!(found.iter().any(|found| found.contains(text)), "{elements} {keys}: {found:?}");
        }
    }
}

#[test]
fn a_grpc_service_refuses_in_its_own_way_and_others_do_not() {
    for (keys, protocol) in [
        ("", Protocol::Http),
        ("protocol = \"http\"", Protocol::Http),
        ("protocol = \"grpc\"", Protocol::Grpc),
    ] {
        let config = read(&format!("[services.\"/foo\"]\n{FIXED}\n{keys}")).unwrap();
        assert_eq!(config.service("/foo").unwrap().auth().protocol(), protocol, "{keys}");
    }
}

#[test]
fn asking_again_without_anything_to_revoke_is_warned_about() {
    let config = read(&format!("[services.\"/foo\"]\n{FIXED}\nrevalidateInterval = 30")).unwrap();
    let warnings: Vec<String> = config.warnings().iter().map(ToString::to_string).collect();
    assert!(warnings.iter().any(|text| text.contains("revalidateInterval: has no effect")), "{warnings:?}");
}
