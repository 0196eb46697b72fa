//! What is decided before anything is read: for the requests that come again and again.

#[cfg(test)]
mod tests;

use tracing::{level_filters::LevelFilter, subscriber::NoSubscriber};

use super::deciding::{Decision, Subject};
use crate::{
    Admission, Authorization, Context, Policy, Principal, Scheme, credential::header, policy::Guard,
};

/// Decides where the path and the client make no difference; `None` says nothing.
pub(crate) fn decide_at_once(policy: &Policy, subject: &Subject<'_>) -> Option<Decision> {
    let Some(guard) = policy.guard() else { return Some(Ok(Admission::public(policy))) };
    if let Some(admission) = recall(policy, guard, subject) {
        return Some(Ok(admission));
    }
    if !subject.sources.reads_header_alone() || subject.has_authorization() {
        return None;
    }
    if guard.optional {
        return Some(Ok(Admission::anonymous(policy)));
    }
    // The log tells path and client.
    (!may_be_logged()).then(|| Err(guard.no_credential.clone().answering(subject.method())))
}

/// Whether somebody may be told of a refusal. Subscribers are not asked (`tracing::enabled!`): what their filters go by,
/// fields for instance, only the event itself has. Where nobody subscribes, `tracing` may hand events to `log`.
fn may_be_logged() -> bool {
    let is_heard = LevelFilter::INFO <= LevelFilter::current()
        && tracing::dispatcher::get_default(|current| !current.is::<NoSubscriber>());
    is_heard || log::LevelFilter::Info <= log::max_level()
}

/// Lets a caller in whom the first element that looks at such credentials remembers. `None` says nothing.
pub(super) fn recall(policy: &Policy, guard: &Guard, subject: &Subject<'_>) -> Option<Admission> {
    // A credential in another place beside the header's would have to be refused.
    if subject.not_remembered || !subject.sources.reads_header_alone() || subject.may_be_asked_again() {
        return None;
    }
    let (scheme, text, value) = header::unread(subject.headers, subject.max_credential_bytes)?;
    let (at, element) = guard.elements.iter().enumerate().find(|(_, element)| element.scheme() == scheme)?;
    let cx = Context::new(subject.clock).with_client(subject.about.client);
    let identity = element.provider().recall(text, &cx)?;
    if !element.scopes().satisfied_by(identity.scopes()) {
        return None;
    }
    // Of a password nothing is kept.
    let shown = (scheme == Scheme::Bearer).then(|| Authorization::sensitive(scheme, value.clone()));
    Some(Admission::authenticated(Principal::assertion(identity, policy.clone(), at, scheme).shown(shown)))
}
