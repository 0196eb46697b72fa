//! An HTTPS service secured by file users and JWT, from one Config.toml.
//!
//! `cargo run -p quickstart`, and paste the lines that it prints. A file of yours goes behind `--`.

use std::{env, error::Error, net::SocketAddr};

use axum::{Router, routing::get};
use portcullis::{
    AuthLayer, Caller, Clock, Config, SystemClock,
    jwt::{JwtIssuer, JwtIssuerConfig, SigningConfig},
    serve::Listener,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let config = match env::args().nth(1) {
        Some(file) => Config::load(file)?,
        None => Config::parse(include_str!("../Config.toml"), env!("CARGO_MANIFEST_DIR"))?,
    };
    let auth = config.service("/foo")?.build().await?;

    let app = Router::new()
        .route("/foo/bar", get(async || "Hello, World!"))
        .route("/foo/me", get(async |caller: Caller| format!("{}\n", caller.subject().unwrap_or("nobody"))))
        .route("/foo/health", get(async || "ok\n"))
        .layer(AuthLayer::new(auth));

    let listener = Listener::bind(config.listener()).await?;
    print_requests(listener.local_addr(), &token()?);
    Ok(listener.serve(app).await?)
}

/// A token as another party would issue it, for an hour.
fn token() -> Result<String, Box<dyn Error>> {
    let signing = SigningConfig::secret("quickstart-secret-known-to-everybody");
    let config = JwtIssuerConfig::new(signing).issuer("wso2").audience(["ballerina"]).username("john");
    let config = config.custom_claim("scp", "hello").expiry(std::time::Duration::from_secs(3600));
    Ok(JwtIssuer::new(config)?.issue(SystemClock::new().now())?.expose().to_owned())
}

#[expect(clippy::print_stdout, reason = "what the program has to say")]
fn print_requests(address: SocketAddr, token: &str) {
    let url = format!("https://localhost:{}", address.port());
    eprintln!("listening on {url}");
    println!(
        "Try, in another terminal:

  curl -k -i {url}/foo/bar                        # 401: who are you?
  curl -k -i -u alice:password1 {url}/foo/bar     # 403: known, without the scope hello
  curl -k -i -u bob:password2 {url}/foo/bar       # 200
  curl -k -i -u bob:password2 {url}/foo/me        # 200: who the service takes you for
  curl -k -i {url}/foo/health                     # 200: public
  curl -k -i -H 'Authorization: Bearer {token}' {url}/foo/bar     # 200: a token does as well
"
    );
}
