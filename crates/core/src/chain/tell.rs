//! Where a decision is told: to the log, and to whoever observes the service.

use std::{sync::Arc, time::Duration};

use super::{
    blame::Blame,
    contain,
    deciding::Decision,
    log::{self, About},
    span,
    walk::Report,
};
use crate::{Admission, Asker, Clock, Decided, Element, Policy, Principal, Rejection, observe::Watch};

/// What it takes to tell a decision.
#[derive(Clone, Copy)]
pub(super) struct Telling<'t, 'r> {
    /// Asked only where somebody is told.
    pub(super) about: &'t dyn Fn() -> About<'r>,
    pub(super) watch: Option<&'t Watch>,
    pub(super) clock: &'t Arc<dyn Clock>,
}

impl Telling<'_, '_> {
    /// Tells a decision, and hands it on.
    pub(super) fn told(self, policy: &Policy, decision: Decision, reports: &[Report]) -> Decision {
        let is_logged = decision.as_ref().is_err_and(|rejection| log::is_heard(rejection.kind()));
        if is_logged || self.watch.is_some() || span::is_wanted() {
            self.tell(policy, &decision, reports, is_logged);
        }
        decision
    }

    /// The same for a decision that no log tells: whoever shows nothing where nobody listens, a caller who is let in, perhaps
    /// from memory.
    pub(super) fn told_at_once(self, policy: &Policy, decision: Decision, recalled: bool) -> Decision {
        let blame = Blame::of(&decision, &[]);
        if span::is_wanted() {
            span::decided(policy, &decision, blame);
        }
        self.observed(policy, &decision, blame, recalled);
        decision
    }

    #[cold]
    fn tell(self, policy: &Policy, decision: &Decision, reports: &[Report], is_logged: bool) {
        let blame = Blame::of(decision, reports);
        if let (true, Err(rejection), Some(blame)) = (is_logged, decision, blame) {
            log::rejected(policy, rejection, blame, reports, (self.about)());
        }
        if span::is_wanted() {
            span::decided(policy, decision, blame);
        }
        self.observed(policy, decision, blame, false);
    }

    fn observed(self, policy: &Policy, decision: &Decision, blame: Option<Blame<'_>>, recalled: bool) {
        let Some(watch) = self.watch else { return };
        let About { request, client } = (self.about)();
        let took = watch.took(self.clock);
        let principal = decision.as_ref().ok().and_then(Admission::principal);
        let element = principal.map(Principal::position).or(blame.and_then(|blame| blame.element));
        let decided = Decided {
            policy,
            decision,
            reason: blame.map(|blame| blame.reason),
            element: element.and_then(|at| policy.elements().get(at)),
            caller: principal.map(Principal::identity).or(blame.and_then(|blame| blame.caller)),
            request,
            client,
            took,
            recalled,
            asker: None,
        };
        contain::observer(&*watch.observer, |observer| observer.decided(&decided));
    }
}

/// Tells that a check inside the layer, `asker`, did not let a request through, and hands the rejection on. Without a
/// policy no layer ran.
#[cold]
pub(crate) fn narrowed(
    policy: Option<&Policy>,
    principal: Option<&Principal>,
    rejection: Rejection,
    asker: Asker<'_>,
) -> Rejection {
    let element = principal.and_then(Principal::element);
    let about = asker.request();
    log::narrowed(
        policy.map_or("", Policy::label),
        element.map(Element::name),
        &rejection,
        asker.name,
        about,
    );
    let Some((policy, observer)) = policy.and_then(|policy| Some((policy, policy.observer()?))) else {
        return rejection;
    };
    let reason = Some(rejection.kind().into());
    let decision = Err(rejection.clone());
    let decided = Decided {
        policy,
        decision: &decision,
        reason,
        element,
        caller: principal.map(Principal::identity),
        request: about.request,
        client: about.client,
        took: Duration::ZERO,
        recalled: false,
        asker: Some(asker.name),
    };
    contain::observer(&**observer, |observer| observer.decided(&decided));
    rejection
}
