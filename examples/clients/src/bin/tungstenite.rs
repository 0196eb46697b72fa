//! Opens a WebSocket with tokio-tungstenite: `cargo run -p clients --bin tungstenite`.

use std::error::Error;

use clients::{Surroundings, say};
use futures_util::StreamExt as _;
use tokio_tungstenite::{
    connect_async,
    tungstenite::{self, client::IntoClientRequest as _},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Surroundings { config, url, .. } = &clients::start().await?;
    let url = format!("{}/live", url.replace("http", "ws"));
    let orders = config.client("orders")?.build().await?;

    // `enrich` is for whatever is neither a service nor reqwest. ws is to it as http, and wss as https.
    let mut request = url.as_str().into_client_request()?;
    orders.enrich(&mut request).await?;
    let (mut socket, reply) = connect_async(request).await?;
    say("opened with a fetched token", reply.status().as_u16());
    while let Some(message) = socket.next().await {
        match message? {
            tungstenite::Message::Text(news) => say("the service says", news),
            tungstenite::Message::Close(_) => say("the service", "has left"),
            _ => {}
        }
    }

    // Without a credential the service does not open any.
    match connect_async(url).await {
        Ok((_, reply)) => say("without a token", reply.status().as_u16()),
        Err(tungstenite::Error::Http(reply)) => say("without a token", reply.status().as_u16()),
        Err(error) => return Err(error.into()),
    }

    // Another origin than the configured one is an error, before anything is opened.
    let mut request = "wss://elsewhere.example/orders/live".into_client_request()?;
    match orders.enrich(&mut request).await {
        Ok(()) => say("another origin", "would get the token"),
        Err(error) => say("another origin", error),
    }
    Ok(())
}
