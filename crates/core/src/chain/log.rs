//! Every refusal is one event, so that no 401 is a riddle.

use std::{
    fmt::{self, Write},
    net::IpAddr,
};

use http::Method;
use tracing::{Level, event};

use super::walk::{Report, Said};
use crate::{Policy, Rejection, RejectionKind};

/// The longest part of a path that is logged, in characters.
const PATH_SHOWN: usize = 200;

/// The request that an event is about; nothing is known of it where a provider was called directly.
#[derive(Clone, Copy, Default)]
pub(crate) struct About<'a> {
    pub(crate) request: Option<(&'a Method, &'a str)>,
    pub(crate) client: Option<IpAddr>,
}

/// Logs why a request was not let in.
pub(super) fn rejected(policy: &Policy, rejection: &Rejection, reports: &[Report], about: About<'_>) {
    let elements = Some(Elements(policy, reports)).filter(|_| !reports.is_empty());
    emit(rejection, policy.label(), elements, about, None);
}

/// Logs why a check inside the layer, named `asker`, did not let a request through.
pub(crate) fn narrowed(label: &str, rejection: &Rejection, asker: &str) {
    emit(rejection, label, None, About::default(), Some(asker));
}

/// At the level of whose fault it is.
fn emit(
    rejection: &Rejection,
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
    let method = about.request.map(|(method, _)| tracing::field::display(method));
    let path = about.request.map(|(_, path)| tracing::field::display(OneLine(Shown(path))));
    let elements = elements.map(tracing::field::display);
    macro_rules! log {
        ($level:expr) => {
            event!(
                target: "portcullis",
                $level,
                kind = kind.as_str(),
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
    match kind {
        RejectionKind::Unavailable => log!(Level::WARN),
        RejectionKind::NotMounted | RejectionKind::LayerMissing | RejectionKind::PublicRoute => {
            log!(Level::ERROR);
        }
        _ => log!(Level::INFO),
    }
}

/// The beginning of a path.
struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(PATH_SHOWN) {
            Some((end, _)) => write!(f, "{}…", self.0.get(..end).unwrap_or_default()),
            None => f.write_str(self.0),
        }
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
            write!(f, "#{} {name}: {}", report.element, OneLine(&report.said))?;
        }
        Ok(())
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::NotAuthorized => {
                f.write_str("the caller is known and holds none of the scopes (insufficient-scope)")
            }
            Self::Unavailable(unavailable) => write!(f, "{unavailable:?} (unavailable)"),
        }
    }
}

/// Text that cannot start a new line or colour a terminal, whatever a provider put into it.
pub(super) struct OneLine<T>(pub(super) T);

impl<T: fmt::Display> fmt::Display for OneLine<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Escaping<'a, 'f>(&'a mut fmt::Formatter<'f>);
        impl Write for Escaping<'_, '_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                text.chars().try_for_each(|character| {
                    if character.is_control() || breaks_lines(character) || is_bidi(character) {
                        write!(self.0, "{}", character.escape_unicode())
                    } else {
                        self.0.write_char(character)
                    }
                })
            }
        }
        write!(Escaping(f), "{}", self.0)
    }
}

/// Characters that reorder the text around them: `Bidi_Control` of Unicode.
const fn is_bidi(character: char) -> bool {
    matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

/// Line and paragraph separators, which are no control characters and start a new line for some readers.
const fn breaks_lines(character: char) -> bool {
    matches!(character, '\u{2028}' | '\u{2029}')
}
