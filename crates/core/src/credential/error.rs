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
    /// A credential in more than one place: the header, a subprotocol, a cookie.
    SeveralSources,
    /// WebSocket: the offered subprotocols are no list of names (RFC 6455 §4.1).
    MalformedProtocols,
    /// WebSocket: a subprotocol is offered twice.
    RepeatedProtocol,
    /// WebSocket: `bearer` is the last subprotocol, where the token would follow it.
    BearerWithoutToken,
    /// WebSocket: `bearer` or `base64url.bearer.` in other than lower case.
    MisspelledBearer,
    /// WebSocket: more than one token among the subprotocols.
    SeveralTokens,
    /// WebSocket: a token in one entry, and no subprotocol beside it that the answer could select.
    LoneToken,
    /// WebSocket: what follows `base64url.bearer.` is not base64url without padding.
    NotBase64Url,
    /// More than one cookie of the name that holds the token.
    RepeatedCookie,
    /// A cookie that does not count: the request comes from an origin that is not the service's.
    ForeignOrigin,
    /// A cookie that does not count: the request does not tell its origin.
    MissingOrigin,
}

impl CredentialErrorKind {
    /// What whoever reads the log can do about it.
    pub(crate) const fn remedy(self) -> &'static str {
        match self {
            Self::SeveralSources => "the caller has to send the credential in one place",
            Self::MalformedProtocols
            | Self::RepeatedProtocol
            | Self::BearerWithoutToken
            | Self::MisspelledBearer
            | Self::SeveralTokens
            | Self::LoneToken
            | Self::NotBase64Url => {
                "the caller has to offer the subprotocols `bearer` and the token, or \
                 `base64url.bearer.<token in base64url>` and another one"
            }
            Self::RepeatedCookie => "have one application alone set the cookie, with one Domain and one Path",
            Self::ForeignOrigin => {
                "if the page that asks is one of yours, add its origin to `allowedOrigins`; if not, all is well"
            }
            Self::MissingOrigin => {
                "cookies are for pages: other callers have to send an Authorization header, and proxies have to pass \
                 Origin and Sec-Fetch-Site on"
            }
            Self::Repeated
            | Self::TooLong
            | Self::ForbiddenByte
            | Self::Empty
            | Self::TrailingWords
            | Self::UnsupportedScheme
            | Self::NotToken68
            | Self::NotBase64
            | Self::NotUtf8
            | Self::NoColon
            | Self::EmptyUsername
            | Self::EmptyPassword
            | Self::ControlCharacter => {
                "the caller has to send one Authorization header: scheme, space, credential"
            }
        }
    }
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
            Kind::TooLong => "the credential is longer than maxCredentialBytes",
            Kind::ForbiddenByte => "the credential holds a control or non-ASCII byte",
            Kind::Empty => {
                "the credential is empty: in an Authorization header send a scheme, a space and a credential"
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
            Kind::SeveralSources => "there is a credential in more than one place: send it in one",
            Kind::MalformedProtocols => "Sec-WebSocket-Protocol is not a list of subprotocol names",
            Kind::RepeatedProtocol => "Sec-WebSocket-Protocol names a subprotocol twice",
            Kind::BearerWithoutToken => "no token follows `bearer` in Sec-WebSocket-Protocol",
            Kind::MisspelledBearer => "`bearer` in Sec-WebSocket-Protocol is not in lower case",
            Kind::SeveralTokens => "Sec-WebSocket-Protocol holds more than one token",
            Kind::LoneToken => {
                "Sec-WebSocket-Protocol holds one token in base64url and nothing that the answer could select: offer a \
                 second subprotocol"
            }
            Kind::NotBase64Url => {
                "the token after `base64url.bearer.` is not base64url without padding: encode the whole token once more"
            }
            Kind::RepeatedCookie => "more than one cookie has the name of the one that holds the token",
            Kind::ForeignOrigin => {
                "the cookie does not count: Origin is neither publicOrigin nor one of allowedOrigins"
            }
            Kind::MissingOrigin => {
                "the cookie does not count: there is no Origin, and it is no GET or HEAD, other than for a WebSocket, \
                 with `Sec-Fetch-Site: same-origin`"
            }
        })
    }
}

impl fmt::Debug for CredentialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for CredentialError {}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_kind_says_something_else() {
        use CredentialErrorKind as Kind;
        let kinds = [
            Kind::Repeated,
            Kind::TooLong,
            Kind::ForbiddenByte,
            Kind::Empty,
            Kind::TrailingWords,
            Kind::UnsupportedScheme,
            Kind::NotToken68,
            Kind::NotBase64,
            Kind::NotUtf8,
            Kind::NoColon,
            Kind::EmptyUsername,
            Kind::EmptyPassword,
            Kind::ControlCharacter,
            Kind::SeveralSources,
            Kind::MalformedProtocols,
            Kind::RepeatedProtocol,
            Kind::BearerWithoutToken,
            Kind::MisspelledBearer,
            Kind::SeveralTokens,
            Kind::LoneToken,
            Kind::NotBase64Url,
            Kind::RepeatedCookie,
            Kind::ForeignOrigin,
            Kind::MissingOrigin,
        ];
        let texts: HashSet<String> =
            kinds.iter().map(|kind| CredentialError::new(*kind, None).to_string()).collect();
        assert_eq!(texts.len(), kinds.len());
        // What is wrong with headers, subprotocols, and cookies takes different remedies.
        for (kind, part) in [
            (Kind::SeveralSources, "one place"),
            (Kind::LoneToken, "subprotocols"),
            (Kind::RepeatedCookie, "set the cookie"),
            (Kind::ForeignOrigin, "`allowedOrigins`"),
            (Kind::MissingOrigin, "Sec-Fetch-Site"),
            (Kind::NotBase64, "one Authorization header"),
        ] {
            assert!(kind.remedy().contains(part), "{kind:?}");
        }
    }
}
