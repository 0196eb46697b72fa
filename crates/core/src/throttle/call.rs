//! Calls to a server that go on when their caller has gone.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
};

use super::{Throttle, counter::Failure};

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

    /// Says that no server was asked for it after all: somebody else's question about the same token was on its way, and its answer
    /// is taken.
    pub fn joined(self) {
        if let Some(caller) = self.0 {
            caller.calls.joined();
        }
    }

    /// Says that the server refuses the token.
    pub fn refused(self) {
        let Some(Caller { throttle, address, calls }) = self.0 else { return };
        if calls.note(Calls::REFUSED) {
            let bid = throttle.bid(address, 0, throttle.later());
            throttle.lock().count_address(Failure::Plain, &bid);
        }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").finish_non_exhaustive()
    }
}

/// The calls of one attempt.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// What became of them.
    ends: AtomicU8,
    /// Those that were permitted and joined nobody else's.
    own: AtomicUsize,
}

impl Calls {
    pub(super) const REFUSED: u8 = 1;
    pub(super) const GONE: u8 = 2;

    /// Notes one of the two; whether the other one had been noted and it makes both.
    pub(super) fn note(&self, which: u8) -> bool {
        let before = self.ends.fetch_or(which, Ordering::AcqRel);
        before != 0 && before & which == 0
    }

    /// Notes that nobody waits for them any more, unless it was known before what they say.
    pub(super) fn are_left(&self) {
        _ = self.ends.compare_exchange(0, Self::GONE, Ordering::AcqRel, Ordering::Acquire);
    }

    pub(super) fn permitted(&self) {
        self.own.fetch_add(1, Ordering::AcqRel);
    }

    fn joined(&self) {
        self.own.fetch_sub(1, Ordering::AcqRel);
    }

    /// Whether a server was asked for this attempt.
    pub(super) fn were_made(&self) -> bool {
        self.own.load(Ordering::Acquire) > 0
    }
}
