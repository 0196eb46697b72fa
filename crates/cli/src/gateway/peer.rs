//! What the listener knows of the connection that a request came on.

use std::net::IpAddr;

use http::HeaderMap;
use portcullis_axum::serve::TrustedProxies;

/// The connection that a request came on: an extension of the request that the listener puts there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// The address at the other end of the socket.
    pub address: IpAddr,
    /// The caller's address: the same, or what trusted proxies said.
    pub client: IpAddr,
    /// Whether `address` is a proxy whose forwarding headers are believed.
    pub is_trusted_proxy: bool,
    /// Whether the connection is encrypted.
    pub is_secure: bool,
}

impl Peer {
    /// A caller without proxy on an unencrypted connection.
    #[must_use]
    pub const fn new(address: IpAddr) -> Self {
        Self { address, client: address, is_trusted_proxy: false, is_secure: false }
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
        let is_trusted_proxy = proxies.contains(address);
        Peer { address, client: proxies.client(address, headers), is_trusted_proxy, is_secure }
    }
}
