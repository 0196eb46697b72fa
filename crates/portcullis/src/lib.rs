//! Authentication and authorization for services on tower, axum and hyper.
//!
//! A service says in one place, in code or in `Config.toml`, who may call what: an ordered list of elements,
//! each a provider of identities and, optionally, scopes. **The first element that both authenticates and
//! authorizes lets the request in.** Otherwise the answer is 503 where an element could not be asked, else 403
//! where one knew the caller, else 401. Resources override their service.
//!
#![cfg_attr(
    all(feature = "config", feature = "file", feature = "axum"),
    doc = r##"
# From Config.toml

```
use axum::{Router, routing::get};
use portcullis::{AuthLayer, Config};
# use tower::ServiceExt;

# #[tokio::main(flavor = "current_thread")]
# async fn main() -> Result<(), Box<dyn std::error::Error>> {
let config = Config::parse( // or Config::load("Config.toml")
    r#"
    [[auth.users]]
    username = "alice"
    password = "password1"
    scopes = ["hello"]

    [services."/foo"]
    auth = [{ scopes = "hello", fileUserStoreConfig = {} }]
    "#,
    ".",
)?;
let foo = config.service("/foo")?.build().await?;

let app: Router = Router::new()
    .route("/foo/bar", get(|| async { "Hello, World!" }))
    .layer(AuthLayer::new(foo));

// portcullis::serve(app, &config).await
# let ask = |authorization: Option<&'static str>| {
#     let mut request = http::Request::get("/foo/bar");
#     if let Some(value) = authorization {
#         request = request.header("authorization", value);
#     }
#     app.clone().oneshot(request.body(axum::body::Body::empty()).unwrap())
# };
# assert_eq!(ask(None).await?.status(), 401);
# assert_eq!(ask(Some("Basic YWxpY2U6cGFzc3dvcmQx")).await?.status(), 200);
# Ok(())
# }
```

# In code

```
use axum::{Router, routing::get};
use portcullis::{Auth, AuthRouter, FileUserStore, GuardExt, User};

# fn main() -> Result<(), Box<dyn std::error::Error>> {
let auth = Auth::builder()
    .element(FileUserStore::new([User::with_password("alice", "password1").scopes(["hello"])]), "hello")
    .build()?;

let app: Router = AuthRouter::new()
    .route("/foo/bar", get(|| async { "Hello, World!" }))
    .route("/foo/admin", get(|| async { "secret" }).scopes("admin"))
    .route("/foo/health", get(|| async { "ok" }).public())
    .guard(&auth)?;
# let _ = app;
# Ok(())
# }
```
"##
)]
//!
//! # Features
//!
//! Features decide what is compiled, never how it behaves. A configuration that needs an absent one is told
//! which to add.
//!
//! | feature | brings | default |
//! |---|---|---|
//! | `config` | [`Config`]: Config.toml | yes |
//! | `file` | [`FileUserStore`]: Basic credentials against configured users | yes |
//! | `jwt` | [`JwtValidator`]: bearer tokens | yes |
//! | `axum` | [`AuthRouter`], extractors, [`serve()`]: the HTTPS listener | yes |
//! | `full` | all of them | no |

#[cfg(feature = "config")]
mod config;
#[cfg(all(feature = "config", feature = "axum"))]
mod listen;

pub use portcullis_core::{
    Admission, Auth, AuthBuilder, Basic, Bearer, BoxFuture, BuildError, Clock, Contact, Context, Credential,
    CredentialError, CredentialErrorKind, Deciding, Decision, Element, ElementReport, Explanation, Identity,
    IntoProvider, Looked, Outcome, Override, Policy, Principal, Provider, Refusal, Rejection, RejectionKind,
    RequestHead, RequiredScopes, Resource, ResourceView, Scheme, Scopes, Secret, Step, SystemClock,
    Unavailable, UnixTime, authenticate_header, authorize,
};

/// Reading a configuration section: for providers of your own.
pub use portcullis_core::config as section;

#[cfg(feature = "config")]
pub use self::config::{
    Answer, Config, ConfigBuilder, ConfigError, CorsConfig, GatewayConfig, PathMatching, ServiceConfig,
    Upstream,
};
#[cfg(all(feature = "config", feature = "axum"))]
pub use self::listen::serve;
#[cfg(feature = "axum")]
pub use portcullis_axum::*;
#[cfg(feature = "file")]
pub use portcullis_file as file;
#[cfg(feature = "file")]
pub use portcullis_file::{FileUserStore, StoredUsers, User, UserRecord, UserStore};
#[cfg(feature = "jwt")]
pub use portcullis_jwt as jwt;
#[cfg(feature = "jwt")]
pub use portcullis_jwt::{JwtValidator, JwtValidatorConfig};
#[cfg(not(feature = "axum"))]
pub use portcullis_tower::*;
