//! WebSockets through the gateway, between real sockets.

mod credentials;
mod ending;
mod http2;
mod limits;
mod open;
mod opening;
mod support;
