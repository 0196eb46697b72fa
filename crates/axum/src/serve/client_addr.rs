//! Whose request it is, when proxies stand between.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::{HeaderMap, HeaderName, header::FORWARDED};
use ipnet::{IpNet, Ipv4Net};
use portcullis_core::BuildError;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The proxies whose forwarding headers are believed.
///
/// ```
/// use portcullis_axum::serve::TrustedProxies;
///
/// # fn main() -> Result<(), portcullis_core::BuildError> {
/// let proxies = TrustedProxies::new(["10.0.0.0/8", "2001:db8::1"])?;
/// assert!(proxies.contains([10, 1, 2, 3].into()));
/// assert!(!proxies.contains([192, 0, 2, 1].into()));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Networks in CIDR notation, or single addresses.
    ///
    /// # Errors
    ///
    /// Where one is neither.
    pub fn new<'t>(networks: impl IntoIterator<Item = &'t str>) -> Result<Self, BuildError> {
        networks.into_iter().map(Self::parse).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn parse(text: &str) -> Result<IpNet, BuildError> {
        let net = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        net.map(canonical).ok_or_else(|| {
            BuildError::new(format!(
                "{text:?} is neither an address nor a network in CIDR notation, such as \"10.0.0.0/8\""
            ))
        })
    }

    /// Whether this is the address of one of them.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|net| net.contains(&address))
    }

    /// The address of the client: the socket's peer, or what trusted proxies say of it.
    ///
    /// Each proxy adds the address that it saw to the right. From right to left, an address is believed if whoever
    /// added it is trusted; the first that is itself no trusted proxy is the client's. What cannot be read ends the
    /// walk at the proxy that sent it.
    ///
    /// A proxy maintains `Forwarded` or `X-Forwarded-For` and lets pass what the client sent under the other name.
    /// Which of them it maintains cannot be known, so where there are both and they disagree, neither is believed.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.contains(peer) {
            return peer;
        }
        let standard = headers.contains_key(FORWARDED).then(|| self.walk(peer, forwarded(headers)));
        let common = headers.contains_key(X_FORWARDED_FOR).then(|| self.walk(peer, x_forwarded_for(headers)));
        match (standard, common) {
            (Some(one), Some(other)) if one != other => peer,
            (one, other) => one.or(other).unwrap_or(peer),
        }
    }

    /// `nodes` come from right to left; `None` is one that cannot be read.
    fn walk(&self, peer: IpAddr, nodes: impl Iterator<Item = Option<IpAddr>>) -> IpAddr {
        let mut client = peer;
        for node in nodes {
            let Some(address) = node else { break };
            client = address;
            if !self.contains(address) {
                break;
            }
        }
        client
    }
}

impl From<Vec<IpNet>> for TrustedProxies {
    fn from(networks: Vec<IpNet>) -> Self {
        Self(networks.into_iter().map(canonical).collect())
    }
}

/// A network of IPv4-mapped addresses as one of IPv4: that is how addresses are compared.
fn canonical(net: IpNet) -> IpNet {
    match (net.addr().to_canonical(), net.prefix_len().checked_sub(96)) {
        (IpAddr::V4(address), Some(prefix)) if matches!(net, IpNet::V6(_)) => {
            Ipv4Net::new(address, prefix).map_or(net, IpNet::from)
        }
        _ => net,
    }
}

/// The addresses of `X-Forwarded-For`, from right to left.
fn x_forwarded_for(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    headers.get_all(X_FORWARDED_FOR).iter().rev().flat_map(|line| {
        // A line that is not ASCII has one part that cannot be read.
        line.to_str().unwrap_or_default().rsplit(',').map(|part| node(part.trim_matches([' ', '\t'])))
    })
}

/// The addresses of `Forwarded` (RFC 7239 §4), from right to left.
fn forwarded(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    headers.get_all(FORWARDED).iter().rev().flat_map(|line| {
        // A line can only be read from its left, because of quoted strings. One slip makes all of it unreadable:
        // behind a quote that was never closed stands what a proxy added, and reads as the client wants.
        let nodes = line.to_str().ok().and_then(forwarded_line).unwrap_or_else(|| vec![None]);
        nodes.into_iter().rev()
    })
}

/// RFC 7239 §4: `forwarded-element = [ forwarded-pair ] *( ";" [ forwarded-pair ] )`, separated by commas.
fn forwarded_line(line: &str) -> Option<Vec<Option<IpAddr>>> {
    let mut nodes = Vec::new();
    let mut rest = line;
    loop {
        let mut element = Element::default();
        let end = loop {
            rest = skip_blanks(rest);
            if !rest.starts_with([';', ',']) && !rest.is_empty() {
                rest = skip_blanks(element.pair(rest)?);
            }
            match rest.split_at_checked(1) {
                Some((";", after)) => rest = after,
                Some((",", after)) => break Some(after),
                Some(_) => return None,
                None => break None,
            }
        };
        nodes.extend(element.node());
        match end {
            Some(after) => rest = after,
            None => return Some(nodes),
        }
    }
}

#[derive(Default)]
struct Element {
    pairs: usize,
    nodes: Vec<Option<IpAddr>>,
}

impl Element {
    /// Reads a pair, and returns what follows it.
    fn pair<'l>(&mut self, text: &'l str) -> Option<&'l str> {
        let (name, text) = text.split_once('=')?;
        if name.is_empty()
            || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
        {
            return None;
        }
        let (value, rest) = match text.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let end = text.find([';', ',', ' ', '\t', '"']).unwrap_or(text.len());
                let (value, rest) = text.split_at_checked(end)?;
                (value.to_owned(), rest)
            }
        };
        self.pairs += 1;
        if name.eq_ignore_ascii_case("for") {
            self.nodes.push(node(&value));
        }
        Some(rest)
    }

    /// What the element says of the client: nothing where the list has an empty element, which a recipient ignores.
    fn node(self) -> Option<Option<IpAddr>> {
        match self.nodes.as_slice() {
            [] if self.pairs == 0 => None,
            // RFC 7239 §4: "Each parameter MUST NOT occur more than once per field-value."
            [one] => Some(*one),
            _ => Some(None),
        }
    }
}

/// A quoted-string (RFC 9110 §5.6.4) after its first quote, and what follows its last.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    loop {
        match characters.next()? {
            (at, '"') => return Some((value, text.get(at + 1..)?)),
            (_, '\\') => value.push(characters.next()?.1),
            (_, other) => value.push(other),
        }
    }
}

fn skip_blanks(text: &str) -> &str {
    text.trim_start_matches([' ', '\t'])
}

/// An address, perhaps with a port (RFC 7239 §6). `unknown` and obfuscated names are none.
fn node(text: &str) -> Option<IpAddr> {
    let address = if let Some(bracketed) = text.strip_prefix('[') {
        let (address, port) = bracketed.split_once(']')?;
        let port_is_one = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        IpAddr::V6(port_is_one.then(|| address.parse::<Ipv6Addr>().ok())??)
    } else if let Ok(address) = text.parse::<IpAddr>() {
        address
    } else {
        let (address, port) = text.split_once(':')?;
        IpAddr::V4(is_port(port).then(|| address.parse::<Ipv4Addr>().ok())??)
    };
    Some(address.to_canonical())
}

fn is_port(text: &str) -> bool {
    (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}
