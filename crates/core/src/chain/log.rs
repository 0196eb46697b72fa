//! Every refusal is one event, so that no 401 is a riddle.

use std::{fmt, net::IpAddr};

use tracing::{Level, event, level_filters::LevelFilter, subscriber::NoSubscriber};

use super::{
    blame::Blame,
    walk::{Report, Said},
};
use crate::{Element, Policy, Reason, Rejection, RejectionKind, Shown};

/// The longest part of what one element said that is logged.
const SAID_SHOWN: usize = 500;

/// The request that an event is about; nothing is known of it where a provider was called directly.
#[derive(Clone, Copy, Default)]
pub(crate) struct About<'a> {
    pub(crate) request: Option<(&'a http::Method, &'a str)>,
    pub(crate) client: Option<IpAddr>,
}

/// Whether somebody may be told of such a rejection. Subscribers are not asked (`tracing::enabled!`): what their filters go
/// by, fields for instance, only the event itself has. Where nobody subscribes, `tracing` may hand events to `log`.
pub(super) fn is_heard(kind: RejectionKind) -> bool {
    let (level, of_log) = match level(kind) {
        Level::ERROR => (LevelFilter::ERROR, log::LevelFilter::Error),
        Level::WARN => (LevelFilter::WARN, log::LevelFilter::Warn),
        _ => (LevelFilter::INFO, log::LevelFilter::Info),
    };
    let is_heard = level <= LevelFilter::current()
        && tracing::dispatcher::get_default(|current| !current.is::<NoSubscriber>());
    is_heard || of_log <= log::max_level()
}

/// By whose fault it is.
const fn level(kind: RejectionKind) -> Level {
    match kind {
        RejectionKind::Unavailable => Level::WARN,
        RejectionKind::NotMounted | RejectionKind::LayerMissing | RejectionKind::PublicRoute => Level::ERROR,
        _ => Level::INFO,
    }
}

/// Logs why a request was not let in.
pub(super) fn rejected(
    policy: &Policy,
    rejection: &Rejection,
    blame: Blame<'_>,
    reports: &[Report],
    about: About<'_>,
) {
    let elements = Some(Elements(policy, reports)).filter(|_| !reports.is_empty());
    let element = blame.element.and_then(|at| policy.elements().get(at)).map(Element::name);
    emit(rejection, (blame.reason, element), policy.label(), elements, about, None);
}

/// Logs why a check inside the layer, named `asker`, did not let a request through.
pub(super) fn narrowed(
    label: &str,
    element: Option<&str>,
    rejection: &Rejection,
    asker: &str,
    about: About<'_>,
) {
    emit(rejection, (rejection.kind().into(), element), label, None, about, Some(asker));
}

fn emit(
    rejection: &Rejection,
    (reason, element): (Reason, Option<&str>),
    resource: &str,
    elements: Option<Elements<'_>>,
    about: About<'_>,
    asker: Option<&str>,
) {
    let kind = rejection.kind();
    let status = rejection.status().as_u16();
    let cause = match kind {
        RejectionKind::Malformed(form) => Some(tracing::field::debug(form)),
        _ => None,
    };
    let client = about.client.map(tracing::field::display);
    let method = about.request.map(|(method, _)| tracing::field::display(Shown::method(method)));
    let path = about.request.map(|(_, path)| tracing::field::display(Shown::path(path)));
    let elements = elements.map(tracing::field::display);
    macro_rules! log {
        ($level:expr) => {
            event!(
                target: "portcullis",
                $level,
                kind = kind.as_str(),
                reason = reason.as_str(),
                element,
                status,
                method,
                path,
                resource,
                asker,
                cause,
                elements,
                client,
                remedy = kind.remedy(),
                "request not let in"
            )
        };
    }
    match level(kind) {
        Level::ERROR => log!(Level::ERROR),
        Level::WARN => log!(Level::WARN),
        _ => log!(Level::INFO),
    }
}

/// `#0 file: wrong password (wrong-password); #1 …`
struct Elements<'a>(&'a Policy, &'a [Report]);

impl fmt::Display for Elements<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, report) in self.1.iter().enumerate() {
            if position > 0 {
                f.write_str("; ")?;
            }
            let name = self.0.elements().get(report.element).map_or("", |element| element.name());
            write!(f, "#{} {name}: {}", report.element, Shown(&report.said, SAID_SHOWN))?;
        }
        Ok(())
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::NotAuthorized(_) => {
                f.write_str("the caller is known and holds none of the scopes (insufficient-scope)")
            }
            Self::Unavailable(unavailable) => write!(f, "{unavailable:?} ({})", unavailable.reason()),
        }
    }
}
