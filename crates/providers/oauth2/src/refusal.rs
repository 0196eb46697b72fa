//! Why a token is refused: the codes.

use std::borrow::Cow;

use portcullis_core::Refusal;

/// What a token is, or why it is not accepted.
pub(crate) type Refused<T> = Result<T, Refusal>;

/// The codes, one for each distinct reason. They are part of the interface: dashboards count them.
pub(crate) mod code {
    /// `active` is not true.
    pub(crate) const INACTIVE: &str = "inactive";
    /// The server's error code `unsupported_token_type`.
    pub(crate) const UNSUPPORTED_TOKEN_TYPE: &str = "unsupported-token-type";
    /// A member of the wrong JSON type.
    pub(crate) const MALFORMED_CLAIM: &str = "malformed-claim";
    /// The token is bound to a key of its sender.
    pub(crate) const BOUND_TOKEN: &str = "bound-token";
    /// `nbf` is not reached.
    pub(crate) const NOT_YET_VALID: &str = "not-yet-valid";
    /// An `iss` other than `issuer`.
    pub(crate) const WRONG_ISSUER: &str = "wrong-issuer";
    /// An `aud` without any of `audience`.
    pub(crate) const WRONG_AUDIENCE: &str = "wrong-audience";
    /// Not a bearer credential at all.
    pub(crate) const OTHER_SCHEME: &str = "other-scheme";
    /// Nothing to ask about.
    pub(crate) const EMPTY_TOKEN: &str = "empty-token";
    /// A per-call parameter with a name that is not the caller's to give.
    pub(crate) const RESERVED_PARAMETER: &str = "reserved-parameter";
}

pub(crate) fn refuse<T>(code: &'static str, reason: impl Into<Cow<'static, str>>) -> Refused<T> {
    Err(Refusal::new(code, reason))
}
