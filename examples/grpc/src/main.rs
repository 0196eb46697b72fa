//! A tonic service that decides method by method who may call it, and refuses in gRPC's own way.
//!
//! `cargo run` starts it, calls it with and without tokens, prints what came back, and ends.

#[cfg(test)]
mod tests;

use std::{error::Error, net::SocketAddr, time::Duration};

use grpc_example::{
    greeter::proto::{HelloRequest, greeter_client::GreeterClient},
    start,
};
use portcullis::{
    Clock, Config, SystemClock,
    jwt::{JwtIssuer, JwtIssuerConfig, SigningConfig},
};
use tonic::{Request, Status, transport::Channel};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let config = Config::parse(include_str!("../Config.toml"), env!("CARGO_MANIFEST_DIR"))?;
    let address = start(config.service("/")?.build().await?).await?;

    for (who, token) in [
        ("nobody", None),
        ("alice", Some(issue("alice", "greet")?)),
        ("bob", Some(issue("bob", "greet shout")?)),
    ] {
        for method in [Method::SayHello, Method::Shout] {
            match call(address, method, token.as_deref()).await {
                Ok(text) => println!("{method:?} as {who}: {text}"),
                Err(status) => println!("{method:?} as {who}: {:?}, {:?}", status.code(), status.message()),
            }
        }
    }
    Ok(())
}

/// A token as another party would issue it, for an hour.
fn issue(username: &str, scope: &str) -> Result<String, Box<dyn Error>> {
    let signing = SigningConfig::secret("grpc-example-secret-known-to-everybody");
    let config = JwtIssuerConfig::new(signing).issuer("https://issuer.example").audience(["greeter"]);
    let config = config.username(username).custom_claim("scope", scope).expiry(Duration::from_secs(3600));
    Ok(JwtIssuer::new(config)?.issue(SystemClock::new().now())?.expose().to_owned())
}

#[derive(Clone, Copy, Debug)]
enum Method {
    SayHello,
    Shout,
}

/// A call with a token at hand: it goes into the metadata, as `authorization`. `src/bin/client.rs` leaves that to a layer.
async fn call(address: SocketAddr, method: Method, token: Option<&str>) -> Result<String, Status> {
    let channel =
        Channel::from_shared(format!("http://{address}")).map_err(|_| Status::internal("no URI"))?;
    let mut client = GreeterClient::new(channel.connect_lazy());
    let mut request = Request::new(HelloRequest { greeting: "Hello".to_owned() });
    if let Some(token) = token {
        let value = format!("Bearer {token}").parse().map_err(|_| Status::internal("no metadata"))?;
        request.metadata_mut().insert("authorization", value);
    }
    let reply = match method {
        Method::SayHello => client.say_hello(request).await,
        Method::Shout => client.shout(request).await,
    };
    Ok(reply?.into_inner().text)
}
