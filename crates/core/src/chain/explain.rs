use std::{fmt, future::poll_fn, net::IpAddr, task::Poll};

use http::StatusCode;

use super::{
    blame::Blame,
    contain::Asking,
    deciding::{Subject, late, malformed},
    verdict,
    walk::{Took, Walk},
};
use crate::{
    Admission, Contact, Context, Element, Outcome, Policy, Principal, Reason, Rejection, Scheme, Shown,
    policy::Guard,
};

/// The longest sentence about an element, in characters.
const TEXT_SHOWN: usize = 2000;

/// A decision and how it came about. Nothing was remembered for it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Explanation {
    /// The service or resource that covers the request.
    pub policy: String,
    /// The decision.
    pub decision: super::Decision,
    /// Why the request would not be let in; `None` where it would. See [`Decided::reason`](crate::Decided::reason).
    pub reason: Option<Reason>,
    /// What was read of the credential: its scheme, or what is wrong with it.
    pub credential: String,
    /// What each element said, in order. Empty where the policy is public.
    pub elements: Vec<ElementReport>,
}

/// What one element said.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ElementReport {
    /// The element's name.
    pub name: String,
    /// The scheme that it looks at.
    pub scheme: Scheme,
    /// The scopes of which the caller needs any one; empty where anyone is admitted.
    pub scopes: Vec<String>,
    /// Whether it looked at the credential, and what came of it.
    pub looked: Looked,
    /// Why it does not let the caller in, where it was asked.
    pub reason: Option<Reason>,
    /// Why, in a sentence. Without secrets, on one line, and not without end.
    pub text: String,
}

/// What came of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Looked {
    /// An earlier element let the request in, or took all the time that there is.
    NotReached,
    /// There is no credential, or none that can be read.
    NothingToLookAt,
    /// The credential is of a scheme that it does not look at.
    OtherScheme,
    /// It authenticates and authorizes the caller.
    Admitted,
    /// It authenticates the caller, who holds none of its scopes.
    NotAuthorized,
    /// It refuses the credential.
    Refused,
    /// It cannot tell now.
    Unavailable,
}

impl ElementReport {
    fn new(element: &Element, looked: Looked, reason: Option<Reason>, text: impl fmt::Display) -> Self {
        Self {
            name: element.name().to_owned(),
            scheme: element.scheme(),
            scopes: element.scopes().iter().map(str::to_owned).collect(),
            looked,
            reason,
            text: Shown(text, TEXT_SHOWN).to_string(),
        }
    }
}

impl Looked {
    /// A short name for tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotReached => "not reached",
            Self::OtherScheme | Self::NothingToLookAt => "not looked at",
            Self::Admitted => "admitted",
            Self::NotAuthorized => "not authorized",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
        }
    }
}

impl fmt::Display for Looked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Explanation {
    pub(crate) fn of(policy: String, decision: super::Decision, credential: impl Into<String>) -> Self {
        let reason = Blame::of(&decision, &[]).map(|blame| blame.reason);
        Self { policy, decision, reason, credential: credential.into(), elements: Vec::new() }
    }

    /// The status of the answer; 200 stands for whatever the handler answers.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.decision.as_ref().map_or_else(Rejection::status, |_| StatusCode::OK)
    }
}

/// Decides by `policy` and tells how, leaving no trace in caches and logs.
pub(crate) async fn explain(
    policy: &Policy,
    subject: Subject<'_>,
    client: Option<IpAddr>,
    contact: Contact,
) -> Explanation {
    let label = policy.label().to_owned();
    let Some(guard) = policy.guard() else {
        return Explanation::of(
            label,
            Ok(Admission::public(policy)),
            "not looked at: the resource is public",
        );
    };
    let credential = match subject.read() {
        Ok(Some(credential)) => credential,
        Ok(None) if guard.optional => {
            let decision = Ok(Admission::anonymous(policy));
            return unasked(guard, Explanation::of(label, decision, "none, and none is needed"));
        }
        Ok(None) => {
            return unasked(guard, Explanation::of(label, Err(guard.no_credential.clone()), "none"));
        }
        Err(error) => {
            return unasked(guard, Explanation::of(label, Err(malformed(guard, error)), error.to_string()));
        }
    };
    let cx = Context::new(subject.clock).with_client(client).explaining(contact);
    let mut walk = Walk::default();
    let mut admitted: Option<Principal> = None;
    let mut elements = Vec::new();
    let (mut alarm, mut is_over) = (None, false);
    for (position, element) in guard.elements.iter().enumerate() {
        let (looked, reason, text) = if admitted.is_some() {
            (Looked::NotReached, None, "an earlier element let the request in".to_owned())
        } else if is_over {
            (Looked::NotReached, None, "the time for the decision was over".to_owned())
        } else if element.scheme() != credential.scheme() {
            (Looked::OtherScheme, None, format!("it looks at {} credentials", element.scheme()))
        } else {
            walk.next = position;
            let mut answer = Asking::new(element, &credential, &cx);
            let outcome = poll_fn(|task| match answer.poll(task) {
                Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
                Poll::Pending => {
                    let alarm = alarm.get_or_insert_with(|| subject.clock.sleep(subject.timeout));
                    alarm.as_mut().poll(task).map(|()| None)
                }
            });
            let outcome = outcome.await.unwrap_or_else(|| {
                is_over = true;
                late().into()
            });
            let told = told(element, &outcome);
            admitted = walk.take(policy, element, outcome, Took::untold());
            told
        };
        elements.push(ElementReport::new(element, looked, reason, text));
    }
    let decision = match admitted {
        Some(principal) => Ok(Admission::authenticated(principal)),
        None => Err(verdict::reject(guard, &walk.reports, credential.scheme())),
    };
    let reason = Blame::of(&decision, &walk.reports).map(|blame| blame.reason);
    Explanation { policy: label, decision, reason, credential: credential.scheme().to_string(), elements }
}

/// Says of each element that it had nothing to look at.
fn unasked(guard: &Guard, mut explanation: Explanation) -> Explanation {
    let report = |element| {
        ElementReport::new(element, Looked::NothingToLookAt, None, "there is no credential that can be read")
    };
    explanation.elements = guard.elements.iter().map(report).collect();
    explanation
}

fn told(element: &Element, outcome: &Outcome) -> (Looked, Option<Reason>, String) {
    match outcome {
        Outcome::Refused(refusal) => (Looked::Refused, Some(refusal.reason()), refusal.text().to_owned()),
        Outcome::Unavailable(unavailable) => {
            (Looked::Unavailable, Some(unavailable.reason()), format!("{unavailable:?}"))
        }
        Outcome::Known(identity) => {
            let subject = identity.subject().unwrap_or("a caller without a subject");
            let held: Vec<&str> = identity.scopes().iter().collect();
            if element.scopes().satisfied_by(identity.scopes()) {
                return (Looked::Admitted, None, format!("{subject} holds {held:?}"));
            }
            let text = format!("{subject} holds {held:?} and needs any one of {:?}", element.scopes());
            (Looked::NotAuthorized, Some(Reason::InsufficientScope), text)
        }
    }
}
