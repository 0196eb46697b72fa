//! Addresses of directories: `ldap://host:port` and `ldaps://host:port`.

use std::{fmt, net::IpAddr};

/// The address of a directory.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ServerUrl {
    /// Without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// TLS from the first byte.
    pub(crate) ldaps: bool,
}

impl ServerUrl {
    /// Reads an address. The error shows nothing of it: it may hold a password where none belongs.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = text.split_once("://").ok_or("begins with neither `ldap://` nor `ldaps://`")?;
        let ldaps = match scheme.to_ascii_lowercase().as_str() {
            "ldap" => false,
            "ldaps" => true,
            _ => return Err("begins with neither `ldap://` nor `ldaps://`"),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains('@') {
            return Err("holds a user: the service's name goes into `connectionName`");
        }
        if authority.contains(['/', '?', '#']) {
            return Err("holds more than a host and a port: the base of searches goes into `userSearchBase`");
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or("has no host")?;
                host.parse::<std::net::Ipv6Addr>().map_err(|_| "has no host")?;
                (host, if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or(PORT)?) })
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        let named = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':');
        if host.is_empty() || !host.bytes().all(named) {
            return Err("has no host");
        }
        let port = match port {
            None if ldaps => 636,
            None => 389,
            Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().ok().filter(|port| *port != 0).ok_or(PORT)?
            }
            Some(_) => return Err(PORT),
        };
        Ok(Self { host: host.to_owned(), port, ldaps })
    }

    /// Whether it is on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost")
            || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

const PORT: &str = "has a port that is none";

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.ldaps { "ldaps" } else { "ldap" };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        for (text, expected, loopback) in [
            ("ldap://localhost:20000", "ldap://localhost:20000", true),
            ("LDAPS://dir.example.org", "ldaps://dir.example.org:636", false),
            ("ldap://dir/", "ldap://dir:389", false),
            ("ldap://127.0.0.9:1", "ldap://127.0.0.9:1", true),
            ("ldap://[::1]:389", "ldap://[::1]:389", true),
            ("ldap://LocalHost", "ldap://LocalHost:389", true),
            ("ldap://localhost.example", "ldap://localhost.example:389", false),
            ("ldap://127.0.0.1.example", "ldap://127.0.0.1.example:389", false),
            ("ldap://0.0.0.0", "ldap://0.0.0.0:389", false),
            ("ldap://[::ffff:10.0.0.1]", "ldap://[::ffff:10.0.0.1]:389", false),
            ("ldaps://[2001:db8::1]", "ldaps://[2001:db8::1]:636", false),
        ] {
            let url = ServerUrl::parse(text).unwrap();
            assert_eq!((url.to_string().as_str(), url.is_loopback()), (expected, loopback));
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (text, reason) in [
            ("localhost:389", "begins with neither"),
            ("http://localhost", "begins with neither"),
            ("ldapi://%2fvar", "begins with neither"),
            ("ldap://", "has no host"),
            ("ldap://a b", "has no host"),
            ("ldap://[::1", "has no host"),
            ("ldap://[x]:1", "has no host"),
            ("ldap://h:0", PORT),
            ("ldap://h:99999", PORT),
            ("ldap://h:+1", PORT),
            ("ldap://h:", PORT),
            ("ldap://cn=admin:canary@h", "holds a user"),
            ("ldap://h/dc=x", "holds more than a host"),
            ("ldap://h?x", "holds more than a host"),
        ] {
            assert!(ServerUrl::parse(text).unwrap_err().starts_with(reason), "{text}");
        }
    }
}
