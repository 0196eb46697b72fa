//! Who called, what for, and what came of it: one log event for each decision.

use std::borrow::Cow;

use portcullis_core::{ConnectionEnded, Decided, Observer, Rejection, Shown, TurnedAway};
use tracing::{Level, event};

/// The longest part of a text of somebody else's that an event shows, in characters.
const SHOWN: usize = 200;

/// Writes one log event of the target `portcullis::audit`, at level `INFO`, for each decision of a service, for each request
/// that a gateway answers itself, and for each open connection that may not stay open any longer.
///
/// Its fields are `outcome`, `reason`, `status`, `resource`, `element`, `scheme`, `issuer`, `subject`, `client`, `method`,
/// `path`, `asker`, `remembered` and `latency_us`; those of which nothing is known are left out. No field holds a secret, and texts
/// from outside are cut and escaped.
///
/// ```
/// use std::sync::Arc;
/// use portcullis::{Auth, AuditLog, FileUserStore, User};
///
/// let foo = Auth::builder()
///     .element(FileUserStore::new([User::with_password("alice", "correct horse")]), "hello")
///     .observer(Arc::new(AuditLog))
///     .build()?;
/// # Ok::<_, portcullis::BuildError>(())
/// ```
///
/// In Config.toml it is `observability.audit = true`.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing to configure: filters of the log are")]
pub struct AuditLog;

impl Observer for AuditLog {
    fn decided(&self, decided: &Decided<'_>) {
        // Whether somebody listens is not asked beforehand (`tracing::enabled!`): a filter may go by what only the event has.
        let status = decided.decision.as_ref().err().map(|rejection| Rejection::status(rejection).as_u16());
        let principal = decided.decision.as_ref().ok().and_then(|admission| admission.principal());
        let scheme = principal.map(|principal| principal.scheme().as_str());
        // As texts, which a log in one line puts in quotation marks: a name cannot pass for a field.
        let issuer = decided.caller.and_then(|caller| caller.issuer()).map(shown);
        let subject = decided.caller.and_then(|caller| caller.subject()).map(shown);
        let method = decided.request.map(|(method, _)| Shown::method(method).text());
        let path = decided.request.map(|(_, path)| Shown::path(path).text());
        event!(
            target: "portcullis::audit",
            Level::INFO,
            outcome = decided.outcome(),
            reason = decided.reason.map(|reason| reason.as_str()),
            status,
            resource = decided.policy.label(),
            element = decided.element.map(|element| element.name()),
            scheme,
            issuer = issuer.as_deref(),
            subject = subject.as_deref(),
            client = decided.client.map(tracing::field::display),
            method = method.as_deref(),
            path = path.as_deref(),
            asker = decided.asker,
            remembered = decided.recalled,
            latency_us = u64::try_from(decided.took.as_micros()).unwrap_or(u64::MAX),
            "decided"
        );
    }

    fn turned_away(&self, away: &TurnedAway<'_>) {
        event!(
            target: "portcullis::audit",
            Level::INFO,
            outcome = TurnedAway::OUTCOME,
            reason = away.reason.as_str(),
            status = away.status.as_u16(),
            client = away.client.map(tracing::field::display),
            method = &*Shown::method(away.method).text(),
            path = &*Shown::path(away.path).text(),
            "turned away"
        );
    }

    fn ended(&self, ended: &ConnectionEnded<'_>) {
        let issuer = ended.caller.and_then(|caller| caller.issuer()).map(shown);
        let subject = ended.caller.and_then(|caller| caller.subject()).map(shown);
        let method = ended.request.map(|(method, _)| Shown::method(method).text());
        let path = ended.request.map(|(_, path)| Shown::path(path).text());
        event!(
            target: "portcullis::audit",
            Level::INFO,
            outcome = ConnectionEnded::OUTCOME,
            reason = ended.reason.as_str(),
            resource = ended.policy.label(),
            element = ended.element.map(|element| element.name()),
            scheme = ended.scheme.map(|scheme| scheme.as_str()),
            issuer = issuer.as_deref(),
            subject = subject.as_deref(),
            client = ended.client.map(tracing::field::display),
            method = method.as_deref(),
            path = path.as_deref(),
            latency_us = u64::try_from(ended.took.as_micros()).unwrap_or(u64::MAX),
            "ended"
        );
    }
}

fn shown(text: &str) -> Cow<'_, str> {
    Shown(text, SHOWN).text()
}
