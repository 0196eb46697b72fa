//! Where in a request a service looks for the credential.

#[cfg(test)]
mod tests;

use http::{HeaderMap, Method};

use super::{
    Credential, CredentialError, CredentialErrorKind as Kind, OfferedProtocols, Scheme, cookie,
    header::from_headers, origin, protocols, websocket,
};

/// Where in a request a service looks for the credential: the `Authorization` header, and, where it says so, places that
/// a browser can fill when it opens a WebSocket. Those carry bearer tokens only.
///
/// Every place is looked at. A request that holds a credential in two of them is refused.
///
/// ```
/// use portcullis_core::CredentialSources;
///
/// let sources = CredentialSources::header()
///     .websocket_protocol()
///     .cookie("__Host-token")
///     .origin("https://app.example.org");
/// # assert!(sources.reads_header() && sources.reads_websocket_protocol());
/// ```
///
/// # Subprotocols
///
/// Looked at in requests that open a WebSocket. The client offers `bearer` and the token as the next entry, or one entry
/// `base64url.bearer.<token in base64url, without padding>` beside another protocol. [`Auth::conceal`] takes the token out.
///
/// # Cookies
///
/// A cookie counts only where the request has one `Origin` and that is one of the service's; without `Origin`, in a GET
/// or HEAD that opens no WebSocket and says `Sec-Fetch-Site: same-origin`. Otherwise every page on the internet could call
/// in its visitor's name. A cookie that does not count is ignored beside a credential that does, and refused alone.
///
/// [`Auth::conceal`]: crate::Auth::conceal
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct CredentialSources {
    pub(super) header: bool,
    pub(super) websocket_protocol: bool,
    pub(super) cookies: Vec<Box<str>>,
    /// Written as browsers do where they can be.
    pub(super) origins: Vec<Box<str>>,
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

    /// Cookies count in requests from this origin: `https://app.example.org`, the service's own or another one.
    pub fn origin(mut self, origin: impl Into<Box<str>>) -> Self {
        let origin = origin.into();
        let origin = origin::normalised(&origin).map_or(origin, String::into_boxed_str);
        if !self.origins.contains(&origin) {
            self.origins.push(origin);
        }
        self
    }

    /// Whether the `Authorization` header is looked at.
    #[must_use]
    pub const fn reads_header(&self) -> bool {
        self.header
    }

    /// Whether nothing but the `Authorization` header is looked at.
    pub(crate) const fn reads_header_alone(&self) -> bool {
        self.header && !self.websocket_protocol && self.cookies.is_empty()
    }

    /// Whether the subprotocols of WebSocket requests are looked at.
    #[must_use]
    pub const fn reads_websocket_protocol(&self) -> bool {
        self.websocket_protocol
    }

    /// The names of the cookies that are looked at.
    pub fn cookies(&self) -> impl Iterator<Item = &str> {
        self.cookies.iter().map(|name| &**name)
    }

    /// The origins from which cookies count.
    pub fn origins(&self) -> impl Iterator<Item = &str> {
        self.origins.iter().map(|origin| &**origin)
    }

    /// What cannot work, a sentence each.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        if !self.header && !self.websocket_protocol && self.cookies.is_empty() {
            found.push("no source of credentials: every request would be one without".to_owned());
        }
        for (at, name) in self.cookies.iter().enumerate() {
            if !protocols::is_token(name) {
                found.push(format!("{name:?} is no name of a cookie: use letters, digits, `-` and `_`"));
            }
            if self.cookies.iter().take(at).any(|before| before == name) {
                found.push(format!("the cookie {name:?} is named twice"));
            }
        }
        for origin in self.origins.iter().filter(|origin| origin::normalised(origin).is_none()) {
            // User-info may hold a password.
            let shown = if origin.contains('@') { "an origin".to_owned() } else { format!("{origin:?}") };
            found.push(format!(
                "{shown} is not written as browsers do: the page's `scheme://host[:port]`, for instance \
                 https://app.example.org"
            ));
        }
        match (self.cookies.is_empty(), self.origins.is_empty()) {
            (false, true) => found.push(
                "a cookie counts in requests from known origins only: say where the pages are, with `publicOrigin` or \
                 `allowedOrigins`"
                    .to_owned(),
            ),
            (true, false) => found
                .push("`publicOrigin` and `allowedOrigins` are about cookies, and none is a source".to_owned()),
            _ => {}
        }
        found
    }

    /// Reads the one credential of a request; `None` where there is none.
    pub(crate) fn read<'h>(
        &self,
        method: &Method,
        headers: &'h HeaderMap,
        max_bytes: usize,
    ) -> Result<Option<Credential<'h>>, CredentialError> {
        if self.reads_header_alone() {
            return from_headers(headers, max_bytes);
        }
        let in_header = if self.header { from_headers(headers, max_bytes)? } else { None };
        let in_protocol = if self.websocket_protocol && websocket::opens(method, headers) {
            protocols::read(headers, max_bytes)?
        } else {
            None
        };
        let several = CredentialError::new(Kind::SeveralSources, None);
        let mut credential = match (in_header, in_protocol) {
            (Some(_), Some(_)) => return Err(several),
            (one, other) => one.or(other),
        };
        let mut cookies = self.cookies.iter().filter(|name| cookie::is_sent(headers, name)).peekable();
        if cookies.peek().is_some()
            && let Err(kind) = origin::counts(method, headers, &self.origins)
        {
            return if credential.is_some() { Ok(credential) } else { Err(CredentialError::new(kind, None)) };
        }
        for name in cookies {
            if credential.is_some() {
                return Err(several);
            }
            let bearer = cookie::read(headers, name, max_bytes)
                .map_err(|kind| CredentialError::new(kind, Some(Scheme::Bearer)))?;
            credential = Some(Credential::Bearer(bearer));
        }
        Ok(credential)
    }

    pub(crate) fn conceal(
        &self,
        method: &Method,
        headers: &mut HeaderMap,
        max_bytes: usize,
    ) -> Option<OfferedProtocols> {
        if self.websocket_protocol { protocols::conceal(method, headers, max_bytes) } else { None }
    }

    pub(crate) fn conceal_cookies(&self, headers: &mut HeaderMap) {
        if !self.cookies.is_empty() {
            cookie::conceal(headers, &self.cookies);
        }
    }
}
