//! Scheme, host and port: where a credential may go.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use http::{Uri, uri::Authority};

/// Where a request goes, as its URL says it. The `Host` header plays no role.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    scheme: Scheme,
    /// Empty where there is none.
    authority: &'a str,
}

/// A scheme, as far as it matters here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    /// There is none.
    None,
    /// http. A WebSocket's scheme is that of the request which opens it (RFC 6455 §4.1).
    Plain,
    /// https.
    Secure,
    Other,
}

impl Scheme {
    #[inline]
    fn of(scheme: Option<&str>) -> Self {
        match scheme {
            // Of a length that is known here, they are compared without a call.
            Some("https") => Self::Secure,
            Some("http") => Self::Plain,
            Some(scheme) => Self::read(scheme),
            None => Self::None,
        }
    }

    #[cold]
    fn read(scheme: &str) -> Self {
        match scheme {
            _ if scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("wss") => Self::Secure,
            _ if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("ws") => Self::Plain,
            _ => Self::Other,
        }
    }
}

impl<'a> Target<'a> {
    /// A URL's scheme, and what stands between it and the path; user-info in it plays no role.
    #[inline]
    #[must_use]
    pub fn new(scheme: Option<&'a str>, authority: Option<&'a str>) -> Self {
        Self { scheme: Scheme::of(scheme), authority: authority.unwrap_or_default() }
    }

    pub(super) const fn has_authority(&self) -> bool {
        !self.authority.is_empty()
    }

    /// Its origin; an error where it has none.
    pub(super) fn locate(&self) -> Result<Located<'a>, NotLocated> {
        let secure = match self.scheme {
            _ if !self.has_authority() => return Err(NotLocated::Relative),
            Scheme::None => return Err(NotLocated::Relative),
            Scheme::Other => return Err(NotLocated::Scheme),
            scheme => scheme == Scheme::Secure,
        };
        let (host, port) = split_authority(self.authority).ok_or(NotLocated::Authority)?;
        Ok(Located { secure, host, port: port.unwrap_or_else(|| default_port(secure)) })
    }
}

impl<'a> From<&'a Uri> for Target<'a> {
    #[inline]
    fn from(uri: &'a Uri) -> Self {
        Self {
            scheme: Scheme::of(uri.scheme_str()),
            authority: uri.authority().map_or("", Authority::as_str),
        }
    }
}

/// Shows the origin and nothing else of the URL.
impl fmt::Debug for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.locate() {
            Ok(located) => write!(f, "Target({located})"),
            Err(_) => f.write_str("Target"),
        }
    }
}

/// Why a target has no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotLocated {
    /// No scheme, or no host.
    Relative,
    /// Another scheme than http, https, ws and wss.
    Scheme,
    /// Not host and port.
    Authority,
}

/// The origin of a target.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Located<'a> {
    pub(super) secure: bool,
    host: &'a str,
    port: u16,
}

impl Located<'_> {
    /// Whether it is on this machine: `localhost`, 127.0.0.0/8 or ::1.
    pub(super) fn is_loopback(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost")
            || bare(self.host).parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// RFC 6454 §5.
    pub(super) fn same_origin(&self, other: &Self) -> bool {
        self.secure == other.secure && self.port == other.port && same_host(self.host, other.host)
    }
}

impl fmt::Display for Located<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.host)?;
        if self.port == default_port(self.secure) { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

/// An origin that credentials may go to.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Origin {
    scheme: Scheme,
    /// In lower case.
    host: Box<str>,
    port: u16,
    /// Host and port as nearly every request spells them.
    spelled: Box<str>,
}

impl Origin {
    /// The origin of a URL that has one.
    pub(super) fn of(located: Located<'_>) -> Self {
        let host = located.host.to_ascii_lowercase();
        let spelled = if located.port == default_port(located.secure) {
            host.clone()
        } else {
            format!("{host}:{}", located.port)
        };
        let scheme = if located.secure { Scheme::Secure } else { Scheme::Plain };
        Self { scheme, host: host.into(), port: located.port, spelled: spelled.into() }
    }

    pub(super) fn located(&self) -> Located<'_> {
        Located { secure: self.scheme == Scheme::Secure, host: &self.host, port: self.port }
    }

    /// Whether `target` spells this origin as it usually is. `false` says nothing.
    #[inline]
    pub(super) fn is_spelled(&self, target: &Target<'_>) -> bool {
        target.scheme == self.scheme && is_same(target.authority.as_bytes(), self.spelled.as_bytes())
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.located(), f)
    }
}

/// Whether they are equal: without a call where they are as short as most names of hosts.
#[inline]
fn is_same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len()
        && if matches!(a.len(), 8..=16) {
            // The two parts may overlap.
            a.first_chunk::<8>() == b.first_chunk() && a.last_chunk::<8>() == b.last_chunk()
        } else {
            a == b
        }
}

const fn default_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

/// Host and port. `None` where they could be read in two ways.
fn split_authority(authority: &str) -> Option<(&str, Option<u16>)> {
    // Clients connect to what follows the last one.
    let host_port = authority.rsplit_once('@').map_or(authority, |(_, host_port)| host_port);
    let end = if host_port.starts_with('[') {
        host_port.find(']')? + 1
    } else {
        host_port.find(':').unwrap_or(host_port.len())
    };
    let (host, port) = host_port.split_at_checked(end)?;
    if host.is_empty() {
        return None;
    }
    match port.strip_prefix(':') {
        None => port.is_empty().then_some((host, None)),
        // RFC 3986 §3.2.3: the colon may stand there with no port after it.
        Some("") => Some((host, None)),
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().ok().filter(|port| *port != 0).map(|port| (host, Some(port)))
        }
        Some(_) => None,
    }
}

/// An IPv6 address without its brackets.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

fn same_host(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b) || ipv6(a).is_some_and(|address| ipv6(b) == Some(address))
}

fn ipv6(host: &str) -> Option<Ipv6Addr> {
    host.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests;
