//! Whether an admission holds in another version of the configuration.

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration};

use super::Held;
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
    /// It would not be let in any more.
    Withdrawn,
    /// Nobody can tell.
    Unknown,
}

pub(super) async fn judge(held: &Held) -> Verdict {
    let Some((auth, policy)) = held.standing.guard() else { return Verdict::Withdrawn };
    if policy.is_public() {
        return Verdict::Stays;
    }
    let Some(principal) = &held.principal else {
        return if policy.is_optional() { Verdict::Stays } else { Verdict::Withdrawn };
    };
    if is_unchanged(principal, &policy) {
        return Verdict::Stays;
    }
    match principal.scheme() {
        Scheme::Basic if is_vouched_for(principal, &policy) => Verdict::Stays,
        // The password is kept nowhere, so nobody can be asked about it.
        Scheme::Basic => Verdict::Withdrawn,
        Scheme::Bearer => show_again(held, principal, &auth, &policy).await,
    }
}

/// Whether the very provider that vouched for the caller still guards the request, and the caller still holds what it
/// asks for. Nobody is asked then: a reload costs nothing where it changes nothing.
fn is_unchanged(principal: &Principal, policy: &Policy) -> bool {
    let Some(before) = principal.element() else { return false };
    let mut elements = policy.elements().iter();
    elements.any(|element| {
        Arc::ptr_eq(element.provider(), before.provider())
            && element.scopes().satisfied_by(principal.scopes())
    })
}

/// Whether a store has the record by which the caller was let in, unchanged but for scopes.
fn is_vouched_for(principal: &Principal, policy: &Policy) -> bool {
    let known = principal.identity();
    let Some(before) = principal.element().and_then(|element| contain::vouch(element, known)) else {
        return false;
    };
    let mut elements = policy.elements().iter().filter(|element| element.scheme() == principal.scheme());
    elements.any(|element| {
        let now = contain::vouch(element, known);
        now.is_some_and(|now| {
            now.record == before.record
                && element.scopes().satisfied_by(now.identity.scopes())
                && still_good(known, &now.identity)
        })
    })
}

/// Has the elements decide on the token once more.
async fn show_again(held: &Held, principal: &Principal, auth: &Auth, policy: &Policy) -> Verdict {
    let Some(token) = principal.authorization().and_then(crate::Authorization::token) else {
        return Verdict::Withdrawn;
    };
    let Ok(bearer) = Bearer::new(token.expose()) else { return Verdict::Withdrawn };
    let credential = Credential::Bearer(bearer);
    let clock = auth.clock();
    for round in 0..ROUNDS {
        if round > 0 {
            clock.sleep(PAUSE).await;
        }
        let mut unavailable = false;
        for element in policy.elements().iter().filter(|element| element.scheme() == Scheme::Bearer) {
            match ask(element, &credential, auth, held).await {
                Some(Outcome::Known(identity)) if element.scopes().satisfied_by(identity.scopes()) => {
                    return renewed(held, principal, auth, element, &credential, &identity);
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
    let interval = auth.revalidate_interval().filter(|_| element.provider().can_revoke());
    let again = interval.map(|interval| {
        Arc::new(Again {
            element: element.clone(),
            known: Arc::clone(principal.shared_identity()),
            credential: credential.clone().into_owned(),
            client: held.standing.client(),
            interval,
            timeout: auth.decision_timeout(),
        })
    });
    Verdict::Renewed(Box::new(Lease::until(auth.clock(), identity.good_until(), again)))
}
