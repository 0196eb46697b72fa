//! `clientId`, `clientSecret`, `clientAssertion` and the certificate.

use portcullis_core::AssertionPurpose;
use serde_json::{Value, json};

use super::{changed, only_problems, problems, read, read_signing};

const URL: &str = "https://auth.example/token?tenant=1";

fn client_credentials(changes: Value) -> Value {
    changed(json!({"grant": "client_credentials", "tokenUrl": URL, "clientId": "app"}), changes)
}

fn for_client(url: &str) -> AssertionPurpose {
    AssertionPurpose::ClientAuthentication { client_id: "app".to_owned(), token_url: url.to_owned() }
}

#[test]
fn a_client_assertion_is_signed_for_the_endpoint() {
    for section in [
        client_credentials(json!({"clientAssertion": {"issuer": "x"}})),
        json!({"tokenUrl": URL, "username": "a", "password": "b", "clientId": "app", "clientAssertion": {"issuer": "x"}}),
        json!({"refreshUrl": URL, "refreshToken": "a", "clientId": "app", "clientAssertion": {"issuer": "x"}}),
    ] {
        let (read, purposes) = read_signing(&section);
        assert_eq!((read.problems, read.warnings), (vec![], vec![]));
        assert!(format!("{:?}", read.value.unwrap()).contains(r#"Assertion("app")"#));
        assert_eq!(purposes, [for_client(URL)]);
    }
}

#[test]
fn a_refresh_endpoint_elsewhere_has_an_assertion_of_its_own() {
    let other = "https://other.example/token";
    let record = |refresh: Value| {
        json!({"tokenUrl": URL, "username": "a", "password": "b", "clientId": "app",
            "clientAssertion": {"issuer": "x"}, "refreshConfig": refresh})
    };
    for (refresh, expected) in [
        (json!({"refreshUrl": other}), vec![for_client(URL), for_client(other)]),
        (json!({"refreshUrl": URL}), vec![for_client(URL)]),
        (json!("INFER_REFRESH_CONFIG"), vec![for_client(URL)]),
    ] {
        let (read, purposes) = read_signing(&record(refresh));
        assert_eq!((read.problems, purposes), (vec![], expected));
        assert!(read.value.is_some());
    }
}

#[test]
fn what_is_wrong_with_an_assertion_is_told_once_at_its_place() {
    for (changes, expected) in [
        (json!({"clientAssertion": {}}), "x.clientAssertion.issuer: required, and missing"),
        (json!({"clientAssertion": {"issuer": "x", "isuer": 5}}), "x.clientAssertion.isuer: unknown key"),
        (json!({"clientAssertion": "x"}), "x.clientAssertion: expected a table, found a string"),
        (
            json!({"clientAssertion": {"issuer": "x"}, "clientSecret": "y"}),
            "x.clientAssertion: stands beside `clientSecret`",
        ),
        (
            json!({"clientAssertion": {"issuer": "x"}, "clientId": null}),
            "x.clientId: required beside `clientAssertion`, and missing",
        ),
        (
            json!({"clientAssertion": {"issuer": "x"}, "optionalParams": {"client_assertion": "y"}}),
            "x.optionalParams.client_assertion: is sent by this record itself",
        ),
    ] {
        let (read, _) = read_signing(&client_credentials(changes));
        let problems = only_problems(read);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains(expected), "{problems:?}\n{expected}");
    }
}

#[test]
fn what_is_wrong_with_client_or_endpoint_is_not_told_of_the_assertion_too() {
    for (changes, client_id, token_url, expected) in [
        (json!({"clientId": ""}), "-", URL, "x.clientId: must not be empty"),
        (json!({"clientId": null}), "-", URL, "x.clientId: required beside `clientAssertion`, and missing"),
        (json!({"tokenUrl": null}), "app", "-", "x.tokenUrl: required, and missing"),
        (json!({"tokenUrl": "ftp://x"}), "app", "-", "x.tokenUrl: has a scheme other than https and http"),
    ] {
        let section = changed(client_credentials(json!({"clientAssertion": {"issuer": "x"}})), changes);
        let (read, purposes) = read_signing(&section);
        let problems = only_problems(read);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains(expected), "{problems:?}\n{expected}");
        let (client_id, token_url) = (client_id.to_owned(), token_url.to_owned());
        // Neither is empty, which would be a mistake of its own.
        assert_eq!(purposes, [AssertionPurpose::ClientAuthentication { client_id, token_url }]);
    }
}

#[test]
fn a_build_that_cannot_sign_says_which_feature_to_add() {
    for section in [
        client_credentials(json!({"clientAssertion": {"issuer": "x"}})),
        json!({"tokenUrl": URL, "assertion": {"issuer": "x", "signatureConfig": {}}}),
    ] {
        let problems = problems(&section);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains("cannot sign assertions: add its feature `jwt`"), "{problems:?}");
    }
}

#[test]
fn a_certificate_stands_for_a_secret() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/data/ballerina/data");
    let certificate = json!({"secureSocket": {
        "cert": format!("{folder}/pub--public.crt"),
        "key": {"certFile": format!("{folder}/pub--public.crt"), "keyFile": format!("{folder}/key--private.key")},
    }});
    for section in [
        client_credentials(json!({"clientConfig": certificate.clone()})),
        json!({"tokenUrl": URL, "username": "a", "password": "b", "clientId": "app", "clientConfig": certificate.clone()}),
    ] {
        let read = read(&section);
        assert_eq!(read.problems, Vec::<String>::new());
        assert!(format!("{:?}", read.value.unwrap()).contains(r#"MutualTls("app")"#));
    }
    // A refresh elsewhere needs one as well.
    let section = json!({"tokenUrl": URL, "username": "a", "password": "b", "clientId": "app",
        "clientConfig": certificate, "refreshConfig": {"refreshUrl": "https://other.example"}});
    let problems = problems(&section);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("x.refreshConfig.clientConfig.secureSocket: has no `key`"), "{problems:?}");
}

#[test]
fn a_client_without_proof_is_public_where_the_grant_permits() {
    for (section, expected) in [
        (json!({"tokenUrl": URL, "username": "a", "password": "b"}), "authentication: None"),
        (json!({"tokenUrl": URL, "username": "a", "password": "b", "clientId": "app"}), r#"Public("app")"#),
        (json!({"tokenUrl": URL, "assertion": "a"}), "authentication: None"),
        (json!({"tokenUrl": URL, "assertion": "a", "clientId": "app"}), r#"Public("app")"#),
        (json!({"refreshUrl": URL, "refreshToken": "a", "clientId": "app"}), r#"Public("app")"#),
    ] {
        let read = read(&section);
        assert_eq!((read.problems, read.warnings), (vec![], vec![]));
        let shown = format!("{:?}", read.value.unwrap());
        assert!(shown.contains(expected), "{shown}");
    }
}

#[test]
fn half_a_client_is_a_mistake() {
    let password = |changes| changed(json!({"tokenUrl": URL, "username": "a", "password": "b"}), changes);
    let refresh =
        |changes| changed(json!({"refreshUrl": URL, "refreshToken": "a", "clientId": "b"}), changes);
    for (section, expected) in [
        (
            client_credentials(json!({})),
            "x.clientSecret: required, and missing: set it, or `clientAssertion`, or",
        ),
        (client_credentials(json!({"clientId": null, "clientSecret": "x"})), "x.clientId: required"),
        (password(json!({"clientSecret": "x"})), "x.clientId: required beside `clientSecret`, and missing"),
        (password(json!({"clientId": ""})), "x.clientId: must not be empty"),
        (password(json!({"clientId": "app", "clientSecret": ""})), "x.clientSecret: an empty secret"),
        (password(json!({"clientId": 5})), "x.clientId: expected a string"),
        (refresh(json!({"clientId": null})), "x.clientId: required, and missing"),
        (refresh(json!({"clientId": "", "clientSecret": "x"})), "x.clientId: must not be empty"),
    ] {
        let problems = problems(&section);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains(expected), "{problems:?}\n{expected}");
    }
    let problems = problems(&password(json!({"clientId": "", "clientSecret": ""})));
    assert_eq!(problems.len(), 2, "{problems:?}");
}
