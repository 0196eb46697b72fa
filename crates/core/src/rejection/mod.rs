//! Why a request is not let in, and how it is told so.

mod challenge;

use std::{error::Error, fmt, sync::Arc, time::Duration};

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};

pub(crate) use self::challenge::Challenges;
use crate::{CredentialErrorKind, Scheme};

/// What `Retry-After` says where a provider that is unavailable named no span of its own.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(5);

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Why a request is not let in. Carries no secret. Cheap to clone.
///
/// A layer puts it into the extensions of the response that it answers with, so that layers outside (metrics,
/// a hook that writes a body) can tell the causes apart.
#[derive(Clone)]
pub struct Rejection(Arc<Inner>);

struct Inner {
    kind: RejectionKind,
    protocol: Protocol,
    challenges: Box<[HeaderValue]>,
    retry_after: Option<Duration>,
    /// The headers of the answer, where it is given again and again.
    prepared: Option<HeaderMap>,
}

/// How a service tells its callers that they are not let in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// By the status of the response.
    #[default]
    Http,
    /// As gRPC does: status 200, and `grpc-status` in the one block of headers ("Trailers-Only"). See
    /// [`RejectionKind::grpc_status`].
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
    /// There were too many failures before it, from this address or for this user, see [`Throttle`](crate::Throttle). 429.
    TooManyAttempts,
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
            Self::TooManyAttempts => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::AmbiguousPath => StatusCode::BAD_REQUEST,
            Self::NotMounted | Self::LayerMissing | Self::PublicRoute => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The one table from cause to gRPC's status codes, for services that say [`Protocol::Grpc`]: 16
    /// `UNAUTHENTICATED`, 7 `PERMISSION_DENIED`, 8 `RESOURCE_EXHAUSTED`, 14 `UNAVAILABLE`; where the path is wrong 3 `INVALID_ARGUMENT`, and where
    /// the wiring is 13 `INTERNAL`.
    #[must_use]
    pub const fn grpc_status(self) -> u16 {
        self.grpc().0
    }

    /// The code, and what a client shows beside it: no more than the code says.
    const fn grpc(self) -> (u16, &'static str) {
        match self {
            Self::NoCredential | Self::Malformed(_) | Self::NotLookedAt | Self::Refused => {
                (16, "not authenticated")
            }
            Self::InsufficientScope => (7, "not permitted"),
            Self::TooManyAttempts => (8, "too many failed attempts"),
            Self::Unavailable => (14, "callers cannot be authenticated now"),
            Self::AmbiguousPath => (3, "the path can be read in two ways"),
            Self::NotMounted | Self::LayerMissing | Self::PublicRoute => {
                (13, "the server is not set up right")
            }
        }
    }

    /// The short names of all kinds.
    pub const NAMES: &[&str] = &[
        "no-credential",
        "malformed-credential",
        "not-looked-at",
        "refused",
        "insufficient-scope",
        "too-many-attempts",
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
            Self::TooManyAttempts => "too-many-attempts",
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
            Self::Malformed(form) => form.remedy(),
            Self::NotLookedAt => {
                "no element takes this scheme: add one to `auth`, or tell the caller which scheme to use"
            }
            Self::Refused => "see `elements` for each element's reason",
            Self::InsufficientScope => "grant the caller one of the scopes, or change `scopes`",
            Self::TooManyAttempts => {
                "the caller has to wait as long as Retry-After says; where many callers share the address, name the proxy \
                 in `trustedProxies`, or set `throttle.perAddress`"
            }
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
    fn new(
        kind: RejectionKind,
        protocol: Protocol,
        challenges: &[HeaderValue],
        retry_after: Option<Duration>,
    ) -> Self {
        let prepared = None;
        Self(Arc::new(Inner { kind, protocol, challenges: challenges.into(), retry_after, prepared }))
    }

    /// The same with its headers made beforehand: to copy them takes a third of what making them does.
    pub(crate) fn prepared(self) -> Self {
        let mut headers = HeaderMap::new();
        self.write_headers(&mut headers);
        let Inner { kind, protocol, ref challenges, retry_after, .. } = *self.0;
        let challenges = challenges.clone();
        Self(Arc::new(Inner { kind, protocol, challenges, retry_after, prepared: Some(headers) }))
    }

    pub(crate) fn no_credential(challenges: &Challenges) -> Self {
        Self::unauthorized(RejectionKind::NoCredential, challenges, None)
    }

    pub(crate) fn unauthorized(kind: RejectionKind, challenges: &Challenges, sent: Option<Scheme>) -> Self {
        Self::new(kind, challenges.protocol(), challenges.unauthorized(sent), None)
    }

    pub(crate) fn forbidden<'s>(
        challenges: &Challenges,
        sent: Scheme,
        scopes: impl Iterator<Item = &'s str>,
    ) -> Self {
        let challenge = challenges.insufficient(sent, scopes);
        Self::new(RejectionKind::InsufficientScope, challenges.protocol(), challenge.as_slice(), None)
    }

    pub(crate) fn unavailable(challenges: &Challenges, retry_after: Option<Duration>) -> Self {
        let span = retry_after.unwrap_or(DEFAULT_RETRY_AFTER);
        Self::new(RejectionKind::Unavailable, challenges.protocol(), &[], Some(span))
    }

    /// No challenge: other credentials would not be looked at either.
    pub(crate) fn too_many_attempts(protocol: Protocol, wait: Duration) -> Self {
        Self::new(RejectionKind::TooManyAttempts, protocol, &[], Some(wait))
    }

    pub(crate) fn without_challenge(kind: RejectionKind, protocol: Protocol) -> Self {
        Self::new(kind, protocol, &[], None)
    }

    /// The cause.
    #[must_use]
    pub fn kind(&self) -> RejectionKind {
        self.0.kind
    }

    /// 401, 403, 429, 503, or, where the path or the wiring is wrong, 400 or 500. What it means, in gRPC services too; the
    /// response there has another one, see [`Rejection::response_status`].
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.kind.status()
    }

    /// The same as the answer to a request with this method: a CONNECT is refused by the status of the response in gRPC
    /// too. [`Auth`](crate::Auth), the layers and the extractors have seen to it.
    #[must_use]
    pub fn answering(self, method: &Method) -> Self {
        // RFC 9110 §9.3.6: "Any 2xx (Successful) response indicates that the sender (and all inbound proxies) will switch
        // to tunnel mode immediately after the response header section".
        if *method != Method::CONNECT || self.protocol() == Protocol::Http {
            return self;
        }
        Self::new(self.kind(), Protocol::Http, self.challenges(), self.retry_after())
    }

    /// How the caller is told.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.0.protocol
    }

    /// The status of the response: [`Rejection::status`]; in gRPC always 200.
    #[must_use]
    pub fn response_status(&self) -> StatusCode {
        match self.0.protocol {
            Protocol::Http => self.status(),
            Protocol::Grpc => StatusCode::OK,
        }
    }

    /// The values of `WWW-Authenticate`, one per challenge.
    #[must_use]
    pub fn challenges(&self) -> &[HeaderValue] {
        &self.0.challenges
    }

    /// The span after which asking again makes sense; with 503 and 429 only.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Writes the headers of the answer: challenges, `Retry-After`, and those of an empty text body. In gRPC, which knows
    /// no other body than messages, `grpc-status` and `grpc-message` in their place.
    pub fn write_headers(&self, headers: &mut HeaderMap) {
        if let Some(prepared) = self.0.prepared.as_ref().filter(|_| headers.is_empty()) {
            headers.clone_from(prepared);
            return;
        }
        for challenge in self.challenges() {
            headers.append(WWW_AUTHENTICATE, challenge.clone());
        }
        if let Some(span) = self.retry_after() {
            let whole = span.as_secs().saturating_add(u64::from(span.subsec_nanos() > 0));
            headers.insert(RETRY_AFTER, HeaderValue::from(whole.max(1)));
        }
        match self.0.protocol {
            Protocol::Http => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
                headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
            }
            Protocol::Grpc => {
                let (status, message) = self.kind().grpc();
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
                headers.insert(GRPC_STATUS, HeaderValue::from(status));
                headers.insert(GRPC_MESSAGE, HeaderValue::from_static(message));
            }
        }
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
            .field("protocol", &self.0.protocol)
            .finish()
    }
}

impl Error for Rejection {}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [RejectionKind; 11] = [
        RejectionKind::NoCredential,
        RejectionKind::Malformed(CredentialErrorKind::Empty),
        RejectionKind::NotLookedAt,
        RejectionKind::Refused,
        RejectionKind::InsufficientScope,
        RejectionKind::TooManyAttempts,
        RejectionKind::Unavailable,
        RejectionKind::AmbiguousPath,
        RejectionKind::NotMounted,
        RejectionKind::LayerMissing,
        RejectionKind::PublicRoute,
    ];

    fn challenges(protocol: Protocol) -> Challenges {
        Challenges::new(protocol, "r", std::iter::once(Scheme::Bearer))
    }

    fn headers(rejection: &Rejection) -> HeaderMap {
        let mut headers = HeaderMap::new();
        rejection.write_headers(&mut headers);
        headers
    }

    #[test]
    fn every_kind_has_a_name_of_its_own_among_the_names() {
        assert_eq!(KINDS.map(RejectionKind::as_str), RejectionKind::NAMES);
    }

    #[test]
    fn an_unavailable_answer_says_when_to_come_back_in_whole_seconds() {
        for (span, expected) in [
            (None, "5"),
            (Some(Duration::from_millis(1200)), "2"),
            (Some(Duration::from_secs(2)), "2"),
            (Some(Duration::ZERO), "1"),
            (Some(Duration::MAX), "18446744073709551615"),
        ] {
            let headers = headers(&Rejection::unavailable(&challenges(Protocol::Http), span));
            assert_eq!(headers[RETRY_AFTER], expected);
            assert_eq!(headers[CONTENT_LENGTH], "0");
            assert_eq!(headers[CONTENT_TYPE], "text/plain");
            assert!(!headers.contains_key(WWW_AUTHENTICATE));
        }
    }

    #[test]
    fn every_kind_has_its_code_in_grpc_and_a_message_that_needs_no_escaping() {
        for (kind, (http, grpc)) in KINDS.iter().zip([
            (401, "16"),
            (401, "16"),
            (401, "16"),
            (401, "16"),
            (403, "7"),
            (429, "8"),
            (503, "14"),
            (400, "3"),
            (500, "13"),
            (500, "13"),
            (500, "13"),
        ]) {
            let rejection = Rejection::without_challenge(*kind, Protocol::Grpc);
            assert_eq!((rejection.status().as_u16(), rejection.response_status()), (http, StatusCode::OK));
            let headers = headers(&rejection);
            assert_eq!(headers["grpc-status"], grpc, "{kind:?}");
            assert_eq!(headers[CONTENT_TYPE], "application/grpc");
            assert!(!headers.contains_key(CONTENT_LENGTH));
            // The gRPC protocol over HTTP/2: bytes outside %x20-%x24 / %x26-%x7E are percent-encoded in Status-Message.
            let message = headers["grpc-message"].as_bytes();
            assert!(message.iter().all(|byte| matches!(byte, 0x20..=0x24 | 0x26..=0x7e)), "{kind:?}");
            let plain = Rejection::without_challenge(*kind, Protocol::Http);
            assert_eq!(plain.response_status(), http);
        }
    }

    #[test]
    fn grpc_answers_keep_challenges_and_the_time_to_come_back() {
        let challenges = challenges(Protocol::Grpc);
        let refused =
            headers(&Rejection::unauthorized(RejectionKind::Refused, &challenges, Some(Scheme::Bearer)));
        assert_eq!(refused[WWW_AUTHENTICATE], "Bearer realm=\"r\", error=\"invalid_token\"");
        let away = headers(&Rejection::unavailable(&challenges, None));
        assert_eq!(
            (&away[RETRY_AFTER], &away["grpc-status"]),
            (&HeaderValue::from(5), &HeaderValue::from(14))
        );
    }
}
