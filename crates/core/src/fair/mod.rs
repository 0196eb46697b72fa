//! Waiting that is fair between addresses: parties take turns, and none can keep another out.
//!
//! A [`Queue`] is the waiting itself; a [`Gate`] lets so many in at a time and has others wait in one. Both have a bound, and
//! whoever finds no place is to be told so: [`Reason::Overloaded`](crate::Reason::Overloaded).

mod gate;
mod queue;

pub use self::{
    gate::{Entering, Full, Gate, Permit},
    queue::{Party, Pushed, Queue, Ticket},
};
