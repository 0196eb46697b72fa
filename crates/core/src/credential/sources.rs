//! Where in a request a service looks for the credential.

use http::{HeaderMap, Method};

use super::{Credential, CredentialError, header::from_headers};

/// Where in a request a service looks for the credential: the `Authorization` header, and, where it says so, places that
/// a browser can fill when it opens a WebSocket. Those carry bearer tokens only.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct CredentialSources {
    header: bool,
    websocket_protocol: bool,
    cookies: Vec<Box<str>>,
    origins: Vec<Box<str>>,
}

impl Default for CredentialSources {
    fn default() -> Self {
        Self::header()
    }
}

impl CredentialSources {
    /// The `Authorization` header alone.
    pub const fn header() -> Self {
        Self { header: true, websocket_protocol: false, cookies: Vec::new(), origins: Vec::new() }
    }

    /// No source yet: for services that do not take the `Authorization` header.
    pub const fn none() -> Self {
        Self { header: false, websocket_protocol: false, cookies: Vec::new(), origins: Vec::new() }
    }

    /// Also the subprotocols that a WebSocket client offers: `bearer, <token>`, or one entry
    /// `base64url.bearer.<token in base64url>` beside a second protocol.
    pub const fn websocket_protocol(mut self) -> Self {
        self.websocket_protocol = true;
        self
    }

    /// Also the cookie `name`. It counts only where the request comes from one of the origins, see
    /// [`CredentialSources::origin`].
    pub fn cookie(mut self, name: impl Into<Box<str>>) -> Self {
        self.cookies.push(name.into());
        self
    }

    /// Cookies count in requests from this origin, written as browsers do: `https://app.example.org`.
    pub fn origin(mut self, origin: impl Into<Box<str>>) -> Self {
        self.origins.push(origin.into());
        self
    }

    /// Reads the one credential of a request; `None` where there is none.
    pub(crate) fn read<'h>(
        &self,
        _method: &Method,
        headers: &'h HeaderMap,
        max_bytes: usize,
    ) -> Result<Option<Credential<'h>>, CredentialError> {
        from_headers(headers, max_bytes)
    }
}
