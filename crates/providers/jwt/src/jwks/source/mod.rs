//! A key set that is fetched: read without a lock, renewed by itself.

mod flight;

use std::{
    fmt,
    future::pending,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::{ArcSwapOption, Guard};
use portcullis_core::{BoxFuture, Clock, QueueState, Reason, Unavailable, fair::Party};
use tokio::{runtime::Handle, sync::watch};

use self::flight::Flight;
use super::{
    bucket::{Bucket, Share},
    fetch::{Failure, Fetch},
    held::{Ages, Held},
    seats::{MOST_WAITING, Seat},
    state::{Asking, Move, State, Step},
};

/// As long a request waits for newer keys at most.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// A number from 0 to 1, a new one each time.
pub(super) type Random = fn() -> f64;

/// A key set that is fetched. Cheap to clone; clones share everything.
#[derive(Clone)]
pub(crate) struct KeySource(Arc<Shared>);

struct Shared {
    /// What requests read.
    held: ArcSwapOption<Held>,
    state: Mutex<State>,
    /// The number of the last fetch that ended: whoever reads it before `held` does not miss what it brought.
    ended: AtomicU64,
    /// The same, for those who wait.
    ends: watch::Sender<u64>,
    /// No request need think of refreshing before this moment, in nanoseconds.
    quiet_until: AtomicU64,
    /// Before this moment the keys may be used and need no refreshing, in nanoseconds.
    calm_until: AtomicU64,
    fetch: Box<dyn Fetch>,
    settings: Settings,
}

/// What a key source needs to know.
pub(super) struct Settings {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ages: Ages,
    /// How often may be fetched, see [`Bucket`]. No age is shorter.
    pub(super) min_refresh_interval: Duration,
    /// After how long a fetch is given up for lost.
    pub(super) lost_after: Duration,
    /// Whether a service does not start without the keys.
    pub(super) preload: bool,
    pub(super) random: Random,
}

/// How a request ends that would have newer keys.
#[derive(Debug)]
pub(crate) enum Settled {
    /// The keys that it looked at are all there is until the next fetch is permitted.
    NoNewer,
    /// The server cannot be asked, or does not answer in time.
    Unavailable(Unavailable),
}

/// The keys that a request looks at.
pub(crate) struct Looked {
    pub(super) held: Guard<Option<Arc<Held>>>,
    now: Duration,
    ended: u64,
}

/// What a request needs to know to wait for newer keys.
pub(crate) struct Wish {
    asking: Asking,
    alarm: Option<BoxFuture<'static, ()>>,
}

/// How things stand, see [`JwksState`](super::JwksState).
pub(super) struct Standing {
    pub(super) held: Option<Arc<Held>>,
    pub(super) failure: Option<Failure>,
    pub(super) fetches: u64,
    pub(super) now: Duration,
}

impl KeySource {
    pub(super) fn new(fetch: Box<dyn Fetch>, settings: Settings) -> Self {
        Self(Arc::new(Shared {
            held: ArcSwapOption::empty(),
            state: Mutex::new(State::new(Bucket::new(settings.min_refresh_interval), settings.lost_after)),
            ended: AtomicU64::new(0),
            ends: watch::Sender::new(0),
            quiet_until: AtomicU64::new(0),
            calm_until: AtomicU64::new(0),
            fetch,
            settings,
        }))
    }

    /// Whether a service does not start without the keys.
    pub(super) fn is_preloaded(&self) -> bool {
        self.0.settings.preload
    }

    /// Where the keys come from, for people.
    pub(crate) fn url(&self) -> Arc<str> {
        self.0.held.load().as_ref().map_or_else(|| self.0.fetch.url().into(), |held| Arc::clone(&held.url))
    }

    /// Reads the keys that are in use. Takes no lock and allocates nothing.
    pub(crate) fn look(&self) -> Looked {
        let now = self.0.now();
        let ended = self.0.ended.load(Ordering::Acquire);
        Looked { held: self.0.held.load(), now, ended }
    }

    /// By which ages are measured.
    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.settings.clock
    }

    /// Where there are keys that may be used at this moment and are not due, a number that is another one once they may have
    /// changed. Whoever reads it before [`KeySource::look`] need not look again while it is the same.
    pub(crate) fn calm(&self, now: Duration) -> Option<u64> {
        // In this order, and written in the other: the calm after a fetch is never that of the keys before it, which may be too
        // old.
        let is_calm = nanoseconds(now) < self.0.calm_until.load(Ordering::Acquire);
        is_calm.then(|| self.0.ended.load(Ordering::Acquire))
    }

    /// Begins to renew the keys in the background where it is time.
    pub(crate) fn refresh_if_due(&self, looked: &Looked) {
        let shared = &self.0;
        let due = looked.held.as_ref().is_some_and(|held| looked.now >= held.refresh_at);
        if !due || nanoseconds(looked.now) < shared.quiet_until.load(Ordering::Relaxed) {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        shared.give_up_lost(looked.now);
        let mut state = shared.lock();
        let begun = state.begin_spare(looked.now);
        let quiet = if state.is_under_way() {
            // The end of the fetch sets the moment anew.
            state.lost_at()
        } else {
            looked.now.saturating_add(state.wait(Share::Spare, looked.now))
        };
        shared.quiet_until.store(nanoseconds(quiet), Ordering::Relaxed);
        drop(state);
        if let Some(number) = begun {
            self.begin(number, &runtime);
        }
    }

    /// What a request of this party that has just come can wait for.
    pub(crate) fn wish(&self, party: Party) -> Wish {
        let asking = Asking { came_at: self.0.lock().begun(), looked_at: 0, share: Share::Any, party };
        Wish { asking, alarm: None }
    }

    /// How a request would end that would have newer keys than those that it looked at, where it need not wait. Whether there is a
    /// place to wait is told when it is known whose it would be.
    pub(crate) fn settled_without_waiting(&self, looked: &Looked, share: Share) -> Option<Settled> {
        let state = self.0.lock();
        let asking = Asking { came_at: state.begun(), looked_at: looked.ended, share, party: Party::Unknown };
        match state.prospect(asking, looked.now) {
            Move::Look | Move::Wait(_) | Move::Begin(_) | Move::Pause(_) | Move::Full => None,
            Move::Settled => Some(self.0.settled(&state, looked.now)),
        }
    }

    /// Waits until there may be newer keys than those that the request looked at.
    ///
    /// # Errors
    ///
    /// With the answer, where there will be none.
    pub(crate) async fn newer(&self, wish: &mut Wish, looked_at: u64, share: Share) -> Result<(), Settled> {
        let shared = &*self.0;
        wish.asking = Asking { looked_at, share, ..wish.asking };
        let Ok(runtime) = Handle::try_current() else {
            let why = "keys are fetched by a task of tokio, and there is no tokio runtime";
            return Err(Settled::Unavailable(Unavailable::new(why)));
        };
        // Before the state is looked at, so that no end is missed.
        let mut ends = shared.ends.subscribe();
        let now = shared.now();
        shared.give_up_lost(now);
        let (Step { next, seat, displaced }, settled) = {
            let mut state = shared.lock();
            let step = state.advance(wish.asking, now);
            let settled = (step.next == Move::Settled).then(|| shared.settled(&state, now));
            (step, settled)
        };
        drop(displaced);
        let mut waiting = Waiting { shared, seat };
        let (number, pause) = match next {
            Move::Look => return Ok(()),
            Move::Settled => return settled.map_or(Ok(()), Err),
            Move::Full => return Err(shared.too_many()),
            Move::Pause(left) => (u64::MAX, Some(shared.settings.clock.sleep(left))),
            Move::Wait(number) => (number, None),
            Move::Begin(number) => {
                self.begin(number, &runtime);
                (number, None)
            }
        };
        let alarm = wish.alarm.get_or_insert_with(|| shared.settings.clock.sleep(PATIENCE));
        tokio::select! {
            biased;
            _ = ends.wait_for(|ended| *ended >= number) => Ok(()),
            () = async { if let Some(pause) = pause { pause.await } else { pending().await } } => Ok(()),
            () = waiting.has_to_leave() => Err(shared.too_many()),
            () = alarm => Err(shared.too_slow()),
        }
    }

    /// Fetches now, whatever the interval says; joins a fetch that is under way.
    ///
    /// # Errors
    ///
    /// When there is no key set to be had.
    pub(super) async fn fetch_now(&self) -> Result<Arc<Held>, Failure> {
        let shared = &*self.0;
        let none = |why: &str| Failure::new(shared.fetch.url(), why);
        let Ok(runtime) = Handle::try_current() else { return Err(none("there is no tokio runtime")) };
        let mut ends = shared.ends.subscribe();
        let now = shared.now();
        shared.give_up_lost(now);
        let (number, begins, lost_at) = {
            let mut state = shared.lock();
            let (number, begins) = state.begin_anyway(now);
            (number, begins, state.lost_at())
        };
        if begins {
            self.begin(number, &runtime);
        }
        tokio::select! {
            biased;
            _ = ends.wait_for(|ended| *ended >= number) => {}
            () = shared.settings.clock.sleep(lost_at.saturating_sub(now)) => shared.give_up(number),
        }
        let standing = self.standing();
        match (standing.failure, standing.held) {
            (Some(failure), _) => Err(failure),
            (None, Some(held)) => Ok(held),
            (None, None) => Err(none("there is no answer")),
        }
    }

    /// Does something while nobody else can begin a fetch or wait for one.
    #[cfg(test)]
    pub(super) fn while_locked<T>(&self, work: impl FnOnce() -> T) -> T {
        let _state = self.0.lock();
        work()
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.0.lock().waiting()
    }

    /// Those who wait for keys.
    pub(crate) fn queue(&self) -> QueueState {
        QueueState::new("jwks", self.0.lock().waiting(), MOST_WAITING)
    }

    #[cfg(test)]
    pub(super) fn ended(&self) -> u64 {
        self.0.ended.load(Ordering::Acquire)
    }

    pub(super) fn standing(&self) -> Standing {
        let state = self.0.lock();
        Standing {
            failure: state.failure().cloned(),
            fetches: state.begun(),
            held: self.0.held.load_full(),
            now: self.0.now(),
        }
    }

    /// Whoever caused the fetch may hang up: it goes on by itself.
    fn begin(&self, number: u64, runtime: &Handle) {
        runtime.spawn(Flight::of(Arc::clone(&self.0), number).run());
    }
}

impl Looked {
    /// The keys, if there are any that may be used.
    pub(crate) fn keys(&self) -> Option<&crate::keys::KeySet> {
        self.held.as_ref().filter(|held| held.is_usable(self.now)).map(|held| held.keys())
    }

    /// When they were looked at.
    pub(crate) const fn now(&self) -> Duration {
        self.now
    }

    /// To tell [`KeySource::newer`] what was looked at.
    pub(crate) const fn number(&self) -> u64 {
        self.ended
    }
}

impl Shared {
    fn now(&self) -> Duration {
        self.settings.clock.monotonic()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives up a fetch that should have ended long ago, so that another one may begin.
    fn give_up_lost(&self, now: Duration) {
        let lost = self.lock().lost(now);
        if let Some(number) = lost {
            self.give_up(number);
        }
    }

    fn give_up(&self, number: u64) {
        let why = "the fetch was given up: the runtime that it ran on stands still";
        self.land(number, Err(Failure::new(self.fetch.url(), why)), Duration::ZERO);
    }

    fn settled(&self, state: &State, now: Duration) -> Settled {
        let Some(failure) = state.failure() else { return Settled::NoNewer };
        let wait = state.wait(Share::Any, now);
        Settled::Unavailable(
            Unavailable::new(format!("the keys cannot be fetched: {failure}"))
                .with_retry_after(wait.max(Duration::from_secs(1))),
        )
    }

    fn too_many(&self) -> Settled {
        let url = self.fetch.url();
        Settled::Unavailable(
            Unavailable::new(format!("too many requests wait for the keys of {url}"))
                .because(Reason::Overloaded)
                .with_retry_after(PATIENCE),
        )
    }

    fn too_slow(&self) -> Settled {
        let url = self.fetch.url();
        let seconds = PATIENCE.as_secs();
        Settled::Unavailable(
            Unavailable::new(format!("the keys of {url} did not come within {seconds} s"))
                .because(Reason::TimedOut)
                .with_retry_after(PATIENCE),
        )
    }
}

/// A request that waits, and its place.
struct Waiting<'s> {
    shared: &'s Shared,
    seat: Option<Seat>,
}

impl Waiting<'_> {
    /// Completes when its place was needed for another.
    async fn has_to_leave(&mut self) {
        match &mut self.seat {
            Some(seat) => seat.await,
            None => pending().await,
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let left = self.seat.as_ref().and_then(|seat| self.shared.lock().stop_waiting(seat));
        drop(left);
    }
}

fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySource").field("fetch", &self.0.fetch).finish_non_exhaustive()
    }
}
