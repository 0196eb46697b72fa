//! The tokens that come again and again, near the threads that see them.

use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use portcullis_core::Identity;

use super::{Entry, Known};

/// How many tokens are near a thread.
const SLOTS: usize = 16;

/// A few tokens, each with a count of callers that this thread alone writes to. Threads that let the same caller in out of
/// one memory spend most of the time on its counts and its lock.
///
/// Every look-up asks again for all that may have changed, as that in the large memory does. A token comes here when it is
/// found there twice, with none that could lie here in between: tokens that come once in a while do not drive others away.
#[derive(Default)]
pub(super) struct Near(Mutex<Slots>);

#[derive(Default)]
pub(super) struct Slots([Slot; SLOTS]);

#[derive(Default)]
struct Slot {
    held: Option<Held>,
    /// The end of the token that was asked for last, and is not here.
    asked: Option<End>,
}

struct Held {
    entry: Arc<Entry>,
    /// This thread's own.
    identity: Arc<Identity>,
    /// By which the keys are known among which the token's was seen.
    seen: Option<u64>,
}

/// The end of a token, which is that of its signature and as good as random.
type End = [u8; 8];

impl Near {
    /// What lies here, unless another thread is looking.
    pub(super) fn lock(&self) -> Option<MutexGuard<'_, Slots>> {
        match self.0.try_lock() {
            Ok(slots) => Some(slots),
            // A clock panicked. No slot is ever left half changed.
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

impl Slots {
    /// Whose token it is, if it lies here and `is_good`; what is not is forgotten. `number` is that of the keys.
    pub(super) fn get(
        &mut self,
        token: &[u8],
        number: Option<u64>,
        is_good: impl FnOnce(&Known, Option<u64>) -> bool,
    ) -> Option<Arc<Identity>> {
        let (slot, _) = self.slot(token)?;
        let held = slot.held.as_mut().filter(|held| **held.entry.token.0 == *token)?;
        if !is_good(&held.entry.known, held.seen) {
            slot.held = None;
            return None;
        }
        held.seen = number;
        slot.asked = None;
        Some(Arc::clone(&held.identity))
    }

    /// Takes an entry that was found in the large memory, if it was the last time.
    pub(super) fn found(&mut self, entry: &Arc<Entry>) {
        let Some((slot, end)) = self.slot(&entry.token.0) else { return };
        if slot.asked.replace(end) == Some(end) {
            slot.held = Some(Held { entry: Arc::clone(entry), identity: entry.own_identity(), seen: None });
        }
    }

    #[cfg(test)]
    pub(super) fn peek(&mut self, token: &[u8]) -> Option<Arc<Identity>> {
        let held = self.slot(token)?.0.held.as_ref().filter(|held| **held.entry.token.0 == *token)?;
        Some(Arc::clone(&held.identity))
    }

    /// Where a token lies, and its end.
    fn slot(&mut self, token: &[u8]) -> Option<(&mut Slot, End)> {
        let end = *token.last_chunk()?;
        // The last characters of a signature are not all equally likely.
        let mixed = u64::from_le_bytes(end).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let slot = usize::try_from(mixed).unwrap_or_default() % SLOTS;
        Some((self.0.get_mut(slot)?, end))
    }
}
