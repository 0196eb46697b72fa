//! Keeps a token, whatever grant it came by.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt, future::Shared};
use portcullis_core::{Authorization, BoxFuture, Clock, TokenError};
use tokio::{runtime::Handle, sync::oneshot};
use tracing::{info, warn};

/// What a token has left when it begins to be renewed: this part of its life, and this long at most.
const RENEW_PART: u32 = 5;
const RENEW_MOST: Duration = Duration::from_secs(300);

/// How long is waited after a fetch that failed: this, doubled with each further one, up to the last.
const BACK_OFF: Duration = Duration::from_secs(1);
const BACK_OFF_MOST: Duration = Duration::from_secs(60);

/// The longest that is waited while there is no token to go on with: somebody is kept out meanwhile.
const BACK_OFF_WITHOUT: Duration = Duration::from_secs(5);

/// How often refused tokens may cause a fetch.
const REFUSED_INTERVAL: Duration = Duration::from_secs(10);

/// Gets a token from its server: what one grant does.
pub(super) trait Fetch: fmt::Debug + Send + Sync + 'static {
    /// Asks for a token.
    fn fetch(&self) -> BoxFuture<'_, Result<Fetched, TokenError>>;

    /// Where it is asked for, for logs.
    fn address(&self) -> &str;
}

/// A token as it came.
pub(super) struct Fetched {
    pub(super) token: Authorization,
    /// How long it is good, from the moment at which it was asked for.
    pub(super) lifetime: Duration,
}

/// Keeps the token of one grant: fetches it once for all who wait, and renews it while it is good.
///
/// Nothing runs while nobody asks. The first who asks in the last part of a token's life has it renewed in the background.
pub(super) struct TokenKeeper {
    keep: Arc<Keep>,
}

struct Keep {
    fetch: Box<dyn Fetch>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    flight: Option<Flight>,
    failure: Option<Failure>,
    /// When a refused token last had another one fetched.
    forced_at: Option<Duration>,
}

type Flight = Shared<oneshot::Receiver<Result<Authorization, TokenError>>>;

/// A token, with the moments that matter on the monotonic scale.
struct Held {
    token: Authorization,
    renew_at: Duration,
    good_until: Duration,
}

/// Fetches that failed, since one went well.
struct Failure {
    error: TokenError,
    count: u32,
    /// When the next one may begin while there is a token to go on with.
    again_at: Duration,
    /// When the next one may begin while there is none.
    again_without_at: Duration,
}

impl TokenKeeper {
    pub(super) fn new(fetch: impl Fetch, clock: Arc<dyn Clock>) -> Self {
        let fetch = Box::new(fetch);
        Self { keep: Arc::new(Keep { fetch, clock, state: Mutex::default() }) }
    }

    /// A token that is good now.
    pub(super) async fn token(&self) -> Result<Authorization, TokenError> {
        let waiting = match self.keep.look()? {
            Look::Held(token) => return Ok(token),
            Look::Waits(flight) => flight,
        };
        waiting.await.unwrap_or_else(|_| Err(TokenError::transient("the fetch of a token broke off")))
    }

    /// A server refused `token`: it is not used again, unless others were refused a moment ago.
    /// Answers whether another one can be had.
    pub(super) fn refused(&self, token: &Authorization) -> bool {
        let now = self.keep.clock.monotonic();
        let mut state = self.keep.lock();
        let due = state.forced_at.is_none_or(|at| now >= at.saturating_add(REFUSED_INTERVAL));
        match &state.held {
            Some(held) if held.token == *token => {
                if due {
                    state.held = None;
                    state.forced_at = Some(now);
                }
                due
            }
            _ => true,
        }
    }

    /// Asks for a token past what is kept, and keeps nothing.
    pub(super) async fn try_out(&self) -> Result<Fetched, TokenError> {
        self.keep.fetch.fetch().await
    }

    pub(super) fn address(&self) -> &str {
        self.keep.fetch.address()
    }

    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        &self.keep.clock
    }
}

enum Look {
    Held(Authorization),
    Waits(Flight),
}

impl Keep {
    fn look(self: &Arc<Self>) -> Result<Look, TokenError> {
        let now = self.clock.monotonic();
        let mut state = self.lock();
        if let Some(held) = state.held.as_ref().filter(|held| now < held.good_until) {
            let token = held.token.clone();
            let due = now >= held.renew_at
                && state.flight.is_none()
                && state.failure.as_ref().is_none_or(|failure| now >= failure.again_at);
            if due {
                // The token in hand is good: that another cannot be fetched is no error yet.
                _ = self.begin(&mut state, now);
            }
            return Ok(Look::Held(token));
        }
        state.held = None;
        if let Some(flight) = &state.flight {
            return Ok(Look::Waits(flight.clone()));
        }
        if let Some(failure) = state.failure.as_ref().filter(|failure| now < failure.again_without_at) {
            let left = failure.again_without_at.saturating_sub(now);
            return Err(failure.error.clone().with_retry_after(left));
        }
        self.begin(&mut state, now).map(Look::Waits)
    }

    /// Begins a fetch that nobody can end by going away.
    fn begin(self: &Arc<Self>, state: &mut State, now: Duration) -> Result<Flight, TokenError> {
        let runtime = Handle::try_current().map_err(|error| {
            TokenError::transient("tokens are fetched on a tokio runtime, and there is none")
                .with_source(error)
        })?;
        let (tell, told) = oneshot::channel();
        let flight = told.shared();
        state.flight = Some(flight.clone());
        let landing = Landing { keep: Arc::clone(self), landed: false };
        runtime.spawn(async move {
            let result = landing.keep.fetch.fetch().await;
            _ = tell.send(landing.land(result, now));
        });
        Ok(flight)
    }

    /// Keeps what a fetch gave that began at `asked`.
    fn land(
        &self,
        result: Result<Fetched, TokenError>,
        asked: Duration,
    ) -> Result<Authorization, TokenError> {
        let now = self.clock.monotonic();
        let mut state = self.lock();
        state.flight = None;
        match result {
            Ok(Fetched { token, lifetime }) => {
                let recovered = state.failure.take().is_some();
                let good_until = asked.saturating_add(lifetime);
                let renew_at = good_until.saturating_sub(jittered((lifetime / RENEW_PART).min(RENEW_MOST)));
                state.held = (now < good_until).then(|| Held { token: token.clone(), renew_at, good_until });
                drop(state);
                if recovered {
                    info!(target: "portcullis", url = self.fetch.address(), "tokens are fetched again");
                }
                Ok(token)
            }
            Err(error) => {
                let first = state.failure.is_none();
                let count = state.failure.as_ref().map_or(0, |failure| failure.count);
                let wait = jittered(BACK_OFF.saturating_mul(1 << count.min(6)).min(BACK_OFF_MOST));
                let told = error.retry_after().unwrap_or_default().min(BACK_OFF_MOST);
                state.failure = Some(Failure {
                    error: error.clone(),
                    count: count.saturating_add(1),
                    again_at: now.saturating_add(wait.max(told)),
                    again_without_at: now.saturating_add(wait.min(BACK_OFF_WITHOUT).max(told)),
                });
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
                Err(error)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a fetch that breaks off before it lands.
struct Landing {
    keep: Arc<Keep>,
    landed: bool,
}

impl Landing {
    fn land(
        mut self,
        result: Result<Fetched, TokenError>,
        asked: Duration,
    ) -> Result<Authorization, TokenError> {
        self.landed = true;
        self.keep.land(result, asked)
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        // Once it has landed, the next one may be on its way.
        if !self.landed {
            self.keep.lock().flight = None;
        }
    }
}

/// `span`, more or less: from three quarters to five quarters of it, so that many processes do not ask at once.
fn jittered(span: Duration) -> Duration {
    // Without randomness there is no jitter, which is no reason to fail.
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    span.mul_f64(0.75 + f64::from(random) / f64::from(u32::MAX) / 2.0)
}

impl fmt::Debug for TokenKeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.keep.lock();
        f.debug_struct("TokenKeeper")
            .field("fetch", &self.keep.fetch)
            .field("holds", &state.held.is_some())
            .finish_non_exhaustive()
    }
}
