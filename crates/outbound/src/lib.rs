//! The one outbound HTTP client of portcullis: what `clientConfig` says, for calls to key sets, introspection and token
//! endpoints.
//!
//! - [`Endpoint`]: a URL that may be called.
//! - [`ClientConfig`]: what `clientConfig` says, in code or from a configuration file; [`read_endpoint`] reads a URL that is
//!   called with it.
//! - [`HttpClient`]: makes the calls, a [`Get`] or a [`Form`] at a time.
//! - [`Answer`], or an [`OutboundError`].
//! - [`TokenSourceReader`]: how a section `auth` becomes a source of tokens.
//!
//! # Rules
//!
//! * Plain http goes to this machine only, unless [`ClientConfig::allow_insecure_http`] says otherwise.
//! * No redirect is followed and no proxy of the environment is asked.
//! * The whole call has a deadline, from the wish for a token to the last byte of the answer. Connecting has one of its own.
//! * An answer is bounded: 64 KiB and 100 lines of headers, [`ClientConfig::max_body_bytes`] of body, no compression.
//! * Connections are kept for 30 s and used again, at most 32 idle ones per server. At most 128 calls run at a time; further
//!   ones wait, and their deadline runs.
//! * A request is sent once more only where a kept connection turned out to be closed before a byte of it was sent, and where
//!   the server refused the token that it carried.
//! * Values of headers and parameters are secrets: no error, log or `Debug` shows one, nor a URL's query, nor a body.
//!
//! # Example
//!
//! ```no_run
//! use portcullis_outbound::{ClientConfig, Endpoint, Form, HttpClient};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = HttpClient::new(ClientConfig::new().header("X-Tenant", "blue"))?;
//! let endpoint = Endpoint::parse("localhost:9445/oauth2/introspect")?;
//! let answer = client.post_form(&endpoint, &Form::new().push("token", "2YotnFZFEjr1zCsicMWpAA")).await?;
//! let active = answer.json_object()?.get("active") == Some(&true.into());
//! # drop(active);
//! # Ok(())
//! # }
//! ```

mod answer;
mod client;
mod config;
mod endpoint;
mod error;
mod form;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod get;
mod header;
mod read;
mod tls;

pub use self::{
    answer::Answer,
    client::HttpClient,
    config::{ClientConfig, HttpVersion, Purpose, UnknownHttpVersion},
    endpoint::{Endpoint, EndpointError},
    error::{OutboundError, OutboundErrorKind},
    form::Form,
    get::Get,
    read::{TokenSourceReader, read_endpoint},
};
