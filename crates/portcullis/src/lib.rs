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

Handlers take [`Caller`], [`Claims`] or [`Scoped`]. Routes that are added after [`guard`](AuthRouter::guard) are not
guarded. The rules of [`AuthLayer`] and of [`AuthRouter`], and the order of layers (CORS, tracing, `route_layer`), are
in the documentation of `portcullis_axum`.

# HTTPS in code

[`serve()`] takes the listener of a [`Config`]; [`serve::serve`] takes one that is made in code:

```no_run
# async fn run(app: axum::Router) -> Result<(), Box<dyn std::error::Error>> {
use portcullis::{keys::{Identity, ServerTls}, serve::{self, ListenerConfig}};

let identity = Identity::from_files("tls/server.crt", "tls/server.key", None)?;
let listener = ListenerConfig::new("0.0.0.0:8443".parse()?).secure(ServerTls::new(identity))?;
serve::serve(app, &listener).await?; // until SIGTERM or SIGINT
# Ok(())
# }
```

Any other server will do as well. Put a [`ClientAddr`] into the extensions of its requests, so that logs show who it was
and hashing is shared out fairly.

# A provider of your own

Implement [`Provider`], in a crate that depends on `portcullis-core` alone. It may have a key of its own in Config.toml:

```
use portcullis::{BoxFuture, BuildError, Config, Context, Credential, Identity, Outcome, Provider, Reason, Scheme, Secret};
use portcullis::section::Section;

#[derive(Debug)]
struct ApiKey {
    key: Secret,
    owner: String,
}

impl ApiKey {
    fn read(section: &Section<'_>) -> Result<Self, BuildError> {
        // Ask for every key first: all mistakes are told at once.
        let (key, owner) = (section.required_secret("key"), section.required_string("owner"));
        let (Some(key), Some(owner)) = (key, owner) else { return Err(BuildError::new("told already")) };
        Ok(Self { key, owner })
    }
}

impl Provider for ApiKey {
    fn kind(&self) -> &'static str {
        "api-key"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn try_authenticate(&self, credential: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        Some(match credential {
            // Secrets compare in constant time.
            Credential::Bearer(bearer) if self.key == Secret::new(bearer.token()) => {
                Outcome::known(Identity::new(self.owner.as_str()).with_scopes(["hello"]))
            }
            _ => Outcome::refused(Reason::UnknownKey, "no such key"),
        })
    }

    // Asked only where `try_authenticate` answered `None`: it has to wait.
    fn authenticate<'a>(&'a self, credential: &'a Credential<'a>, cx: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
        let answer = self.try_authenticate(credential, cx);
        Box::pin(async { answer.unwrap_or_else(|| Outcome::refused(Reason::UnknownKey, "no such key")) })
    }
}

let config = Config::builder().provider("apiKeyConfig", ApiKey::read).parse(
    r#"
    [services."/foo"]
    auth = [{ scopes = "hello", apiKeyConfig = { key = "s3cr3t", owner = "carol" } }]
    "#,
    ".",
)?;
# let _ = config;
# Ok::<_, portcullis::ConfigError>(())
```

Who only has users elsewhere, such as in a database, implements [`UserStore`] and wraps it into [`StoredUsers`]: hashing,
equal cost and memory come with it.
"##
)]
#![cfg_attr(
    all(feature = "config", feature = "jwks", feature = "introspection"),
    doc = r##"
# Tokens of an identity provider

JWTs by the keys that their issuer publishes, opaque tokens by asking it:

```
let config = portcullis::Config::parse(
    r#"
    [services."/orders"]
    auth = [
      { scopes = "orders", jwtValidatorConfig = {
          audience = "orders", signatureConfig = { jwksConfig = { issuer = "https://id.example" } },
      } },
      { scopes = "orders", oauth2IntrospectionConfig = { url = "https://id.example/introspect" } },
    ]
    "#,
    ".",
)?; // contacts nobody: keys are fetched with the first token
# let _ = config;
# Ok::<_, portcullis::ConfigError>(())
```

In code these are [`JwtValidator`] with [`SignatureConfig::jwks`](jwt::SignatureConfig::jwks), and [`OAuth2Introspection`].
[`Provider::servers`] says how their servers were last seen.
"##
)]
#![cfg_attr(
    all(feature = "config", feature = "client"),
    doc = r##"
# Outgoing calls

A client's credential is obtained, renewed, and put on its requests, to its own servers alone:

```
use portcullis::{ClientAuthLayer, Config};

# async fn run() -> Result<(), Box<dyn std::error::Error>> {
let config = Config::parse(
    r#"
    [clients.orders]
    url = "https://orders.example"
    auth = { tokenUrl = "https://id.example/token", clientId = "shop", clientSecret = "s3cr3t", scopes = "orders" }
    "#,
    ".",
)?; // contacts nobody: the token is fetched for the first request
let orders = config.client("orders")?;

let layer = ClientAuthLayer::new(orders.build().await?); // for hyper-util's client, tonic's channels, reqwest's client
let ready = orders.hyper().await?; // or a ready client, with URL and TLS of the same table
# let _ = (layer, ready);
# Ok(())
# }
```

[`client`] has all the doors, reqwest's first.
"##
)]
#![cfg_attr(
    feature = "ws",
    doc = r"
# WebSockets

[`GuardedUpgrade`] opens WebSockets that end with their token; [`CredentialSources`] names places for tokens that
browsers can fill. The guide is in the documentation of `portcullis_axum`.
"
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
//! | `ldap` | `LdapUserStore`: Basic credentials against a directory | no |
//! | `jwt` | [`JwtValidator`]: bearer tokens | yes |
//! | `jwks` | keys of an identity provider for [`JwtValidator`]: key sets and discovery | no |
//! | `introspection` | `OAuth2Introspection`: opaque bearer tokens | no |
//! | `client` | `ClientAuth`, `ClientAuthLayer`: credentials of outgoing calls; a ready client on hyper | no |
//! | `reqwest` | `send_via` for reqwest, and a ready client on it | no |
//! | `reqwest-middleware` | the same as a middleware of reqwest-middleware | no |
//! | `axum` | [`AuthRouter`], extractors, [`serve()`]: the HTTPS listener | yes |
//! | `ws` | WebSockets that end with their token, for axum | no |
//! | `metrics` | [`metrics`](mod@metrics): numbers about decisions and providers; as text for Prometheus, too | no |
//! | `full` | all of them | no |
//!
//! Without `axum`, [`AuthLayer`] is the one of `portcullis-tower`, for plain hyper and any other service; with it the same
//! name also knows which route axum matched. Both guard any `Service<http::Request<B>>`.

mod audit;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "config")]
mod config;
#[cfg(all(feature = "config", feature = "axum"))]
mod listen;
#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg(feature = "config")]
mod reload;

pub use portcullis_core::{
    Accounts, Admission, Asker, Auth, AuthBuilder, Basic, Bearer, BoxFuture, BuildError, Clock, Contact,
    Context, Credential, CredentialError, CredentialErrorKind, CredentialSources, Deciding, Decision,
    Element, ElementReport, Ended, Expired, Explanation, Guess, Held, Identity, IntoProvider, Lease,
    LiveAuth, Looked, Observer, OfferedProtocols, Outcome, Override, Policy, Principal, Probe, Protocol,
    Provider, QueueState, Reason, Refusal, Rejection, RejectionKind, RequestHead, RequiredScopes, Resource,
    ResourceView, Scheme, Scopes, Secret, ServerState, Step, SystemClock, Throttle, TokenError, TokenSource,
    Unavailable, UnixTime, authenticate_header, authorize,
};

pub use self::audit::AuditLog;

/// Who is told of decisions: for metrics and audits of your own.
pub mod observe {
    pub use portcullis_core::{
        Answer, Asked, ConnectionEnded, Decided, Observer, RefreshObserver, RefreshObservers, Refreshed,
        Shown, TurnedAway,
    };
}

/// Reading a configuration section: for providers of your own.
pub use portcullis_core::config as section;

#[cfg(all(feature = "config", feature = "client"))]
pub use self::config::ConfiguredClient;
#[cfg(feature = "config")]
pub use self::config::{
    Answer, Config, ConfigBuilder, ConfigError, CorsConfig, GatewayConfig, PathMatching, ReloadConfig,
    ServiceConfig, Upstream,
};
#[cfg(all(feature = "config", feature = "axum"))]
pub use self::listen::{serve, serve_live};
#[cfg(feature = "config")]
pub use self::reload::{Commit, Follow, Live, LiveService, ReloadState, Reloaded};
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
/// Keys, certificates and key stores: what a listener shows and trusts, in code.
#[cfg(any(feature = "config", feature = "axum", feature = "client"))]
pub use portcullis_keys as keys;
#[cfg(feature = "ldap")]
pub use portcullis_ldap as ldap;
#[cfg(feature = "ldap")]
pub use portcullis_ldap::{LdapConfig, LdapUserStore};
#[cfg(any(feature = "introspection", feature = "client"))]
pub use portcullis_oauth2 as oauth2;
#[cfg(feature = "introspection")]
pub use portcullis_oauth2::{IntrospectionConfig, OAuth2Introspection};
/// Calls to key sets, introspection and token endpoints, in code.
#[cfg(any(feature = "introspection", feature = "jwks", feature = "client"))]
pub use portcullis_outbound as outbound;
#[cfg(not(feature = "axum"))]
pub use portcullis_tower::*;
// portcullis-axum has what names axum, and these do not.
#[cfg(feature = "client")]
pub use portcullis_tower::{
    ClientAuth, ClientAuthBuilder, ClientAuthError, ClientAuthErrorKind, ClientAuthLayer, ClientAuthService,
    SendError,
};
#[cfg(feature = "reqwest")]
pub use portcullis_tower::{SendVia, redirect_policy};
