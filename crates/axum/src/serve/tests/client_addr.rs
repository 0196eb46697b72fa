//! What is believed of forwarding headers.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

use crate::serve::TrustedProxies;

const PROXY: &str = "10.0.0.1";

/// The client of a request from `peer` with these lines, where `10.0.0.0/8` and `2001:db8:1::/48` are trusted.
fn client(peer: &str, lines: &[(&str, &str)]) -> String {
    let proxies = TrustedProxies::new(["10.0.0.0/8", "2001:db8:1::/48"]).unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers
            .append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    proxies.client(peer.parse().unwrap(), &headers).to_string()
}

#[test]
fn without_a_trusted_peer_no_header_is_believed() {
    for peer in ["192.0.2.1", "2001:db8::1"] {
        for (name, value) in [("x-forwarded-for", "198.51.100.1"), ("forwarded", "for=198.51.100.1")] {
            assert_eq!(client(peer, &[(name, value)]), peer);
        }
    }
    assert_eq!(client("::ffff:192.0.2.1", &[]), "192.0.2.1", "an IPv4 peer on an IPv6 socket");
}

#[test]
fn x_forwarded_for_is_walked_from_the_right_to_the_first_that_is_not_trusted() {
    for (value, expected) in [
        ("198.51.100.1", "198.51.100.1"),
        ("203.0.113.9, 198.51.100.1", "198.51.100.1"),
        ("203.0.113.9, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("203.0.113.9,198.51.100.1,10.0.0.3 ,\t10.0.0.2", "198.51.100.1"),
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("198.51.100.1:4711", "198.51.100.1"),
        ("198.51.100.1, 2001:db8:1::5", "198.51.100.1"),
        ("198.51.100.1, ::ffff:10.0.0.2", "198.51.100.1"),
        // What cannot be read ends the walk at the proxy that sent it.
        ("198.51.100.1, unknown, 10.0.0.2", "10.0.0.2"),
        ("198.51.100.1, , 10.0.0.2", "10.0.0.2"),
        ("198.51.100.1, 10.0.0.2, ", PROXY),
        ("", PROXY),
        ("198.51.100.1, 999.0.0.1", PROXY),
        ("198.51.100.1 203.0.113.9", PROXY),
        ("198.51.100.1:", PROXY),
        ("198.51.100.1:port", PROXY),
        ("198.51.100.1:123456", PROXY),
        ("[198.51.100.1]", PROXY),
        ("[2001:db8::1", PROXY),
        ("[2001:db8::1]x", PROXY),
        ("2001:db8::1%eth0", PROXY),
        ("0x0a000002", PROXY),
        ("010.0.0.2", PROXY),
        ("198.51.100.1\u{a0}", PROXY),
    ] {
        assert_eq!(client(PROXY, &[("x-forwarded-for", value)]), expected, "{value:?}");
    }
}

#[test]
fn several_lines_are_one_list() {
    let lines = |one, other| [("x-forwarded-for", one), ("x-forwarded-for", other)];
    assert_eq!(client(PROXY, &lines("203.0.113.9", "198.51.100.1")), "198.51.100.1");
    assert_eq!(client(PROXY, &lines("198.51.100.1", "10.0.0.2")), "198.51.100.1");
    assert_eq!(client(PROXY, &lines("198.51.100.1", "")), PROXY);
    let lines = |one, other| [("forwarded", one), ("forwarded", other)];
    assert_eq!(client(PROXY, &lines("for=198.51.100.1", "for=10.0.0.2")), "198.51.100.1");
    assert_eq!(client(PROXY, &lines("for=\"", "for=198.51.100.1")), "198.51.100.1");
}

#[test]
fn forwarded_is_read_as_rfc_7239_section_4_has_it() {
    for (value, expected) in [
        ("for=198.51.100.1", "198.51.100.1"),
        ("For=198.51.100.1", "198.51.100.1"),
        ("for=\"198.51.100.1:4711\"", "198.51.100.1"),
        ("for=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
        ("for=\"[2001:db8:cafe::17]\"", "2001:db8:cafe::17"),
        ("for=198.51.100.1;proto=http;by=203.0.113.43", "198.51.100.1"),
        ("proto=https ; for=198.51.100.1 ;; host=\"a;b,c\\\"\"", "198.51.100.1"),
        ("for=203.0.113.9, for=198.51.100.1;proto=http, for=10.0.0.2", "198.51.100.1"),
        ("for=198.51.100.1, , for=10.0.0.2,", "198.51.100.1"),
        ("for=\"\\1\\9\\8.51.100.1\"", "198.51.100.1"),
        // What cannot be read ends the walk.
        ("for=198.51.100.1, for=unknown, for=10.0.0.2", "10.0.0.2"),
        ("for=198.51.100.1, for=_hidden, for=10.0.0.2", "10.0.0.2"),
        ("for=198.51.100.1, proto=http, for=10.0.0.2", "10.0.0.2"),
        ("for=203.0.113.9;for=198.51.100.1", PROXY),
        ("", PROXY),
        ("for", PROXY),
        ("=198.51.100.1", PROXY),
        ("for =198.51.100.1", PROXY),
        ("for=198.51.100.1 for=203.0.113.9", PROXY),
        ("for=\"198.51.100.1\"x", PROXY),
        ("for=198.51.100.1\"", PROXY),
        ("for=\"198.51.100.1", PROXY),
        ("for=\"198.51.100.1\\", PROXY),
        ("198.51.100.1", PROXY),
    ] {
        assert_eq!(client(PROXY, &[("forwarded", value)]), expected, "{value:?}");
    }
}

/// RFC 7239 §8.1 warns of it: what a client sends stands to the left of what the proxy adds, in the same line.
#[test]
fn an_open_quote_hides_nothing_that_a_proxy_adds() {
    for sent in
        ["for=\"", "for=\"203.0.113.9", "for=203.0.113.9;x=\"", "x=\"\\", "\"", "for=203.0.113.9, x=\""]
    {
        for added in ["for=198.51.100.1", "for=\"198.51.100.1\"", "for=\"[2001:db8::1]\";proto=https"] {
            let found = client(PROXY, &[("forwarded", &format!("{sent}, {added}"))]);
            assert_ne!(found, "203.0.113.9", "{sent} {added}");
        }
    }
}

#[test]
fn two_headers_that_disagree_are_both_disbelieved() {
    let both = |one, other| client(PROXY, &[("forwarded", one), ("x-forwarded-for", other)]);
    assert_eq!(both("for=198.51.100.1", "198.51.100.1"), "198.51.100.1");
    assert_eq!(both("for=203.0.113.9", "198.51.100.1"), PROXY);
    assert_eq!(both("for=203.0.113.9", "unknown"), PROXY);
    assert_eq!(both("garbage", "198.51.100.1"), PROXY);
}

#[test]
fn a_long_list_takes_no_longer_than_its_length() {
    let value = "10.0.0.2, ".repeat(100_000) + "10.0.0.2";
    assert_eq!(client(PROXY, &[("x-forwarded-for", &value)]), "10.0.0.2");
    let value = "for=10.0.0.2, ".repeat(100_000) + "for=10.0.0.2";
    assert_eq!(client(PROXY, &[("forwarded", &value)]), "10.0.0.2");
}

#[test]
fn a_network_of_ipv4_mapped_addresses_is_one_of_ipv4() {
    for (network, inside, outside) in [
        ("::ffff:10.0.0.1", "10.0.0.1", "10.0.0.2"),
        ("::ffff:a00:1", "10.0.0.1", "10.0.0.2"),
        ("::ffff:10.0.0.1/128", "10.0.0.1", "10.0.0.2"),
        ("::ffff:10.0.0.0/104", "10.255.0.1", "11.0.0.1"),
        ("::ffff:0.0.0.0/96", "192.0.2.1", "2001:db8::1"),
        // Of more than those it is one of IPv6.
        ("::ffff:0.0.0.0/95", "::fffe:0:1", "10.0.0.1"),
        ("::10.0.0.1", "::10.0.0.1", "10.0.0.1"),
        ("10.0.0.0/8", "::ffff:10.0.0.1", "::10.0.0.1"),
    ] {
        let contains =
            |proxies: &TrustedProxies, text: &str| proxies.contains(text.parse::<IpAddr>().unwrap());
        let told = TrustedProxies::new([network]).unwrap();
        let made = network.parse::<IpNet>().or_else(|_| network.parse::<IpAddr>().map(IpNet::from)).unwrap();
        for proxies in [told, TrustedProxies::from(vec![made])] {
            assert!(contains(&proxies, inside), "{network} {inside}");
            assert!(!contains(&proxies, outside), "{network} {outside}");
        }
    }
}

#[test]
fn proxies_are_networks_or_addresses() {
    let proxies = TrustedProxies::new(["192.0.2.0/24", "198.51.100.1", "2001:db8::/32"]).unwrap();
    let contains = |text: &str| proxies.contains(text.parse::<IpAddr>().unwrap());
    for inside in ["192.0.2.255", "198.51.100.1", "2001:db8::5", "::ffff:192.0.2.1"] {
        assert!(contains(inside), "{inside}");
    }
    for outside in ["192.0.3.0", "198.51.100.2", "2001:db9::", "127.0.0.1"] {
        assert!(!contains(outside), "{outside}");
    }
    for wrong in ["", "localhost", "192.0.2.0/33", "192.0.2/24", "192.0.2.0/", "*"] {
        assert_eq!(
            TrustedProxies::new([wrong]).unwrap_err().to_string(),
            format!("{wrong:?} is neither an address nor a network in CIDR notation, such as \"10.0.0.0/8\""),
        );
    }
}
