//! One attempt, from before it is looked at until it is known what it was.

use std::{
    fmt,
    net::IpAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::{
    NAME, Throttle,
    call::{Call, Caller, Calls},
    counter::Failure,
    delayed,
    guess::{Ends, Guess, Refused},
    name::Name,
    state::{AddressSeat, Bid, Heard, Seat, Settled},
};
use crate::{Basic, Clock, Unavailable};

/// Whoever has waited so long and goes has waited for a store that does not answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// A credential that is being looked at. One that is dropped was abandoned by its caller: that counts for the address, which
/// has caused the work, and for the users. A remembered password is told at once and a wrong one after a hash, so that who
/// hangs up between them would guess for free. After [`PATIENCE`] it counts as what the store could not tell the address.
pub(crate) struct Attempt {
    throttle: Throttle,
    address: Option<u64>,
    credential: u64,
    begun: Duration,
    /// The store that was asked last.
    asked: AtomicUsize,
    /// Of a password: the stores that are asked, and the places.
    seats: Vec<(usize, Seat)>,
    /// The stores that are not asked for so long.
    left_alone: Vec<(usize, Duration)>,
    address_seat: Option<AddressSeat>,
    /// What accounts refused it that a store learned of by itself.
    refused: OnceLock<Arc<Refused>>,
    /// Of a token: what is known of the calls about it, where a server was asked.
    called: OnceLock<Arc<Calls>>,
}

/// What a store said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It knows the caller.
    Right,
    /// It refuses the credential.
    Wrong,
    /// The same, without a look at any user: that says nothing of an outage.
    Unfit,
    /// It cannot tell.
    Unavailable,
    /// It cannot tell of this caller: that makes no outage.
    Unclear,
    /// It was not asked.
    Untold,
}

/// What a whole chain said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Some store knows the caller.
    Known,
    /// All refuse the credential: 401.
    Refused,
    /// Some cannot tell: 503.
    Unavailable,
    /// The same, because too many ask.
    Overloaded,
}

impl Attempt {
    /// An attempt with a password at `stores`.
    ///
    /// # Errors
    ///
    /// With the span to wait, where it may not be made now.
    pub(crate) fn basic(
        throttle: &Throttle,
        clock: &Arc<dyn Clock>,
        client: Option<IpAddr>,
        basic: &Basic,
        stores: &[usize],
    ) -> Result<Self, Duration> {
        let now = throttle.now(clock);
        let name = Name::new(basic.username());
        let address = throttle.address(client);
        let credential = throttle.key(basic.pair());
        let bid = throttle.bid(address, credential, now);
        let account = |store: &usize| throttle.account(NAME, *store, &name, address);
        let accounts: Vec<_> = stores.iter().map(account).collect();
        let mut state = throttle.lock();
        // Both are asked, so that the longer wait is told.
        let address_seat = state.enter_address(&accounts, &bid);
        let seats = state.enter(&accounts, &bid);
        let (address_seat, seats) = match (address_seat, seats) {
            (Ok(address_seat), Ok(seats)) => (address_seat, seats),
            (Ok(address_seat), Err(wait)) => {
                if let Some(seat) = address_seat {
                    state.settle_address(&seat, Settled::Untold, &bid);
                }
                return Err(wait);
            }
            (Err(wait), Ok(seats)) => {
                for seat in seats.iter().flatten() {
                    state.settle(seat, Settled::Untold, &bid);
                }
                return Err(wait);
            }
            (Err(one), Err(other)) => return Err(one.max(other)),
        };
        drop(state);
        let (mut entered, mut left_alone) = (Vec::with_capacity(stores.len()), Vec::new());
        for (store, seat) in stores.iter().zip(seats) {
            match seat {
                Ok(seat) => entered.push((*store, seat)),
                Err(wait) => left_alone.push((*store, wait)),
            }
        }
        Ok(Self {
            throttle: throttle.clone(),
            address,
            credential,
            begun: now,
            asked: AtomicUsize::new(usize::MAX),
            seats: entered,
            left_alone,
            address_seat,
            refused: OnceLock::new(),
            called: OnceLock::new(),
        })
    }

    /// An attempt with a token. It is counted only where it makes somebody ask a server.
    pub(crate) fn bearer(throttle: &Throttle, clock: &Arc<dyn Clock>, client: Option<IpAddr>) -> Self {
        throttle.counts.clock.get_or_init(|| Arc::clone(clock));
        let address = throttle.address(client);
        Self {
            throttle: throttle.clone(),
            address,
            credential: 0,
            begun: Duration::ZERO,
            asked: AtomicUsize::new(usize::MAX),
            seats: Vec::new(),
            left_alone: Vec::new(),
            address_seat: None,
            refused: OnceLock::new(),
            called: OnceLock::new(),
        }
    }

    /// Whether stores are left alone for a while.
    pub(crate) const fn leaves_alone(&self) -> bool {
        !self.left_alone.is_empty()
    }

    /// What a store that is left alone says in place of an answer.
    pub(crate) fn unasked(&self, store: impl FnOnce() -> usize) -> Option<Unavailable> {
        if self.left_alone.is_empty() {
            return None;
        }
        let store = store();
        let (_, wait) = self.left_alone.iter().find(|(left, _)| *left == store)?;
        Some(delayed(*wait))
    }

    /// Ends the attempt by what each store said.
    pub(crate) fn settle(mut self, ended: Ended, said: impl Fn(usize) -> Verdict) {
        let bid = self.bid();
        let throttle = self.throttle.clone();
        let Ends { refused, has_to_wait } = self.refused_by();
        let mut state = throttle.lock();
        for (seat, settled) in refused {
            // What another store knows is no guess.
            let settled = if ended == Ended::Known { Settled::Untold } else { settled };
            state.settle(&seat, settled, &bid);
        }
        for (store, seat) in self.seats.drain(..) {
            let verdict = said(store);
            let settled = match (verdict, ended) {
                (Verdict::Right, _) => Settled::Right,
                (Verdict::Wrong | Verdict::Unfit, Ended::Refused) => Settled::Wrong(Failure::Plain),
                // Who can put a store out of action must not guess for free at the others, nor at what it remembers.
                (Verdict::Untold, _) | (_, Ended::Known | Ended::Refused) => Settled::Untold,
                (_, Ended::Unavailable | Ended::Overloaded) => Settled::Wrong(Failure::InOutage),
            };
            let heard = match (verdict, ended) {
                (Verdict::Right, _) => Heard::Knows,
                (Verdict::Wrong, _) => Heard::Refusal,
                // What another store knows is no guess.
                (Verdict::Unavailable, Ended::Known)
                | (Verdict::Unfit | Verdict::Unclear | Verdict::Untold, _) => Heard::Nothing,
                // Whoever tries one password with many users is one address, also where nobody can tell.
                (Verdict::Unavailable, _) => Heard::Outage,
            };
            state.settle_hearing(&seat, settled, heard, &bid);
        }
        if let Some(seat) = self.address_seat.take() {
            let settled = match ended {
                // The one that has to wait might have known the caller.
                Ended::Refused if has_to_wait => Settled::Wrong(Failure::InOutage),
                Ended::Refused => Settled::Wrong(Failure::Plain),
                // It is among those who fill the queue.
                Ended::Overloaded => Settled::Wrong(Failure::InOutage),
                Ended::Known | Ended::Unavailable => Settled::Untold,
            };
            state.settle_address(&seat, settled, &bid);
        }
        // To find an account that has to wait has cost something. Its user may be at fault, or somebody far away.
        if has_to_wait && matches!(ended, Ended::Unavailable | Ended::Overloaded) {
            state.count_address(Failure::InOutage, &bid);
        }
        let counts = self.called.take().is_some_and(|calls| match ended {
            Ended::Known => false,
            Ended::Refused => calls.were_made(),
            // A server may still refuse it, when nobody waits any more.
            Ended::Unavailable | Ended::Overloaded => {
                calls.are_left();
                false
            }
        });
        if counts {
            state.count_address(Failure::Plain, &bid);
        }
    }

    /// Ends the accounts' part in the attempt: what is refused later counts at once.
    fn refused_by(&mut self) -> Ends {
        self.refused.take().map(|refused| refused.end()).unwrap_or_default()
    }

    fn bid(&self) -> Bid {
        self.throttle.bid(self.address, self.credential, self.throttle.later())
    }

    /// Says that a server is about to be asked.
    fn permit_call(&self) -> Result<Call, Unavailable> {
        let delay = self.throttle.lock().address_delay(&self.bid());
        if let Some(wait) = delay {
            return Err(delayed(wait));
        }
        let calls = Arc::clone(self.called.get_or_init(Arc::default));
        calls.permitted();
        Ok(Call(Some(Caller { throttle: self.throttle.clone(), address: self.address, calls })))
    }
}

impl Throttle {
    pub(super) const fn bid(&self, address: Option<u64>, credential: u64, now: Duration) -> Bid {
        let (user_limit, address_limit) = (self.user_limit(), self.address_limit());
        Bid { address, credential, user_limit, address_limit, now }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.called.take().is_some_and(|calls| calls.note(Calls::GONE)) {
            self.throttle.lock().count_address(Failure::Plain, &self.bid());
        }
        let refused_by = self.refused_by().refused;
        if self.seats.is_empty() && self.address_seat.is_none() && refused_by.is_empty() {
            return;
        }
        let bid = self.bid();
        let is_late = bid.now.saturating_sub(self.begun) >= PATIENCE;
        let silent = is_late.then(|| self.asked.load(Ordering::Relaxed));
        let mut is_known = false;
        let mut state = self.throttle.lock();
        for (seat, settled) in refused_by {
            state.settle(&seat, settled, &bid);
        }
        for (store, seat) in self.seats.drain(..) {
            let is_silent = silent == Some(store);
            is_known |= is_silent;
            let heard = if is_silent { Heard::Silence } else { Heard::Nothing };
            state.settle_hearing(&seat, Settled::Abandoned(Failure::InOutage), heard, &bid);
        }
        if let Some(seat) = self.address_seat.take() {
            let settled = if is_known { Settled::Untold } else { Settled::Abandoned(Failure::Plain) };
            state.settle_address(&seat, settled, &bid);
        }
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt").finish_non_exhaustive()
    }
}

/// The attempt that a provider is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempted<'a> {
    attempt: &'a Attempt,
    /// Which provider is asked.
    store: usize,
}

impl<'a> Attempted<'a> {
    pub(crate) fn of(attempt: &'a Attempt, store: usize) -> Self {
        attempt.asked.store(store, Ordering::Relaxed);
        Self { attempt, store }
    }

    pub(crate) fn permit_call(self) -> Result<Call, Unavailable> {
        self.attempt.permit_call()
    }

    pub(crate) fn guess(self) -> Guess {
        let Attempt { throttle, address, credential, refused, .. } = self.attempt;
        let refused = Arc::clone(refused.get_or_init(Arc::default));
        Guess::by(throttle.clone(), *address, *credential, self.store, refused)
    }
}
