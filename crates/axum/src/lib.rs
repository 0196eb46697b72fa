//! Everything of portcullis that names axum: router, extractors, HTTPS listener.
//!
//! # Two ways to guard an application
//!
//! [`AuthRouter`] collects routes, each with its override beside it where it has one, and
//! [`guard`](AuthRouter::guard)s them all. One policy for each route and method is settled when it is built, and a
//! configured resource that meets no route is an error. It is the first choice.
//!
//! [`AuthLayer`] is put around a finished `Router`, a `MethodRouter` or any other service, and decides on each
//! request by its path. It suits applications that are routed elsewhere, and everything that does not know its
//! routes beforehand.
//!
//! Either way a handler learns its caller from an extractor: [`Caller`], [`Claims`], [`Scoped`]. They and
//! [`RequireScopes`] only narrow; what they refuse was let in before.
//!
//! # The layer
//!
//! Of the configured resources that match the original path, decoded once, the most specific one guards the
//! request if it has the matched route's pattern, lies within it, or ends in `{*rest}`:
//!
//! | resource | route | request | guarded by |
//! |---|---|---|---|
//! | `/foo/admin` | `/foo/{page}` | `/foo/%61dmin` | the resource |
//! | `/users/{user}` | `/users/{id}` | `/users/7` | the resource |
//! | `/users/{id}`, public | `/users/export` | `/users/export` | the service |
//! | `/admin/{*rest}` | `/admin/users` | `/admin/users` | the resource |
//! | `/pkg.Greeter/Shout` | `/pkg.Greeter/{*rest}` | `/pkg.Greeter/Shout` | the resource |
//! | `/foo/admin` | none: a fallback, a nested service | `/foo/admin` | the resource |
//!
//! Where it stands makes a difference:
//!
//! - `Router::layer` guards the routes and the fallback that were added **before** it. Routes that are added or
//!   merged later are open; a handler there that asks for its caller answers 500, with an error in the log.
//! - An unknown path is 401 with `Router::layer`, which guards the fallback too, and 404 with
//!   `Router::route_layer` and with [`AuthRouter`].
//! - On a `MethodRouter` use `layer`. `MethodRouter::route_layer` leaves out its fallback, which is what
//!   `any(handler)` is.
//! - Around a whole `Router`, as a service, it decides before anything is routed: by the path alone.
//! - Below a nest it judges by the whole path. Where the configuration does not know the nest's prefix,
//!   [`mounted_at`](AuthLayerWith::mounted_at) says it.
//! - A refusal of a method that no handler takes carries the `Allow` header that axum adds.
//!
//! The order of layers matters as well. `CorsLayer` goes **outside**: a preflight carries no credentials, and
//! passes because the CORS layer answers it; refusals then carry its headers, without which a script in a browser
//! sees no status. `TraceLayer` goes outside too, so that refusals are traced; let it print headers only under the
//! listener of [`serve`], which marks credentials as sensitive before anything else sees them. Whatever
//! rewrites paths goes outside of the router.
//!
//! ```
//! use axum::{Router, routing::get};
//! use portcullis_axum::{AuthLayer, Caller};
//! use tower_http::{cors::CorsLayer, trace::TraceLayer};
//! # use portcullis_core::{Auth, BoxFuture, Context, Credential, Identity, Outcome, Provider, Scheme};
//! # #[derive(Debug)]
//! # struct Users;
//! # impl Provider for Users {
//! #     fn kind(&self) -> &'static str { "users" }
//! #     fn scheme(&self) -> Scheme { Scheme::Bearer }
//! #     fn try_authenticate(&self, _: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
//! #         Some(Outcome::known(Identity::new("alice").with_scopes(["hello"])))
//! #     }
//! #     fn authenticate<'a>(&'a self, _: &'a Credential<'a>, _: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
//! #         unreachable!()
//! #     }
//! # }
//!
//! async fn greet(caller: Caller) -> String {
//!     format!("Hello, {}!", caller.subject().unwrap_or("nobody"))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let foo = Auth::builder().path("/foo").element(Users, "hello").build()?;
//! let app: Router = Router::new()
//!     .route("/foo/bar", get(greet))
//!     .route_layer(AuthLayer::new(foo))
//!     .layer(CorsLayer::permissive()) // what is added later stands outside
//!     .layer(TraceLayer::new_for_http());
//!
//! # use {axum::{body::{Body, to_bytes}, http::Request}, tower::ServiceExt};
//! let alice = Request::get("/foo/bar").header("authorization", "Bearer token").body(Body::empty())?;
//! let response = app.clone().oneshot(alice).await?;
//! assert_eq!(to_bytes(response.into_body(), 100).await?, "Hello, alice!");
//!
//! let nobody = Request::get("/foo/bar").body(Body::empty())?;
//! let refused = app.oneshot(nobody).await?;
//! assert_eq!(refused.status(), 401);
//! assert!(refused.headers().contains_key("access-control-allow-origin"));
//! # Ok(())
//! # }
//! ```
//!
//! # Bodies of refusals
//!
//! They are empty, as Ballerina's are. A hook writes others, for instance problem details (RFC 9457); it has no
//! say about the status and the challenges:
//!
//! ```
//! use axum::{body::Body, http::{HeaderValue, header::CONTENT_TYPE, response::Parts}};
//! use portcullis_axum::{AuthLayer, Rejection};
//!
//! fn problem_details(rejection: &Rejection, head: &mut Parts) -> Body {
//!     head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
//!     let status = rejection.status();
//!     Body::from(format!(
//!         r#"{{"type":"about:blank","title":"{}","status":{}}}"#,
//!         status.canonical_reason().unwrap_or_default(),
//!         status.as_u16(),
//!     ))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let foo = portcullis_core::Auth::builder().refuse_uncovered().build()?;
//! let layer = AuthLayer::new(foo).on_rejection(problem_details);
//! // Router::new()….layer(layer), or AuthRouter::new()….guard_with(&layer)?
//! # use {axum::{Router, body::to_bytes, http::Request}, tower::ServiceExt};
//! # let app = Router::new().fallback(async || "in").layer(layer);
//! let response = app.oneshot(Request::get("/foo/bar").body(Body::empty())?).await?;
//! assert_eq!(response.status(), 401);
//! assert_eq!(
//!     to_bytes(response.into_body(), 1_000).await?,
//!     r#"{"type":"about:blank","title":"Unauthorized","status":401}"#
//! );
//! # Ok(())
//! # }
//! ```
//!
//! The hook sees what the layer refuses. What extractors refuse further inside is told apart in the same way, by the
//! [`Rejection`] in the response's extensions: `axum::middleware::map_response` around both gives all of them one
//! body.
#![cfg_attr(feature = "ws", doc = include_str!("ws/guide.md"))]

mod extract;
mod request;
mod router;
pub mod serve;
#[cfg(feature = "ws")]
mod ws;

pub use portcullis_core::{Admission, Auth, Override, Principal, Rejection, RejectionKind, Resource};
pub use portcullis_tower::{
    AuthLayerWith, AuthService, ClientAddr, EmptyBody, OnRejection, PlainRequest, RequestSource, RequestView,
    RequireScopesWith, refuse,
};

#[cfg(feature = "ws")]
pub use self::ws::{
    Closed, ConnectionLease, GuardedSocket, GuardedUpgrade, GuardedUpgradeRejection, UpgradeExt,
};
pub use self::{
    extract::{Caller, CallerRejection, Claims, ClaimsRejection, ScopeSet, Scoped},
    request::{AuthLayer, AxumRequest, RequireScopes},
    router::{AuthRouter, GuardExt, Guarded},
};
