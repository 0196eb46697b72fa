//! Finds out whether a password is right, at a bounded cost.
//!
//! Whoever knows users asks a [`Verifier`]: it answers from memory where the same credential was verified before
//! ([`memory`]), lets identical questions share one answer ([`flights`]), and computes hashes elsewhere than on
//! the async threads, few at a time and fairly between addresses ([`pool`]). What is computed for one
//! question, so that its cost tells nothing, is in [`attempt`].

mod attempt;
mod flights;
mod memory;
mod pool;
mod prf;
mod priority;

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures_util::FutureExt;
use portcullis_core::{Basic, BuildError, Clock, Context, QueueState, Unavailable};
use zeroize::Zeroizing;

pub use self::pool::Hashing;
use self::{attempt::Attempt, flights::Flights, memory::Memory};
pub(crate) use self::{
    attempt::Finding,
    memory::MAX_AGE,
    prf::{Digest, Prf, mark},
};
use crate::hash::{Parameters, PasswordHash};

/// Answers whether passwords are right.
pub(crate) struct Verifier {
    prf: Prf,
    memory: Memory,
    flights: Flights,
    hashing: Hashing,
    /// Ages are measured on one clock, the first that is seen: two clocks may have two scales.
    clock: OnceLock<Arc<dyn Clock>>,
}

/// A stored hash, and what tells it, as that of its user, from every other.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) hash: Arc<PasswordHash>,
    pub(crate) fingerprint: Digest,
}

impl PartialEq for Stored {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl Verifier {
    pub(crate) fn new(hashing: Hashing, remember_for: Duration) -> Result<Self, BuildError> {
        Ok(Self {
            prf: Prf::random()?,
            memory: Memory::new(remember_for),
            flights: Flights::default(),
            hashing,
            clock: OnceLock::new(),
        })
    }

    pub(crate) const fn prf(&self) -> &Prf {
        &self.prf
    }

    /// The fingerprint of the hash that `credential` was verified against, not long ago. Whether anybody has that hash still
    /// is for who asks to find out.
    pub(crate) fn verified_against(&self, credential: &Digest, cx: &Context<'_>) -> Option<Digest> {
        if cx.may_remember() { self.memory.get(credential, self.clock(cx).coarse_monotonic()) } else { None }
    }

    /// Remembers that `credential` was verified against this hash.
    pub(crate) fn remember(&self, credential: &Digest, stored: &Stored, cx: &Context<'_>) {
        if cx.may_remember() {
            self.memory.put(*credential, stored.fingerprint, self.clock(cx).monotonic());
        }
    }

    /// The queues of its computations.
    pub(crate) fn queues(&self) -> Vec<QueueState> {
        self.hashing.queues()
    }

    /// Whether nothing is under way and nothing was left behind.
    #[cfg(test)]
    pub(crate) fn is_idle(&self) -> bool {
        self.flights.is_idle() && self.hashing.is_idle()
    }

    fn clock(&self, cx: &Context<'_>) -> &Arc<dyn Clock> {
        self.clock.get_or_init(|| Arc::clone(cx.clock()))
    }

    /// Computes what it takes to tell whether the password is the stored one. `None` stands for a user who is not
    /// known, or whose password is already known not to be this one: that costs as much as any other refusal.
    ///
    /// A caller that drops the future gives its place up, unless others wait for the same answer.
    pub(crate) async fn verify(
        &self,
        credential: &Digest,
        basic: &Basic,
        stored: Option<&Stored>,
        equalised: &Arc<[Parameters]>,
        cx: &Context<'_>,
    ) -> Result<Finding, Unavailable> {
        if stored.is_none() && equalised.is_empty() {
            return Ok(Finding::Wrong);
        }
        let attempt = Attempt {
            password: Zeroizing::new(basic.password().as_bytes().to_vec()),
            hash: stored.map(|stored| Arc::clone(&stored.hash)),
            equalised: Arc::clone(equalised),
        };
        let answer = self.hashing.answer(cx.client().into(), attempt);
        if cx.may_remember() {
            let question = (*credential, stored.map(|stored| stored.fingerprint));
            self.flights.join(question, || answer.boxed()).await
        } else {
            answer.await
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("hashing", &self.hashing).finish_non_exhaustive()
    }
}
