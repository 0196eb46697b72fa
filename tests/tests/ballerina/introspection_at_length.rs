//! Area oauth2, the rows of Ballerina's oauth2 module: everything that the record can say.

use std::sync::{Arc, Mutex};

use portcullis::{Config, ConfigError, Context, Identity, Outcome, UnixTime};
use portcullis_keys::TrustAnchors;
use portcullis_oauth2::{IntrospectionConfig, OAuth2Introspection};
use portcullis_testing::{GrantType, TestIntrospection, TestTls};
use portcullis_tests::data;
use serde_json::json;

use super::{
    setting::{Service, clock},
    sts::{Sts, TRUST_STORE, server_tls},
};

const TOKEN: &str = "56ede317-4511-44b4-8579-a08f094ee8c5";

/// The provider that is read from this record, to be called as in code.
fn provider(record: &str) -> Result<OAuth2Introspection, ConfigError> {
    let kept = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&kept);
    let read = move |section: &portcullis::section::Section<'_>| {
        let told = || portcullis::BuildError::new("told already");
        let provider = OAuth2Introspection::new(IntrospectionConfig::read(section).ok_or_else(told)?)?;
        *keep.lock().unwrap() = Some(provider.clone());
        Ok(provider)
    };
    let toml = format!("[services.\"/foo\"]\nauth = [{{ scopes = \"*\", record = {{ {record} }} }}]\n");
    Config::builder().clock(clock()).provider("record", read).parse(&toml, data("ballerina/data"))?;
    let provider = kept.lock().unwrap().take();
    Ok(provider.unwrap())
}

/// The server of the rows: it knows one token, which expired two seconds after 1970, and the client `admin`.
async fn server(tls: Option<TestTls>) -> TestIntrospection {
    let server = match tls {
        Some(tls) => TestIntrospection::start_https(tls).await,
        None => TestIntrospection::start().await,
    };
    server.require_basic("admin", "admin");
    server.grant(
        TOKEN,
        json!({
            "scope": "read write dolphin",
            "client_id": "l238j323ds-23ij4",
            "username": "jdoe",
            "token_type": "token_type",
            "exp": 2,
            "iat": 1,
            "nbf": 1,
            "sub": "Z5O3upPC88QrAjx00dis",
            "aud": "https://protected.example.net/resource",
            "iss": "https://server.example.com/",
            "jti": "JlbmMiOiJBMTI4Q0JDLUhTMjU2In",
        }),
    );
    server
}

async fn asked(provider: &OAuth2Introspection) -> Outcome {
    let clock = clock();
    provider.introspect(TOKEN, &[("example_key", "example_value")], &Context::new(&clock)).await
}

/// All that the rows want to see of the answer.
fn is_the_answer(outcome: Outcome) {
    let Outcome::Known(identity) = outcome else { panic!("{outcome:?}") };
    let identity: &Identity = &identity;
    assert_eq!(identity.scopes().iter().collect::<Vec<_>>(), ["read", "write", "dolphin"]);
    assert_eq!(identity.subject(), Some("Z5O3upPC88QrAjx00dis"));
    assert_eq!(identity.issuer(), Some("https://server.example.com/"));
    // An expiry that the server does not mind is none.
    assert_eq!(identity.expires_at(), None::<UnixTime>);
    let claims = identity.claims();
    for (name, value) in [
        ("client_id", json!("l238j323ds-23ij4")),
        ("username", json!("jdoe")),
        ("token_type", json!("token_type")),
        ("aud", json!("https://protected.example.net/resource")),
        ("jti", json!("JlbmMiOiJBMTI4Q0JDLUhTMjU2In")),
        ("exp", json!(2)),
        ("iat", json!(1)),
        ("nbf", json!(1)),
    ] {
        assert_eq!(claims[name], value, "{name}");
    }
}

/// Everything of the record but the URL and the trust, with these keys of `clientConfig`.
fn long(url: &str, client: &str) -> String {
    format!(
        r#"url = "{url}",
        tokenTypeHint = "access_token",
        optionalParams = {{ client = "ballerina" }},
        cacheConfig = {{ capacity = 10, evictionFactor = 0.25, evictionPolicy = "LRU", defaultMaxAge = -1, cleanupInterval = 3600 }},
        defaultTokenExpTime = 3600,
        clientConfig = {{
            customHeaders = {{ Authorization = "Basic YWRtaW46YWRtaW4=" }},
            customPayload = "example_payload_key=example_payload_value",
            {client}
        }}"#
    )
}

fn short(url: &str, client: &str) -> String {
    format!(
        r#"url = "{url}", tokenTypeHint = "access_token",
        clientConfig = {{ customHeaders = {{ Authorization = "Basic YWRtaW46YWRtaW4=" }}, {client} }}"#
    )
}

/// A server that takes no client but Ballerina's, and what it is sent.
async fn mutual(secure_socket: &str) {
    let clients = TrustAnchors::from_file(data("ballerina/data/pub--public.crt")).unwrap();
    let server = server(Some(TestTls::new(server_tls().require_client_certificate(clients)))).await;
    let provider = provider(&long(&server.url(), secure_socket)).unwrap();
    is_the_answer(asked(&provider).await);
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        server.calls()[0].parameters(),
        [
            pair("token", TOKEN),
            pair("token_type_hint", "access_token"),
            pair("client", "ballerina"),
            pair("example_key", "example_value"),
            pair("example_payload_key", "example_payload_value"),
        ]
    );
    // Without a certificate there is no connection, and no answer.
    let nobody = self::provider(&long(&server.url(), TRUST_STORE)).unwrap();
    assert!(matches!(asked(&nobody).await, Outcome::Unavailable(_)));
    assert_eq!(server.call_count(), 1);
}

#[tokio::test]
async fn oauth2_lst_08() {
    let key = r#"key = { path = "ballerina-ks--ballerinaKeystore.p12", password = "ballerina" }"#;
    let cert = r#"cert = { path = "../../sts/truststore.p12", password = "ballerina" }"#;
    mutual(&format!("secureSocket = {{ {cert}, {key} }}")).await;
}

#[tokio::test]
async fn oauth2_lst_09() {
    let key = r#"key = { certFile = "pub--public.crt", keyFile = "enckey--encryptedPrivate.key", keyPassword = "ballerina" }"#;
    mutual(&format!("secureSocket = {{ cert = \"../../sts/sts.crt\", {key} }}")).await;
}

/// Without `cert` it is the system's authorities that count, and they know nothing of the server.
#[tokio::test]
async fn oauth2_lst_11() {
    let server = server(Some(TestTls::new(server_tls()))).await;
    match provider(&long(&server.url(), "secureSocket = {}")) {
        Ok(provider) => assert!(matches!(asked(&provider).await, Outcome::Unavailable(_))),
        // A machine without authorities says so when the file is read.
        Err(error) => assert!(error.to_string().contains("secureSocket"), "{error}"),
    }
    assert_eq!(server.call_count(), 0);
}

/// A URL without a scheme is https, whatever else is said.
#[tokio::test]
async fn oauth2_lst_12() {
    let plain = server(None).await;
    let without = |url: String| url.split_once("://").unwrap().1.to_owned();
    let record = short(&without(plain.url()), TRUST_STORE);
    assert!(matches!(asked(&provider(&record).unwrap()).await, Outcome::Unavailable(_)));
    assert_eq!(plain.call_count(), 0);
}

#[tokio::test]
async fn oauth2_lst_13() {
    let server = server(None).await;
    is_the_answer(asked(&provider(&short(&server.url(), "")).unwrap()).await);
    // With other credentials of ours there is no answer about the token.
    let wrong = short(&server.url(), "").replace("YWRtaW46YWRtaW4=", "YWRtaW46eHh4");
    assert!(matches!(asked(&provider(&wrong).unwrap()).await, Outcome::Unavailable(_)));
}

#[tokio::test]
async fn oauth2_lst_14() {
    let server = server(Some(TestTls::new(server_tls()))).await;
    let url = server.url().replace("https://", "");
    is_the_answer(asked(&provider(&short(&url, TRUST_STORE)).unwrap()).await);
}

/// A token by client credentials, which holds `view-order` for an hour.
async fn fetched(sts: &Sts) -> String {
    let token = sts.by_client_credentials().await;
    let expires = clock().now().as_secs() + 3600;
    sts.introspection.grant(&token, json!({"scope": "view-order", "sub": "admin", "exp": expires}));
    token
}

fn service(url: &str, keys: &str) -> String {
    format!(
        "[services.\"/foo\"]\nauth = [{{ scopes = \"view-order\", oauth2IntrospectionConfig = {{ url = \"{url}\", {keys} }} }}]\n"
    )
}

#[tokio::test]
async fn oauth2_lst_02() {
    let sts = Sts::start().await;
    let token = fetched(&sts).await;
    sts.introspection.require_basic("admin", "admin");
    let keys = format!(
        r#"cacheConfig = {{ capacity = 10, evictionFactor = 0.25, evictionPolicy = "LRU", defaultMaxAge = -1, cleanupInterval = 3600 }},
        clientConfig = {{ customHeaders = {{ Authorization = "Basic YWRtaW46YWRtaW4=" }}, {TRUST_STORE} }}"#
    );
    let service = Service::new(&service(&sts.introspection.url(), &keys), "/foo").await;
    service.expect("/foo", &[token.clone(), token], 200).await;
    assert_eq!(sts.introspection.call_count(), 1, "the second answer is remembered");
}

/// The server does not know who asks: that says nothing about the token.
#[tokio::test]
async fn oauth2_lst_05() {
    let sts = Sts::start().await;
    let token = fetched(&sts).await;
    sts.introspection.require_basic("admin", "admin");
    let keys = format!("clientConfig = {{ {TRUST_STORE} }}");
    let service = Service::new(&service(&sts.introspection.url(), &keys), "/foo").await;
    service.expect("/foo", &[token], 503).await;
    assert_eq!(sts.introspection.call_count(), 1);
}

/// Nothing is fetched when the service is built; without a token of its own it does not ask about others.
#[tokio::test]
async fn oauth2_lst_06() {
    let sts = Sts::start().await;
    let token = fetched(&sts).await;
    let issued = sts.tokens.call_count();
    let keys = format!(
        r#"clientConfig = {{
            auth = {{
                grant = "client_credentials",
                tokenUrl = "{}",
                clientId = "invalid_client_id",
                clientSecret = "invalid_client_secret",
                clientConfig = {{ {TRUST_STORE} }},
            }},
            {TRUST_STORE},
        }}"#,
        sts.tokens.url()
    );
    let toml = service(&sts.introspection.url(), &keys);
    let service = Service::new(&toml, "/foo").await;
    assert_eq!(sts.tokens.call_count(), issued, "a start does not need the server");
    service.expect("/foo", std::slice::from_ref(&token), 503).await;
    assert_eq!((sts.tokens.call_count(), sts.introspection.call_count()), (issued + 1, 0));

    // The same with the right client.
    let (id, secret) = (super::sts::CLIENT_ID, super::sts::CLIENT_SECRET);
    let right = toml.replace("invalid_client_id", id).replace("invalid_client_secret", secret);
    sts.tokens.will_issue("ours");
    sts.introspection.require_bearer("ours");
    let service = Service::new(&right, "/foo").await;
    service.expect("/foo", &[token], 200).await;
    assert_eq!(sts.introspection.call_count(), 1);
}

/// By the user's name and password, as `oauth2_lst_06`.
#[tokio::test]
async fn oauth2_lst_07() {
    let sts = Sts::start().await;
    let token = fetched(&sts).await;
    let issued = sts.tokens.call_count();
    let keys = format!(
        r#"clientConfig = {{
            auth = {{
                grant = "password",
                tokenUrl = "{}",
                username = "invalid_username",
                password = "invalid_password",
                scopes = "view-order",
                clientId = "invalid_client_id",
                clientSecret = "invalid_client_secret",
                clientConfig = {{ {TRUST_STORE} }},
            }},
            {TRUST_STORE},
        }}"#,
        sts.tokens.url()
    );
    let toml = service(&sts.introspection.url(), &keys);
    let service = Service::new(&toml, "/foo").await;
    assert_eq!(sts.tokens.call_count(), issued, "a start does not need the server");
    service.expect("/foo", std::slice::from_ref(&token), 503).await;
    assert_eq!((sts.tokens.count(GrantType::Password), sts.introspection.call_count()), (1, 0));

    // The right client, and still nobody the server knows.
    let (id, secret) = (super::sts::CLIENT_ID, super::sts::CLIENT_SECRET);
    let toml = toml.replace("invalid_client_id", id).replace("invalid_client_secret", secret);
    let service = Service::new(&toml, "/foo").await;
    service.expect("/foo", std::slice::from_ref(&token), 503).await;
    assert_eq!((sts.tokens.count(GrantType::Password), sts.introspection.call_count()), (2, 0));

    // The right user, too.
    let right = toml.replace("invalid_username", "johndoe").replace("invalid_password", "A3ddj3w");
    sts.tokens.will_issue("ours");
    sts.introspection.require_bearer("ours");
    let service = Service::new(&right, "/foo").await;
    service.expect("/foo", &[token], 200).await;
    assert_eq!((sts.tokens.count(GrantType::Password), sts.introspection.call_count()), (3, 1));
    assert_eq!(sts.tokens.asked(GrantType::Password)[2].parameter("scope").as_deref(), Some("view-order"));
}
