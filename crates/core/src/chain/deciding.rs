use std::{
    cell::LazyCell,
    fmt,
    future::{Future, poll_fn},
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{self, Poll},
    time::Duration,
};

use http::{HeaderMap, Method, header::AUTHORIZATION};

use super::{
    contain::{self, Asking},
    guess::Guessing,
    log::About,
    recall::{Memory, at_once},
    span,
    tell::Telling,
    verdict,
    walk::{Report, Stand, Took, Walk},
};
use crate::{
    Admission, Authorization, BoxFuture, Clock, Context, Credential, CredentialError, CredentialErrorKind,
    CredentialSources, Element, Observer, Policy, Principal, Reason, Rejection, RejectionKind, Scheme,
    Secret, Throttle, Unavailable, credential::websocket, lease::Again, observe::Watch, policy::Guard,
    throttle::Attempt,
};

/// How a request was let in, or why it was not.
pub type Decision = Result<Admission, Rejection>;

/// A decision, or the future of one where an element has to be waited for.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a decision is made or it is not")]
pub enum Step {
    /// Decided without waiting and without allocating a future.
    Ready(Decision),
    /// An element has to be waited for.
    Wait(Deciding),
}

/// The future of a decision. It owns all it needs: the request may go on elsewhere meanwhile.
#[must_use = "a decision that is not awaited is not made"]
pub struct Deciding(BoxFuture<'static, Decision>);

impl Deciding {
    pub(super) fn new(decision: impl Future<Output = Decision> + Send + 'static) -> Self {
        Self(Box::pin(decision))
    }
}

impl Future for Deciding {
    type Output = Decision;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Decision> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Deciding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Deciding")
    }
}

/// What a decision is about, beyond the policy.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    /// GET where a provider was called directly.
    pub(crate) method: &'a Method,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) sources: &'a CredentialSources,
    pub(crate) revalidate_interval: Option<Duration>,
    pub(crate) max_credential_bytes: usize,
    pub(crate) timeout: Duration,
    pub(crate) clock: &'a Arc<dyn Clock>,
    pub(crate) observer: Option<&'a Arc<dyn Observer>>,
    pub(crate) throttle: Option<&'a Throttle>,
}

impl<'a> Subject<'a> {
    pub(super) fn read(&self) -> Result<Option<Credential<'a>>, CredentialError> {
        self.sources.read(self.method, self.headers, self.max_credential_bytes)
    }

    /// The token that the caller showed, for calls on the caller's behalf. Where it stood in the header its bytes are shared.
    fn shown(&self, credential: &Credential<'_>) -> Option<Authorization> {
        let Credential::Bearer(bearer) = credential else { return None };
        let header = self.headers.get(AUTHORIZATION).filter(|_| self.sources.reads_header());
        match header {
            Some(value) => Some(Authorization::sensitive(Scheme::Bearer, value.clone())),
            None => Authorization::bearer(&Secret::new(bearer.token())).ok(),
        }
    }

    /// Whether a connection may stay open that the element is asked about again.
    pub(super) fn may_be_asked_again(&self) -> bool {
        self.revalidate_interval.is_some() && websocket::may_open(self.method, self.headers)
    }

    /// When the element is asked again whether the credential still is good, where a connection stays open.
    fn revalidate(&self, client: impl FnOnce() -> Option<IpAddr>) -> Option<Revalidate> {
        let interval = self.revalidate_interval.filter(|_| self.may_be_asked_again())?;
        Some(Revalidate { interval, timeout: self.timeout, client: client() })
    }
}

/// When an element is asked again.
struct Revalidate {
    interval: Duration,
    timeout: Duration,
    client: Option<IpAddr>,
}

impl Revalidate {
    /// What it takes to ask the element again that let `principal` in, where it makes sense.
    fn of(
        self,
        element: Option<&Element>,
        principal: Option<&Principal>,
        credential: &Credential<'_>,
    ) -> Option<Arc<Again>> {
        let element = element.filter(|element| contain::can_revoke(element))?.clone();
        let known = Arc::clone(principal?.shared_identity());
        let Self { interval, timeout, client } = self;
        let credential = credential.clone().into_owned();
        Some(Arc::new(Again { element, known, credential, client, interval, timeout }))
    }
}

/// Decides by `policy`, as far as that needs no waiting. `about` is asked only where it makes a difference.
pub(crate) fn decide<'a>(policy: &Policy, subject: &Subject<'a>, about: impl FnOnce() -> About<'a>) -> Step {
    if span::is_wanted() {
        let about = about();
        return span::around(policy, about, || decide_plainly(policy, subject, || about, true));
    }
    decide_plainly(policy, subject, about, false)
}

fn decide_plainly<'a>(
    policy: &Policy,
    subject: &Subject<'a>,
    about: impl FnOnce() -> About<'a>,
    has_span: bool,
) -> Step {
    let watch = Watch::start(subject.observer, subject.clock);
    match at_once(policy, subject, watch.is_some() || has_span) {
        Ok((decision, recalled)) => {
            if watch.is_some() || has_span {
                let about = about();
                let telling = Telling { about: &|| about, watch: watch.as_ref(), clock: subject.clock };
                return Step::Ready(telling.told_at_once(policy, decision, recalled));
            }
            Step::Ready(decision)
        }
        Err(memory) => {
            let about = LazyCell::new(about);
            decide_by_reading(policy, subject, &|| *about, memory, watch)
        }
    }
}

/// Decides where the credential has to be read.
#[inline(never)]
fn decide_by_reading<'a>(
    policy: &Policy,
    subject: &Subject<'_>,
    about: &dyn Fn() -> About<'a>,
    memory: Memory,
    watch: Option<Watch>,
) -> Step {
    let telling = Telling { about, watch: watch.as_ref(), clock: subject.clock };
    let ready = |decision, reports: &[Report]| Step::Ready(telling.told(policy, decision, reports));
    let Some(guard) = policy.guard() else { return ready(Ok(Admission::public(policy)), &[]) };
    let credential = match subject.read() {
        Ok(Some(credential)) => credential,
        Ok(None) if guard.optional => return ready(Ok(Admission::anonymous(policy)), &[]),
        Ok(None) => {
            return ready(Err(guard.no_credential.clone().answering(subject.method)), &[]);
        }
        Err(error) => return ready(Err(malformed(guard, error).answering(subject.method)), &[]),
    };
    let is_client_of_interest = subject.throttle.is_some() || guard.looks_at_client(credential.scheme());
    let client = is_client_of_interest.then(|| about().client).flatten();
    let guessing = match Guessing::begin(subject, client, guard, &credential) {
        Ok(guessing) => guessing,
        Err(rejection) => return ready(Err(rejection.answering(subject.method)), &[]),
    };
    let mut walk = Walk::after(memory, watch.clone());
    let cx = Context::new(subject.clock).with_client(client);
    match walk.advance(policy, guard, &credential, &cx, guessing.attempt()) {
        Stand::Admitted(principal) => {
            guessing.settle(guard, Some(walk.next), &walk.reports);
            let again = subject
                .revalidate(|| about().client)
                .and_then(|when| when.of(guard.elements.get(walk.next), Some(&principal), &credential));
            let principal = principal.shown(subject.shown(&credential));
            ready(Ok(Admission::authenticated(principal).asking_again(again)), &walk.reports)
        }
        Stand::Exhausted => {
            guessing.settle(guard, None, &walk.reports);
            let rejection = verdict::reject(guard, &walk.reports, credential.scheme());
            ready(Err(rejection.answering(subject.method)), &walk.reports)
        }
        Stand::Waiting => {
            let (policy, clock) = (policy.clone(), Arc::clone(subject.clock));
            let shown = subject.shown(&credential);
            let (credential, timeout) = (credential.into_owned(), subject.timeout);
            let About { request, client } = about();
            let revalidate = subject.revalidate(|| client);
            let method = subject.method.clone();
            let path = request.map(|(_, path)| Box::<str>::from(path));
            Step::Wait(Deciding(Box::pin(async move {
                let attempt = guessing.attempt();
                let decision =
                    within(timeout, &clock, &policy, &mut walk, &credential, client, attempt).await;
                if let Some(guard) = policy.guard() {
                    guessing.settle(guard, decision.is_ok().then_some(walk.next), &walk.reports);
                }
                let decision = decision.map(|admission| {
                    let element = policy.guard().and_then(|guard| guard.elements.get(walk.next));
                    let again =
                        revalidate.and_then(|when| when.of(element, admission.principal(), &credential));
                    admission.asking_again(again).shown(shown)
                });
                let decision = decision.map_err(|rejection| rejection.answering(&method));
                let request = path.as_deref().map(|path| (&method, path));
                let about = || About { request, client };
                let telling = Telling { about: &about, watch: watch.as_ref(), clock: &clock };
                telling.told(&policy, decision, &walk.reports)
            })))
        }
    }
}

/// Refuses a request before any element could have a say in it.
pub(crate) fn refuse_unasked(
    policy: &Policy,
    rejection: Rejection,
    subject: &Subject<'_>,
    about: About<'_>,
) -> Rejection {
    let watch = Watch::start(subject.observer, subject.clock);
    let telling = Telling { about: &|| about, watch: watch.as_ref(), clock: subject.clock };
    let tell = || Step::Ready(telling.told(policy, Err(rejection.clone()), &[]));
    if span::is_wanted() {
        span::around(policy, about, tell)
    } else {
        tell()
    };
    rejection
}

pub(super) fn malformed(guard: &Guard, error: CredentialError) -> Rejection {
    let kind = match error.kind() {
        CredentialErrorKind::UnsupportedScheme => RejectionKind::NotLookedAt,
        kind => RejectionKind::Malformed(kind),
    };
    Rejection::unauthorized(kind, &guard.challenges, error.scheme())
}

/// What is said of an element that was still being waited for when the time was over.
pub(crate) fn late() -> Unavailable {
    Unavailable::new("no answer within decisionTimeout").because(Reason::TimedOut)
}

/// Waits for the element that has to be waited for, and walks on to the end, or until `timeout` is over: the element that
/// was being waited for then counts as unavailable, whatever the others said.
async fn within(
    timeout: Duration,
    clock: &Arc<dyn Clock>,
    policy: &Policy,
    walk: &mut Walk,
    credential: &Credential<'_>,
    client: Option<IpAddr>,
    attempt: Option<&Attempt>,
) -> Decision {
    let Some(guard) = policy.guard() else { return Ok(Admission::public(policy)) };
    let cx = Context::new(clock).with_client(client);
    let mut alarm = clock.sleep(timeout);
    while let Some(element) = guard.elements.get(walk.next) {
        let since = walk.now(clock);
        let asked = cx.asking(element, attempt);
        let mut answer = Asking::new(element, credential, &asked);
        let outcome = poll_fn(|task| match answer.poll(task) {
            Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
            Poll::Pending => alarm.as_mut().poll(task).map(|()| None),
        });
        match outcome.await {
            Some(outcome) => {
                if let Some(principal) = walk.take(policy, element, outcome, Took::waited(since, clock)) {
                    return Ok(Admission::authenticated(principal));
                }
            }
            None => {
                walk.take(policy, element, late().into(), Took::waited(since, clock));
                break;
            }
        }
        match walk.advance(policy, guard, credential, &cx, attempt) {
            Stand::Admitted(principal) => return Ok(Admission::authenticated(principal)),
            Stand::Exhausted => break,
            Stand::Waiting => {}
        }
    }
    Err(verdict::reject(guard, &walk.reports, credential.scheme()))
}
