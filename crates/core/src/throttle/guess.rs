//! A password held against an account that a store learns of by itself: an entry of a directory, a record.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    Throttle,
    counter::Failure,
    delayed,
    name::Name,
    state::{Bid, Seat, Settled},
};
use crate::Unavailable;

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
    refused: Arc<Refused>,
}

impl Guess {
    pub(crate) const fn untold() -> Self {
        Self(None)
    }

    pub(super) const fn by(
        throttle: Throttle,
        address: Option<u64>,
        credential: u64,
        store: usize,
        refused: Arc<Refused>,
    ) -> Self {
        Self(Some(Guesser { throttle, address, credential, store, refused }))
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
        self.enter(account).map_err(|wait| {
            if let Some(Guesser { refused, .. }) = &self.0 {
                refused.has_to_wait();
            }
            delayed(wait)
        })
    }

    /// The same where a memory says that the password is the account's. `None` where it has to wait: then go on as if
    /// nothing were remembered and ask [`Guess::at`] when the account is found, so that neither the answer nor its time
    /// tells a right password from a wrong one.
    #[must_use = "say what came of it"]
    pub fn recalled(&self, account: &str) -> Option<Held> {
        self.enter(account).ok()
    }

    fn enter(&self, account: &str) -> Result<Held, Duration> {
        let Some(Guesser { throttle, address, credential, store, refused: refused_by }) = &self.0 else {
            return Ok(Held(None));
        };
        let bid = throttle.bid(*address, *credential, throttle.later());
        let account = throttle.account("account", *store, &Name::new(account), *address);
        let mut seats = throttle.lock().enter(&[account], &bid)?;
        let seat = seats.pop().and_then(Result::ok);
        let refused_by = Arc::clone(refused_by);
        Ok(Held(seat.map(|seat| Holding { throttle: throttle.clone(), seat, bid, refused_by })))
    }
}

/// A password that is being held against an account. Dropped without a word it counts as one that nobody can tell about: with
/// delays of four seconds at most.
#[derive(Debug)]
#[must_use = "say what came of it"]
pub struct Held(Option<Holding>);

#[derive(Debug)]
struct Holding {
    throttle: Throttle,
    seat: Seat,
    bid: Bid,
    refused_by: Arc<Refused>,
}

impl Held {
    /// It is the account's.
    pub fn right(mut self) {
        if let Some(holding) = self.0.take() {
            holding.settle(Settled::Right);
        }
    }

    /// It is not. That counts when the whole chain has answered, and not at all where another store knows the caller.
    pub fn wrong(mut self) {
        if let Some(holding) = self.0.take() {
            holding.settle_later(Settled::Wrong(Failure::Plain));
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(holding) = self.0.take() {
            holding.settle_later(Settled::Abandoned(Failure::InOutage));
        }
    }
}

impl Holding {
    fn settle(self, settled: Settled) {
        let bid = Bid { now: self.throttle.later(), ..self.bid };
        self.throttle.lock().settle(&self.seat, settled, &bid);
    }

    /// At the end of the attempt, or at once where that was.
    fn settle_later(self, settled: Settled) {
        let Self { throttle, seat, bid, refused_by } = self;
        if let Err(seat) = refused_by.add(seat, settled) {
            let bid = Bid { now: throttle.later(), ..bid };
            throttle.lock().settle(&seat, settled, &bid);
        }
    }
}

/// What accounts said in the course of an attempt which is not at its end: two elements of a chain may ask about the same
/// account, and that is one guess. `None` once the attempt has ended.
#[derive(Debug)]
pub(super) struct Refused(Mutex<Option<Ends>>);

#[derive(Debug, Default)]
pub(super) struct Ends {
    /// The places at those that did not accept the password.
    pub(super) refused: Vec<(Seat, Settled)>,
    /// There was one against which no password may be held now.
    pub(super) has_to_wait: bool,
}

impl Default for Refused {
    fn default() -> Self {
        Self(Mutex::new(Some(Ends::default())))
    }
}

impl Refused {
    /// # Errors
    ///
    /// With the place, where the attempt has ended.
    fn add(&self, seat: Seat, settled: Settled) -> Result<(), Seat> {
        match self.lock().as_mut() {
            Some(ends) => {
                ends.refused.push((seat, settled));
                Ok(())
            }
            None => Err(seat),
        }
    }

    /// Takes them: from now on there are no more.
    pub(super) fn end(&self) -> Ends {
        self.lock().take().unwrap_or_default()
    }

    fn has_to_wait(&self) {
        if let Some(ends) = self.lock().as_mut() {
            ends.has_to_wait = true;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Ends>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
