//! From collected routes to a router.

use std::borrow::Cow;

use axum::{Router, body::Body, routing::MethodRouter};
use portcullis_tower::OnRejection;

use super::{
    AuthRouter, Route,
    follow::Plan,
    guarded::Part,
    methods::Methods,
    settle::{Kind, RouteGuard, Surveyed},
};
use crate::AuthLayer;

impl<S> AuthRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    /// Lists the routes, for finding mistakes before anything is built.
    pub(super) fn survey(&self, prefix: &str, found: &mut Vec<Surveyed>, problems: &mut Vec<String>) {
        for Route { path, kind, guarded } in &self.routes {
            let route = nested(prefix, path);
            found.extend(guarded.parts.iter().map(|Part { handlers, over }| Surveyed {
                route: route.to_string(),
                kind: *kind,
                methods: Methods::of(handlers),
                overridden: over.is_some(),
            }));
        }
        let mut below = |prefix: &str| {
            for route in [nested(prefix, "/{*rest}"), prefix.into()] {
                let route = route.into_owned();
                found.push(Surveyed { route, kind: Kind::Below, methods: Methods::Any, overridden: false });
            }
        };
        for (path, _) in &self.services {
            below(&nested(prefix, path));
        }
        match &self.fallbacks[..] {
            [] => {}
            [_] => below(if prefix.is_empty() { "/" } else { prefix }),
            [_, _, ..] => {
                let place = if prefix.is_empty() { "/" } else { prefix };
                problems.push(format!("routers with two fallbacks for {place} were merged: keep one"));
            }
        }
        for (path, router) in &self.nests {
            router.survey(&nested(prefix, path), found, problems);
        }
    }

    /// Builds the router, each route with its guard.
    #[track_caller]
    pub(super) fn build<H>(
        self,
        prefix: &str,
        layer: &AuthLayer<H>,
        plan: &mut Plan,
        problems: &mut Vec<String>,
    ) -> Router<S>
    where
        H: OnRejection<Body> + Clone + Send + Sync + 'static,
    {
        let auth = &layer.auth();
        let mut router = Router::new();
        for (path, kind, parts) in by_path(self.routes) {
            let route = nested(prefix, &path);
            let inherited = plan.inherited(auth, &route, kind);
            let several = parts.len() > 1;
            let mut handlers = MethodRouter::new();
            for (at, part) in parts.into_iter().enumerate() {
                let guard = match part.over {
                    None => inherited.clone(),
                    Some(over) => {
                        let label = format!("route {}{route}", Methods::of(&part.handlers));
                        plan.overridden(auth, over, label).unwrap_or_else(|error| {
                            problems.push(error.to_string());
                            inherited.clone()
                        })
                    }
                };
                let part = guarded_by(part.handlers, layer, guard);
                handlers = if at == 0 { part } else { handlers.merge(part) };
            }
            if several {
                // Of two merged routers' own 405 the second's is kept, with its guard. Which part comes last must
                // not decide who is told which methods there are.
                handlers = handlers.merge(guarded_by(MethodRouter::new(), layer, inherited));
            }
            router = router.route(&path, handlers);
        }
        for (path, service) in self.services {
            router = router.nest_service(&path, guarded_by(service, layer, RouteGuard::PER_REQUEST));
        }
        for (path, nest) in self.nests {
            router = router.nest(&path, nest.build(&nested(prefix, &path), layer, plan, problems));
        }
        for fallback in self.fallbacks {
            router = router.fallback(guarded_by(fallback, layer, RouteGuard::PER_REQUEST));
        }
        router
    }
}

/// Routes of the same path together: axum merges their handlers.
fn by_path<S>(routes: Vec<Route<S>>) -> Vec<(String, Kind, Vec<Part<S>>)> {
    let mut grouped: Vec<(String, Kind, Vec<Part<S>>)> = Vec::new();
    for Route { path, kind, guarded } in routes {
        match grouped.iter_mut().find(|(known, ..)| *known == path) {
            Some((.., parts)) => parts.extend(guarded.parts),
            None => grouped.push((path, kind, guarded.parts)),
        }
    }
    grouped
}

/// `MethodRouter::layer`, not `route_layer`: a handler of `any` is a fallback to axum, and `route_layer` leaves
/// fallbacks out.
fn guarded_by<S, H>(handlers: MethodRouter<S>, layer: &AuthLayer<H>, guard: RouteGuard) -> MethodRouter<S>
where
    S: Clone + 'static,
    H: OnRejection<Body> + Clone + Send + Sync + 'static,
{
    handlers.layer(layer.clone().map_source(|_| guard))
}

/// The path of a route below a prefix, as axum puts them together.
fn nested<'a>(prefix: &'a str, path: &'a str) -> Cow<'a, str> {
    if prefix.is_empty() {
        path.into()
    } else if prefix.ends_with('/') {
        format!("{prefix}{}", path.trim_start_matches('/')).into()
    } else if path == "/" {
        prefix.into()
    } else {
        format!("{prefix}{path}").into()
    }
}
