//! One attempt, from before it is looked at until it is known what it was.

use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use super::{
    NAME, Throttle,
    call::{Call, Caller, Calls},
    counter::Failure,
    delayed,
    name::Name,
    state::{AddressSeat, Bid, Heard, Seat, Settled, State},
};
use crate::{Basic, Clock, Unavailable};

/// A credential that is being looked at. One that is dropped was abandoned by its caller: that counts for the address, which
/// has caused the work, and for the users. A remembered password is told at once and a wrong one after a hash, so that who
/// hangs up between them would guess for free.
pub(crate) struct Attempt {
    throttle: Throttle,
    address: Option<u64>,
    credential: u64,
    /// Of a password: the stores that are asked, and the places.
    seats: Vec<(usize, Seat)>,
    address_seat: Option<AddressSeat>,
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
    /// It cannot tell.
    Unavailable,
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
                for seat in &seats {
                    state.settle(seat, Settled::Untold, &bid);
                }
                return Err(wait);
            }
            (Err(one), Err(other)) => return Err(one.max(other)),
        };
        drop(state);
        Ok(Self {
            throttle: throttle.clone(),
            address,
            credential,
            seats: stores.iter().copied().zip(seats).collect(),
            address_seat,
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
            seats: Vec::new(),
            address_seat: None,
            called: OnceLock::new(),
        }
    }

    /// Ends the attempt by what each store said.
    pub(crate) fn settle(mut self, ended: Ended, said: impl Fn(usize) -> Verdict) {
        let bid = self.bid();
        let throttle = self.throttle.clone();
        let mut state = throttle.lock();
        for (store, seat) in self.seats.drain(..) {
            let verdict = said(store);
            let settled = match (verdict, ended) {
                (Verdict::Right, _) => Settled::Right,
                (Verdict::Wrong, Ended::Refused) => Settled::Wrong(Failure::Plain),
                // Who can put a store out of action must not guess for free at the others, nor at what it remembers.
                (Verdict::Wrong | Verdict::Unavailable, Ended::Unavailable | Ended::Overloaded) => {
                    Settled::Wrong(Failure::InOutage)
                }
                (Verdict::Wrong | Verdict::Unavailable, _) | (Verdict::Untold, _) => Settled::Untold,
            };
            let heard = match (verdict, ended) {
                (Verdict::Right, _) => Heard::Knows,
                (Verdict::Wrong, _) => Heard::Refusal,
                // What another store knows is no guess.
                (Verdict::Unavailable, Ended::Known) | (Verdict::Untold, _) => Heard::Nothing,
                // Whoever tries one password with many users is one address, also where nobody can tell.
                (Verdict::Unavailable, _) => Heard::Outage,
            };
            state.settle_hearing(&seat, settled, heard, &bid);
        }
        let refused = ended == Ended::Refused;
        if let Some(seat) = self.address_seat.take() {
            let settled = match ended {
                Ended::Refused => Settled::Wrong(Failure::Plain),
                // It is among those who fill the queue.
                Ended::Overloaded => Settled::Wrong(Failure::InOutage),
                Ended::Known | Ended::Unavailable => Settled::Untold,
            };
            state.settle_address(&seat, settled, &bid);
        }
        let called = self.called.take().is_some();
        if refused && called {
            state.count_address(&bid);
        }
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
            self.throttle.lock().count_address(&self.bid());
        }
        if self.seats.is_empty() && self.address_seat.is_none() {
            return;
        }
        let bid = self.bid();
        let mut state = self.throttle.lock();
        for (_, seat) in self.seats.drain(..) {
            state.settle(&seat, Settled::Abandoned(Failure::InOutage), &bid);
        }
        if let Some(seat) = self.address_seat.take() {
            state.settle_address(&seat, Settled::Abandoned(Failure::Plain), &bid);
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
    pub(crate) attempt: &'a Attempt,
    /// Which provider is asked.
    pub(crate) store: usize,
}

impl Attempted<'_> {
    pub(crate) fn permit_call(self) -> Result<Call, Unavailable> {
        self.attempt.permit_call()
    }

    pub(crate) fn guess(self) -> Guess {
        let Attempt { throttle, address, credential, .. } = self.attempt;
        Guess(Some(Guesser {
            throttle: throttle.clone(),
            address: *address,
            credential: *credential,
            store: self.store,
        }))
    }
}

/// A password that is about to be held against an account, for providers that learn only later whose account it is.
///
/// Made by [`Context::guess`](crate::Context::guess). Where the service has no throttle it permits everything.
#[derive(Clone, Debug)]
pub struct Guess(Option<Guesser>);

#[derive(Clone, Debug)]
struct Guesser {
    throttle: Throttle,
    address: Option<u64>,
    credential: u64,
    store: usize,
}

impl Guess {
    pub(crate) const fn untold() -> Self {
        Self(None)
    }

    /// Asks whether the password may be held against `account`: what the store itself calls it, such as a
    /// distinguished name. However the caller spells the user's name, guesses at one account are counted together.
    ///
    /// Tell what came of it with [`Held::right`] and [`Held::wrong`].
    ///
    /// # Errors
    ///
    /// With the provider's answer, where there were too many failures: the caller is then answered with 429.
    pub fn at(&self, account: &str) -> Result<Held, Unavailable> {
        self.enter(account, |state, bid| {
            // To find the account has cost something.
            state.count_address(bid);
        })
        .map_err(delayed)
    }

    /// The same where a memory says that the password is the account's. `None` where it has to wait: then go on as if
    /// nothing were remembered and ask [`Guess::at`] when the account is found, so that neither the answer nor its time
    /// tells a right password from a wrong one.
    #[must_use = "say what came of it"]
    pub fn recalled(&self, account: &str) -> Option<Held> {
        self.enter(account, |_, _| ()).ok()
    }

    fn enter(&self, account: &str, refused: impl FnOnce(&mut State, &Bid)) -> Result<Held, Duration> {
        let Some(Guesser { throttle, address, credential, store }) = &self.0 else { return Ok(Held(None)) };
        let bid = throttle.bid(*address, *credential, throttle.later());
        let account = throttle.account("account", *store, &Name::new(account), *address);
        let mut state = throttle.lock();
        match state.enter(&[account], &bid) {
            Ok(mut seats) => {
                let seat = seats.pop();
                drop(state);
                Ok(Held(seat.map(|seat| (throttle.clone(), seat, bid))))
            }
            Err(wait) => {
                refused(&mut state, &bid);
                Err(wait)
            }
        }
    }
}

/// A password that is being held against an account. Dropped without a word it counts as one that nobody can tell about: with
/// delays of four seconds at most.
#[derive(Debug)]
#[must_use = "say what came of it"]
pub struct Held(Option<(Throttle, Seat, Bid)>);

impl Held {
    /// It is the account's.
    pub fn right(mut self) {
        self.settle(Settled::Right);
    }

    /// It is not.
    pub fn wrong(mut self) {
        self.settle(Settled::Wrong(Failure::Plain));
    }

    fn settle(&mut self, settled: Settled) {
        if let Some((throttle, seat, bid)) = self.0.take() {
            let bid = Bid { now: throttle.later(), ..bid };
            throttle.lock().settle(&seat, settled, &bid);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.settle(Settled::Abandoned(Failure::InOutage));
    }
}
