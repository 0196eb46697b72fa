//! Area declarative-merge: which of the service's and the resource's configuration counts.

use super::setting::{JWT, Service, USERS, basic, readers, token, tokens, writers};

/// The service has no elements, its resource has its own.
fn resource_only(service: &str, resource: &str, element: &str) -> String {
    format!(
        "{USERS}\n[services.\"{service}\"]\nresources.\"{resource}\" = {{ auth = [{{ scopes = [\"write\", \"update\"], {element} }}] }}\n"
    )
}

/// The service has a JWT element, its resource only scopes.
fn scopes_only(service: &str, scopes: &str) -> String {
    format!(
        "[services.\"{service}\"]\nauth = [{{ {scopes} {JWT} }}]\nresources.\"/jwtAuth\" = {{ auth = {{ scopes = [\"write\", \"update\"] }} }}\n"
    )
}

const FILE: &str = "fileUserStoreConfig = {}";

async fn basic_resource() -> Service {
    Service::new(&resource_only("/foo", "/basicAuth", FILE), "/foo").await
}

async fn jwt_resource(service: &str, resource: &str) -> Service {
    Service::new(&resource_only(service, resource, JWT), service).await
}

#[tokio::test]
async fn http_decl_03() {
    let open = Service::new("[services.\"/baz\"]\npublic = true\n", "/baz").await;
    let jwt3 = format!("Bearer {}", token("http:JWT3"));
    assert_eq!(open.get("/baz/baz", Some(&jwt3)).await, 200);
    assert_eq!(open.get("/baz/baz", None).await, 200);
}

#[tokio::test]
async fn http_decl_16() {
    assert_eq!(basic_resource().await.get("/foo/basicAuth", Some(&basic("alice:xxx"))).await, 200);
}

#[tokio::test]
async fn http_decl_18() {
    let service = basic_resource().await;
    assert_eq!(service.get("/foo/basicAuth", Some(&basic("peter:123"))).await, 401);
    assert_eq!(service.get("/foo/basicAuth", None).await, 401);
}

#[tokio::test]
async fn http_decl_19() {
    jwt_resource("/foo", "/jwtAuth").await.expect("/foo/jwtAuth", &writers(), 200).await;
}

#[tokio::test]
async fn http_decl_20() {
    jwt_resource("/foo", "/jwtAuth").await.expect("/foo/jwtAuth", &readers(), 403).await;
}

#[tokio::test]
async fn http_decl_21() {
    let service = jwt_resource("/foo", "/jwtAuth").await;
    service.expect("/foo/jwtAuth", &tokens(&["http:JWT3"]), 401).await;
    assert_eq!(service.get("/foo/jwtAuth", None).await, 401);
}

#[tokio::test]
async fn http_decl_28() {
    let service = Service::new(&scopes_only("/ignoreScopes", "scopes = [\"read\"],"), "/ignoreScopes").await;
    service.expect("/ignoreScopes/jwtAuth", &writers(), 200).await;
}

#[tokio::test]
async fn http_decl_29() {
    let service = Service::new(&scopes_only("/ignoreScopes", "scopes = [\"read\"],"), "/ignoreScopes").await;
    service.expect("/ignoreScopes/jwtAuth", &readers(), 403).await;
    service.expect("/ignoreScopes/other", &readers(), 200).await;
}

#[tokio::test]
async fn http_decl_31() {
    let service = Service::new(&scopes_only("/appendScopes", ""), "/appendScopes").await;
    service.expect("/appendScopes/jwtAuth", &writers(), 200).await;
}

#[tokio::test]
async fn http_decl_32() {
    let service = Service::new(&scopes_only("/appendScopes", ""), "/appendScopes").await;
    service.expect("/appendScopes/jwtAuth", &readers(), 403).await;
    service.expect("/appendScopes/other", &readers(), 200).await;
}

#[tokio::test]
async fn http_decl_33() {
    let service = Service::new(&scopes_only("/appendScopes", ""), "/appendScopes").await;
    service.expect("/appendScopes/jwtAuth", &tokens(&["http:JWT3"]), 401).await;
    assert_eq!(service.get("/appendScopes/jwtAuth", None).await, 401);
}

#[tokio::test]
async fn http_decl_42() {
    jwt_resource("/resourcepath", "/").await.expect("/resourcepath", &writers(), 200).await;
}

#[tokio::test]
async fn http_decl_43() {
    jwt_resource("/resourcepath", "/").await.expect("/resourcepath", &readers(), 403).await;
}

#[tokio::test]
async fn http_decl_44() {
    let service = jwt_resource("/resourcepath", "/").await;
    service.expect("/resourcepath", &tokens(&["http:JWT3"]), 401).await;
    assert_eq!(service.get("/resourcepath", None).await, 401);
}

#[tokio::test]
async fn http_decl_45() {
    jwt_resource("/resourcepath", "/foo$bar@")
        .await
        .expect("/resourcepath/foo%24bar%40", &writers(), 200)
        .await;
}

#[tokio::test]
async fn http_decl_46() {
    jwt_resource("/resourcepath", "/foo$bar@")
        .await
        .expect("/resourcepath/foo%24bar%40", &readers(), 403)
        .await;
}

#[tokio::test]
async fn http_decl_47() {
    let service = jwt_resource("/resourcepath", "/foo$bar@").await;
    service.expect("/resourcepath/foo%24bar%40", &tokens(&["http:JWT3"]), 401).await;
    assert_eq!(service.get("/resourcepath/foo%24bar%40", None).await, 401);
}

/// The bank of Ballerina's examples: two services, one with a resource of its own.
#[tokio::test]
async fn x_bank_01() {
    let bank = r#"
        [[auth.users]]
        username = "alice"
        password = "alice@123"
        scopes = ["read-account", "read-balance", "funds-transfer"]
        [[auth.users]]
        username = "bob"
        password = "bob@123"
        scopes = ["read-account", "read-balance"]
        [[auth.users]]
        username = "david"
        password = "david@123"
        scopes = ["read-account"]

        [services."/accounts"]
        auth = [{ scopes = ["read-account"], fileUserStoreConfig = {} }]
        resources."GET /balances" = { auth = [{ scopes = ["read-balance"], fileUserStoreConfig = {} }] }

        [services."/payments"]
        auth = [{ scopes = ["funds-transfer"], fileUserStoreConfig = {} }]
    "#;
    let accounts = Service::new(bank, "/accounts").await;
    let payments = Service::new(bank, "/payments").await;
    for (user, account, balances, transfer) in [
        (None, 401, 401, 401),
        (Some("alice:alice@123"), 200, 200, 200),
        (Some("bob:bob@123"), 200, 200, 403),
        (Some("david:david@123"), 200, 403, 403),
    ] {
        let header = user.map(basic);
        assert_eq!(accounts.get("/accounts/account", header.as_deref()).await, account, "{user:?}");
        assert_eq!(accounts.get("/accounts/balances", header.as_deref()).await, balances, "{user:?}");
        assert_eq!(
            payments.ask("POST", "/payments/transfer", header.as_deref()).await.status(),
            transfer,
            "{user:?}"
        );
    }
}

/// Where no element lets the caller in and one of them knows him, the answer is 403.
#[tokio::test]
async fn d_any_03() {
    let users = r#"
        [[auth.users]]
        username = "alice"
        password = "xxx"
        scopes = ["hello"]
        [services."/foo"]
        auth = [
            { scopes = "admin", fileUserStoreConfig = {} },
            { scopes = "hello", jwtValidatorConfig = { signatureConfig = { secret = "0123456789abcdef0123456789abcdef" } } },
        ]
    "#;
    let service = Service::new(users, "/foo").await;
    assert_eq!(service.get("/foo", Some(&basic("alice:xxx"))).await, 403);
    assert_eq!(service.get("/foo", Some(&basic("alice:wrong"))).await, 401);

    // Both elements look at the credential: the first knows the caller, the second does not.
    let first = JWT.replace("jwtValidatorConfig", "scopes = \"admin\", jwtValidatorConfig");
    let text = format!(
        "[services.\"/foo\"]\nauth = [{{ {first} }}, {{ scopes = \"write\", jwtValidatorConfig = {{ signatureConfig = {{ secret = \"0123456789abcdef0123456789abcdef\" }} }} }}]\n"
    );
    let service = Service::new(&text, "/foo").await;
    service.expect("/foo", &writers(), 403).await;
    service.expect("/foo", &tokens(&["http:JWT3"]), 401).await;
}

#[test]
fn d_cfg_01() {
    for text in [
        "[services.\"/foo\"]\nauth = []",
        "[services.\"/foo\"]\npublic = true\nresources.\"/x\" = { auth = [] }",
    ] {
        let error = portcullis::Config::parse(text, ".").unwrap_err().to_string();
        assert!(
            error.contains("an empty `auth` would refuse everybody: name at least one element"),
            "{error}"
        );
    }
}

#[test]
fn d_cfg_02() {
    let text = "[services.\"/foo\"]\nresources.\"/bar\" = { auth = { scopes = [\"a\"] } }";
    let error = portcullis::Config::parse(text, ".").unwrap_err().to_string();
    assert!(error.contains("`scopes` without `auth` guards nothing"), "{error}");
}
