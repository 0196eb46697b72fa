use portcullis_core::{Authorization, Secret};

use super::*;

fn builder() -> ClientAuthBuilder {
    ClientAuth::builder(Authorization::bearer(&Secret::new("canary-7f3a")).unwrap()).name("orders")
}

fn problem(builder: ClientAuthBuilder) -> String {
    let error = builder.build().unwrap_err();
    assert_eq!(error.to_string(), format!("{error:?}"));
    error.to_string()
}

#[test]
fn it_has_to_know_where_its_credential_may_go() {
    assert_eq!(
        problem(builder()),
        "client `orders`: nothing says where its credential may go; give it `url`, `origins`, or `anyOrigin`"
    );
    for builder in [
        builder().any_origin(),
        builder().url("https://orders.example/v2"),
        builder().origin("https://orders.example"),
        builder().origin("https://orders.example:8443/").origin("https://10.0.0.1"),
    ] {
        assert_eq!(builder.build().unwrap().name(), Some("orders"));
    }
}

#[test]
fn its_url_stays_as_it_is_and_without_a_scheme_it_is_https() {
    for (text, url) in [
        ("https://orders.example/v2/", "https://orders.example/v2/"),
        ("wss://orders.example/socket", "wss://orders.example/socket"),
        ("http://localhost:9090", "http://localhost:9090/"),
        ("orders.example:8443/v2", "https://orders.example:8443/v2"),
        ("orders.example/v2/http://x", "https://orders.example/v2/http://x"),
        ("orders.example", "https://orders.example/"),
        ("[::1]:8443", "https://[::1]:8443/"),
    ] {
        let auth = builder().url(text).build().unwrap();
        assert_eq!(auth.url().unwrap().to_string(), url);
    }
    assert!(builder().any_origin().build().unwrap().url().is_none());
}

#[test]
fn what_is_no_url_is_refused_and_nothing_of_it_shown() {
    for (text, says) in [
        ("", "is no URL;"),
        ("https://", "is no URL;"),
        ("/canary-7f3a", "is no URL;"),
        ("https://:443/canary-7f3a", "is no URL;"),
        ("https://orders.example:canary-7f3a", "is no URL;"),
        ("https://orders.example:99999", "is no URL;"),
        ("https://orders.exämple/canary-7f3a", "is no URL;"),
        ("https://orders.example\\@evil.example/canary-7f3a", "is no URL;"),
        ("https:///orders.example/canary-7f3a", "is no URL;"),
        // Some read it as a slash.
        ("https://orders.example/\\canary-7f3a", "is no URL;"),
        ("ftp://orders.example/canary-7f3a", "has another scheme than"),
        ("https://canary-7f3a@orders.example", "has a user name;"),
        ("https://alice:canary-7f3a@orders.example", "has a user name;"),
        ("https://orders.example/?key=canary-7f3a", "has a query or a fragment;"),
        ("https://orders.example/#canary-7f3a", "has a query or a fragment;"),
    ] {
        for (place, builder) in [("url", builder().url(text)), ("origin", builder().origin(text))] {
            let problem = problem(builder.any_origin());
            let begin = format!("client `orders`: the {place} {says}");
            assert!(problem.starts_with(&begin), "{text}: {problem}");
            assert!(!problem.contains("canary"), "{text}: {problem}");
        }
    }
    let problem = problem(builder().origin("https://orders.example/v2"));
    assert!(
        problem.starts_with("client `orders`: the origin has a path, which does not narrow"),
        "{problem}"
    );
}

#[test]
fn plain_http_goes_to_this_machine_unless_it_is_allowed() {
    let text = "http://orders.example:8080/canary-7f3a";
    assert_eq!(
        problem(builder().url(text)),
        "client `orders`: the url http://orders.example:8080 lets everybody on the way read its credential; use https, \
         or set `allowInsecureHttp`"
    );
    assert!(
        problem(builder().origin("ws://orders.example")).contains("the origin http://orders.example lets")
    );
    assert!(problem(builder().url(text).any_origin()).contains("lets everybody"));
    assert!(builder().url(text).allow_insecure_http(true).build().is_ok());
    for text in ["http://localhost:8080", "ws://127.0.0.3", "http://[::1]:9"] {
        assert!(builder().url(text).build().is_ok(), "{text}");
    }
}

#[test]
fn nothing_secret_is_shown() {
    let builder = builder().url("https://orders.example/canary-7f3a");
    assert!(!format!("{builder:?}").contains("canary"));
    let auth = builder.origin("http://localhost:9").build().unwrap();
    assert_eq!(
        format!("{auth:?}"),
        "ClientAuth { name: Some(\"orders\"), source: Authorization(Bearer [redacted]), \
         origins: [https://orders.example, http://localhost:9], any_origin: false, retry_on_401: true, \
         allow_insecure_http: false }"
    );
}
