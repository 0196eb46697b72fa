//! The listener samples that the product was created from, pasted from Ballerina and adapted: `:` became `=`, and the
//! key files are those of the tests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::sync::Arc;

use axum::{Router, body::Body, routing::get};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{Request, header::AUTHORIZATION};
use portcullis::{AuthLayer, Clock, Config, ConfigError, UnixTime};
use portcullis_testing::ManualClock;
use portcullis_tests::data;
use tower::ServiceExt;

const LISTENER: &str = r#"
[listener]
address = "127.0.0.1:9090"
secureSocket = {
    key = {
        certFile = "http-pub--public.crt",
        keyFile = "http-key--private.key"
    }
}
"#;

const USERS: &str = r#"
[[auth.users]]
username="alice"
password="password1"
scopes=["scope1"]

[[auth.users]]
username="bob"
password="password2"
scopes=["scope2", "scope3"]

[[auth.users]]
username="eve"
password="password3"
"#;

fn read(parts: &[&str]) -> Result<Config, ConfigError> {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(UnixTime::from_secs(1_700_000_000)));
    Config::builder().clock(clock).parse(&parts.concat(), data("ballerina/data"))
}

async fn statuses(config: &Config, requests: &[(&str, Option<String>)]) -> Vec<u16> {
    let auth = config.service("/foo").unwrap().build().await.unwrap();
    let app: Router = Router::new()
        .route("/foo/bar", get(|| async { "Hello, World!" }))
        .route("/foo/baz", get(|| async { "Hello, World!" }))
        .layer(AuthLayer::new(auth));
    let mut found = Vec::new();
    for (path, authorization) in requests {
        let mut request = Request::get(*path);
        if let Some(value) = authorization {
            request = request.header(AUTHORIZATION, value);
        }
        let answer = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        found.push(answer.status().as_u16());
    }
    found
}

fn basic(pair: &str) -> Option<String> {
    Some(format!("Basic {}", STANDARD.encode(pair)))
}

fn bearer(name: &str) -> Option<String> {
    let text = std::fs::read_to_string(data("ballerina/data.json")).unwrap();
    let all: serde_json::Value = serde_json::from_str(&text).unwrap();
    Some(format!("Bearer {}", all["tokens"][name]["value"].as_str().unwrap()))
}

#[tokio::test]
async fn the_file_user_store_sample() {
    let service = r#"
[services."/foo"]
auth = [
    {
        fileUserStoreConfig = {},
        scopes = ["hello"]
    }
]
"#;
    let config = read(&[LISTENER, USERS, service]).unwrap();
    let requests =
        [("/foo/bar", None), ("/foo/bar", basic("alice:password1")), ("/foo/bar", basic("alice:password2"))];
    assert_eq!(statuses(&config, &requests).await, [401, 403, 401]);
    let hello = service.replace("hello", "scope3");
    let config = read(&[LISTENER, USERS, &hello]).unwrap();
    let requests = [("/foo/bar", basic("bob:password2")), ("/foo/bar", basic("eve:password3"))];
    assert_eq!(statuses(&config, &requests).await, [200, 403]);
}

/// The second sample of the document: the service has no `auth`, its resource has.
#[tokio::test]
async fn the_sample_with_auth_on_the_resource_only() {
    let service = r#"
[services."/foo"]
resources."GET /bar" = {
    auth = [
        {
            fileUserStoreConfig = {},
            scopes = ["scope1"]
        }
    ]
}
"#;
    let config = read(&[LISTENER, USERS, service]).unwrap();
    let alice = basic("alice:password1");
    let requests = [
        ("/foo/bar", None),
        ("/foo/bar", alice.clone()),
        ("/foo/bar", basic("bob:password2")),
        ("/foo/baz", alice),
        ("/foo/baz", None),
    ];
    // What no resource covers is refused: nothing is open by omission.
    assert_eq!(statuses(&config, &requests).await, [401, 200, 403, 401, 401]);
}

#[tokio::test]
async fn the_jwt_sample() {
    let service = r#"
[services."/foo"]
auth = [
    {
        jwtValidatorConfig = {
            issuer = "wso2",
            audience = "ballerina",
            signatureConfig = {
                certFile = "pub--public.crt"
            },
            scopeKey = "scp"
        },
        scopes = ["hello"]
    }
]
"#;
    let config = read(&[LISTENER, service]).unwrap();
    let requests = [
        ("/foo/bar", None),
        ("/foo/bar", bearer("jwt:JWT1")),
        ("/foo/bar", bearer("http:JWT1")),
        ("/foo/bar", bearer("http:JWT3")),
    ];
    assert_eq!(statuses(&config, &requests).await, [401, 200, 403, 401]);
}

/// Pastes as it stands; the one thing wrong with it is that this version has no LDAP.
#[test]
fn the_ldap_sample() {
    let service = r#"
[services."/foo"]
auth = [
    {
        ldapUserStoreConfig = {
            domainName = "ballerina.io",
            connectionUrl = "ldap://localhost:20000",
            connectionName = "uid=admin,ou=system",
            connectionPassword = "secret",
            userSearchBase = "ou=Users,dc=ballerina,dc=io",
            userEntryObjectClass = "identityPerson",
            userNameAttribute = "uid",
            userNameSearchFilter = "(&(objectClass=person)(uid=?))",
            userNameListFilter = "(objectClass=person)",
            groupSearchBase = ["ou=Groups,dc=ballerina,dc=io"],
            groupEntryObjectClass = "groupOfNames",
            groupNameAttribute = "cn",
            groupNameSearchFilter = "(&(objectClass=groupOfNames)(cn=?))",
            groupNameListFilter = "(objectClass=groupOfNames)",
            membershipAttribute = "member",
            userRolesCacheEnabled = true,
            connectionPoolingEnabled = false,
            connectionTimeout = 5000,
            readTimeout = 60000
        },
        scopes = ["hello"]
    }
]
"#;
    only_problem(
        &[LISTENER, service],
        "ldapUserStoreConfig: the LDAP user store is not available in this version",
    );
}

/// Pastes as it stands; the one thing wrong with it is that this version has no introspection.
#[test]
fn the_oauth2_sample() {
    let service = r#"
[services."/foo"]
auth = [
    {
        oauth2IntrospectionConfig = {
            url = "https://localhost:9999/oauth2/token/introspect",
            tokenTypeHint = "access_token",
            scopeKey = "scp",
            clientConfig = {
                secureSocket = {
                    cert = "pub--public.crt"
                }
            }
        },
        scopes = ["hello"]
    }
]
"#;
    only_problem(
        &[LISTENER, service],
        "oauth2IntrospectionConfig: OAuth2 introspection is not available in this version",
    );
}

#[track_caller]
fn only_problem(parts: &[&str], expected: &str) {
    let error = read(parts).unwrap_err();
    let problems: Vec<String> = error.problems().iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems
            .iter()
            .all(|problem| problem.contains("services.\"/foo\".auth[0].") && problem.ends_with(expected)),
        "{problems:?}"
    );
}
