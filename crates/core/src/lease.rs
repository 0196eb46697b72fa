//! How long a connection that was let in may stay open: a WebSocket outlives the request that opened it, and must not
//! outlive the credential.

use std::{
    fmt,
    future::{Future, pending, poll_fn},
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use http::Method;

use crate::{
    BoxFuture, Clock, ConnectionEnded, Context, Credential, Element, Identity, Outcome, Policy, Principal,
    Reason, RequestHead, UnixTime,
    chain::{
        self,
        contain::{self, Asking},
    },
    live::{Held, Verdict},
};

/// Civil time may be set while a connection is open: it is looked at again at least this often.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Until when a connection that was let in may stay open.
///
/// Made by the chain, see [`Admission::lease`](crate::Admission::lease). Await [`Lease::ended`] beside the
/// connection, and close it with [`Ended::close_code`]. Observers of the service are told of the end, once for each time that
/// it is awaited: await one clone of it for one connection.
#[derive(Clone)]
#[must_use = "a lease ends nothing by itself: await `ended` beside the connection"]
pub struct Lease {
    clock: Option<Arc<dyn Clock>>,
    expires: Option<UnixTime>,
    again: Option<Arc<Again>>,
    /// What judges the connection by later versions of the configuration.
    held: Option<Box<Held>>,
    /// What observers are told when it ends, where there are some.
    opened: Option<Box<Opened>>,
}

/// How a connection was opened.
#[derive(Clone)]
struct Opened {
    policy: Policy,
    /// `None` where the request was let in without one.
    principal: Option<Principal>,
    request: Option<(Method, Box<str>)>,
    client: Option<IpAddr>,
}

/// How a connection ends.
struct Ending {
    ended: Ended,
    reason: Reason,
    /// How long it took to find out, once somebody looked.
    took: Duration,
}

/// What is needed to ask an element once more whether the credential is good.
pub(crate) struct Again {
    pub(crate) element: Element,
    /// Whom the connection was opened for, and with what.
    pub(crate) known: Arc<Identity>,
    pub(crate) credential: Credential<'static>,
    pub(crate) client: Option<IpAddr>,
    pub(crate) interval: Duration,
    /// How long the element may take.
    pub(crate) timeout: Duration,
}

/// Why a connection may not stay open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ended {
    /// The credential expired.
    Expired,
    /// The server that vouched for the credential does so no longer, or for less than when the connection was opened.
    Revoked,
    /// That server could not be asked, twice in a row.
    Unavailable,
    /// The configuration changed, and would not let the caller in any more: the user, the key, the element, the scope or
    /// the service is gone.
    Withdrawn,
}

impl Ended {
    /// The code to close a WebSocket with (RFC 6455 §7.4.1 and the IANA registry): 1008, policy violation; or 1013, try
    /// again later.
    #[must_use]
    pub const fn close_code(self) -> u16 {
        match self {
            Self::Expired | Self::Revoked | Self::Withdrawn => 1008,
            Self::Unavailable => 1013,
        }
    }

    /// The reason to close a WebSocket with: short enough for a close frame, and without a secret.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Expired => "the token expired",
            Self::Revoked => "the token was revoked",
            Self::Unavailable => "the token cannot be checked now",
            Self::Withdrawn => "access was withdrawn",
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl Lease {
    /// A connection that nothing ends: a public route, a credential that does not expire.
    pub(crate) const fn unlimited() -> Self {
        Self { clock: None, expires: None, again: None, held: None, opened: None }
    }

    pub(crate) fn until(
        clock: &Arc<dyn Clock>,
        expires: Option<UnixTime>,
        again: Option<Arc<Again>>,
    ) -> Self {
        Self { clock: Some(Arc::clone(clock)), expires, again, held: None, opened: None }
    }

    pub(crate) fn held(self, held: Option<Held>) -> Self {
        Self { held: held.map(Box::new), ..self }
    }

    /// Has observers told of the end.
    pub(crate) fn opened(self, policy: &Policy, principal: Option<&Principal>) -> Self {
        if policy.observer().is_none() {
            return self;
        }
        let client = self.again.as_ref().and_then(|again| again.client);
        let client = client.or_else(|| self.held.as_ref()?.standing.client());
        let opened = Opened { policy: policy.own(), principal: principal.cloned(), request: None, client };
        Self { opened: Some(Box::new(opened)), ..self }
    }

    /// The same, of a connection that this request opened: observers are told its method, its path and the address it came
    /// from. For layers.
    pub fn for_request(mut self, request: &RequestHead<'_>) -> Self {
        if let Some(opened) = &mut self.opened {
            opened.request = Some((request.method.clone(), request.path.into()));
            opened.client = request.client.or(opened.client);
        }
        self
    }

    /// Whether the connection may stay open for ever.
    #[must_use]
    pub const fn is_unlimited(&self) -> bool {
        self.expires.is_none() && self.again.is_none() && self.held.is_none()
    }

    /// The clock that it goes by; `None` where nothing ends it.
    #[must_use]
    pub const fn clock(&self) -> Option<&Arc<dyn Clock>> {
        self.clock.as_ref()
    }

    /// Completes once the connection may not stay open any longer, and says why.
    ///
    /// Where the service has a `revalidateInterval` and the credential is one that its server can revoke, the server is
    /// asked again after each interval; for the first time somewhere in the second half of it, so that connections that
    /// were opened at once, as after a restart, do not ask at once. An answer that cannot be had is waited for during one
    /// further interval, and never past the credential's expiry.
    ///
    /// Where the service follows a configuration that changes, each new version judges the connection as it would judge
    /// the request that opened it: by where the credential stood, and by the token that was shown, or, where it was a
    /// password, by whether the same user has the same password and all scopes still
    /// ([`Provider::vouch`](crate::Provider::vouch)). The server is asked again as often as that version says.
    pub async fn ended(mut self) -> Ended {
        let opened = self.opened.take();
        let ending = self.ends().await;
        if let Some(opened) = opened {
            opened.tell(&ending);
        }
        ending.ended
    }

    /// Tells observers that the connection ends although the lease does not: what it rests on beside the credential was
    /// withdrawn, such as the certificate of the client.
    pub fn tell_withdrawn(&self) {
        if let Some(opened) = &self.opened {
            opened.tell(&Ending::withdrawn(Duration::ZERO));
        }
    }

    async fn ends(mut self) -> Ending {
        let Some(mut held) = self.held.take() else { return self.ends_by_itself().await };
        let mut seen = held.standing.admitted_by();
        let mut life = self;
        loop {
            let (asking, clock) = (life.again.clone(), life.clock.clone());
            let verdict = {
                let mut living = pin!(life.ends_by_itself());
                let mut judged = pin!(held.judged(&mut seen, asking.as_ref(), clock.as_ref()));
                poll_fn(|task| match living.as_mut().poll(task) {
                    Poll::Ready(ended) => Poll::Ready(Err(ended)),
                    Poll::Pending => judged.as_mut().poll(task).map(Ok),
                })
                .await
            };
            let (verdict, took) = match verdict {
                Err(ending) => return ending,
                Ok(judged) => judged,
            };
            match verdict {
                Verdict::Stays => {}
                Verdict::Renewed(lease) => life = *lease,
                Verdict::Paced(again) => life.again = again,
                Verdict::Withdrawn => return Ending::withdrawn(took),
                Verdict::Unknown => {
                    return Ending { ended: Ended::Unavailable, reason: Reason::Unavailable, took };
                }
            }
        }
    }

    /// The same, whatever becomes of the configuration. It may be dropped and begun anew.
    async fn ends_by_itself(&mut self) -> Ending {
        let Self { clock: Some(clock), expires, again, .. } = self else { return pending().await };
        let Some(again) = again else {
            expiry(clock, *expires).await;
            return Ending::EXPIRED;
        };
        let (mut missed, mut wait) = (false, later_half(again.interval));
        loop {
            let mut alarm = pin!(expiry(clock, *expires));
            let pause = clock.sleep(wait);
            let round = pin!(async {
                pause.await;
                let begun = clock.monotonic();
                let outcome = again.ask(clock).await;
                (outcome, clock.monotonic().saturating_sub(begun))
            });
            let Some((outcome, took)) = first(&mut alarm, round).await else { return Ending::EXPIRED };
            wait = again.interval;
            let (ended, reason) = match outcome {
                Outcome::Known(identity) if again.still_good(&identity) => {
                    (*expires, missed) = (identity.good_until(), false);
                    continue;
                }
                Outcome::Known(_) => (Ended::Revoked, Reason::Withdrawn),
                Outcome::Refused(refusal) => (Ended::Revoked, refusal.reason()),
                Outcome::Unavailable(unavailable) if missed => (Ended::Unavailable, unavailable.reason()),
                Outcome::Unavailable(_) => {
                    missed = true;
                    continue;
                }
            };
            return Ending { ended, reason, took };
        }
    }
}

impl Ending {
    const EXPIRED: Self = Self { ended: Ended::Expired, reason: Reason::Expired, took: Duration::ZERO };

    const fn withdrawn(took: Duration) -> Self {
        Self { ended: Ended::Withdrawn, reason: Reason::Withdrawn, took }
    }
}

impl Opened {
    #[cold]
    fn tell(&self, ending: &Ending) {
        let Some(observer) = self.policy.observer() else { return };
        let principal = self.principal.as_ref();
        let ended = ConnectionEnded {
            policy: &self.policy,
            ended: ending.ended,
            reason: ending.reason,
            element: principal.and_then(Principal::element),
            scheme: principal.map(Principal::scheme),
            caller: principal.map(Principal::identity),
            request: self.request.as_ref().map(|(method, path)| (method, &**path)),
            client: self.client,
            took: ending.took,
        };
        contain::observer(&**observer, |observer| observer.ended(&ended));
    }
}

impl Again {
    /// Whether whoever holds the principal that the connection was opened with may go on believing it.
    fn still_good(&self, identity: &Identity) -> bool {
        still_good(&self.known, identity)
    }

    /// Asks past every cache.
    async fn ask(&self, clock: &Arc<dyn Clock>) -> Outcome {
        let cx = Context::new(clock).with_client(self.client).afresh();
        let mut late = pin!(clock.sleep(self.timeout));
        let answer = pin!(Asking::new(&self.element, &self.credential, &cx).answer());
        let late_answer = || chain::late().into();
        first(&mut late, answer).await.unwrap_or_else(late_answer)
    }
}

/// Whether whoever holds a principal of `known` may go on believing it, now that it is `identity`.
pub(crate) fn still_good(known: &Identity, identity: &Identity) -> bool {
    known.subject() == identity.subject()
        && known.issuer() == identity.issuer()
        // All that it held, and so one that the element asks for.
        && known.scopes().iter().all(|scope| identity.scopes().contains(scope))
}

/// A span from half of `whole` to all of it, another one each time.
fn later_half(whole: Duration) -> Duration {
    // Keyed at random by the standard library; nothing secret hangs on it.
    let random = RandomState::new().hash_one(()) as u32;
    whole / 2 + (whole / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
}

/// What `work` gives, or `None` once `alarm` has gone off before it.
async fn first<T>(
    alarm: &mut Pin<&mut impl Future>,
    mut work: Pin<&mut impl Future<Output = T>>,
) -> Option<T> {
    poll_fn(|task| {
        if alarm.as_mut().poll(task).is_ready() {
            return Poll::Ready(None);
        }
        work.as_mut().poll(task).map(Some)
    })
    .await
}

/// Completes at `moment`, also where civil time is set meanwhile; never where there is none.
async fn expiry(clock: &Arc<dyn Clock>, moment: Option<UnixTime>) {
    let Some(moment) = moment else { return pending().await };
    loop {
        let left = moment.since(clock.now());
        if left.is_zero() {
            return;
        }
        clock.sleep(left.min(LOOK_AGAIN)).await;
    }
}

/// Completes when a principal's credential expires. Made by [`Principal::expired`](crate::Principal::expired).
#[must_use = "a future does nothing until it is awaited"]
pub struct Expired(BoxFuture<'static, ()>);

impl Expired {
    pub(crate) fn with(lease: Lease) -> Self {
        Self(Box::pin(async move {
            lease.ended().await;
        }))
    }

    pub(crate) fn at(clock: &Arc<dyn Clock>, moment: Option<UnixTime>) -> Self {
        let clock = Arc::clone(clock);
        Self(Box::pin(async move { expiry(&clock, moment).await }))
    }
}

impl Future for Expired {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Expired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Expired")
    }
}

/// Shows the element and when it is asked, and not the credential.
impl fmt::Debug for Again {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Again")
            .field("element", &self.element)
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("expires", &self.expires)
            .field("again", &self.again)
            .finish_non_exhaustive()
    }
}
