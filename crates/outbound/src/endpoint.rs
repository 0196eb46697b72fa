//! A URL that may be called.

use std::{
    error::Error,
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use http::{
    Uri,
    uri::{Authority, Scheme},
};

/// A URL that may be called: http or https, with a host, without user-info and fragment.
///
/// `Display` and `Debug` show scheme, host, port and path; a query may hold a secret, and is left out.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Endpoint(Uri);

impl Endpoint {
    /// Reads a URL. Without a scheme it is https.
    ///
    /// # Errors
    ///
    /// When it is none that may be called. The error shows nothing of the text.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        if text.is_empty() {
            return Err(EndpointError::Empty);
        }
        if text.bytes().any(|byte| !byte.is_ascii_graphic()) {
            return Err(EndpointError::Character);
        }
        if text.contains('#') {
            return Err(EndpointError::Fragment);
        }
        let (scheme, rest) = split_scheme(text)?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).ok_or(EndpointError::Malformed)?;
        check_authority(authority)?;
        let slash = if path.starts_with('/') { "" } else { "/" };
        format!("{scheme}://{authority}{slash}{path}")
            .parse()
            .map(Self)
            .map_err(|_: http::uri::InvalidUri| EndpointError::Malformed)
    }

    /// The URL, query included: it may hold a secret.
    #[must_use]
    pub const fn uri(&self) -> &Uri {
        &self.0
    }

    /// Whether it is https.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.0.scheme() == Some(&Scheme::HTTPS)
    }

    /// Whether it is on this machine: `localhost`, 127.0.0.0/8 or ::1. Where a name service has `localhost` elsewhere, plain
    /// http does not go there.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.host();
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        host.eq_ignore_ascii_case("localhost")
            || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// The host as it was written; an IPv6 address stands in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.host().unwrap_or_default()
    }

    /// The port, said or implied.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.port_u16().unwrap_or(if self.is_secure() { 443 } else { 80 })
    }

    /// Whether scheme, host and port are the same (RFC 6454 §5).
    #[must_use]
    pub fn same_origin(&self, other: &Self) -> bool {
        self.is_secure() == other.is_secure()
            && self.host().eq_ignore_ascii_case(other.host())
            && self.port() == other.port()
    }

    /// The URL with `suffix`, which begins with a slash, after its path; without a query. OpenID Connect finds its metadata
    /// so.
    ///
    /// # Errors
    ///
    /// When that is no URL.
    pub fn with_path_appended(&self, suffix: &str) -> Result<Self, EndpointError> {
        let path = self.0.path().trim_end_matches('/');
        self.with_path(&format!("{path}{suffix}"))
    }

    /// The URL with `prefix`, which begins with a slash, before its path; without a query. RFC 8414 §3 finds its metadata so.
    ///
    /// # Errors
    ///
    /// When that is no URL.
    pub fn with_path_prepended(&self, prefix: &str) -> Result<Self, EndpointError> {
        let path = self.0.path().trim_end_matches('/');
        self.with_path(&format!("{prefix}{path}"))
    }

    fn with_path(&self, path: &str) -> Result<Self, EndpointError> {
        // Anything else would go on with the name of the host, and be another server.
        if !path.starts_with('/') {
            return Err(EndpointError::Malformed);
        }
        let scheme = self.0.scheme_str().unwrap_or_default();
        let authority = self.0.authority().map(Authority::as_str).unwrap_or_default();
        Self::parse(&format!("{scheme}://{authority}{path}"))
    }
}

/// The scheme in lower case, and what follows it.
fn split_scheme(text: &str) -> Result<(&'static str, &str), EndpointError> {
    let head = text.find(['/', '?']).map_or(text, |end| text.get(..end).unwrap_or_default());
    match text.split_once("://") {
        // Further on, it belongs to a path or a query.
        Some((scheme, rest)) if head.len() == scheme.len() + 1 => {
            match scheme.to_ascii_lowercase().as_str() {
                "https" => Ok(("https", rest)),
                "http" => Ok(("http", rest)),
                _ => Err(EndpointError::Scheme),
            }
        }
        _ => Ok(("https", text)),
    }
}

/// Whether it is a host and perhaps a port, read in one way only.
fn check_authority(authority: &str) -> Result<(), EndpointError> {
    if authority.contains('@') {
        return Err(EndpointError::UserInfo);
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or(EndpointError::Host)?;
            address.parse::<Ipv6Addr>().map_err(|_| EndpointError::Host)?;
            (
                "",
                port.strip_prefix(':')
                    .map(Some)
                    .or_else(|| port.is_empty().then_some(None))
                    .ok_or(EndpointError::Host)?,
            )
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let is_named = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if !authority.starts_with('[') && (host.is_empty() || !host.bytes().all(is_named)) {
        return Err(EndpointError::Host);
    }
    // A port that the HTTP library cannot read would be the scheme's own.
    let is_port = |port: &str| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port != 0)
    };
    if port.is_some_and(|port| !is_port(port)) {
        return Err(EndpointError::Port);
    }
    Ok(())
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.0.authority().map(Authority::as_str).unwrap_or_default();
        write!(f, "{}://{authority}{}", self.0.scheme_str().unwrap_or_default(), self.0.path())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is no [`Endpoint`]. Shows nothing of the text.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndpointError {
    /// There is nothing.
    Empty,
    /// It holds white space, a control character, or one outside ASCII.
    Character,
    /// It has a scheme other than http and https.
    Scheme,
    /// It has a fragment.
    Fragment,
    /// It has a user, and perhaps a password.
    UserInfo,
    /// It has no host, or what stands there is none.
    Host,
    /// It has a port that is none.
    Port,
    /// It is no URL in some other way.
    Malformed,
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "is empty: write https://host/path",
            Self::Character => "holds white space, or a character outside ASCII: percent-encode it, and write a host in its ASCII form (xn--…)",
            Self::Scheme => "has a scheme other than https and http",
            Self::Fragment => "has a fragment, which is never sent: remove what begins with `#`",
            Self::UserInfo => "holds a user, and perhaps a password: say who calls in `clientConfig.auth` or `clientConfig.customHeaders`",
            Self::Host => "has no host, or one that is neither a name nor an address: write https://host/path",
            Self::Port => "has a port that is not a number from 1 to 65535",
            Self::Malformed => "is not a URL: write https://host/path",
        })
    }
}

/// As it is displayed: this is what `main` prints.
impl fmt::Debug for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for EndpointError {}
