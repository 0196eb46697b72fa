//! Why a token is refused: the codes, and how values of a token are shown in a log.

use std::borrow::Cow;

use portcullis_core::Refusal;
pub(crate) use portcullis_core::json::shown;

/// Why a token is not accepted, or a text not read as one.
pub(crate) type Refused<T> = Result<T, Refusal>;

/// The codes, one for each distinct reason. They are part of the interface: dashboards count them.
pub(crate) mod code {
    /// Not three base64url segments that hold the JSON they should.
    pub(crate) const MALFORMED: &str = "malformed";
    /// A member name twice in one JSON object.
    pub(crate) const DUPLICATE_MEMBER: &str = "duplicate-member";
    /// Five segments: a JWE, not a JWS.
    pub(crate) const ENCRYPTED: &str = "encrypted";
    /// An `alg` that no key of the configuration allows.
    pub(crate) const UNSUPPORTED_ALGORITHM: &str = "unsupported-algorithm";
    /// `crit` in the header.
    pub(crate) const CRITICAL_HEADER: &str = "critical-header";
    /// `b64` or `zip` in the header.
    pub(crate) const UNSUPPORTED_HEADER: &str = "unsupported-header";
    /// A `kid` that no key has.
    pub(crate) const UNKNOWN_KEY: &str = "unknown-key";
    /// No key verifies the signature.
    pub(crate) const BAD_SIGNATURE: &str = "bad-signature";
    /// There is no key set to look at, and nobody asked for one.
    #[cfg(feature = "jwks")]
    pub(crate) const NO_KEYS: &str = "no-keys";
    /// The key's certificate is not valid any more.
    pub(crate) const CERTIFICATE_EXPIRED: &str = "certificate-expired";
    /// The key's certificate is not valid yet.
    pub(crate) const CERTIFICATE_NOT_YET_VALID: &str = "certificate-not-yet-valid";
    /// A claim of the wrong JSON type.
    pub(crate) const MALFORMED_CLAIM: &str = "malformed-claim";
    /// A `typ` outside `types`.
    pub(crate) const WRONG_TYPE: &str = "wrong-type";
    /// A `kid` other than `keyId`.
    pub(crate) const WRONG_KEY_ID: &str = "wrong-key-id";
    /// No `exp`.
    pub(crate) const MISSING_EXPIRATION: &str = "missing-expiration";
    /// `exp` is reached.
    pub(crate) const EXPIRED: &str = "expired";
    /// `nbf` is not reached.
    pub(crate) const NOT_YET_VALID: &str = "not-yet-valid";
    /// An `iss` other than `issuer`.
    pub(crate) const WRONG_ISSUER: &str = "wrong-issuer";
    /// An `aud` without any of `audience`.
    pub(crate) const WRONG_AUDIENCE: &str = "wrong-audience";
    /// A `sub` other than `username`.
    pub(crate) const WRONG_SUBJECT: &str = "wrong-subject";
    /// A `jti` other than `jwtId`.
    pub(crate) const WRONG_JWT_ID: &str = "wrong-jwt-id";
    /// A claim other than `customClaims` says.
    pub(crate) const WRONG_CLAIM: &str = "wrong-claim";
    /// `cnf`: the token is bound to a key of its sender.
    pub(crate) const BOUND_TOKEN: &str = "bound-token";
    /// Not a bearer credential at all.
    pub(crate) const OTHER_SCHEME: &str = "other-scheme";
}

pub(crate) fn refuse<T>(code: &'static str, reason: impl Into<Cow<'static, str>>) -> Refused<T> {
    Err(Refusal::new(code, reason))
}
