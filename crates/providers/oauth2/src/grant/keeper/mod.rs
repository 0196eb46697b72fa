//! Keeps a token, whatever grant it came by.

mod flight;
mod state;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use portcullis_core::{
    Authorization, BoxFuture, Clock, Probe, RefreshObserver, RefreshObservers, TokenError, TokenLease,
    TokenSource,
};
use tracing::{info, warn};

use self::{
    flight::{Departure, Flight},
    state::{Failure, Held, State},
};

pub(crate) use self::state::renewal_span;

/// The default of `minRefreshInterval`, and its bounds.
pub(crate) const MIN_REFRESH_INTERVAL: Duration = Duration::from_secs(10);
pub(crate) const LEAST_REFRESH_INTERVAL: Duration = Duration::from_millis(100);
pub(crate) const MOST_REFRESH_INTERVAL: Duration = Duration::from_secs(3600);

/// The longest that is waited after a fetch that failed. An error that nobody but people can mend says so by
/// `with_retry_after` of this: it is waited for at once.
pub(crate) const BACK_OFF_MOST: Duration = state::BACK_OFF_MOST;

/// How often a caller begins anew where fetches break off with the runtime that they ran on.
const ROUNDS: u32 = 3;

/// Gets a token from its server: what one grant does.
pub(crate) trait Fetch: fmt::Debug + Send + Sync + 'static {
    /// Asks for a token.
    fn fetch(&self) -> BoxFuture<'_, Result<Fetched, TokenError>>;

    /// Where it is asked for, for logs.
    fn address(&self) -> &str;

    /// How long asking may take by its own deadlines. A fetch that takes longer runs on a runtime that nobody drives.
    fn longest(&self) -> Duration {
        Duration::from_secs(60)
    }
}

/// A token as it came.
#[derive(Clone, Debug)]
pub(crate) struct Fetched {
    pub(crate) token: Authorization,
    /// How long it is good, from the moment at which it was asked for.
    pub(crate) lifetime: Duration,
}

/// Keeps the token of one grant: fetches it once for all who wait, and renews it while it is good.
///
/// Nothing runs while nobody asks. The first who asks in the last part of a token's life has it renewed in the background.
/// Clones keep the same token.
#[derive(Clone)]
pub(crate) struct TokenKeeper {
    keep: Arc<Keep>,
}

struct Keep {
    fetch: Box<dyn Fetch>,
    clock: Arc<dyn Clock>,
    min_refresh_interval: Duration,
    /// The newest token, read without a lock. Written under that of `state`.
    held: ArcSwapOption<Held>,
    state: Mutex<State>,
    observers: RefreshObservers,
}

impl TokenKeeper {
    pub(crate) fn new(fetch: impl Fetch, clock: Arc<dyn Clock>, min_refresh_interval: Duration) -> Self {
        Self {
            keep: Arc::new(Keep {
                fetch: Box::new(fetch),
                clock,
                min_refresh_interval,
                held: ArcSwapOption::empty(),
                state: Mutex::default(),
                observers: RefreshObservers::default(),
            }),
        }
    }

    /// The token at hand. Where its renewal is due, it is begun.
    pub(crate) fn at_hand(&self) -> Option<Authorization> {
        let held = self.keep.held.load();
        let held = held.as_ref()?;
        let now = self.keep.clock.monotonic();
        if now >= held.good_until {
            return None;
        }
        if now >= held.renew_at {
            self.keep.renew(now);
        }
        Some(held.token().clone())
    }

    /// The same, to be sent until its renewal is due.
    pub(crate) fn lease(&self) -> Option<Arc<TokenLease>> {
        let held = self.keep.held.load();
        held.as_ref().map(|held| &held.lease).filter(|lease| lease.is_good()).cloned()
    }

    /// A token that is good now.
    pub(crate) async fn get(&self) -> Result<Authorization, TokenError> {
        for _ in 0..ROUNDS {
            if let Some(token) = self.at_hand() {
                return Ok(token);
            }
            let flight = match self.keep.look()? {
                Look::Held(token) => return Ok(token),
                Look::Waits(flight) => flight,
            };
            if let Some(result) = flight.landed(&*self.keep.clock).await {
                return result.map(|fetched| fetched.token);
            }
        }
        Err(broken_off())
    }

    /// Fetches a token whatever is at hand and whatever failed a moment ago, for people who want to know. It is kept where
    /// there is none, or one that is due to be renewed. It goes the way of all others, since it may cost a refresh token.
    pub(crate) async fn try_out(&self) -> Result<Fetched, TokenError> {
        for _ in 0..ROUNDS {
            let flight = self.keep.try_out()?;
            if let Some(result) = flight.landed(&*self.keep.clock).await {
                return result;
            }
        }
        Err(broken_off())
    }
}

fn broken_off() -> TokenError {
    TokenError::transient(
        "the fetch of a token broke off: the runtime that it ran on is gone, or stands still",
    )
}

impl TokenSource for TokenKeeper {
    fn try_token(&self) -> Option<Authorization> {
        self.at_hand()
    }

    fn lease(&self) -> Option<Arc<TokenLease>> {
        self.lease()
    }

    fn token(&self) -> BoxFuture<'_, Result<Authorization, TokenError>> {
        Box::pin(self.get())
    }

    fn refused(&self, token: &Authorization) -> bool {
        self.keep.refused(token)
    }

    fn expires_in(&self) -> Option<Duration> {
        let good_until = self.keep.held.load().as_ref()?.good_until;
        // One that lives for ever tells nothing.
        (good_until != Duration::MAX).then(|| good_until.saturating_sub(self.keep.clock.monotonic()))
    }

    fn watch_refreshes(&self, observer: Arc<dyn RefreshObserver>) {
        self.keep.observers.add(observer);
    }

    fn probe(&self) -> BoxFuture<'_, Vec<Probe>> {
        Box::pin(async move {
            let begun = self.keep.clock.monotonic();
            let result = match self.try_out().await {
                Ok(fetched) if fetched.lifetime == Duration::MAX => Ok("gives a token for ever".to_owned()),
                Ok(fetched) => Ok(format!("gives a token for {} s", fetched.lifetime.as_secs())),
                // `Debug` of an error prints the message and its causes.
                Err(error) => Err(format!("{error:?}")),
            };
            let took = self.keep.clock.monotonic().saturating_sub(begun);
            vec![Probe::new("token", self.keep.fetch.address(), took, result)]
        })
    }
}

enum Look {
    Held(Authorization),
    Waits(Flight),
}

impl Keep {
    /// What to wait for, where there is no token at hand.
    fn look(self: &Arc<Self>) -> Result<Look, TokenError> {
        let now = self.clock.monotonic();
        let mut state = self.lock();
        // Another one may have landed since.
        if let Some(held) = self.held.load().as_ref().filter(|held| now < held.good_until) {
            return Ok(Look::Held(held.token().clone()));
        }
        self.hold(None);
        if let Some(flight) = state.under_way(now) {
            return Ok(Look::Waits(flight.clone()));
        }
        if let Some(error) = state.resting(now) {
            return Err(error);
        }
        let departure = self.begin(&mut state, now)?;
        drop(state);
        Ok(Look::Waits(departure.depart()))
    }

    fn try_out(self: &Arc<Self>) -> Result<Flight, TokenError> {
        let now = self.clock.monotonic();
        let mut state = self.lock();
        if let Some(flight) = state.under_way(now) {
            return Ok(flight.clone());
        }
        let departure = self.begin(&mut state, now)?.trying_out();
        drop(state);
        Ok(departure.depart())
    }

    /// Begins to replace a token that is good for a while.
    fn renew(self: &Arc<Self>, now: Duration) {
        let mut state = self.lock();
        let Some(held) = self.held.load_full().filter(|held| now >= held.renew_at) else { return };
        if state.under_way(now).is_some() {
            return;
        }
        // The token at hand is good: that another cannot be fetched is no error yet.
        if let Ok(departure) = self.begin(&mut state, now) {
            // So that nobody else takes the lock for it while it is under way.
            self.hold(Some(held.renewed_from(now.saturating_add(self.fetch.longest()), &self.clock)));
            drop(state);
            departure.depart();
        }
    }

    /// Notes a fetch as under way. It is set off without the lock: where the runtime is shutting down, it ends on the spot.
    fn begin(self: &Arc<Self>, state: &mut State, now: Duration) -> Result<Departure, TokenError> {
        let departure = Departure::new(Arc::clone(self), state.next_number(), now)?;
        state.flight = Some(departure.flight.clone());
        Ok(departure)
    }

    /// A server refused `token`. Answers whether another one can be had.
    fn refused(&self, token: &Authorization) -> bool {
        let now = self.clock.monotonic();
        let mut state = self.lock();
        let under_way = state.under_way(now).is_some();
        let possible = under_way || state.resting(now).is_none();
        match self.held.load_full() {
            // A late complaint: a newer one is at hand.
            Some(held) if held.token() != token && now < held.good_until => return true,
            // It has ended meanwhile, and is replaced without force.
            Some(held) if now >= held.good_until => return possible,
            None if state.awaited => return possible,
            // The newest one, or one that had no lifetime to be kept for.
            _ => {}
        }
        let due = state.forced_at.is_none_or(|at| now >= at.saturating_add(self.min_refresh_interval));
        if !possible || !(under_way || due) {
            return false;
        }
        state.forced_at = Some(now);
        state.awaited = true;
        self.hold(None);
        true
    }

    /// Keeps what the fetch `number` gave that began at `asked`. One that was tried out disturbs none that is good.
    fn land(&self, number: u64, asked: Duration, trying_out: bool, result: &Result<Fetched, TokenError>) {
        let now = self.clock.monotonic();
        let mut state = self.lock();
        let expected = state.flight.take_if(|flight| flight.number == number).is_some();
        match result {
            Ok(fetched) => {
                // One that was given up for lost may come after its successor.
                if state.newest_asked.is_some_and(|newest| newest > asked) {
                    return;
                }
                let recovered = state.failure.take().is_some();
                let tells = fetched.lifetime.is_zero() && !std::mem::replace(&mut state.told_lifeless, true);
                let good = |held: &Arc<Held>| now < held.renew_at && now < held.good_until;
                if !(trying_out && self.held.load().as_ref().is_some_and(good)) {
                    state.newest_asked = Some(asked);
                    state.awaited = false;
                    let held = Held::new(fetched, asked, &self.clock);
                    self.hold((now < held.good_until).then(|| Arc::new(held)));
                }
                drop(state);
                if recovered {
                    info!(target: "portcullis", url = self.fetch.address(), "tokens are fetched again");
                }
                if tells {
                    warn!(
                        target: "portcullis",
                        url = self.fetch.address(),
                        remedy = "lower `clockSkew`, or have the server give tokens that live longer",
                        "tokens come with no lifetime left: each use fetches another one"
                    );
                }
            }
            Err(_) if !expected => {}
            Err(error) => {
                let first = state.failure.is_none();
                let failure = Failure::after(state.failure.as_ref(), error, now);
                if let Some(held) = self.held.load_full() {
                    self.hold(Some(held.renewed_from(failure.again_at, &self.clock)));
                }
                state.failure = Some(failure);
                drop(state);
                // Once for an outage. Each caller that it concerns is told by itself.
                if first {
                    warn!(
                        target: "portcullis",
                        url = self.fetch.address(),
                        error = ?error,
                        remedy = "the last token is used while it is good",
                        "no token could be fetched"
                    );
                }
            }
        }
    }

    /// The fetch `number` ended without landing: its runtime is gone.
    fn lost(&self, number: u64) {
        let mut state = self.lock();
        if state.flight.take_if(|flight| flight.number == number).is_some()
            && let Some(held) = self.held.load_full()
        {
            self.hold(Some(held.renewed_from(self.clock.monotonic(), &self.clock)));
        }
    }

    /// Whoever sends the token that was held before asks again.
    fn hold(&self, held: Option<Arc<Held>>) {
        if let Some(old) = self.held.swap(held) {
            old.lease.end();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for TokenKeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKeeper")
            .field("fetch", &self.keep.fetch)
            .field("holds", &self.keep.held.load().is_some())
            .finish_non_exhaustive()
    }
}
