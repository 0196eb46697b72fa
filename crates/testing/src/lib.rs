//! Test helpers for services guarded by portcullis. Nothing here needs a network beyond loopback.
//!
//! - [`TestPrincipal`]: a caller, as a value and as a layer, for tests of what stands behind the guard.
//! - [`TestIssuer`]: an OpenID-style issuer with keys that rotate; it signs tokens, counts fetches, hangs, goes away.
//! - [`TestIntrospection`]: an introspection endpoint (RFC 7662); [`TestTokenEndpoint`]: one that gives out tokens, by every
//!   grant.
//! - [`TestResource`]: a protected resource, for tests of what a client shows.
//! - [`TestDirectory`]: an LDAP directory; it holds entries, counts binds, hangs, drops connections, behaves as Active
//!   Directory does.
//! - [`TestServer`]: what issuer and endpoints have in common, and any other server that a test needs.
//! - [`FaultProxy`]: a proxy between product and server that delays, cuts, answers garbage, or refuses.
//! - [`ManualClock`]: time that a test moves.
//! - [`contract`]: the checks that every [`Provider`](portcullis_core::Provider) and every
//!   [`TokenSource`](portcullis_core::TokenSource) passes; run them against yours.
//!
//! # An axum service with tokens of its identity provider
//!
//! The service is the one that runs in production; only the issuer in its configuration is another.
//!
//! ```
//! use axum::{Router, body::Body, routing::get};
//! use http::{Request, StatusCode};
//! use portcullis::{AuthLayer, Caller, Config};
//! use portcullis_testing::TestIssuer;
//! use tower::ServiceExt;
//!
//! async fn orders(config: &Config) -> Result<Router, Box<dyn std::error::Error>> {
//!     let auth = config.service("/orders")?.build().await?;
//!     let handler = |caller: Caller| async move { format!("of {}", caller.subject().unwrap_or("nobody")) };
//!     Ok(Router::new().route("/orders", get(handler)).layer(AuthLayer::new(auth)))
//! }
//!
//! async fn get_orders(app: &Router, token: &str) -> StatusCode {
//!     let request = Request::get("/orders").header("authorization", format!("Bearer {token}"));
//!     let answer = app.clone().oneshot(request.body(Body::empty()).expect("a request")).await;
//!     answer.expect("a router never fails").status()
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let issuer = TestIssuer::start().await;
//! let config = Config::parse(
//!     &format!(
//!         r#"
//!         [services."/orders"]
//!         auth = [{{ scopes = "read", jwtValidatorConfig = {{
//!             issuer = "{0}",
//!             audience = "orders",
//!             signatureConfig = {{ jwksConfig = {{ issuer = "{0}" }} }},
//!         }} }}]
//!         "#,
//!         issuer.url()
//!     ),
//!     ".",
//! )?;
//! let app = orders(&config).await?;
//!
//! let token = issuer.token().audience("orders").scope("read").sign();
//! assert_eq!(get_orders(&app, &token).await, StatusCode::OK);
//! let without_scope = issuer.token().audience("orders").sign();
//! assert_eq!(get_orders(&app, &without_scope).await, StatusCode::FORBIDDEN);
//! let for_another = issuer.token().audience("billing").scope("read").sign();
//! assert_eq!(get_orders(&app, &for_another).await, StatusCode::UNAUTHORIZED);
//!
//! // The keys change, and nobody notices.
//! issuer.rotate();
//! let newer = issuer.token().audience("orders").scope("read").sign();
//! assert_eq!(get_orders(&app, &newer).await, StatusCode::OK);
//!
//! // The issuer goes away: its keys are known.
//! issuer.go_down().await;
//! assert_eq!(get_orders(&app, &newer).await, StatusCode::OK);
//! # Ok(())
//! # }
//! ```
//!
//! Where tokens are none of the test's business, [`TestPrincipal::layer`] stands in the place of the guard.

#![expect(clippy::panic, reason = "a test helper fails the test it helps by panicking")]

mod assertion;
mod client_credentials;
mod clock;
pub mod contract;
mod directory;
mod introspection;
mod issuer;
mod principal;
mod proxy;
mod resource;
mod server;
mod token_endpoint;

pub use self::{
    clock::ManualClock,
    directory::{DirectoryOperation, DirectoryRequest, TestDirectory, TestDirectoryBuilder, TestEntry},
    introspection::TestIntrospection,
    issuer::{Algorithm, Fetches, TestIssuer, TestIssuerBuilder, TestToken},
    principal::{TestPrincipal, TestPrincipalLayer, TestPrincipalService},
    proxy::{Fault, FaultProxy},
    resource::TestResource,
    server::{Call, Hold, TestServer, TestTls},
    token_endpoint::{GrantType, TestTokenEndpoint},
};
