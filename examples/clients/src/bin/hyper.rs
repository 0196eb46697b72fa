//! Calls the service with hyper: `cargo run -p clients --bin hyper`.

use std::error::Error;

use bytes::Bytes;
use clients::{Surroundings, say};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use portcullis::ClientAuthLayer;
use tower::{Layer as _, ServiceExt as _};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Surroundings { config, url, .. } = &clients::start().await?;

    // The layer goes around any service of `http::Request`: here it is hyper-util's client.
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let orders = config.client("orders")?.build().await?;
    let client = ClientAuthLayer::new(orders).layer(client);
    let request = Request::get(format!("{url}/7")).body(Empty::new())?;
    tell("the layer, with a fetched token", client.clone().oneshot(request).await?).await?;

    // A ready client: URL, TLS, time-outs and credential come from one table of Config.toml.
    let signed = config.client("orders-signed")?.hyper().await?;
    let request = Request::get("/7").body(Empty::<Bytes>::new())?;
    tell("a ready client, with a signed token", signed.request(request).await?).await?;

    // Known, and not permitted. Another token would not help, so nothing is sent twice.
    let request = Request::delete(format!("{url}/7")).body(Empty::new())?;
    tell("what the client has no scope for", client.clone().oneshot(request).await?).await?;

    // Another origin than the configured one is an error, and the request is not sent.
    let request = Request::get("https://elsewhere.example/orders/7").body(Empty::new())?;
    match client.oneshot(request).await {
        Ok(reply) => tell("another origin", reply).await?,
        Err(error) => say("another origin", error),
    }
    Ok(())
}

async fn tell(called: &str, reply: Response<Incoming>) -> Result<(), Box<dyn Error>> {
    let status = reply.status().as_u16();
    let body = reply.into_body().collect().await?.to_bytes();
    say(called, format_args!("{status} {:?}", str::from_utf8(&body)?));
    Ok(())
}
