//! What a client says of itself never reaches the upstream; what the gateway knows does.

use http::Request;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use portcullis_axum::serve::TrustedProxies;
use portcullis_core::{Auth, Resource};

use crate::support::{
    Frames, Http2, Server, basic, echo, gateway, gateway_behind, guarded, in_front_of, raw, raw_open,
};

/// Spellings of identity headers that some server takes for ours.
const SPELLINGS: [&str; 12] = [
    "X-Auth-Subject",
    "x-auth-subject",
    "X-AUTH-SUBJECT",
    "x-AUTH_subject",
    "X_Auth_Subject",
    "X_AUTH-Subject",
    "X.Auth.Subject",
    "X!Auth~Subject",
    "X-Auth-Scopes",
    "X_Auth_Provider",
    "X-Auth-Issuer",
    "X-Auth-Whatever",
];

async fn behind(auth: Auth) -> (Server, std::net::SocketAddr) {
    let upstream = echo().await;
    let gateway = gateway([in_front_of(auth, &upstream)]).await;
    (upstream, gateway)
}

fn identity_names(seen: &crate::support::Seen) -> Vec<String> {
    let canonical = |name: &str| name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let mut names: Vec<String> = seen
        .headers
        .keys()
        .chain(seen.trailers.keys())
        .filter(|name| canonical(name.as_str()).starts_with("x-auth"))
        .map(ToString::to_string)
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn no_spelling_of_a_clients_identity_gets_through_on_guarded_and_public_routes() {
    let auth = guarded("/foo").resource(Resource::new("/open").public()).optional(true).build().unwrap();
    let (mut upstream, gateway) = behind(auth).await;
    for name in SPELLINGS {
        for connection in [String::new(), format!("Connection: {name}")] {
            let reply =
                raw(gateway, &format!("GET /foo/open\n{name}: mallory\n{name}: mallory\n{connection}")).await;
            assert_eq!(reply.status, 200);
            assert_eq!(identity_names(&upstream.reached_once()), Vec::<String>::new(), "{name} {connection}");

            raw(gateway, &format!("GET /foo/x\n{name}: mallory\n{connection}")).await;
            assert_eq!(identity_names(&upstream.reached_once()), Vec::<String>::new(), "optional: {name}");

            let alice = basic("alice");
            raw(gateway, &format!("GET /foo/x\n{name}: mallory\nAuthorization: {alice}\n{connection}")).await;
            let seen = upstream.reached_once();
            assert_eq!(
                identity_names(&seen),
                ["x-auth-provider", "x-auth-scopes", "x-auth-subject"],
                "{name}"
            );
            assert_eq!(seen.all("x-auth-subject"), ["alice"]);
            assert!(!format!("{seen:?}").contains("mallory"), "{name}");
        }
    }
}

#[tokio::test]
async fn no_spelling_of_a_clients_identity_gets_through_in_trailers() {
    let (mut upstream, gateway) = behind(Auth::builder().path("/").public().build().unwrap()).await;
    for name in SPELLINGS {
        let mut connection = raw_open(gateway).await;
        connection
            .write(format!(
                "POST /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\
                 Trailer: {name}, X-Checksum, Authorization, X-Forwarded-For\r\n\r\n5\r\nhello\r\n0\r\n\
                 {name}: mallory\r\nX-Checksum: 7\r\nAuthorization: Bearer mallory\r\nX-Forwarded-For: mallory\r\n\r\n"
            ))
            .await;
        assert_eq!(connection.read_to_end().await.status, 200);
        let seen = upstream.reached_once();
        assert_eq!(seen.body, "hello");
        assert_eq!(seen.trailers.len(), 1, "{name}: {:?}", seen.trailers);
        assert_eq!(seen.trailers["x-checksum"], "7");
    }
}

#[tokio::test]
async fn no_spelling_of_a_clients_identity_gets_through_over_http2() {
    let (mut upstream, gateway) = behind(guarded("/foo").build().unwrap()).await;
    let mut client = Http2::connect(gateway).await;
    for name in SPELLINGS.map(str::to_lowercase) {
        let mut trailers = http::HeaderMap::new();
        trailers.insert(http::HeaderName::try_from(&name).unwrap(), "mallory".parse().unwrap());
        let frames = [Ok(Frame::data("hello".into())), Ok(Frame::trailers(trailers))];
        let request = Request::post("http://api.example/foo")
            .header("authorization", basic("alice"))
            .header(&name, "mallory")
            .header("trailer", &name)
            .body(StreamBody::new(Frames::of(frames)))
            .unwrap();
        assert_eq!(client.send(request).await.status(), 200);
        let seen = upstream.reached_once();
        assert_eq!(seen.body, "hello");
        assert_eq!(seen.trailers.len(), 0);
        assert_eq!(seen.all("x-auth-subject"), ["alice"]);
        assert!(!format!("{seen:?}").contains("mallory"), "{name}");
    }
}

#[tokio::test]
async fn the_callers_identity_is_told_in_encoded_form() {
    let (mut upstream, gateway) = behind(guarded("/").build().unwrap()).await;
    raw(gateway, "GET /\nAuthorization: Bearer good").await;
    let seen = upstream.reached_once();
    assert_eq!(seen.all("x-auth-subject"), ["Zo%C3%AB%2C%20%22the%22%20first"]);
    assert_eq!(seen.all("x-auth-scopes"), [r#"["hello","a b"]"#]);
    assert_eq!(seen.all("x-auth-provider"), ["tokens"]);
    assert_eq!(seen.all("x-auth-issuer"), ["https%3A%2F%2Fidp.example%2F"]);

    raw(gateway, "GET /\nAuthorization: Bearer nameless").await;
    let seen = upstream.reached_once();
    assert_eq!(identity_names(&seen), ["x-auth-provider", "x-auth-scopes"]);
}

#[tokio::test]
async fn nothing_that_changes_method_or_path_goes_on_and_the_policy_is_that_of_the_request_line() {
    let auth = guarded("/foo").resource(Resource::new("/admin").scopes("admin")).build().unwrap();
    let (mut upstream, gateway) = behind(auth).await;
    for name in [
        "X-HTTP-Method-Override",
        "X_HTTP_Method_Override",
        "X-HTTP-Method",
        "X-Method-Override",
        "X-Original-URL",
        "X_Original_URL",
        "X-Rewrite-URL",
        "X-Original-URI",
        "X-Forwarded-Uri",
        "X-Forwarded-Prefix",
        "X-Forwarded-Method",
    ] {
        let alice = basic("alice");
        let reply = raw(gateway, &format!("GET /foo/x\nAuthorization: {alice}\n{name}: /foo/admin")).await;
        assert_eq!(reply.status, 200, "{name}");
        assert!(!format!("{:?}", upstream.reached_once()).contains("/foo/admin"), "{name}");
        let reply = raw(gateway, &format!("GET /foo/admin\nAuthorization: {alice}\n{name}: /foo/x")).await;
        assert_eq!(reply.status, 403, "{name}");
    }
    assert_eq!(upstream.reached().len(), 0);
}

#[tokio::test]
async fn hop_by_hop_headers_stay_and_connection_names_no_identity_and_no_credential_away() {
    let upstream_auth = guarded("/").build().unwrap();
    let mut upstream = echo().await;
    let gateway = gateway([in_front_of(upstream_auth, &upstream).forward_credential(true)]).await;
    let reply = raw(
        gateway,
        &format!(
            "GET /
             Authorization: {}
             Connection: Authorization, X-Auth-Subject, X-Forwarded-For, Host, Cookie, X-Hop, Keep-Alive
             Cookie: a=1
             X-Hop: x
             X-End: x
             Keep-Alive: timeout=5
             Proxy-Authorization: Basic c2VjcmV0
             Proxy-Connection: keep-alive
             Proxy: http://evil.example
             TE: gzip
             Upgrade: websocket
             HTTP2-Settings: AAMAAABkAAQAAP__",
            basic("alice")
        ),
    )
    .await;
    assert_eq!(reply.status, 200);
    let seen = upstream.reached_once();
    let mut names: Vec<&str> = seen.headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "authorization",
            "cookie",
            "host",
            "via",
            "x-auth-provider",
            "x-auth-scopes",
            "x-auth-subject",
            "x-end",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-proto"
        ]
    );
    assert_eq!(seen.all("x-auth-subject"), ["alice"]);
    assert_eq!(seen.all("authorization"), [basic("alice")]);
    assert_eq!(seen.all("host"), [upstream.address.to_string()]);
    assert_eq!(seen.all("x-forwarded-host"), ["api.example"]);
    assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.all("x-forwarded-proto"), ["http"]);
    assert_eq!(seen.all("via"), ["1.1 portcullis"]);
}

#[tokio::test]
async fn forwarding_headers_are_believed_from_trusted_proxies_alone() {
    for trusted in [false, true] {
        let mut upstream = echo().await;
        let auth = Auth::builder().path("/").public().build().unwrap();
        let proxies = TrustedProxies::new(trusted.then_some("127.0.0.1")).unwrap();
        let gateway = gateway_behind(proxies, [in_front_of(auth, &upstream)]).await;
        let head = "GET /
            X-Forwarded-For: 192.0.2.7
            X_Forwarded_For: 192.0.2.8
            X-Forwarded-Proto: http
            X-Forwarded-Host: www.example
            X-Real-IP: 192.0.2.7
            Forwarded: for=192.0.2.7";
        assert_eq!(raw(gateway, head).await.status, 200);
        let seen = upstream.reached_once();
        let told = |name| seen.all(name).join(" | ");
        assert_eq!(told("x_forwarded_for"), "");
        if trusted {
            assert_eq!(told("x-forwarded-for"), "192.0.2.7, 127.0.0.1");
            assert_eq!(told("x-forwarded-proto"), "http");
            assert_eq!(told("x-forwarded-host"), "www.example");
            assert_eq!(told("x-real-ip"), "192.0.2.7");
            assert_eq!(told("forwarded"), "for=192.0.2.7, for=127.0.0.1");
        } else {
            assert_eq!(told("x-forwarded-for"), "127.0.0.1");
            assert_eq!(told("x-forwarded-proto"), "https");
            assert_eq!(told("x-forwarded-host"), "api.example");
            assert_eq!(told("x-real-ip"), "");
            assert_eq!(told("forwarded"), "");
        }
    }
}

#[tokio::test]
async fn a_proxy_that_speaks_forwarded_alone_is_not_taken_for_the_client() {
    let mut upstream = echo().await;
    let auth = Auth::builder().path("/").public().build().unwrap();
    let proxies = TrustedProxies::new(["127.0.0.1"]).unwrap();
    let gateway = gateway_behind(proxies, [in_front_of(auth, &upstream)]).await;
    for (head, addresses, proto, host, forwarded) in [
        (
            "GET /\nForwarded: for=192.0.2.7;proto=http;host=www.example",
            "192.0.2.7, 127.0.0.1",
            "http",
            "www.example",
            "for=192.0.2.7;proto=http;host=www.example, for=127.0.0.1",
        ),
        (
            "GET /\nForwarded: for=192.0.2.7;proto=http\nX-Forwarded-For: 192.0.2.8\nX-Forwarded-Host: evil",
            "127.0.0.1",
            "https",
            "api.example",
            "",
        ),
        ("GET /\nX-Forwarded-For: 192.0.2.8", "192.0.2.8, 127.0.0.1", "https", "api.example", ""),
    ] {
        assert_eq!(raw(gateway, head).await.status, 200);
        let seen = upstream.reached_once();
        let told = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded"]
            .map(|name| seen.all(name).join(" | "));
        assert_eq!(told, [addresses, proto, host, forwarded], "{head}");
    }
}

#[tokio::test]
async fn cookies_that_http2_splits_reach_the_upstream_in_one_line() {
    let (mut upstream, gateway) = behind(Auth::builder().path("/").public().build().unwrap()).await;
    let mut client = Http2::connect(gateway).await;
    let request = Request::get("http://api.example/")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .body(Full::<bytes::Bytes>::default().boxed_unsync())
        .unwrap();
    assert_eq!(client.send(request).await.status(), 200);
    let seen = upstream.reached_once();
    assert_eq!(seen.all("cookie"), ["a=1; b=2"]);
    assert_eq!(seen.all("x-forwarded-host"), ["api.example"]);
    assert_eq!(seen.all("via"), ["2 portcullis"]);
}
