//! What is known of a token, of fetches under way, and of those that failed.

use std::{sync::Arc, time::Duration};

use portcullis_core::{Authorization, Clock, TokenError, TokenLease};

use super::{Fetched, flight::Flight};

/// What a token has left when it begins to be renewed: this part of its life, and this long at most.
const RENEW_PART: u32 = 5;
const RENEW_MOST: Duration = Duration::from_secs(300);

/// How long is waited after a fetch that failed: this, doubled with each further one, up to the last.
const BACK_OFF: Duration = Duration::from_secs(1);
pub(super) const BACK_OFF_MOST: Duration = Duration::from_secs(60);

/// The longest that is waited while there is no token to go on with: somebody is kept out meanwhile.
const BACK_OFF_WITHOUT: Duration = Duration::from_secs(5);

/// A token, with the moments that matter on the monotonic scale.
pub(super) struct Held {
    /// Good while nothing is to be done about it.
    pub(super) lease: Arc<TokenLease>,
    /// When its last part begins.
    due_at: Duration,
    /// From when on the next use begins to fetch another one: not before that, and not while one is under way or may not be
    /// tried again.
    pub(super) renew_at: Duration,
    pub(super) good_until: Duration,
}

impl Held {
    /// The one that was asked for at `asked`.
    pub(super) fn new(fetched: &Fetched, asked: Duration, clock: &Arc<dyn Clock>) -> Self {
        let good_until = asked.saturating_add(fetched.lifetime);
        let due_at = good_until.saturating_sub(renewal_span(fetched.lifetime));
        Self::from(fetched.token.clone(), due_at, due_at, good_until, clock)
    }

    fn from(
        token: Authorization,
        due_at: Duration,
        renew_at: Duration,
        good_until: Duration,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let lease = TokenLease::until(token, Arc::clone(clock), renew_at.min(good_until));
        Self { lease: Arc::new(lease), due_at, renew_at, good_until }
    }

    pub(super) fn token(&self) -> &Authorization {
        self.lease.token()
    }

    /// The same, renewed at `moment` or later.
    pub(super) fn renewed_from(&self, moment: Duration, clock: &Arc<dyn Clock>) -> Arc<Self> {
        let renew_at = self.due_at.max(moment);
        Arc::new(Self::from(self.token().clone(), self.due_at, renew_at, self.good_until, clock))
    }
}

#[derive(Default)]
pub(super) struct State {
    pub(super) flight: Option<Flight>,
    pub(super) failure: Option<Failure>,
    /// When a refused token last had another one fetched.
    pub(super) forced_at: Option<Duration>,
    /// A refused token was dropped, and the next one is not there yet.
    pub(super) awaited: bool,
    /// When the newest token was asked for.
    pub(super) newest_asked: Option<Duration>,
    /// Whether it was told that tokens come with no lifetime left.
    pub(super) told_lifeless: bool,
    flights: u64,
}

impl State {
    pub(super) const fn next_number(&mut self) -> u64 {
        self.flights = self.flights.wrapping_add(1);
        self.flights
    }

    /// The fetch under way. One that should have ended long ago is given up for lost.
    pub(super) fn under_way(&mut self, now: Duration) -> Option<&Flight> {
        self.flight.take_if(|flight| now >= flight.until);
        self.flight.as_ref()
    }

    /// The error of the last fetch, while the next one may not begin although there is no token.
    pub(super) fn resting(&self, now: Duration) -> Option<TokenError> {
        let failure = self.failure.as_ref().filter(|failure| now < failure.again_without_at)?;
        Some(failure.error.clone().with_retry_after(failure.again_without_at.saturating_sub(now)))
    }
}

/// Fetches that failed, since one went well.
pub(super) struct Failure {
    error: TokenError,
    count: u32,
    /// When the next one may begin while there is a token to go on with.
    pub(super) again_at: Duration,
    /// When the next one may begin while there is none.
    again_without_at: Duration,
}

impl Failure {
    /// One more, with `error`.
    pub(super) fn after(last: Option<&Self>, error: &TokenError, now: Duration) -> Self {
        let count = last.map_or(0, |failure| failure.count);
        let wait = jittered(BACK_OFF.saturating_mul(1 << count.min(6)).min(BACK_OFF_MOST));
        let told = error.retry_after().unwrap_or_default().min(BACK_OFF_MOST);
        Self {
            error: error.clone(),
            count: count.saturating_add(1),
            again_at: now.saturating_add(wait.max(told)),
            again_without_at: now.saturating_add(wait.min(BACK_OFF_WITHOUT).max(told)),
        }
    }
}

/// What a token of this lifetime has left when it begins to be renewed.
pub(crate) fn renewal_span(lifetime: Duration) -> Duration {
    jittered((lifetime / RENEW_PART).min(RENEW_MOST))
}

/// `span`, more or less: from three quarters to five quarters of it, so that many processes do not ask at once.
fn jittered(span: Duration) -> Duration {
    // Without randomness there is no jitter, which is no reason to fail.
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    span.mul_f64(0.75 + f64::from(random) / f64::from(u32::MAX) / 2.0)
}
