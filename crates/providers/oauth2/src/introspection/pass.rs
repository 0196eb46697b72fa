//! A lookup's place at the gate, which can be taken from it where nobody drives its runtime.

use std::{
    future::poll_fn,
    mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, ready},
};

use portcullis_core::fair::{Entering, Full, Permit};

/// Clones are the same place. The last one that is dropped gives it up.
#[derive(Clone)]
pub(super) struct Pass(Arc<Mutex<Stand>>);

enum Stand {
    Comes(Entering),
    Inside { _permit: Permit },
    Lost,
}

impl Pass {
    pub(super) fn new(entering: Entering) -> Self {
        Self(Arc::new(Mutex::new(Stand::Comes(entering))))
    }

    /// Waits for its turn, once.
    ///
    /// # Errors
    ///
    /// Where the place was needed for another party, or was given up.
    pub(super) async fn let_in(&self) -> Result<(), Full> {
        poll_fn(|cx| {
            let mut stand = self.lock();
            let Stand::Comes(entering) = &mut *stand else { return Poll::Ready(Err(Full)) };
            let permit = ready!(Pin::new(entering).poll(cx))?;
            *stand = Stand::Inside { _permit: permit };
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Gives the place up, whoever has the pass still. Nothing should be locked.
    pub(super) fn give_up(&self) {
        let stand = mem::replace(&mut *self.lock(), Stand::Lost);
        drop(stand);
    }

    fn lock(&self) -> MutexGuard<'_, Stand> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
