//! What axum knows of a request: the path as it came, and the route that was matched.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, MatchedPath, OriginalUri};
use http::{Extensions, Method, Uri, request::Parts};
use portcullis_core::RequestHead;
use portcullis_tower::{AuthLayerWith, ClientAddr, EmptyBody, RequestSource, RequestView, RequireScopesWith};

/// Guards routers, routes and services under axum, and plain hyper services too. See
/// [`portcullis_tower::auth_layer`] for the rules, and [this crate's documentation](crate#the-layer) for where to
/// put it.
pub type AuthLayer<H = EmptyBody> = AuthLayerWith<AxumRequest, H>;

/// Narrows to callers with certain scopes, under axum. See [`portcullis_tower::require_scopes`] for the rules.
pub type RequireScopes<H = EmptyBody> = RequireScopesWith<AxumRequest, H>;

/// Tells a layer where a request goes under axum.
///
/// | | is taken from | or else |
/// |---|---|---|
/// | path | [`OriginalUri`] | the URI |
/// | route | [`MatchedPath`], if it fits the path | none: whatever resource covers the path applies |
/// | client | [`ClientAddr`] | [`ConnectInfo<SocketAddr>`](ConnectInfo) |
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct AxumRequest;

impl AxumRequest {
    /// The address of the client.
    pub(crate) fn client(extensions: &Extensions) -> Option<std::net::IpAddr> {
        let listener = extensions.get::<ClientAddr>().map(|ClientAddr(address)| *address);
        // A socket for both families shows IPv4 clients as `::ffff:192.0.2.1`.
        let peer = || extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical());
        listener.or_else(peer)
    }

    pub(crate) fn locate<'a>(uri: &'a Uri, extensions: &'a Extensions) -> RequestView<'a> {
        let current = uri.path();
        let original = extensions.get::<OriginalUri>().map_or(current, |original| original.0.path());
        let matched = extensions.get::<MatchedPath>().map(MatchedPath::as_str);
        let (path, route) = where_to(original, current, matched);
        RequestView::new(path).with_route(route).with_client(Self::client(extensions))
    }
}

/// What logs and observers are told of a request that a check inside the layer refuses.
pub(crate) fn head(parts: &Parts) -> RequestHead<'_> {
    let view = AxumRequest::locate(&parts.uri, &parts.extensions);
    RequestHead::new(&parts.method, view.path, &parts.headers).with_client(view.client)
}

impl RequestSource for AxumRequest {
    fn view<'a>(&'a self, _: &Method, uri: &'a Uri, extensions: &'a Extensions) -> RequestView<'a> {
        Self::locate(uri, extensions)
    }

    fn settles_policies(&self) -> bool {
        false
    }
}

/// The path and the route to judge by.
///
/// `MatchedPath` is not always the route of the original path: a router that is a service of another glues its own
/// route to the other's; and between two routers a middleware may have rewritten the URI. A route that does not fit
/// decides nothing, and the path is then judged by itself.
fn where_to<'a>(original: &'a str, current: &'a str, matched: Option<&'a str>) -> (&'a str, Option<&'a str>) {
    let fitting = |path| matched.into_iter().flat_map(unglued).find(|route| fits(route, path));
    if let Some(route) = fitting(original) {
        return (original, Some(route));
    }
    // Nests only take a prefix away, which a route that fits what is left says nothing of.
    if original != current && original.ends_with(current) {
        return (original, None);
    }
    // Anything else is a rewritten URI, and the new one is what was routed.
    if let Some(route) = fitting(current) {
        return (current, Some(route));
    }
    (if current == "/" { original } else { current }, None)
}

/// A route as axum tells it, and what it may have been before it was glued to that of the router around.
fn unglued(route: &str) -> impl Iterator<Item = &str> {
    // As a service at `/{*path}`, which takes nothing away, `/users` becomes `/{*path}/users`.
    let own = route.find("{*").and_then(|at| {
        let (_, after) = route.split_at_checked(at)?;
        after.find('/').and_then(|end| after.get(end..))
    });
    // Nested at `/svc`, `/` becomes `/svc/`, for a request for `/svc`.
    [Some(route), own]
        .into_iter()
        .flatten()
        .flat_map(|route| [Some(route), route.strip_suffix('/')])
        .flatten()
}

/// Whether the router matches `path` with `route`.
fn fits(route: &str, path: &str) -> bool {
    if route == path {
        return true;
    }
    let mut segments = path.split('/').peekable();
    let mut patterns = route.split('/');
    while let Some(pattern) = patterns.next() {
        let Some(segment) = segments.next() else { return false };
        let Some((before, is_rest)) = parameter(pattern) else {
            if pattern == segment || unescaped(pattern) == segment {
                continue;
            }
            return false;
        };
        let Some(value) = segment.strip_prefix(before) else { return false };
        if is_rest {
            // Nothing comes after it in a router's own routes.
            return patterns.next().is_none() && (!value.is_empty() || segments.next().is_some());
        }
        // The router lets a parameter be empty where a slash follows it.
        if value.is_empty() && segments.peek().is_none() {
            return false;
        }
    }
    segments.next().is_none()
}

/// The text before the parameter of a pattern's segment, and whether it is a `{*rest}`; `None` for text alone.
fn parameter(pattern: &str) -> Option<(&str, bool)> {
    let mut from = 0;
    loop {
        let (before, parameter) = pattern.split_at_checked(from + pattern.get(from..)?.find('{')?)?;
        if !parameter.starts_with("{{") {
            return Some((before, parameter.starts_with("{*")));
        }
        from = before.len() + 2;
    }
}

fn unescaped(pattern: &str) -> String {
    pattern.replace("{{", "{").replace("}}", "}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_fits_the_paths_that_the_router_matches_with_it() {
        for (route, path, expected) in [
            ("/", "/", true),
            ("/foo", "/foo", true),
            ("/foo/{id}", "/foo/7", true),
            ("/foo/{id}", "/foo/%2F", true),
            ("/foo/v{major}/x", "/foo/v2/x", true),
            ("/foo/{*rest}", "/foo/a/b", true),
            ("/foo/{*rest}", "/foo//", true),
            ("/foo/v{*rest}", "/foo/v/", true),
            ("/foo/{id}/x", "/foo//x", true),
            ("/foo/{id}/", "/foo//", true),
            ("/foo/v{major}/x", "/foo/v/x", true),
            ("/{{id}}", "/{id}", true),
            ("/{{a}}-{b}", "/{{a}}-7", true),
            ("/foo", "/foo/", false),
            ("/foo/", "/foo", false),
            ("/foo//", "/foo/", false),
            ("/foo", "/%66oo", false),
            ("/foo/{id}", "/foo/", false),
            ("/foo/{id}", "/foo/7/8", false),
            ("/foo/{id}", "/foo//", false),
            ("/foo/{id}/{x}", "/foo//", false),
            ("/foo/{*rest}", "/foo/", false),
            ("/foo/{*rest}", "/foo", false),
            ("/foo/v{major}", "/foo/v", false),
            ("/foo/v{major}", "/foo/w2", false),
            ("/{{id}}", "/7", false),
        ] {
            assert_eq!(fits(route, path), expected, "{route} {path}");
            if !route.contains("{{") {
                let mut router = matchit::Router::new();
                router.insert(route, ()).unwrap();
                assert_eq!(router.at(path).is_ok(), expected, "the router: {route} {path}");
            }
        }
    }

    #[test]
    fn the_original_path_is_judged_and_the_route_where_it_fits() {
        for (original, current, matched, expected) in [
            ("/foo", "/foo", None, ("/foo", None)),
            ("/foo/7", "/foo/7", Some("/foo/{id}"), ("/foo/7", Some("/foo/{id}"))),
            ("/api/foo", "/foo", Some("/api/foo"), ("/api/foo", Some("/api/foo"))),
            // The router that is nested as a service says `/` where the nest says `/svc`.
            ("/svc", "/", Some("/svc/"), ("/svc", Some("/svc"))),
            ("/svc/", "/", Some("/svc//"), ("/svc/", Some("/svc/"))),
            ("/svc/7", "/", Some("/svc/{id}/"), ("/svc/7", Some("/svc/{id}"))),
            // One that is a service of another says its own route where the other says `/{*path}`.
            ("/users/7", "/users/7", Some("/{*path}/users/{id}"), ("/users/7", Some("/users/{id}"))),
            ("/users/x", "/users/x", Some("/{*path}/users/x"), ("/users/x", Some("/users/x"))),
            ("/a/b", "/a/b", Some("/{*path}/{*own}"), ("/a/b", Some("/{*own}"))),
            ("/a/b", "/a/b", Some("/{*path}"), ("/a/b", Some("/{*path}"))),
            ("/a/b", "/a/b", Some("/{*path}/c"), ("/a/b", None)),
            // Below a nest, where the prefix is gone.
            ("/svc/users", "/users", Some("/svc/{*path}/users"), ("/svc/users", None)),
            ("/svc/users", "/users", Some("/users"), ("/svc/users", None)),
            ("/svc/x", "/x", None, ("/svc/x", None)),
            // A rewritten URI.
            ("/x", "/admin", Some("/admin"), ("/admin", Some("/admin"))),
            ("/x", "/", Some("/"), ("/", Some("/"))),
            ("/x", "/admin", None, ("/admin", None)),
        ] {
            assert_eq!(where_to(original, current, matched), expected, "{original} {current} {matched:?}");
        }
    }
}
