//! Users, trust store, tokens and clock of Ballerina's tests.

use std::sync::Arc;

use axum::{Router, body::Body, routing::any};
use http::{Request, Response, StatusCode};
use portcullis::{
    AuthLayer, Clock, Config, UnixTime,
    jwt::{JwtIssuer, JwtIssuerConfig, SigningConfig},
};
use portcullis_testing::ManualClock;
use portcullis_tests::data;
use tower::ServiceExt;

/// November 2023: within the life of every token of the data.
pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::at(UnixTime::from_secs(1_700_000_000)))
}

pub(crate) const USERS: &str = r#"
    [[ballerina.auth.users]]
    username = "alice"
    password = "xxx"
    scopes = ["write", "update"]

    [[ballerina.auth.users]]
    username = "bob"
    password = "yyy"
    scopes = ["read"]

    [[ballerina.auth.users]]
    username = "eve"
    password = "123"
"#;

/// The JWT element of Ballerina's HTTP tests, without scopes.
pub(crate) const JWT: &str = r#"jwtValidatorConfig = {
        issuer = "wso2",
        audience = "ballerina",
        signatureConfig = {
            trustStoreConfig = {
                trustStore = { path = "ballerina-ts-http--ballerinaTruststore.p12", password = "ballerina" },
                certAlias = "ballerina",
            },
        },
        scopeKey = "scp",
    }"#;

/// A service of the configuration behind real routes, for requests without a socket.
pub(crate) struct Service(Router);

impl Service {
    /// The service at `path`, with a handler at every path of it.
    pub(crate) async fn new(toml: &str, path: &str) -> Self {
        Self::with_clock(toml, path, clock()).await
    }

    pub(crate) async fn with_clock(toml: &str, path: &str, clock: Arc<dyn Clock>) -> Self {
        let config = Config::builder().clock(clock).parse(toml, data("ballerina/data")).unwrap();
        let auth = config.service(path).unwrap().build().await.unwrap();
        let handler = any(|| async { "handled" });
        let routes = Router::new().route(path, handler.clone()).route(&format!("{path}/{{*rest}}"), handler);
        Self(routes.layer(AuthLayer::new(auth)))
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, authorization: Option<&str>) -> Response<Body> {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        self.0.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str, authorization: Option<&str>) -> StatusCode {
        self.ask("GET", path, authorization).await.status()
    }

    /// Every one of `tokens` is answered with `expected`.
    pub(crate) async fn expect(&self, path: &str, tokens: &[String], expected: u16) {
        for (at, token) in tokens.iter().enumerate() {
            let status = self.get(path, Some(&format!("Bearer {token}"))).await;
            assert_eq!(status, expected, "token {at} at {path}");
        }
    }
}

/// A token of the data, by its name there.
pub(crate) fn token(name: &str) -> String {
    let text = std::fs::read_to_string(data("ballerina/data.json")).unwrap();
    let data: serde_json::Value = serde_json::from_str(&text).unwrap();
    data["tokens"][name]["value"].as_str().unwrap().to_owned()
}

pub(crate) fn tokens(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| token(name)).collect()
}

/// `JWT1`, `JWT1_1`, `JWT1_2` and one that a client signs for itself: all hold `write`.
pub(crate) fn writers() -> Vec<String> {
    let mut all = tokens(&["http:JWT1", "http:JWT1_1", "http:JWT1_2"]);
    all.push(self_signed("write"));
    all
}

/// `JWT2`, `JWT2_1`, `JWT2_2`: none holds `write` or `update`.
pub(crate) fn readers() -> Vec<String> {
    tokens(&["http:JWT2", "http:JWT2_1", "http:JWT2_2"])
}

/// A token with this `scp`, signed with the key of Ballerina's key store.
pub(crate) fn self_signed(scp: &str) -> String {
    let store = data("ballerina/data/ballerina-ks--ballerinaKeystore.p12");
    let signing = SigningConfig::key_store(store, "ballerina", "ballerina");
    let config = JwtIssuerConfig::new(signing).issuer("wso2").audience(["ballerina"]).username("admin");
    let issuer = JwtIssuer::new(config.custom_claim("scp", scp)).unwrap();
    issuer.issue(clock().now()).unwrap().expose().to_owned()
}

/// `Basic` with this `user:password`.
pub(crate) fn basic(pair: &str) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    format!("Basic {}", STANDARD.encode(pair))
}
