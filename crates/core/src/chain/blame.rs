//! The one reason of a decision.

use super::walk::{Report, Said};
use crate::{Decision, Identity, Reason};

/// Why a request was not let in, and which element said so, where one did.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blame<'r> {
    pub(super) reason: Reason,
    /// The element's position.
    pub(super) element: Option<usize>,
    /// The caller, where that element knows it.
    pub(super) caller: Option<&'r Identity>,
}

impl<'r> Blame<'r> {
    /// In the order of the answers: the first element that is unavailable, the first that is left alone, the first that knows
    /// the caller, the first whose reason says more than that the credential is none of its own, the last one asked. Where no
    /// element had a say, the rejection's own reason. `None` for a request that was let in.
    pub(super) fn of(decision: &Decision, reports: &'r [Report]) -> Option<Self> {
        let Err(rejection) = decision else { return None };
        let telling = |rank| reports.iter().find(|report| report.said.rank() == rank);
        let Some(report) = (0..4).find_map(telling).or(reports.last()) else {
            return Some(Self { reason: rejection.kind().into(), element: None, caller: None });
        };
        let caller = match &report.said {
            Said::NotAuthorized(identity) => Some(&**identity),
            Said::Refused(_) | Said::Unavailable(_) => None,
        };
        Some(Self { reason: report.said.reason(), element: Some(report.element), caller })
    }
}

impl Said {
    pub(super) fn reason(&self) -> Reason {
        match self {
            Self::Refused(refusal) => refusal.reason(),
            Self::NotAuthorized(_) => Reason::InsufficientScope,
            Self::Unavailable(unavailable) => unavailable.reason(),
        }
    }

    const fn rank(&self) -> u8 {
        match self {
            // What cannot be asked makes a 503 of it, whoever else has to wait.
            Self::Unavailable(why) if !matches!(why.reason(), Reason::TooManyAttempts) => 0,
            Self::Unavailable(_) => 1,
            Self::NotAuthorized(_) => 2,
            Self::Refused(refusal) if !refusal.reason().is_stranger() => 3,
            Self::Refused(_) => 4,
        }
    }
}
