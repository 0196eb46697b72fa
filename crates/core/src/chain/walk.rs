use crate::{Context, Credential, Element, Outcome, Policy, Principal, Refusal, Unavailable, policy::Guard};

/// What one element said, where it did not let the request in.
#[derive(Clone, Debug)]
pub(super) struct Report {
    pub(super) element: usize,
    pub(super) said: Said,
}

#[derive(Clone, Debug)]
pub(super) enum Said {
    Refused(Refusal),
    /// It authenticated, and the principal holds none of its scopes.
    NotAuthorized,
    Unavailable(Unavailable),
}

/// A walk over the elements of a policy: what was said so far, and which element is next.
#[derive(Debug, Default)]
pub(super) struct Walk {
    pub(super) next: usize,
    pub(super) reports: Vec<Report>,
}

/// Where a walk stands.
pub(super) enum Stand<'g> {
    /// An element authenticated and authorized.
    Admitted(Principal),
    /// This element has to be waited for.
    Waiting(&'g Element),
    /// No element is left.
    Exhausted,
}

impl Walk {
    /// Goes on with every element that answers at once.
    pub(super) fn advance<'g>(
        &mut self,
        policy: &Policy,
        guard: &'g Guard,
        credential: &Credential<'_>,
        cx: &Context<'_>,
    ) -> Stand<'g> {
        let scheme = credential.scheme();
        while let Some(element) = guard.elements.get(self.next) {
            if element.scheme() == scheme {
                match element.provider().try_authenticate(credential, cx) {
                    None => return Stand::Waiting(element),
                    Some(outcome) => {
                        if let Some(principal) = self.take(policy, element, outcome) {
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
    pub(super) fn take(&mut self, policy: &Policy, element: &Element, outcome: Outcome) -> Option<Principal> {
        let said = match outcome {
            Outcome::Known(identity) if element.scopes().satisfied_by(identity.scopes()) => {
                return Some(Principal::assertion(identity, policy.clone(), self.next, element.scheme()));
            }
            Outcome::Known(_) => Said::NotAuthorized,
            Outcome::Refused(refusal) => Said::Refused(refusal),
            Outcome::Unavailable(unavailable) => Said::Unavailable(unavailable),
        };
        self.reports.push(Report { element: self.next, said });
        self.next += 1;
        None
    }
}
