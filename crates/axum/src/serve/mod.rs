//! The HTTPS listener: what `[listener]` of a configuration asks for, in front of an axum router or any tower service.
//!
//! ```no_run
//! use axum::{Router, routing::get};
//! use portcullis_axum::serve::{self, ListenerConfig};
//!
//! # async fn run() -> Result<(), portcullis_core::BuildError> {
//! let app = Router::new().route("/", get(async || "Hello, World!"));
//! serve::serve(app, &ListenerConfig::default()).await         // until SIGTERM or SIGINT
//! # }
//! ```
//!
//! It speaks HTTP/1.1 and HTTP/2, over TLS 1.2 and 1.3 or, on loopback, in clear text, and is safe to meet the internet
//! with: every wait has a limit, and every limit an answer.
//!
//! | limit | default | what happens there |
//! |---|---|---|
//! | `handshakeTimeout` | 10 s | the connection is closed |
//! | `headerTimeout`: from a request's first byte to the end of its head, on a new connection from its start | 10 s | the connection is closed |
//! | `idleTimeout`: nothing moves although it is the client's turn | 60 s | the connection is closed; over HTTP/2 the stream is reset, where others go on |
//! | `maxConnections`, WebSockets and TLS handshakes included | 10,000 | nothing is accepted until one is closed; the system queues |
//! | `maxHeaderBytes` of a request's line and headers together, and 100 headers in HTTP/1.1 | 64 KiB | 431, without a body |
//! | `maxConcurrentStreams` of one HTTP/2 connection | 100 | HTTP/2 makes the client wait |
//! | [`ListenerConfig::shutdown_timeout`] for requests in flight when the service stops | 30 s | they are cut off |
//!
//! It is the client's turn while no request is in flight, while the service waits for a request's body (HTTP/1.1), and
//! while the client does not take what is sent to it; on a stream of HTTP/2 it has a second more for each
//! 4 KiB that it was given since it last was waited for, ten minutes at most. A response that streams for hours, and says nothing for minutes, is
//! not idle. A WebSocket is the handler's, and so are its time-outs: it may be quiet for as long as it likes.
//!
//! Each request carries in its extensions
//!
//! - [`ClientAddr`]: the address of the client, which forwarding headers can change only where the peer is a trusted proxy;
//! - [`ConnectInfo<SocketAddr>`](axum::extract::ConnectInfo): the socket's peer, as under `axum::serve`;
//! - [`ClientCertificate`]: what the client showed in the handshake, if anything. It is no principal;
//! - [`Stopping`]: how a WebSocket learns that the service stops, where the request opens one.
//!
//! Values of `Authorization`, `Proxy-Authorization`, `Cookie` and `Sec-WebSocket-Protocol`, which can carry a token, are
//! marked as sensitive, so that nothing prints them.
//!
//! HTTP/2 carries WebSockets too (RFC 8441). An extended CONNECT for another protocol is answered with 501 before anything
//! else looks at it. When the service stops, those that `GuardedUpgrade` opened are closed with code 1001. Others are cut
//! off: over HTTP/1.1 when the listener returns and the program ends, over HTTP/2 with the requests in flight.

mod accept;
mod activity;
mod admin;
mod bell;
mod body;
mod certificate;
mod client_addr;
mod config;
mod connection;
mod entry;
mod listener;
mod metrics;
mod read;
mod read_tls;
mod reconfigure;
mod servers;
mod shutdown;
mod socket;
mod stopping;
mod stream;
#[cfg(test)]
mod tests;

use axum::Router;
use portcullis_core::BuildError;
pub use portcullis_tower::ClientAddr;

pub use self::{
    body::RequestBody,
    certificate::ClientCertificate,
    client_addr::TrustedProxies,
    config::ListenerConfig,
    entry::App,
    listener::Listener,
    reconfigure::ListenerHandle,
    stopping::{Stop, Stopping},
};

/// Serves a router until the process gets SIGTERM or SIGINT, and then finishes what is in flight.
///
/// # Errors
///
/// Where the address cannot be had, or would carry credentials in clear text to other machines.
pub async fn serve(app: Router, config: &ListenerConfig) -> Result<(), BuildError> {
    Listener::bind(config).await?.serve(app).await
}
