//! Why a token is refused: the codes.

use std::borrow::Cow;

use portcullis_core::{Reason, Refusal};

/// What a token is, or why it is not accepted.
pub(crate) type Refused<T> = Result<T, Refusal>;

/// The codes, one for each distinct reason. They are part of the interface: dashboards count them.
pub(crate) mod code {
    use portcullis_core::Reason;

    /// `active` is not true.
    pub(crate) const INACTIVE: Reason = Reason::Inactive;
    /// The server's error code `unsupported_token_type`.
    pub(crate) const UNSUPPORTED_TOKEN_TYPE: Reason = Reason::UnsupportedTokenType;
    /// A member of the wrong JSON type.
    pub(crate) const MALFORMED_CLAIM: Reason = Reason::MalformedClaim;
    /// The token is bound to a key of its sender.
    pub(crate) const BOUND_TOKEN: Reason = Reason::BoundToken;
    /// `nbf` is not reached.
    pub(crate) const NOT_YET_VALID: Reason = Reason::NotYetValid;
    /// An `iss` other than `issuer`.
    pub(crate) const WRONG_ISSUER: Reason = Reason::WrongIssuer;
    /// An `aud` without any of `audience`.
    pub(crate) const WRONG_AUDIENCE: Reason = Reason::WrongAudience;
    /// Not a bearer credential at all.
    pub(crate) const OTHER_SCHEME: Reason = Reason::OtherScheme;
    /// Nothing to ask about.
    pub(crate) const EMPTY_TOKEN: Reason = Reason::EmptyToken;
    /// A per-call parameter with a name that is not the caller's to give.
    pub(crate) const RESERVED_PARAMETER: Reason = Reason::ReservedParameter;
}

pub(crate) fn refuse<T>(code: Reason, text: impl Into<Cow<'static, str>>) -> Refused<T> {
    Err(Refusal::new(code, text))
}
