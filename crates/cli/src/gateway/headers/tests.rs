use std::net::IpAddr;

use super::*;
use crate::gateway::Peer;

const CLIENT: &str = "203.0.113.9";

fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

fn peer(trusted: bool) -> Peer {
    let mut peer = Peer::new(CLIENT.parse::<IpAddr>().unwrap());
    peer.is_trusted_proxy = trusted;
    peer.is_secure = true;
    peer
}

fn through(lines: &[(&'static str, &'static str)], trusted: bool) -> Vec<(String, String)> {
    let mut headers = map(lines);
    let host = HeaderValue::from_static("api.example");
    let forwarding = Forwarding { peer: Some(peer(trusted)), host: Some(&host) };
    request(&mut headers, Version::HTTP_11, Onward::Http1, &forwarding);
    let mut lines: Vec<(String, String)> =
        headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    lines.sort();
    lines
}

fn expected(lines: &[(&str, &str)]) -> Vec<(String, String)> {
    lines.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn a_clients_words_about_forwarding_are_replaced() {
    let sent = [
        ("forwarded", "for=1.2.3.4"),
        ("x-forwarded-for", "1.2.3.4"),
        ("x_forwarded_for", "1.2.3.4"),
        ("x-forwarded-proto", "ftp"),
        ("x-forwarded-host", "evil"),
        ("x-forwarded-uri", "/admin"),
        ("x-forwarded-prefix", "/admin"),
        ("x-real-ip", "1.2.3.4"),
        ("accept", "*/*"),
    ];
    assert_eq!(
        through(&sent, false),
        expected(&[
            ("accept", "*/*"),
            ("via", "1.1 portcullis"),
            ("x-forwarded-for", CLIENT),
            ("x-forwarded-host", "api.example"),
            ("x-forwarded-proto", "https"),
        ])
    );
}

#[test]
fn a_trusted_proxys_words_stay_and_the_hop_is_appended() {
    let sent = [
        ("forwarded", "for=1.2.3.4;proto=https"),
        ("x-forwarded-for", "9.9.9.9"),
        ("x-forwarded-for", "1.2.3.4"),
        ("x_forwarded_for", "6.6.6.6"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "www.example"),
        ("x-real-ip", "1.2.3.4"),
        ("via", "1.0 edge"),
    ];
    assert_eq!(
        through(&sent, true),
        expected(&[
            ("forwarded", "for=1.2.3.4;proto=https, for=203.0.113.9"),
            ("via", "1.0 edge"),
            ("via", "1.1 portcullis"),
            ("x-forwarded-for", "9.9.9.9, 1.2.3.4, 203.0.113.9"),
            ("x-forwarded-host", "www.example"),
            ("x-forwarded-proto", "http"),
            ("x-real-ip", "1.2.3.4"),
        ])
    );
}

#[test]
fn without_a_listeners_word_nothing_is_believed_and_nothing_claimed() {
    let mut headers = map(&[("x-forwarded-for", "1.2.3.4")]);
    request(&mut headers, Version::HTTP_2, Onward::Http1, &Forwarding { peer: None, host: None });
    assert_eq!(headers, map(&[("via", "2 portcullis")]));
}

#[test]
fn ipv6_hops_are_written_in_their_forms() {
    let mut headers = map(&[("forwarded", "for=_x")]);
    let mut peer = Peer::new("::ffff:192.0.2.1".parse().unwrap());
    peer.is_trusted_proxy = true;
    request(&mut headers, Version::HTTP_11, Onward::Http1, &Forwarding { peer: Some(peer), host: None });
    assert_eq!(headers["x-forwarded-for"], "192.0.2.1", "a mapped address is the IPv4 one");
    peer.address = "2001:db8::1".parse().unwrap();
    request(&mut headers, Version::HTTP_11, Onward::Http1, &Forwarding { peer: Some(peer), host: None });
    assert_eq!(headers["x-forwarded-for"], "192.0.2.1, 2001:db8::1");
    assert_eq!(headers["forwarded"], "for=_x, for=192.0.2.1, for=\"[2001:db8::1]\"");
}

#[test]
fn hop_by_hop_headers_go_and_a_wish_for_trailers_stays() {
    let sent = [
        ("connection", "keep-alive, te, x-hop, authorization"),
        ("keep-alive", "timeout=5"),
        ("te", "gzip, trailers"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("proxy-authorization", "Basic x"),
        ("x-hop", "x"),
        ("authorization", "Bearer x"),
        ("expect", "100-continue"),
        ("host", "api.example"),
        ("trailer", "x-checksum"),
    ];
    let left = through(&sent, false);
    let names: Vec<&str> = left.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "authorization",
            "connection",
            "te",
            "trailer",
            "via",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-proto"
        ]
    );
    assert!(left.contains(&("te".into(), "trailers".into())));
    assert!(left.contains(&("connection".into(), "te".into())));
}

#[test]
fn a_wish_for_trailers_is_not_named_where_http2_may_be_spoken() {
    let mut headers = map(&[("te", "trailers")]);
    request(&mut headers, Version::HTTP_2, Onward::Negotiated, &Forwarding { peer: None, host: None });
    assert_eq!(headers, map(&[("te", "trailers"), ("via", "2 portcullis")]));
}

#[test]
fn cookies_that_http2_split_are_joined() {
    let left = through(&[("cookie", "a=1"), ("cookie", "b=2; c=3"), ("cookie", "d=4")], false);
    assert!(left.contains(&("cookie".into(), "a=1; b=2; c=3; d=4".into())), "{left:?}");
}

#[test]
fn responses_lose_what_concerns_the_connection_alone() {
    let mut headers = map(&[
        ("connection", "close, x-hop, content-length, set-cookie"),
        ("keep-alive", "timeout=5"),
        ("proxy-authenticate", "Basic"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("x-hop", "x"),
        ("content-length", "5"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("trailer", "x-checksum"),
        ("x-auth-subject", "the upstream may say what it likes"),
    ]);
    response(&mut headers);
    let left = map(&[
        ("content-length", "5"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("trailer", "x-checksum"),
        ("x-auth-subject", "the upstream may say what it likes"),
    ]);
    assert_eq!(headers, left);
}
