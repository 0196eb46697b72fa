//! The one outbound HTTP client of portcullis: what `clientConfig` says, for calls to key sets, introspection and token
//! endpoints.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use portcullis_core::{BuildError, Secret, TokenSource, config::Section};

/// A URL that may be called. `Display` and `Debug` leave its user-info and query out.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint(http::Uri);

/// What an outbound client is for: unverified TLS towards a server of keys needs a second yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Purpose {
    /// Keys that tokens are verified with.
    Keys,
    /// Tokens.
    Tokens,
}

/// Which HTTP is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpVersion {
    /// What the server offers (ALPN); HTTP/1.1 without TLS.
    #[default]
    Negotiated,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2; without TLS by prior knowledge.
    Http2,
}

/// `clientConfig` in code.
#[derive(Clone, Default)]
#[must_use]
pub struct ClientConfig {}

/// Makes a [`TokenSource`] from the section `auth` of a `clientConfig`. Plugged into the configuration's reader by whoever
/// assembles it, since grants live in another crate.
#[derive(Clone)]
pub struct TokenSourceReader(Arc<dyn Fn(&Section<'_>) -> Option<Arc<dyn TokenSource>> + Send + Sync>);

/// A client for calls to configured endpoints. Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub struct HttpClient {}

/// What a server answered, within the bounds.
#[derive(Debug)]
#[non_exhaustive]
pub struct Answer {
    /// The status; never a redirect.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// A GET.
#[derive(Debug)]
#[must_use]
pub struct Get {}

/// The parameters of a form, each name and value percent-encoded when sent (application/x-www-form-urlencoded). Redacted in
/// `Debug`.
#[derive(Clone, Default)]
#[must_use]
pub struct Form {}

/// Why there is no answer.
pub struct OutboundError {}
