use super::walk::{Report, Said};
use crate::{Reason, Rejection, RejectionKind, Scheme, Unavailable, policy::Guard};

/// The answer where no element let the request in: unavailable before forbidden before unauthorized.
pub(super) fn reject(guard: &Guard, reports: &[Report], sent: Scheme) -> Rejection {
    let unavailable = reports.iter().filter_map(|report| match &report.said {
        Said::Unavailable(unavailable) => Some(unavailable),
        Said::Refused(_) | Said::NotAuthorized(_) => None,
    });
    if unavailable.clone().next().is_some() {
        let throttled = |unavailable: &Unavailable| unavailable.reason() == Reason::TooManyAttempts;
        if unavailable.clone().all(throttled) {
            let wait = unavailable.filter_map(Unavailable::retry_after).max();
            return Rejection::too_many_attempts(guard.challenges.protocol(), wait.unwrap_or_default());
        }
        // Any of them may let the request in, so the earliest is worth trying.
        let retry_after = unavailable.filter_map(Unavailable::retry_after).min();
        return Rejection::unavailable(&guard.challenges, retry_after);
    }
    let authenticated = reports.iter().filter(|report| matches!(report.said, Said::NotAuthorized(_)));
    if authenticated.clone().next().is_some() {
        let elements = authenticated.filter_map(|report| guard.elements.get(report.element));
        return Rejection::forbidden(
            &guard.challenges,
            sent,
            elements.flat_map(|element| element.scopes().iter()),
        );
    }
    if reports.is_empty() {
        return Rejection::unauthorized(RejectionKind::NotLookedAt, &guard.challenges, Some(sent));
    }
    guard.refused(sent).clone()
}
