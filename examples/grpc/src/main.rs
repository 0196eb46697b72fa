//! A tonic service that decides method by method who may call it, and refuses in gRPC's own way.
//!
//! `cargo run` starts it, calls it with and without tokens, prints what came back, and ends.

mod greeter;
#[cfg(test)]
mod tests;

use std::{error::Error, net::SocketAddr, time::Duration};

use portcullis::{
    Auth, AuthLayer, Clock, Config, SystemClock,
    jwt::{JwtIssuer, JwtIssuerConfig, SigningConfig},
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Request, Status,
    transport::{Channel, Server},
};

use self::greeter::{
    Greeter,
    proto::{HelloRequest, greeter_client::GreeterClient, greeter_server::GreeterServer},
};

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

/// Serves the greeter to whom `auth` lets in, on a port of its own.
async fn start(auth: Auth) -> Result<SocketAddr, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    // The layer stands around everything that is added to the server, whichever service it belongs to.
    let server = Server::builder().layer(AuthLayer::new(auth)).add_service(GreeterServer::new(Greeter));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    Ok(address)
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

/// What a client does: the token goes into the metadata, as `authorization`.
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
