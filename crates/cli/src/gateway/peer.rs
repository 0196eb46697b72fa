//! What the listener knows of the connection that a request came on.

use std::net::IpAddr;

use http::{HeaderMap, header::FORWARDED};
use portcullis_axum::serve::TrustedProxies;

const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// The connection that a request came on: an extension of the request that the listener puts there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// The address at the other end of the socket.
    pub address: IpAddr,
    /// The caller's address: the same, or what trusted proxies said.
    pub client: IpAddr,
    /// Whether `address` is a proxy whose `X-Forwarded-…` headers and their kin are believed.
    pub believes_x_forwarded: bool,
    /// Whether it is one whose `Forwarded` header is believed.
    pub believes_forwarded: bool,
    /// Whether the connection is encrypted.
    pub is_secure: bool,
}

impl Peer {
    /// A caller without proxy on an unencrypted connection.
    #[must_use]
    pub const fn new(address: IpAddr) -> Self {
        Self {
            address,
            client: address,
            believes_x_forwarded: false,
            believes_forwarded: false,
            is_secure: false,
        }
    }
}

/// What a listener knows of a connection, whatever the configuration says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connection {
    /// The address at the other end of the socket.
    pub address: IpAddr,
    /// Whether it is encrypted.
    pub is_secure: bool,
}

impl Connection {
    /// A connection from this address.
    #[must_use]
    pub const fn new(address: IpAddr, is_secure: bool) -> Self {
        Self { address, is_secure }
    }

    /// Who called on it with these headers, where these proxies are believed.
    pub(super) fn peer(self, headers: &HeaderMap, proxies: &TrustedProxies) -> Peer {
        let Self { address, is_secure } = self;
        let client = proxies.client(address, headers);
        let peer = Peer { client, is_secure, ..Peer::new(address) };
        if !proxies.contains(address) {
            return peer;
        }
        match (headers.contains_key(FORWARDED), headers.contains_key(X_FORWARDED_FOR)) {
            // A proxy maintains one of them and lets pass what its client sent under the other name. Did both name one
            // client, it would be that, and not the proxy.
            (true, true) if client == address.to_canonical() => peer,
            (forwarded, x_forwarded) => Peer {
                believes_forwarded: forwarded,
                believes_x_forwarded: x_forwarded || !forwarded,
                ..peer
            },
        }
    }
}
