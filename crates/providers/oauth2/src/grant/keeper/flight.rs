//! A fetch under way: it runs by itself, and all who wait for it are told what it gave.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use portcullis_core::TokenError;
use tokio::runtime::Handle;

use super::{Fetched, Keep};
use crate::flight::{self, Tell};

/// A fetch under way.
pub(super) type Flight = flight::Flight<Fetched>;

/// A fetch that is about to begin.
pub(super) struct Departure {
    pub(super) flight: Flight,
    runtime: Handle,
    landing: Landing,
}

impl Departure {
    pub(super) fn new(keep: Arc<Keep>, number: u64, asked: Duration) -> Result<Self, TokenError> {
        let runtime = Handle::try_current().map_err(|error| {
            TokenError::transient("tokens are fetched on a tokio runtime, and there is none")
                .with_source(error)
        })?;
        let (tell, flight) = Flight::new(number, asked.saturating_add(keep.fetch.longest()));
        Ok(Self {
            flight,
            runtime,
            landing: Landing { keep, number, asked, trying_out: false, tell: Some(tell) },
        })
    }

    /// For people who want to know.
    pub(super) fn trying_out(mut self) -> Self {
        self.landing.trying_out = true;
        self
    }

    /// Sets it off: from now on nobody can end it by going away.
    pub(super) fn depart(self) -> Flight {
        self.runtime.spawn(self.landing.fly());
        self.flight
    }
}

/// Brings a fetch to its end, also where it breaks off.
struct Landing {
    keep: Arc<Keep>,
    number: u64,
    asked: Duration,
    trying_out: bool,
    /// Gone once it has landed.
    tell: Option<Tell<Fetched>>,
}

impl Landing {
    async fn fly(mut self) {
        // A panic is noted as any failure is: it would come again at once.
        let fetching = AssertUnwindSafe(async { self.keep.fetch.fetch().await });
        let outcome = fetching
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Err(TokenError::transient("the fetch of a token panicked")));
        let tell = self.tell.take();
        self.keep.land(self.number, self.asked, self.trying_out, &outcome);
        let took = self.keep.clock.monotonic().saturating_sub(self.asked);
        self.keep.observers.tell(outcome.as_ref().err(), took);
        if let Some(tell) = tell {
            // Whoever waited may have gone.
            _ = tell.send(outcome);
        }
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        if self.tell.is_some() {
            self.keep.lost(self.number);
        }
    }
}
