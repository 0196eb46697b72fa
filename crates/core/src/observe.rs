//! Who is told of decisions: metrics, audit.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use http::{Method, StatusCode};

use crate::{Clock, Decision, Element, Ended, Identity, Policy, Reason, Scheme, chain::contain};

/// Is told of every decision of a service, and of every answer of its providers. For metrics and audit events.
///
/// Called on the path of the request: it must neither block nor fail. Where a service has none, nothing is measured.
pub trait Observer: fmt::Debug + Send + Sync + 'static {
    /// A decision was made.
    fn decided(&self, decided: &Decided<'_>);

    /// An element's provider answered, in the course of a decision. Not for callers who are remembered by
    /// [`Provider::recall`](crate::Provider::recall): no element was asked then.
    fn asked(&self, _asked: &Asked<'_>) {}

    /// A gateway answered a request itself, whatever its policies say.
    fn turned_away(&self, _away: &TurnedAway<'_>) {}

    /// A connection that was let in may not stay open any longer. That it may is told to nobody, however often it is found
    /// out again.
    fn ended(&self, _ended: &ConnectionEnded<'_>) {}
}

/// A decision, as it is told to an [`Observer`]. Holds no secret.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Decided<'a> {
    /// What guards the request: its label names the service or resource.
    pub policy: &'a Policy,
    /// The decision.
    pub decision: &'a Decision,
    /// Why the request was not let in; `None` where it was. Among several elements' reasons it is, in this order: that of
    /// the first that is unavailable; `insufficient-scope`, where one knows the caller; that of the first that says more
    /// than that the credential is none of its own (`unknown-user`, `wrong-issuer` and the like say no more); that of the
    /// last one asked.
    pub reason: Option<Reason>,
    /// The element that let the request in, or whose reason it is; `None` where none had a say.
    pub element: Option<&'a Element>,
    /// Who called, where that is known: whoever was let in, and whoever holds none of the scopes asked for.
    pub caller: Option<&'a Identity>,
    /// Method and path of the request, as the client sent them; `None` where a provider was called directly, and where a
    /// check inside the layer does not say what it asks about.
    pub request: Option<(&'a Method, &'a str)>,
    /// The caller's address, where it is known.
    pub client: Option<IpAddr>,
    /// How long the decision took. Zero for a check inside the layer, which is not measured.
    pub took: Duration,
    /// Whether the caller was let in from memory, before anything was read.
    pub recalled: bool,
    /// The check inside the layer that refused a request which the layer had let in, such as `RequireScopes`; `None` for
    /// the layer's own decision.
    pub asker: Option<&'a str>,
}

impl Decided<'_> {
    /// All words for what came of a request.
    pub const OUTCOMES: &'static [&'static str] = &[
        "admitted",
        "anonymous",
        "public",
        "refused",
        "forbidden",
        "throttled",
        "unavailable",
        "bad-request",
        "error",
    ];

    /// What came of the request, in one of the words of [`Decided::OUTCOMES`]: who was let in (`admitted`, `anonymous`,
    /// `public`), or else the meaning of the status: 401 `refused`, 403 `forbidden`, 429 `throttled`, 503 `unavailable`,
    /// 400 `bad-request`, 500 `error`.
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        outcome(self.decision)
    }
}

/// See [`Decided::outcome`].
pub(crate) fn outcome(decision: &Decision) -> &'static str {
    match decision {
        Ok(admission) if admission.principal().is_some() => "admitted",
        Ok(admission) if admission.is_public() => "public",
        Ok(_) => "anonymous",
        Err(rejection) => match rejection.status() {
            StatusCode::UNAUTHORIZED => "refused",
            StatusCode::FORBIDDEN => "forbidden",
            StatusCode::TOO_MANY_REQUESTS => "throttled",
            StatusCode::SERVICE_UNAVAILABLE => "unavailable",
            StatusCode::BAD_REQUEST => "bad-request",
            _ => "error",
        },
    }
}

/// A request that a gateway answers itself, whatever its policies say: no service covers it, or servers could read it
/// differently.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct TurnedAway<'a> {
    /// Why.
    pub reason: Reason,
    /// With which status.
    pub status: StatusCode,
    /// Its method.
    pub method: &'a Method,
    /// Its path, as the client sent it.
    pub path: &'a str,
    /// The caller's address, where it is known.
    pub client: Option<IpAddr>,
}

impl<'a> TurnedAway<'a> {
    /// What came of it, beside [`Decided::OUTCOMES`].
    pub const OUTCOME: &'static str = "turned-away";

    /// A request of this method and path.
    #[must_use]
    pub const fn new(reason: Reason, status: StatusCode, method: &'a Method, path: &'a str) -> Self {
        Self { reason, status, method, path, client: None }
    }

    /// The same with the caller's address.
    #[must_use]
    pub const fn with_client(mut self, client: Option<IpAddr>) -> Self {
        self.client = client;
        self
    }
}

/// The end of a connection that was let in, as it is told to an [`Observer`]. Holds no secret.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ConnectionEnded<'a> {
    /// What guards the request that opened the connection.
    pub policy: &'a Policy,
    /// What became of it.
    pub ended: Ended,
    /// Why: `expired`, `withdrawn`, or the reason of the element that was asked once more.
    pub reason: Reason,
    /// The element that had let the caller in; `None` where there is no caller.
    pub element: Option<&'a Element>,
    /// The scheme of the credential that opened the connection.
    pub scheme: Option<Scheme>,
    /// Who had called.
    pub caller: Option<&'a Identity>,
    /// Method and path of the request that opened the connection, where they are known.
    pub request: Option<(&'a Method, &'a str)>,
    /// The caller's address, where it is known.
    pub client: Option<IpAddr>,
    /// How long it took to find out, once somebody looked: that of the last answer.
    pub took: Duration,
}

impl ConnectionEnded<'_> {
    /// What came of it, beside [`Decided::OUTCOMES`].
    pub const OUTCOME: &'static str = "ended";
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

impl Answer<'_> {
    /// All words for what an element said.
    pub const OUTCOMES: &'static [&'static str] = &["admitted", "forbidden", "refused", "unavailable"];

    /// What it said, in one of the words of [`Answer::OUTCOMES`].
    #[must_use]
    pub const fn outcome(&self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::NotAuthorized => "forbidden",
            Self::Refused(_) => "refused",
            Self::Unavailable(_) => "unavailable",
        }
    }

    /// Why; `None` where it let the caller in.
    #[must_use]
    pub const fn reason(&self) -> Option<Reason> {
        match self {
            Self::Admitted => None,
            Self::NotAuthorized => Some(Reason::InsufficientScope),
            Self::Refused(refusal) => Some(refusal.reason()),
            Self::Unavailable(unavailable) => Some(unavailable.reason()),
        }
    }
}

/// Several observers in one: each is told, in this order, whatever becomes of those before it.
#[derive(Debug)]
struct Several(Box<[Arc<dyn Observer>]>);

impl Observer for Several {
    fn decided(&self, decided: &Decided<'_>) {
        self.0.iter().for_each(|one| contain::observer(&**one, |one| one.decided(decided)));
    }

    fn asked(&self, asked: &Asked<'_>) {
        self.0.iter().for_each(|one| contain::observer(&**one, |one| one.asked(asked)));
    }

    fn turned_away(&self, away: &TurnedAway<'_>) {
        self.0.iter().for_each(|one| contain::observer(&**one, |one| one.turned_away(away)));
    }

    fn ended(&self, ended: &ConnectionEnded<'_>) {
        self.0.iter().for_each(|one| contain::observer(&**one, |one| one.ended(ended)));
    }
}

/// One observer of all of `observers`; `None` where there is none.
pub(crate) fn together(mut observers: Vec<Arc<dyn Observer>>) -> Option<Arc<dyn Observer>> {
    match observers.len() {
        0 | 1 => observers.pop(),
        _ => Some(Arc::new(Several(observers.into()))),
    }
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
