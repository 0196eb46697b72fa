//! Which record it is.

use portcullis_core::config::Section;
use serde_json::{Value, json};

use super::{problems, read};
use crate::{fixtures, grant};

#[test]
fn keys_of_two_records_are_one_mistake_that_names_both() {
    let url = "https://localhost/token";
    for (section, expected) in [
        (
            json!({"tokenUrl": url, "username": "canary", "password": "canary", "refreshToken": "canary"}),
            "x.refreshToken: `refreshToken` belongs to the grant `refresh_token` (`refreshUrl`, `refreshToken` and \
             `clientId`), and `username` says `password` (`tokenUrl`, `username` and `password`): keep the keys of one of them",
        ),
        (
            json!({"tokenUrl": url, "password": "canary", "assertion": "canary", "typo": 5}),
            "x.assertion: `assertion` belongs to the grant `jwt_bearer`",
        ),
        (
            json!({"tokenUrl": url, "refreshToken": "canary", "clientId": "canary", "clientSecret": "canary"}),
            "x.tokenUrl: `tokenUrl` belongs to the grant `client_credentials` (`tokenUrl`, `clientId` and `clientSecret`), \
             and `refreshToken` says `refresh_token`",
        ),
        (
            json!({"refreshUrl": url, "assertion": {"issuer": "canary"}}),
            "x.assertion: `assertion` belongs to the grant `jwt_bearer`",
        ),
        (
            json!({"grant": "client_credentials", "tokenUrl": url, "clientId": "a", "clientSecret": "canary",
                "refreshConfig": "INFER_REFRESH_CONFIG"}),
            "x.refreshConfig: `refreshConfig` belongs to the grant `password` (`tokenUrl`, `username` and `password`), and \
             `grant` says `client_credentials`",
        ),
        (
            json!({"grant": "refresh_token", "tokenUrl": url, "refreshToken": "canary"}),
            "x.tokenUrl: `tokenUrl` belongs to the grant `client_credentials`",
        ),
    ] {
        let problems = problems(&section);
        assert_eq!(problems.len(), 1, "{problems:#?}");
        assert!(problems[0].contains(expected), "{problems:#?}\n{expected}");
        assert!(!problems[0].contains("canary"), "{problems:?}");
    }
}

#[test]
fn the_record_of_no_grant_is_told_what_each_one_needs() {
    for section in [json!({}), json!({"scopes": "a"}), json!({"clockSkew": 5, "optionalParams": {}})] {
        let problems = problems(&section);
        let none: Vec<&String> = problems.iter().filter(|problem| problem.contains("of no grant")).collect();
        assert_eq!(none.len(), 1, "{problems:?}");
        for needs in [
            "`client_credentials` has `tokenUrl`, `clientId` and `clientSecret`; ",
            "`password` has `tokenUrl`, `username` and `password`; ",
            "`refresh_token` has `refreshUrl`, `refreshToken` and `clientId`; ",
            "`jwt_bearer` has `tokenUrl` and `assertion`",
        ] {
            assert!(none[0].contains(needs), "{none:?}");
        }
    }
    let problems = problems(&json!({"tokenURL": "https://localhost"}));
    assert!(problems.iter().any(|problem| problem.contains("did you mean `tokenUrl`?")), "{problems:?}");
}

#[test]
fn a_name_tells_what_is_needed() {
    for (name, missing) in [
        ("client_credentials", vec!["tokenUrl", "clientId", "clientSecret"]),
        ("password", vec!["tokenUrl", "username", "password"]),
        ("refresh_token", vec!["refreshUrl", "clientId", "refreshToken"]),
        ("jwt_bearer", vec!["tokenUrl", "assertion"]),
    ] {
        let problems = problems(&json!({"grant": name}));
        let expected: Vec<String> =
            missing.iter().map(|key| format!("x.{key}: required, and missing")).collect();
        assert_eq!(problems.len(), expected.len(), "{name}: {problems:?}");
        for expected in expected {
            assert!(problems.iter().any(|problem| problem.contains(&expected)), "{name}: {problems:?}");
        }
    }
    let problems = problems(&json!({"grant": "client_credential", "typo": 1}));
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains(r#"did you mean "client_credentials"?"#), "{problems:?}");
    assert!(read(&json!({"grant": 5})).value.is_none());
}

#[test]
fn a_record_is_a_grants_by_its_keys() {
    let is_grant = |section: &Value| {
        let read = fixtures::read(section, |section: &Section<'_>| {
            let is = grant::is_grant(section);
            section.keys().for_each(|key| _ = section.node(key));
            Some(is)
        });
        read.value.unwrap()
    };
    for key in [
        "grant",
        "tokenUrl",
        "refreshUrl",
        "refreshToken",
        "refreshConfig",
        "assertion",
        "clientId",
        "clientSecret",
        "clientAssertion",
    ] {
        assert!(is_grant(&json!({key: "x"})), "{key}");
    }
    for section in [
        json!({}),
        json!({"username": "a", "password": "b"}),
        json!({"token": "a"}),
        json!({"issuer": "a", "username": "b", "signatureConfig": {}}),
    ] {
        assert!(!is_grant(&section), "{section}");
    }
    assert!(is_grant(&json!({"username": "a", "password": "b", "tokenUrl": "c"})));
}
