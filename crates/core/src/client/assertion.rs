//! What a client says of itself, signed: RFC 7521 and RFC 7523.

use std::{fmt, sync::Arc};

use crate::{Secret, TokenError, config::Section};

/// Signs assertions: short-lived JWTs by which a client says who it is, or on what it bases its wish for a token
/// (RFC 7523).
pub trait AssertionSigner: fmt::Debug + Send + Sync + 'static {
    /// An assertion made now: never one that was given before.
    ///
    /// # Errors
    ///
    /// When it cannot be signed.
    fn sign(&self) -> Result<Secret, TokenError>;
}

/// What an assertion is for: it says what the assertion holds where the configuration does not.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Purpose {
    /// A client authenticates itself at a token endpoint (RFC 7523 §2.2, `private_key_jwt`): the client is issuer and subject.
    ClientAuthentication {
        /// The client's identifier.
        client_id: String,
        /// The token endpoint's URL: the audience, unless the configuration names another.
        token_url: String,
    },
    /// A client asks for a token (RFC 7523 §2.1): issuer, subject and audience are the configuration's.
    Grant,
}

type Reads = dyn Fn(&Section<'_>, &Purpose) -> Option<Arc<dyn AssertionSigner>> + Send + Sync;

/// Makes an [`AssertionSigner`] of a section of a configuration. Plugged into the configuration's reader
/// ([`Reader::plug`](crate::config::Reader::plug)) by whoever assembles it, since signing lives in another crate than
/// grants.
#[derive(Clone)]
pub struct AssertionReader(Arc<Reads>);

impl AssertionReader {
    /// `read` notes what is wrong in the section, and answers `None` then.
    #[must_use]
    pub fn new(
        read: impl Fn(&Section<'_>, &Purpose) -> Option<Arc<dyn AssertionSigner>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(read))
    }

    /// Reads the section.
    #[must_use]
    pub fn read(&self, section: &Section<'_>, purpose: &Purpose) -> Option<Arc<dyn AssertionSigner>> {
        (self.0)(section, purpose)
    }
}

impl fmt::Debug for AssertionReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssertionReader").finish_non_exhaustive()
    }
}
