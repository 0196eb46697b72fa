//! URLs that may be called.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use portcullis_outbound::{ClientConfig, Endpoint, EndpointError};

fn shown(text: &str) -> String {
    Endpoint::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).to_string()
}

#[test]
fn a_url_without_a_scheme_is_https() {
    for (text, expected) in [
        ("localhost:9445/oauth2/introspect", "https://localhost:9445/oauth2/introspect"),
        ("example.org", "https://example.org/"),
        ("example.org?a=b", "https://example.org/"),
        ("example.org/to?url=http://x", "https://example.org/to"),
        ("example.org/a://b", "https://example.org/a://b"),
        ("HTTP://Example.org/A", "http://Example.org/A"),
        ("https://example.org", "https://example.org/"),
        ("[::1]:8080/x", "https://[::1]:8080/x"),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
}

#[test]
fn what_may_not_be_called_is_refused_with_its_reason() {
    for (text, expected) in [
        ("", EndpointError::Empty),
        (" https://example.org", EndpointError::Character),
        ("https://example.org/a b", EndpointError::Character),
        ("https://example.org/\r\nX: y", EndpointError::Character),
        ("https://example.org/\0", EndpointError::Character),
        ("https://bücher.example/", EndpointError::Character),
        ("https://example.org/ü", EndpointError::Character),
        ("ftp://example.org/", EndpointError::Scheme),
        ("file:///etc/passwd", EndpointError::Scheme),
        ("gopher://example.org", EndpointError::Scheme),
        ("://example.org", EndpointError::Scheme),
        ("https://example.org/#a", EndpointError::Fragment),
        ("https://example.org#", EndpointError::Fragment),
        ("https://user:canary@example.org/", EndpointError::UserInfo),
        ("https://example.org@evil.example/", EndpointError::UserInfo),
        ("mailto:canary@example.org", EndpointError::UserInfo),
        ("https://", EndpointError::Host),
        ("https:///path", EndpointError::Host),
        ("//example.org/path", EndpointError::Host),
        ("/path", EndpointError::Host),
        ("https://:443/", EndpointError::Host),
        ("https://[::1/", EndpointError::Host),
        ("https://[zz]/", EndpointError::Host),
        ("https://[::1%25eth0]/", EndpointError::Host),
        ("https://[::1]x/", EndpointError::Host),
        ("https://exa%6dple.org/", EndpointError::Host),
        ("https://a\\b/", EndpointError::Host),
        ("https://example.org:/", EndpointError::Port),
        ("https:/example.org/", EndpointError::Port),
        ("https://example.org:0/", EndpointError::Port),
        ("https://example.org:65536/", EndpointError::Port),
        ("https://example.org:+80/", EndpointError::Port),
        ("https://example.org:80:80/", EndpointError::Port),
        ("https://[::1]:x/", EndpointError::Port),
        ("javascript:alert(1)", EndpointError::Port),
    ] {
        let error = Endpoint::parse(text).unwrap_err();
        assert_eq!(error, expected, "{text}");
        assert!(!error.to_string().contains("canary"));
        assert_eq!(format!("{error:?}"), error.to_string(), "what `main` prints says what to do");
    }
    assert_eq!(Endpoint::parse(&format!("https://a/{}", "x".repeat(1 << 17))), Err(EndpointError::Malformed));
}

#[test]
fn loopback_is_localhost_and_the_addresses_of_this_machine() {
    for (host, expected) in [
        ("localhost", true),
        ("LOCALHOST", true),
        ("127.0.0.1", true),
        ("127.255.255.254", true),
        ("[::1]", true),
        ("[0:0:0:0:0:0:0:1]", true),
        ("localhost.example.org", false),
        ("127.0.0.1.example.org", false),
        ("xlocalhost", false),
        ("128.0.0.1", false),
        ("0.0.0.0", false),
        ("10.0.0.1", false),
        ("[::2]", false),
        ("[::ffff:10.0.0.1]", false),
    ] {
        let endpoint = Endpoint::parse(&format!("http://{host}:80/")).unwrap();
        assert_eq!(endpoint.is_loopback(), expected, "{host}");
        assert_eq!(ClientConfig::new().permits(&endpoint).is_ok(), expected, "{host}");
        assert!(ClientConfig::new().allow_insecure_http(true).permits(&endpoint).is_ok());
        let secure = Endpoint::parse(host).unwrap();
        assert!(secure.is_secure() && ClientConfig::new().permits(&secure).is_ok(), "{host}");
    }
    let far = Endpoint::parse("http://example.org").unwrap();
    assert!(ClientConfig::new().permits(&far).unwrap_err().contains("allowInsecureHttp"));
}

#[test]
fn an_origin_is_scheme_host_and_port() {
    let origin = Endpoint::parse("https://example.org/a").unwrap();
    for (text, expected) in [
        ("https://EXAMPLE.org:443/b?c", true),
        ("http://example.org/a", false),
        ("http://example.org:443/a", false),
        ("https://example.org:444/a", false),
        ("https://example.org.evil.example/a", false),
    ] {
        assert_eq!(origin.same_origin(&Endpoint::parse(text).unwrap()), expected, "{text}");
    }
    assert_eq!((origin.host(), origin.port()), ("example.org", 443));
    assert_eq!(Endpoint::parse("http://[::1]").unwrap().port(), 80);
}

#[test]
fn metadata_is_found_before_and_after_the_path() {
    for (issuer, appended, prepended) in [
        ("https://example.org", "https://example.org/.well-known/x", "https://example.org/.well-known/x"),
        ("https://example.org/", "https://example.org/.well-known/x", "https://example.org/.well-known/x"),
        (
            "https://example.org/realms/a/",
            "https://example.org/realms/a/.well-known/x",
            "https://example.org/.well-known/x/realms/a",
        ),
        ("http://[::1]:8080/a?b", "http://[::1]:8080/a/.well-known/x", "http://[::1]:8080/.well-known/x/a"),
    ] {
        let issuer = Endpoint::parse(issuer).unwrap();
        assert_eq!(issuer.with_path_appended("/.well-known/x").unwrap().uri(), appended);
        assert_eq!(issuer.with_path_prepended("/.well-known/x").unwrap().uri(), prepended);
    }
    let issuer = Endpoint::parse("https://example.org").unwrap();
    assert_eq!(issuer.with_path_appended("/a b"), Err(EndpointError::Character));
    // What does not begin with a slash would go on with the name of the host.
    for part in [":x@evil.example", ".evil.example", "x", ":1", "?x", ""] {
        assert_eq!(issuer.with_path_appended(part), Err(EndpointError::Malformed), "{part}");
        assert_eq!(issuer.with_path_prepended(part), Err(EndpointError::Malformed), "{part}");
    }
}

#[test]
fn a_query_is_sent_and_never_shown() {
    let endpoint = Endpoint::parse("https://example.org/keys?key=canary").unwrap();
    assert_eq!(endpoint.uri(), "https://example.org/keys?key=canary");
    assert_eq!(format!("{endpoint} {endpoint:?}"), "https://example.org/keys https://example.org/keys");
}
