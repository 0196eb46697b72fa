//! The Rust of README and docs stands here too, so that it compiles; a test holds the two together.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_names,
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

const DOCUMENTS: [(&str, &str); 3] = [
    ("README.md", include_str!("../../README.md")),
    ("docs/from-jwt-authorizer.md", include_str!("../../docs/from-jwt-authorizer.md")),
    ("docs/from-ballerina.md", include_str!("../../docs/from-ballerina.md")),
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
