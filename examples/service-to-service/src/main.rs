//! A shop that asks a stock, on behalf of its own callers and over mutual TLS.
//!
//! `cargo run -p service-to-service` starts both, and an identity provider; asks the shop; prints who saw what; and ends.

mod identity_provider;
mod keys;
mod shop;
mod stock;

use std::{error::Error, fmt::Display, future::pending, net::SocketAddr};

use axum::Router;
use portcullis::{
    ClientAuth, Config,
    client::{Authorization, Transport},
    keys::{ClientTls, Identity, TrustAnchors},
    serve::Listener,
};

use self::identity_provider::IdentityProvider;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    // For reqwest, whose default features would bring it. Where there is one already, that will do.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());

    let id = IdentityProvider::start().await;
    let folder = tempfile::tempdir()?;
    keys::write_to(folder.path())?;

    let text = id.addresses_in(include_str!("../stock.toml")).replace("127.0.0.1:9091", "127.0.0.1:0");
    let config = Config::parse(&text, folder.path())?;
    let stock = serve(&config, stock::app(&config).await?).await?;
    let stock = format!("https://localhost:{}", stock.port());

    let text = id.addresses_in(include_str!("../shop.toml")).replace("127.0.0.1:9090", "127.0.0.1:0");
    let config = Config::parse(&text.replace("https://localhost:9091", &stock), folder.path())?;
    let shop = serve(&config, shop::app(&config).await?).await?;

    // alice may use both. The stock sees her, and through whom she asks.
    let alice = id.log_in("alice", "shop stock:read");
    ask(shop, "alice", "/items/7", Some(&alice)).await?;
    // bob may use the shop alone. The stock's refusal is passed on; no other token would help, so it is asked once.
    let bob = id.log_in("bob", "shop");
    ask(shop, "bob", "/items/7", Some(&bob)).await?;
    // Who shows no token gets no further than the shop.
    ask(shop, "somebody", "/items/7", None).await?;
    // This is public; the shop asks the stock in its own name.
    ask(shop, "somebody", "/health", None).await?;

    // A certificate lets one connect and is nobody's name. Without it, no token is even looked at.
    let file = |name: &str| folder.path().join(name);
    let authority = TrustAnchors::from_file(file("authority.crt"))?;
    let of_shop = Identity::from_files(file("shop.crt"), file("shop.key"), None)?;
    let tls = ClientTls::new(authority.clone()).identity(of_shop);
    say("alice: GET /stock/items/7, past the shop, with its certificate");
    say(format_args!("alice: {}\n", ask_stock(&stock, &alice, tls).await?));
    say("alice: GET /stock/items/7, past the shop, without a certificate");
    match ask_stock(&stock, &alice, ClientTls::new(authority)).await {
        Ok(status) => say(format_args!("alice: {status}")),
        Err(_) => say("alice: no connection"),
    }
    Ok(())
}

/// Serves in the background, where the configuration says.
async fn serve(config: &Config, app: Router) -> Result<SocketAddr, Box<dyn Error>> {
    let listener = Listener::bind(config.listener()).await?;
    let address = listener.local_addr();
    tokio::spawn(listener.serve_with_shutdown(app, pending()));
    Ok(address)
}

/// What a caller of the shop does.
async fn ask(shop: SocketAddr, who: &str, path: &str, token: Option<&str>) -> reqwest::Result<()> {
    say(format_args!("{who}: GET /shop{path}"));
    let mut request = reqwest::Client::new().get(format!("http://{shop}/shop{path}"));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let reply = request.send().await?;
    say(format_args!("{who}: {} {:?}\n", reply.status().as_u16(), reply.text().await?));
    Ok(())
}

/// Asks the stock past the shop, with a token that is for the shop, by a client made in code.
async fn ask_stock(stock: &str, token: &str, tls: ClientTls) -> Result<u16, Box<dyn Error>> {
    let token = Authorization::bearer(&token.into())?;
    let auth = ClientAuth::builder(token).url(format!("{stock}/stock")).build()?;
    let client = Transport::new().tls(tls).reqwest(auth).await?;
    Ok(client.get("/items/7").send().await?.status().as_u16())
}

/// One line of what the program has to say.
#[expect(clippy::print_stdout, reason = "what the program has to say")]
fn say(line: impl Display) {
    println!("{line}");
}
