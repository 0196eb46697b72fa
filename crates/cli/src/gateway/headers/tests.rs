use portcullis_axum::serve::TrustedProxies;

use super::*;
use crate::gateway::{Connection, Peer};

const CLIENT: &str = "203.0.113.9";

fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

/// Who calls over TLS from [`CLIENT`], a proxy that is trusted, as is 10.0.0.0/8, or is not.
fn peer(headers: &HeaderMap, trusted: bool) -> Peer {
    let proxies = if trusted { &[CLIENT, "10.0.0.0/8"][..] } else { &[] };
    let proxies = TrustedProxies::new(proxies.iter().copied()).unwrap();
    Connection::new(CLIENT.parse().unwrap(), true).peer(headers, &proxies)
}

fn through(lines: &[(&'static str, &'static str)], trusted: bool) -> Vec<(String, String)> {
    let mut headers = map(lines);
    let host = HeaderValue::from_static("api.example");
    let forwarding = Forwarding { peer: Some(peer(&headers, trusted)), host: Some(&host) };
    request(&mut headers, Version::HTTP_11, Onward::Http1, &forwarding);
    let mut lines: Vec<(String, String)> =
        headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    lines.sort();
    lines
}

/// What the server behind is told by a trusted proxy: `Forwarded`, `X-Forwarded-For`, `-Proto`, `-Host`.
fn told(lines: &[(&'static str, &'static str)]) -> [String; 4] {
    let told = through(lines, true);
    ["forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"].map(|name| {
        told.iter()
            .filter(|(told, _)| told == name)
            .map(|(_, value)| value.as_str())
            .collect::<Vec<_>>()
            .join(" | ")
    })
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
        ("x-forwarded-for", "9.9.9.9"),
        ("x-forwarded-for", "1.2.3.4"),
        ("x_forwarded_for", "6.6.6.6"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "www.example"),
        ("x-forwarded-prefix", "/shop"),
        ("x-real-ip", "1.2.3.4"),
        ("via", "1.0 edge"),
    ];
    let mut left = expected(&[
        ("via", "1.0 edge"),
        ("via", "1.1 portcullis"),
        ("x-forwarded-for", "9.9.9.9, 1.2.3.4, 203.0.113.9"),
        ("x-forwarded-host", "www.example"),
        ("x-forwarded-prefix", "/shop"),
        ("x-forwarded-proto", "http"),
        ("x-real-ip", "1.2.3.4"),
    ]);
    assert_eq!(through(&sent, true), left);
    // The same client in both.
    let both = [&[("forwarded", "for=1.2.3.4;by=x;proto=HTTP")][..], &sent].concat();
    left.insert(0, ("forwarded".into(), "for=1.2.3.4;by=x;proto=HTTP, for=203.0.113.9".into()));
    assert_eq!(through(&both, true), left);
}

#[test]
fn a_client_that_is_told_in_forwarded_alone_is_told_in_both() {
    let more = [
        ("x-forwarded-proto", "gopher"),
        ("x-forwarded-host", "evil"),
        ("x-forwarded-prefix", "/admin"),
        ("x-real-ip", "6.6.6.6"),
    ];
    for (forwarded, [list, addresses, proto, host]) in [
        (
            "for=192.0.2.7;proto=http;host=www.example",
            [
                "for=192.0.2.7;proto=http;host=www.example, for=203.0.113.9",
                "192.0.2.7, 203.0.113.9",
                "http",
                "www.example",
            ],
        ),
        (
            "for=192.0.2.7",
            ["for=192.0.2.7, for=203.0.113.9", "192.0.2.7, 203.0.113.9", "https", "api.example"],
        ),
        (
            "for=6.6.6.6;host=evil, for=\"[2001:db8::7]:80\";proto=http",
            [
                "for=6.6.6.6;host=evil, for=\"[2001:db8::7]:80\";proto=http, for=203.0.113.9",
                "2001:db8::7, 203.0.113.9",
                "http",
                "api.example",
            ],
        ),
        (
            "for=6.6.6.6, for=192.0.2.7;host=a, for=10.0.0.3, for=10.0.0.2;host=b",
            [
                "for=6.6.6.6, for=192.0.2.7;host=a, for=10.0.0.3, for=10.0.0.2;host=b, for=203.0.113.9",
                "192.0.2.7, 10.0.0.3, 10.0.0.2, 203.0.113.9",
                "https",
                "a",
            ],
        ),
        (
            "for=6.6.6.6, for=_x;proto=http",
            ["for=6.6.6.6, for=_x;proto=http, for=203.0.113.9", "203.0.113.9", "http", "api.example"],
        ),
    ] {
        let sent = [&[("forwarded", forwarded)][..], &more].concat();
        assert_eq!(told(&sent), [list, addresses, proto, host], "{forwarded}");
        let names = through(&sent, true);
        assert!(
            !names.iter().any(|(name, _)| matches!(&**name, "x-real-ip" | "x-forwarded-prefix")),
            "{names:?}"
        );
    }
}

/// Whoever knows his own address can write a `Forwarded` that agrees with the proxy's `X-Forwarded-For`.
#[test]
fn what_the_proxy_does_not_say_beside_its_own_list_no_client_can_say_in_forwarded() {
    let sent = [("forwarded", "for=192.0.2.7;proto=http;host=evil"), ("x-forwarded-for", "192.0.2.7")];
    let [_, addresses, proto, host] = told(&sent);
    assert_eq!([addresses, proto, host], ["192.0.2.7, 203.0.113.9", "https", "api.example"]);
    let alone = [("forwarded", "for=192.0.2.7;proto=http;host=www")];
    let [_, addresses, proto, host] = told(&alone);
    assert_eq!([addresses, proto, host], ["192.0.2.7, 203.0.113.9", "http", "www"]);
}

#[test]
fn where_two_headers_name_two_clients_neither_goes_on() {
    for (forwarded, x_forwarded) in [
        ("for=192.0.2.7;host=a", "6.6.6.6"),
        ("for=6.6.6.6", "192.0.2.7"),
        ("for=192.0.2.7", "unknown"),
        ("for=_x", "6.6.6.6, unknown"),
    ] {
        let sent = [
            ("forwarded", forwarded),
            ("x-forwarded-for", x_forwarded),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "evil"),
            ("x-real-ip", "6.6.6.6"),
        ];
        let left = expected(&[
            ("via", "1.1 portcullis"),
            ("x-forwarded-for", CLIENT),
            ("x-forwarded-host", "api.example"),
            ("x-forwarded-proto", "https"),
        ]);
        assert_eq!(through(&sent, true), left, "{forwarded} {x_forwarded}");
    }
}

#[test]
fn a_scheme_or_host_on_which_two_headers_differ_is_the_gateways_own() {
    let sent = |proto, host| {
        told(&[
            ("forwarded", "for=192.0.2.7;proto=http;host=a.example"),
            ("x-forwarded-for", "192.0.2.7"),
            ("x-forwarded-proto", proto),
            ("x-forwarded-host", host),
        ])
    };
    assert_eq!(sent("http", "A.example")[2..], ["http", "A.example"]);
    assert_eq!(sent("gopher", "a.example")[2..], ["https", "a.example"]);
    assert_eq!(sent("http", "evil")[2..], ["http", "api.example"]);
}

#[test]
fn without_a_listeners_word_nothing_is_believed_and_nothing_claimed() {
    let mut headers = map(&[("x-forwarded-for", "1.2.3.4")]);
    request(&mut headers, Version::HTTP_2, Onward::Http1, &Forwarding { peer: None, host: None });
    assert_eq!(headers, map(&[("via", "2 portcullis")]));
}

#[test]
fn ipv6_hops_are_written_in_their_forms() {
    let mut headers = map(&[("forwarded", "for=_x"), ("x-forwarded-for", "_x")]);
    let mut peer = Peer::new("::ffff:192.0.2.1".parse().unwrap());
    (peer.believes_forwarded, peer.believes_x_forwarded) = (true, true);
    request(&mut headers, Version::HTTP_11, Onward::Http1, &Forwarding { peer: Some(peer), host: None });
    assert_eq!(headers["x-forwarded-for"], "_x, 192.0.2.1", "a mapped address is the IPv4 one");
    peer.address = "2001:db8::1".parse().unwrap();
    request(&mut headers, Version::HTTP_11, Onward::Http1, &Forwarding { peer: Some(peer), host: None });
    assert_eq!(headers["x-forwarded-for"], "_x, 192.0.2.1, 2001:db8::1");
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

#[test]
fn a_length_beside_a_transfer_coding_says_nothing() {
    for (sent, left) in [
        (&[("content-length", "5"), ("transfer-encoding", "chunked")][..], &[][..]),
        (
            &[("content-length", "5"), ("connection", "transfer-encoding"), ("transfer-encoding", "chunked")],
            &[],
        ),
        (&[("content-length", "5")], &[("content-length", "5")]),
    ] {
        let mut headers = map(sent);
        response(&mut headers);
        assert_eq!(headers, map(left), "{sent:?}");
    }
}
