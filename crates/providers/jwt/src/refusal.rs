//! Why a token is refused: the codes, and how values of a token are shown in a log.

use std::borrow::Cow;

pub(crate) use portcullis_core::json::shown;
use portcullis_core::{Reason, Refusal};

/// Why a token is not accepted, or a text not read as one.
pub(crate) type Refused<T> = Result<T, Refusal>;

/// The codes, one for each distinct reason. They are part of the interface: dashboards count them.
pub(crate) mod code {
    use portcullis_core::Reason;

    /// Not three base64url segments that hold the JSON they should.
    pub(crate) const MALFORMED: Reason = Reason::MalformedToken;
    /// A member name twice in one JSON object.
    pub(crate) const DUPLICATE_MEMBER: Reason = Reason::DuplicateMember;
    /// Five segments: a JWE, not a JWS.
    pub(crate) const ENCRYPTED: Reason = Reason::Encrypted;
    /// An `alg` that no key of the configuration allows.
    pub(crate) const UNSUPPORTED_ALGORITHM: Reason = Reason::UnsupportedAlgorithm;
    /// `crit` in the header.
    pub(crate) const CRITICAL_HEADER: Reason = Reason::CriticalHeader;
    /// `b64` or `zip` in the header.
    pub(crate) const UNSUPPORTED_HEADER: Reason = Reason::UnsupportedHeader;
    /// A `kid` that no key has.
    pub(crate) const UNKNOWN_KEY: Reason = Reason::UnknownKey;
    /// No key verifies the signature.
    pub(crate) const BAD_SIGNATURE: Reason = Reason::BadSignature;
    /// There is no key set to look at, and nobody asked for one.
    #[cfg(feature = "jwks")]
    pub(crate) const NO_KEYS: Reason = Reason::NoKeys;
    /// The key's certificate is not valid any more.
    pub(crate) const CERTIFICATE_EXPIRED: Reason = Reason::CertificateExpired;
    /// The key's certificate is not valid yet.
    pub(crate) const CERTIFICATE_NOT_YET_VALID: Reason = Reason::CertificateNotYetValid;
    /// A claim of the wrong JSON type.
    pub(crate) const MALFORMED_CLAIM: Reason = Reason::MalformedClaim;
    /// A `typ` outside `types`.
    pub(crate) const WRONG_TYPE: Reason = Reason::WrongType;
    /// A `kid` other than `keyId`.
    pub(crate) const WRONG_KEY_ID: Reason = Reason::WrongKeyId;
    /// No `exp`.
    pub(crate) const MISSING_EXPIRATION: Reason = Reason::MissingExpiration;
    /// `exp` is reached.
    pub(crate) const EXPIRED: Reason = Reason::Expired;
    /// `nbf` is not reached.
    pub(crate) const NOT_YET_VALID: Reason = Reason::NotYetValid;
    /// An `iss` other than `issuer`.
    pub(crate) const WRONG_ISSUER: Reason = Reason::WrongIssuer;
    /// An `aud` without any of `audience`.
    pub(crate) const WRONG_AUDIENCE: Reason = Reason::WrongAudience;
    /// A `sub` other than `username`.
    pub(crate) const WRONG_SUBJECT: Reason = Reason::WrongSubject;
    /// A `jti` other than `jwtId`.
    pub(crate) const WRONG_JWT_ID: Reason = Reason::WrongJwtId;
    /// A claim other than `customClaims` says.
    pub(crate) const WRONG_CLAIM: Reason = Reason::WrongClaim;
    /// `cnf`: the token is bound to a key of its sender.
    pub(crate) const BOUND_TOKEN: Reason = Reason::BoundToken;
    /// Not a bearer credential at all.
    pub(crate) const OTHER_SCHEME: Reason = Reason::OtherScheme;
}

pub(crate) fn refuse<T>(code: Reason, text: impl Into<Cow<'static, str>>) -> Refused<T> {
    Err(Refusal::new(code, text))
}
