//! What the throttle is told of a decision.

use std::net::IpAddr;

use super::{
    contain,
    deciding::Subject,
    walk::{Report, Said},
};
use crate::{
    Context, Credential, Element, Outcome, Reason, Rejection, Scheme,
    policy::Guard,
    throttle::{Attempt, Attempted, Ended, Verdict},
};

/// The attempt that a decision is, where the service has a throttle.
pub(super) struct Guessing(Option<Attempt>);

impl Guessing {
    /// Begins before any element is asked.
    pub(super) fn begin(
        subject: &Subject<'_>,
        client: Option<IpAddr>,
        guard: &Guard,
        credential: &Credential<'_>,
    ) -> Result<Self, Rejection> {
        let Some(throttle) = subject.throttle else { return Ok(Self(None)) };
        let Credential::Basic(basic) = credential else {
            return Ok(Self(Some(Attempt::bearer(throttle, subject.clock, client))));
        };
        let mut stores = Vec::new();
        for element in guard.elements.iter().filter(|element| element.scheme() == Scheme::Basic) {
            let store = store(element);
            if !stores.contains(&store) {
                stores.push(store);
            }
        }
        if stores.is_empty() {
            return Ok(Self(None));
        }
        match Attempt::basic(throttle, subject.clock, client, basic, &stores) {
            Ok(attempt) => Ok(Self(Some(attempt))),
            Err(wait) => Err(Rejection::too_many_attempts(guard.challenges.protocol(), wait)),
        }
    }

    pub(super) const fn attempt(&self) -> Option<&Attempt> {
        self.0.as_ref()
    }

    /// Ends it by what the elements said; `admitted` is the position of the one that let the caller in.
    pub(super) fn settle(self, guard: &Guard, admitted: Option<usize>, reports: &[Report]) {
        let Some(attempt) = self.0 else { return };
        let knows = |report: &Report| matches!(report.said, Said::NotAuthorized(_));
        // That an account has to wait is no outage, and lets nobody guess faster at the other stores. That a store is left alone is.
        let cannot_tell = |report: &Report| match &report.said {
            Said::Unavailable(why) => why.reason() != Reason::TooManyAttempts || attempt.leaves_alone(),
            _ => false,
        };
        let refuses = |report: &Report| matches!(report.said, Said::Refused(_));
        let overloaded = |report: &Report| report.said.reason() == Reason::Overloaded;
        let ended = if admitted.is_some() || reports.iter().any(knows) {
            Ended::Known
        } else if reports.iter().any(overloaded) {
            Ended::Overloaded
        } else if reports.iter().any(cannot_tell) {
            Ended::Unavailable
        } else if reports.is_empty() {
            // No element looks at it.
            Ended::Known
        } else if reports.iter().any(refuses) {
            Ended::Refused
        } else {
            Ended::Unavailable
        };
        attempt.settle(ended, |asked| {
            let is_asked = |at: usize| guard.elements.get(at).map(store) == Some(asked);
            let mut verdict = Verdict::Untold;
            if admitted.is_some_and(is_asked) {
                return Verdict::Right;
            }
            for report in reports.iter().filter(|report| is_asked(report.element)) {
                match &report.said {
                    Said::NotAuthorized(_) => return Verdict::Right,
                    // Another element of the same store may have looked.
                    Said::Refused(why) if without_a_look(why.reason()) => {
                        if verdict == Verdict::Untold {
                            verdict = Verdict::Unfit;
                        }
                    }
                    Said::Refused(_) => verdict = Verdict::Wrong,
                    // Who comes too early is not counted, whoever says so.
                    Said::Unavailable(why) if why.reason() == Reason::TooManyAttempts => {}
                    Said::Unavailable(why) if why.reason() == Reason::UnusableAnswer => {
                        if verdict != Verdict::Unavailable {
                            verdict = Verdict::Unclear;
                        }
                    }
                    // Beside it, a wrong password is no more than this.
                    Said::Unavailable(_) => verdict = Verdict::Unavailable,
                }
            }
            verdict
        });
    }
}

/// Whether a store says so before it asks or looks up anything: that it does so in an outage, too, must not end one.
const fn without_a_look(reason: Reason) -> bool {
    matches!(reason, Reason::MalformedUsername | Reason::BlankPassword | Reason::OtherScheme)
}

/// Users are those of a provider, or of all that have the same accounts.
fn store(element: &Element) -> usize {
    contain::accounts(element).unwrap_or_else(|| element.own_accounts()).number()
}

impl<'a> Context<'a> {
    /// The same for the question to one element.
    pub(super) fn asking(self, element: &Element, attempt: Option<&'a Attempt>) -> Self {
        match attempt {
            None => self,
            Some(attempt) => self.attempted(Attempted::of(attempt, store(element))),
        }
    }
}

/// The answer of an element that the throttle has left alone for a while.
pub(super) fn unasked(element: &Element, attempt: Option<&Attempt>) -> Option<Outcome> {
    attempt?.unasked(|| store(element)).map(Outcome::from)
}
