//! Lookups on their way: identical questions that are asked at the same time are one call, and there are not too many.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt, future::Shared};
use portcullis_core::{Outcome, QueueState, Reason, Unavailable};
use tokio::{runtime::Handle, sync::oneshot};

use crate::prf::Digest;

/// What a caller is told to wait who found no place.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How many lookups are on their way at most, and how many callers wait for one at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) lookups: usize,
    pub(super) waiting: usize,
}

impl Limits {
    pub(super) const DEFAULT: Self = Self { lookups: 512, waiting: 16_384 };
}

/// How a caller takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Boarding {
    /// Takes the answer of a lookup that is on its way, else begins one that others may join.
    Join,
    /// Begins one that others may join: an answer to what was asked before is none.
    Afresh,
    /// Begins one that nobody joins and that leaves no trace.
    Alone,
}

/// The lookups that are on their way. Each runs by itself: a caller that goes away ends none.
#[derive(Clone)]
pub(super) struct Flights(Arc<Mutex<Table>>);

struct Table {
    limits: Limits,
    /// The lookup of each question that was begun last.
    latest: HashMap<Digest, Flight>,
    lookups: usize,
    waiting: usize,
    begun: u64,
}

struct Flight {
    number: u64,
    answer: Shared<oneshot::Receiver<Outcome>>,
}

/// What a lookup found, and how it is remembered.
pub(super) struct Landed<R> {
    pub(super) outcome: Outcome,
    pub(super) remember: R,
}

impl Flights {
    pub(super) fn new(limits: Limits) -> Self {
        let table = Table { limits, latest: HashMap::new(), lookups: 0, waiting: 0, begun: 0 };
        Self(Arc::new(Mutex::new(table)))
    }

    /// The answer to a question. `recall` is asked whether there is one by now; `begin` gets the number of the lookup,
    /// which grows from one to the next; `keep` stores what is to be remembered, unless a lookup of the same question
    /// was begun later: that one knows better.
    pub(super) async fn ask<F, R>(
        &self,
        question: Digest,
        boarding: Boarding,
        recall: impl FnOnce() -> Option<Outcome>,
        begin: impl FnOnce(u64) -> F,
        keep: impl FnOnce(&Digest, R) + Send + 'static,
    ) -> Outcome
    where
        F: Future<Output = Landed<R>> + Send + 'static,
        R: Send,
    {
        match self.board(question, boarding, recall, begin, keep) {
            Ok(Boarded::Answered(outcome)) => outcome,
            Ok(Boarded::Waits(answer, _place)) => answer.await.unwrap_or_else(|_| {
                let text = "the introspection of a token broke off";
                Unavailable::new(text).because(Reason::Panicked).into()
            }),
            Err(unavailable) => unavailable.into(),
        }
    }

    fn board<F, R>(
        &self,
        question: Digest,
        boarding: Boarding,
        recall: impl FnOnce() -> Option<Outcome>,
        begin: impl FnOnce(u64) -> F,
        keep: impl FnOnce(&Digest, R) + Send + 'static,
    ) -> Result<Boarded, Unavailable>
    where
        F: Future<Output = Landed<R>> + Send + 'static,
        R: Send,
    {
        let mut table = self.lock();
        if boarding == Boarding::Join {
            if let Some(flight) = table.latest.get(&question) {
                let answer = flight.answer.clone();
                return Ok(Boarded::Waits(answer, table.place(self)?));
            }
            // One that was on its way a moment ago may have landed meanwhile.
            if let Some(outcome) = recall() {
                return Ok(Boarded::Answered(outcome));
            }
        }
        let runtime = Handle::try_current().map_err(|error| {
            Unavailable::new("tokens are introspected on a tokio runtime, and there is none")
                .with_source(error)
        })?;
        if table.lookups >= table.limits.lookups {
            return Err(full("too many tokens are being introspected"));
        }
        let place = table.place(self)?;
        table.lookups += 1;
        table.begun += 1;
        let number = table.begun;
        let (tell, told) = oneshot::channel();
        let answer = told.shared();
        let joinable = boarding != Boarding::Alone;
        if joinable {
            table.latest.insert(question, Flight { number, answer: answer.clone() });
        }
        drop(table);
        let landing = Landing { flights: self.clone(), question: joinable.then_some(question), number };
        let lookup = begin(number);
        runtime.spawn(async move {
            let Landed { outcome, remember } = lookup.await;
            landing.land(|question| keep(question, remember));
            _ = tell.send(outcome);
        });
        Ok(Boarded::Waits(answer, place))
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lookups that are on their way, and the callers that wait.
    pub(super) fn queues(&self) -> Vec<QueueState> {
        let table = self.lock();
        let Limits { lookups, waiting } = table.limits;
        vec![
            QueueState::new("introspection", table.lookups, lookups),
            QueueState::new("introspection-waiting", table.waiting, waiting),
        ]
    }

    /// How many lookups are on their way, and how many callers wait.
    pub(super) fn load(&self) -> (usize, usize) {
        let table = self.lock();
        (table.lookups, table.waiting)
    }
}

impl Table {
    fn place(&mut self, flights: &Flights) -> Result<Place, Unavailable> {
        if self.waiting >= self.limits.waiting {
            return Err(full("too many callers wait for the introspection of a token"));
        }
        self.waiting += 1;
        Ok(Place(flights.clone()))
    }
}

fn full(reason: &'static str) -> Unavailable {
    Unavailable::new(reason).because(Reason::Overloaded).with_retry_after(RETRY_AFTER)
}

enum Boarded {
    Answered(Outcome),
    Waits(Shared<oneshot::Receiver<Outcome>>, Place),
}

/// A caller that waits.
struct Place(Flights);

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.0.lock();
        table.waiting = table.waiting.saturating_sub(1);
    }
}

/// Ends a lookup, also where it breaks off.
struct Landing {
    flights: Flights,
    /// `None` where nobody can have joined.
    question: Option<Digest>,
    number: u64,
}

impl Landing {
    /// Calls `keep` while nobody can ask, unless the same was asked again meanwhile: between the end of a lookup and its
    /// memory there is no moment in which a second one begins.
    fn land(self, keep: impl FnOnce(&Digest)) {
        let table = self.flights.lock();
        let Some(question) = self.question else { return };
        if table.latest.get(&question).is_some_and(|flight| flight.number == self.number) {
            keep(&question);
        }
        // `self` is dropped after the guard of the table, which is declared later.
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        let mut table = self.flights.lock();
        table.lookups = table.lookups.saturating_sub(1);
        let Some(question) = self.question else { return };
        if table.latest.get(&question).is_some_and(|flight| flight.number == self.number) {
            table.latest.remove(&question);
        }
    }
}

impl fmt::Debug for Flights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (lookups, waiting) = self.load();
        f.debug_struct("Flights").field("lookups", &lookups).field("waiting", &waiting).finish()
    }
}
