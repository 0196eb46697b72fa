use http::{HeaderMap, HeaderName, HeaderValue};

use super::*;

const MAX: usize = 100;
const APP: &str = "https://app.example.org";

fn all() -> CredentialSources {
    CredentialSources::header().websocket_protocol().cookie("sid").origin(APP)
}

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    lines
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
        .collect()
}

/// The token, or what is wrong; `-` where there is none.
fn read(sources: &CredentialSources, method: &Method, lines: &[(&'static str, &str)]) -> String {
    match sources.read(method, &headers(lines), MAX) {
        Ok(Some(Credential::Bearer(bearer))) => bearer.token().to_owned(),
        Ok(Some(Credential::Basic(_))) => "Basic".to_owned(),
        Ok(None) => "-".to_owned(),
        Err(error) => format!("{:?}", error.kind()),
    }
}

const HEADER: (&str, &str) = ("authorization", "Bearer h");
const PROTOCOL: (&str, &str) = ("sec-websocket-protocol", "bearer, p");
const COOKIE: (&str, &str) = ("cookie", "sid=c");
const ORIGIN: (&str, &str) = ("origin", APP);
const EVIL: (&str, &str) = ("origin", "https://evil.example");
const UPGRADE: (&str, &str) = ("upgrade", "websocket");
const CONNECTION: (&str, &str) = ("connection", "keep-alive, Upgrade");
const SAME: (&str, &str) = ("sec-fetch-site", "same-origin");

#[test]
fn a_credential_is_read_where_the_service_looks_and_nowhere_else() {
    let header = CredentialSources::header();
    let protocol = CredentialSources::none().websocket_protocol();
    let cookie = CredentialSources::none().cookie("sid").origin(APP);
    for (lines, in_header, in_protocol, in_cookie, in_all) in [
        (&[][..], "-", "-", "-", "-"),
        (&[HEADER], "h", "-", "-", "h"),
        (&[("authorization", "Basic YTpi")], "Basic", "-", "-", "Basic"),
        (&[("authorization", "Bearer h h")], "TrailingWords", "-", "-", "TrailingWords"),
        (&[PROTOCOL, UPGRADE, CONNECTION], "-", "p", "-", "p"),
        (&[COOKIE, ORIGIN], "-", "-", "c", "c"),
        (&[HEADER, COOKIE, EVIL], "h", "-", "ForeignOrigin", "h"),
    ] {
        for (sources, expected) in [(&header, in_header), (&protocol, in_protocol), (&cookie, in_cookie)] {
            assert_eq!(read(sources, &Method::GET, lines), expected, "{lines:?} {sources:?}");
        }
        assert_eq!(read(&all(), &Method::GET, lines), in_all, "{lines:?}");
    }
}

#[test]
fn two_sources_at_once_are_refused() {
    let ws = [UPGRADE, CONNECTION];
    for lines in [
        &[HEADER, COOKIE, ORIGIN][..],
        &[HEADER, COOKIE, SAME],
        &[HEADER, PROTOCOL, ws[0], ws[1]],
        &[PROTOCOL, COOKIE, ORIGIN, ws[0], ws[1]],
        &[HEADER, PROTOCOL, COOKIE, ORIGIN, ws[0], ws[1]],
    ] {
        assert_eq!(read(&all(), &Method::GET, lines), "SeveralSources", "{lines:?}");
    }
    let two = all().cookie("other");
    let cookies = [("cookie", "sid=c; other=c"), ORIGIN];
    assert_eq!(read(&two, &Method::GET, &cookies), "SeveralSources");
    assert_eq!(read(&all(), &Method::GET, &cookies), "c");
    // Whichever is malformed says why.
    assert_eq!(read(&all(), &Method::GET, &[("authorization", "Bearer"), COOKIE, ORIGIN]), "Empty");
    let none_after_bearer = [("sec-websocket-protocol", "bearer"), ws[0], ws[1], COOKIE, ORIGIN];
    assert_eq!(read(&all(), &Method::GET, &none_after_bearer), "BearerWithoutToken");
}

#[test]
fn subprotocols_count_in_requests_that_open_a_websocket() {
    for (method, lines, expected) in [
        (Method::GET, &[PROTOCOL, UPGRADE, CONNECTION][..], "p"),
        (Method::GET, &[PROTOCOL, ("upgrade", "WebSocket"), ("connection", "upgrade")], "p"),
        (Method::CONNECT, &[PROTOCOL], "p"),
        (Method::GET, &[PROTOCOL], "-"),
        (Method::GET, &[PROTOCOL, UPGRADE], "-"),
        (Method::GET, &[PROTOCOL, CONNECTION], "-"),
        (Method::GET, &[PROTOCOL, ("upgrade", "h2c"), CONNECTION], "-"),
        (Method::POST, &[PROTOCOL, UPGRADE, CONNECTION], "-"),
        (Method::GET, &[("sec-websocket-protocol", "bearer"), UPGRADE, CONNECTION], "BearerWithoutToken"),
    ] {
        assert_eq!(read(&all(), &method, lines), expected, "{method} {lines:?}");
    }
}

#[test]
fn a_cookie_counts_from_known_origins_only() {
    let ws = [UPGRADE, CONNECTION];
    for (method, lines, expected) in [
        (Method::GET, &[COOKIE, ORIGIN][..], "c"),
        (Method::POST, &[COOKIE, ORIGIN], "c"),
        (Method::GET, &[COOKIE, ORIGIN, ws[0], ws[1]], "c"),
        (Method::CONNECT, &[COOKIE, ORIGIN], "c"),
        (Method::GET, &[COOKIE, SAME], "c"),
        (Method::HEAD, &[COOKIE, SAME], "c"),
        (Method::POST, &[COOKIE, ORIGIN, ("sec-fetch-site", "cross-site")], "c"),
        (Method::GET, &[COOKIE, EVIL], "ForeignOrigin"),
        (Method::GET, &[COOKIE, EVIL, SAME], "ForeignOrigin"),
        (Method::GET, &[COOKIE, ORIGIN, ORIGIN], "ForeignOrigin"),
        (Method::GET, &[COOKIE, ORIGIN, EVIL], "ForeignOrigin"),
        (Method::GET, &[COOKIE, ("origin", "null")], "ForeignOrigin"),
        (Method::GET, &[COOKIE, ("origin", "")], "ForeignOrigin"),
        (Method::GET, &[COOKIE, ("origin", "HTTPS://app.example.org")], "ForeignOrigin"),
        (Method::GET, &[COOKIE, ("origin", "https://app.example.org:443")], "ForeignOrigin"),
        (Method::GET, &[COOKIE, ("origin", "https://app.example.org.evil.example")], "ForeignOrigin"),
        (Method::GET, &[COOKIE, ("origin", "http://app.example.org")], "ForeignOrigin"),
        (Method::GET, &[COOKIE, ("origin", "https://app.example.org, https://x")], "ForeignOrigin"),
        (Method::GET, &[COOKIE], "MissingOrigin"),
        (Method::POST, &[COOKIE, SAME], "MissingOrigin"),
        (Method::CONNECT, &[COOKIE, SAME], "MissingOrigin"),
        (Method::GET, &[COOKIE, SAME, ws[0], ws[1]], "MissingOrigin"),
        (Method::GET, &[COOKIE, SAME, SAME], "MissingOrigin"),
        (Method::GET, &[COOKIE, ("sec-fetch-site", "same-site")], "MissingOrigin"),
        (Method::GET, &[COOKIE, ("sec-fetch-site", "none")], "MissingOrigin"),
        (Method::GET, &[COOKIE, ("sec-fetch-site", "same-origin, cross-site")], "MissingOrigin"),
        // Without the cookie nothing is asked of the origin.
        (Method::GET, &[EVIL, ("cookie", "other=c")], "-"),
    ] {
        assert_eq!(read(&all(), &method, lines), expected, "{method} {lines:?}");
    }
}

#[test]
fn a_cookie_that_does_not_count_is_ignored_beside_a_credential() {
    let ws = [UPGRADE, CONNECTION];
    let twice = ("cookie", "sid=c; sid=d");
    for (lines, expected) in [
        (&[HEADER, COOKIE][..], "h"),
        (&[HEADER, COOKIE, EVIL], "h"),
        (&[HEADER, twice, EVIL], "h"),
        (&[PROTOCOL, COOKIE, EVIL, ws[0], ws[1]], "p"),
    ] {
        assert_eq!(read(&all(), &Method::GET, lines), expected, "{lines:?}");
    }
}

#[test]
fn the_one_cookie_of_the_name_holds_the_token() {
    let longest = "c".repeat(MAX);
    let (long, longer) = (format!("sid={longest}"), format!("sid=c{longest}"));
    for (lines, expected) in [
        (&["a=b; sid=c"][..], "c"),
        (&["sid=c;a=b"], "c"),
        (&["a=b", "sid=c", "d=e"], "c"),
        (&["sid=\"c\""], "c"),
        (&["sid=a.b-c_d~e+f/g=="], "a.b-c_d~e+f/g=="),
        (&["sid =c"], "c"),
        (&["xsid=c; sidx=c; SID=c; sid; a=sid=c"], "-"),
        (&["sid=c; sid=c"], "RepeatedCookie"),
        (&["sid=c; sid=d"], "RepeatedCookie"),
        (&["sid=c", "sid=d"], "RepeatedCookie"),
        (&["a=\"x; sid=c\"; sid=d"], "RepeatedCookie"),
        (&["sid="], "Empty"),
        (&["sid=\"\""], "Empty"),
        (&["sid=\"c"], "NotToken68"),
        (&["sid=\""], "NotToken68"),
        (&["sid= c"], "TrailingWords"),
        (&["sid=a b"], "TrailingWords"),
        (&["sid=a,b"], "TrailingWords"),
        (&["sid=a=b"], "NotToken68"),
        (&["sid=a%20b"], "NotToken68"),
        (&["sid=\u{fc}"], "NotToken68"),
        (&[&long], &longest),
        (&[&longer], "TooLong"),
    ] {
        let lines: Vec<_> = lines.iter().map(|line| ("cookie", *line)).chain([ORIGIN]).collect();
        assert_eq!(read(&all(), &Method::GET, &lines), expected, "{lines:?}");
    }
}

#[test]
fn cookies_are_taken_out_and_others_stay() {
    for (lines, left) in [
        (&["a=b; sid=c; d=e"][..], &["a=b; d=e"][..]),
        (&["sid=c"], &[]),
        (&["sid=c;sid=d ; ;a=b"], &["a=b"]),
        (&["a=b", "sid=c", "d=e; sid = c"], &["a=b", "d=e"]),
        (&["a=b;d=\"sid=c\""], &["a=b;d=\"sid=c\""]),
        (&["sid; a=b"], &["sid; a=b"]),
    ] {
        let lines: Vec<_> = lines.iter().map(|line| ("cookie", *line)).collect();
        let mut headers = headers(&lines);
        all().conceal_cookies(&mut headers);
        let kept: Vec<_> = headers.get_all("cookie").iter().collect();
        assert_eq!(kept, left, "{lines:?}");
        let ours_was_there = left.join("") != lines.iter().map(|(_, line)| *line).collect::<String>();
        assert!(kept.iter().all(|line| line.is_sensitive() == ours_was_there), "{lines:?}");
        CredentialSources::header().conceal_cookies(&mut headers);
        assert_eq!(headers.get_all("cookie").iter().count(), left.len());
    }
}

#[test]
fn origins_are_compared_as_browsers_write_them_however_they_are_configured() {
    let sources = CredentialSources::none().cookie("sid").origin("HTTPS://App.Example.org:443").origin(APP);
    assert_eq!(sources.origins().collect::<Vec<_>>(), [APP]);
    assert_eq!(sources.problems(), [""; 0]);
    assert_eq!(read(&sources, &Method::GET, &[COOKIE, ORIGIN]), "c");
}

#[test]
fn every_mistake_is_told() {
    let cookie = |name: &str| CredentialSources::none().cookie(name).origin(APP);
    for (sources, expected) in [
        (CredentialSources::none(), "no source of credentials"),
        (cookie(""), "\"\" is no name of a cookie"),
        (cookie("a b"), "\"a b\" is no name of a cookie"),
        (cookie("a=b"), "\"a=b\" is no name of a cookie"),
        (cookie("sid").cookie("sid"), "\"sid\" is named twice"),
        (CredentialSources::header().cookie("sid"), "`publicOrigin` or `allowedOrigins`"),
        (CredentialSources::header().origin(APP), "are about cookies"),
        (cookie("sid").origin("app.example.org"), "\"app.example.org\" is not written as browsers do"),
        (cookie("sid").origin("null"), "\"null\" is not written"),
        (cookie("sid").origin("*"), "\"*\" is not written"),
    ] {
        let found = sources.problems();
        assert!(matches!(&found[..], [one] if one.contains(expected)), "{expected}: {found:?}");
    }
    let found = cookie("sid").origin("https://alice:hunter2@app.example.org").problems();
    assert!(matches!(&found[..], [one] if !one.contains("hunter2")), "{found:?}");
    assert_eq!(all().problems(), [""; 0]);
}
