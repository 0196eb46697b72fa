//! Why the directory cannot tell, in the operator's words. No password is among them, nor any text of the server that
//! was not escaped.

use std::{fmt, time::Duration};

use portcullis_core::{Reason, Unavailable, json};

use crate::wire::{Malformed, Verdict};

/// What a caller is told to wait who found no place.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No connection came about: what the operating system or TLS says.
    Connect(String),
    /// The server does not do StartTLS, or not properly.
    StartTls(String),
    /// A connection ended while an answer was waited for. Asking again on another one may help.
    Closed,
    /// What was waited for did not come in time.
    TimedOut(&'static str),
    /// All connections are in use, for as long as a caller waits.
    Busy,
    /// The server does not speak LDAP as it should.
    Malformed(Malformed),
    /// The service's own bind was refused.
    ServiceBind(String),
    /// A search ended otherwise than it should.
    Search { base: String, code: u32, what: String },
    /// The user's bind ended with a code that says nothing about the password.
    UserBind(u32),
    /// What was found cannot be used.
    Unusable(String),
}

impl Failure {
    pub(crate) fn search(base: &str, verdict: &Verdict) -> Self {
        let hint = match verdict.code {
            32 => ": there is no such entry, correct the search base",
            10 => ": another server holds it, name that one in `connectionUrl`",
            50 => ": the service may not search there, give it the right to",
            4 => ": the directory does not give out the whole list",
            _ => "",
        };
        Self::Search { base: base.to_owned(), code: verdict.code, what: format!("{}{hint}", shown(verdict)) }
    }

    /// Whether it says something of the directory, and not of one caller or one entry.
    pub(crate) const fn is_of_directory(&self) -> bool {
        !matches!(self, Self::Busy) && !self.may_be_of_one()
    }

    /// Whether it may be of one caller or entry alone, so that it makes no outage of it for others.
    const fn may_be_of_one(&self) -> bool {
        match self {
            Self::Unusable(_) => true,
            // Time limit, size limit and administrative limit: of one with many groups.
            Self::Search { code, .. } => matches!(code, 3 | 4 | 11),
            // Busy and unavailable.
            Self::UserBind(code) => !matches!(code, 51 | 52),
            _ => false,
        }
    }

    /// Whether another connection may do better.
    pub(crate) const fn is_of_connection(&self) -> bool {
        matches!(self, Self::Closed)
    }
}

/// A result as a log may show it: `32 (no such object)`, and what the server says of it.
pub(crate) fn shown(verdict: &Verdict) -> String {
    let code = named(verdict.code);
    if verdict.text.is_empty() { code } else { format!("{code}, {}", json::shown(&verdict.text)) }
}

/// A result code with its name (RFC 4511 appendix A).
pub(crate) fn named(code: u32) -> String {
    let name = match code {
        0 => "success",
        1 => "operations error",
        2 => "protocol error",
        3 => "time limit exceeded",
        4 => "size limit exceeded",
        7 => "authentication method not supported",
        8 => "stronger authentication required",
        10 => "referral",
        11 => "administrative limit exceeded",
        12 => "unavailable critical extension",
        13 => "confidentiality required",
        14 => "SASL bind in progress",
        16 => "no such attribute",
        17 => "undefined attribute type",
        18 => "inappropriate matching",
        19 => "constraint violation",
        21 => "invalid attribute syntax",
        32 => "no such object",
        33 => "alias problem",
        34 => "invalid DN syntax",
        48 => "inappropriate authentication",
        49 => "invalid credentials",
        50 => "insufficient access rights",
        51 => "busy",
        52 => "unavailable",
        53 => "unwilling to perform",
        54 => "loop detected",
        80 => "other",
        _ => return code.to_string(),
    };
    format!("{code} ({name})")
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(what) => write!(f, "no connection: {what}"),
            Self::StartTls(what) => {
                write!(f, "StartTLS is not to be had, and nothing is sent in clear: {what}")
            }
            Self::Closed => f.write_str("the server closed the connection"),
            Self::TimedOut(what) => write!(f, "{what} took longer than it may"),
            Self::Busy => f.write_str("all connections to the directory are in use: raise `maxConnections`"),
            Self::Malformed(what) => write!(f, "the server does not speak LDAP: {what}"),
            Self::ServiceBind(what) => write!(f, "the directory refuses the service itself with {what}"),
            Self::Search { base, what, .. } => {
                write!(f, "the search below {} ended with {what}", json::shown(base))
            }
            Self::UserBind(code) => write!(f, "the bind of the user ended with {}", named(*code)),
            Self::Unusable(what) => f.write_str(what),
        }
    }
}

impl From<Malformed> for Failure {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<&Failure> for Unavailable {
    fn from(failure: &Failure) -> Self {
        let unavailable = Self::new(format!("the directory cannot be asked: {failure}"));
        match failure {
            Failure::Busy => unavailable.because(Reason::Overloaded).with_retry_after(RETRY_AFTER),
            Failure::TimedOut(_) => unavailable.because(Reason::TimedOut),
            one if one.may_be_of_one() => unavailable.because(Reason::UnusableAnswer),
            _ => unavailable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_have_the_names_of_their_standard() {
        // RFC 4511 appendix A.
        for (code, name) in [
            (0, "success"),
            (1, "operations error"),
            (2, "protocol error"),
            (3, "time limit exceeded"),
            (4, "size limit exceeded"),
            (7, "authentication method not supported"),
            (8, "stronger authentication required"),
            (10, "referral"),
            (11, "administrative limit exceeded"),
            (12, "unavailable critical extension"),
            (13, "confidentiality required"),
            (14, "SASL bind in progress"),
            (16, "no such attribute"),
            (17, "undefined attribute type"),
            (18, "inappropriate matching"),
            (19, "constraint violation"),
            (21, "invalid attribute syntax"),
            (32, "no such object"),
            (33, "alias problem"),
            (34, "invalid DN syntax"),
            (48, "inappropriate authentication"),
            (49, "invalid credentials"),
            (50, "insufficient access rights"),
            (51, "busy"),
            (52, "unavailable"),
            (53, "unwilling to perform"),
            (54, "loop detected"),
            (80, "other"),
        ] {
            assert_eq!(named(code), format!("{code} ({name})"));
        }
        assert_eq!((named(5), named(4711)), ("5".to_owned(), "4711".to_owned()));
    }

    fn search(code: u32) -> Failure {
        Failure::search("dc=x", &Verdict { code, text: String::new() })
    }

    #[test]
    fn the_reason_is_that_of_the_failure_and_another_connection_helps_where_one_was_closed() {
        for (failure, reason, retry, elsewhere, directory) in [
            (Failure::Busy, Reason::Overloaded, true, false, false),
            (Failure::TimedOut("the search"), Reason::TimedOut, false, false, true),
            (Failure::Closed, Reason::Unavailable, false, true, true),
            (Failure::Unusable("the name".to_owned()), Reason::UnusableAnswer, false, false, false),
            (Failure::UserBind(80), Reason::UnusableAnswer, false, false, false),
            (Failure::UserBind(51), Reason::Unavailable, false, false, true),
            (search(4), Reason::UnusableAnswer, false, false, false),
            (search(50), Reason::Unavailable, false, false, true),
        ] {
            let unavailable = Unavailable::from(&failure);
            assert_eq!((unavailable.reason(), unavailable.retry_after().is_some()), (reason, retry));
            assert_eq!((failure.is_of_connection(), failure.is_of_directory()), (elsewhere, directory));
        }
    }
}
