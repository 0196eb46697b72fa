//! Which policy guards a route, settled when the router is built.

use std::sync::Arc;

use http::{Extensions, Method, Uri};
use portcullis_core::{Auth, BuildError, Override, Policy, ResourceView};
use portcullis_tower::{RequestSource, RequestView};

use super::methods::Methods;
use crate::AxumRequest;

/// What is known of a route before any request comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Handlers at one pattern.
    Route,
    /// A service at a pattern that ends in `{*rest}`, with routes of its own that nobody knows.
    Service,
    /// A service that is nested, or a fallback: whatever lies below has no route that is known.
    Below,
}

/// What guards the requests of a route.
#[derive(Clone, Debug)]
pub(super) struct RouteGuard {
    /// `None` where each request is judged by its path, as [`AuthLayer`](crate::AuthLayer) does.
    settled: Option<Arc<Settled>>,
    /// Where it stands among the guards that each version of the service settles anew.
    position: Option<usize>,
}

/// One policy per method.
#[derive(Debug)]
struct Settled {
    by_method: Vec<(Method, Policy)>,
    otherwise: Policy,
}

impl RouteGuard {
    pub(super) const PER_REQUEST: Self = Self { settled: None, position: None };

    /// The guard at this position, in whichever version of the service.
    pub(super) const fn following(position: usize) -> Self {
        Self { settled: None, position: Some(position) }
    }

    /// What it settled for a method; `None` where each request is judged by its path.
    pub(super) fn policy(&self, method: &Method) -> Option<&Policy> {
        self.settled.as_ref().map(|settled| settled.policy(method))
    }

    /// The guard of handlers without an override of their own.
    pub(super) fn inherited(auth: &Auth, route: &str, kind: Kind) -> Self {
        if kind == Kind::Below || auth.resources().any(|resource| covers_a_part(&resource, route, kind)) {
            return Self::PER_REQUEST;
        }
        let covering: Vec<_> = auth.resources().filter(|resource| covers(resource, route)).collect();
        let mut methods: Vec<Method> = covering.iter().filter_map(ResourceView::method).cloned().collect();
        if methods.contains(&Method::GET) && !methods.contains(&Method::HEAD) {
            methods.push(Method::HEAD);
        }
        let policy = |method: Option<&Method>| {
            best(&covering, method)
                .map_or_else(|| auth.policy().clone(), |resource| resource.policy().clone())
        };
        let by_method = methods.iter().map(|method| (method.clone(), policy(Some(method)))).collect();
        Self { settled: Some(Arc::new(Settled { by_method, otherwise: policy(None) })), position: None }
    }

    /// The guard of handlers with an override.
    pub(super) fn overridden(auth: &Auth, over: Override, label: String) -> Result<Self, BuildError> {
        let otherwise = auth.policy_with(over, label)?;
        Ok(Self { settled: Some(Arc::new(Settled { by_method: Vec::new(), otherwise })), position: None })
    }
}

impl Settled {
    fn policy(&self, method: &Method) -> &Policy {
        // An extended CONNECT (RFC 8441) opens a WebSocket over HTTP/2, as a GET does over HTTP/1.1. A plain one
        // has no path, and meets no route.
        let method = if method == Method::CONNECT { &Method::GET } else { method };
        let found = self.by_method.iter().find(|(own, _)| own == method);
        found.map_or(&self.otherwise, |(_, policy)| policy)
    }
}

impl RequestSource for RouteGuard {
    fn view<'a>(&'a self, method: &Method, uri: &'a Uri, extensions: &'a Extensions) -> RequestView<'a> {
        match &self.settled {
            Some(settled) => RequestView::new(uri.path())
                .with_client(AxumRequest::client(extensions))
                .with_policy(Some(settled.policy(method))),
            None => AxumRequest::locate(uri, extensions).with_position(self.position),
        }
    }

    fn settles_policies(&self) -> bool {
        self.settled.is_some() || self.position.is_some()
    }
}

/// Whether the resource speaks for every path of the route.
pub(super) fn covers(resource: &ResourceView<'_>, route: &str) -> bool {
    resource.equals_route(route) || resource.holds_route(route)
}

/// Whether it speaks for some paths of the route, so that only a request can tell.
///
/// A resource for one path within `/users/{id}` does not: as a mistake it would go unnoticed there. One that
/// ends in `{*rest}` covers its whole subtree by intent, whichever routes lead into it.
pub(super) fn covers_a_part(resource: &ResourceView<'_>, route: &str, kind: Kind) -> bool {
    if covers(resource, route) {
        return false;
    }
    match kind {
        Kind::Route => resource.is_subtree() && resource.overlaps_route(route),
        Kind::Service => {
            resource.lies_within_route(route) || resource.is_subtree() && resource.overlaps_route(route)
        }
        Kind::Below => resource.overlaps_route(route),
    }
}

/// The most specific path, then the exact method, then no method. `None` for a method that none names.
fn best<'r, 'a>(covering: &'r [ResourceView<'a>], method: Option<&Method>) -> Option<&'r ResourceView<'a>> {
    let rank = |resource: &ResourceView<'_>| match (resource.method(), method) {
        (None, _) => Some(2),
        (Some(own), Some(method)) if own == method => Some(0),
        (Some(&Method::GET), Some(&Method::HEAD)) => Some(1),
        (Some(_), _) => None,
    };
    let first = covering.iter().find(|resource| rank(resource).is_some())?;
    // The most specific come first, and those of one shape differ in their method alone.
    covering
        .iter()
        .filter(|resource| resource.equals_route(first.pattern()))
        .filter_map(|resource| Some((rank(resource)?, resource)))
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, resource)| resource)
}

/// A part of a route, for finding what does not fit together.
#[derive(Debug)]
pub(super) struct Surveyed {
    pub(super) route: String,
    pub(super) kind: Kind,
    pub(super) methods: Methods,
    pub(super) overridden: bool,
}

impl Surveyed {
    fn meets(&self, resource: &ResourceView<'_>) -> bool {
        (covers(resource, &self.route) || covers_a_part(resource, &self.route, self.kind))
            && self.methods.covered_by(resource.method())
    }
}

/// Every configured resource meets a route, and no route is overridden twice.
pub(super) fn check(auth: &Auth, routes: &[Surveyed], problems: &mut Vec<String>) {
    let mut lost = false;
    for resource in auth.resources() {
        let label = resource.policy().label();
        let met: Vec<&Surveyed> = routes.iter().filter(|route| route.meets(&resource)).collect();
        if met.is_empty() {
            lost = true;
            problems.push(format!("{label} meets no route: correct or remove it"));
        }
        for Surveyed { route, methods, .. } in met.iter().filter(|route| route.overridden) {
            problems.push(format!(
                "the route {methods}{route} has an override in code, and {label} covers it too: keep one of them"
            ));
        }
    }
    if lost {
        let mut known: Vec<String> =
            routes.iter().map(|Surveyed { route, methods, .. }| format!("{methods}{route}")).collect();
        known.sort_unstable();
        known.dedup();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        problems.push(format!("the routes are: {known}"));
    }
}
