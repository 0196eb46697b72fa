//! Where a decision is told: to the log, and to whoever observes the service.

use std::sync::Arc;

use super::{
    deciding::Decision,
    log::{self, About},
    walk::Report,
};
use crate::{Clock, Decided, Policy, observe::Watch};

/// What it takes to tell a decision.
#[derive(Clone, Copy)]
pub(super) struct Telling<'a> {
    pub(super) about: About<'a>,
    pub(super) watch: Option<&'a Watch>,
    pub(super) clock: &'a Arc<dyn Clock>,
}

impl Telling<'_> {
    /// Tells a decision, and hands it on.
    pub(super) fn told(self, policy: &Policy, decision: Decision, reports: &[Report]) -> Decision {
        if let Err(rejection) = &decision {
            log::rejected(policy, rejection, reports, self.about);
        }
        self.observed(policy, &decision, false);
        decision
    }

    /// Tells the observer alone.
    pub(super) fn observed(self, policy: &Policy, decision: &Decision, recalled: bool) {
        let Some(watch) = self.watch else { return };
        let About { request, client } = self.about;
        let took = watch.took(self.clock);
        watch.observer.decided(&Decided { policy, decision, request, client, took, recalled });
    }
}
