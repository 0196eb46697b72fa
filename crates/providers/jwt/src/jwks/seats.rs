//! Places for requests that wait for a fetch. All are answered at once when it ends, so there are no turns; but nobody's requests keep
//! out another's.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use portcullis_core::fair::{Party, Pushed, Queue, Ticket};
use tokio::sync::oneshot;

/// As many requests may wait for a fetch at once.
pub(super) const MOST_WAITING: usize = 256;

#[derive(Debug)]
pub(super) struct Seats(Queue<Holder>);

/// Held for whoever waits: learns of its end when this is dropped, for which nothing should be locked.
pub(super) type Holder = oneshot::Sender<Infallible>;

/// A place. As a future it completes when the place was needed for another.
#[derive(Debug)]
pub(super) struct Seat {
    ticket: Ticket,
    held: oneshot::Receiver<Infallible>,
}

impl Seats {
    pub(super) fn new() -> Self {
        Self(Queue::new(MOST_WAITING))
    }

    pub(super) const fn taken(&self) -> usize {
        self.0.len()
    }

    /// Whether there is a place for one of this party, or can be made.
    pub(super) fn has_one_for(&self, party: Party) -> bool {
        self.0.has_room_for(party)
    }

    /// Takes a place, and says who has to leave for it.
    pub(super) fn take(&mut self, party: Party) -> Option<(Seat, Option<Holder>)> {
        let (holder, held) = oneshot::channel();
        match self.0.push(party, holder) {
            Pushed::Waits(ticket, displaced) => Some((Seat { ticket, held }, displaced)),
            Pushed::Full => None,
        }
    }

    pub(super) fn leave(&mut self, seat: &Seat) -> Option<Holder> {
        self.0.leave(seat.ticket)
    }
}

impl Future for Seat {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.held).poll(cx).map(|_| ())
    }
}
