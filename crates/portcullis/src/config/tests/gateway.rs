//! Keys that only the gateway looks at.

use super::*;

#[test]
fn gateway_keys_are_read_and_checked() {
    let config = read(
        r#"
        [services."/a"]
        public = true
        respond = "hi"
        pathMatching = "exact"
        forwardCredential = false
        cors = { allowOrigins = ["https://x.example"], maxAge = "1h" }
        [services."/b"]
        public = true
        upstream = "http://127.0.0.1:8080/base"
        "#,
    )
    .unwrap();
    let a = config.service("/a").unwrap().gateway();
    assert!(matches!(&a.answer, Some(Answer::Respond(text)) if text == "hi"));
    assert_eq!((a.path_matching, a.forward_credential), (PathMatching::Exact, Some(false)));
    assert_eq!(a.cors.as_ref().unwrap().max_age.unwrap().as_secs(), 3600);
    let b = config.service("/b").unwrap().gateway();
    assert!(
        matches!(&b.answer, Some(Answer::Upstream(upstream)) if upstream.url == "http://127.0.0.1:8080/base" && upstream.tls.is_none())
    );

    let found = mistakes(
        r#"
        [services."/a"]
        public = true
        respond = "hi"
        upstream = "http://x"
        pathMatching = "loose"
        [services."/b"]
        public = true
        upstream = "ftp://user:canary-secret@host/x?canary-secret"
        cors = { allowOrigins = ["*", "nonsense/"], allowCredentials = true }
        "#,
    );
    for expected in [
        "`respond` and `upstream` exclude each other",
        "\"loose\" is not one of",
        "b\".upstream: not an address",
        "\"*\" does not work with",
        "not an origin",
    ] {
        assert!(found.iter().any(|text| text.contains(expected)), "{expected}: {found:#?}");
    }
    assert!(!found.concat().contains("canary"));
}

#[test]
fn an_upstream_is_a_scheme_a_host_and_perhaps_a_port_and_a_base() {
    let upstream = |url: &str| read(&format!("services.\"/a\" = {{ public = true, upstream = \"{url}\" }}"));
    for url in [
        "http://h",
        "http://h/",
        "http://h:80",
        "https://h:65535/base",
        "http://[::1]",
        "http://[::1]:8080/a",
        "http://127.0.0.1:8080",
    ] {
        assert!(upstream(url).is_ok(), "{url}");
    }
    for url in [
        "",
        "h:80",
        "//h",
        "/a",
        "ftp://h",
        "http://",
        "http://:80",
        "http://h:",
        "http://h:0",
        "http://h:99999",
        "http://h:x",
        "http://[::1]:99999",
        "http://u@h",
        "http://u:p@h:80",
        "http://h/?q",
        "http://h:80/a?",
    ] {
        let error = upstream(url).unwrap_err();
        assert_eq!(error.problems().len(), 1, "{url}: {error}");
        assert_eq!(error.problems()[0].path(), "services.\"/a\".upstream", "{url}: {error}");
    }
}

#[test]
fn mistakes_of_the_gateways_keys_stand_at_their_place() {
    for (keys, expected) in [
        ("respond = \"x\", upstreamSecureSocket = {}", "upstreamSecureSocket: needs `upstream`"),
        ("upstreamSecureSocket = {}", "upstreamSecureSocket: needs `upstream`"),
        (
            "upstream = \"http://h\", upstreamSecureSocket = { disable = true }",
            "upstreamSecureSocket: needs an https `upstream`",
        ),
        ("cors = {}", "cors.allowOrigins: names no origin"),
        ("cors = { allowOrigins = \"*\", allowHeaders = \"a b\" }", "cors.allowHeaders: holds something"),
        (
            "cors = { allowOrigins = \"*\", exposeHeaders = [\"*\", \"\"] }",
            "cors.exposeHeaders: holds something",
        ),
        ("cors = { allowOrigins = \"*\", allowMethods = \"G T\" }", "cors.allowMethods: holds something"),
        ("cors = { allowOrigins = 5 }", "cors.allowOrigins: expected a string or an array of strings"),
        (
            "cors = { allowOrigins = \"https://a.example\", allowHeaders = \"*\", allowCredentials = true }",
            "cors.allowHeaders: \"*\" does not work",
        ),
        ("cors = { allowOrigins = \"*\", maxAge = -1 }", "cors.maxAge: a span of time"),
        ("cors = { allowOrigins = \"*\", allowOrigin = \"*\" }", "cors.allowOrigin: unknown key"),
    ] {
        let found = mistakes(&format!("services.\"/a\" = {{ public = true, {keys} }}"));
        assert_eq!(found.len(), 1, "{keys}: {found:?}");
        assert!(found[0].contains(&format!("services.\"/a\".{expected}")), "{keys}: {found:?}");
    }
    let config =
        read("services.\"/a\" = { public = true, cors = { allowOrigins = [\"*\", \"null\"] } }").unwrap();
    let cors = config.service("/a").unwrap().gateway().cors.as_ref().unwrap();
    assert!(!cors.allow_credentials && cors.allow_origins == ["*", "null"]);
}

#[test]
fn origins_are_taken_as_browsers_write_them() {
    let cors = |origin: &str| {
        read(&format!("services.\"/a\" = {{ public = true, cors = {{ allowOrigins = [\"{origin}\"] }} }}"))
    };
    for (origin, taken) in [
        ("*", "*"),
        ("null", "null"),
        ("https://app.example.org", "https://app.example.org"),
        ("HTTPS://App.Example.org", "https://app.example.org"),
        ("https://app.example.org:443", "https://app.example.org"),
        ("http://app.example.org:80", "http://app.example.org"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://[0:0::1]:3000", "http://[::1]:3000"),
        ("chrome-extension://abcdef", "chrome-extension://abcdef"),
    ] {
        let config = cors(origin).unwrap();
        let cors = config.service("/a").unwrap().gateway().cors.as_ref().unwrap();
        assert_eq!(cors.allow_origins, [taken], "{origin}");
    }
    for origin in [
        "",
        "app.example.org",
        "https://",
        "https://app.example.org/",
        "https://app.example.org/x",
        "https://app.example.org?x",
        "https://*.example.org",
        "https://app.example.org:*",
        "https://b\u{fc}cher.example",
        "wss://app.example.org",
        "Null",
        "https://canary@app.example.org",
    ] {
        let shown = if origin.contains('@') { "one of them".to_owned() } else { format!("{origin:?}") };
        let told: Vec<String> =
            cors(origin).unwrap_err().problems().iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [format!(
                "1:43: services.\"/a\".cors.allowOrigins: {shown} is not an origin as browsers write it: list each as \
                 scheme://host[:port], such as \"https://app.example.org\", or \"*\" for all"
            )],
            "{origin}"
        );
    }
}

#[test]
fn a_credential_that_goes_to_another_machine_in_clear_text_is_warned_about() {
    let warnings = |keys: &str| {
        let config = read(&format!("services.\"/a\" = {{ public = true, {keys} }}")).unwrap();
        config.warnings().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let plain = "upstream = \"http://orders.example\"";
    for keys in [
        plain,
        "upstream = \"http://orders.example\", forwardCredential = false",
        "upstream = \"http://localhost:8080\", forwardCredential = true",
        "upstream = \"http://127.0.0.2\", forwardCredential = true",
        "upstream = \"http://[::1]:8080/base\", forwardCredential = true",
        "upstream = \"https://orders.example\", forwardCredential = true",
        "respond = \"hi\", forwardCredential = true",
        "forwardCredential = true",
    ] {
        assert_eq!(warnings(keys), [""; 0], "{keys}");
    }
    for host in ["orders.example", "192.0.2.1:8080", "[2001:db8::1]/base", "localhost.example"] {
        assert_eq!(
            warnings(&format!("forwardCredential = true, upstream = \"http://{host}\"")),
            [
                "1:34: services.\"/a\".forwardCredential: callers' credentials go to another machine in clear text: whoever \
                 sits between reads them; use an https `upstream`, or leave it out"
            ],
            "{host}"
        );
    }
}
