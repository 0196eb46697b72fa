//! How an issuer starts.

use std::sync::{Arc, atomic::AtomicU64};

use portcullis_core::{Clock, SystemClock};

use super::{Algorithm, TestIssuer, answers::State};
use crate::server::{Bound, TestTls};

/// An issuer before it starts. See [`TestIssuer::builder`].
#[derive(Debug)]
#[must_use = "an issuer exists once it is started"]
pub struct TestIssuerBuilder {
    clock: Arc<dyn Clock>,
    path: String,
    algorithm: Algorithm,
    tls: Option<TestTls>,
}

impl TestIssuerBuilder {
    pub(super) fn new() -> Self {
        let clock = Arc::new(SystemClock::new());
        Self { clock, path: String::new(), algorithm: Algorithm::Es256, tls: None }
    }

    /// The clock that `iat` and `exp` come from; the machine's unless given.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// A path of the issuer identifier, as several issuers on one host have: `/realms/one`. None unless given.
    ///
    /// # Panics
    ///
    /// If it does not start with a slash, or ends with one.
    pub fn path(mut self, path: &str) -> Self {
        assert!(path.starts_with('/') && !path.ends_with('/'), "{path:?} is no path such as /realms/one");
        path.clone_into(&mut self.path);
        self
    }

    /// The algorithm of the first key; ES256 unless given.
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// Over https, at `https://localhost:PORT`.
    pub fn https(mut self, tls: TestTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Starts it.
    ///
    /// # Panics
    ///
    /// If there is no free port.
    pub async fn start(self) -> TestIssuer {
        let bound = Bound::new(self.tls);
        let url = format!("{}{}", bound.origin(), self.path);
        let state = Arc::new(State::new(url.clone(), self.path));
        let answers = Arc::clone(&state);
        let server = bound.serve(move |call| answers.answer(call)).await;
        let (tokens, names) = (AtomicU64::new(0), AtomicU64::new(0));
        let issuer = TestIssuer { server, url, state, clock: self.clock, tokens, names };
        issuer.add_key(self.algorithm);
        issuer
    }
}
