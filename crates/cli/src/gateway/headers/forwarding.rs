//! For whom a request is forwarded: `X-Forwarded-For`, `-Proto`, `-Host`, and `Forwarded` (RFC 7239).

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{append_to_list, names::canonical};
use crate::gateway::Peer;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Names under which proxies tell of their clients.
pub(super) fn is_forwarding(canonical: &str) -> bool {
    canonical.starts_with("x-forwarded-")
        || canonical.starts_with("forwarded-")
        || matches!(
            canonical,
            "forwarded"
                | "x-forwarded"
                | "x-real-ip"
                | "x-client-ip"
                | "x-cluster-client-ip"
                | "x-original-forwarded-for"
                | "x-original-host"
                | "x-host"
                | "true-client-ip"
                | "client-ip"
                | "cf-connecting-ip"
        )
}

/// What the gateway knows of where a request came from.
#[derive(Clone, Copy, Debug)]
pub(in crate::gateway) struct Forwarding<'a> {
    /// The connection; `None` where no listener said.
    pub(in crate::gateway) peer: Option<Peer>,
    /// The host that the client asked for.
    pub(in crate::gateway) host: Option<&'a HeaderValue>,
}

impl Forwarding<'_> {
    fn is_trusted(&self) -> bool {
        self.peer.is_some_and(|peer| peer.is_trusted_proxy)
    }

    /// Whether a header that tells of clients has to go: all of them, unless a trusted proxy sent them under
    /// their right names.
    pub(super) fn removes(&self, name: &HeaderName) -> bool {
        let canonical = canonical(name.as_str());
        is_forwarding(&canonical) && (!self.is_trusted() || name.as_str() != canonical)
    }

    /// Adds the last hop; a trusted proxy's own words about earlier ones stay.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        if let Some(peer) = self.peer {
            let address = peer.address.to_canonical();
            append_to_list(headers, &FOR, address.to_string());
            if headers.contains_key(header::FORWARDED) {
                append_to_list(headers, &header::FORWARDED, node(address));
            }
            let scheme = if peer.is_secure { "https" } else { "http" };
            headers.entry(PROTO).or_insert(HeaderValue::from_static(scheme));
        }
        if let Some(host) = self.host {
            headers.entry(HOST).or_insert_with(|| host.clone());
        }
    }
}

/// RFC 7239 §6: an IPv6 address stands in brackets, and brackets in quotes.
fn node(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("for={address}"),
        IpAddr::V6(address) => format!("for=\"[{address}]\""),
    }
}
