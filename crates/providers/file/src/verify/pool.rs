//! Where hashes are computed: off the async threads, few at a time, fairly between addresses.

use std::{
    fmt,
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use portcullis_core::Unavailable;
use tokio::{runtime::Handle, sync::oneshot};

use super::{
    attempt::{Attempt, Finding},
    fair::{Fair, Lane, Pushed, Ticket},
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
/// threads where they hold up nothing else, and only so many wait. Waiting is fair between client addresses (an
/// IPv6 network of 64 bits counts as one): they take turns, and when the queue is full a newcomer takes the last
/// place of the address that has the most. Who finds no place is answered as unavailable, with a second as
/// `Retry-After`.
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
    queue: Fair<Waiter>,
}

struct Waiter {
    memory: u64,
    grant: oneshot::Sender<Permit>,
}

impl Hashing {
    /// As many computations at a time as the machine has processors and 1 GiB has room for, and 64 waiting for each.
    #[must_use]
    pub fn new() -> Self {
        let concurrency = thread::available_parallelism().map_or(1, NonZeroUsize::get);
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
        let state = State { running: 0, memory: 0, queue: Fair::new(limits.waiting) };
        Self(Arc::new(Shared { limits, hasher, state: Mutex::new(state) }))
    }

    /// A place that computes by `hasher`.
    #[cfg(test)]
    pub(crate) fn by(hasher: Arc<dyn Hasher>) -> Self {
        let limits = Limits { concurrency: 1, waiting: 2, memory: DEFAULT_MEMORY };
        Self::with(limits, hasher)
    }

    /// Computes an attempt when its turn has come.
    pub(super) fn answer(
        &self,
        lane: Lane,
        attempt: Attempt,
    ) -> impl Future<Output = Result<Finding, Unavailable>> + Send + use<> {
        let shared = Arc::clone(&self.0);
        async move {
            let permit = enter(&shared, lane, attempt.memory()).await?;
            // Without a runtime there is no thread to compute on, and a panic would be no answer.
            let runtime = Handle::try_current().map_err(|error| {
                Unavailable::new(
                    "passwords are verified on the threads of a tokio runtime, and there is none",
                )
                .with_source(error)
            })?;
            let (answer, answered) = oneshot::channel();
            let hasher = Arc::clone(&shared.hasher);
            runtime.spawn_blocking(move || {
                let gone = || answer.is_closed();
                let finding = match gone() {
                    true => Err(Failed("nobody waits for the answer any more")),
                    false => attempt.run(&*hasher, gone),
                };
                drop(permit);
                _ = answer.send(finding);
            });
            match answered.await {
                Ok(Ok(finding)) => Ok(finding),
                Ok(Err(Failed(reason))) => Err(Unavailable::new(reason).with_retry_after(RETRY_AFTER)),
                Err(_) => Err(Unavailable::new("the computation of a password hash broke off")),
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

/// Waits for permission to compute.
async fn enter(shared: &Arc<Shared>, lane: Lane, memory: u64) -> Result<Permit, Unavailable> {
    let (ticket, granted) = {
        let mut state = shared.lock();
        if state.queue.is_empty() && state.has_room(&shared.limits, memory) {
            return Ok(state.permit(shared, memory));
        }
        let (grant, granted) = oneshot::channel();
        match state.queue.push(lane, Waiter { memory, grant }) {
            Pushed::Waits(ticket, displaced) => {
                drop(state);
                // Wakes whoever had to leave: the sender is gone.
                drop(displaced);
                (ticket, granted)
            }
            Pushed::Full => return Err(full()),
        }
    };
    let _place = Place { shared, lane, ticket };
    granted.await.map_err(|_| full())
}

fn full() -> Unavailable {
    Unavailable::new("too many passwords are waiting to be verified").with_retry_after(RETRY_AFTER)
}

/// A place in the queue, given up when dropped.
struct Place<'s> {
    shared: &'s Arc<Shared>,
    lane: Lane,
    ticket: Ticket,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let left = self.shared.lock().queue.leave(self.lane, self.ticket);
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

    /// Lets those run who have their turn and room.
    fn serve(self: &Arc<Self>) {
        loop {
            let mut state = self.lock();
            let Some(memory) = state.queue.peek().map(|waiter| waiter.memory) else { return };
            if !state.has_room(&self.limits, memory) {
                return;
            }
            let Some(waiter) = state.queue.pop() else { return };
            let permit = state.permit(self, memory);
            drop(state);
            if let Err(mut unused) = waiter.grant.send(permit) {
                // Whoever waited went away at this moment: the next one takes the turn.
                unused.shared = None;
                self.lock().end(memory);
            }
        }
    }
}

impl State {
    const fn has_room(&self, limits: &Limits, memory: u64) -> bool {
        self.running == 0
            || (self.running < limits.concurrency && self.memory.saturating_add(memory) <= limits.memory)
    }

    fn permit(&mut self, shared: &Arc<Shared>, memory: u64) -> Permit {
        self.running += 1;
        self.memory = self.memory.saturating_add(memory);
        Permit { shared: Some(Arc::clone(shared)), memory }
    }

    const fn end(&mut self, memory: u64) {
        self.running = self.running.saturating_sub(1);
        self.memory = self.memory.saturating_sub(memory);
    }
}

/// Permission to compute. Whoever drops it, by whatever way, lets the next one in.
struct Permit {
    shared: Option<Arc<Shared>>,
    memory: u64,
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            shared.lock().end(self.memory);
            shared.serve();
        }
    }
}
