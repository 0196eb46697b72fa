//! Identical logins that are under way at the same time share one answer.

use std::{
    collections::HashMap,
    fmt,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};
use portcullis_core::{Outcome, Reason, Unavailable};

use crate::memory::prf::Digest;

/// So many wait for one login at most. Whoever comes on top begins another, and waits for a connection, as a bounded number may.
const MOST_SHARING: usize = 1024;

/// Logins that are under way. A client that sends twenty requests at once, before the first is answered, logs in once. The
/// answer is given up when the last of those who wait for it goes away, so that there are never more logins than callers.
#[derive(Clone, Default)]
pub(crate) struct Flights(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    flights: HashMap<Digest, (u64, WeakShared<BoxFuture<'static, Outcome>>)>,
    started: u64,
}

impl Flights {
    /// The answer that is on its way, or else the one that `start` begins.
    pub(crate) fn join(
        &self,
        question: Digest,
        start: impl FnOnce() -> BoxFuture<'static, Outcome>,
    ) -> Shared<BoxFuture<'static, Outcome>> {
        // One that has enough is let go after the lock: the last to do so ends it, and that asks for the lock.
        let flight;
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        flight = table.flights.get(&question).and_then(|(_, flight)| flight.upgrade());
        if let Some(flight) = &flight
            && flight.strong_count() <= Some(MOST_SHARING)
        {
            return flight.clone();
        }
        table.started += 1;
        let number = table.started;
        let landing = Landing { flights: self.clone(), question, number };
        let answer = start();
        let flight = async move {
            let _landing = landing;
            // A panic would be each waiting caller's, and some of them would never be woken.
            AssertUnwindSafe(answer)
                .catch_unwind()
                .await
                .unwrap_or_else(|_| Unavailable::new("the login broke off").because(Reason::Panicked).into())
        }
        .boxed()
        .shared();
        if let Some(weak) = flight.downgrade() {
            table.flights.insert(question, (number, weak));
        }
        flight
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).flights.len()
    }
}

/// Forgets a login when it ends, or is given up.
struct Landing {
    flights: Flights,
    question: Digest,
    number: u64,
}

impl Drop for Landing {
    fn drop(&mut self) {
        let mut table = self.flights.0.lock().unwrap_or_else(PoisonError::into_inner);
        if table.flights.get(&self.question).is_some_and(|(number, _)| *number == self.number) {
            table.flights.remove(&self.question);
        }
    }
}

impl fmt::Debug for Flights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").field("len", &self.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::prf::Prf;

    #[tokio::test]
    async fn a_login_that_panics_is_unavailable_for_all_who_wait_for_it() {
        let (flights, prf) = (Flights::default(), Prf::random().unwrap());
        let question = prf.credential("alice:a");
        let join = || flights.join(question, || async { panic!("in a login") }.boxed());
        let (first, second) = (join(), join());
        for outcome in [first.await, second.await] {
            let Outcome::Unavailable(unavailable) = outcome else { panic!("{outcome:?}") };
            assert_eq!(unavailable.reason(), Reason::Panicked);
        }
        assert_eq!(flights.len(), 0);
    }

    #[tokio::test]
    async fn who_comes_when_too_many_wait_for_a_login_begins_another() {
        let (flights, prf) = (Flights::default(), Prf::random().unwrap());
        let question = prf.credential("alice:a");
        let begun = std::cell::Cell::new(0);
        let join = || {
            flights.join(question, || {
                begun.set(begun.get() + 1);
                std::future::pending().boxed()
            })
        };
        let waiting: Vec<_> = (0..MOST_SHARING).map(|_| join()).collect();
        assert_eq!(begun.get(), 1);
        let mut next: Vec<_> = (0..MOST_SHARING).map(|_| join()).collect();
        assert_eq!(begun.get(), 2);
        // The end of the first one is not that of the other.
        drop(waiting);
        assert_eq!(flights.len(), 1);
        next.truncate(1);
        next.push(join());
        assert_eq!(begun.get(), 2);
        drop(next);
        assert_eq!(flights.len(), 0);
    }
}
