//! The closed list of reasons, one word each.

use std::fmt;

use crate::{CredentialErrorKind, RejectionKind};

/// Lists each reason once: its variant, its word, and what it means.
macro_rules! reasons {
    ($($(#[doc = $meaning:literal])+ $name:ident = $word:literal,)+) => {
        /// Why a request is not let in, in one word.
        ///
        /// The list is closed: the same word stands in the log, in spans, metrics and audit events, and in explanations. It
        /// never stands in a response, which would tell an attacker whether a user exists.
        ///
        /// Whoever writes a [`Provider`](crate::Provider) chooses among them; [`Reason::Other`] is for what fits nowhere.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[doc = $meaning])+ $name,)+
        }

        impl Reason {
            /// All of them, in the order of their documentation.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }

            /// What it means, in a line.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($meaning),+).trim_ascii(),)+
                }
            }
        }
    };
}

reasons! {
    // Of the request as a whole, before any element has a say.
    /// The caller sent no credential.
    NoCredential = "no-credential",
    /// No element looks at credentials of this scheme.
    NotLookedAt = "not-looked-at",
    /// There were too many failures before it from this address or for this user.
    TooManyAttempts = "too-many-attempts",
    /// The path reads in two ways that fall under different policies.
    AmbiguousPath = "ambiguous-path",
    /// The path lies outside the service: `mounted_at` is missing or wrong.
    NotMounted = "not-mounted",
    /// A handler asks for the caller, and no layer ran that could know it.
    LayerMissing = "layer-missing",
    /// A handler asks for the caller of a public route.
    PublicRoute = "public-route",
    /// Of an open connection: what it was opened with is not granted any more, or not all of it.
    Withdrawn = "withdrawn",

    // Of what a gateway answers itself, whatever its policies say.
    /// A gateway: TRACE, a CONNECT that asks for a tunnel, or a method that is not written in capitals.
    MethodNotAllowed = "method-not-allowed",
    /// A gateway: an extended CONNECT that it passes on to nobody.
    ExtendedConnect = "extended-connect",
    /// A gateway: an upgrade to a WebSocket that is not as RFC 6455 has it.
    BadWebSocketHandshake = "bad-websocket-handshake",
    /// A gateway: a WebSocket of another version than 13.
    WebSocketVersion = "websocket-version",
    /// A gateway: no host, two hosts, or something that is none.
    BadHost = "bad-host",
    /// A gateway: the path does not start with a slash.
    PathNotAbsolute = "path-not-absolute",
    /// A gateway: the path holds a byte outside ASCII that is not percent-encoded.
    PathNotAscii = "path-not-ascii",
    /// A gateway: a percent sign in the path is not followed by two hexadecimal digits.
    PathBadEscape = "path-bad-escape",
    /// A gateway: the path, percent-decoded, is not UTF-8.
    PathNotUtf8 = "path-not-utf8",
    /// A gateway: the path, percent-decoded, still holds a percent sign.
    PathEncodedTwice = "path-encoded-twice",
    /// A gateway: the path holds an encoded slash.
    PathEncodedSlash = "path-encoded-slash",
    /// A gateway: the path holds a semicolon.
    PathParameter = "path-parameter",
    /// A gateway: the path holds a backslash.
    PathBackslash = "path-backslash",
    /// A gateway: the path holds a control character.
    PathControlCharacter = "path-control-character",
    /// A gateway: the path holds a segment of one or two dots.
    PathDotSegment = "path-dot-segment",
    /// A gateway: the path holds an empty segment.
    PathEmptySegment = "path-empty-segment",
    /// A gateway: no service covers the path.
    NoService = "no-service",
    /// A gateway: the path meets a service or resource in another spelling only.
    OtherSpelling = "other-spelling",
    /// A gateway: the upstream's base path and the request's target together are too long.
    TargetTooLong = "target-too-long",

    // Of the form of the credential.
    /// More than one `Authorization` line.
    RepeatedHeader = "repeated-header",
    /// The credential is longer than `maxCredentialBytes`.
    TooLong = "too-long",
    /// The credential holds a byte that no header value of its form may hold.
    ForbiddenByte = "forbidden-byte",
    /// A scheme without a credential, or an empty value.
    EmptyCredential = "empty-credential",
    /// More than one word after the scheme, or a list of credentials.
    TrailingWords = "trailing-words",
    /// A token holds a character outside `token68`.
    NotToken68 = "not-token68",
    /// A Basic credential is not base64.
    NotBase64 = "not-base64",
    /// A Basic credential is not UTF-8.
    NotUtf8 = "not-utf8",
    /// A Basic credential holds no colon.
    NoColon = "no-colon",
    /// The user name is empty.
    EmptyUsername = "empty-username",
    /// The password is empty.
    EmptyPassword = "empty-password",
    /// User name or password holds a control character.
    ControlCharacter = "control-character",
    /// There is a credential in more than one place.
    SeveralSources = "several-sources",
    /// The offered WebSocket subprotocols are no list of names.
    MalformedProtocols = "malformed-protocols",
    /// A WebSocket subprotocol is offered twice.
    RepeatedProtocol = "repeated-protocol",
    /// No token follows the subprotocol `bearer`.
    BearerWithoutToken = "bearer-without-token",
    /// The subprotocol `bearer` is not in lower case.
    MisspelledBearer = "misspelled-bearer",
    /// More than one token among the subprotocols.
    SeveralTokens = "several-tokens",
    /// A token among the subprotocols, and none beside it that the answer could select.
    LoneToken = "lone-token",
    /// The token among the subprotocols is not base64url.
    NotBase64Url = "not-base64url",
    /// More than one cookie of the name that holds the token.
    RepeatedCookie = "repeated-cookie",
    /// A cookie comes from an origin that is not the service's.
    ForeignOrigin = "foreign-origin",
    /// A cookie comes without a word about its origin.
    MissingOrigin = "missing-origin",

    // Of an element, about a user name and a password.
    /// There is no user of this name.
    UnknownUser = "unknown-user",
    /// The password is not the user's.
    WrongPassword = "wrong-password",
    /// A password that the user's hash cannot tell from others: with a NUL, or longer than the hash looks at.
    UnfitPassword = "unfit-password",
    /// The user's stored password hash cannot be used.
    UnusableHash = "unusable-hash",
    /// More than one user of this name.
    AmbiguousUser = "ambiguous-user",
    /// A user name that the directory is not asked about: empty, with a control character or outer white space.
    MalformedUsername = "malformed-username",
    /// A password that the directory is not asked about: empty, blank, or with a NUL in front.
    BlankPassword = "blank-password",
    /// The directory refuses the user's bind and does not say that the password is wrong.
    BindRefused = "bind-refused",
    /// The user may not log in now, or from here.
    LoginNotPermitted = "login-not-permitted",
    /// The user's password has expired.
    PasswordExpired = "password-expired",
    /// The user must change the password first.
    MustChangePassword = "must-change-password",
    /// The user's account is disabled.
    AccountDisabled = "account-disabled",
    /// The user's account has expired.
    AccountExpired = "account-expired",
    /// The user's account is locked.
    AccountLocked = "account-locked",

    // Of an element, about a token.
    /// Not the three segments of a JWS, or not the JSON they should hold.
    MalformedToken = "malformed-token",
    /// A member's name twice in one JSON object.
    DuplicateMember = "duplicate-member",
    /// An encrypted token (JWE).
    Encrypted = "encrypted",
    /// An `alg` that no configured key allows.
    UnsupportedAlgorithm = "unsupported-algorithm",
    /// `crit` in the token's header.
    CriticalHeader = "critical-header",
    /// `b64` or `zip` in the token's header.
    UnsupportedHeader = "unsupported-header",
    /// A `kid` that no key has.
    UnknownKey = "unknown-key",
    /// No key verifies the signature.
    BadSignature = "bad-signature",
    /// There is no key that may be used.
    NoKeys = "no-keys",
    /// The key's certificate is not valid any more.
    CertificateExpired = "certificate-expired",
    /// The key's certificate is not valid yet.
    CertificateNotYetValid = "certificate-not-yet-valid",
    /// A claim of the wrong JSON type.
    MalformedClaim = "malformed-claim",
    /// A `typ` outside `types`.
    WrongType = "wrong-type",
    /// A `kid` other than `keyId`.
    WrongKeyId = "wrong-key-id",
    /// No `exp`.
    MissingExpiration = "missing-expiration",
    /// The token has expired.
    Expired = "expired",
    /// The token is not valid yet.
    NotYetValid = "not-yet-valid",
    /// An `iss` other than `issuer`.
    WrongIssuer = "wrong-issuer",
    /// An `aud` without any of `audience`.
    WrongAudience = "wrong-audience",
    /// A `sub` other than `username`.
    WrongSubject = "wrong-subject",
    /// A `jti` other than `jwtId`.
    WrongJwtId = "wrong-jwt-id",
    /// A claim other than `customClaims` says.
    WrongClaim = "wrong-claim",
    /// The token is bound to a key of its sender, which is not checked.
    BoundToken = "bound-token",
    /// The server does not, or no longer, vouch for the token.
    Inactive = "inactive",
    /// The server does not introspect tokens of this type.
    UnsupportedTokenType = "unsupported-token-type",
    /// There is no token to ask about.
    EmptyToken = "empty-token",
    /// A per-call parameter has a name that is not the caller's to give.
    ReservedParameter = "reserved-parameter",

    // Of an element, about any credential.
    /// The provider was asked about a credential of a scheme that it does not look at.
    OtherScheme = "other-scheme",
    /// Whatever fits nowhere else.
    Other = "other",

    // Of callers who are known.
    /// The caller is known and holds none of the scopes asked for.
    InsufficientScope = "insufficient-scope",

    // Where it cannot be told whether the credential is right.
    /// An element that might have said yes cannot be asked.
    Unavailable = "unavailable",
    /// The element did not answer within `decisionTimeout`.
    TimedOut = "timed-out",
    /// The element has as much to do as it takes on, and takes no more now.
    Overloaded = "overloaded",
    /// What the element was told about this caller cannot be used; it is not away.
    UnusableAnswer = "unusable-answer",
    /// The provider panicked.
    Panicked = "panicked",
}

impl Reason {
    /// Whether it says no more than that the credential is none of the element's, who knows neither the user nor the
    /// issuer: another element's reason tells more.
    pub(crate) const fn is_stranger(self) -> bool {
        matches!(
            self,
            Self::OtherScheme
                | Self::UnknownUser
                | Self::MalformedToken
                | Self::Encrypted
                | Self::UnsupportedAlgorithm
                | Self::UnknownKey
                | Self::BadSignature
                | Self::WrongIssuer
                | Self::Inactive
                | Self::UnsupportedTokenType
        )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl From<CredentialErrorKind> for Reason {
    fn from(kind: CredentialErrorKind) -> Self {
        use CredentialErrorKind as Kind;
        match kind {
            Kind::Repeated => Self::RepeatedHeader,
            Kind::TooLong => Self::TooLong,
            Kind::ForbiddenByte => Self::ForbiddenByte,
            Kind::Empty => Self::EmptyCredential,
            Kind::TrailingWords => Self::TrailingWords,
            Kind::UnsupportedScheme => Self::NotLookedAt,
            Kind::NotToken68 => Self::NotToken68,
            Kind::NotBase64 => Self::NotBase64,
            Kind::NotUtf8 => Self::NotUtf8,
            Kind::NoColon => Self::NoColon,
            Kind::EmptyUsername => Self::EmptyUsername,
            Kind::EmptyPassword => Self::EmptyPassword,
            Kind::ControlCharacter => Self::ControlCharacter,
            Kind::SeveralSources => Self::SeveralSources,
            Kind::MalformedProtocols => Self::MalformedProtocols,
            Kind::RepeatedProtocol => Self::RepeatedProtocol,
            Kind::BearerWithoutToken => Self::BearerWithoutToken,
            Kind::MisspelledBearer => Self::MisspelledBearer,
            Kind::SeveralTokens => Self::SeveralTokens,
            Kind::LoneToken => Self::LoneToken,
            Kind::NotBase64Url => Self::NotBase64Url,
            Kind::RepeatedCookie => Self::RepeatedCookie,
            Kind::ForeignOrigin => Self::ForeignOrigin,
            Kind::MissingOrigin => Self::MissingOrigin,
        }
    }
}

/// As far as the kind tells it; what elements said tells more.
impl From<RejectionKind> for Reason {
    fn from(kind: RejectionKind) -> Self {
        match kind {
            RejectionKind::NoCredential => Self::NoCredential,
            RejectionKind::Malformed(form) => form.into(),
            RejectionKind::NotLookedAt => Self::NotLookedAt,
            RejectionKind::Refused => Self::Other,
            RejectionKind::InsufficientScope => Self::InsufficientScope,
            RejectionKind::TooManyAttempts => Self::TooManyAttempts,
            RejectionKind::Unavailable => Self::Unavailable,
            RejectionKind::AmbiguousPath => Self::AmbiguousPath,
            RejectionKind::NotMounted => Self::NotMounted,
            RejectionKind::LayerMissing => Self::LayerMissing,
            RejectionKind::PublicRoute => Self::PublicRoute,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_reason_has_a_word_of_its_own_that_fits_a_label() {
        let words: HashSet<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(words.len(), Reason::ALL.len());
        for reason in Reason::ALL {
            let word = reason.as_str();
            let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            assert!(word.bytes().all(fits), "{word}");
            assert_eq!(reason.to_string(), word);
            assert!(reason.meaning().ends_with('.') && reason.meaning().len() > 5, "{word}");
        }
    }
}
