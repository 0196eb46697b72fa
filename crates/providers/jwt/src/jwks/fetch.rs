//! What fetching a key set gives, whoever does it.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::HeaderValue;
use portcullis_core::BoxFuture;
use portcullis_outbound::Endpoint;

/// Fetches a key set once. The deadline and the bound of the body are its own.
pub(super) trait Fetch: fmt::Debug + Send + Sync + 'static {
    /// Where it asks first, for people.
    fn url(&self) -> &str;

    /// Asks.
    fn fetch(&self, before: Before) -> BoxFuture<'_, Result<Fetched, Failure>>;
}

/// What came of earlier fetches.
#[derive(Clone, Debug, Default)]
pub(super) struct Before {
    /// What the last good answer can be recognised by.
    pub(super) known: Option<Arc<Validators>>,
    /// Whether the last fetch failed.
    pub(super) failed: bool,
}

/// An answer that is a key set, or says that it has not changed.
#[derive(Debug)]
pub(super) struct Fetched {
    /// Where the set came from, for people.
    pub(super) url: Arc<str>,
    /// The text; `None` where it is the one that is known.
    pub(super) body: Option<Bytes>,
    /// For how long the server says that it is good.
    pub(super) said: Option<Duration>,
    /// What this answer can be recognised by.
    pub(super) validators: Validators,
}

/// What an answer can be recognised by (RFC 9110 §8.8), as the server wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Validators {
    /// Where it was asked for. Nobody else gets to see them.
    pub(super) endpoint: Endpoint,
    pub(super) etag: Option<HeaderValue>,
    pub(super) last_modified: Option<HeaderValue>,
}

/// Why there is no key set. One line, without a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// Who was asked, for people.
    pub(super) url: Arc<str>,
    pub(super) reason: Arc<str>,
    /// Whether anybody was reached who could have answered.
    pub(super) reached: bool,
}

impl Failure {
    pub(super) fn new(url: &str, reason: impl fmt::Display) -> Self {
        Self { url: url.into(), reason: reason.to_string().into(), reached: true }
    }

    /// The same where there was nobody to ask: no connection came about.
    pub(super) fn unreached(self) -> Self {
        Self { reached: false, ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.url, self.reason)
    }
}
