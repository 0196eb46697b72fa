//! A WebSocket service whose connections end with their tokens, and a page that opens one.
//!
//! `cargo run -p websocket`, and paste what it prints. A file of yours goes behind `--`.

#[cfg(test)]
mod tests;

use std::{env, error::Error, net::SocketAddr, time::Duration};

use axum::{
    Router,
    extract::ws::Message,
    response::{Html, Response},
    routing::{any, get},
};
use portcullis::{
    AuthRouter, Caller, Clock, Config, GuardExt, GuardedSocket, GuardedUpgrade, SystemClock, UnixTime,
    jwt::{JwtIssuer, JwtIssuerConfig, SigningConfig},
    serve::Listener,
};

const CONFIG: &str = include_str!("../Config.toml");

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let config = match env::args().nth(1) {
        Some(file) => Config::load(file)?,
        None => Config::parse(CONFIG, env!("CARGO_MANIFEST_DIR"))?,
    };
    let app = app(&config).await?;
    let listener = Listener::bind(config.listener()).await?;
    let token = token("alice", "echo", SystemClock::new().now())?;
    print_requests(listener.local_addr(), &token);
    Ok(listener.serve(app).await?)
}

async fn app(config: &Config) -> Result<Router, Box<dyn Error>> {
    let auth = config.service("/live")?.build().await?;
    let app = AuthRouter::new()
        .route("/live", get(async || Html(include_str!("page.html"))).public())
        // `any`: over HTTP/2 a WebSocket is opened by a CONNECT.
        .route("/live/echo", any(echo));
    Ok(app.guard(&auth)?)
}

async fn echo(caller: Caller, upgrade: GuardedUpgrade) -> Response {
    upgrade.protocols(["echo"]).max_message_size(64 << 10).on_upgrade(|socket| talk(socket, caller))
}

/// Ends when the client leaves, when its token expires, and when the service stops.
async fn talk(mut socket: GuardedSocket, caller: Caller) {
    let name = caller.subject().unwrap_or("stranger");
    let mut next = Some(Ok(Message::text(format!("Hello, {name}!"))));
    while let Some(Ok(message)) = next {
        if matches!(message, Message::Text(_) | Message::Binary(_)) && socket.send(message).await.is_err() {
            break;
        }
        next = socket.recv().await;
    }
    match socket.closed() {
        Some(why) => eprintln!("{name}: {why}"),
        None => eprintln!("{name} has left"),
    }
}

/// A token as another party would issue it, for two minutes.
fn token(user: &str, scope: &str, now: UnixTime) -> Result<String, Box<dyn Error>> {
    let signing = SigningConfig::secret("websocket-example-secret-known-to-all");
    let config = JwtIssuerConfig::new(signing).issuer("https://issuer.example").audience(["live"]);
    let config = config.username(user).custom_claim("scope", scope).expiry(Duration::from_secs(120));
    Ok(JwtIssuer::new(config)?.issue(now)?.expose().to_owned())
}

#[expect(clippy::print_stdout, reason = "what the program has to say")]
fn print_requests(address: SocketAddr, token: &str) {
    eprintln!("listening on http://{address}");
    println!(
        "Within two minutes, in a browser:

  http://{address}/live#{token}

or in another terminal, with websocat:

  websocat ws://{address}/live/echo                                  # 401: who are you?
  websocat --protocol bearer,{token},echo ws://{address}/live/echo
  websocat -H='Authorization: Bearer {token}' ws://{address}/live/echo
"
    );
}
