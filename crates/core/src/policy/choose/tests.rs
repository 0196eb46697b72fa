use std::sync::Arc;

use super::*;
use crate::{SystemClock, policy::Service};

fn of() -> Service {
    Service { clock: Arc::new(SystemClock::new()), observer: None }
}

fn resources(list: &[(&str, &str)]) -> Resources {
    let compiled = |(method, pattern): &(&str, &str)| Compiled {
        method: (*method != "*").then(|| method.parse().unwrap()),
        pattern: (*pattern).to_owned(),
        policy: Policy::public(format!("{method} {pattern}"), crate::Protocol::Http, of()),
    };
    Resources::new(list.iter().map(compiled).collect()).unwrap()
}

fn chosen(resources: &Resources, method: &str, path: &str, route: Option<&str>) -> String {
    match resources.choose(&method.parse().unwrap(), path, &decode(path), route) {
        Choice::Resource(resource) => resource.policy.label().to_owned(),
        Choice::Service => "service".to_owned(),
        Choice::Ambiguous => "ambiguous".to_owned(),
    }
}

#[test]
fn the_rule_of_route_and_path() {
    for (resource, route, path, expected) in [
        ("/foo/admin", Some("/foo/{page}"), "/foo/admin", true),
        ("/foo/admin", Some("/foo/{page}"), "/foo/%61dmin", true),
        ("/foo/admin", Some("/foo/{*rest}"), "/foo/admin", true),
        ("/foo/{user}", Some("/foo/{id}"), "/foo/7", true),
        ("/pkg.Greeter/SayHello", Some("/pkg.Greeter/{*rest}"), "/pkg.Greeter/SayHello", true),
        ("/svc/admin", None, "/svc/admin", true),
        ("/foo/admin", None, "/foo/%61dmin", true),
        ("/admin/{*rest}", Some("/admin/users"), "/admin/users", true),
        ("/admin/{*rest}", Some("/admin/users/{id}"), "/admin/users/1", true),
        ("/admin/{*rest}", None, "/admin/", true),
        ("/foo$bar@", None, "/foo%24bar%40", true),
        ("/images/img-7", Some("/images/img-{id}"), "/images/img-7", true),
        ("/admin panel", Some("/admin%20panel"), "/admin%20panel", true),
        ("/users/{id}", Some("/users/export"), "/users/export", false),
        ("/foo/{id}", Some("/foo/bar/{x}"), "/foo/bar", false),
        ("/admin/{*rest}", None, "/admin", false),
        ("/foo/admin", None, "/foo/admin/", false),
        ("/foo/admin", None, "/foo/ADMIN", false),
        ("/foo/admin", None, "/foo/%2561dmin", false),
    ] {
        let found = chosen(&resources(&[("*", resource)]), "GET", path, route);
        let expected = if expected { format!("* {resource}") } else { "service".to_owned() };
        assert_eq!(found, expected, "{resource} {route:?} {path}");
    }
}

#[test]
fn the_most_specific_path_wins_then_the_exact_method_then_no_method() {
    let list = resources(&[
        ("*", "/{*rest}"),
        ("*", "/a/{x}"),
        ("GET", "/a/{y}"),
        ("POST", "/a/b"),
        ("*", "/c"),
        ("HEAD", "/h"),
        ("GET", "/h"),
    ]);
    for (method, path, expected) in [
        ("POST", "/a/b", "POST /a/b"),
        ("GET", "/a/b", "GET /a/{y}"),
        ("HEAD", "/a/b", "GET /a/{y}"),
        ("PUT", "/a/b", "* /a/{x}"),
        ("PUT", "/a/q", "* /a/{x}"),
        ("DELETE", "/c", "* /c"),
        ("DELETE", "/a/b/c", "* /{*rest}"),
        ("HEAD", "/h", "HEAD /h"),
        ("GET", "/h", "GET /h"),
        ("POST", "/h", "* /{*rest}"),
    ] {
        assert_eq!(chosen(&list, method, path, None), expected, "{method} {path}");
    }
}

#[test]
fn a_subtree_may_stand_beside_a_parameter() {
    for list in [
        [("*", "/users/{*rest}"), ("*", "/users/{id}"), ("*", "/users/{id}/mail"), ("GET", "/users/{*rest}")],
        [("GET", "/users/{*rest}"), ("*", "/users/{id}/mail"), ("*", "/users/{*rest}"), ("*", "/users/{id}")],
    ] {
        let list = resources(&list);
        for (method, path, expected) in [
            ("POST", "/users/7", "* /users/{id}"),
            ("POST", "/users/7/mail", "* /users/{id}/mail"),
            ("GET", "/users/7/mail", "* /users/{id}/mail"),
            ("POST", "/users/7/other", "* /users/{*rest}"),
            ("GET", "/users/7/other", "GET /users/{*rest}"),
            ("GET", "/users/", "GET /users/{*rest}"),
            ("POST", "/users/", "* /users/{*rest}"),
            ("GET", "/users", "service"),
        ] {
            assert_eq!(chosen(&list, method, path, None), expected, "{method} {path}");
        }
    }
}

#[test]
fn a_subtree_covers_its_beginning_beside_a_wider_subtree() {
    let list = [("GET", "/{*rest}"), ("*", "/{tenant}/{*rest}"), ("POST", "/{tenant}/{*rest}")];
    let list = resources(&list);
    for (method, path, expected) in [
        ("GET", "/acme/", "* /{tenant}/{*rest}"),
        ("HEAD", "/acme/", "* /{tenant}/{*rest}"),
        ("POST", "/acme/", "POST /{tenant}/{*rest}"),
        ("GET", "/acme/x", "* /{tenant}/{*rest}"),
        ("GET", "/acme", "GET /{*rest}"),
        ("POST", "/acme", "service"),
        ("GET", "/", "GET /{*rest}"),
    ] {
        assert_eq!(chosen(&list, method, path, None), expected, "{method} {path}");
    }
    let list = resources(&[("*", "/a/"), ("GET", "/a/{*rest}"), ("*", "/{*rest}")]);
    for (path, expected) in [("/a/", "* /a/"), ("/a/b", "GET /a/{*rest}"), ("/b/", "* /{*rest}")] {
        assert_eq!(chosen(&list, "GET", path, None), expected, "{path}");
    }
}

#[test]
fn extended_connect_is_a_get_and_plain_connect_is_not() {
    let list = resources(&[("GET", "/ws")]);
    assert_eq!(chosen(&list, "CONNECT", "/ws", None), "GET /ws");
    assert_eq!(chosen(&list, "CONNECT", "", None), "service");
    assert_eq!(chosen(&list, "POST", "/ws", None), "service");
}

#[test]
fn a_wider_resource_applies_where_the_most_specific_is_not_the_route() {
    let list = resources(&[("*", "/users/{id}"), ("*", "/{*rest}")]);
    assert_eq!(chosen(&list, "GET", "/users/export", Some("/users/export")), "* /{*rest}");
    assert_eq!(chosen(&list, "GET", "/users/7", Some("/users/{id}")), "* /users/{id}");
    let list = resources(&[("*", "/users/{id}"), ("*", "/{a}/export")]);
    assert_eq!(chosen(&list, "GET", "/users/export", Some("/{x}/export")), "* /{a}/export");
    // One that the path does not meet speaks for no route.
    let list = resources(&[("*", "/users/{id}"), ("*", "/other/{*rest}"), ("*", "/users/import")]);
    assert_eq!(chosen(&list, "GET", "/users/export", Some("/users/export")), "service");
    // Where a subtree with a parameter begins, too.
    let list = resources(&[("*", "/{a}/"), ("*", "/{a}/{*rest}")]);
    assert_eq!(chosen(&list, "GET", "/acme/", Some("/acme/")), "* /{a}/{*rest}");
    assert_eq!(chosen(&list, "GET", "/acme/", Some("/{tenant}/")), "* /{a}/");
}

#[test]
fn an_encoded_slash_that_changes_the_resource_is_ambiguous() {
    let list = resources(&[("*", "/users/{id}"), ("*", "/files/admin/{*rest}")]);
    assert_eq!(chosen(&list, "GET", "/users/a%2Fb", Some("/users/{id}")), "ambiguous");
    assert_eq!(chosen(&list, "GET", "/files/admin%2fx", Some("/files/{*path}")), "ambiguous");
    assert_eq!(chosen(&list, "GET", "/other/a%2Fb", Some("/other/{id}")), "service");
    assert_eq!(chosen(&list, "GET", "/files/admin/a%2Fb", None), "* /files/admin/{*rest}");
    assert_eq!(chosen(&list, "GET", "/users/a%2eb", None), "* /users/{id}");
}

#[test]
fn a_detour_to_another_resource_is_ambiguous_where_the_path_is_read_behind_the_router() {
    let list = resources(&[("*", "/files/{*rest}"), ("*", "/files/admin/{*rest}"), ("*", "/{a}/{b}")]);
    for route in [None, Some("/files/{*path}"), Some("/{*path}")] {
        for (path, expected) in [
            ("/files/admin/x", "* /files/admin/{*rest}"),
            ("/files//admin/x", "ambiguous"),
            ("/files/./admin/x", "ambiguous"),
            ("/files/x/../admin/x", "ambiguous"),
            ("/files/%2e/admin/x", "ambiguous"),
            ("/files//admin/", "ambiguous"),
            ("/files/admin/../x", "ambiguous"),
            ("/files/admin//x", "* /files/admin/{*rest}"),
            ("/files/admin/./x", "* /files/admin/{*rest}"),
            ("/files//x", "* /files/{*rest}"),
            ("/files/.x/..y/...", "* /files/{*rest}"),
        ] {
            assert_eq!(chosen(&list, "GET", path, route), expected, "{path} {route:?}");
        }
    }
    // Handlers of a route without a wildcard are the same whatever their parameters hold.
    for path in ["/x/..", "/x/.", "/x/y"] {
        assert_eq!(chosen(&list, "GET", path, Some("/{page}/{part}")), "* /{a}/{b}", "{path}");
    }
}

#[test]
fn detours_are_resolved_but_for_the_slash_at_the_end() {
    for (path, expected) in [
        ("/a/b", None),
        ("/a/b/", None),
        ("/", None),
        ("/.a/b..", None),
        ("//a", Some("/a")),
        ("/a//", Some("/a/")),
        ("/a/.", Some("/a/")),
        ("/a/./b/", Some("/a/b/")),
        ("/a/b/..", Some("/a/")),
        ("/a/../../b", Some("/b")),
        ("/..", Some("/")),
        ("///", Some("/")),
    ] {
        assert_eq!(without_detours(path).as_deref(), expected, "{path}");
    }
}

#[test]
fn encoded_slashes_in_either_case_are_told_from_everything_else() {
    let read = |path| decode_but_slashes(path).map(|read| read.replace('\u{1f}', "|"));
    for (path, expected) in [
        ("/a/b", None),
        ("/a%2eb%2", None),
        ("/a%252Fb", None),
        ("%2F", Some("|")),
        ("/a%2Fb%2fc%20d", Some("/a|b|c d")),
        ("/a%2F%2f%2F%61", Some("/a|||a")),
        ("/%%2Fx", Some("/%|x")),
    ] {
        assert_eq!(read(path).as_deref(), expected, "{path}");
    }
    // As many as fit into a target, which must not cost their square.
    let many = "/x%2F".repeat(13_000);
    assert_eq!(read(&many), Some("/x|".repeat(13_000)));
}

#[test]
fn two_equal_resources_are_refused() {
    let twin = |pattern: &str| Compiled {
        method: None,
        pattern: pattern.into(),
        policy: Policy::public(pattern.into(), crate::Protocol::Http, of()),
    };
    let error = Resources::new(vec![twin("/a/{x}"), twin("/a/{y}")]).unwrap_err().to_string();
    assert_eq!(error, "/a/{x} and /a/{y} cover the same requests: keep one of them");
}

#[test]
fn a_resource_for_connect_is_refused_for_extended_connect_is_a_get() {
    use crate::{Auth, Resource};

    let chat = |method| Resource::new("/chat").method(method).public();
    let auth = Auth::builder().public().path("/foo");
    assert!(auth.resource(chat(Method::GET)).build().is_ok());
    let told = |path: &str| {
        format!("resource CONNECT {path} covers no request: write GET, which covers extended CONNECT")
    };
    let auth = Auth::builder().public().path("/foo");
    let several = auth.resource(chat(Method::CONNECT)).resource(chat(Method::POST));
    let error = several.resource(Resource::new("/").method(Method::CONNECT)).build().unwrap_err().to_string();
    assert_eq!(error, format!("{}\n{}", told("/foo/chat"), told("/foo")));
    let auth = Auth::builder().public().build().unwrap();
    assert_eq!(auth.with_resource(chat(Method::CONNECT)).unwrap_err().to_string(), told("/chat"));
}
