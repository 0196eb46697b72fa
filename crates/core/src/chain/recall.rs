//! What is decided before anything is read: for the requests that come again and again.

#[cfg(test)]
mod tests;

use http::HeaderValue;

use super::{
    contain,
    deciding::{Decision, Subject},
    log,
};
use crate::{
    Admission, Context, Outcome, Policy, Principal, Recall, RejectionKind, Scheme, credential::header,
    policy::Guard,
};

/// What the first element that looks at such credentials remembers of this one, where that lets nobody in.
#[derive(Default)]
pub(super) enum Memory {
    /// It was not asked, or does not say.
    #[default]
    Unasked,
    /// Nothing, in this state where it names one. It need not look again.
    Nothing(Option<u64>),
    /// Its answer.
    Answer(Outcome),
}

/// Decides where it makes no difference where the request goes and from whom, and says whether the caller was remembered.
/// Otherwise the credential has to be read, and this is what is known of it.
/// `is_told` says whether somebody is told why, beside the log.
pub(super) fn at_once(
    policy: &Policy,
    subject: &Subject<'_>,
    is_told: bool,
) -> Result<(Decision, bool), Memory> {
    let Some(guard) = policy.guard() else { return Ok((Ok(Admission::public(policy)), false)) };
    // A credential in another place beside the header's would have to be refused.
    if !subject.sources.reads_header_alone() {
        return Err(Memory::Unasked);
    }
    if let Some(value) = header::find(subject.headers) {
        return recall(policy, guard, subject, value, is_told).map(|decision| {
            let recalled = decision.is_ok();
            (decision, recalled)
        });
    }
    if guard.optional {
        return Ok((Ok(Admission::anonymous(policy)), false));
    }
    // The log tells path and client.
    if log::is_heard(RejectionKind::NoCredential) {
        return Err(Memory::Unasked);
    }
    Ok((Err(guard.no_credential.clone().answering(subject.method)), false))
}

/// Lets a caller in whom the first element that looks at such credentials remembers, and refuses one of whom it and nobody else
/// would have to say why not, if somebody asked.
fn recall(
    policy: &Policy,
    guard: &Guard,
    subject: &Subject<'_>,
    value: &HeaderValue,
    is_told: bool,
) -> Result<Decision, Memory> {
    if subject.may_be_asked_again() {
        return Err(Memory::Unasked);
    }
    // Two credentials would have to be refused: where some name has two values, it may be this one.
    let is_one = subject.headers.len() == subject.headers.keys_len();
    let unread = header::unread(value, subject.max_credential_bytes).filter(|_| is_one);
    let Some((scheme, text)) = unread else { return Err(Memory::Unasked) };
    let mut elements = guard.elements.iter().enumerate();
    let Some((at, element)) = elements.find(|(_, element)| element.scheme() == scheme) else {
        return Err(Memory::Unasked);
    };
    // Before a throttle has permitted it, no password is held against anything.
    if scheme == Scheme::Basic && subject.throttle.is_some() {
        return Err(Memory::Unasked);
    }
    let identity = match contain::recall(element, text, &Context::new(subject.clock)) {
        Recall::Unasked => return Err(Memory::Unasked),
        Recall::Nothing => return Err(Memory::Nothing(None)),
        Recall::NothingIn(state) => {
            let somebody_asks = is_told || log::is_heard(RejectionKind::Refused);
            if somebody_asks
                || elements.any(|(_, element)| element.scheme() == scheme)
                // What cannot be read is refused for that.
                || header::from_header_value(value, subject.max_credential_bytes).is_err()
            {
                return Err(Memory::Nothing(Some(state)));
            }
            return Ok(Err(guard.refused(scheme).clone().answering(subject.method)));
        }
        Recall::Answer(Outcome::Known(identity)) if element.scopes().satisfied_by(identity.scopes()) => {
            identity
        }
        Recall::Answer(outcome) => return Err(Memory::Answer(outcome)),
    };
    let principal = Principal::assertion(identity, policy.own(), at, scheme);
    // Of a password nothing is kept.
    let principal = if scheme == Scheme::Bearer { principal.showing(value) } else { principal };
    Ok(Ok(Admission::authenticated(principal)))
}
