//! A token that is signed once and sent until shortly before it expires.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use portcullis_core::{
    Authorization, BoxFuture, Clock, Probe, RefreshObserver, RefreshObservers, Secret, SystemClock,
    TokenError, TokenLease, TokenSource, UnixTime,
};

use crate::{IssueError, JwtIssuer};

/// A token is replaced as long before it expires at most: time for the request to arrive, and for clocks that differ.
const LONGEST_MARGIN: Duration = Duration::from_secs(30);

/// Times in a token are whole seconds: within one, a new token would live no longer than the old one.
const SECOND: Duration = Duration::from_secs(1);

/// Refused tokens are replaced this often at most.
const MIN_REFUSAL_INTERVAL: Duration = Duration::from_secs(10);

type Sign = dyn Fn(UnixTime) -> Result<Secret, IssueError> + Send + Sync;

/// Requests carry a token that the service signs itself: what is behind a `JwtIssuerConfig` of a client.
///
/// A token is signed when it is first needed, and sent until a tenth of its life, or thirty seconds, is left. Then one
/// caller signs the next, and the others go on with the old one; where the old one has expired, they wait for that one signature.
/// A token is good between its `nbf` and its `exp` by civil time, so a clock that is set, forth or back, costs one signature. After a
/// server has refused a token, another one is signed, once in ten seconds.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use portcullis_core::{TokenSource, UnixTime};
/// use portcullis_jwt::{JwtIssuer, JwtIssuerConfig, SelfSignedJwt, SigningConfig};
/// use portcullis_testing::ManualClock;
///
/// let signing = SigningConfig::secret("a secret of at least thirty-two bytes");
/// let issuer = JwtIssuer::new(JwtIssuerConfig::new(signing).issuer("orders").audience(["stock"]))?;
/// let clock = ManualClock::at(UnixTime::from_secs(1_700_000_000));
/// let orders = SelfSignedJwt::new(issuer).clock(Arc::new(clock.clone()));
///
/// let first = orders.try_token();
/// assert_eq!(orders.try_token(), first);
/// clock.advance(Duration::from_secs(300));
/// assert_ne!(orders.try_token(), first);
/// # Ok::<(), portcullis_core::BuildError>(())
/// ```
pub struct SelfSignedJwt {
    /// What requests read.
    held: ArcSwapOption<Held>,
    /// Whoever has it signs.
    turn: Mutex<Turn>,
    sign: Box<Sign>,
    life: Duration,
    clock: Arc<dyn Clock>,
    observers: RefreshObservers,
}

struct Held {
    /// Good while no other is needed.
    lease: Arc<TokenLease>,
    not_before: UnixTime,
    expires: UnixTime,
}

#[derive(Default)]
struct Turn {
    /// When a token was signed for another reason than the time, on the monotonic scale.
    last_refusal: Option<Duration>,
}

impl SelfSignedJwt {
    /// Tokens of this issuer, by the machine's clock.
    #[must_use]
    pub fn new(issuer: JwtIssuer) -> Self {
        let life = Duration::from_secs(issuer.config.life().unwrap_or(u64::MAX));
        Self::signed_by(Box::new(move |now| issuer.issue(now)), life)
    }

    /// By another clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    pub(super) fn signed_by(sign: Box<Sign>, life: Duration) -> Self {
        Self {
            held: ArcSwapOption::empty(),
            turn: Mutex::default(),
            sign,
            life,
            clock: Arc::new(SystemClock::new()),
            observers: RefreshObservers::default(),
        }
    }

    /// The one that is held, where nothing need be signed for it. Takes no lock and allocates nothing.
    fn ready(&self) -> Option<Arc<TokenLease>> {
        let held = self.held.load();
        held.as_ref().map(|held| &held.lease).filter(|lease| lease.is_good()).cloned()
    }

    /// One that is good now, where it takes a signature.
    #[cold]
    fn renewed(&self) -> Result<Arc<TokenLease>, TokenError> {
        let old = self.held.load_full().filter(|held| held.is_good(self.clock.now()));
        let turn = match (self.turn.try_lock(), old) {
            (Ok(turn), _) => turn,
            (Err(TryLockError::Poisoned(poisoned)), _) => poisoned.into_inner(),
            (Err(TryLockError::WouldBlock), Some(old)) => return Ok(Arc::clone(&old.lease)),
            (Err(TryLockError::WouldBlock), None) => self.turn(),
        };
        self.current(&turn).map(|held| Arc::clone(&held.lease))
    }

    /// What is to be sent now, signed if need be.
    fn current(&self, turn: &MutexGuard<'_, Turn>) -> Result<Arc<Held>, TokenError> {
        // The time is read anew: whoever had the turn before may have signed at a later one than the caller came at.
        let (held, now) = (self.held.load_full(), self.clock.now());
        match held {
            Some(held) if held.lease.is_good() => Ok(held),
            // One that lives is better than none.
            Some(held) if held.is_good(now) => Ok(self.signed(turn, now).unwrap_or(held)),
            _ => self.signed(turn, now),
        }
    }

    /// A new one, which is held from now on.
    fn signed(&self, turn: &MutexGuard<'_, Turn>, now: UnixTime) -> Result<Arc<Held>, TokenError> {
        let begun = self.clock.monotonic();
        let signed = self.sign_one(turn, now);
        let took = self.clock.monotonic().saturating_sub(begun);
        self.observers.tell(signed.as_ref().err(), took);
        signed
    }

    fn sign_one(&self, _: &MutexGuard<'_, Turn>, now: UnixTime) -> Result<Arc<Held>, TokenError> {
        let failed = |error| TokenError::permanent("the client's token cannot be signed").with_source(error);
        let token = (self.sign)(now).map_err(failed)?;
        let authorization = Authorization::bearer(&token)
            .map_err(|error| TokenError::permanent("the client's token cannot be sent").with_source(error))?;
        let held = Arc::new(Held::new(authorization, &self.clock, now, self.life));
        if let Some(old) = self.held.swap(Some(Arc::clone(&held))) {
            old.lease.end();
        }
        Ok(held)
    }

    fn turn(&self) -> MutexGuard<'_, Turn> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// A token that was signed at `now`, and lives for whole seconds.
    fn new(authorization: Authorization, clock: &Arc<dyn Clock>, now: UnixTime, life: Duration) -> Self {
        let not_before = UnixTime::from_secs(now.as_secs());
        let expires = not_before.saturating_add(life);
        let margin = (life / 10).min(LONGEST_MARGIN);
        let renew_at = expires.saturating_sub(margin).max(not_before.saturating_add(SECOND));
        let lease = TokenLease::between(authorization, Arc::clone(clock), not_before, renew_at);
        Self { lease: Arc::new(lease), not_before, expires }
    }

    fn is_good(&self, now: UnixTime) -> bool {
        self.not_before <= now && now < self.expires
    }
}

impl TokenSource for SelfSignedJwt {
    fn try_token(&self) -> Option<Authorization> {
        self.lease().map(|lease| lease.token().clone())
    }

    fn lease(&self) -> Option<Arc<TokenLease>> {
        // A signature takes a millisecond: that is not worth a future.
        self.ready().or_else(|| self.renewed().ok())
    }

    fn token(&self) -> BoxFuture<'_, Result<Authorization, TokenError>> {
        Box::pin(async {
            let lease = self.ready().map_or_else(|| self.renewed(), Ok)?;
            Ok(lease.token().clone())
        })
    }

    fn refused(&self, token: &Authorization) -> bool {
        let mut turn = self.turn();
        let Ok(held) = self.current(&turn) else { return false };
        if held.lease.token() != token {
            return true;
        }
        let now = self.clock.monotonic();
        if turn.last_refusal.is_some_and(|last| now.saturating_sub(last) < MIN_REFUSAL_INTERVAL) {
            return false;
        }
        turn.last_refusal = Some(now);
        // With a `jti` of the configuration, it may be the same one again.
        self.signed(&turn, self.clock.now()).is_ok_and(|held| held.lease.token() != token)
    }

    fn expires_in(&self) -> Option<Duration> {
        self.held.load().as_ref().map(|held| held.expires.since(self.clock.now()))
    }

    fn watch_refreshes(&self, observer: Arc<dyn RefreshObserver>) {
        self.observers.add(observer);
    }

    /// There is no server to ask.
    fn probe(&self) -> BoxFuture<'_, Vec<Probe>> {
        Box::pin(std::future::ready(Vec::new()))
    }
}

/// Shows no token.
impl fmt::Debug for SelfSignedJwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SelfSignedJwt").field("life", &self.life).finish_non_exhaustive()
    }
}
