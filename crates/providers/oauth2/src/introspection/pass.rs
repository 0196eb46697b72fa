//! A lookup's place at the gate, which can be taken from it where nobody drives its runtime.

use std::{
    future::poll_fn,
    mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

use portcullis_core::fair::{Entering, Full, Permit};

/// Clones are the same place. The last one that is dropped gives it up.
#[derive(Clone)]
pub(super) struct Pass(Arc<Mutex<Stand>>);

enum Stand {
    /// And who is to be told when it is taken away.
    Comes(Entering, Option<Waker>),
    Inside {
        _permit: Permit,
    },
    Lost,
}

impl Pass {
    pub(super) fn new(entering: Entering) -> Self {
        Self(Arc::new(Mutex::new(Stand::Comes(entering, None))))
    }

    /// Waits for its turn, once.
    ///
    /// # Errors
    ///
    /// Where the place was needed for another party, or was given up.
    pub(super) async fn let_in(&self) -> Result<(), Full> {
        poll_fn(|cx| {
            let mut stand = self.lock();
            let Stand::Comes(entering, waker) = &mut *stand else { return Poll::Ready(Err(Full)) };
            let Poll::Ready(entered) = Pin::new(entering).poll(cx) else {
                *waker = Some(cx.waker().clone());
                return Poll::Pending;
            };
            *stand = Stand::Inside { _permit: entered? };
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Gives the place up, whoever has the pass still. Nothing should be locked.
    pub(super) fn give_up(&self) {
        let stand = mem::replace(&mut *self.lock(), Stand::Lost);
        if let Stand::Comes(_, Some(waker)) = &stand {
            waker.wake_by_ref();
        }
        drop(stand);
    }

    fn lock(&self) -> MutexGuard<'_, Stand> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Context;

    use portcullis_core::fair::{Gate, Party};

    use super::*;

    #[test]
    fn whoever_waits_learns_that_the_place_was_given_up() {
        let gate = Gate::new(1, 1);
        let enter = || Pass::new(gate.enter(Party::Unknown).unwrap());
        let (first, second) = (enter(), enter());
        let told = Arc::new(Told::default());
        let waker = Waker::from(Arc::clone(&told));
        let mut cx = Context::from_waker(&waker);
        assert_eq!(Box::pin(first.let_in()).as_mut().poll(&mut cx), Poll::Ready(Ok(())));
        let mut waits = Box::pin(second.let_in());
        assert_eq!(waits.as_mut().poll(&mut cx), Poll::Pending);
        assert_eq!((told.times(), gate.waiting(), gate.inside()), (0, 1, 1));
        second.give_up();
        assert_eq!((told.times(), gate.waiting(), gate.inside()), (1, 0, 1));
        assert_eq!(waits.as_mut().poll(&mut cx), Poll::Ready(Err(Full)));
        first.give_up();
        assert_eq!((told.times(), gate.inside()), (1, 0), "nobody waits for it");
    }

    #[derive(Default)]
    struct Told(Mutex<usize>);

    impl Told {
        fn times(&self) -> usize {
            *self.0.lock().unwrap()
        }
    }

    impl std::task::Wake for Told {
        fn wake(self: Arc<Self>) {
            *self.0.lock().unwrap() += 1;
        }
    }
}
