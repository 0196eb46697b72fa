//! A router whose routes are guarded before it is one.

mod build;
mod follow;
mod guarded;
mod methods;
mod settle;

use std::{convert::Infallible, fmt};

use axum::{
    Router,
    body::Body,
    extract::Request,
    handler::Handler,
    response::IntoResponse,
    routing::{MethodRouter, any, any_service},
};
use portcullis_core::{BuildError, LiveAuth};
use portcullis_tower::OnRejection;
use tower::Service;

pub use self::guarded::{GuardExt, Guarded};
use self::{follow::Plan, guarded::Part, settle::Kind};
use crate::AuthLayer;

/// Collects routes and turns them into a `Router` in which each is guarded.
///
/// [`AuthRouter::guard`] is the only way out, so no route is open because somebody forgot it. It settles one
/// policy for each route and method, from
///
/// 1. the override beside the route ([`GuardExt`]);
/// 2. or else the configured resource that has the route's pattern, or the most specific `{*rest}` that holds it;
/// 3. or else the service.
///
/// and refuses to build where code and configuration do not fit together: a resource that meets no route (a
/// typing error that would leave open what it meant to close), and a route that is overridden in both places.
///
/// ```
/// use axum::{Router, routing::{get, post}};
/// use portcullis_axum::{AuthRouter, GuardExt};
/// # use portcullis_core::{Auth, Resource, BoxFuture, Context, Credential, Identity, Outcome, Provider, Scheme};
/// # #[derive(Debug)]
/// # struct Users;
/// # impl Provider for Users {
/// #     fn kind(&self) -> &'static str { "users" }
/// #     fn scheme(&self) -> Scheme { Scheme::Basic }
/// #     fn try_authenticate(&self, _: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> { None }
/// #     fn authenticate<'a>(&'a self, _: &'a Credential<'a>, _: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
/// #         unreachable!()
/// #     }
/// # }
///
/// # async fn handler() {}
/// let auth = Auth::builder()
///     .path("/foo")
///     .element(Users, "hello")
///     .resource(Resource::new("/reports/{*rest}").scopes("reports"))
///     .build()?;
///
/// let router = || {
///     AuthRouter::new()
///         .route("/foo/bar", get(handler))                        // the service's own elements
///         .route("/foo/reports/{year}", get(handler))             // the resource's
///         .route("/foo/admin", get(handler).scopes(["admin"]).and(post(handler).scopes(["root"])))
///         .route("/foo/health", get(handler).public())
/// };
/// let app: Router = router().guard(&auth)?;
///
/// let auth = auth.with_resource(Resource::new("/admn").scopes("admin"))?;
/// let error = router().guard(&auth).unwrap_err().to_string();
/// assert!(error.starts_with("resource /foo/admn meets no route"));
/// # Ok::<_, portcullis_core::BuildError>(())
/// ```
///
/// # Rules
///
/// - Routes are written with their whole path, that of the service included. [`nest`](Self::nest) puts a prefix
///   before them, and handlers see the path without it, as with `Router::nest`.
/// - A method that no handler takes is answered with 405 to those who may call the route: where all its handlers
///   have one override those whom it lets in, otherwise those whom the service or its resource lets in.
/// - Where routes are not known beforehand, each request is judged by its path, as [`AuthLayer`] does: below
///   [`nest_service`](Self::nest_service), in a service at `{*rest}`, in the [`fallback`](Self::fallback), and on a
///   route of which a `{*rest}` resource covers a part.
/// - A path that meets no route is 404 without a question, where there is no fallback.
///
/// Once it is a `Router`, more can be added to it: layers for all, state, and routes. **Routes that are added to
/// the `Router` are not guarded**; a handler there that asks for its [`Caller`](crate::Caller) answers 500. Merge
/// before [`guard`](Self::guard) what is to be guarded.
#[derive(Clone)]
#[must_use = "an AuthRouter serves nothing until `guard` makes a Router of it"]
pub struct AuthRouter<S = ()> {
    routes: Vec<Route<S>>,
    nests: Vec<(String, Self)>,
    /// Erased as method routers of any method.
    services: Vec<(String, MethodRouter)>,
    fallbacks: Vec<MethodRouter<S>>,
}

#[derive(Clone)]
struct Route<S> {
    path: String,
    kind: Kind,
    guarded: Guarded<S>,
}

impl<S> AuthRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    /// A router without routes.
    pub fn new() -> Self {
        Self { routes: Vec::new(), nests: Vec::new(), services: Vec::new(), fallbacks: Vec::new() }
    }

    /// Adds a route: handlers such as `get(bar)`, or with an override `get(bar).scopes(["hello"])`.
    pub fn route(mut self, path: &str, handlers: impl Into<Guarded<S>>) -> Self {
        self.routes.push(Route { path: path.to_owned(), kind: Kind::Route, guarded: handlers.into() });
        self
    }

    /// Adds a service at a path. Where the path ends in `{*rest}`, as for tonic's `/pkg.Greeter/{*rest}`, resources
    /// may speak for parts of it.
    pub fn route_service<T>(mut self, path: &str, service: T) -> Self
    where
        T: Service<Request, Error = Infallible> + Clone + Send + Sync + 'static,
        T::Response: IntoResponse,
        T::Future: Send + 'static,
    {
        let kind = if path.contains("{*") { Kind::Service } else { Kind::Route };
        self.routes.push(Route { path: path.to_owned(), kind, guarded: any_service(service).into() });
        self
    }

    /// Puts another router's routes below a prefix.
    pub fn nest(mut self, prefix: &str, other: Self) -> Self {
        self.nests.push((prefix.to_owned(), other));
        self
    }

    /// Puts a service below a prefix. Each request is judged by its path.
    pub fn nest_service<T>(mut self, prefix: &str, service: T) -> Self
    where
        T: Service<Request, Error = Infallible> + Clone + Send + Sync + 'static,
        T::Response: IntoResponse,
        T::Future: Send + 'static,
    {
        self.services.push((prefix.to_owned(), any_service(service)));
        self
    }

    /// Takes over another router's routes.
    pub fn merge(mut self, other: Self) -> Self {
        let Self { routes, nests, services, fallbacks } = other;
        self.routes.extend(routes);
        self.nests.extend(nests);
        self.services.extend(services);
        self.fallbacks.extend(fallbacks);
        self
    }

    /// Answers what meets no route. Each request is judged by its path: one outside the service's own path is a
    /// 500, where the service has resources.
    ///
    /// A fallback that is to be open belongs on the `Router` that [`AuthRouter::guard`] makes.
    pub fn fallback<H, T>(mut self, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        self.fallbacks = vec![any(handler)];
        self
    }

    /// The same with a service.
    pub fn fallback_service<T>(mut self, service: T) -> Self
    where
        T: Service<Request, Error = Infallible> + Clone + Send + Sync + 'static,
        T::Response: IntoResponse,
        T::Future: Send + 'static,
    {
        self.fallbacks = vec![any_service(service)];
        self
    }

    /// Gives the handlers their state. Works as well on the `Router` that is made later.
    pub fn with_state<S2>(self, state: S) -> AuthRouter<S2> {
        let route = |route: Route<S>| Route {
            path: route.path,
            kind: route.kind,
            guarded: Guarded {
                parts: route
                    .guarded
                    .parts
                    .into_iter()
                    .map(|Part { handlers, over }| Part {
                        handlers: handlers.with_state(state.clone()),
                        over,
                    })
                    .collect(),
            },
        };
        AuthRouter {
            routes: self.routes.into_iter().map(route).collect(),
            nests: self
                .nests
                .into_iter()
                .map(|(prefix, nested)| (prefix, nested.with_state(state.clone())))
                .collect(),
            services: self.services,
            fallbacks: self
                .fallbacks
                .into_iter()
                .map(|fallback| fallback.with_state(state.clone()))
                .collect(),
        }
    }

    /// Guards every route, and makes a `Router` of it. `auth` is an [`Auth`](portcullis_core::Auth), or a [`LiveAuth`]: the policies of all routes
    /// are then settled anew for each version, and a version that does not fit the routes is refused as a whole.
    ///
    /// # Errors
    ///
    /// With everything that does not fit together, each on a line of its own: a configured resource that meets no
    /// route (with a list of the routes), a route with an override in code that a resource covers too, an override
    /// that contradicts itself or would admit nobody, and two fallbacks.
    ///
    /// # Panics
    ///
    /// As `Router` does, where routes overlap or a path cannot be read.
    #[track_caller]
    pub fn guard<A>(self, auth: &A) -> Result<Router<S>, BuildError>
    where
        for<'a> &'a A: Into<LiveAuth>,
    {
        self.guard_with(&AuthLayer::new(auth))
    }

    /// The same with a layer that was told more: a body for refusals ([`on_rejection`]), more resources, or where the
    /// `Router` is going to be nested ([`mounted_at`]).
    ///
    /// Only what is judged by the path needs to know of `mounted_at`: routes do not, wherever the router ends up.
    ///
    /// [`on_rejection`]: portcullis_tower::AuthLayerWith::on_rejection
    /// [`mounted_at`]: portcullis_tower::AuthLayerWith::mounted_at
    ///
    /// # Errors
    ///
    /// As [`AuthRouter::guard`].
    ///
    /// # Panics
    ///
    /// As [`AuthRouter::guard`].
    #[track_caller]
    pub fn guard_with<H>(self, layer: &AuthLayer<H>) -> Result<Router<S>, BuildError>
    where
        H: OnRejection<Body> + Clone + Send + Sync + 'static,
    {
        let mut problems = Vec::new();
        let mut surveyed = Vec::new();
        self.survey("", &mut surveyed, &mut problems);
        if layer.live_auth().is_following() {
            return self.follow(layer, surveyed, problems);
        }
        settle::check(&layer.auth(), &surveyed, &mut problems);
        let router = self.build("", layer, &mut Plan::Settle, &mut problems);
        if problems.is_empty() { Ok(router) } else { Err(BuildError::new(problems.join("\n"))) }
    }
}

impl<S> Default for AuthRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    fn default() -> Self {
        Self::new()
    }
}

impl<S> fmt::Debug for AuthRouter<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for Route { path, guarded, .. } in &self.routes {
            map.entry(path, guarded);
        }
        for (path, router) in &self.nests {
            map.entry(path, router);
        }
        for (path, _) in &self.services {
            map.entry(path, &"a service");
        }
        map.finish()
    }
}
