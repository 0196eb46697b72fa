//! `Forwarded` (RFC 7239), as far as it was written by proxies that are believed.

use std::net::{IpAddr, Ipv6Addr};

use http::{HeaderMap, header};

/// What a proxy says of the request that it got.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    /// From where; `None` where it does not say, or not as an address alone.
    pub(super) node: Option<IpAddr>,
    pub(super) proto: Option<String>,
    pub(super) host: Option<String>,
}

/// The elements from the last to that which names `client`, whom the header is believed to name. Nothing is read beyond what
/// cannot be read: it may have been written by anybody.
pub(super) fn since(headers: &HeaderMap, client: IpAddr) -> Vec<Element> {
    let mut since = Vec::new();
    for line in headers.get_all(header::FORWARDED).iter().rev() {
        let Some(elements) = line.to_str().ok().and_then(read) else { break };
        for element in elements.into_iter().rev() {
            let is_last = element.node.is_none_or(|node| node == client);
            since.push(element);
            if is_last {
                return since;
            }
        }
    }
    since
}

/// One line. Stricter than [`TrustedProxies`](portcullis_axum::serve::TrustedProxies), which finds out who the client is: what is
/// unreadable there is so here.
fn read(line: &str) -> Option<Vec<Element>> {
    if line.contains('\\') {
        return None;
    }
    let elements = split(line, ',').map(element).collect::<Option<Vec<_>>>()?;
    Some(elements.into_iter().flatten().collect())
}

/// `None` where it cannot be read, and nothing where there is none: a recipient ignores empty elements of a list.
fn element(text: &str) -> Option<Option<Element>> {
    let (mut node_text, mut proto, mut host) = (None, None, None);
    let mut is_empty = true;
    for pair in split(text, ';').map(|pair| pair.trim_matches([' ', '\t'])).filter(|pair| !pair.is_empty()) {
        is_empty = false;
        let (name, value) = pair.split_once('=')?;
        if name.is_empty() || !name.bytes().all(is_token) {
            return None;
        }
        let value = match value.strip_prefix('"') {
            Some(quoted) => quoted.strip_suffix('"')?,
            None => value,
        };
        if value.contains(['"', ' ', '\t']) {
            return None;
        }
        let place = match name.to_ascii_lowercase().as_str() {
            "for" => &mut node_text,
            "proto" => &mut proto,
            "host" => &mut host,
            _ => continue,
        };
        // RFC 7239 §4: "Each parameter MUST NOT occur more than once per field-value."
        if place.replace(value).is_some() {
            return None;
        }
    }
    let element = || Element {
        node: node_text.and_then(node),
        proto: proto.map(str::to_ascii_lowercase),
        host: host.map(str::to_owned),
    };
    Some((!is_empty).then(element))
}

/// What stands between delimiters outside of quotes.
fn split(text: &str, delimiter: char) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    text.split(move |character| {
        is_quoted ^= character == '"';
        character == delimiter && !is_quoted
    })
}

/// RFC 9110 §5.6.2
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn node(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    text.parse().ok().or_else(bracketed).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use portcullis_axum::serve::TrustedProxies;
    use proptest::prelude::*;

    use super::*;

    const PEER: &str = "10.0.0.1";

    fn proxies() -> TrustedProxies {
        TrustedProxies::new(["10.0.0.0/8"]).unwrap()
    }

    fn headers(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::FORWARDED, HeaderValue::from_str(line).unwrap());
        }
        headers
    }

    fn told(lines: &[&str]) -> (String, Vec<Element>) {
        let headers = headers(lines);
        let client = proxies().client(PEER.parse().unwrap(), &headers);
        (client.to_string(), since(&headers, client))
    }

    fn element(node: &str, proto: &str, host: &str) -> Element {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Element { node: node.parse().ok(), proto: text(proto), host: text(host) }
    }

    #[test]
    fn the_elements_of_trusted_proxies_are_read_to_the_one_that_names_the_client() {
        for (lines, client, expected) in [
            (
                &["for=192.0.2.7;proto=https;host=a"][..],
                "192.0.2.7",
                vec![element("192.0.2.7", "https", "a")],
            ),
            (
                &["For=\"[2001:db8::7]\" ; PROTO=HTTPS;by=x ;HOST=\"a:1\""],
                "2001:db8::7",
                vec![element("2001:db8::7", "https", "a:1")],
            ),
            // What the client sent stands before it.
            (
                &["for=1.2.3.4;proto=https;host=evil", "for=192.0.2.7;proto=http"],
                "192.0.2.7",
                vec![element("192.0.2.7", "http", "")],
            ),
            (
                &["for=1.2.3.4;host=evil, for=192.0.2.7;host=a,,for=10.2.2.2;proto=http"],
                "192.0.2.7",
                vec![element("10.2.2.2", "http", ""), element("192.0.2.7", "", "a")],
            ),
            // A name that is none, or an address with a port, ends the walk where it stands.
            (&["for=1.2.3.4, for=_hidden;proto=https"], PEER, vec![element("", "https", "")]),
            (&["for=1.2.3.4;host=evil, proto=https"], PEER, vec![element("", "https", "")]),
            (&["for=1.2.3.4, for=\"192.0.2.7:80\";host=a"], "192.0.2.7", vec![element("", "", "a")]),
            (&["for=10.2.2.2;host=a"], "10.2.2.2", vec![element("10.2.2.2", "", "a")]),
        ] {
            assert_eq!(told(lines), (client.to_owned(), expected), "{lines:?}");
        }
    }

    #[test]
    fn nothing_is_read_beyond_a_line_that_cannot_be_read() {
        for line in [
            "for=192.0.2.7;host=\"a",
            "for=192.0.2.7;host=\"a\"b",
            "for=192.0.2.7;host=a b",
            "for=192.0.2.7;=a",
            "for=192.0.2.7;host",
            "for=192.0.2.7;ho st=a",
            "for=192.0.2.7;host=a;host=b",
            "for=192.0.2.7;for=192.0.2.8",
            "for=192.0.2.7;host=\"a\\\"\"",
        ] {
            let (_, told) = told(&["for=10.0.0.1;host=evil", line]);
            assert_eq!(told, [], "{line}");
        }
        assert_eq!(told(&[]), (PEER.to_owned(), vec![]));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_is_read_was_written_by_a_trusted_proxy(
            lines in prop::collection::vec(
                prop::collection::vec(
                    "(for=|For=|proto=|host=|by=|x|)(10\\.0\\.0\\.1|10\\.2\\.2\\.2|1\\.2\\.3\\.4|\"?\\[?::ffff:10\\.0\\.0\\.1\\]?\"?|_x|\"|\\\\)[ ;,=]{0,2}",
                    0..5,
                ).prop_map(|parts| parts.concat()),
                0..4,
            ),
        ) {
            let headers = headers(&lines.iter().map(String::as_str).collect::<Vec<_>>());
            let client = proxies().client(PEER.parse().unwrap(), &headers);
            let since = since(&headers, client);
            // Each but the last names who wrote the one before it.
            let writers = since.iter().rev().skip(1).rev();
            for writer in writers {
                prop_assert!(writer.node.is_some_and(|node| proxies().contains(node)), "{:?}", lines);
            }
            let last = since.last().and_then(|last| last.node);
            prop_assert!(last.is_none_or(|node| node == client || proxies().contains(node)), "{:?}", lines);
        }
    }
}
