//! Whether an admission holds in another version of the configuration.

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration};

use super::{Held, Opening};
use crate::{
    Auth, Bearer, Context, Credential, Element, Identity, Lease, Outcome, Policy, Principal, Scheme,
    chain::contain::{self, Asking},
    lease::{Again, still_good},
};

/// How often an element is asked that cannot tell, before nobody waits any longer.
const ROUNDS: u32 = 3;
/// And the pause between.
const PAUSE: Duration = Duration::from_secs(2);

/// What a version makes of an admission.
pub(crate) enum Verdict {
    /// It goes on as it did.
    Stays,
    /// It goes on, and this is until when.
    Renewed(Box<Lease>),
    /// It goes on, and this is who is asked about it from now on.
    Paced(Option<Arc<Again>>),
    /// It would not be let in any more.
    Withdrawn,
    /// Nobody can tell.
    Unknown,
}

/// `asking` is who is asked again while the connection is open, as it is now.
pub(super) async fn judge(held: &mut Held, asking: Option<&Arc<Again>>) -> Verdict {
    let Some((auth, policy)) = held.standing.guard() else { return Verdict::Withdrawn };
    if policy.is_public() {
        return Verdict::Stays;
    }
    let Some(principal) = held.principal.clone() else {
        return if policy.is_optional() { Verdict::Stays } else { Verdict::Withdrawn };
    };
    if held.standing.opening().is_some_and(|opening| !opening.counts_in(auth.credential_sources())) {
        return Verdict::Withdrawn;
    }
    let good = unchanged(&principal, &policy).or_else(|| match principal.scheme() {
        Scheme::Basic => vouched_for(&principal, &policy),
        Scheme::Bearer => None,
    });
    match (good, principal.scheme()) {
        (Some(position), _) => {
            let verdict = paced(held, &principal, &auth, policy.elements().get(position), asking);
            held.rest_on(&policy, position);
            verdict
        }
        // The password is kept nowhere, so nobody can be asked about it.
        (None, Scheme::Basic) => Verdict::Withdrawn,
        (None, Scheme::Bearer) => show_again(held, &principal, &auth, &policy).await,
    }
}

/// The element whose provider is the very one that vouched for the caller, where the caller still holds what it asks for.
/// Nobody is asked then: a reload costs nothing where it changes nothing.
fn unchanged(principal: &Principal, policy: &Policy) -> Option<usize> {
    let before = principal.element()?;
    policy.elements().iter().position(|element| {
        Arc::ptr_eq(element.provider(), before.provider())
            && element.scopes().satisfied_by(principal.scopes())
    })
}

/// The element whose store has the record by which the caller was let in, unchanged but for scopes.
fn vouched_for(principal: &Principal, policy: &Policy) -> Option<usize> {
    let known = principal.identity();
    let before = principal.element().and_then(|element| contain::vouch(element, known))?;
    policy.elements().iter().position(|element| {
        let now = if element.scheme() == principal.scheme() { contain::vouch(element, known) } else { None };
        now.is_some_and(|now| {
            now.record == before.record
                && element.scopes().satisfied_by(now.identity.scopes())
                && still_good(known, &now.identity)
        })
    })
}

/// The caller goes on, and is asked about as often as the version says.
fn paced(
    held: &Held,
    principal: &Principal,
    auth: &Auth,
    element: Option<&Element>,
    asking: Option<&Arc<Again>>,
) -> Verdict {
    let Some(element) = element else { return Verdict::Stays };
    let wanted = interval(held, auth, element);
    let is_asked = |again: &Arc<Again>| Arc::ptr_eq(again.element.provider(), element.provider());
    if asking.map(|again| again.interval) == wanted && asking.is_none_or(is_asked) {
        return Verdict::Stays;
    }
    let credential =
        asking.map(|again| again.credential.clone()).or_else(|| Some(shown(principal)?.into_owned()));
    let next = wanted.zip(credential);
    Verdict::Paced(
        next.map(|(interval, credential)| again(held, principal, auth, element, credential, interval)),
    )
}

/// How often an element is asked again.
fn interval(held: &Held, auth: &Auth, element: &Element) -> Option<Duration> {
    let asks = held.asks && held.standing.opening().is_none_or(Opening::may_open);
    auth.revalidate_interval().filter(|_| asks && contain::can_revoke(element))
}

fn again(
    held: &Held,
    principal: &Principal,
    auth: &Auth,
    element: &Element,
    credential: Credential<'static>,
    interval: Duration,
) -> Arc<Again> {
    Arc::new(Again {
        element: element.clone(),
        known: Arc::clone(principal.shared_identity()),
        credential,
        client: held.standing.client(),
        interval,
        timeout: auth.decision_timeout(),
    })
}

/// The token that the caller showed.
fn shown(principal: &Principal) -> Option<Credential<'_>> {
    let token = principal.authorization().and_then(crate::Authorization::token)?;
    Bearer::new(token.expose()).ok().map(Credential::Bearer).map(Credential::into_owned)
}

/// Has the elements decide on the token once more.
async fn show_again(held: &mut Held, principal: &Principal, auth: &Auth, policy: &Policy) -> Verdict {
    let Some(credential) = shown(principal) else { return Verdict::Withdrawn };
    let clock = auth.clock();
    for round in 0..ROUNDS {
        if round > 0 {
            clock.sleep(PAUSE).await;
        }
        let mut unavailable = false;
        let elements = policy.elements().iter().enumerate();
        for (position, element) in elements.filter(|(_, element)| element.scheme() == Scheme::Bearer) {
            match ask(element, &credential, auth, held).await {
                Some(Outcome::Known(identity)) if element.scopes().satisfied_by(identity.scopes()) => {
                    let verdict = renewed(held, principal, auth, element, &credential, &identity);
                    held.rest_on(policy, position);
                    return verdict;
                }
                Some(Outcome::Known(_) | Outcome::Refused(_)) => {}
                Some(Outcome::Unavailable(_)) | None => unavailable = true,
            }
        }
        if !unavailable {
            return Verdict::Withdrawn;
        }
    }
    Verdict::Unknown
}

/// The element's answer; `None` where it takes too long.
async fn ask(element: &Element, credential: &Credential<'_>, auth: &Auth, held: &Held) -> Option<Outcome> {
    let clock = auth.clock();
    let cx = Context::new(clock).with_client(held.standing.client());
    if let Some(outcome) = contain::try_authenticate(element, credential, &cx) {
        return Some(outcome);
    }
    let mut alarm = clock.sleep(auth.decision_timeout());
    let mut answer = pin!(Asking::new(element, credential, &cx).answer());
    poll_fn(|task| match answer.as_mut().poll(task) {
        Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
        Poll::Pending => alarm.as_mut().poll(task).map(|()| None),
    })
    .await
}

/// The caller goes on with what the version makes of the token.
fn renewed(
    held: &Held,
    principal: &Principal,
    auth: &Auth,
    element: &Element,
    credential: &Credential<'_>,
    identity: &Arc<Identity>,
) -> Verdict {
    if !still_good(principal.identity(), identity) {
        return Verdict::Withdrawn;
    }
    let again = interval(held, auth, element)
        .map(|interval| again(held, principal, auth, element, credential.clone().into_owned(), interval));
    Verdict::Renewed(Box::new(Lease::until(auth.clock(), identity.good_until(), again)))
}
