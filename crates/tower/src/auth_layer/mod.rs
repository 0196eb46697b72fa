//! Guards a service: lets in whom an [`Auth`](portcullis_core::Auth) lets in, and answers everyone else.
//!
//! 1. Every `Authorization` value is marked sensitive, so that logs of headers do not show it; so are `Cookie` and
//!    `Sec-WebSocket-Protocol` where the service looks for tokens there.
//! 2. What guards the request is found: of the resources that cover its path the most specific one, or else the
//!    service's own elements. The path is the one that the client sent, decoded once, less the prefix of
//!    [`mounted_at`](AuthLayerWith::mounted_at).
//! 3. Who is let in goes on to the inner service, with the proof in the request's extensions:
//!    [`Principal::of`](portcullis_core::Principal::of). The `Authorization` header stays on the request unless
//!    the service says `forwardCredential = false`; then no handler sees it, on public resources neither. Cookies that
//!    hold a token are treated alike.
//! 4. Who is not gets an answer, never an error of the service: 401, 403 or 503 with an empty body, or 400 and
//!    500 where path or wiring is wrong. The [`Rejection`](portcullis_core::Rejection) is in the response's
//!    extensions, for layers outside. [`OnRejection`] replaces the body.
//!
//! Works with every `Service<http::Request<B>, Response = http::Response<ResB>>` that is `Clone` and whose body
//! is `Default` (or for whose bodies of refusals [`OnRejection`] is implemented). A request is let in or refused without allocating a
//! future wherever no element has to be waited for.
//!
//! # WebSocket
//!
//! The request that opens a WebSocket is decided like any other: a GET, or over HTTP/2 an extended CONNECT, to which the
//! resources of GET apply. Whoever is refused gets the plain 401 or 403, and no upgrade.
//!
//! Where the service names further [`CredentialSources`](portcullis_core::CredentialSources):
//!
//! - A token among the offered subprotocols is taken out of the request before the inner service sees it, on public
//!   resources too, and whether or not it is any good. The others stay on one `Sec-WebSocket-Protocol` line; where the
//!   offered ones are no list at all, none stays.
//! - The answer that opens the WebSocket selects a protocol that the client offered, since browsers drop the connection
//!   otherwise: the inner service's choice, or else the first one beside the token, or else `bearer`. Never the token.
//! - A layer inside another one is therefore offered no token any more: let the outer one do without that source, or be
//!   the only one.
//!
//! How long the connection may stay open is told by
//! [`Admission::lease`](portcullis_core::Admission::lease), which the inner service finds in the request's extensions.
//!
//! # gRPC
//!
//! A service that says [`Protocol::Grpc`](portcullis_core::Protocol::Grpc) refuses in gRPC's way ("Trailers-Only"): status
//! 200 and `content-type: application/grpc`, with the code of
//! [`RejectionKind::grpc_status`](portcullis_core::RejectionKind::grpc_status) in `grpc-status` and a short `grpc-message`
//! that says no more than the code. `WWW-Authenticate` and `Retry-After` are there as well. [`RequireScopes`] inside answers
//! alike.
//!
//! The service decides that, never the request: what is not gRPC, such as a GET over HTTP/1.1, is answered in gRPC's way
//! there too, and a request with a gRPC content type is answered by its status everywhere else. Only a CONNECT is refused by
//! the status everywhere, since 200 would open it. A hook writes no body
//! there, see [`OnRejection`]. Layers that translate, such as those for gRPC-Web, go outside.
//!
//! Resources are paths as ever, so `/pkg.Greeter/SayHello` guards one method. tonic routes `/pkg.Greeter/{*rest}`, below
//! which every such resource applies.
//!
//! # Order
//!
//! `OPTIONS` is a method like any other here. A CORS preflight, which never carries credentials, passes because
//! the CORS layer stands outside this one and answers it itself; there it also puts its headers on refusals,
//! without which a browser shows a script no status. Tracing goes outside too, so that refusals are traced; where it
//! shows headers, `Authorization`, `Cookie` and `Sec-WebSocket-Protocol` have to be marked sensitive further outside
//! still, as the listener of `portcullis-axum` does. Whatever rewrites paths goes outside.
//!
//! # Caveat
//!
//! The layer guards what it is put around, and nothing else. What is routed past it is open; a handler there that
//! asks for its caller gets `None` from `Principal::of`, or answers 500 where it uses [`RequireScopes`] or an
//! extractor.
//!
//! [`RequireScopes`]: crate::RequireScopes
//!
//! # Example
//!
//! ```
//! use std::convert::Infallible;
//!
//! use http::{Request, Response, StatusCode};
//! use portcullis_core::{Auth, Principal, Resource};
//! use portcullis_tower::AuthLayer;
//! use tower::{Layer, ServiceExt, service_fn};
//! # use portcullis_core::{BoxFuture, Context, Credential, Identity, Outcome, Provider, Scheme};
//! # #[derive(Debug)]
//! # struct OneToken(&'static str, &'static str);
//! # impl Provider for OneToken {
//! #     fn kind(&self) -> &'static str { "one-token" }
//! #     fn scheme(&self) -> Scheme { Scheme::Bearer }
//! #     fn try_authenticate(&self, credential: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
//! #         Some(match credential {
//! #             Credential::Bearer(bearer) if bearer.token() == self.0 =>
//! #                 Outcome::known(Identity::new(self.1).with_scopes(["hello"])),
//! #             _ => Outcome::refused(portcullis_core::Reason::Other, "not the token"),
//! #         })
//! #     }
//! #     fn authenticate<'a>(&'a self, _: &'a Credential<'a>, _: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
//! #         unreachable!()
//! #     }
//! # }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let auth = Auth::builder()
//!     .path("/foo")
//!     .element(OneToken("s3cr3t", "alice"), "hello") // any provider: users in a file, JWTs, your own
//!     .resource(Resource::new("/admin").scopes("admin"))
//!     .build()?;
//!
//! async fn hello(request: Request<()>) -> Result<Response<String>, Infallible> {
//!     let caller = Principal::of(request.extensions()).and_then(|caller| caller.subject());
//!     Ok(Response::new(format!("Hello, {}!", caller.unwrap_or("stranger"))))
//! }
//! let service = AuthLayer::new(auth).layer(service_fn(hello));
//!
//! let with_token = |path| Request::get(path).header("authorization", "Bearer s3cr3t").body(());
//! let admitted = service.clone().oneshot(with_token("/foo/bar")?).await?;
//! assert_eq!(admitted.status(), StatusCode::OK);
//! assert_eq!(admitted.body(), "Hello, alice!");
//!
//! let forbidden = service.clone().oneshot(with_token("/foo/admin")?).await?;
//! assert_eq!(forbidden.status(), StatusCode::FORBIDDEN);
//!
//! let refused = service.oneshot(Request::get("/foo/bar").body(())?).await?;
//! assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
//! assert_eq!(refused.headers()["www-authenticate"], "Bearer realm=\"portcullis\"");
//! assert_eq!(refused.body(), "");
//! # Ok(())
//! # }
//! ```

mod future;
mod guard;
mod layer;
mod mount;
mod response;
mod service;
mod shared;

pub use self::{
    future::ResponseFuture,
    layer::{AuthLayer, AuthLayerWith},
    response::{EmptyBody, OnRejection, refuse},
    service::AuthService,
};
