//! Who is told of decisions: metrics, audit.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use http::Method;

use crate::{Clock, Decision, Element, Policy};

/// Is told of every decision of a service, and of every answer of its providers. For metrics and audit events.
///
/// Called on the path of the request: it must neither block nor fail. Where a service has none, nothing is measured.
pub trait Observer: fmt::Debug + Send + Sync + 'static {
    /// A decision was made.
    fn decided(&self, decided: &Decided<'_>);

    /// An element's provider answered, in the course of a decision. Not for callers who are remembered by
    /// [`Provider::recall`](crate::Provider::recall): no element was asked then.
    fn asked(&self, _asked: &Asked<'_>) {}
}

/// A decision, as it is told to an [`Observer`]. Holds no secret.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Decided<'a> {
    /// What guards the request: its label names the service or resource.
    pub policy: &'a Policy,
    /// The decision. An admission tells the principal, and that the element's name.
    pub decision: &'a Decision,
    /// Method and path of the request, as the client sent them; `None` where a provider was called directly.
    pub request: Option<(&'a Method, &'a str)>,
    /// The caller's address, where it is known.
    pub client: Option<IpAddr>,
    /// How long the decision took.
    pub took: Duration,
    /// Whether the caller was let in from memory, before anything was read.
    pub recalled: bool,
}

/// The answer of an element's provider, as it is told to an [`Observer`]. Holds no secret.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Asked<'a> {
    /// The element.
    pub element: &'a Element,
    /// Its position among the elements.
    pub position: usize,
    /// What it said.
    pub answer: Answer<'a>,
    /// How long it took.
    pub took: Duration,
    /// Whether it had to be waited for.
    pub waited: bool,
}

/// What an element said.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Answer<'a> {
    /// It authenticated and authorized the caller.
    Admitted,
    /// It authenticated the caller, who holds none of its scopes.
    NotAuthorized,
    /// The credential is wrong.
    Refused(&'a crate::Refusal),
    /// It cannot tell now.
    Unavailable(&'a crate::Unavailable),
}

/// An observer, and since when it watches a decision.
#[derive(Clone)]
pub(crate) struct Watch {
    pub(crate) observer: Arc<dyn Observer>,
    started: Duration,
}

impl Watch {
    pub(crate) fn start(observer: Option<&Arc<dyn Observer>>, clock: &Arc<dyn Clock>) -> Option<Self> {
        observer.map(|observer| Self { observer: Arc::clone(observer), started: clock.monotonic() })
    }

    pub(crate) fn took(&self, clock: &Arc<dyn Clock>) -> Duration {
        clock.monotonic().saturating_sub(self.started)
    }
}
