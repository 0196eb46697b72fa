//! Sends credentials along with outgoing requests, and only where they belong.
//!
//! A [`ClientAuth`] is a credential's source and the places that the credential may go to. [`ClientAuthLayer`] puts it on the requests of
//! any service of `http::Request`: the client of hyper-util, a channel of tonic. With the feature `reqwest` it does so for
//! `reqwest::Client` as well, and `SendVia` for one request of it; with `reqwest-middleware` a [`ClientAuth`] is a middleware of
//! that crate. For anything else there is [`ClientAuth::enrich`], such as for the request that opens a WebSocket.
//!
//! 1. A request that has an `Authorization` keeps it, wherever it goes, and none of what follows applies to it.
//! 2. The request's URL has to name an origin of the client's: that of its `url`, or one of its `origins`. An origin is scheme, host
//!    and port (RFC 6454 §4): letters in either case are the same, and so are an absent and a default port; `wss` counts as `https`,
//!    `ws` as `http`. A host with a dot at its end is another one. User-info and the header `Host` play no role: take the latter off
//!    requests that are forwarded, since servers of several names go by it.
//! 3. Plain http goes to this machine alone (`localhost`, 127.0.0.0/8, ::1), unless
//!    [`allow_insecure_http`](ClientAuthBuilder::allow_insecure_http).
//! 4. The header is set: one value, marked as sensitive. Where there is no credential, or it is not for where the request
//!    goes, the request is not sent; [`ClientAuthError`] says why and what to do.
//! 5. After 401 the source is told that its credential was refused. Where it has a newer one, the request is sent once more with it, if
//!    it can be: see [`Replay`]. Otherwise the first answer stands. `UNAUTHENTICATED` in the headers of a gRPC answer
//!    is a refusal, too; a 401 that says `insufficient_scope` (RFC 6750 §3.1) is none, and neither is one that another
//!    origin gave after redirects of reqwest. Passwords and fixed tokens are never sent twice.
//!
//! # URLs without a host
//!
//! Above a single connection of hyper, or a channel of tonic, requests name a path alone. Such a layer is told by
//! [`ClientAuthLayer::bound_to_url`] that the service below is connected to the client's url.
//!
//! # What is sent twice
//!
//! By default what is known to have no body, and requests of reqwest that it can clone. Others say
//! [`replay_cloned`](ClientAuthLayer::replay_cloned), [`never_replay`](ClientAuthLayer::never_replay), which asks nothing of the body's
//! type, or [`replay_with`](ClientAuthLayer::replay_with). A second request waits until the service is ready again.
//!
//! # Redirects
//!
//! Layers that follow redirects belong outside of this one: then each hop is held to its rules. Inside, they have to take the credential off
//! themselves on the way to another origin: `FollowRedirect` of tower-http does so from version 0.7 on, unless a policy of
//! one's own stands in the way. reqwest follows redirects by itself, inside: give its clients the `redirect_policy` of this crate, because
//! its own shows the credential to an origin that was redirected to and redirects to itself.
//!
//! # Proxies
//!
//! Rule 3 looks at URLs. A client that asks a proxy, as reqwest does when the environment names one, sends it plain http to
//! `localhost` as well, with the credential to read: give it `no_proxy`. Calls over https are tunnelled.
//!
//! # What it costs
//!
//! With a credential at hand nothing is boxed or allocated, beyond the place of one more header. A source that
//! [leases](portcullis_core::TokenSource::lease) its token is asked once for many requests, by each service and by clones that are made later;
//! of one that does not, another token than that of the request before takes an allocation.
//! Where the credential can be renewed and the request sent twice, method, URL, headers and extensions are kept until the
//! answer is there: each thread has room for them that is used again and again, so only extensions take allocations, one each.
//!
//! # Example
//!
//! ```
//! use http::{Request, Response, StatusCode};
//! use portcullis_core::{Authorization, Secret};
//! use portcullis_tower::{ClientAuth, ClientAuthErrorKind, ClientAuthLayer, SendError};
//! use tower::{Layer, ServiceExt, service_fn};
//! # use std::convert::Infallible;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let token = Authorization::bearer(&Secret::new("2YotnFZFEjr1zCsicMWpAA"))?; // or any source of tokens
//! let orders = ClientAuth::builder(token).name("orders").url("https://orders.example/v2").build()?;
//!
//! # let server = service_fn(|request: Request<String>| async move {
//! #     let known = request.headers()["authorization"] == "Bearer 2YotnFZFEjr1zCsicMWpAA";
//! #     let status = if known { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
//! #     Ok::<_, Infallible>(Response::builder().status(status).body(()).unwrap())
//! # });
//! // `server` is any client that is a service, such as hyper-util's.
//! let client = ClientAuthLayer::new(orders).replay_cloned().layer(server);
//! let request = Request::get("https://orders.example/v2/open").body(String::new())?;
//! assert_eq!(client.clone().oneshot(request).await?.status(), StatusCode::OK);
//!
//! let elsewhere = Request::get("https://orders.example.evil/v2/open").body(String::new())?;
//! let Err(SendError::Auth(error)) = client.oneshot(elsewhere).await else { panic!("it is not sent") };
//! assert_eq!(error.kind(), ClientAuthErrorKind::ForeignOrigin);
//! # Ok(())
//! # }
//! ```

mod auth;
mod builder;
mod error;
mod future;
mod kept;
mod layer;
mod origin;
mod refusal;
mod renewal;
mod replay;
mod request;
#[cfg(feature = "reqwest")]
mod reqwest;
mod service;
mod shown;

#[cfg(feature = "reqwest")]
pub use self::reqwest::{SendVia, redirect_policy};
pub use self::{
    auth::ClientAuth,
    builder::ClientAuthBuilder,
    error::{ClientAuthError, ClientAuthErrorKind, SendError},
    future::ResponseFuture,
    kept::KeptRequest,
    layer::ClientAuthLayer,
    origin::Target,
    replay::{NeverReplay, Replay, ReplayCloned, ReplayEmpty},
    request::{IncomingResponse, OutgoingRequest},
    service::ClientAuthService,
};
