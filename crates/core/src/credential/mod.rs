//! What a caller presents: read once from the request, strictly, and handed to the elements.
//!
//! There is one way to write a credential: one `Authorization` line, a scheme in any case, one or more
//! spaces, and one word (RFC 9110 §11.4). Everything else is refused rather than guessed at, because two
//! parties that guess differently disagree about who is calling.
//!
//! Scripts in browsers cannot write that line when they open a WebSocket. A service may therefore name further places for
//! bearer tokens, see [`CredentialSources`].

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::string_slice))]

mod basic;
mod cookie;
mod error;
pub(crate) mod header;
mod origin;
mod place;
mod protocols;
mod sources;
pub mod websocket;

use std::{borrow::Cow, fmt};

pub use self::{
    basic::Basic,
    error::{CredentialError, CredentialErrorKind},
    header::{from_header_value, from_headers},
    origin::normalised as normalised_origin,
    protocols::OfferedProtocols,
    sources::CredentialSources,
};

pub(crate) use self::place::Place;

/// The longest credential that is looked at, unless a service says otherwise: 16 KiB.
pub const DEFAULT_MAX_CREDENTIAL_BYTES: usize = 16 * 1024;

/// An authentication scheme that elements look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Scheme {
    /// User name and password (RFC 7617).
    Basic,
    /// A token (RFC 6750).
    Bearer,
}

impl Scheme {
    /// The scheme's registered spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "Basic",
            Self::Bearer => "Bearer",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A well-formed credential. Nothing is said yet about whether it is right.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Credential<'a> {
    /// User name and password.
    Basic(Basic),
    /// A token.
    Bearer(Bearer<'a>),
}

impl Credential<'_> {
    /// The scheme it was sent under.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        match self {
            Self::Basic(_) => Scheme::Basic,
            Self::Bearer(_) => Scheme::Bearer,
        }
    }

    /// The same credential, borrowing nothing: for work that outlives the request's headers.
    #[must_use]
    pub fn into_owned(self) -> Credential<'static> {
        match self {
            Self::Basic(basic) => Credential::Basic(basic),
            Self::Bearer(Bearer(token)) => Credential::Bearer(Bearer(Cow::Owned(token.into_owned()))),
        }
    }
}

/// A bearer token: visible ASCII characters without a comma (RFC 6749 §A.12). Redacted in `Debug`.
#[derive(Clone)]
pub struct Bearer<'a>(Cow<'a, [u8]>);

impl<'a> Bearer<'a> {
    /// Takes `token` as a bearer token.
    ///
    /// # Errors
    ///
    /// When it is empty or holds white space, a comma, a control character, or anything outside ASCII.
    pub fn new(token: &'a str) -> Result<Self, CredentialError> {
        match header::access_token(token) {
            Ok(()) => Ok(Self(token.as_bytes().into())),
            Err(kind) => Err(CredentialError::new(kind, Some(Scheme::Bearer))),
        }
    }

    /// The token itself.
    ///
    /// # Security
    ///
    /// Never pass it to a log or an error.
    #[must_use]
    pub fn token(&self) -> &str {
        // Looked at when it was made: it is ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The token's bytes, which cost nothing to get: for looking it up.
    ///
    /// # Security
    ///
    /// Never pass them to a log or an error.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Bearer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer([redacted])")
    }
}
