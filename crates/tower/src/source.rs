//! What a layer has to know of a request beyond method and headers, and where a framework keeps it.

use std::net::IpAddr;

use http::{Extensions, Method, Uri};
use portcullis_core::Policy;

/// The address of the client, in the extensions of a request.
///
/// Whoever accepts connections puts it there: the peer's address, or what a trusted proxy says. Hashing of
/// passwords is shared out fairly between these addresses, and logs show them.
///
/// # Security
///
/// Never take it from a header that any client can send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "an address under a name of its own")]
pub struct ClientAddr(pub IpAddr);

impl From<IpAddr> for ClientAddr {
    fn from(address: IpAddr) -> Self {
        Self(address)
    }
}

/// Tells a layer where a request goes.
///
/// [`PlainRequest`] reads the request's URI. Frameworks that route, rewrite or nest know more: `portcullis-axum`
/// has the one for axum.
pub trait RequestSource {
    /// What is known of a request.
    fn view<'a>(&'a self, method: &Method, uri: &'a Uri, extensions: &'a Extensions) -> RequestView<'a>;

    /// Whether a view may name a policy. Where it never does and the service has no resources, callers that are remembered
    /// are let in without asking where the request goes.
    fn settles_policies(&self) -> bool {
        true
    }
}

/// Where a request goes, and from whom.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RequestView<'a> {
    /// The path as the client sent it, percent-encoded, without query.
    pub path: &'a str,
    /// The pattern of the matched route, in axum's syntax, whole: with the prefixes of all nests.
    pub route: Option<&'a str>,
    /// The address of the client.
    pub client: Option<IpAddr>,
    /// What guards the request, where a router settled that beforehand. Path and route then decide nothing.
    pub policy: Option<&'a Policy>,
    /// The position of the route in a router whose policies follow the service's versions
    /// ([`SettledPolicies`](portcullis_core::SettledPolicies)).
    pub position: Option<usize>,
}

impl<'a> RequestView<'a> {
    /// A request for `path`, which no router has looked at, from an unknown address.
    #[must_use]
    pub const fn new(path: &'a str) -> Self {
        Self { path, route: None, client: None, policy: None, position: None }
    }

    /// The same with the pattern of the matched route.
    #[must_use]
    pub const fn with_route(mut self, route: Option<&'a str>) -> Self {
        self.route = route;
        self
    }

    /// The same with the client's address.
    #[must_use]
    pub const fn with_client(mut self, client: Option<IpAddr>) -> Self {
        self.client = client;
        self
    }

    /// The same with the position of its route, where policies follow the service's versions.
    #[must_use]
    pub const fn with_position(mut self, position: Option<usize>) -> Self {
        self.position = position;
        self
    }

    /// The same with the policy that was settled for it.
    #[must_use]
    pub const fn with_policy(mut self, policy: Option<&'a Policy>) -> Self {
        self.policy = policy;
        self
    }
}

/// A request that no framework has touched: its URI's path, and [`ClientAddr`] where it is known.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct PlainRequest;

impl RequestSource for PlainRequest {
    fn view<'a>(&'a self, _: &Method, uri: &'a Uri, extensions: &'a Extensions) -> RequestView<'a> {
        let client = extensions.get::<ClientAddr>().map(|ClientAddr(address)| *address);
        RequestView::new(uri.path()).with_client(client)
    }

    fn settles_policies(&self) -> bool {
        false
    }
}
