//! A tonic client whose calls carry a token that looks after itself.
//!
//! `cargo run --bin client` starts the greeter, calls it, prints what came back, and ends.

use std::error::Error;

use grpc_example::{
    greeter::proto::{HelloReply, HelloRequest, greeter_client::GreeterClient},
    start,
};
use portcullis::{ClientAuthLayer, Config};
use tonic::{Response, Status, transport::Channel};
use tower::ServiceBuilder;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    for line in run().await? {
        println!("{line}");
    }
    Ok(())
}

async fn run() -> Result<[String; 4], Box<dyn Error>> {
    let service = Config::parse(include_str!("../../Config.toml"), env!("CARGO_MANIFEST_DIR"))?;
    let url = format!("http://{}", start(service.service("/")?.build().await?).await?);
    let client = include_str!("../../client.toml").replace("http://localhost:50051", &url);
    let client = Config::parse(&client, env!("CARGO_MANIFEST_DIR"))?;
    let greeter = client.client("greeter")?.build().await?;

    let channel = Channel::from_shared(url)?.connect_lazy();
    // Requests on a channel name no host. `bound_to_url` says that it is connected to the client's `url`.
    let with_token = ClientAuthLayer::new(greeter.clone()).bound_to_url();
    let mut with_token = GreeterClient::new(ServiceBuilder::new().layer(with_token).service(channel.clone()));
    let unbound = ClientAuthLayer::new(greeter);
    let mut unbound = GreeterClient::new(ServiceBuilder::new().layer(unbound).service(channel.clone()));
    let mut without_token = GreeterClient::new(channel);

    let hello = || HelloRequest { greeting: "Hello".to_owned() };
    Ok([
        told("SayHello", with_token.say_hello(hello()).await),
        told("Shout", with_token.shout(hello()).await),
        told("SayHello without a token", without_token.say_hello(hello()).await),
        told("SayHello without bound_to_url", unbound.say_hello(hello()).await),
    ])
}

fn told(called: &str, outcome: Result<Response<HelloReply>, Status>) -> String {
    match outcome {
        Ok(reply) => format!("{called}: {}", reply.into_inner().text),
        Err(status) => format!("{called}: {:?}, {:?}", status.code(), status.message()),
    }
}

#[cfg(test)]
const UNBOUND: &str = "SayHello without bound_to_url: Unknown, \"client `greeter`: the request's URL does not say where the \
    credential would go; give it scheme and host, or say `bound_to_url` where the client's url is all that is called\"";

#[tokio::test]
async fn the_token_goes_along_where_the_layer_knows_that_it_may() {
    assert_eq!(
        run().await.unwrap(),
        [
            "SayHello: Hello, carol!",
            "Shout: PermissionDenied, \"not permitted\"",
            "SayHello without a token: Unauthenticated, \"not authenticated\"",
            UNBOUND,
        ]
    );
}
