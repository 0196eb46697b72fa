//! What the clients call: a service behind portcullis, and an identity provider that its callers get tokens from.
//!
//! The clients themselves are in `src/bin`, one file for each library.

use std::{error::Error, fmt::Display, future::pending};

use axum::{
    Router,
    extract::Path,
    response::Response,
    routing::{any, get},
};
use portcullis::{
    AuthLayer, Caller, Config, GuardedSocket, GuardedUpgrade,
    serve::{Listener, ListenerConfig},
};
use portcullis_testing::{TestIssuer, TestTokenEndpoint};

/// Everything around the clients, in this process and on free ports of it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Surroundings {
    /// `Config.toml` with the addresses as they are.
    pub config: Config,
    /// The URL of the service.
    pub url: String,
    /// The identity provider ends when it is dropped.
    _identity_provider: (TestIssuer, TestTokenEndpoint),
}

/// Starts the service and the identity provider.
///
/// # Errors
///
/// When they cannot be started.
pub async fn start() -> Result<Surroundings, Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    // For reqwest, whose default features would bring it. Where there is one already, that will do.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());

    // Stands for your identity provider. It has one client, and this token for it.
    let (issuer, tokens) = (TestIssuer::start().await, TestTokenEndpoint::start().await);
    tokens.require_client("shop", "shop-secret");
    tokens.will_issue(&issuer.token().subject("shop").audience("orders").scope("orders").sign());

    let listener = Listener::bind(&ListenerConfig::new(([127, 0, 0, 1], 0).into())).await?;
    let origin = format!("http://{}", listener.local_addr());
    let text = include_str!("../Config.toml")
        .replace("http://localhost:9092", &origin)
        .replace("http://localhost:9093/token", &tokens.url())
        .replace("http://localhost:9093", issuer.url());
    let config = Config::parse(&text, env!("CARGO_MANIFEST_DIR"))?;

    let app = Router::new()
        .route("/orders/{id}", get(show).delete(async || "cancelled"))
        .route("/orders/live", any(live))
        .layer(AuthLayer::new(config.service("/orders")?.build().await?));
    tokio::spawn(listener.serve_with_shutdown(app, pending()));

    Ok(Surroundings { config, url: format!("{origin}/orders"), _identity_provider: (issuer, tokens) })
}

async fn show(Path(id): Path<u32>, caller: Caller) -> String {
    format!("order {id}, for {}", caller.subject().unwrap_or("nobody"))
}

/// A WebSocket that says what happens, which is not much.
async fn live(caller: Caller, upgrade: GuardedUpgrade) -> Response {
    upgrade.on_upgrade(async move |mut socket: GuardedSocket| {
        let news = format!("no news, {}", caller.subject().unwrap_or("nobody"));
        // A client that has left wants none.
        drop(socket.send(news.into()).await);
    })
}

/// Prints what was called and what came of it.
#[expect(clippy::print_stdout, reason = "what the programs have to say")]
pub fn say(called: &str, outcome: impl Display) {
    println!("{called:<42} {outcome}");
}
