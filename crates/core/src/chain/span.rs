//! A decision as a span, so that what a provider logs beneath it is found. Where no subscriber wants it, it costs a
//! comparison.

use tracing::{Instrument, Level, Span, debug_span, field};

use super::{
    blame::Blame,
    deciding::{Deciding, Decision, Step},
    log::About,
};
use crate::{Policy, Shown, observe};

/// Whether a subscriber wants it.
pub(super) fn is_wanted() -> bool {
    tracing::enabled!(target: TARGET, Level::DEBUG)
}

const TARGET: &str = "portcullis";
const NAME: &str = "decision";

fn of(policy: &Policy, about: About<'_>) -> Span {
    debug_span!(
        target: TARGET,
        NAME,
        resource = policy.label(),
        method = about.request.map(|(method, _)| field::display(Shown::method(method))),
        path = about.request.map(|(_, path)| field::display(Shown::path(path))),
        client = about.client.map(field::display),
        outcome = field::Empty,
        reason = field::Empty,
        element = field::Empty,
        status = field::Empty,
    )
}

/// Decides within a span.
pub(super) fn around(policy: &Policy, about: About<'_>, decide: impl FnOnce() -> Step) -> Step {
    let span = of(policy, about);
    match span.in_scope(decide) {
        Step::Ready(decision) => Step::Ready(decision),
        Step::Wait(deciding) => Step::Wait(Deciding::new(deciding.instrument(span))),
    }
}

/// Notes in the span what came of the decision.
pub(super) fn decided(policy: &Policy, decision: &Decision, blame: Option<Blame<'_>>) {
    let span = Span::current();
    // Where a filter wants spans of this level and not this one, it is somebody else's, who may have fields of these names.
    if span.metadata().is_none_or(|one| (one.target(), one.name()) != (TARGET, NAME)) {
        return;
    }
    span.record("outcome", observe::outcome(decision));
    if let Some(blame) = blame {
        span.record("reason", blame.reason.as_str());
    }
    match decision {
        Ok(admission) => {
            if let Some(principal) = admission.principal() {
                span.record("element", principal.provider());
            }
        }
        Err(rejection) => {
            span.record("status", rejection.status().as_u16());
            if let Some(element) = blame.and_then(|blame| policy.elements().get(blame.element?)) {
                span.record("element", element.name());
            }
        }
    }
}
