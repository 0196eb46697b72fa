//! What a service tells of its decisions: each of them once, by the same word everywhere, and the numbers that are there.
#![cfg(all(
    feature = "config",
    feature = "axum",
    feature = "metrics",
    feature = "file",
    feature = "jwks",
    feature = "introspection",
    feature = "ldap",
    feature = "client"
))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod audit;
mod numbers;
mod reasons;

use std::{
    io,
    sync::{Arc, Mutex},
};

use portcullis::{BoxFuture, Context, Credential, Identity, Outcome, Provider, Reason, Scheme, Unavailable};
use tracing_subscriber::fmt::format::FmtSpan;

/// What was logged.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Captured {
    fn lines(&self) -> Vec<String> {
        let bytes = self.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
    }

    /// Captures what this thread logs, at every level.
    fn start() -> (Self, tracing::subscriber::DefaultGuard) {
        let captured = Self::default();
        let writer = captured.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_span_events(FmtSpan::CLOSE)
            .with_ansi(false)
            .without_time()
            .with_writer(move || writer.clone())
            .finish();
        (captured, tracing::subscriber::set_default(subscriber))
    }
}

/// Answers by the token: `good`, `weak`, `hangs`, `panics`, or a reason after `refused.` and `unavailable.`.
#[derive(Debug)]
struct ByToken;

impl Provider for ByToken {
    fn kind(&self) -> &'static str {
        "by-token"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn try_authenticate(&self, credential: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        Self::answer(credential)
    }

    fn authenticate<'a>(
        &'a self,
        credential: &'a Credential<'a>,
        _: &'a Context<'a>,
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(async {
            match Self::answer(credential) {
                Some(outcome) => outcome,
                None => std::future::pending().await,
            }
        })
    }
}

impl ByToken {
    /// `None` where it hangs.
    fn answer(credential: &Credential<'_>) -> Option<Outcome> {
        let Credential::Bearer(bearer) = credential else { panic!("asked for another scheme") };
        let reason = |word: &str| *Reason::ALL.iter().find(|one| one.as_str() == word).unwrap();
        match bearer.token().split_once('.').unwrap_or((bearer.token(), "")) {
            ("good", _) => Some(Outcome::known(Identity::new("alice").with_scopes(["hello"]))),
            ("weak", _) => Some(Outcome::known(Identity::new("alice"))),
            ("refused", word) => Some(Outcome::refused(reason(word), "it is wrong")),
            ("unavailable", word) => Some(Unavailable::new("away").because(reason(word)).into()),
            ("panics", _) => panic!("as it should"),
            _ => None,
        }
    }
}
