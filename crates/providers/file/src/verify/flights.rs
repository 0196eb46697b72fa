//! Identical questions that are asked at the same time share one answer.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};
use portcullis_core::{Reason, Unavailable};

use super::{attempt::Finding, prf::Digest};

/// So many wait for one answer at most. Whoever comes on top asks anew, and stands in the queue for it, which is bounded.
const MOST_SHARING: usize = 1024;

type Answer = Result<Finding, Unavailable>;
/// A credential, and the hash that it is held against.
type Question = (Digest, Option<Digest>);
type Flight = WeakShared<BoxFuture<'static, Answer>>;

/// Questions whose answers are on their way. A client that sends twenty requests at once, before the first is
/// answered, costs one hash. The answer is given up when the last of those who wait for it goes away.
#[derive(Clone, Default)]
pub(super) struct Flights(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    flights: HashMap<Question, (u64, Flight)>,
    started: u64,
}

impl Flights {
    /// The answer that is on its way, or else the one that `start` begins.
    pub(super) fn join(
        &self,
        question: Question,
        start: impl FnOnce() -> BoxFuture<'static, Answer>,
    ) -> Shared<BoxFuture<'static, Answer>> {
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
            AssertUnwindSafe(answer).catch_unwind().await.unwrap_or_else(|_| {
                Err(Unavailable::new("the verification of a password broke off").because(Reason::Panicked))
            })
        }
        .boxed()
        .shared();
        if let Some(weak) = flight.downgrade() {
            table.flights.insert(question, (number, weak));
        }
        flight
    }

    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.0.lock().unwrap().flights.is_empty()
    }
}

/// Forgets a flight when it ends, or is given up.
struct Landing {
    flights: Flights,
    question: Question,
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

#[cfg(test)]
mod tests {
    use super::{super::prf::Prf, *};

    #[tokio::test]
    async fn a_verification_that_panics_is_unavailable_for_all_who_wait_for_it() {
        let (flights, prf) = (Flights::default(), Prf::random().unwrap());
        let question = (prf.credential("alice:a"), None);
        let join = || flights.join(question, || async { panic!("in a verification") }.boxed());
        let (first, second) = (join(), join());
        for answer in [first.await, second.await] {
            assert_eq!(answer.unwrap_err().reason(), Reason::Panicked);
        }
        assert!(flights.is_idle());
    }

    #[tokio::test]
    async fn who_comes_when_too_many_wait_for_an_answer_asks_anew() {
        let (flights, prf) = (Flights::default(), Prf::random().unwrap());
        let question = (prf.credential("alice:a"), None);
        let asked = std::cell::Cell::new(0);
        let join = || {
            flights.join(question, || {
                asked.set(asked.get() + 1);
                std::future::pending().boxed()
            })
        };
        let _waiting: Vec<_> = (0..MOST_SHARING).map(|_| join()).collect();
        assert_eq!(asked.get(), 1);
        let _next: Vec<_> = (0..MOST_SHARING).map(|_| join()).collect();
        assert_eq!(asked.get(), 2);
    }

    #[tokio::test]
    async fn an_answer_that_nobody_waits_for_any_more_takes_no_other_along() {
        let (flights, prf) = (Flights::default(), Prf::random().unwrap());
        let question = (prf.credential("alice:a"), None);
        let asked = std::cell::Cell::new(0);
        let join = || {
            flights.join(question, || {
                asked.set(asked.get() + 1);
                std::future::pending().boxed()
            })
        };
        let first: Vec<_> = (0..MOST_SHARING).map(|_| join()).collect();
        let crowded = join();
        let second = join();
        assert_eq!(asked.get(), 2);
        drop((first, crowded));
        let third = join();
        assert_eq!(asked.get(), 2, "the second is still on its way");
        drop((second, third));
        assert!(flights.is_idle());
    }
}
