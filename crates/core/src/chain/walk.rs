use std::{mem, sync::Arc, time::Duration};

use smallvec::SmallVec;

use super::{contain, guess, recall::Memory};
use crate::{
    Answer, Asked, Clock, Context, Credential, Element, Identity, Outcome, Policy, Principal, Refusal,
    Unavailable, observe::Watch, policy::Guard, throttle::Attempt,
};

/// What one element said, where it did not let the request in.
#[derive(Clone, Debug)]
pub(super) struct Report {
    pub(super) element: usize,
    pub(super) said: Said,
}

#[derive(Clone, Debug)]
pub(super) enum Said {
    Refused(Refusal),
    /// It authenticated this caller, who holds none of its scopes.
    NotAuthorized(Arc<Identity>),
    Unavailable(Unavailable),
}

/// A walk over the elements of a policy: what was said so far, and which element is next.
#[derive(Default)]
pub(super) struct Walk {
    pub(super) next: usize,
    /// Seldom more than one, which then lies here.
    pub(super) reports: SmallVec<[Report; 1]>,
    watch: Option<Watch>,
    /// Of the first element that looks at the credential.
    memory: Memory,
}

/// How long an element took to answer, where somebody wants to know.
#[derive(Clone, Copy)]
pub(super) struct Took(Option<(Duration, bool)>);

impl Took {
    /// An element that answered at once.
    pub(super) fn at_once(since: Option<Duration>, clock: &Arc<dyn Clock>) -> Self {
        Self(since.map(|since| (clock.monotonic().saturating_sub(since), false)))
    }

    /// An element that had to be waited for.
    pub(super) fn waited(since: Option<Duration>, clock: &Arc<dyn Clock>) -> Self {
        Self(since.map(|since| (clock.monotonic().saturating_sub(since), true)))
    }

    /// Nobody wants to know.
    pub(super) const fn untold() -> Self {
        Self(None)
    }
}

/// Where a walk stands.
pub(super) enum Stand {
    /// An element authenticated and authorized.
    Admitted(Principal),
    /// The next element has to be waited for.
    Waiting,
    /// No element is left.
    Exhausted,
}

impl Walk {
    /// A walk after it was found out what is remembered, of which an observer is told.
    pub(super) fn after(memory: Memory, watch: Option<Watch>) -> Self {
        Self { memory, watch, ..Self::default() }
    }

    /// The moment, where it is measured how long elements take.
    pub(super) fn now(&self, clock: &Arc<dyn Clock>) -> Option<Duration> {
        self.watch.as_ref().map(|_| clock.monotonic())
    }

    /// Goes on with every element that answers at once.
    pub(super) fn advance(
        &mut self,
        policy: &Policy,
        guard: &Guard,
        credential: &Credential<'_>,
        cx: &Context<'_>,
        attempt: Option<&Attempt>,
    ) -> Stand {
        let scheme = credential.scheme();
        while let Some(element) = guard.elements.get(self.next) {
            if element.scheme() == scheme {
                let since = self.now(cx.clock());
                let cx = cx.asking(element, attempt);
                let memory = mem::take(&mut self.memory);
                let unasked = guess::unasked(element, attempt);
                // Who was not asked did not answer, as far as observers count answers.
                let asked = unasked.is_none();
                let outcome = unasked.or_else(|| match memory {
                    Memory::Unasked => contain::try_authenticate(element, credential, &cx),
                    Memory::Nothing(state) => {
                        contain::try_authenticate(element, credential, &cx.searched(state))
                    }
                    Memory::Answer(outcome) => Some(outcome),
                });
                match outcome {
                    None => return Stand::Waiting,
                    Some(outcome) => {
                        let took = if asked { Took::at_once(since, cx.clock()) } else { Took::untold() };
                        if let Some(principal) = self.take(policy, element, outcome, took) {
                            return Stand::Admitted(principal);
                        }
                        continue;
                    }
                }
            }
            self.next += 1;
        }
        Stand::Exhausted
    }

    /// Takes the answer of the element that is next. Here a caller becomes a principal, and where it is remembered.
    pub(super) fn take(
        &mut self,
        policy: &Policy,
        element: &Element,
        outcome: Outcome,
        took: Took,
    ) -> Option<Principal> {
        let said = match outcome {
            Outcome::Known(identity) if element.scopes().satisfied_by(identity.scopes()) => {
                self.tell(element, Answer::Admitted, took);
                return Some(Principal::assertion(identity, policy.clone(), self.next, element.scheme()));
            }
            Outcome::Known(identity) => Said::NotAuthorized(identity),
            Outcome::Refused(refusal) => Said::Refused(refusal),
            Outcome::Unavailable(unavailable) => Said::Unavailable(unavailable),
        };
        let answer = match &said {
            Said::Refused(refusal) => Answer::Refused(refusal),
            Said::NotAuthorized(_) => Answer::NotAuthorized,
            Said::Unavailable(unavailable) => Answer::Unavailable(unavailable),
        };
        self.tell(element, answer, took);
        self.reports.push(Report { element: self.next, said });
        self.next += 1;
        None
    }

    fn tell(&self, element: &Element, answer: Answer<'_>, took: Took) {
        let (Some(watch), Took(Some((took, waited)))) = (&self.watch, took) else { return };
        let asked = Asked { element, position: self.next, answer, took, waited };
        contain::observer(&*watch.observer, |observer| observer.asked(&asked));
    }
}
