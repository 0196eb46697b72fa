use super::*;

fn target(url: &str) -> Target<'_> {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            Target::new(Some(scheme), rest.get(..end))
        }
        None => Target::new(None, None),
    }
}

fn same(a: &str, b: &str) -> bool {
    let origin = Origin::of(target(a).locate().unwrap());
    let spelled = origin.is_spelled(&target(b));
    let same = target(b).locate().is_ok_and(|located| origin.located().same_origin(&located));
    assert!(same || !spelled, "{a} {b}: what is spelled alike is the same");
    same
}

#[test]
fn an_origin_is_scheme_host_and_port_however_they_are_spelled() {
    for (a, b) in [
        ("https://orders.example", "https://orders.example/v2?x=y"),
        ("https://orders.example", "https://ORDERS.Example:443/"),
        ("https://orders.example:443", "https://orders.example"),
        ("https://orders.example", "https://orders.example:/"),
        ("https://orders.example", "HTTPS://orders.example"),
        ("https://orders.example", "wss://orders.example/socket"),
        ("wss://orders.example:443", "https://orders.example"),
        ("http://localhost", "ws://LOCALHOST:80"),
        ("http://localhost", "WS://localhost"),
        ("https://orders.example:8443", "https://orders.example:08443"),
        ("https://[::1]:8443", "https://[0:0:0:0:0:0:0:1]:8443"),
        ("https://[2001:DB8::A]", "https://[2001:db8::a]"),
        ("https://10.0.0.1", "https://10.0.0.1:443"),
        // Who is greeted there is not where it goes.
        ("https://orders.example", "https://user:p%40ss@orders.example/"),
        ("https://orders.example", "https://evil.example@orders.example/"),
    ] {
        assert!(same(a, b), "{a} {b}");
    }
}

#[test]
fn another_scheme_host_or_port_is_another_origin() {
    for (a, b) in [
        ("https://orders.example", "http://orders.example"),
        ("https://orders.example", "http://orders.example:443"),
        ("https://orders.example", "ws://orders.example"),
        ("http://localhost:80", "https://localhost:80"),
        ("https://orders.example", "https://orders.example:8443"),
        ("https://orders.example:8443", "https://orders.example"),
        ("https://orders.example", "https://orders.example."),
        ("https://orders.example", "https://evil.orders.example"),
        ("https://orders.example", "https://orders.example.evil"),
        ("https://orders.example", "https://orders.exampl"),
        ("https://orders.example", "https://orders%2eexample"),
        ("https://orders.example", "https://orders.example@evil.example/"),
        ("https://orders.example", "https://orders.example:443@evil.example/"),
        ("https://orders.example", "https://a@orders.example@evil.example/"),
        ("https://[::1]", "https://[::2]"),
        ("https://[::1]", "https://127.0.0.1"),
        ("https://[::ffff:10.0.0.1]", "https://10.0.0.1"),
    ] {
        assert!(!same(a, b), "{a} {b}");
    }
}

#[test]
fn what_could_be_read_in_two_ways_is_no_origin() {
    for url in [
        "https://orders.example:99999/",
        "https://orders.example:0",
        "https://orders.example:+443",
        "https://orders.example:443:443",
        "https://orders.example:44x",
        "https://:443",
        "https://user@:443",
        "https://[::1",
        "https://[::1]x",
        "https://[::1].evil.example",
    ] {
        assert_eq!(target(url).locate().err(), Some(NotLocated::Authority), "{url}");
    }
    for url in ["ftp://orders.example", "httpss://orders.example", "://orders.example", "data://x"] {
        assert_eq!(target(url).locate().err(), Some(NotLocated::Scheme), "{url}");
    }
    for target in [
        Target::new(None, None),
        Target::new(None, Some("orders.example")),
        Target::new(Some("https"), None),
        Target::new(Some("https"), Some("")),
    ] {
        assert_eq!(target.locate().err(), Some(NotLocated::Relative), "{target:?}");
    }
}

#[test]
fn this_machine_is_told_by_name_and_address_and_nothing_else_is() {
    for url in [
        "http://localhost:8080",
        "http://LocalHost",
        "http://127.0.0.1",
        "http://127.255.0.3:1",
        "http://[::1]:80",
        "http://[0::1]",
        "http://me@localhost",
    ] {
        assert!(target(url).locate().unwrap().is_loopback(), "{url}");
    }
    for url in [
        "http://localhost.",
        "http://localhost.evil.example",
        "http://evil-localhost",
        "http://evil.localhost",
        "http://localhost@evil.example",
        "http://127.0.0.1.evil.example",
        "http://127.1",
        "http://0x7f000001",
        "http://0.0.0.0",
        "http://128.0.0.1",
        "http://[::2]",
        "http://[::]",
        "http://::1",
    ] {
        assert!(!target(url).locate().is_ok_and(|located| located.is_loopback()), "{url}");
    }
}

#[test]
fn the_same_is_read_from_a_uri() {
    for (uri, shown) in [
        ("https://user:canary@Orders.example:8443/canary?canary", "Target(https://Orders.example:8443)"),
        ("wss://orders.example:443/", "Target(https://orders.example)"),
        ("ws://[::1]:80/", "Target(http://[::1])"),
        ("/canary?canary", "Target"),
        ("orders.example:443", "Target"),
        ("*", "Target"),
    ] {
        let uri: Uri = uri.parse().unwrap();
        assert_eq!(format!("{:?}", Target::from(&uri)), shown);
    }
}

#[test]
fn names_of_any_length_are_spelled_alike_only_where_every_letter_is() {
    for length in 1..40 {
        let host = "abcdefghijklmnopqrstuvwxyzabcdefghijklmn".get(..length).unwrap();
        let origin = Origin::of(target(&format!("https://{host}/")).locate().unwrap());
        let spelled = |host: &str| origin.is_spelled(&Target::new(Some("https"), Some(host)));
        assert!(spelled(host));
        for at in 0..length {
            let mut other = host.to_owned();
            other.replace_range(at..=at, "0");
            assert!(!spelled(&other), "{other}");
        }
        assert!(!spelled(&format!("{host}a")) && !spelled(host.get(1..).unwrap()) && !spelled(""));
        assert!(!origin.is_spelled(&Target::new(Some("http"), Some(host))));
        assert!(!origin.is_spelled(&Target::new(None, Some(host))));
    }
}
