//! Calls the service with reqwest: `cargo run -p clients --bin reqwest`.

use std::error::Error;

use clients::{Surroundings, say};
use portcullis::{SendVia as _, redirect_policy};
use reqwest::Response;
use reqwest_middleware::ClientBuilder;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Surroundings { config, url, .. } = &clients::start().await?;

    // A client that is there already. Its redirects are reqwest's own, less those that would show the token to another server.
    let client = reqwest::Client::builder().redirect(redirect_policy()).build()?;
    let orders = config.client("orders")?.build().await?;
    let reply = client.get(format!("{url}/7")).send_via(&orders).await?;
    tell("send_via, with a fetched token", reply).await?;

    // A ready client: URL, TLS, time-outs and credential come from one table of Config.toml.
    let by_password = config.client("orders-by-password")?.reqwest().await?;
    tell("a ready client, with a password", by_password.get("/7").send().await?).await?;

    // What has a stack of middleware gets one more.
    let signed = config.client("orders-signed")?.build().await?;
    let stack = ClientBuilder::new(client.clone()).with(signed).build();
    tell("reqwest-middleware, with a signed token", stack.get(format!("{url}/7")).send().await?).await?;

    // Known, and not permitted. Another token would not help, so nothing is sent twice.
    let reply = client.delete(format!("{url}/7")).send_via(&orders).await?;
    tell("what the client has no scope for", reply).await?;

    // Another origin than the configured one is an error, and the request is not sent.
    match client.get("https://elsewhere.example/orders/7").send_via(&orders).await {
        Ok(reply) => tell("another origin", reply).await?,
        Err(error) => say("another origin", error),
    }
    Ok(())
}

async fn tell(called: &str, reply: Response) -> reqwest::Result<()> {
    let status = reply.status().as_u16();
    say(called, format_args!("{status} {:?}", reply.text().await?));
    Ok(())
}
