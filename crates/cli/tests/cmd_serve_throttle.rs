//! `portcullis serve` has who guesses wait, over HTTP.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

#[allow(dead_code, unreachable_pub, reason = "shared by all tests of commands; none needs everything")]
mod command;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use command::{Folder, USERS, serving::Serving};

fn serve(services: &str) -> Serving {
    let folder = Folder::new();
    let listener = "[listener]\naddress = \"127.0.0.1:0\"\ntrustedProxies = [\"127.0.0.1\"]\n";
    folder.file("c.toml", format!("{listener}{services}{USERS}"));
    Serving::start(&folder, &["--config", "c.toml"])
}

fn one(throttle: &str) -> Serving {
    serve(&format!(
        "[services.\"/foo\"]\nrespond = \"hello\"\nauth = [{{ scopes = \"hello\", fileUserStoreConfig = {{}} }}]\n{throttle}\n"
    ))
}

/// The status line's number, and `Retry-After`.
fn ask(serving: &Serving, path: &str, from: &str, pair: &str) -> (u16, Option<u64>) {
    let basic = STANDARD.encode(pair);
    let answer = serving.get(path, &format!("X-Forwarded-For: {from}\r\nAuthorization: Basic {basic}\r\n"));
    let mut lines = answer.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let header = |name: &str| {
        answer.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then(|| value.to_owned())
        })
    };
    if status == 429 {
        assert_eq!(header("www-authenticate"), None, "{answer}");
        assert_eq!(header("content-length").as_deref(), Some("0"), "{answer}");
        assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    }
    (status, header("retry-after").map(|value| value.parse().unwrap()))
}

const RIGHT: &str = "alice:canary-alice";

/// Whether somebody has to wait, for some seconds: the clock is the machine's.
#[track_caller]
fn waits((status, retry_after): (u16, Option<u64>)) {
    assert_eq!(status, 429);
    assert!(retry_after.is_some_and(|seconds| (1..=300).contains(&seconds)), "{retry_after:?}");
}

#[test]
fn ten_wrong_passwords_and_the_user_has_to_wait_but_not_where_he_comes_from() {
    let serving = one("");
    assert_eq!(ask(&serving, "/foo", "192.0.2.1", RIGHT), (200, None));
    for guess in 0..10 {
        let from = format!("2001:db8:0:{guess}::1");
        assert_eq!(ask(&serving, "/foo", &from, &format!("alice:guess-{guess}")), (401, None));
    }
    // A second each would let a slow machine's next one through.
    let answers: Vec<u16> = (0..20)
        .map(|guess| ask(&serving, "/foo", "2001:db8:0:99::1", &format!("alice:late-{guess}")).0)
        .collect();
    assert!(
        answers.contains(&429) && answers.iter().all(|status| [401, 429].contains(status)),
        "{answers:?}"
    );
    assert_eq!(ask(&serving, "/foo", "192.0.2.1", RIGHT), (200, None));
    let (_, said) = serving.end();
    assert!(said.contains("too-many-attempts"), "{said}");
    assert!(!said.contains("guess-") && !said.contains("late-"), "{said}");
}

#[test]
fn limits_are_the_services_own_and_an_ipv6_network_is_one_address() {
    let serving = one("throttle = { perAddress = 3, perUser = 100, maxDelay = \"1h\" }");
    for host in 1..=20 {
        ask(&serving, "/foo", &format!("2001:db8::{host}"), &format!("user-{host}:x"));
    }
    waits(ask(&serving, "/foo", "2001:db8::ffff:1", RIGHT));
    waits(ask(&serving, "/foo", "2001:db8::1", RIGHT));
    assert_eq!(ask(&serving, "/foo", "2001:db8:0:1::1", RIGHT), (200, None));
    // Who forges the header through the proxy is who the proxy saw.
    waits(ask(&serving, "/foo", "203.0.113.7, 2001:db8::2", RIGHT));
}

#[test]
fn services_count_together() {
    let service = |path: &str| {
        format!(
            "[services.\"{path}\"]\nrespond = \"hello\"\nthrottle = {{ perUser = 4, maxDelay = \"1h\" }}\n\
             auth = [{{ scopes = \"hello\", fileUserStoreConfig = {{}} }}]\n"
        )
    };
    let serving = serve(&format!("{}{}", service("/a"), service("/b")));
    for guess in 0..20 {
        let path = if guess % 2 == 0 { "/a" } else { "/b" };
        ask(&serving, path, "192.0.2.1", &format!("alice:{guess}"));
    }
    waits(ask(&serving, "/a", "192.0.2.1", RIGHT));
    waits(ask(&serving, "/b", "192.0.2.9", RIGHT));
}

#[test]
fn it_can_be_switched_off() {
    let serving = one("throttle = false");
    for guess in 0..150 {
        assert_eq!(ask(&serving, "/foo", "192.0.2.1", &format!("alice:{guess}")), (401, None));
    }
    assert_eq!(ask(&serving, "/foo", "192.0.2.1", RIGHT), (200, None));
}
