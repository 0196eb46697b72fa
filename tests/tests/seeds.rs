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

use axum::{
    Router,
    body::Body,
    extract::ws::{Message, WebSocketUpgrade},
    response::Response,
    routing::get,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::{SinkExt, StreamExt};
use http::{Request, header::AUTHORIZATION};
use portcullis::{AuthLayer, Clock, Config, ConfigError, UnixTime};
use portcullis_keys::{Identity, ServerTls};
use portcullis_testing::{ManualClock, TestIntrospection, TestIssuer, TestTls};
use portcullis_tests::{Slapd, Transport, data};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{self, client::IntoClientRequest},
};
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

fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::at(UnixTime::from_secs(1_700_000_000)))
}

fn read(parts: &[&str]) -> Result<Config, ConfigError> {
    Config::builder().clock(clock()).parse(&parts.concat(), data("ballerina/data"))
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

/// Pastes as it stands; the address is changed to that of a directory that holds its users.
#[tokio::test]
async fn the_ldap_sample() {
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
    let config = read(&[LISTENER, service]).unwrap();
    // It has milliseconds where seconds are meant.
    let warned = |key: &str| config.warnings().iter().any(|warning| warning.to_string().contains(key));
    assert!(warned("connectionTimeout") && warned("readTimeout"), "{:?}", config.warnings());

    let slapd = Slapd::start();
    let service = service.replace("ldap://localhost:20000", &slapd.url(Transport::Plain));
    let config = Config::parse(&[LISTENER, &service].concat(), data("ballerina/data")).unwrap();
    let requests = [
        ("/foo/bar", None),
        ("/foo/bar", basic("alice:alice@123")),
        ("/foo/bar", basic("bob:bob@123")),
        ("/foo/bar", basic("alice:bob@123")),
    ];
    assert_eq!(statuses(&config, &requests).await, [401, 200, 403, 401]);
}

/// The certificate of the server that stands in for the sample's.
const STS: &str = "../../sts/sts.crt";

async fn introspection() -> TestIntrospection {
    let identity = Identity::from_files(data("sts/sts.crt"), data("sts/sts.key"), None).unwrap();
    TestIntrospection::start_https(TestTls::new(ServerTls::new(identity))).await
}

#[tokio::test]
async fn the_oauth2_sample() {
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
    // Nobody answers there, and its start minds it not.
    let pasted = read(&[LISTENER, service]).unwrap();
    let token = |name: &str| Some(format!("Bearer {name}"));
    assert_eq!(statuses(&pasted, &[("/foo/bar", None)]).await, [401]);

    let server = introspection().await;
    server.grant("good", json!({"sub": "alice", "scp": "hello there"}));
    server.grant("other", json!({"sub": "alice", "scp": "goodbye", "scope": "hello"}));
    let service = service.replace("https://localhost:9999/oauth2/token/introspect", &server.url());
    let config = read(&[LISTENER, &service.replace("pub--public.crt", STS)]).unwrap();
    let requests = [
        ("/foo/bar", None),
        ("/foo/bar", token("good")),
        ("/foo/bar", token("other")),
        ("/foo/bar", token("unknown")),
        ("/foo/bar", basic("alice:password1")),
    ];
    assert_eq!(statuses(&config, &requests).await, [401, 200, 403, 401, 401]);
    assert_eq!(server.call_count(), 3);
    assert_eq!(server.calls()[0].parameter("token_type_hint").as_deref(), Some("access_token"));

    // The certificate of the sample is not the server's: it is not believed, and nothing is sent to it.
    let config = read(&[LISTENER, &service]).unwrap();
    assert_eq!(statuses(&config, &[("/foo/bar", token("good"))]).await, [503]);
    assert_eq!(server.call_count(), 3);
}

/// The second document: a WebSocket service whose upgrades are authorized by introspection.
#[tokio::test]
async fn the_websocket_sample() {
    let service = r#"
[services."/foo"]
auth = [
    {
        oauth2IntrospectionConfig = {
            url = "https://localhost:9445/oauth2/introspect",
            tokenTypeHint = "access_token",
            scopeKey = "scp",
            clientConfig = {
                customHeaders = {"Authorization" = "Basic YWRtaW46YWRtaW4="},
                secureSocket = {
                    cert = "pub--public.crt"
                }
            }
        },
        scopes = ["admin"]
    }
]
"#;
    read(&[LISTENER, service]).unwrap();
    let server = introspection().await;
    server.require_basic("admin", "admin");
    server.grant("good", json!({"scp": "admin"}));
    server.grant("other", json!({"scp": "hello"}));
    let service = service.replace("https://localhost:9445/oauth2/introspect", &server.url());
    let config = read(&[LISTENER, &service.replace("pub--public.crt", STS)]).unwrap();
    let auth = config.service("/foo").unwrap().build().await.unwrap();
    let app = Router::new().route("/foo/bar", get(echo)).layer(AuthLayer::new(auth));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/foo/bar", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });

    for (token, refused) in [(None, 401), (Some("unknown"), 401), (Some("other"), 403)] {
        match open(&url, token).await {
            Err(tungstenite::Error::Http(answer)) => assert_eq!(answer.status(), refused, "{token:?}"),
            other => panic!("{token:?}: {other:?}"),
        }
    }
    let (mut socket, answer) = open(&url, Some("good")).await.unwrap();
    assert_eq!(answer.status(), 101);
    socket.send(tungstenite::Message::text("Hello, World!")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), tungstenite::Message::text("Hello, World!"));
}

type Opened = (WebSocketStream<MaybeTlsStream<TcpStream>>, http::Response<Option<Vec<u8>>>);

async fn open(url: &str, token: Option<&str>) -> Result<Opened, tungstenite::Error> {
    let mut request = url.into_client_request().unwrap();
    if let Some(token) = token {
        request.headers_mut().insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    }
    tokio_tungstenite::connect_async(request).await
}

async fn echo(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(|mut socket| async move {
        while let Some(Ok(message)) = socket.recv().await {
            if let Message::Text(_) = &message {
                socket.send(message).await.unwrap();
            }
        }
    })
}

/// All keys of the record that the document lists, with keys from a URL.
#[tokio::test]
async fn the_jwt_record_with_keys_from_a_url() {
    let issuer = TestIssuer::builder().clock(clock()).start().await;
    let service = format!(
        r#"
[services."/foo"]
auth = [
    {{
        jwtValidatorConfig = {{
            issuer = "{}",
            audience = "ballerina",
            clockSkew = 60,
            scopeKey = "scp",
            signatureConfig = {{
                jwksConfig = {{
                    url = "{}",
                    cacheConfig = {{ capacity = 10, evictionFactor = 0.25, defaultMaxAge = -1 }},
                    clientConfig = {{ httpVersion = "HTTP_1_1" }}
                }}
            }},
            cacheConfig = {{ capacity = 10, evictionFactor = 0.25, defaultMaxAge = -1 }}
        }},
        scopes = ["hello"]
    }}
]
"#,
        issuer.url(),
        issuer.jwks_url()
    );
    let config = read(&[LISTENER, &service]).unwrap();
    let token = |audience: &str, scp: &str| {
        Some(format!("Bearer {}", issuer.token().audience(audience).claim("scp", scp).sign()))
    };
    let requests = [
        ("/foo/bar", None),
        ("/foo/bar", token("ballerina", "hello")),
        ("/foo/bar", token("ballerina", "goodbye")),
        ("/foo/bar", token("another", "hello")),
        ("/foo/bar", bearer("jwt:JWT1")),
    ];
    assert_eq!(statuses(&config, &requests).await, [401, 200, 403, 401, 401]);
}
