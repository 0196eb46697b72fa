//! Narrows a part of a guarded service to callers with certain scopes.
//!
//! It stands inside [`AuthLayer`](crate::AuthLayer) and asks the caller that was let in there for any one of
//! its scopes. It never widens:
//!
//! | the request | answer |
//! |---|---|
//! | comes from a caller who holds one of the scopes | goes on |
//! | comes from a caller who holds none | 403, `error="insufficient_scope"` after a bearer token |
//! | was let in without credentials (`optional`) | 401 with the challenges of the service |
//! | is for a public resource, which has no caller | 500, and an error in the log |
//! | met no `AuthLayer` | 500, and an error in the log that says so |
//!
//! ```
//! use http::{Request, Response, StatusCode};
//! use portcullis_core::Auth;
//! use portcullis_tower::{AuthLayer, RequireScopes};
//! use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
//! # use std::convert::Infallible;
//! # use portcullis_core::{BoxFuture, Context, Credential, Identity, Outcome, Provider, Scheme};
//! # #[derive(Debug)]
//! # struct ByToken;
//! # impl Provider for ByToken {
//! #     fn kind(&self) -> &'static str { "by-token" }
//! #     fn scheme(&self) -> Scheme { Scheme::Bearer }
//! #     fn try_authenticate(&self, credential: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
//! #         let Credential::Bearer(bearer) = credential else { unreachable!() };
//! #         Some(Outcome::known(Identity::new("alice").with_scopes([bearer.token()])))
//! #     }
//! #     fn authenticate<'a>(&'a self, _: &'a Credential<'a>, _: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
//! #         unreachable!()
//! #     }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let auth = Auth::builder().element(ByToken, "*").build()?;
//! # let handler = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(String::new())) });
//! let service = ServiceBuilder::new()
//!     .layer(AuthLayer::new(auth))
//!     .layer(RequireScopes::any_of(["admin", "root"])?)
//!     .service(handler);
//!
//! # let request = |scope| Request::get("/").header("authorization", format!("Bearer {scope}")).body(());
//! let admin = request("admin")?; // a caller with the scope `admin`
//! assert_eq!(service.clone().oneshot(admin).await?.status(), StatusCode::OK);
//! let guest = request("hello")?;
//! let refused = service.oneshot(guest).await?;
//! assert_eq!(refused.status(), StatusCode::FORBIDDEN);
//! # Ok(())
//! # }
//! ```

mod future;
mod layer;
mod service;

pub use self::{
    future::ResponseFuture,
    layer::{RequireScopes, RequireScopesWith},
    service::RequireScopesService,
};
