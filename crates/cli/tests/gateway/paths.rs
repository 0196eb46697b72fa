//! A gateway and the server behind it never read a path differently.

use portcullis_cli::gateway::{Answer, PathMatching, Service};
use portcullis_core::{Auth, Resource};

use crate::support::{Server, basic, echo, gateway, guarded, in_front_of, raw, raw_open};

/// The spellings of `/foo/admin` that some server takes for it.
const SPELLINGS: [&str; 38] = [
    "/foo/ADMIN",
    "/foo/Admin",
    "/FOO/admin",
    "/foo/admin/",
    "/foo/ADMIN/",
    "/foo/admin//",
    "/foo//admin",
    "//foo/admin",
    "/foo/admin;x",
    "/foo;x/admin",
    "/foo/admin%3Bx",
    "/foo/x/%2e%2e/admin",
    "/foo/x/../admin",
    "/foo/./admin",
    "/foo/%2e/admin",
    "/foo/admin/.",
    "/foo/admin/x/..",
    "/x/../foo/admin",
    "/foo%2Fadmin",
    "/foo%2fadmin",
    "/foo\\admin",
    "/foo%5Cadmin",
    "/foo/%2561dmin",
    "/foo/%252e%252e/foo/admin",
    "/foo/admin%00",
    "/foo/admin%0a",
    "/foo/admin%23x",
    "/foo/admin%3Fx",
    "/foo/ADMIN%23/x",
    "/foo/%c0%afadmin",
    "/foo/admin.",
    "/foo/admin%20",
    "/foo/ADMIN%2e/",
    "/foo/.../admin",
    "/foo/x/..%20/admin",
    "/foo/%20./admin",
    "/foo/adm%C4%B1n",
    "/foo/adm%ED%A0%80in",
];

/// Spellings that are `/foo/admin` after decoding once, which every server does.
const SAME: [&str; 5] =
    ["/foo/admin", "/foo/%61dmin", "/foo/%61%64%6d%69%6e", "/%66oo/admin", "http://other.example/foo/admin"];

fn admin() -> Resource {
    Resource::new("/admin").scopes("admin")
}

fn auth() -> Auth {
    guarded("/foo").resource(admin()).build().unwrap()
}

#[tokio::test]
async fn no_spelling_of_a_resource_goes_upstream_under_the_services_looser_policy() {
    let mut upstream = echo().await;
    let gateway = gateway([in_front_of(auth(), &upstream)]).await;
    for method in ["GET", "HEAD", "POST", "OPTIONS", "PATCH"] {
        for path in SPELLINGS {
            let reply = raw(gateway, &format!("{method} {path}\nAuthorization: {}", basic("alice"))).await;
            assert!(matches!(reply.status, 400 | 404), "{method} {path}: {}", reply.status);
            assert_eq!(reply.body, "");
        }
        for path in SAME {
            let reply = raw(gateway, &format!("{method} {path}\nAuthorization: {}", basic("alice"))).await;
            assert_eq!(reply.status, 403, "{method} {path}");
        }
    }
    assert_eq!(upstream.reached().len(), 0);
    let reply = raw(gateway, &format!("GET /foo/other\nAuthorization: {}", basic("alice"))).await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "upstream"));
    assert_eq!(upstream.reached_once().target, "/foo/other");
}

#[tokio::test]
async fn no_spelling_of_a_resource_of_a_public_service_goes_upstream_without_credentials() {
    let mut upstream = echo().await;
    let service = Auth::builder()
        .path("/foo")
        .public()
        .resource(
            Resource::new("/admin").elements(portcullis_core::Element::new(crate::support::users(), "admin")),
        )
        .build()
        .unwrap();
    let gateway = gateway([in_front_of(service, &upstream)]).await;
    for path in SPELLINGS {
        let reply = raw(gateway, &format!("GET {path}")).await;
        assert!(matches!(reply.status, 400 | 404), "{path}: {}", reply.status);
    }
    for path in SAME {
        assert_eq!(raw(gateway, &format!("GET {path}")).await.status, 401, "{path}");
    }
    assert_eq!(upstream.reached().len(), 0);
    assert_eq!(raw(gateway, "GET /foo/other/").await.status, 200);
    assert_eq!(upstream.reached_once().target, "/foo/other/");
}

#[tokio::test]
async fn no_spelling_of_a_services_path_goes_upstream_under_a_wider_services_policy() {
    let mut upstream = echo().await;
    let wide = Auth::builder().path("/").public().build().unwrap();
    let narrow = guarded("/foo/admin").build().unwrap();
    let gateway = gateway([in_front_of(wide, &upstream), in_front_of(narrow, &upstream)]).await;
    for path in SPELLINGS {
        let reply = raw(gateway, &format!("GET {path}")).await;
        // A slash at its end is covered by the narrow service itself.
        let expected = if path == "/foo/admin/" { &[401][..] } else { &[400, 404] };
        assert!(expected.contains(&reply.status), "{path}: {}", reply.status);
    }
    assert_eq!(upstream.reached().len(), 0);
    assert_eq!(raw(gateway, "GET /foo/administrators").await.status, 200);
    assert_eq!(upstream.reached_once().target, "/foo/administrators");
}

#[tokio::test]
async fn where_a_subtree_begins_nothing_goes_upstream_under_the_services_looser_policy() {
    let mut upstream = echo().await;
    let subtree = || Resource::new("/admin/{*rest}").scopes("admin");
    let unnamed = guarded("/foo").resource(subtree()).build().unwrap();
    let strict = gateway([in_front_of(unnamed.clone(), &upstream)]).await;
    for path in
        ["/foo/admin", "/foo/%61dmin", "/foo/ADMIN", "/foo/admin.", "/foo/admin%3Fx", "/foo/admin%23/x"]
    {
        for method in ["GET", "POST"] {
            let reply = raw(strict, &format!("{method} {path}\nAuthorization: {}", basic("alice"))).await;
            assert_eq!(reply.status, 404, "{method} {path}");
        }
    }
    assert_eq!(upstream.reached().len(), 0);
    // The pairs: the subtree, what is no spelling of it, and both remedies.
    let named = guarded("/foo").resource(subtree()).resource(admin()).build().unwrap();
    let named = gateway([in_front_of(named, &upstream)]).await;
    let exact = in_front_of(unnamed, &upstream).path_matching(PathMatching::Exact);
    let exact = gateway([exact]).await;
    for (gateway, path, user, status) in [
        (strict, "/foo/admin/", "alice", 403),
        (strict, "/foo/admin/", "root", 200),
        (strict, "/foo/admin/x", "root", 200),
        (strict, "/foo/admins", "alice", 200),
        (named, "/foo/admin", "alice", 403),
        (named, "/foo/admin", "root", 200),
        (named, "/foo/admin/", "alice", 403),
        (named, "/foo/admin/", "root", 200),
        (exact, "/foo/admin", "alice", 200),
        (exact, "/foo/admin/", "alice", 403),
    ] {
        let reply = raw(gateway, &format!("GET {path}\nAuthorization: {}", basic(user))).await;
        assert_eq!(reply.status, status, "{path} {user}");
        let targets: Vec<_> = upstream.reached().into_iter().map(|seen| seen.target).collect();
        assert_eq!(targets, if status == 200 { vec![path] } else { vec![] }, "{path} {user}");
    }
}

#[tokio::test]
async fn a_path_that_reads_shorter_goes_upstream_under_no_looser_policy_than_the_services() {
    let mut upstream = echo().await;
    let item = Resource::new("/items/{id}").method(http::Method::GET).public();
    let docs = Resource::new("/docs/{*rest}").public();
    let auth = guarded("/foo").resource(item).resource(docs).build().unwrap();
    let gateway = gateway([in_front_of(auth, &upstream)]).await;
    for (path, status) in [
        ("/foo/items/%3F", 404),
        ("/foo/items/%23x", 404),
        ("/foo/items/%20", 404),
        ("/foo/items/...", 404),
        ("/foo/docs/%20", 404),
        ("/foo/items", 401),
        ("/foo/items/7", 200),
        ("/foo/items/7%3Fx", 200),
        ("/foo/items/7.", 200),
        ("/foo/docs/", 200),
        ("/foo/docs/%3Fx", 200),
        ("/foo/docs/a/", 200),
    ] {
        assert_eq!(raw(gateway, &format!("GET {path}")).await.status, status, "{path}");
        assert_eq!(upstream.reached().len(), usize::from(status == 200), "{path}");
    }
}

#[tokio::test]
async fn the_upstream_gets_path_and_query_exactly_as_they_were_sent() {
    let mut upstream = echo().await;
    let auth = Auth::builder().path("/foo").public().build().unwrap();
    let gateway = gateway([in_front_of(auth, &upstream)]).await;
    for target in [
        "/foo",
        "/foo/",
        "/foo?",
        "/foo/%61dmin?x=%2F&y=../..;//&z=%zz",
        "/foo/a%20b/%C3%AB",
        "/foo/a|b[c]{d}\"e^",
        "/foo/C%23?q=#",
        "/foo/UPPER/Case/",
        "/f%6fo/x",
    ] {
        let reply = raw(gateway, &format!("GET {target}")).await;
        assert_eq!(reply.status, 200, "{target}");
        // A fragment is no part of a request target; what precedes it is.
        assert_eq!(upstream.reached_once().target, target.trim_end_matches('#'), "{target}");
    }
    assert_eq!(raw(gateway, "GET http://other.example:1/foo/%61?x").await.status, 200);
    let seen = upstream.reached_once();
    assert_eq!(seen.target, "/foo/%61?x");
    assert_eq!(seen.all("x-forwarded-host"), ["other.example:1"]);
}

#[tokio::test]
async fn exact_matching_lets_other_spellings_go_by_what_they_are() {
    let mut upstream = echo().await;
    let service = in_front_of(auth(), &upstream).path_matching(PathMatching::Exact);
    let gateway = gateway([service]).await;
    for path in ["/foo/ADMIN", "/foo/admin/", "/foo/admin%23x"] {
        let reply = raw(gateway, &format!("GET {path}\nAuthorization: {}", basic("alice"))).await;
        assert_eq!(reply.status, 200, "{path}");
        assert_eq!(upstream.reached_once().target, path);
    }
    for path in ["/foo/admin;x", "/foo//admin", "/foo/x/%2e%2e/admin", "/foo%2Fadmin", "/foo/%2561dmin"] {
        let reply = raw(gateway, &format!("GET {path}\nAuthorization: {}", basic("alice"))).await;
        assert_eq!(reply.status, 400, "{path}");
    }
    assert_eq!(upstream.reached().len(), 0);
}

#[tokio::test]
async fn the_service_with_the_longest_path_on_a_segment_boundary_answers() {
    let text = |path: &str, text: &str| {
        Service::new(Auth::builder().path(path).public().build().unwrap(), Answer::Respond(text.into()))
    };
    let gateway = gateway([text("/foo", "foo"), text("/foo/bar", "bar")]).await;
    for (path, expected) in [
        ("/foo", (200, "foo")),
        ("/foo/", (200, "foo")),
        ("/foo/barn", (200, "foo")),
        ("/foo/bar", (200, "bar")),
        ("/foo/bar/x", (200, "bar")),
        ("/foo/%62ar", (200, "bar")),
        ("/foo/BAR", (404, "")),
        ("/foobar", (404, "")),
        ("/", (404, "")),
        ("/FOO", (404, "")),
    ] {
        let reply = raw(gateway, &format!("GET {path}")).await;
        assert_eq!((reply.status, reply.body.as_str()), expected, "{path}");
    }
}

#[tokio::test]
async fn other_forms_of_targets_and_other_methods_are_answered_here() {
    let mut upstream = echo().await;
    let auth = Auth::builder().path("/").public().build().unwrap();
    let gateway = gateway([in_front_of(auth, &upstream)]).await;
    for (line, status) in [
        ("OPTIONS *", 404),
        ("GET *", 400),
        ("TRACE /foo", 405),
        ("CONNECT other.example:443", 405),
        ("CONNECT 127.0.0.1:22", 405),
        ("GET http://user:secret@other.example/foo", 400),
        ("GET http://other.example/../foo", 400),
    ] {
        let reply = raw(gateway, line).await;
        assert_eq!((reply.status, reply.body.as_str()), (status, ""), "{line}");
        let allow = if status == 405 { vec!["GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"] } else { vec![] };
        assert_eq!(reply.all("allow"), allow, "{line}");
    }
    assert_eq!(upstream.reached().len(), 0);
    assert_eq!(raw(gateway, "PURGE /foo").await.status, 200, "other methods pass");
    assert_eq!(upstream.reached_once().method, "PURGE");
}

#[tokio::test]
async fn a_request_that_names_no_host_or_two_is_refused() {
    let mut upstream: Server = echo().await;
    let auth = Auth::builder().path("/").public().build().unwrap();
    let gateway = gateway([in_front_of(auth, &upstream)]).await;
    for head in [
        "GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a/b\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: user@a\r\nConnection: close\r\n\r\n",
    ] {
        let mut connection = raw_open(gateway).await;
        connection.write(head).await;
        assert_eq!(connection.read_to_end().await.status, 400, "{head}");
    }
    assert_eq!(upstream.reached().len(), 0);
    let mut connection = raw_open(gateway).await;
    connection.write("GET / HTTP/1.0\r\n\r\n").await;
    assert_eq!(connection.read_to_end().await.status, 200, "HTTP/1.0 knew no Host");
    assert!(upstream.reached_once().all("x-forwarded-host").is_empty());
}

#[tokio::test]
async fn no_spelling_of_a_method_goes_upstream_under_another_methods_policy() {
    let mut upstream = echo().await;
    let auth = guarded("/foo").resource(admin().method(http::Method::POST)).build().unwrap();
    let gateway = gateway([in_front_of(auth, &upstream)]).await;
    for (method, status) in [("POST", 403), ("post", 405), ("Post", 405), ("pOST", 405), ("patch", 405)] {
        let reply = raw(gateway, &format!("{method} /foo/admin\nAuthorization: {}", basic("alice"))).await;
        assert_eq!(reply.status, status, "{method}");
    }
    assert_eq!(upstream.reached().len(), 0);
    for method in ["GET", "PATCH", "PROPFIND"] {
        let reply = raw(gateway, &format!("{method} /foo/admin\nAuthorization: {}", basic("alice"))).await;
        assert_eq!(reply.status, 200, "{method}");
        assert_eq!(upstream.reached_once().method, method);
    }
}
