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

use portcullis_tests::{Express, PythonHttpServer, Upstream, curl, openssl_sha256, temp_dir, write};

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
