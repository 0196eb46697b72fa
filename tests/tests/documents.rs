//! The Rust of README and docs stands here too, so that it compiles; a test holds the two together.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_names,
    clippy::let_and_return,
    unused_variables,
    dead_code,
    reason = "snippets show how things are called, and tests fail by panicking"
)]

use std::error::Error;

use axum::routing::{get, post};

async fn bar() {}
async fn admin() {}
async fn health() {}
async fn wipe() {}

/// README.md.
async fn a_service_from_a_file() -> Result<(), Box<dyn Error>> {
    use portcullis::{AuthLayer, AuthRouter, GuardExt};

    let config = portcullis::Config::load("Config.toml")?;
    let foo = config.service("/foo")?.build().await?;

    let app = axum::Router::new()
        .route("/foo/bar", get(bar))
        .route("/foo/admin", get(admin))
        .route("/foo/health", get(health))
        .layer(AuthLayer::new(foo));

    portcullis::serve(app, &config).await?;

    let foo = config.service("/foo")?.build().await?;
    let app = AuthRouter::new()
        .route("/foo/bar", get(bar))
        .route("/foo/admin", get(admin).scopes(["admin"]).and(post(wipe).scopes(["root"])))
        .route("/foo/health", get(health).public())
        .guard(&foo)?;
    let _: axum::Router = app;
    Ok(())
}

/// README.md.
async fn a_call_to_another_service(
    config: portcullis::Config,
    reqwest_client: reqwest::Client,
) -> Result<(), Box<dyn Error>> {
    use portcullis::SendVia as _;

    let orders = config.client("orders")?.build().await?;
    let reply = reqwest_client.get("https://orders.example/orders/7").send_via(&orders).await?;
    Ok(())
}

/// docs/observability.md.
fn what_is_told(orders: &portcullis::ClientAuth) -> Result<(), Box<dyn Error>> {
    use std::sync::Arc;

    use portcullis::{
        AuditLog, Config,
        metrics::{AuthMetrics, PrometheusText},
    };

    let text = Arc::new(PrometheusText::new());
    // Or AuthMetrics::global(), for the recorder that the process installed.
    let metrics = Arc::new(AuthMetrics::new(text.clone()));
    let config =
        Config::builder().observer(metrics.clone()).observer(Arc::new(AuditLog)).load("Config.toml")?;
    metrics.watch(config.services().iter().map(|service| service.auth().clone()));
    metrics.watch_client(orders);

    // For each scrape:
    metrics.collect();
    let page = text.render();
    Ok(())
}

/// docs/from-jwt-authorizer.md.
fn a_validator_in_code() -> Result<axum::Router, Box<dyn Error>> {
    use axum::{Router, routing::get};
    use portcullis::{Auth, AuthLayer, Claims, JwtValidator, JwtValidatorConfig, jwt::SignatureConfig};

    #[derive(serde::Deserialize)]
    struct User {
        sub: String,
    }

    let signature = SignatureConfig::cert_file("tls/public.crt");
    let config = JwtValidatorConfig::new(signature).issuer("wso2").audience(["orders"]);
    let auth = Auth::builder().element(JwtValidator::new(config)?, ["orders:read"]).build()?;

    let app: Router = Router::new()
        .route("/orders", get(|Claims(user): Claims<User>| async move { user.sub }))
        .layer(AuthLayer::new(auth));
    Ok(app)
}

/// docs/from-ballerina.md.
async fn the_imperative_way(request: http::Request<()>) -> Result<(), Box<dyn Error>> {
    use portcullis::{Clock, FileUserStore, IntoProvider, SystemClock, User, authenticate_header, authorize};
    use std::sync::Arc;

    let users = FileUserStore::new([User::with_password("alice", "123").scopes(["write"])]);
    let provider = users.into_provider()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());

    let value = request.headers()["authorization"].clone();
    match authenticate_header(&provider, &value, &clock).await {
        Ok(principal) => match authorize(&principal, ["write"]) {
            Ok(()) => {}
            Err(rejection) => {}
        },
        Err(rejection) => {}
    }
    Ok(())
}

/// docs/identity-providers.md.
async fn an_identity_provider_in_code(secret: &str, token: &str) -> Result<(), Box<dyn Error>> {
    use portcullis::jwt::{JwksConfig, SignatureConfig};
    use portcullis::oauth2::CacheConfig;
    use portcullis::outbound::Endpoint;
    use portcullis::{Auth, IntrospectionConfig, JwtValidator, JwtValidatorConfig, OAuth2Introspection};
    use portcullis::{Clock, Context, Outcome, Provider, SystemClock};
    use std::sync::Arc;

    let keys = SignatureConfig::jwks(JwksConfig::issuer("https://id.example.org"));
    let jwts = JwtValidator::new(JwtValidatorConfig::new(keys).audience(["https://orders.example.org"]))?;
    let jwts = Arc::new(jwts);

    let endpoint = Endpoint::parse("https://id.example.org/oauth2/introspect")?;
    let config = IntrospectionConfig::new(endpoint).client_secret("orders", secret);
    let opaque = OAuth2Introspection::new(config.cache(CacheConfig::default()))?;

    let auth = Auth::builder().element(Arc::clone(&jwts), "orders");
    let auth = auth.element(opaque.clone(), "orders").build()?;
    jwts.prepare().await?;
    let _ = jwts.key_set();

    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    match opaque.introspect(token, &[("resource", "orders")], &Context::new(&clock)).await {
        Outcome::Known(identity) => {}
        Outcome::Refused(why) => {}
        Outcome::Unavailable(why) => {}
    }

    let ready = auth.providers().iter().flat_map(|provider| provider.servers()).all(|server| server.usable);
    Ok(())
}

/// docs/clients.md.
async fn a_client_of_a_file() -> Result<(), Box<dyn Error>> {
    use portcullis::{Config, SendVia as _};

    let config = Config::load("Config.toml")?;
    let orders = config.client("orders")?.build().await?;

    let client = reqwest::Client::builder().redirect(portcullis::redirect_policy()).build()?;
    let reply = client.get("https://orders.example/orders/7").send_via(&orders).await?;

    let orders = config.client("orders")?.reqwest().await?;
    let reply = orders.get("/orders/7").send().await?;
    Ok(())
}

/// docs/clients.md.
fn a_client_in_code() -> Result<portcullis::ClientAuth, Box<dyn Error>> {
    use portcullis::{ClientAuth, Secret, client::Authorization};

    let password = Secret::new(std::env::var("PASSWORD")?);
    let orders = ClientAuth::builder(Authorization::basic("alice", &password)?)
        .name("orders")
        .url("https://orders.example")
        .build()?;
    Ok(orders)
}

/// docs/clients.md.
fn a_grant_in_code(client_secret: &str) -> Result<portcullis::ClientAuth, Box<dyn Error>> {
    use portcullis::ClientAuth;
    use portcullis::oauth2::{ClientCredentials, ClientCredentialsConfig};
    use portcullis::outbound::Endpoint;

    let endpoint = Endpoint::parse("https://id.example/token")?;
    let config = ClientCredentialsConfig::new(endpoint, "shop", client_secret).scopes(["orders"]);
    let source = ClientCredentials::new(config)?;
    let orders = ClientAuth::builder(source).url("https://orders.example").build()?;
    Ok(orders)
}

/// docs/clients.md.
fn a_call_on_behalf_of_a_caller(stock: portcullis::client::ReqwestClient) -> axum::Router {
    use axum::{extract::State, http::StatusCode};
    use portcullis::{Caller, client::ReqwestClient};

    struct Problem;

    impl<E: Error> From<E> for Problem {
        fn from(_: E) -> Self {
            Self
        }
    }

    impl axum::response::IntoResponse for Problem {
        fn into_response(self) -> axum::response::Response {
            StatusCode::BAD_GATEWAY.into_response()
        }
    }

    async fn order(State(stock): State<ReqwestClient>, caller: Caller) -> Result<String, Problem> {
        let stock = stock.on_behalf_of(&caller)?;
        let reply = stock.get("/items/7").send().await?;
        Ok(reply.text().await?)
    }

    axum::Router::new().route("/order", get(order)).with_state(stock)
}

/// docs/websocket.md.
fn a_guarded_websocket(auth: portcullis::Auth) -> axum::Router {
    use axum::{Router, response::Response, routing::any};
    use portcullis::AuthLayer;
    use portcullis::{Caller, GuardedSocket, GuardedUpgrade};

    async fn feed(caller: Caller, upgrade: GuardedUpgrade) -> Response {
        upgrade.protocols(["chat"]).on_upgrade(|socket| chat(socket, caller))
    }

    async fn chat(mut socket: GuardedSocket, caller: Caller) {
        while let Some(Ok(message)) = socket.recv().await {}
    }

    let app = Router::new().route("/feed", any(feed));
    let app = app.layer(AuthLayer::new(auth));
    app
}

/// docs/reload.md.
async fn a_service_that_reloads() -> Result<(), Box<dyn Error>> {
    use portcullis::{AuthRouter, Live};

    let live = Live::load("Config.toml")?;
    let foo = live.service("/foo")?.build().await?;
    let app = AuthRouter::new().route("/foo/bar", get(bar)).guard(&foo)?;

    portcullis::serve_live(app, &live).await?;
    Ok(())
}

const DOCUMENTS: [(&str, &str); 8] = [
    ("README.md", include_str!("../../README.md")),
    ("docs/identity-providers.md", include_str!("../../docs/identity-providers.md")),
    ("docs/websocket.md", include_str!("../../docs/websocket.md")),
    ("docs/clients.md", include_str!("../../docs/clients.md")),
    ("docs/from-jwt-authorizer.md", include_str!("../../docs/from-jwt-authorizer.md")),
    ("docs/from-ballerina.md", include_str!("../../docs/from-ballerina.md")),
    ("docs/observability.md", include_str!("../../docs/observability.md")),
    ("docs/reload.md", include_str!("../../docs/reload.md")),
];

/// The statements of a text, one a line, without comments and white space. A statement may be laid out in two ways.
fn lines(rust: &str) -> Vec<String> {
    let without_comment = |line: &str| {
        let line = line.split(" //").next().unwrap_or_default();
        match (line.find("/*"), line.find("*/")) {
            (Some(start), Some(end)) => format!("{}{}", &line[..start], &line[end + 2..]),
            _ => line.to_owned(),
        }
    };
    let squeezed = |line: &str| without_comment(line).split_whitespace().collect::<String>();
    rust.lines().map(squeezed).filter(|line| !line.is_empty() && !line.starts_with("//")).collect()
}

#[test]
fn every_line_of_rust_in_the_documents_is_compiled_here() {
    let own = lines(include_str!("documents.rs"));
    for (name, text) in DOCUMENTS {
        let blocks: Vec<&str> =
            text.split("```rust\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
        assert!(!blocks.is_empty(), "{name} shows Rust");
        for line in blocks.into_iter().flat_map(lines) {
            assert!(own.contains(&line), "{name} has a line that is not compiled: {line}");
        }
    }
}

/// Where the files leave their secrets to the environment.
#[derive(Debug)]
struct Environment;

impl portcullis::section::Source for Environment {
    fn variable(&self, name: &str) -> Option<String> {
        ["ORDERS_SECRET", "CLIENT_SECRET"].contains(&name).then(|| "secret".to_owned())
    }

    fn file(&self, _: &std::path::Path) -> std::io::Result<Vec<u8>> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

#[test]
fn every_config_toml_of_the_pages_about_identity_providers_websockets_and_clients_is_right() {
    for (name, text) in &DOCUMENTS[1..4] {
        let blocks: Vec<&str> =
            text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
        assert!(!blocks.is_empty(), "{name} shows a Config.toml");
        for block in blocks {
            let config = portcullis::Config::builder().source(Environment).parse(block, ".");
            let config = config.unwrap_or_else(|error| panic!("{name}: {error:?}"));
            assert!(config.warnings().is_empty(), "{name}: {:?}", config.warnings());
        }
    }
}
