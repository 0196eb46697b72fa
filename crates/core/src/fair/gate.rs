//! So many at a time, and the others in turns.

use std::{
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use tokio::sync::oneshot;

use super::{Party, Pushed, Queue, Ticket};

/// Lets so many in at a time. Others wait, in turns by address, and not more than so many.
///
/// Clones are the same gate.
#[derive(Clone)]
pub struct Gate(Arc<Shared>);

struct Shared {
    at_once: usize,
    state: Mutex<State>,
}

struct State {
    inside: usize,
    queue: Queue<oneshot::Sender<Permit>>,
}

impl Gate {
    /// A gate for `at_once` at a time, with `waiting` before it.
    #[must_use]
    pub fn new(at_once: usize, waiting: usize) -> Self {
        let state = State { inside: 0, queue: Queue::new(waiting) };
        Self(Arc::new(Shared { at_once, state: Mutex::new(state) }))
    }

    /// Comes to the gate: the place is taken before this returns, and the future completes when it is one inside. Dropping it
    /// gives the place up.
    ///
    /// # Errors
    ///
    /// Where there is no place to wait. The future says the same where its place was needed for another party.
    pub fn enter(&self, party: impl Into<Party>) -> Result<Entering, Full> {
        let mut state = self.0.lock();
        // Where somebody waits, there is no room.
        if state.inside < self.0.at_once {
            state.inside = state.inside.saturating_add(1);
            let permit = Permit(Some(Arc::clone(&self.0)));
            return Ok(Entering(Stand::Inside(Some(permit))));
        }
        let (let_in, turn) = oneshot::channel();
        match state.queue.push(party, let_in) {
            Pushed::Waits(ticket, displaced) => {
                // Whoever waits is woken, which takes time and may do anything.
                drop(state);
                drop(displaced);
                let place = Place { gate: Arc::clone(&self.0), ticket };
                Ok(Entering(Stand::Waits { turn, _place: place }))
            }
            Pushed::Full => Err(Full),
        }
    }

    /// How many are inside.
    #[must_use]
    pub fn inside(&self) -> usize {
        self.0.lock().inside
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.lock().queue.len()
    }

    /// How many there may be inside.
    #[must_use]
    pub fn at_once(&self) -> usize {
        self.0.at_once
    }

    /// How many may wait.
    #[must_use]
    pub fn bound(&self) -> usize {
        self.0.lock().queue.bound()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a place inside on to whose turn it is.
    fn hand_on(self: Arc<Self>) {
        let mut place = self;
        loop {
            let mut state = place.lock();
            let Some(let_in) = state.queue.pop() else {
                state.inside = state.inside.saturating_sub(1);
                return;
            };
            drop(state);
            match let_in.send(Permit(Some(place))) {
                Ok(()) => return,
                // That one has gone. The place is taken back, so that it is not handed on from within.
                Err(mut permit) => match permit.0.take() {
                    Some(shared) => place = shared,
                    None => return,
                },
            }
        }
    }
}

/// On the way in.
#[must_use = "a place at the gate is given up when this is dropped"]
pub struct Entering(Stand);

enum Stand {
    Inside(Option<Permit>),
    /// What is dropped first may hold the permit; the place then is none any more.
    Waits {
        turn: oneshot::Receiver<Permit>,
        _place: Place,
    },
}

impl Entering {
    /// Whether there was no room at once.
    #[must_use]
    pub const fn waits(&self) -> bool {
        matches!(self.0, Stand::Waits { .. })
    }
}

impl Future for Entering {
    type Output = Result<Permit, Full>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Stand::Inside(permit) => Poll::Ready(permit.take().ok_or(Full)),
            Stand::Waits { turn, .. } => Pin::new(turn).poll(cx).map_err(|_| Full),
        }
    }
}

/// A place in the queue, given up when dropped.
struct Place {
    gate: Arc<Shared>,
    ticket: Ticket,
}

impl Drop for Place {
    fn drop(&mut self) {
        let left = self.gate.lock().queue.leave(self.ticket);
        drop(left);
    }
}

/// A place inside. Whoever drops it, by whatever way, lets the next one in.
#[must_use = "whoever drops it is outside"]
pub struct Permit(Option<Arc<Shared>>);

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(gate) = self.0.take() {
            gate.hand_on();
        }
    }
}

/// There is no place to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing more to say")]
pub struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many are waiting")
    }
}

impl Error for Full {}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("inside", &self.inside())
            .field("waiting", &self.waiting())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Entering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entering")
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Permit")
    }
}

#[cfg(test)]
mod tests {
    use std::{net::IpAddr, task::Waker};

    use super::*;

    const LOUD: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)));
    const QUIET: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2)));

    /// Where one who came to the gate is: inside, told that it is full, or neither.
    fn look(entering: &mut Entering) -> Option<Result<Permit, Full>> {
        match Pin::new(entering).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        }
    }

    fn inside(entering: &mut Entering) -> Permit {
        look(entering).expect("it waits").expect("it is full")
    }

    fn waits(entering: &mut Entering) -> bool {
        look(entering).is_none()
    }

    #[test]
    fn so_many_are_let_in_and_the_next_when_one_leaves() {
        let gate = Gate::new(2, 2);
        let mut all: Vec<Entering> = (0..4).map(|_| gate.enter(LOUD).unwrap()).collect();
        assert_eq!(gate.enter(LOUD).unwrap_err(), Full);
        assert_eq!((gate.inside(), gate.waiting()), (gate.at_once(), gate.bound()));
        assert_eq!((gate.inside(), gate.waiting()), (2, 2));
        let (first, second) = (inside(&mut all[0]), inside(&mut all[1]));
        assert!(waits(&mut all[2]) && waits(&mut all[3]));
        assert_eq!(all.iter().map(Entering::waits).collect::<Vec<_>>(), [false, false, true, true]);
        drop(second);
        let third = inside(&mut all[2]);
        assert!(waits(&mut all[3]));
        assert_eq!((gate.inside(), gate.waiting()), (2, 1));
        drop((first, third));
        drop(inside(&mut all[3]));
        assert_eq!((gate.inside(), gate.waiting()), (0, 0));
        assert!(gate.enter(LOUD).is_ok());
    }

    #[test]
    fn a_flood_from_one_address_keeps_another_out_of_nothing() {
        let gate = Gate::new(1, 3);
        let mut loud: Vec<Entering> = (0..4).map(|_| gate.enter(LOUD).unwrap()).collect();
        let busy = inside(&mut loud[0]);
        assert_eq!(gate.enter(LOUD).unwrap_err(), Full);
        let mut quiet = gate.enter(QUIET).unwrap();
        assert_eq!(look(&mut loud[3]).unwrap().unwrap_err(), Full, "the last of the flood had to leave");
        assert_eq!(gate.enter(LOUD).unwrap_err(), Full);
        drop(busy);
        let next = inside(&mut loud[1]);
        assert!(waits(&mut quiet));
        drop(next);
        let served = inside(&mut quiet);
        assert!(waits(&mut loud[2]), "the flood has to wait for its turn");
        drop(served);
        drop(inside(&mut loud[2]));
    }

    #[test]
    fn who_goes_away_takes_no_place_along() {
        let gate = Gate::new(1, 3);
        let busy = inside(&mut gate.enter(LOUD).unwrap());
        let (gone, told, mut last) =
            (gate.enter(LOUD).unwrap(), gate.enter(QUIET).unwrap(), gate.enter(QUIET).unwrap());
        drop(gone);
        assert_eq!(gate.waiting(), 2);
        drop(busy);
        assert_eq!((gate.inside(), gate.waiting()), (1, 1));
        // It was let in, and does not look any more.
        drop(told);
        assert_eq!((gate.inside(), gate.waiting()), (1, 0));
        drop(inside(&mut last));
        assert_eq!(gate.inside(), 0);
        // Never looked at.
        drop(gate.enter(LOUD).unwrap());
        assert_eq!(gate.inside(), 0);
    }

    #[test]
    fn a_gate_without_room_to_wait_says_so_at_once() {
        let gate = Gate::new(1, 0);
        let mut one = gate.enter(None).unwrap();
        assert_eq!(gate.enter(LOUD).unwrap_err(), Full);
        drop(inside(&mut one));
        assert!(gate.enter(LOUD).is_ok());
        assert_eq!((gate.at_once(), gate.bound()), (1, 0));
        assert_eq!(
            (Full.to_string(), format!("{gate:?}")),
            ("too many are waiting".to_owned(), "Gate { inside: 0, waiting: 0, .. }".to_owned())
        );
    }
}
