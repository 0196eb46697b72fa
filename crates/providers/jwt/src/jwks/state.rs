//! Who may cause a fetch, who waits for one, and who has an answer already. No I/O and no clock of its own.

use std::time::Duration;

use portcullis_core::fair::Party;

use super::{
    bucket::{Bucket, Share},
    fetch::Failure,
    seats::{Holder, Seat, Seats},
};

/// A fetch that reached nobody is tried again after this long, whatever the bucket holds: it costs no server anything, and
/// whoever comes first when the server is back waits for it and is answered rightly.
const RETRY: Duration = Duration::from_secs(1);

/// What is known of the fetches of one key set. Fetches are numbered from 1.
#[derive(Debug)]
pub(super) struct State {
    bucket: Bucket,
    /// The number of the last fetch that began.
    begun: u64,
    /// The number of the last fetch that ended; one less while a fetch is under way, for there is one at a time.
    ended: u64,
    /// After how long a fetch is given up for lost, and when the last one that began is.
    lost_after: Duration,
    lost_at: Duration,
    seats: Seats,
    /// What went wrong with the last fetch; `None` where nothing did.
    failure: Option<Failure>,
    /// When another fetch may begin, where the last one reached nobody.
    retry_at: Option<Duration>,
}

/// What a request does that would have newer keys than those that it looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// A fetch ended since it looked: it looks again.
    Look,
    /// It waits for the fetch of this number, which is under way.
    Wait(u64),
    /// It begins the fetch of this number, and waits for it.
    Begin(u64),
    /// It waits this long, until a fetch may begin, and asks again.
    Pause(Duration),
    /// Too many are waiting already.
    Full,
    /// What it looked at is all there is: a fetch that began after the request came has ended, or none may begin yet.
    Settled,
}

/// A request that would have newer keys.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asking {
    /// The last fetch that had begun when the request came. Its answer may be older than the request, so what it does not
    /// hold may have been published since; what a later one does not hold was not there when the request came.
    pub(super) came_at: u64,
    /// The last fetch that had ended when it last looked at the keys.
    pub(super) looked_at: u64,
    pub(super) share: Share,
    pub(super) party: Party,
}

/// A move that was made.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) next: Move,
    /// For whoever waits. Whoever begins a fetch while there is no place waits without one: it is one more at most.
    pub(super) seat: Option<Seat>,
    /// Who had to leave for it, to be dropped when nothing is locked.
    pub(super) displaced: Option<Holder>,
}

impl State {
    pub(super) fn new(bucket: Bucket, lost_after: Duration) -> Self {
        Self {
            bucket,
            begun: 0,
            ended: 0,
            lost_after,
            lost_at: Duration::ZERO,
            seats: Seats::new(),
            failure: None,
            retry_at: None,
        }
    }

    /// Whether a fetch is under way.
    pub(super) const fn is_under_way(&self) -> bool {
        self.begun > self.ended
    }

    /// The fetch under way that should have ended long ago: nobody drives the runtime that it runs on.
    pub(super) fn lost(&self, now: Duration) -> Option<u64> {
        (self.is_under_way() && now >= self.lost_at).then_some(self.begun)
    }

    /// When the last fetch that began is lost.
    pub(super) const fn lost_at(&self) -> Duration {
        self.lost_at
    }

    /// Its number.
    fn begin(&mut self, now: Duration) -> u64 {
        self.begun += 1;
        self.lost_at = now.saturating_add(self.lost_after);
        self.begun
    }

    /// What the request would do now. Changes nothing.
    pub(super) fn prospect(&self, asking: Asking, now: Duration) -> Move {
        if self.ended != asking.looked_at {
            Move::Look
        } else if self.ended > asking.came_at {
            Move::Settled
        } else if self.is_under_way() {
            self.if_there_is_room(asking.party, Move::Wait(self.begun))
        } else {
            match self.wait(asking.share, now) {
                Duration::ZERO => Move::Begin(self.begun + 1),
                left if self.retries(asking.share).is_some() => {
                    self.if_there_is_room(asking.party, Move::Pause(left))
                }
                _ => Move::Settled,
            }
        }
    }

    fn if_there_is_room(&self, party: Party, next: Move) -> Move {
        if self.seats.has_one_for(party) { next } else { Move::Full }
    }

    /// When a fetch that reached nobody is tried again, by whoever cannot do without.
    fn retries(&self, share: Share) -> Option<Duration> {
        self.retry_at.filter(|_| share == Share::Any)
    }

    /// What the request does now. Whoever waits says so with [`State::stop_waiting`] when it does no more.
    pub(super) fn advance(&mut self, asking: Asking, now: Duration) -> Step {
        let next = self.prospect(asking, now);
        if matches!(next, Move::Begin(_)) {
            self.bucket.take(asking.share, now);
            self.begin(now);
        }
        let taken = match next {
            Move::Begin(_) | Move::Wait(_) | Move::Pause(_) => self.seats.take(asking.party),
            Move::Look | Move::Full | Move::Settled => None,
        };
        match taken {
            Some((seat, displaced)) => Step { next, seat: Some(seat), displaced },
            None => Step { next, seat: None, displaced: None },
        }
    }

    /// What is returned is to be dropped when nothing is locked.
    pub(super) fn stop_waiting(&mut self, seat: &Seat) -> Option<Holder> {
        self.seats.leave(seat)
    }

    /// Begins a fetch that nobody waits for, if one can be spared.
    pub(super) fn begin_spare(&mut self, now: Duration) -> Option<u64> {
        if self.is_under_way() || !self.bucket.take(Share::Spare, now) {
            return None;
        }
        Some(self.begin(now))
    }

    /// Begins a fetch for a person or a start-up, who do not have to ask how often. The number to wait for, and whether it
    /// begins now.
    pub(super) fn begin_anyway(&mut self, now: Duration) -> (u64, bool) {
        if self.is_under_way() {
            return (self.begun, false);
        }
        self.bucket.take_anyway(now);
        (self.begin(now), true)
    }

    /// The fetch of this number has ended. Whoever says so a second time is not heard: false.
    pub(super) fn end(&mut self, number: u64, failure: Option<Failure>, now: Duration) -> bool {
        let first = number > self.ended;
        if first {
            self.ended = number;
            let unreached = failure.as_ref().is_some_and(|failure| !failure.reached);
            self.retry_at = unreached.then(|| now.saturating_add(RETRY));
            self.failure = failure;
        }
        first
    }

    pub(super) const fn waiting(&self) -> usize {
        self.seats.taken()
    }

    pub(super) const fn begun(&self) -> u64 {
        self.begun
    }

    pub(super) const fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// How long until a fetch may begin.
    pub(super) fn wait(&self, share: Share, now: Duration) -> Duration {
        let bucket = self.bucket.wait(share, now);
        self.retries(share).map_or(bucket, |at| bucket.min(at.saturating_sub(now)))
    }
}
