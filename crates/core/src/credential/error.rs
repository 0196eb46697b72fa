use std::{error::Error, fmt};

use super::Scheme;

/// Why a credential could not be read. Carries nothing of the credential.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CredentialError {
    kind: CredentialErrorKind,
    scheme: Option<Scheme>,
}

/// What is wrong with a credential's form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CredentialErrorKind {
    /// More than one `Authorization` line.
    Repeated,
    /// Longer than the service looks at.
    TooLong,
    /// A byte that no header value of this form holds: a control character or one outside ASCII.
    ForbiddenByte,
    /// A scheme without a credential, or an empty value.
    Empty,
    /// More than one word after the scheme, or a comma-joined list of credentials.
    TrailingWords,
    /// A scheme that portcullis does not know.
    UnsupportedScheme,
    /// A character outside `token68` (RFC 9110 §11.2).
    NotToken68,
    /// Basic: not base64.
    NotBase64,
    /// Basic: not UTF-8 after decoding.
    NotUtf8,
    /// Basic: no colon between user name and password.
    NoColon,
    /// Basic: the user name is empty.
    EmptyUsername,
    /// Basic: the password is empty.
    EmptyPassword,
    /// Basic: a control character in user name or password.
    ControlCharacter,
}

impl CredentialError {
    pub(super) const fn new(kind: CredentialErrorKind, scheme: Option<Scheme>) -> Self {
        Self { kind, scheme }
    }

    /// What is wrong.
    #[must_use]
    pub const fn kind(&self) -> CredentialErrorKind {
        self.kind
    }

    /// The scheme under which the credential was sent, where one could be read.
    #[must_use]
    pub const fn scheme(&self) -> Option<Scheme> {
        self.scheme
    }
}

impl fmt::Display for CredentialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use CredentialErrorKind as Kind;
        f.write_str(match self.kind {
            Kind::Repeated => "more than one Authorization header: send exactly one",
            Kind::TooLong => "the Authorization header is longer than maxCredentialBytes",
            Kind::ForbiddenByte => "the Authorization header holds a control or non-ASCII byte",
            Kind::Empty => {
                "the Authorization header holds no credential: send a scheme, a space and a credential"
            }
            Kind::TrailingWords => "the Authorization header holds more than one scheme and one credential",
            Kind::UnsupportedScheme => "the authentication scheme is neither Basic nor Bearer",
            Kind::NotToken68 => "the credential holds a character outside token68",
            Kind::NotBase64 => "the Basic credential is not base64",
            Kind::NotUtf8 => "the Basic credential is not UTF-8",
            Kind::NoColon => "the Basic credential has no colon between user name and password",
            Kind::EmptyUsername => "the Basic credential has an empty user name",
            Kind::EmptyPassword => "the Basic credential has an empty password",
            Kind::ControlCharacter => "the Basic credential holds a control character",
        })
    }
}

impl fmt::Debug for CredentialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for CredentialError {}
