//! For whom a request is forwarded: `X-Forwarded-For`, `-Proto`, `-Host`, and `Forwarded` (RFC 7239).

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{append_to_list, forwarded, names::canonical};
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
    /// Whether a header that tells of clients has to go: all of them, unless they are believed and have their right names.
    pub(super) fn removes(&self, name: &HeaderName) -> bool {
        let canonical = canonical(name.as_str());
        let is_believed = |peer: Peer| match *name {
            header::FORWARDED => peer.believes_forwarded,
            _ => peer.believes_x_forwarded,
        };
        is_forwarding(&canonical) && !(name.as_str() == canonical && self.peer.is_some_and(is_believed))
    }

    /// Adds the last hop to what is believed of earlier ones, and tells it in `X-Forwarded-…` where it was told in `Forwarded`.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        let Some(peer) = self.peer else {
            return settle(headers, HOST, None, self.host.cloned());
        };
        let (address, client) = (peer.address.to_canonical(), peer.client.to_canonical());
        let elements = forwarded::since(headers, client);
        let is_alone = !headers.contains_key(&FOR);
        if is_alone {
            let between =
                elements.iter().rev().filter_map(|element| element.node).skip_while(|node| *node == client);
            let hops = std::iter::once(client).chain(between).filter(|hop| *hop != address);
            hops.for_each(|hop| append_to_list(headers, &FOR, hop.to_string()));
        }
        append_to_list(headers, &FOR, address.to_string());
        if headers.contains_key(header::FORWARDED) {
            append_to_list(headers, &header::FORWARDED, node(address));
        }
        let told = elements.last();
        let proto = told.and_then(|told| told.proto.as_deref());
        let host = told.and_then(|told| told.host.as_deref());
        // Beside what the proxy maintains, a `Forwarded` that names the client may be the client's own.
        let proto = proto.filter(|_| is_alone || headers.contains_key(&PROTO));
        let host = host.filter(|_| is_alone || headers.contains_key(&HOST));
        let scheme = HeaderValue::from_static(if peer.is_secure { "https" } else { "http" });
        settle(headers, PROTO, proto, Some(scheme));
        settle(headers, HOST, host, self.host.cloned());
    }
}

/// Leaves what a proxy said, in `X-Forwarded-…` or in `Forwarded`. Where it said nothing, or two things, the gateway's own
/// word counts.
fn settle(headers: &mut HeaderMap, name: HeaderName, told: Option<&str>, own: Option<HeaderValue>) {
    let told = told.and_then(|told| HeaderValue::from_str(told).ok());
    let value = match (headers.get(&name), told) {
        (Some(_), None) => return,
        (Some(said), Some(told)) if said.as_bytes().eq_ignore_ascii_case(told.as_bytes()) => return,
        (None, Some(told)) => Some(told),
        _ => own,
    };
    match value {
        Some(value) => drop(headers.insert(name, value)),
        None => drop(headers.remove(name)),
    }
}

/// RFC 7239 §6: an IPv6 address stands in brackets, and brackets in quotes.
fn node(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("for={address}"),
        IpAddr::V6(address) => format!("for=\"[{address}]\""),
    }
}
