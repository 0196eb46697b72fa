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
    Clock, Outcome, QueueState, Reason, Unavailable,
    fair::{Gate, Party, Pushed, Queue, Ticket},
};
use tokio::{runtime::Handle, sync::oneshot};

use super::pass::Pass;
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

/// Who asks what, and how.
pub(super) struct Asking {
    /// Places are shared out by that.
    pub(super) party: Party,
    pub(super) question: Digest,
    pub(super) boarding: Boarding,
    /// Of all who ask the same one.
    pub(super) clock: Arc<dyn Clock>,
}

/// The lookups that are on their way. Each runs by itself: a caller that goes away ends none.
#[derive(Clone)]
pub(super) struct Flights {
    table: Arc<Mutex<Table>>,
    /// What lookups wait at before they are asked.
    gate: Gate,
    /// After how long a lookup that is asked is given up for lost: nobody drives the runtime that it runs on.
    lost_after: Duration,
}

struct Table {
    /// The lookup of each question that was begun last.
    latest: HashMap<Digest, Flight>,
    /// All lookups, by their numbers.
    under_way: HashMap<u64, UnderWay>,
    /// None of them is lost before this moment.
    lost_from: Duration,
    /// The callers that wait. Whoever has to leave for another learns of it by the end of the channel.
    waiting: Queue<oneshot::Sender<Infallible>>,
    begun: u64,
}

struct UnderWay {
    question: Option<Digest>,
    pass: Pass,
    /// When it is given up for lost.
    until: Duration,
}

impl Table {
    fn note(&mut self, number: u64, under_way: UnderWay) {
        self.lost_from = self.lost_from.min(under_way.until);
        self.under_way.insert(number, under_way);
    }

    /// Lookup `number` is not on its way any more. What is returned is to be dropped when nothing is locked.
    fn end(&mut self, number: u64) -> Option<Pass> {
        let UnderWay { question, pass, .. } = self.under_way.remove(&number)?;
        if let Some(question) = question
            && self.latest.get(&question).is_some_and(|flight| flight.number == number)
        {
            self.latest.remove(&question);
        }
        Some(pass)
    }

    /// Ends the lookups that should have ended long ago.
    fn end_lost(&mut self, now: Duration) -> Vec<Pass> {
        if now < self.lost_from {
            return Vec::new();
        }
        let lost = self.under_way.iter().filter(|(_, lookup)| now >= lookup.until);
        let lost: Vec<u64> = lost.map(|(number, _)| *number).collect();
        let passes = lost.into_iter().filter_map(|number| self.end(number)).collect();
        self.lost_from = self.under_way.values().map(|lookup| lookup.until).min().unwrap_or(Duration::MAX);
        passes
    }
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
    pub(super) fn new(limits: Limits, lost_after: Duration) -> Self {
        let Limits { lookups, at_once, waiting } = limits;
        let table = Table {
            latest: HashMap::new(),
            under_way: HashMap::new(),
            lost_from: Duration::MAX,
            waiting: Queue::new(waiting),
            begun: 0,
        };
        let gate = Gate::new(at_once, lookups.saturating_sub(at_once));
        Self { table: Arc::new(Mutex::new(table)), gate, lost_after }
    }

    /// The answer to a question. `recall` is asked whether there is one by now; `begin` gets the number of the lookup,
    /// which grows from one to the next; `keep` stores what is to be remembered, unless a lookup of the same question
    /// was begun later: that one knows better.
    pub(super) async fn ask<F, R>(
        &self,
        asking: Asking,
        recall: impl FnOnce() -> Option<Outcome>,
        begin: impl FnOnce(u64) -> F,
        keep: impl FnOnce(&Digest, R) + Send + 'static,
    ) -> Outcome
    where
        F: Future<Output = Landed<R>> + Send + 'static,
        R: Send,
    {
        match self.board(asking, recall, begin, keep) {
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
        asking: Asking,
        recall: impl FnOnce() -> Option<Outcome>,
        begin: impl FnOnce(u64) -> F,
        keep: impl FnOnce(&Digest, R) + Send + 'static,
    ) -> Result<Boarded, Unavailable>
    where
        F: Future<Output = Landed<R>> + Send + 'static,
        R: Send,
    {
        let Asking { party, question, boarding, clock } = asking;
        let now = clock.monotonic();
        self.give_up_lost(now);
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
        let question = joinable.then_some(question);
        let waited = entering.waits();
        let pass = Pass::new(entering);
        // One that waits for its turn may do so while all before it take their time.
        let rounds = if waited { self.rounds() } else { 1 };
        let until = now.saturating_add(self.lost_after.saturating_mul(rounds));
        table.note(number, UnderWay { question, pass: pass.clone(), until });
        let landing = Landing { flights: self.clone(), question, number, interest };
        drop(table);
        let place = waits.place();
        let lookup = begin(number);
        runtime.spawn(async move {
            if pass.let_in().await.is_err() {
                drop(landing);
                _ = tell.send(full(TOO_MANY_LOOKUPS).into());
                return;
            }
            if waited {
                // What is asked at once is asked for whoever comes next, too.
                if !landing.is_awaited() {
                    return;
                }
                landing.note_let_in(clock.monotonic());
            }
            let Landed { outcome, remember } = lookup.await;
            landing.land(|question| keep(question, remember));
            // Whoever reads the answer finds the place free.
            drop(pass);
            _ = tell.send(outcome);
        });
        Ok(Boarded::Waits(answer, place))
    }

    /// Gives up the lookups that should have ended long ago: others may take their places, and ask what they asked.
    fn give_up_lost(&self, now: Duration) {
        let lost = self.lock().end_lost(now);
        for pass in lost {
            pass.give_up();
        }
    }

    /// How many times as many as are asked at once may be before one that waits for its turn, and itself.
    fn rounds(&self) -> u32 {
        let waiting = self.gate.bound().div_ceil(self.gate.at_once().max(1));
        u32::try_from(waiting).unwrap_or(u32::MAX).saturating_add(1)
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

    /// It has waited for its turn, and is asked from now on.
    fn note_let_in(&self, now: Duration) {
        let mut table = self.flights.lock();
        let until = now.saturating_add(self.flights.lost_after);
        if let Some(lookup) = table.under_way.get_mut(&self.number) {
            lookup.until = until;
            table.lost_from = table.lost_from.min(until);
        }
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
        let ended = self.flights.lock().end(self.number);
        drop(ended);
    }
}

impl fmt::Debug for Flights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (lookups, waiting) = self.load();
        f.debug_struct("Flights").field("lookups", &lookups).field("waiting", &waiting).finish()
    }
}
