//! How a key set stands: for start-up, for probes, and for people.

use std::time::Duration;

use portcullis_core::{BuildError, Clock as _, Probe, ServerState, SystemClock};

use super::{held::Held, log, source::KeySource};

const ROLE: &str = "jwks";

/// A key set as it stands now.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct JwksState {
    /// Where it comes from, without the query.
    pub url: String,
    /// How many keys there are; 0 where it was never fetched.
    pub count: usize,
    /// How many keys of the set are left out, because they cannot verify signatures.
    pub skipped: usize,
    /// How long ago it was fetched, or found unchanged; `None` where it never was.
    pub age: Option<Duration>,
    /// Whether it may be used: there is one, and it is not too old.
    pub usable: bool,
    /// What went wrong when it was last fetched; `None` where nothing did, or it never was.
    pub last_error: Option<String>,
    /// How often fetching it began.
    pub fetches: u64,
}

impl KeySource {
    pub(crate) fn state(&self) -> JwksState {
        let standing = self.standing();
        let held = standing.held.as_deref();
        JwksState {
            url: self.url().to_string(),
            count: held.map_or(0, |held| held.keys().len()),
            skipped: held.map_or(0, |held| held.skipped().len()),
            age: held.map(|held| held.age(standing.now)),
            usable: held.is_some_and(|held| held.is_usable(standing.now)),
            last_error: standing.failure.map(|failure| failure.to_string()),
            fetches: standing.fetches,
        }
    }

    pub(crate) fn server(&self) -> ServerState {
        let state = self.state();
        let mut server = ServerState::unasked(ROLE, state.url);
        // A set that was never fetched is, with the first token that needs it.
        server.usable = state.usable || (state.age.is_none() && state.last_error.is_none());
        server.holds = state.age.map(|_| state.count);
        server.age = state.age;
        server.last_error = state.last_error;
        server
    }

    /// Fetches where a service does not start without the keys; else says that it starts without.
    ///
    /// # Errors
    ///
    /// When the keys are needed and cannot be had.
    pub(crate) async fn prepare(&self) -> Result<(), BuildError> {
        if self.look().keys().is_some() {
            return Ok(());
        }
        if !self.is_preloaded() {
            log::lazy(&self.url());
            return Ok(());
        }
        self.fetch_now().await.map(|_| ()).map_err(|failure| {
            BuildError::new(format!(
                "the keys cannot be fetched, and preload = true asks for them at start: {failure}"
            ))
        })
    }

    /// Asks now.
    pub(crate) async fn probe(&self) -> Probe {
        // For people: how long it takes on their watch.
        let watch = SystemClock::new();
        let fetched = self.fetch_now().await;
        let url = match &fetched {
            Ok(held) => held.url.to_string(),
            Err(failure) => failure.url.to_string(),
        };
        let result = fetched.map(|held| told(&held)).map_err(|failure| failure.reason.to_string());
        Probe::new(ROLE, url, watch.monotonic(), result)
    }
}

fn told(held: &Held) -> String {
    let (count, skipped) = (held.keys().len(), held.skipped());
    let keys = if count == 1 { "key" } else { "keys" };
    match skipped.first() {
        None => format!("{count} {keys}"),
        Some(why) => format!("{count} {keys}, {} skipped ({why})", skipped.len()),
    }
}
