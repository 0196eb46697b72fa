//! The key set in use, and how long it is.

use std::{sync::Arc, time::Duration};

use super::{
    fetch::{Fetched, Validators},
    freshness::{LONGEST_AGE, refresh_after},
};
use crate::keys::{FetchedSet, KeySet, Unusable};

/// How long key sets are used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ages {
    /// The age at which a set is looked for again, where the server does not say.
    pub(super) default: Duration,
    /// No set is looked for earlier, whatever the server says.
    pub(super) least: Duration,
    /// For how much longer a set is used while no newer one can be had.
    pub(super) stale: Duration,
}

/// A key set in use. Moments are on the monotonic scale.
#[derive(Debug)]
pub(super) struct Held {
    set: Arc<FetchedSet>,
    pub(super) url: Arc<str>,
    pub(super) validators: Arc<Validators>,
    /// How old it may become.
    age: Duration,
    /// When it was last asked for.
    asked_at: Duration,
    /// When it is looked for again.
    pub(super) refresh_at: Duration,
    /// From when on it is not used any more.
    unusable_at: Duration,
}

impl Held {
    /// What is in use after an answer that was asked for at `asked_at`.
    ///
    /// # Errors
    ///
    /// When the answer is no key set.
    pub(super) fn after(
        fetched: Fetched,
        before: Option<&Self>,
        ages: Ages,
        asked_at: Duration,
        random: f64,
    ) -> Unusable<Self> {
        let set = match (fetched.body, before) {
            (Some(body), _) => Arc::new(FetchedSet::read(&body, before.map(|before| &*before.set))?),
            (None, Some(before)) => Arc::clone(&before.set),
            (None, None) => return Err("has not changed, it says, and was never there".to_owned()),
        };
        // RFC 9111 §4.3.4: what an answer to a conditional request does not say, the one that it confirms has said.
        let unchanged = before.filter(|before| Arc::ptr_eq(&before.set, &set));
        let silent = unchanged.map_or(ages.default, |before| before.age);
        let age = fetched.said.unwrap_or(silent).clamp(ages.least.min(LONGEST_AGE), LONGEST_AGE);
        Ok(Self {
            set,
            url: fetched.url,
            validators: Arc::new(fetched.validators),
            age,
            asked_at,
            refresh_at: asked_at.saturating_add(refresh_after(age, random)),
            unusable_at: asked_at.saturating_add(age).saturating_add(ages.stale),
        })
    }

    pub(super) fn keys(&self) -> &KeySet {
        self.set.keys()
    }

    pub(super) fn skipped(&self) -> &[String] {
        self.set.skipped()
    }

    pub(super) fn is_usable(&self, now: Duration) -> bool {
        now < self.unusable_at
    }

    /// Until when there is nothing to be done about it, where no fetch may begin before `quiet_until`.
    pub(super) fn calm_until(&self, quiet_until: Duration) -> Duration {
        self.refresh_at.max(quiet_until).min(self.unusable_at)
    }

    /// How long ago it was asked for.
    pub(super) fn age(&self, now: Duration) -> Duration {
        now.saturating_sub(self.asked_at)
    }

    /// Whether it holds the same as the one before.
    pub(super) fn is_same_as(&self, before: &Self) -> bool {
        Arc::ptr_eq(&self.set, &before.set) || self.set.is_same_as(&before.set)
    }
}
