//! The servers of the harness tell the truth about what reached them; the tests of the gateway rest on that.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::io::Write;
use std::net::TcpStream;
use std::path::PathBuf;

use portcullis_tests::{
    ALICE, AuthlibServer, BOB, Browser, Express, Keys, OidcProvider, PythonHttpServer, Upstream,
    WebSocketEcho, ZOE, curl, openssl_sha256, temp_dir, try_curl, write,
};

fn raw_targets_headers_and_bodies_are_seen(mut upstream: Upstream) {
    assert_eq!(upstream.reached(), []);
    let url = format!("{}/foo/%61dmin;x//..?q=%zz", upstream.url());
    let answer = curl(["--path-as-is", "-H", "X-Twice: 1", "-H", "x-twice: 2", "--data-binary", "abc", &url]);
    assert_eq!((answer.status, answer.version.as_str()), (200, "HTTP/1.1"));
    let request = upstream.next_request();
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/foo/%61dmin;x//..?q=%zz"));
    assert_eq!(request.all("X-TWICE"), ["1", "2"]);
    assert_eq!(request.headers[3], ("X-Twice".to_owned(), "1".to_owned()));
    let folder = temp_dir();
    let body = write(&folder, "body", "abc");
    assert_eq!((request.body_bytes, request.body_sha256.as_str()), (3, openssl_sha256(&body).as_str()));

    let upload = format!("@{}", body.display());
    curl(["-H", "Transfer-Encoding: chunked", "--data-binary", &upload, &upstream.url()]);
    let reached = upstream.reached();
    assert_eq!(reached.len(), 1);
    assert_eq!((reached[0].body_bytes, reached[0].body_sha256.as_str()), (3, request.body_sha256.as_str()));
    assert_eq!(upstream.reached(), []);

    let large = curl([format!("{}/bytes/1000000", upstream.url())]);
    assert_eq!((large.status, large.body.len()), (200, 1_000_000));
    assert_eq!(large.header("content-length"), Some("1000000"));
    let head = curl(["--head".to_owned(), upstream.url()]);
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[test]
fn python_says_what_reached_it() {
    raw_targets_headers_and_bodies_are_seen(PythonHttpServer::start());
}

#[test]
fn express_says_what_reached_it() {
    raw_targets_headers_and_bodies_are_seen(Express::start(&["/foo/bar"]));
}

/// What the server takes each of these paths for.
fn routes(mut upstream: Upstream, paths: &[&str]) -> Vec<Option<String>> {
    for path in paths {
        curl(["--path-as-is".to_owned(), format!("{}{path}", upstream.url())]);
    }
    upstream.reached().into_iter().map(|request| request.route).collect()
}

#[test]
fn express_does_not_care_for_case_and_a_final_slash_and_says_so() {
    let paths = ["/foo/admin", "/foo/ADMIN", "/foo/admin/", "/foo/%61dmin", "/foo/other"];
    let admin = || Some("/foo/admin".to_owned());
    assert_eq!(routes(Express::start(&["/foo/admin"]), &paths), [admin(), admin(), admin(), None, None]);
}

#[test]
fn python_decodes_and_resolves_paths_and_says_so() {
    let paths =
        ["/foo/admin", "/foo/%61dmin", "/foo//admin", "/foo/admin/", "/foo/x/%2e%2e/admin", "/foo/ADMIN"];
    let mut expected = vec![Some("/foo/admin".to_owned()); 5];
    expected.push(Some("/foo/ADMIN".to_owned()));
    assert_eq!(routes(PythonHttpServer::start(), &paths), expected);
}

/// curl sends no trailers, and a client can smuggle an identity in them.
fn trailers_are_seen(mut upstream: Upstream) {
    let mut stream = TcpStream::connect(upstream.address()).unwrap();
    let head = "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nTrailer: X-Late\r\n\r\n";
    write!(stream, "{head}3\r\nabc\r\n0\r\nX-Late: 1\r\nx-late: 2\r\n\r\n").unwrap();
    let request = upstream.next_request();
    assert_eq!(request.body_bytes, 3);
    let trailers = [("X-Late", "1"), ("x-late", "2")];
    assert_eq!(request.trailers, trailers.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn python_sees_trailers() {
    trailers_are_seen(PythonHttpServer::start());
}

#[test]
fn express_sees_trailers() {
    trailers_are_seen(Express::start(&[]));
}

/// The `kid`s of a key set.
fn kids(arguments: &[&str]) -> Vec<String> {
    let set: serde_json::Value = serde_json::from_slice(&curl(arguments).body).unwrap();
    set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn oidc_provider_issues_tells_rotates_goes_away_and_counts() {
    let mut provider = OidcProvider::start();
    let tell = |provider: &OidcProvider, token: &str, client: &str| {
        let form = format!("token={token}");
        let url = provider.url("/token/introspection");
        let answer = curl(["-u", client, "--data-binary", &form, &url]);
        (answer.status, answer.text().contains("\"active\":true"))
    };
    let (id, secret) = OidcProvider::API;
    let api = format!("{id}:{secret}");
    let opaque = provider.opaque("hello", 60);
    assert_eq!(opaque.matches('.').count(), 0);
    assert_eq!(tell(&provider, &opaque, &api), (200, true));
    assert_eq!(tell(&provider, &opaque, &format!("{id}:wrong")), (401, false));
    provider.revoke(&opaque);
    assert_eq!(tell(&provider, &opaque, &api), (200, false));
    for algorithm in ["RS256", "PS256", "ES256", "ES384", "EdDSA"] {
        assert_eq!(provider.jwt(algorithm, "hello admin", 60).matches('.').count(), 2, "{algorithm}");
    }
    assert_eq!((provider.count("/token"), provider.count("/token/introspection")), (6, 3));
    let introspection = &provider.asked()[1];
    assert_eq!(
        (introspection.method.as_str(), introspection.body.as_str()),
        ("POST", &*format!("token={opaque}"))
    );
    assert!(introspection.header("authorization").unwrap().starts_with("Basic "));

    let url = provider.url("/jwks");
    let first = kids(&[&url]);
    provider.start_again(Keys::Same);
    assert_eq!(kids(&[&url]), first);
    provider.start_again(Keys::Added);
    let added = kids(&[&url]);
    assert_eq!(added.len(), 2 * first.len());
    assert!(added.ends_with(&first));
    provider.start_again(Keys::Replaced);
    let replaced = kids(&[&url]);
    assert_eq!(replaced.len(), first.len());
    assert!(!replaced.iter().any(|kid| added.contains(kid)));
    provider.kill();
    assert_eq!(try_curl([&url]).unwrap_err().code, Some(7));
}

/// The answer of a token endpoint: its status, and a member or its `error`.
fn ask(url: &str, member: &str, arguments: &[&str]) -> (u16, String) {
    let answer = curl([arguments, &[url]].concat());
    let value: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let text = value.get(member).or_else(|| value.get("error")).and_then(serde_json::Value::as_str);
    (answer.status, text.unwrap_or_else(|| panic!("{}", answer.text())).to_owned())
}

#[test]
fn oidc_provider_knows_users_rotates_refresh_tokens_and_exchanges_tokens() {
    let provider = OidcProvider::start();
    let (id, secret) = OidcProvider::APP;
    let client = format!("{id}:{secret}");
    let url = provider.url("/token");
    let wrong = ["-u", &client, "-d", "grant_type=password", "-d", "username=alice", "-d", "password=other"];
    assert_eq!(ask(&url, "access_token", &wrong), (400, "invalid_grant".into()));

    let first = format!("refresh_token={}", provider.refresh_token("hello"));
    let refresh = ["-u", &client, "-d", "grant_type=refresh_token", "-d", &first];
    let (status, second) = ask(&url, "refresh_token", &refresh);
    assert_eq!(status, 200);
    assert!(!first.ends_with(&second));
    assert_eq!(ask(&url, "refresh_token", &refresh), (400, "invalid_grant".into()), "good for one use");

    let exchange = |token: &str| {
        let subject = format!("subject_token={token}");
        let grant = "grant_type=urn:ietf:params:oauth:grant-type:token-exchange";
        let kind = "subject_token_type=urn:ietf:params:oauth:token-type:access_token";
        ask(&url, "access_token", &["-u", &client, "-d", grant, "-d", kind, "-d", &subject])
    };
    let (api, secret) = OidcProvider::API;
    for (token, subject) in [
        (provider.opaque_of(ALICE, "hello", 60), "alice"),
        (provider.jwt_of(BOB, "ES256", "hello", 60), "bob"),
        (provider.opaque_of(ZOE, "hello", 60), "zoë"),
    ] {
        let (status, exchanged) = exchange(&token);
        assert_eq!(status, 200);
        assert_ne!(exchanged, token);
        let form = format!("token={exchanged}");
        let told =
            curl(["-u", &format!("{api}:{secret}"), "-d", &form, &provider.url("/token/introspection")]);
        let told: serde_json::Value = serde_json::from_slice(&told.body).unwrap();
        assert_eq!((&told["sub"], &told["act"]["sub"]), (&subject.into(), &"app".into()), "{told}");
    }
    assert_eq!(exchange("none"), (400, "invalid_request".into()));
}

#[test]
fn oidc_provider_authenticates_clients_by_odd_secrets_and_certificates() {
    let provider = OidcProvider::start_https();
    let (ca, url) = (provider.certificate().display().to_string(), provider.url("/token"));
    let ask = |more: &[&str]| {
        let grant = ["--cacert", &ca, "-d", "grant_type=client_credentials"];
        ask(&url, "token_type", &[&grant[..], more].concat())
    };
    let given = || (200, "Bearer".to_owned());
    let (id, secret) = OidcProvider::ODD;
    let (id_pair, secret_pair) = (format!("client_id={id}"), format!("client_secret={secret}"));
    assert_eq!(ask(&["--data-urlencode", &id_pair, "--data-urlencode", &secret_pair]), given());
    assert_eq!(ask(&["--data-urlencode", &id_pair, "--data-urlencode", "client_secret=s3cr"]).0, 401);
    assert_eq!(ask(&["-u", &format!("{id}:{secret}")]).0, 400, "Basic wants both form-encoded");

    let paths = |(certificate, key): (PathBuf, PathBuf)| {
        (certificate.display().to_string(), key.display().to_string())
    };
    let (known, itself) = (paths(provider.tls_client()), paths(provider.tls_self_signed_client()));
    for (client, (certificate, key), expected) in [
        ("tls", &known, given()),
        ("tls-self-signed", &itself, given()),
        ("tls", &itself, (401, "invalid_client".into())),
        ("tls-self-signed", &known, (401, "invalid_client".into())),
    ] {
        let form = format!("client_id={client}");
        assert_eq!(ask(&["--cert", certificate, "--key", key, "-d", &form]), expected, "{client}");
    }
    assert_eq!(ask(&["-d", "client_id=tls"]), (401, "invalid_client".into()), "without a certificate");
}

#[test]
fn authlib_knows_users_and_rotates_refresh_tokens_over_http_too() {
    let server = AuthlibServer::start_http();
    let url = server.url("/token");
    let client = ["-u", "basic:basic-secret"];
    let (name, password) = (format!("username={}", ZOE.0), format!("password={}", ZOE.1));
    let user = ["-d", "grant_type=password", "--data-urlencode", &name, "--data-urlencode"];
    assert_eq!(ask(&url, "token_type", &[&client[..], &user, &[&password]].concat()), (200, "Bearer".into()));
    assert_eq!(
        ask(&url, "token_type", &[&client[..], &user, &["password=x"]].concat()),
        (400, "invalid_request".into())
    );
    let first = format!("refresh_token={}", server.refresh_token("hello"));
    let refresh = [&client[..], &["-d", "grant_type=refresh_token", "-d", &first]].concat();
    assert_eq!(ask(&url, "token_type", &refresh), (200, "Bearer".into()));
    assert_eq!(ask(&url, "token_type", &refresh), (400, "invalid_grant".into()), "good for one use");
}

#[test]
fn authlib_enforces_how_a_client_authenticates_and_shows_a_certificate_of_its_own() {
    let mut server = AuthlibServer::start();
    let certificate = server.certificate().display().to_string();
    let token = server.opaque("hello", 60);
    let status = |path: &str, more: &[&str]| {
        let (form, url) = (format!("token={token}"), server.url(path));
        curl([&["--cacert", &certificate, "-d", &form], more, &[&url]].concat()).status
    };
    assert_eq!(status("/introspect", &["-u", "basic:basic-secret"]), 200);
    assert_eq!(status("/introspect", &["-u", "basic:wrong"]), 401);
    assert_eq!(status("/introspect", &["-u", "post:post-secret"]), 401);
    assert_eq!(status("/introspect", &["-d", "client_id=post", "-d", "client_secret=post-secret"]), 200);
    let bearer = |scope: &str| format!("Authorization: Bearer {}", server.opaque(scope, 60));
    assert_eq!(status("/introspect/bearer", &["-H", &bearer("introspect")]), 200);
    assert_eq!(status("/introspect/bearer", &["-H", &bearer("hello")]), 403);
    assert_eq!(status("/introspect/bearer", &[]), 401);
    assert_eq!(server.jwt("hello", 60).matches('.').count(), 2);
    assert_eq!(server.count("/introspect"), 4);
    server.revoke(&token);
    let url = server.url("/jwks");
    assert_eq!(try_curl([&url]).unwrap_err().code, Some(60), "nobody else trusts its certificate");
    let first = kids(&["--cacert", &certificate, &url]);
    server.start_again();
    assert_ne!(kids(&["--cacert", &certificate, &url]), first);
    server.kill();
    assert_eq!(try_curl([&url]).unwrap_err().code, Some(7));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_opens_pages_and_tells_what_they_report() {
    use axum::{Router, response::Html, routing::get};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let page = |script: &'static str| get(move || async move { Html(format!("<script>{script}</script>")) });
    let app = Router::new()
        .route("/one", page("document.cookie = 'a=b'; report({ cookie: document.cookie })"))
        .route("/two", page("report({ cookie: document.cookie })"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let mut browser = Browser::start();
    assert_eq!(browser.visit(&format!("{origin}/one"))["cookie"], "a=b");
    assert_eq!(browser.visit(&format!("{origin}/two"))["cookie"], "", "each visit has a profile of its own");
}

#[test]
fn the_websocket_server_says_what_reached_it() {
    let mut echo = WebSocketEcho::start();
    let url = format!("http://{}/foo?a=b", echo.address());
    assert_eq!(curl([&url]).status, 426);
    let mut stream = TcpStream::connect(echo.address()).unwrap();
    let head = "GET /foo?a=b HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    // A masked text frame, `hi`, by a mask of zeros.
    let frame = [0x81, 0x82, 0, 0, 0, 0, b'h', b'i'];
    stream.write_all(&[head.as_bytes(), &frame].concat()).unwrap();
    let upgrade = echo.next("upgrade");
    assert_eq!((&upgrade["target"], &upgrade["headers"]["host"]), (&"/foo?a=b".into(), &"x".into()));
    assert_eq!(echo.next("message"), "hi");
    drop(stream);
    assert_eq!(echo.next("close"), 1006);
    assert!(echo.so_far().contains("\"hi\""));
}
