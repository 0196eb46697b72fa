//! Lookups on their way: identical questions that are asked at the same time are one call, there are not too many, and
//! nobody's keep out another's.

use std::{
    collections::HashMap,
    convert::Infallible,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{Either, Shared, select},
};
use portcullis_core::{
    Outcome, QueueState, Reason, Unavailable,
    fair::{Gate, Party, Pushed, Queue, Ticket},
};
use tokio::{runtime::Handle, sync::oneshot};

use crate::prf::Digest;

/// What a caller is told to wait who found no place.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How many lookups are on their way at most, how many of them are asked at once, and how many callers wait for one at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) lookups: usize,
    pub(super) at_once: usize,
    pub(super) waiting: usize,
}

impl Limits {
    /// The outbound client sends so many at once: who waits does so here, where it is fair.
    pub(super) const DEFAULT: Self = Self { lookups: 512, at_once: 128, waiting: 16_384 };
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
pub(super) struct Flights {
    table: Arc<Mutex<Table>>,
    /// What lookups wait at before they are asked.
    gate: Gate,
}

struct Table {
    /// The lookup of each question that was begun last.
    latest: HashMap<Digest, Flight>,
    /// The callers that wait. Whoever has to leave for another learns of it by the end of the channel.
    waiting: Queue<oneshot::Sender<Infallible>>,
    begun: u64,
}

struct Flight {
    number: u64,
    answer: Shared<oneshot::Receiver<Outcome>>,
    interest: Arc<()>,
}

/// What a lookup found, and how it is remembered.
pub(super) struct Landed<R> {
    pub(super) outcome: Outcome,
    pub(super) remember: R,
}

impl Flights {
    pub(super) fn new(limits: Limits) -> Self {
        let Limits { lookups, at_once, waiting } = limits;
        let table = Table { latest: HashMap::new(), waiting: Queue::new(waiting), begun: 0 };
        let gate = Gate::new(at_once, lookups.saturating_sub(at_once));
        Self { table: Arc::new(Mutex::new(table)), gate }
    }

    /// The answer to a question. `recall` is asked whether there is one by now; `begin` gets the number of the lookup,
    /// which grows from one to the next; `keep` stores what is to be remembered, unless a lookup of the same question
    /// was begun later: that one knows better. `party` is who asks: places are shared out by that.
    pub(super) async fn ask<F, R>(
        &self,
        party: Party,
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
        match self.board(party, question, boarding, recall, begin, keep) {
            Ok(Boarded::Answered(outcome)) => outcome,
            Ok(Boarded::Waits(answer, mut place)) => match select(answer, &mut place.displaced).await {
                Either::Left((Ok(outcome), _)) => outcome,
                Either::Left((Err(_), _)) => {
                    let text = "the introspection of a token broke off";
                    Unavailable::new(text).because(Reason::Panicked).into()
                }
                Either::Right(_) => full(TOO_MANY_CALLERS).into(),
            },
            Err(unavailable) => unavailable.into(),
        }
    }

    fn board<F, R>(
        &self,
        party: Party,
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
                let (answer, interest) = (flight.answer.clone(), Arc::clone(&flight.interest));
                let waits = self.place(&mut table, party, interest)?;
                drop(table);
                return Ok(Boarded::Waits(answer, waits.place()));
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
        let entering = self.gate.enter(party).map_err(|_| full(TOO_MANY_LOOKUPS))?;
        table.begun += 1;
        let number = table.begun;
        let (tell, told) = oneshot::channel();
        let (answer, interest) = (told.shared(), Arc::new(()));
        // Before anybody can join.
        let waits = self.place(&mut table, party, Arc::clone(&interest))?;
        let joinable = boarding != Boarding::Alone;
        if joinable {
            let flight = Flight { number, answer: answer.clone(), interest: Arc::clone(&interest) };
            table.latest.insert(question, flight);
        }
        let landing =
            Landing { flights: self.clone(), question: joinable.then_some(question), number, interest };
        drop(table);
        let place = waits.place();
        let lookup = begin(number);
        let waited = entering.waits();
        runtime.spawn(async move {
            let Ok(permit) = entering.await else {
                drop(landing);
                _ = tell.send(full(TOO_MANY_LOOKUPS).into());
                return;
            };
            // What is asked at once is asked for whoever comes next, too.
            if waited && !landing.is_awaited() {
                return;
            }
            let Landed { outcome, remember } = lookup.await;
            landing.land(|question| keep(question, remember));
            // Whoever reads the answer finds the place free.
            drop(permit);
            _ = tell.send(outcome);
        });
        Ok(Boarded::Waits(answer, place))
    }

    /// A place among the callers that wait.
    fn place(&self, table: &mut Table, party: Party, interest: Arc<()>) -> Result<Placed, Unavailable> {
        let (holds, displaced) = oneshot::channel();
        match table.waiting.push(party, holds) {
            Pushed::Waits(ticket, left) => {
                let place = Place { flights: self.clone(), ticket, displaced, _interest: interest };
                Ok(Placed { place, left })
            }
            Pushed::Full => Err(full(TOO_MANY_CALLERS)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lookups that are on their way, and the callers that wait.
    pub(super) fn queues(&self) -> Vec<QueueState> {
        let (lookups, waiting) = self.load();
        vec![
            QueueState::new("introspection", lookups, self.gate.at_once().saturating_add(self.gate.bound())),
            QueueState::new("introspection-waiting", waiting, self.lock().waiting.bound()),
        ]
    }

    /// How many lookups are on their way, and how many callers wait.
    pub(super) fn load(&self) -> (usize, usize) {
        (self.gate.inside().saturating_add(self.gate.waiting()), self.lock().waiting.len())
    }
}

const TOO_MANY_LOOKUPS: &str = "too many tokens are being introspected";
const TOO_MANY_CALLERS: &str = "too many callers wait for the introspection of a token";

fn full(reason: &'static str) -> Unavailable {
    Unavailable::new(reason).because(Reason::Overloaded).with_retry_after(RETRY_AFTER)
}

enum Boarded {
    Answered(Outcome),
    Waits(Shared<oneshot::Receiver<Outcome>>, Place),
}

/// A place that was found while the table was locked.
struct Placed {
    place: Place,
    /// Who had to leave for it, and is woken by being dropped.
    left: Option<oneshot::Sender<Infallible>>,
}

impl Placed {
    /// The place, once the table is not locked any more.
    fn place(self) -> Place {
        drop(self.left);
        self.place
    }
}

/// A caller that waits.
struct Place {
    flights: Flights,
    ticket: Ticket,
    displaced: oneshot::Receiver<Infallible>,
    _interest: Arc<()>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let left = self.flights.lock().waiting.leave(self.ticket);
        drop(left);
    }
}

/// Ends a lookup, also where it breaks off.
struct Landing {
    flights: Flights,
    /// `None` where nobody can have joined.
    question: Option<Digest>,
    number: u64,
    /// Held by those who wait, too.
    interest: Arc<()>,
}

impl Landing {
    /// Whether somebody waits still. Nobody joins any more where not.
    fn is_awaited(&self) -> bool {
        let mut table = self.flights.lock();
        let mut own = 1;
        if let Some(question) = self.question
            && table.latest.get(&question).is_some_and(|flight| flight.number == self.number)
        {
            own += 1;
            if Arc::strong_count(&self.interest) <= own {
                table.latest.remove(&question);
            }
        }
        Arc::strong_count(&self.interest) > own
    }

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
