//! The service itself. Who gets here was let in.

use portcullis::Principal;
use tonic::{Request, Response, Status};

use self::proto::{HelloReply, HelloRequest, greeter_server};

/// What `build.rs` made of `greet.proto`.
pub mod proto {
    tonic::include_proto!("greet");
}

/// Greets whoever was let in.
pub struct Greeter;

#[tonic::async_trait]
impl greeter_server::Greeter for Greeter {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        Ok(Response::new(HelloReply { text: greeting(&request) }))
    }

    async fn shout(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        Ok(Response::new(HelloReply { text: greeting(&request).to_uppercase() }))
    }
}

fn greeting(request: &Request<HelloRequest>) -> String {
    let caller = Principal::of(request.extensions()).and_then(|caller| caller.subject());
    format!("{}, {}!", request.get_ref().greeting, caller.unwrap_or("stranger"))
}
