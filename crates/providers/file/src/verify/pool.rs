//! Where hashes are computed: on threads of their own, few at a time, fairly between addresses.

use std::{
    fmt,
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use portcullis_core::{
    QueueState, Reason, Unavailable,
    fair::{Party, Pushed, Queue, Ticket},
};
use tokio::sync::oneshot;

use super::{
    attempt::{ABANDONED, Attempt, Finding},
    priority,
};
use crate::hash::{Cpu, Failed, Hasher};

/// What a caller is told to wait who found the queue full.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How many wait for each computation that may run.
const WAITING_EACH: usize = 64;

/// Memory that all running computations take together, unless a single one takes more.
const DEFAULT_MEMORY: u64 = 1 << 30;

/// The place where password hashes are computed: how many at a time, and how many may wait.
///
/// Computing a hash is made to be expensive, and anybody can ask for it. So only so many are computed at a time, on
/// threads where they hold up nothing else and which, on Linux, step back where others want the processor, and only so
/// many wait. Waiting is fair between client addresses (an IPv6 network of 64 bits counts as one): they take turns, and
/// when the queue is full a newcomer takes the last place of the address that has the most. Who finds no place is
/// answered as unavailable, with a second as `Retry-After`.
///
/// Each store has its own, unless several are given one: clones are the same place.
///
/// ```
/// use portcullis_file::{FileUserStore, Hashing, User};
///
/// let hashing = Hashing::new().concurrency(4).waiting(200);
/// let staff = FileUserStore::new([User::with_password("alice", "123")]).hashing(&hashing);
/// let guests = FileUserStore::new([User::with_password("guest", "123")]).hashing(&hashing);
/// # let _ = (staff, guests);
/// ```
#[derive(Clone)]
pub struct Hashing(Arc<Shared>);

struct Shared {
    limits: Limits,
    hasher: Arc<dyn Hasher>,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    concurrency: usize,
    waiting: usize,
    memory: u64,
}

struct State {
    running: usize,
    memory: u64,
    queue: Queue<Job>,
    /// Whether somebody is letting jobs run: whoever ends one meanwhile leaves it to them.
    serving: bool,
}

/// A computation, and who waits for it. It starts when its turn has come, whether or not the one who waits looks.
struct Job {
    attempt: Attempt,
    memory: u64,
    answer: oneshot::Sender<Result<Finding, Failed>>,
}

impl Hashing {
    /// As many computations at a time as the machine has processors, but for one that is left to everything else, and 1 GiB has
    /// room for; at least one. 64 may wait for each.
    #[must_use]
    pub fn new() -> Self {
        let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        // Whoever floods with passwords keeps these busy, and nothing else.
        let concurrency = processors.saturating_sub(1).max(1);
        let limits =
            Limits { concurrency, waiting: WAITING_EACH.saturating_mul(concurrency), memory: DEFAULT_MEMORY };
        Self::with(limits, Arc::new(Cpu))
    }

    /// The same with another number of computations at a time, at least one. Unlike [`Hashing::clone`] this is a
    /// place of its own.
    #[must_use]
    pub fn concurrency(&self, computations: usize) -> Self {
        let limits = Limits { concurrency: computations.max(1), ..self.0.limits };
        Self::with(limits, Arc::clone(&self.0.hasher))
    }

    /// The same with another number of callers that may wait, a place of its own. With 0, whoever cannot be served
    /// at once is answered as unavailable.
    #[must_use]
    pub fn waiting(&self, callers: usize) -> Self {
        Self::with(Limits { waiting: callers, ..self.0.limits }, Arc::clone(&self.0.hasher))
    }

    /// The same with another amount of memory, in bytes, that all running computations may take together, a place
    /// of its own. One is always let run.
    #[must_use]
    pub fn memory(&self, bytes: u64) -> Self {
        Self::with(Limits { memory: bytes, ..self.0.limits }, Arc::clone(&self.0.hasher))
    }

    fn with(limits: Limits, hasher: Arc<dyn Hasher>) -> Self {
        let state = State { running: 0, memory: 0, queue: Queue::new(limits.waiting), serving: false };
        Self(Arc::new(Shared { limits, hasher, state: Mutex::new(state) }))
    }

    /// A place that computes by `hasher`.
    #[cfg(test)]
    pub(crate) fn by(hasher: Arc<dyn Hasher>) -> Self {
        let limits = Limits { concurrency: 1, waiting: 2, memory: DEFAULT_MEMORY };
        Self::with(limits, hasher)
    }

    /// Who waits, and what runs.
    pub(super) fn queues(&self) -> Vec<QueueState> {
        let Limits { concurrency, waiting, .. } = self.0.limits;
        let state = self.0.lock();
        vec![
            QueueState::new("hashing", state.queue.len(), waiting),
            QueueState::new("hashing-running", state.running, concurrency),
        ]
    }

    /// Whether nothing runs and nobody waits.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        let state = self.0.lock();
        state.running == 0 && state.memory == 0 && state.queue.is_empty()
    }

    /// Computes an attempt when its turn has come.
    pub(super) fn answer(
        &self,
        party: Party,
        attempt: Attempt,
    ) -> impl Future<Output = Result<Finding, Unavailable>> + Send + use<> {
        let shared = Arc::clone(&self.0);
        async move {
            let (answer, answered) = oneshot::channel();
            let job = Job { memory: attempt.memory(), attempt, answer };
            let _place = shared.enter(party, job)?;
            match answered.await {
                Ok(Ok(finding)) => Ok(finding),
                Ok(Err(failed)) => Err(failed.into()),
                // Also where there was no thread for it: there may be one in a moment.
                Err(_) => Err(Unavailable::new("the computation of a password hash broke off")
                    .with_retry_after(RETRY_AFTER)),
            }
        }
    }
}

impl Default for Hashing {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Hashing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Limits { concurrency, waiting, memory } = self.0.limits;
        f.debug_struct("Hashing")
            .field("concurrency", &concurrency)
            .field("waiting", &waiting)
            .field("memory", &memory)
            .finish()
    }
}

const FULL: Failed = Failed("too many passwords are waiting to be verified");

impl From<Failed> for Unavailable {
    fn from(failed: Failed) -> Self {
        let reason = if failed == FULL { Reason::Overloaded } else { Reason::Unavailable };
        Self::new(failed.0).because(reason).with_retry_after(RETRY_AFTER)
    }
}

/// A place in the queue, given up when dropped.
struct Place {
    shared: Arc<Shared>,
    ticket: Ticket,
}

impl Drop for Place {
    fn drop(&mut self) {
        let left = self.shared.lock().queue.leave(self.ticket);
        // Whoever comes next may have room where this one had not.
        if left.is_some() {
            self.shared.serve();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(self: &Arc<Self>, party: Party, job: Job) -> Result<Option<Place>, Unavailable> {
        let mut state = self.lock();
        if state.queue.is_empty() && state.has_room(&self.limits, job.memory) {
            let permit = state.permit(self, job.memory);
            drop(state);
            job.start(permit);
            return Ok(None);
        }
        let pushed = state.queue.push(party, job);
        drop(state);
        match pushed {
            Pushed::Waits(ticket, displaced) => {
                if let Some(Job { answer, .. }) = displaced {
                    _ = answer.send(Err(FULL));
                }
                Ok(Some(Place { shared: Arc::clone(self), ticket }))
            }
            Pushed::Full => Err(FULL.into()),
        }
    }

    /// Lets those run who have their turn and room.
    fn serve(self: &Arc<Self>) {
        let mut state = self.lock();
        if state.serving {
            return;
        }
        while let Some(job) = state.next(&self.limits) {
            let permit = state.permit(self, job.memory);
            state.serving = true;
            drop(state);
            job.start(permit);
            state = self.lock();
            state.serving = false;
        }
    }
}

impl State {
    const fn has_room(&self, limits: &Limits, memory: u64) -> bool {
        self.running == 0
            || (self.running < limits.concurrency && self.memory.saturating_add(memory) <= limits.memory)
    }

    fn next(&mut self, limits: &Limits) -> Option<Job> {
        let memory = self.queue.peek()?.memory;
        if self.has_room(limits, memory) { self.queue.pop() } else { None }
    }

    fn permit(&mut self, shared: &Arc<Shared>, memory: u64) -> Permit {
        self.running += 1;
        self.memory = self.memory.saturating_add(memory);
        Permit { shared: Arc::clone(shared), memory }
    }
}

impl Job {
    /// Where there is no thread to be had, the job is dropped, and its permit with it.
    fn start(self, permit: Permit) {
        let Self { attempt, answer, .. } = self;
        let compute = move || {
            // Dropped in this order, also by a panic: whoever reads the answer finds the place free.
            let (answer, permit) = (answer, permit);
            priority::step_back();
            let gone = || answer.is_closed();
            let finding = if gone() { Err(ABANDONED) } else { attempt.run(&*permit.shared.hasher, gone) };
            drop(permit);
            _ = answer.send(finding);
        };
        // A thread for each: to make one costs some hundredths of a hash, and none of them has to be ended.
        let started = thread::Builder::new().name("portcullis-hash".into()).spawn(compute);
        if let Err(error) = started {
            tracing::warn!(target: "portcullis", %error, "there is no thread to verify a password on");
        }
    }
}

/// Permission to compute. Whoever drops it, by whatever way, lets the next one in.
struct Permit {
    shared: Arc<Shared>,
    memory: u64,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.running = state.running.saturating_sub(1);
        state.memory = state.memory.saturating_sub(self.memory);
        drop(state);
        self.shared.serve();
    }
}
