//! The client's side: outgoing requests that carry a credential, which looks after itself.
//!
#![cfg_attr(
    all(feature = "reqwest", feature = "config"),
    doc = r##"
With reqwest, keep the client that is there already, and send by [`SendVia`](crate::SendVia):

```no_run
use portcullis::{Config, SendVia as _};

# async fn run() -> Result<(), Box<dyn std::error::Error>> {
let config = Config::load("Config.toml")?;
let orders = config.client("orders")?.build().await?;

let client = reqwest::Client::builder().redirect(portcullis::redirect_policy()).build()?;
let reply = client.get("https://orders.example/orders/7").send_via(&orders).await?;
# drop(reply);
# Ok(())
# }
```

That client is of reqwest 0.13, with the features that the application gives it, its TLS among them: portcullis asks for none
that decides about TLS. [`redirect_policy`](crate::redirect_policy) says why it is worth having.

Or take a ready one, with URL, TLS and credential from one table. Paths are joined to its URL:

```no_run
# async fn run(config: portcullis::Config) -> Result<(), Box<dyn std::error::Error>> {
let orders = config.client("orders")?.reqwest().await?;
let reply = orders.get("/orders/7").send().await?;
# drop(reply);
# Ok(())
# }
```
"##
)]
//! # In Config.toml
//!
//! ```toml
//! [clients.orders]
//! url = "https://orders.example"       # the credential goes to this origin, and nowhere else
//! auth = { tokenUrl = "https://id.example/token", clientId = "shop", clientSecret = { env = "CLIENT_SECRET" }, scopes = "orders" }
//! ```
//!
//! | `auth` | shows |
//! |---|---|
//! | `username`, `password` | user name and password |
//! | `token` | a token as it is |
//! | `signatureConfig` | JWTs that are signed here, once per lifetime |
//! | `tokenUrl` or `refreshUrl` | tokens of a token endpoint: client credentials, password, refresh token, JWT bearer, token exchange |
//!
//! # The doors
//!
//! - [`ClientAuth`](crate::ClientAuth): a credential and where it may go, cheap to clone. It is what
//!   [`ConfiguredClient::build`](crate::Config::client) gives, and is made in code by
//!   [`ClientAuth::builder`](crate::ClientAuth::builder) of any [`TokenSource`](crate::TokenSource). It puts the credential on
//!   requests of WebSocket clients and everything else by `enrich`.
//! - [`ClientAuthLayer`](crate::ClientAuthLayer): a layer for any `Service<http::Request<B>>`, such as hyper-util's client and
//!   tonic's channels.
//! - [`HyperClient`] and `ReqwestClient`: ready clients.
//! - [`OnBehalfOf`]: a service passes on who called it, by token exchange.
//!
//! # Rules
//!
//! * The header is set, never added, and marked as sensitive. A request that has an `Authorization` keeps it, and is none of
//!   the client's business then.
//! * The credential goes to the client's own origins, over https or within this machine. A request to elsewhere is an error,
//!   and is never sent without the credential instead.
//! * Tokens are fetched once for all who wait, and renewed before they expire. A caller that goes away cancels nothing.
//! * After a 401 that is not for lack of scope, another token is fetched where it can be, and the request is sent once more
//!   where it can be.

mod connect;
mod hyper;
mod join;
#[cfg(feature = "reqwest")]
mod reqwest;
mod transport;

pub use portcullis_core::{
    AssertionPurpose, AssertionReader, AssertionSigner, Authorization, OnBehalfOf, TokenLease, UnfitForHeader,
};
pub use portcullis_outbound::HttpVersion;
pub use portcullis_tower::client_auth::{
    IncomingResponse, KeptRequest, NeverReplay, OutgoingRequest, Replay, ReplayCloned, ReplayEmpty,
    ResponseFuture, Target,
};

#[cfg(feature = "reqwest")]
pub use self::reqwest::{RequestBuilder, ReqwestClient};
pub use self::{
    hyper::{Connections, HyperClient, TransportError},
    transport::Transport,
};
