//! Why a request is not let in, and how it is told so.

mod challenge;

use std::{error::Error, fmt, sync::Arc, time::Duration};

use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};

pub(crate) use self::challenge::Challenges;
use crate::{CredentialErrorKind, Scheme};

/// What `Retry-After` says where a provider that is unavailable named no span of its own.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(5);

/// Why a request is not let in. Carries no secret. Cheap to clone.
///
/// A layer puts it into the extensions of the response that it answers with, so that layers outside (metrics,
/// a hook that writes a body) can tell the causes apart.
#[derive(Clone)]
pub struct Rejection(Arc<Inner>);

struct Inner {
    kind: RejectionKind,
    challenges: Box<[HeaderValue]>,
    retry_after: Option<Duration>,
}

/// How a service tells its callers that they are not let in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// By the status of the response.
    #[default]
    Http,
    /// As gRPC does: status 200, and `grpc-status` in the one block of headers ("Trailers-Only").
    Grpc,
}

/// The causes of a rejection, told apart by whose fault they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RejectionKind {
    /// The caller sent no credential. 401.
    NoCredential,
    /// The caller sent a credential in a form that is not read. 401.
    Malformed(CredentialErrorKind),
    /// No element looks at a credential of this scheme. 401.
    NotLookedAt,
    /// The elements that looked at the credential refused it. 401.
    Refused,
    /// The caller is known and holds none of the scopes asked for. 403.
    InsufficientScope,
    /// An element that might have said yes cannot be asked. 503.
    Unavailable,
    /// The path holds an encoded slash, or, where no router reads all of it, an empty or dot segment, and so reads in two
    /// ways that fall under different policies. 400.
    AmbiguousPath,
    /// The service is asked for a path outside its own: `mounted_at` is missing or wrong. The operator's
    /// fault. 500.
    NotMounted,
    /// A handler or an inner layer asks for the caller, and no layer ran that could know it. The operator's
    /// fault. 500.
    LayerMissing,
    /// A handler or an inner layer asks for the caller of a public route, which has none. The operator's fault.
    /// 500.
    PublicRoute,
}

impl RejectionKind {
    /// The one table from cause to status.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::NoCredential | Self::Malformed(_) | Self::NotLookedAt | Self::Refused => {
                StatusCode::UNAUTHORIZED
            }
            Self::InsufficientScope => StatusCode::FORBIDDEN,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::AmbiguousPath => StatusCode::BAD_REQUEST,
            Self::NotMounted | Self::LayerMissing | Self::PublicRoute => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The short names of all kinds.
    pub const NAMES: &[&str] = &[
        "no-credential",
        "malformed-credential",
        "not-looked-at",
        "refused",
        "insufficient-scope",
        "unavailable",
        "ambiguous-path",
        "not-mounted",
        "layer-missing",
        "public-route",
    ];

    /// A short name for logs and metrics: one of [`RejectionKind::NAMES`].
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoCredential => "no-credential",
            Self::Malformed(_) => "malformed-credential",
            Self::NotLookedAt => "not-looked-at",
            Self::Refused => "refused",
            Self::InsufficientScope => "insufficient-scope",
            Self::Unavailable => "unavailable",
            Self::AmbiguousPath => "ambiguous-path",
            Self::NotMounted => "not-mounted",
            Self::LayerMissing => "layer-missing",
            Self::PublicRoute => "public-route",
        }
    }

    /// What whoever reads the log can do about it.
    pub(crate) const fn remedy(self) -> &'static str {
        match self {
            Self::NoCredential => "the caller has to send one of the challenged schemes",
            Self::Malformed(_) => {
                "the caller has to send one Authorization header: scheme, space, credential"
            }
            Self::NotLookedAt => {
                "no element takes this scheme: add one to `auth`, or tell the caller which scheme to use"
            }
            Self::Refused => "see `elements` for each element's reason",
            Self::InsufficientScope => "grant the caller one of the scopes, or change `scopes`",
            Self::Unavailable => "see `elements` for what cannot be reached",
            Self::AmbiguousPath => {
                "the caller has to send the path without an encoded slash, an empty segment or a dot segment"
            }
            Self::NotMounted => "tell the layer where the service is nested: AuthLayer::mounted_at",
            Self::LayerMissing => {
                "no AuthLayer ran for this request: put AuthLayer or AuthRouter::guard around the route, and \
                 add no route after it"
            }
            Self::PublicRoute => {
                "the route is public and so has no caller: make it `optional` or guarded, or do not ask for one"
            }
        }
    }
}

impl Rejection {
    fn new(kind: RejectionKind, challenges: &[HeaderValue], retry_after: Option<Duration>) -> Self {
        Self(Arc::new(Inner { kind, challenges: challenges.into(), retry_after }))
    }

    pub(crate) fn no_credential(challenges: &Challenges) -> Self {
        Self::new(RejectionKind::NoCredential, challenges.unauthorized(None), None)
    }

    pub(crate) fn unauthorized(kind: RejectionKind, challenges: &Challenges, sent: Option<Scheme>) -> Self {
        Self::new(kind, challenges.unauthorized(sent), None)
    }

    pub(crate) fn forbidden<'s>(
        challenges: &Challenges,
        sent: Scheme,
        scopes: impl Iterator<Item = &'s str>,
    ) -> Self {
        Self::new(RejectionKind::InsufficientScope, challenges.insufficient(sent, scopes).as_slice(), None)
    }

    pub(crate) fn unavailable(retry_after: Option<Duration>) -> Self {
        Self::new(RejectionKind::Unavailable, &[], Some(retry_after.unwrap_or(DEFAULT_RETRY_AFTER)))
    }

    pub(crate) fn without_challenge(kind: RejectionKind) -> Self {
        Self::new(kind, &[], None)
    }

    /// The cause.
    #[must_use]
    pub fn kind(&self) -> RejectionKind {
        self.0.kind
    }

    /// 401, 403, 503, or, where the path or the wiring is wrong, 400 or 500.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.kind.status()
    }

    /// The values of `WWW-Authenticate`, one per challenge.
    #[must_use]
    pub fn challenges(&self) -> &[HeaderValue] {
        &self.0.challenges
    }

    /// The span after which asking again makes sense; with 503 only.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Writes the headers of the answer: challenges, `Retry-After`, and those of an empty text body.
    pub fn write_headers(&self, headers: &mut HeaderMap) {
        for challenge in self.challenges() {
            headers.append(WWW_AUTHENTICATE, challenge.clone());
        }
        if let Some(span) = self.retry_after() {
            let whole = span.as_secs() + u64::from(span.subsec_nanos() > 0);
            headers.insert(RETRY_AFTER, HeaderValue::from(whole.max(1)));
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the request was not let in: {} ({})", self.kind().as_str(), self.status().as_u16())
    }
}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejection")
            .field("kind", &self.0.kind)
            .field("challenges", &self.0.challenges)
            .field("retry_after", &self.0.retry_after)
            .finish()
    }
}

impl Error for Rejection {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own_among_the_names() {
        use RejectionKind as Kind;
        let kinds = [
            Kind::NoCredential,
            Kind::Malformed(CredentialErrorKind::Empty),
            Kind::NotLookedAt,
            Kind::Refused,
            Kind::InsufficientScope,
            Kind::Unavailable,
            Kind::AmbiguousPath,
            Kind::NotMounted,
            Kind::LayerMissing,
            Kind::PublicRoute,
        ];
        assert_eq!(kinds.map(Kind::as_str), RejectionKind::NAMES);
    }

    #[test]
    fn an_unavailable_answer_says_when_to_come_back_in_whole_seconds() {
        for (span, expected) in
            [(None, "5"), (Some(Duration::from_millis(1200)), "2"), (Some(Duration::ZERO), "1")]
        {
            let mut headers = HeaderMap::new();
            Rejection::unavailable(span).write_headers(&mut headers);
            assert_eq!(headers[RETRY_AFTER], expected);
            assert_eq!(headers[CONTENT_LENGTH], "0");
            assert_eq!(headers[CONTENT_TYPE], "text/plain");
            assert!(!headers.contains_key(WWW_AUTHENTICATE));
        }
    }
}
