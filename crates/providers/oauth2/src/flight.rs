//! A fetch under way: whoever waits for it is told what it gave.

use std::time::Duration;

use futures_util::{
    FutureExt as _,
    future::{Either, Shared, select},
};
use portcullis_core::{Clock, TokenError};
use tokio::{runtime::Handle, sync::oneshot};

/// What tells those who wait; whoever fetches holds it.
pub(crate) type Tell<T> = oneshot::Sender<Result<T, TokenError>>;

/// A fetch under way.
#[derive(Clone)]
pub(crate) struct Flight<T: Clone> {
    pub(crate) number: u64,
    /// When it is given up for lost: its own deadlines have passed, so that nobody drives the runtime it runs on.
    pub(crate) until: Duration,
    told: Shared<oneshot::Receiver<Result<T, TokenError>>>,
}

impl<T: Clone> Flight<T> {
    pub(crate) fn new(number: u64, until: Duration) -> (Tell<T>, Self) {
        let (tell, told) = oneshot::channel();
        (tell, Self { number, until, told: told.shared() })
    }

    /// What it gave; `None` where it broke off, or is given up for lost.
    pub(crate) async fn landed(self, clock: &dyn Clock) -> Option<Result<T, TokenError>> {
        // Only tokio can wake who waits for a moment.
        if Handle::try_current().is_err() {
            return self.told.await.ok();
        }
        let left = self.until.saturating_sub(clock.monotonic());
        match select(self.told, clock.sleep(left)).await {
            Either::Left((result, _)) => result.ok(),
            Either::Right(_) => None,
        }
    }
}
