//! Area websocket: the upgrade request is what is authenticated and authorized.

use std::net::SocketAddr;

use axum::{
    Router,
    extract::ws::{Message, WebSocketUpgrade},
    response::Response,
    routing::any,
};
use futures_util::{SinkExt, StreamExt};
use http::{StatusCode, header::AUTHORIZATION};
use portcullis::{
    AuthLayer, Config,
    jwt::{JwtIssuer, JwtIssuerConfig, SigningConfig},
};
use portcullis_tests::data;
use tokio_tungstenite::{
    connect_async,
    tungstenite::{self, client::IntoClientRequest},
};

use super::{
    setting::{USERS, basic, clock},
    sts::{Sts, TOKEN_1, TOKEN_2},
};

/// A service that echoes text messages, on a socket of its own.
struct Echo {
    address: SocketAddr,
    path: &'static str,
}

impl Echo {
    async fn start(path: &'static str, element: &str, rest: &str) -> Self {
        let element = format!("{{ scopes = [\"write\", \"update\"], {element} }}");
        let toml = format!("{rest}\n[services.\"{path}\"]\nauth = [{element}]\n");
        let config = Config::builder().clock(clock()).parse(&toml, data("ballerina/data")).unwrap();
        let auth = config.service(path).unwrap().build().await.unwrap();
        let app = Router::new().route(path, any(echo)).layer(AuthLayer::new(auth));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, path }
    }

    /// What comes back to a text message, or the status that refuses the upgrade.
    async fn talk(&self, authorization: Option<&str>) -> Result<String, StatusCode> {
        let mut request = format!("ws://{}{}", self.address, self.path).into_client_request().unwrap();
        if let Some(value) = authorization {
            request.headers_mut().insert(AUTHORIZATION, value.parse().unwrap());
        }
        let mut socket = match connect_async(request).await {
            Ok((socket, answer)) => {
                assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
                socket
            }
            Err(tungstenite::Error::Http(refusal)) => {
                // A plain answer, as to any request.
                assert!(refusal.body().as_ref().is_none_or(Vec::is_empty));
                let challenged = refusal.headers().contains_key("www-authenticate");
                assert!(challenged || refusal.status() == StatusCode::FORBIDDEN);
                return Err(refusal.status());
            }
            Err(other) => panic!("{other}"),
        };
        socket.send(tungstenite::Message::text(HELLO)).await.unwrap();
        let answer = socket.next().await.unwrap().unwrap();
        Ok(answer.into_text().unwrap().as_str().to_owned())
    }
}

const HELLO: &str = "Hello, World!";

async fn echo(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(|mut socket| async move {
        while let Some(Ok(message)) = socket.recv().await {
            if let Message::Text(_) = &message {
                socket.send(message).await.unwrap();
            }
        }
    })
}

fn echoed() -> Result<String, StatusCode> {
    Ok(HELLO.to_owned())
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

async fn basic_service() -> Echo {
    Echo::start("/basicAuth", "fileUserStoreConfig = {}", USERS).await
}

#[tokio::test]
async fn ws_basic_01() {
    assert_eq!(basic_service().await.talk(Some(&basic("alice:xxx"))).await, echoed());
}

#[tokio::test]
async fn ws_basic_03() {
    let service = basic_service().await;
    assert_eq!(service.talk(Some(&basic("peter:123"))).await, Err(StatusCode::UNAUTHORIZED));
    assert_eq!(service.talk(None).await, Err(StatusCode::UNAUTHORIZED));
    // The row between, which Ballerina's suite has only in other areas: known, and without the scope.
    assert_eq!(service.talk(Some(&basic("bob:yyy"))).await, Err(StatusCode::FORBIDDEN));
}

#[tokio::test]
async fn ws_bearer_01() {
    let sts = Sts::start().await;
    let service = Echo::start("/bearerTokenAuth", &sts.element(), "").await;
    assert_eq!(service.talk(Some(&bearer(TOKEN_1))).await, echoed());
}

#[tokio::test]
async fn ws_bearer_02() {
    let sts = Sts::start().await;
    let service = Echo::start("/bearerTokenAuth", &sts.element(), "").await;
    assert_eq!(service.talk(Some(&bearer(TOKEN_2))).await, Err(StatusCode::FORBIDDEN));
}

#[tokio::test]
async fn ws_bearer_03() {
    let sts = Sts::start().await;
    let service = Echo::start("/bearerTokenAuth", &sts.element(), "").await;
    assert_eq!(service.talk(Some(&bearer("invalid-token"))).await, Err(StatusCode::UNAUTHORIZED));
    assert_eq!(sts.introspection.call_count(), 1, "the server was asked");
}

/// The trust store is a key store: its alias stands for the certificate of the private key.
async fn jwt_service() -> Echo {
    let element = r#"jwtValidatorConfig = {
        issuer = "ballerina",
        audience = ["ballerina", "ballerina.org", "ballerina.io"],
        signatureConfig = {
            trustStoreConfig = {
                trustStore = { path = "ballerina-ks--ballerinaKeystore.p12", password = "ballerina" },
                certAlias = "ballerina",
            },
        },
        scopeKey = "scp",
    }"#;
    Echo::start("/jwtAuth", element, "").await
}

/// The token that the client of the rows signs for itself.
fn self_signed(issuer: &str) -> String {
    let store = data("ballerina/data/ballerina-ks--ballerinaKeystore.p12");
    let config = JwtIssuerConfig::new(SigningConfig::key_store(store, "ballerina", "ballerina"))
        .username("wso2")
        .issuer(issuer)
        .audience(["ballerina", "ballerina.org", "ballerina.io"])
        .key_id("5a0b754-895f-4279-8843-b745e11a57e9")
        .expiry(std::time::Duration::from_secs(3600))
        .custom_claim("scp", "write");
    bearer(JwtIssuer::new(config).unwrap().issue(clock().now()).unwrap().expose())
}

#[tokio::test]
async fn ws_jwt_01() {
    assert_eq!(jwt_service().await.talk(Some(&self_signed("ballerina"))).await, echoed());
}

#[tokio::test]
async fn ws_jwt_03() {
    let refused = jwt_service().await.talk(Some(&self_signed("wso2"))).await;
    assert_eq!(refused, Err(StatusCode::UNAUTHORIZED));
}

/// A client that has its token by a password.
#[tokio::test]
async fn ws_oauth2_02() {
    let sts = Sts::start().await;
    let service = Echo::start("/oauthService", &sts.element(), "").await;
    let form = [
        ("grant_type", "password"),
        ("username", "johndoe"),
        ("password", "A3ddj3w"),
        ("scope", "write update"),
    ];
    let token = sts.by_form(&form).await;
    assert_eq!(service.talk(Some(&bearer(&token))).await, echoed());
    assert_eq!(sts.introspection.calls()[0].parameter("token"), Some(token));
}

/// A client that has its token by a refresh token.
#[tokio::test]
async fn ws_oauth2_03() {
    let sts = Sts::start().await;
    sts.tokens.accept_refresh_token("XlfBs91yquexJqDaKEMzVg==");
    let service = Echo::start("/oauthService", &sts.element(), "").await;
    let form = [("grant_type", "refresh_token"), ("refresh_token", "XlfBs91yquexJqDaKEMzVg==")];
    let token = sts.by_form(&form).await;
    assert_eq!(service.talk(Some(&bearer(&token))).await, echoed());
    assert_eq!(sts.tokens.issued(), [token]);
}
