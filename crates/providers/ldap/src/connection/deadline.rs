//! Time-outs by the service's clock.

use std::{sync::Arc, time::Duration};

use portcullis_core::Clock;

/// Until when something has to be over, as a whole.
#[derive(Clone, Debug)]
pub(crate) struct Deadline {
    clock: Arc<dyn Clock>,
    at: Duration,
}

impl Deadline {
    pub(crate) fn after(clock: &Arc<dyn Clock>, span: Duration) -> Self {
        Self { clock: Arc::clone(clock), at: clock.monotonic().saturating_add(span) }
    }

    /// Completes with `work`, or with `None` once `span` has passed or the whole is over.
    pub(crate) async fn within<T>(&self, span: Duration, work: impl Future<Output = T>) -> Option<T> {
        let span = span.min(self.at.saturating_sub(self.clock.monotonic()));
        if span.is_zero() {
            return None;
        }
        tokio::select! {
            biased;
            done = work => Some(done),
            () = self.clock.sleep(span) => None,
        }
    }

    /// Whether there is no time left.
    pub(crate) fn is_over(&self) -> bool {
        self.clock.monotonic() >= self.at
    }

    pub(crate) const fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    pub(crate) fn now(&self) -> Duration {
        self.clock.monotonic()
    }
}
