//! Calls to a server that go on when their caller has gone.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use super::Throttle;

/// A call to a server about a token, permitted by [`Context::permit_call`](crate::Context::permit_call).
///
/// For providers whose calls go on when their caller has hung up: whoever asks and does not wait would have servers asked for free.
/// Where the caller waits for the answer, the decision counts, and this does nothing.
#[derive(Clone)]
pub struct Call(pub(super) Option<Caller>);

#[derive(Clone)]
pub(super) struct Caller {
    pub(super) throttle: Throttle,
    pub(super) address: Option<u64>,
    pub(super) calls: Arc<Calls>,
}

impl Call {
    pub(crate) const fn untold() -> Self {
        Self(None)
    }

    /// Says that the server refuses the token.
    pub fn refused(self) {
        let Some(Caller { throttle, address, calls }) = self.0 else { return };
        if calls.note(Calls::REFUSED) {
            let bid = throttle.bid(address, 0, throttle.later());
            throttle.lock().count_address(&bid);
        }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").finish_non_exhaustive()
    }
}

/// What became of the calls of one attempt.
#[derive(Debug, Default)]
pub(super) struct Calls(AtomicU8);

impl Calls {
    pub(super) const REFUSED: u8 = 1;
    pub(super) const GONE: u8 = 2;

    /// Notes one of the two; whether the other one had been noted and it makes both.
    pub(super) fn note(&self, which: u8) -> bool {
        let before = self.0.fetch_or(which, Ordering::AcqRel);
        before != 0 && before & which == 0
    }
}
