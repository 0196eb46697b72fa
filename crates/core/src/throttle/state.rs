//! All counts, under one lock.

use std::{fmt, time::Duration};

use smallvec::SmallVec;

use super::{
    counter::{BUSY, Counter, Failure, Limit},
    marks::Marks,
    table::Table,
};

/// Bounds of each kind: what is counted of one takes no place from another.
const ADDRESSES: usize = 32_768;
const USERS: usize = 32_768;
const USERS_AT_ADDRESSES: usize = 65_536;
const USERS_WITH_MARKS: usize = 16_384;

/// An account, by the keys of its counts.
///
/// All spellings of a name count as one user. Whether they are one account is the store's to say, so a success speaks for
/// the name as it was written: else whoever has an account "Alice" could reset and excuse guesses at "alice".
#[derive(Clone, Copy, Debug)]
pub(super) struct Account {
    /// The user, however the name is written.
    pub(super) user: u64,
    /// The user by the name as it is written.
    pub(super) written: u64,
    /// The same at the address; `None` where there is no address.
    pub(super) pair: Option<u64>,
    /// The store, as the address sees it; `None` where there is no address, and of what a store calls an account itself.
    pub(super) store: Option<u64>,
}

/// The place that an attempt at an account has in its counts.
#[derive(Debug)]
pub(super) struct Seat {
    account: Account,
    in_user: u64,
    in_pair: u64,
    /// In the count of what the store could not tell the address.
    in_outage: Option<u64>,
}

/// Whether a store was heard of in the course of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It looked and refused: it is not away.
    Refusal,
    /// It knows the caller: it is not away, unless it has a memory.
    Knows,
    /// It cannot tell.
    Outage,
    /// It has not answered for so long that its caller has gone: it cannot tell, unless others wait on who share the question.
    Silence,
    /// It was not asked, nobody waited, or it refused without a look.
    Nothing,
}

/// The place that an attempt has in the count of its address.
#[derive(Debug)]
pub(super) struct AddressSeat {
    address: u64,
    number: u64,
}

/// What came of an attempt at an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    Right,
    Wrong(Failure),
    /// The caller has gone, or nobody waits for what comes of it any more: it counts unless others do who share it.
    Abandoned(Failure),
    /// It says nothing.
    Untold,
}

pub(super) struct State {
    pairs: Table<Counter>,
    users: Table<Counter>,
    addresses: Table<Counter>,
    /// What stores could not tell an address since they last answered it.
    outages: Table<Counter>,
    marks: Table<Marks>,
    begun: u64,
}

/// Who would attempt what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bid {
    pub(super) address: Option<u64>,
    pub(super) credential: u64,
    pub(super) user_limit: Limit,
    pub(super) address_limit: Limit,
    pub(super) now: Duration,
}

impl State {
    pub(super) fn new() -> Self {
        Self::with([ADDRESSES, USERS, USERS_AT_ADDRESSES, USERS_WITH_MARKS])
    }

    pub(super) fn with([addresses, users, pairs, marks]: [usize; 4]) -> Self {
        Self {
            pairs: Table::new(pairs),
            users: Table::new(users),
            addresses: Table::new(addresses),
            outages: Table::new(addresses),
            marks: Table::new(marks),
            begun: 0,
        }
    }

    pub(super) fn counted(&self) -> [usize; 3] {
        [self.addresses.len(), self.users.len(), self.pairs.len()]
    }

    /// Lets an attempt begin at the accounts, but for those whose stores are left alone for a while: of these, the span is told.
    ///
    /// # Errors
    ///
    /// With the span to wait, where it may not begin now.
    pub(super) fn enter(
        &mut self,
        accounts: &[Account],
        bid: &Bid,
    ) -> Result<Vec<Result<Seat, Duration>>, Duration> {
        let marked = self.is_marked(accounts, bid);
        let mut wait = None;
        // Seldom more stores than that: nothing is allocated for them.
        let mut outages = SmallVec::<[Option<Duration>; 4]>::new();
        for account in accounts {
            if let Some(pair) = account.pair.and_then(|pair| self.pairs.get(pair)) {
                wait = wait.max(stop(pair, bid.user_limit, bid, true));
            }
            if !marked && let Some(user) = self.users.get(account.user) {
                wait = wait.max(stop(user, bid.user_limit, bid, true));
            }
            let outage = account.store.filter(|_| !marked).and_then(|store| self.outages.get(store));
            outages.push(outage.and_then(|outage| stop(outage, bid.address_limit, bid, true)));
        }
        // One store that can be asked is enough: it may know the caller.
        if outages.iter().all(Option::is_some) {
            wait = wait.max(outages.iter().copied().min().flatten());
        }
        if let Some(wait) = wait {
            return Err(wait);
        }
        let mut seats = Vec::with_capacity(accounts.len());
        for (account, outage) in accounts.iter().zip(outages) {
            if let Some(wait) = outage {
                seats.push(Err(wait));
                continue;
            }
            match self.seat(*account, marked, bid) {
                Some(seat) => seats.push(Ok(seat)),
                None => {
                    for seat in seats.iter().flatten() {
                        self.settle(seat, Settled::Untold, bid);
                    }
                    return Err(BUSY);
                }
            }
        }
        Ok(seats)
    }

    fn seat(&mut self, account: Account, marked: bool, bid: &Bid) -> Option<Seat> {
        self.begun = self.begun.wrapping_add(1);
        let number = self.begun;
        let in_user = self.users.take(account.user, bid.now)?.enter(bid.credential, number);
        let in_pair = match account.pair {
            None => number,
            Some(pair) => match self.pairs.take(pair, bid.now) {
                Some(pair) => pair.enter(bid.credential, number),
                None => {
                    end(&mut self.users, account.user, in_user, Settled::Untold, bid.user_limit, bid.now);
                    return None;
                }
            },
        };
        // Where there is no room for it, the others count all the same.
        let store = account.store.filter(|_| !marked);
        let in_outage = store
            .and_then(|store| self.outages.take(store, bid.now))
            .map(|outage| outage.enter(bid.credential, number));
        Some(Seat { account, in_user, in_pair, in_outage })
    }

    /// Lets an attempt of the address begin. Who has come to one of the accounts from there before need not wait for others.
    ///
    /// # Errors
    ///
    /// With the span to wait, where it may not begin now.
    pub(super) fn enter_address(
        &mut self,
        accounts: &[Account],
        bid: &Bid,
    ) -> Result<Option<AddressSeat>, Duration> {
        let Some(address) = bid.address else { return Ok(None) };
        let marked = self.is_marked(accounts, bid);
        if let Some(counter) = self.addresses.get(address)
            && let Some(wait) = stop(counter, bid.address_limit, bid, !marked)
        {
            return Err(wait);
        }
        self.begun = self.begun.wrapping_add(1);
        let number = self.begun;
        let counter = self.addresses.take(address, bid.now).ok_or(BUSY)?;
        Ok(Some(AddressSeat { address, number: counter.enter(bid.credential, number) }))
    }

    /// How long the address has to wait.
    pub(super) fn address_delay(&mut self, bid: &Bid) -> Option<Duration> {
        self.addresses.get(bid.address?)?.delay(bid.address_limit, bid.now)
    }

    /// Counts a failure of the address.
    pub(super) fn count_address(&mut self, failure: Failure, bid: &Bid) {
        let Some(address) = bid.address else { return };
        if let Some(counter) = self.addresses.take(address, bid.now) {
            counter.count(failure, bid.address_limit, bid.now);
        }
    }

    /// Ends an attempt of the address.
    pub(super) fn settle_address(&mut self, seat: &AddressSeat, settled: Settled, bid: &Bid) {
        end(&mut self.addresses, seat.address, seat.number, settled, bid.address_limit, bid.now);
    }

    /// Ends an attempt at an account of whose store nothing was heard.
    pub(super) fn settle(&mut self, seat: &Seat, settled: Settled, bid: &Bid) {
        self.settle_hearing(seat, settled, Heard::Nothing, bid);
    }

    /// Ends an attempt at an account.
    pub(super) fn settle_hearing(&mut self, seat: &Seat, settled: Settled, heard: Heard, bid: &Bid) {
        self.hear(seat, heard, bid);
        let Account { user, written, pair, .. } = seat.account;
        end(&mut self.users, user, seat.in_user, settled, bid.user_limit, bid.now);
        let Some(pair) = pair else { return };
        end(&mut self.pairs, pair, seat.in_pair, settled, bid.user_limit, bid.now);
        let (Settled::Right, Some(address)) = (settled, bid.address) else { return };
        if let Some(counter) = self.pairs.get(pair) {
            counter.reset();
        }
        self.pairs.tidy(pair);
        // One place for all spellings: where there are endless many, they drive out no other user.
        if let Some(marks) = self.marks.take(user, bid.now) {
            marks.set(written, address, bid.now);
        }
    }

    fn hear(&mut self, seat: &Seat, heard: Heard, bid: &Bid) {
        let Some(store) = seat.account.store else { return };
        if let Some(number) = seat.in_outage {
            let settled = match heard {
                Heard::Outage => Settled::Wrong(Failure::InOutage),
                Heard::Silence => Settled::Abandoned(Failure::InOutage),
                Heard::Refusal | Heard::Knows | Heard::Nothing => Settled::Untold,
            };
            end(&mut self.outages, store, number, settled, bid.address_limit, bid.now);
        }
        // Who has succeeded from there before may be let in from a memory again and again, and excuse guesses at others.
        let answers = heard == Heard::Refusal || heard == Heard::Knows && seat.in_outage.is_some();
        if answers && let Some(outage) = self.outages.get(store) {
            outage.reset();
            self.outages.tidy(store);
        }
    }

    /// Whether one of the accounts' users has succeeded from the address.
    fn is_marked(&mut self, accounts: &[Account], bid: &Bid) -> bool {
        let Some(address) = bid.address else { return false };
        accounts.iter().any(|account| {
            let marks = self.marks.get(account.user);
            marks.is_some_and(|marks| marks.holds(account.written, address, bid.now))
        })
    }
}

/// How long a counter has an attempt wait, if it does.
fn stop(counter: &mut Counter, limit: Limit, bid: &Bid, needs_room: bool) -> Option<Duration> {
    let delay = counter.delay(limit, bid.now);
    delay.or_else(|| (needs_room && !counter.has_room(bid.credential, limit)).then_some(BUSY))
}

/// Ends an attempt in one count.
fn end(table: &mut Table<Counter>, key: u64, number: u64, settled: Settled, limit: Limit, now: Duration) {
    if let Some(counter) = table.get(key) {
        match settled {
            Settled::Right => _ = counter.end(number),
            Settled::Untold => counter.leave(number),
            Settled::Wrong(failure) => {
                if counter.end(number) {
                    counter.count(failure, limit, now);
                }
            }
            Settled::Abandoned(failure) => {
                if counter.abandon(number) {
                    counter.count(failure, limit, now);
                }
            }
        }
    }
    table.tidy(key);
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("counted", &self.counted()).finish_non_exhaustive()
    }
}
