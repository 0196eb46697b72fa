//! A fetch on its way, and what becomes of its answer.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use super::{
    super::{
        bucket::Share,
        fetch::{Before, Failure, Fetched},
        held::Held,
        log,
    },
    Settings, Shared, nanoseconds,
};

/// A fetch that is under way. However it ends, those who wait for it are told.
pub(super) struct Flight {
    shared: Arc<Shared>,
    number: u64,
    landed: bool,
}

impl Flight {
    pub(super) const fn of(shared: Arc<Shared>, number: u64) -> Self {
        Self { shared, number, landed: false }
    }

    pub(super) async fn run(mut self) {
        let asked_at = self.shared.now();
        let before = Before {
            known: self.shared.held.load_full().map(|held| Arc::clone(&held.validators)),
            failed: self.shared.lock().failure().is_some(),
        };
        let result = self.shared.fetch.fetch(before).await;
        let (shared, number) = (Arc::clone(&self.shared), self.number);
        // A set of many keys takes milliseconds to prepare.
        let landing = tokio::task::spawn_blocking(move || shared.land(number, result, asked_at));
        self.landed = landing.await.is_ok();
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if !self.landed {
            let failure = Failure::new(self.shared.fetch.url(), "the fetch was given up");
            self.shared.land(self.number, Err(failure), Duration::ZERO);
        }
    }
}

impl Shared {
    /// Makes the answer to the fetch of this number the keys in use, unless it was given up before.
    pub(super) fn land(&self, number: u64, result: Result<Fetched, Failure>, asked_at: Duration) {
        let before = self.held.load_full();
        let url = result.as_ref().map_or_else(|failure| Arc::clone(&failure.url), |new| Arc::clone(&new.url));
        let held = result.and_then(|fetched| {
            let Settings { ages, random, .. } = &self.settings;
            Held::after(fetched, before.as_deref(), *ages, asked_at, random())
                .map_err(|why| Failure::new(&url, format!("the answer {why}")))
        });
        let (held, failure) = match held {
            Ok(held) => (Some(Arc::new(held)), None),
            Err(failure) => (None, Some(failure)),
        };
        let now = self.now();
        let mut state = self.lock();
        if !state.end(number, failure.clone(), now) {
            return;
        }
        if let Some(held) = &held {
            self.held.store(Some(Arc::clone(held)));
        }
        let quiet_until = now.saturating_add(state.wait(Share::Spare, now));
        self.quiet_until.store(nanoseconds(quiet_until), Ordering::Relaxed);
        let calm_until = held.as_deref().or(before.as_deref()).map(|held| held.calm_until(quiet_until));
        self.ended.store(number, Ordering::Release);
        self.calm_until.store(nanoseconds(calm_until.unwrap_or_default()), Ordering::Release);
        drop(state);
        match (held, failure) {
            (Some(held), _) => log::fetched(&held, before.as_deref()),
            (None, Some(failure)) => {
                log::failed(&failure, before.is_some_and(|before| before.is_usable(now)));
            }
            (None, None) => {}
        }
        // The one that began after it may have been quicker to say so.
        self.ends.send_modify(|ended| *ended = number.max(*ended));
    }
}
