//! Slows down who guesses: counts failures, and has further attempts wait.
//!
//! | counts the failures of | delays |
//! |---|---|
//! | a user at an address | that user at that address; a success resets it |
//! | a user, wherever from | that user at addresses from which the user has not succeeded |
//! | an address, whoever for | that address |
//! | an address, of what a store cannot tell | users at that store who have not succeeded from the address, while it does not answer |
//!
//! A user is an account of one store: the same name at another provider is another user. Everything here is arithmetic
//! under one lock: no I/O, and time is handed in.
//!
//! What is bounded and how is told at [`state`]; how long one waits at [`counter`].

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::string_slice))]

mod address;
mod attempt;
mod call;
mod counter;
mod guess;
mod marks;
mod name;
mod state;
mod table;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    hash::{BuildHasher, Hash, RandomState},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

pub(crate) use self::attempt::{Attempt, Attempted, Ended, Verdict};
use self::{
    address::Network,
    counter::Limit,
    name::Name,
    state::{Account, State},
};
pub use self::{
    call::Call,
    guess::{Guess, Held},
};
use crate::{Clock, Reason, Unavailable};

/// Slows down who guesses passwords. Switched on with [`AuthBuilder::throttle`](crate::AuthBuilder::throttle).
///
/// Wrong Basic credentials are counted, and so are refused bearer tokens about which a server had to be asked. After a number
/// of failures every further one is followed by a delay: a second, then two, four and so on up to
/// [`Throttle::max_delay`]. Whoever comes during it is answered with 429 and `Retry-After`, before any hash, memory or
/// server is asked, and is not counted. Counts halve every hour.
///
/// What no store can tell (503), and a caller who hangs up before there is an answer, count for the user too, with delays of
/// four seconds at most: a memory or another store may have told the right password at once. For the address, a caller who hangs up
/// counts as a failure, unless he has waited for three seconds: then as what the store could not tell. What a store cannot tell an
/// address, whoever it tries, delays there the users of that store who have not succeeded from the address: each is told four
/// seconds at most, and one attempt at a time is made, until the store answers. The store is left alone meanwhile; others
/// of the chain are asked. An answer that it gives without a look at any user ([`Reason::MalformedUsername`],
/// [`Reason::BlankPassword`], [`Reason::OtherScheme`]) is none.
///
/// Clones share their counts, also with other limits: give one to all services that the same callers reach, so that
/// what an address tries at one of them counts at all. Users are told apart by their provider.
///
/// # Which failures delay whom
///
/// - Those of a user at an address: that user at that address. A success resets them.
/// - Those of a user, from anywhere: the user at addresses from which he has not succeeded within 30 days. A stranger
///   cannot lock a user out where the user comes from. A success speaks for the name as it was written.
/// - Those of an address, whoever it tried: the address. An IPv6 network of 64 bits counts as one address, and an
///   IPv4-mapped address as the IPv4 one.
///
/// Where the address is not known, the counts of users alone hold.
///
/// # Bounds
///
/// It remembers up to 32,768 addresses, as many stores that are away to an address, 32,768 users, 65,536 users at addresses, and
/// the last 16 addresses from which each of 16,384 users succeeded: some 25 MB when all is full. What is counted of one kind takes no place from another. A newcomer
/// takes the place of one of those with the fewest failures, so that whoever would have a high count forgotten has to
/// fail as often himself for nearly every place.
#[derive(Clone)]
pub struct Throttle {
    counts: Arc<Counts>,
    per_address: u32,
    per_user: u32,
    max_delay: Duration,
}

struct Counts {
    /// Nobody can find two names or passwords that are one to it.
    hasher: RandomState,
    state: Mutex<State>,
    /// Ages are measured on one clock, the first that is seen: two clocks may have two scales.
    clock: OnceLock<Arc<dyn Clock>>,
}

impl Throttle {
    /// Failures of an address that are not followed by a delay, unless said otherwise.
    pub const DEFAULT_PER_ADDRESS: u32 = 100;
    /// Failures of a user that are not followed by a delay, unless said otherwise.
    pub const DEFAULT_PER_USER: u32 = 10;
    /// The longest delay, unless said otherwise.
    pub const DEFAULT_MAX_DELAY: Duration = Duration::from_secs(5 * 60);
    /// The span in which counts halve.
    pub const HALF_LIFE: Duration = counter::HALF_LIFE;

    /// Delays after 100 failures of an address or 10 of a user, by at most 5 minutes.
    #[must_use]
    pub fn new() -> Self {
        Self {
            counts: Arc::new(Counts {
                hasher: RandomState::new(),
                state: Mutex::new(State::new()),
                clock: OnceLock::new(),
            }),
            per_address: Self::DEFAULT_PER_ADDRESS,
            per_user: Self::DEFAULT_PER_USER,
            max_delay: Self::DEFAULT_MAX_DELAY,
        }
    }

    /// The same counts with another number of failures of an address that have no delay: after that many each has one.
    /// At least 1.
    #[must_use]
    pub const fn per_address(mut self, failures: u32) -> Self {
        self.per_address = if failures == 0 { 1 } else { failures };
        self
    }

    /// The same counts with another number of failures of a user that have no delay: those at one address, and those
    /// at all together. At least 1.
    #[must_use]
    pub const fn per_user(mut self, failures: u32) -> Self {
        self.per_user = if failures == 0 { 1 } else { failures };
        self
    }

    /// The same counts with another longest delay: from a second to an hour.
    #[must_use]
    pub fn max_delay(mut self, span: Duration) -> Self {
        self.max_delay = span.clamp(Duration::from_secs(1), Self::HALF_LIFE);
        self
    }

    /// How many addresses, users, and users at addresses are counted at this moment.
    #[must_use]
    pub fn counted(&self) -> [usize; 3] {
        self.lock().counted()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.counts.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self, of: impl Hash) -> u64 {
        self.counts.hasher.hash_one(of)
    }

    fn address(&self, client: Option<IpAddr>) -> Option<u64> {
        client.map(|client| self.key(Network::from(client)))
    }

    /// What is called `name` at a store; `kind` tells what callers call it from what the store does.
    fn account(&self, kind: &str, store: usize, name: &Name<'_>, address: Option<u64>) -> Account {
        let written = self.key((kind, store, name.written));
        Account {
            user: self.key((kind, store, &*name.folded)),
            written,
            pair: address.map(|address| self.key((written, address))),
            store: address.filter(|_| kind == NAME).map(|address| self.key(("store", store, address))),
        }
    }

    fn now(&self, clock: &Arc<dyn Clock>) -> Duration {
        self.counts.clock.get_or_init(|| Arc::clone(clock)).monotonic()
    }

    /// The same by a clock that was seen before.
    fn later(&self) -> Duration {
        self.counts.clock.get().map_or(Duration::ZERO, |clock| clock.monotonic())
    }

    const fn user_limit(&self) -> Limit {
        Limit { free: self.per_user, max_delay: self.max_delay }
    }

    const fn address_limit(&self) -> Limit {
        Limit { free: self.per_address, max_delay: self.max_delay }
    }
}

impl Default for Throttle {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle")
            .field("per_address", &self.per_address)
            .field("per_user", &self.per_user)
            .field("max_delay", &self.max_delay)
            .finish_non_exhaustive()
    }
}

/// The kind of accounts by what callers call them.
const NAME: &str = "name";

fn delayed(wait: Duration) -> Unavailable {
    Unavailable::new("there were too many failures from this address or for this user")
        .because(Reason::TooManyAttempts)
        .with_retry_after(wait)
}
