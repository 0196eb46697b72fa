//! The service, for the programs that call it.

pub mod greeter;

use std::{error::Error, net::SocketAddr};

use portcullis::{Auth, AuthLayer};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;

use self::greeter::{Greeter, proto::greeter_server::GreeterServer};

/// Serves the greeter to whom `auth` lets in, on a port of its own.
pub async fn start(auth: Auth) -> Result<SocketAddr, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    // The layer stands around everything that is added to the server, whichever service it belongs to.
    let server = Server::builder().layer(AuthLayer::new(auth)).add_service(GreeterServer::new(Greeter));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    Ok(address)
}
