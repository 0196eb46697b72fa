//! An issuer of tokens, with its key set and its discovery documents.

mod answers;
mod builder;
mod keys;
mod token;

use std::{
    fmt,
    ops::Deref,
    sync::{
        Arc, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use portcullis_core::{Clock, UnixTime};
use serde_json::Value;

use self::{
    answers::{Document, State},
    keys::Key,
};
pub use self::{builder::TestIssuerBuilder, keys::Algorithm, token::TestToken};
use crate::server::TestServer;

/// An OpenID-style issuer in the test's own process: it signs tokens, and serves its keys and its discovery documents.
///
/// It starts with one ES256 key. Every method of [`TestServer`] works on it: it can hang, go away and come back.
///
/// ```
/// use portcullis_testing::TestIssuer;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let issuer = TestIssuer::start().await;
/// // A validator is given `issuer.url()` or `issuer.jwks_url()`, and requests carry tokens such as this one.
/// let token = issuer.token().subject("bob").audience("orders").scopes(["read", "write"]).sign();
///
/// // The issuer has a new key, and the old one is gone.
/// issuer.rotate();
/// let newer = issuer.token().audience("orders").sign();
/// # assert_ne!(token, newer);
///
/// // The issuer is away: connections are refused until it comes back, on the same port.
/// issuer.go_down().await;
/// issuer.come_back().await;
/// assert_eq!(issuer.fetches().jwks, 0);
/// # }
/// ```
pub struct TestIssuer {
    server: TestServer,
    url: String,
    state: Arc<State>,
    clock: Arc<dyn Clock>,
    tokens: AtomicU64,
    names: AtomicU64,
}

/// How often a [`TestIssuer`] was asked for its documents. Requests that were held, or answered with an error, count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fetches {
    /// Requests for the key set.
    pub jwks: usize,
    /// Requests for a discovery document, of either form.
    pub discovery: usize,
    /// Requests for the key set that were answered with 304: nothing has changed.
    pub not_modified: usize,
}

impl TestIssuer {
    /// Starts one over plain http, with the machine's clock.
    ///
    /// # Panics
    ///
    /// If there is no free port.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// One with another clock, path, key, or over https.
    pub fn builder() -> TestIssuerBuilder {
        TestIssuerBuilder::new()
    }

    /// The issuer identifier, which stands in `iss`: `http://127.0.0.1:PORT`, with the path if it was given one.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where the key set is.
    #[must_use]
    pub fn jwks_url(&self) -> String {
        format!("{}/jwks", self.url)
    }

    /// A token to be filled in and signed.
    pub fn token(&self) -> TestToken<'_> {
        TestToken::new(self, self.tokens.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// One key more, by which tokens are signed from now on. Answers its `kid`.
    pub fn add_key(&self, algorithm: Algorithm) -> String {
        let kid = self.fresh_kid();
        self.add_key_as(&kid, algorithm);
        kid
    }

    /// One key more of this name. A key that had the name is gone: same `kid`, other key.
    pub fn add_key_as(&self, kid: &str, algorithm: Algorithm) {
        let key = Key::generate(kid.to_owned(), algorithm);
        let mut keys = self.state.keys();
        keys.retain(|key| key.kid != kid);
        keys.push(key);
        self.state.changed();
    }

    /// A new key of the newest one's algorithm takes the place of all. Answers its `kid`.
    pub fn rotate(&self) -> String {
        let algorithm = self.state.keys().last().map_or(Algorithm::Es256, |key| key.algorithm);
        let kid = self.fresh_kid();
        let key = Key::generate(kid.clone(), algorithm);
        let mut keys = self.state.keys();
        // At no time is there a set without a key.
        keys.iter_mut().for_each(|key| key.published = false);
        keys.push(key);
        self.state.changed();
        kid
    }

    fn fresh_kid(&self) -> String {
        format!("key-{}", self.names.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Takes a key out of the key set. [`TestToken::key`] still signs by it.
    ///
    /// # Panics
    ///
    /// If the issuer has no such key.
    pub fn retire(&self, kid: &str) {
        match self.state.keys().iter_mut().find(|key| key.kid == kid) {
            Some(key) => key.published = false,
            None => panic!("the issuer has no key {kid:?}"),
        }
        self.state.changed();
    }

    /// The `kid` of the key that signs: the newest that is published.
    ///
    /// # Panics
    ///
    /// If all are retired.
    #[must_use]
    pub fn kid(&self) -> String {
        match self.state.keys().iter().rev().find(|key| key.published) {
            Some(key) => key.kid.clone(),
            None => panic!("all keys of the issuer are retired"),
        }
    }

    /// The key set as it is served, unless [`answer_jwks_with`](Self::answer_jwks_with) serves another.
    #[must_use]
    pub fn jwks(&self) -> Value {
        self.state.key_set()
    }

    /// How often its documents were fetched.
    #[must_use]
    pub fn fetches(&self) -> Fetches {
        self.state.fetches(&self.server.calls())
    }

    /// Waits until the key set has been asked for `count` times since the start.
    ///
    /// # Panics
    ///
    /// If it is not within a minute.
    pub async fn fetched(&self, count: usize) {
        let reached = |calls: &[crate::Call]| self.state.fetches(calls).jwks >= count;
        self.server.wait_until(&format!("{count} fetches of the key set"), reached).await;
    }

    /// `Cache-Control` of the key set. There is none at first.
    pub fn cache_control(&self, value: &str) {
        self.state.settings().cache_control = Some(value.to_owned());
    }

    /// The key set is answered with this text, whatever it is, until [`recover`](Self::recover).
    pub fn answer_jwks_with(&self, content_type: &str, body: impl Into<Bytes>) {
        self.state.settings().jwks = Some(Document::new(content_type, body));
        self.state.changed();
    }

    /// Discovery, in both forms, is answered with this text, until [`recover`](Self::recover).
    pub fn answer_discovery_with(&self, content_type: &str, body: impl Into<Bytes>) {
        self.state.settings().discovery = Some(Document::new(content_type, body));
    }

    /// One member of the discovery document more, or another value of one: an `issuer` that is not this one's, a
    /// `jwks_uri` elsewhere. Null removes it.
    pub fn discovery_member(&self, name: &str, value: impl Into<Value>) {
        self.state.settings().members.insert(name.to_owned(), value.into());
    }

    /// `/.well-known/openid-configuration` (OpenID Connect Discovery 1.0 §4) is 404 from now on; the form of RFC 8414
    /// is left.
    pub fn without_openid_configuration(&self) {
        self.state.settings().openid = false;
    }

    /// `/.well-known/oauth-authorization-server` (RFC 8414 §3) is 404 from now on; the form of OpenID is left.
    pub fn without_authorization_server_metadata(&self) {
        self.state.settings().rfc8414 = false;
    }

    /// Takes back every failure and every answer given by hand. A server that is down stays down.
    pub fn recover(&self) {
        self.server.recover();
        let mut settings = self.state.settings();
        settings.jwks = None;
        settings.discovery = None;
        drop(settings);
        self.state.changed();
    }

    fn now(&self) -> UnixTime {
        self.clock.now()
    }

    fn keys(&self) -> MutexGuard<'_, Vec<Key>> {
        self.state.keys()
    }
}

impl Deref for TestIssuer {
    type Target = TestServer;

    fn deref(&self) -> &TestServer {
        &self.server
    }
}

/// Shows no key.
impl fmt::Debug for TestIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestIssuer")
            .field("url", &self.url)
            .field("fetches", &self.fetches())
            .finish_non_exhaustive()
    }
}
