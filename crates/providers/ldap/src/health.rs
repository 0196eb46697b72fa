//! Whether the directory can be asked: told once when it changes, and kept for whoever asks.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::{info, warn};

/// The state of the directory, as logins find it.
#[derive(Debug, Default)]
pub(crate) struct Health(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    begun: u64,
    /// The number of the latest login that said something. What an earlier one says later is old news: one that times out may
    /// have begun before the directory came back.
    heard: u64,
    failing: Option<String>,
    /// Search bases below which something stands at other servers; told once each.
    referred: Vec<String>,
}

impl Health {
    /// The number of a login that begins.
    pub(crate) fn begin(&self) -> u64 {
        let mut state = self.lock();
        state.begun += 1;
        state.begun
    }

    /// The directory told about login `number`.
    pub(crate) fn answered(&self, number: u64, domain: &str) {
        let mut state = self.lock();
        if number < state.heard {
            return;
        }
        state.heard = number;
        if state.failing.take().is_some() {
            drop(state);
            info!(target: "portcullis", domain, "the directory answers again");
        }
    }

    /// The directory could not tell about login `number`.
    pub(crate) fn failed(&self, number: u64, domain: &str, what: &str) {
        let mut state = self.lock();
        if number < state.heard {
            return;
        }
        state.heard = number;
        let before = state.failing.replace(what.to_owned());
        drop(state);
        // Once for an outage. Each request that it keeps out has an event of its own.
        if before.is_none() {
            warn!(
                target: "portcullis",
                domain,
                error = what,
                remedy = "logins that are not remembered are answered with 503 until it does",
                "the directory cannot be asked"
            );
        }
    }

    /// What stands at other servers is not looked at.
    pub(crate) fn referred(&self, domain: &str, base: &str) {
        let mut state = self.lock();
        if state.referred.len() >= 64 || state.referred.iter().any(|told| told == base) {
            return;
        }
        state.referred.push(base.to_owned());
        drop(state);
        info!(
            target: "portcullis",
            domain,
            base,
            remedy = "referrals are not followed: name the other servers' entries by a store of their own where they matter",
            "the directory refers to other servers"
        );
    }

    /// Why it cannot be asked; `None` where it can.
    pub(crate) fn failing(&self) -> Option<String> {
        self.lock().failing.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_bases_are_noted() {
        let health = Health::default();
        for number in 0..200 {
            health.referred("x", &format!("ou={number}"));
        }
        assert_eq!(health.lock().referred.len(), 64);
    }

    #[test]
    fn what_an_earlier_login_says_later_is_old_news() {
        let health = Health::default();
        let (first, second) = (health.begin(), health.begin());
        health.answered(second, "x");
        health.failed(first, "x", "it took too long");
        assert_eq!(health.failing(), None);
        let (third, fourth) = (health.begin(), health.begin());
        health.failed(fourth, "x", "it is away");
        health.answered(third, "x");
        assert_eq!(health.failing().as_deref(), Some("it is away"));
        health.answered(health.begin(), "x");
        assert_eq!(health.failing(), None);
    }
}
