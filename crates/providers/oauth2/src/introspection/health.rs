//! How the server last behaved: told once when it changes, and kept for whoever asks.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use portcullis_core::ServerState;
use tracing::{info, warn};

/// The state of one server.
#[derive(Debug, Default)]
pub(super) struct Health(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The number of the latest lookup that said something. What an earlier one says later is old news: a call that
    /// times out may have begun before the server came back.
    heard: u64,
    answered_at: Option<Duration>,
    failing: Option<String>,
}

impl Health {
    /// The server answered lookup `number` rightly at `now`, on the monotonic scale.
    pub(super) fn answered(&self, number: u64, now: Duration, url: &str) {
        let mut state = self.lock();
        if number < state.heard {
            return;
        }
        state.heard = number;
        state.answered_at = Some(now);
        if state.failing.take().is_some() {
            drop(state);
            info!(target: "portcullis", url, "the introspection endpoint answers again");
        }
    }

    /// The server did not answer lookup `number`, or not rightly.
    pub(super) fn failed(&self, number: u64, what: &str, url: &str) {
        let mut state = self.lock();
        if number < state.heard {
            return;
        }
        state.heard = number;
        let fell = state.failing.replace(what.to_owned()).is_none();
        drop(state);
        // Once for an outage. Each request that it keeps out has an event of its own.
        if fell {
            warn!(
                target: "portcullis",
                url,
                error = what,
                remedy = "tokens that are not remembered are answered with 503 until it does",
                "the introspection endpoint does not answer"
            );
        }
    }

    /// The state at `now`, on the monotonic scale.
    pub(super) fn state(&self, url: String, holds: Option<usize>, now: Option<Duration>) -> ServerState {
        let state = self.lock();
        let mut seen = ServerState::unasked("introspection", url);
        seen.usable = state.failing.is_none();
        seen.holds = holds;
        seen.age = now.zip(state.answered_at).map(|(now, at)| now.saturating_sub(at));
        seen.last_error = state.failing.clone();
        seen
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
