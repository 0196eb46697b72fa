use std::future::ready;

use portcullis_core::{BoxFuture, Context, Credential, Outcome, Provider, Reason, Scheme};
use proptest::prelude::*;

use super::*;

#[derive(Debug)]
struct Nobody;

impl Provider for Nobody {
    fn kind(&self) -> &'static str {
        "nobody"
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn try_authenticate(&self, _: &Credential<'_>, _: &Context<'_>) -> Option<Outcome> {
        None
    }

    fn authenticate<'a>(&'a self, _: &'a Credential<'a>, _: &'a Context<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(ready(Outcome::refused(Reason::UnknownUser, "nobody is known here")))
    }
}

/// A service with the scope `service`, and resources with a scope each.
fn scoped(path: &str, resources: &[(&str, &str, &str)]) -> Auth {
    let mut builder = Auth::builder().path(path).element(Nobody, "service");
    for (method, path, scope) in resources {
        let mut resource = Resource::new(*path).scopes(*scope);
        if *method != "*" {
            resource = resource.method(method.parse().unwrap());
        }
        builder = builder.resource(resource);
    }
    builder.build().unwrap()
}

/// The same with a scope for each that no other has.
fn auth(path: &str, resources: &[(&str, &str)]) -> Auth {
    let scopes: Vec<_> = (0..resources.len()).map(|at| at.to_string()).collect();
    let with_scope = |(&(method, path), scope)| (method, path, String::as_str(scope));
    scoped(path, &resources.iter().zip(&scopes).map(with_scope).collect::<Vec<_>>())
}

fn meets_another(auth: &Auth, method: &str, path: &str) -> bool {
    let (method, headers) = (method.parse().unwrap(), HeaderMap::new());
    let exact = auth.policy_for(&RequestHead::new(&method, path, &headers)).unwrap();
    Spellings::of(auth).unwrap().unwrap().meets_another(&method, path, exact)
}

fn all(path: &str) -> Vec<(String, bool)> {
    readings(path).map(|reading| (reading.path.into_owned(), reading.is_shorter)).collect()
}

fn several(path: &str) -> Vec<(String, bool)> {
    several_readings(path).map(|reading| (reading.path.into_owned(), reading.is_shorter)).collect()
}

#[test]
fn readings_are_lower_case_cut_at_delimiters_and_without_what_ends_names() {
    for (path, lower, shorter) in [
        ("/foo", "/foo", &[][..]),
        ("/Foo/", "/foo/", &[]),
        ("/", "/", &[]),
        ("/Foo#x", "/foo#x", &["/foo"]),
        ("/Foo/?x/", "/foo/?x/", &["/foo/"]),
        ("/Foo./a. . ", "/foo./a. . ", &["/foo/a"]),
        ("/a/... /b./", "/a/... /b./", &["/a/b/"]),
        ("/a./?.", "/a./?.", &["/a./", "/a/?", "/a/"]),
        ("/ÉA", "/éa", &[]),
    ] {
        let expected: Vec<_> = std::iter::once((lower.to_owned(), false))
            .chain(shorter.iter().map(|path| ((*path).to_owned(), true)))
            .collect();
        assert_eq!(all(path), expected, "{path}");
    }
    // Those that are not copied read like the others.
    for path in ["/", "/a", "/a/", "/a/b", "/a.b/c d", "/.a/ b", "/a-b_c~{d}", "/a\u{7f}"] {
        assert!(reads_in_one_way(path), "{path}");
        assert_eq!(all(path), several(path), "{path}");
    }
    for path in ["/A", "/a.", "/a./b", "/a /b", "/a ", "/a#", "/a?b", "/é", "/\u{212a}"] {
        assert!(!reads_in_one_way(path), "{path}");
    }
}

#[test]
fn a_spelling_that_only_another_reader_takes_for_the_resource_is_found() {
    let one =
        auth("/foo", &[("*", "/admin"), ("GET", "/users/{id}"), ("*", "/files/{*rest}"), ("*", "/key")]);
    for (method, path, expected) in [
        ("GET", "/foo/admin", false),
        ("GET", "/foo/ADMIN", true),
        ("GET", "/foo/aDmin", true),
        ("GET", "/foo/admin/", true),
        ("GET", "/foo/ADMIN/", true),
        ("GET", "/foo/admin#x", true),
        ("GET", "/foo/Admin/?x", true),
        ("GET", "/foo/admin.", true),
        ("GET", "/foo/ADMIN. ", true),
        ("GET", "/foo/\u{212a}ey", true),
        ("GET", "/foo/u\u{17f}ers/bob", true),
        ("GET", "/foo/f\u{131}les/x", true),
        ("GET", "/foo/\u{e9}", false),
        ("GET", "/foo/admins", false),
        ("GET", "/foo/other", false),
        ("GET", "/foo/OTHER/", false),
        ("GET", "/foo/c#", false),
        ("GET", "/foo/users/Bob", false),
        ("GET", "/foo/users/bob/", true),
        ("GET", "/foo/Users/bob", true),
        ("HEAD", "/foo/Users/bob", true),
        ("POST", "/foo/Users/bob", false),
        ("GET", "/foo/files/a/B/", false),
        ("GET", "/foo/files/", false),
        ("GET", "/foo/FILES/", true),
        ("GET", "/foo/files", true),
        ("GET", "/foo/Files/x", true),
    ] {
        assert_eq!(meets_another(&one, method, path), expected, "{method} {path}");
    }
}

#[test]
fn a_more_specific_resource_behind_another_spelling_is_found() {
    let one = auth("/foo", &[("*", "/{page}"), ("*", "/admin"), ("*", "/sub/{*rest}"), ("*", "/")]);
    for (path, expected) in [
        ("/foo/page", false),
        ("/foo/Page", false),
        ("/foo/Admin", true),
        ("/foo/admin/", true),
        ("/foo/page/", true),
        ("/foo/sub/b/", false),
        ("/foo/sub/", true),
        ("/foo/sub", true),
        ("/foo/?", true),
        ("/foo/Sub/b", true),
        ("/foo/", true),
        ("/foo", false),
    ] {
        assert_eq!(meets_another(&one, "GET", path), expected, "{path}");
    }
}

#[test]
fn where_a_subtree_begins_belongs_to_it_unless_a_resource_names_that_path() {
    let one = auth(
        "/foo",
        &[
            ("*", "/admin/{*rest}"),
            ("GET", "/docs"),
            ("*", "/docs/{*rest}"),
            ("*", "/users/{id}"),
            ("*", "/users/me"),
            ("*", "/users/{id}/{*rest}"),
            ("PUT", "/Up/{*rest}"),
        ],
    );
    for (method, path, expected) in [
        ("GET", "/foo/admin", true),
        ("GET", "/foo/ADMIN", true),
        ("GET", "/foo/admin.", true),
        ("GET", "/foo/admin#x", true),
        ("GET", "/foo/admin/", false),
        ("GET", "/foo/admin/x", false),
        ("GET", "/foo/admins", false),
        ("GET", "/foo/docs", false),
        ("HEAD", "/foo/docs", false),
        ("POST", "/foo/docs", true),
        ("GET", "/foo/docs/", true),
        ("POST", "/foo/docs/", false),
        ("GET", "/foo/users/7", false),
        ("GET", "/foo/users/me", false),
        ("GET", "/foo/users/7/x", false),
        ("GET", "/foo/users", false),
        ("PUT", "/foo/Up", true),
        ("PUT", "/foo/up", true),
        ("GET", "/foo/Up", false),
    ] {
        assert_eq!(meets_another(&one, method, path), expected, "{method} {path}");
    }
    // A parameter names no path in particular.
    let wide = auth("/foo", &[("*", "/{page}"), ("*", "/{*all}"), ("*", "/admin/{*rest}")]);
    for (path, expected) in [
        ("/foo/admin", true),
        ("/foo/other", false),
        ("/foo/admin/x", false),
        ("/foo/a/b", false),
        ("/foo", true),
        ("/foo/", false),
    ] {
        assert_eq!(meets_another(&wide, "GET", path), expected, "{path}");
    }
    let root = auth("/", &[("*", "/{*all}")]);
    for path in ["/", "/a", "/A/"] {
        assert!(!meets_another(&root, "GET", path), "{path}");
    }
}

#[test]
fn a_part_that_another_reader_leaves_out_changes_no_policy_in_either_direction() {
    let one = auth("/foo", &[("GET", "/items/{id}"), ("*", "/docs/{*rest}"), ("*", "/docs/secret")]);
    for (method, path, expected) in [
        ("GET", "/foo/items/7", false),
        ("GET", "/foo/items/7?", false),
        ("GET", "/foo/items/7.", false),
        ("GET", "/foo/items/7#/x", true),
        ("GET", "/foo/items/?", true),
        ("GET", "/foo/items/#7", true),
        ("GET", "/foo/items/...", true),
        ("GET", "/foo/items/ ", true),
        ("POST", "/foo/items/?", false),
        ("GET", "/foo/docs/", false),
        ("GET", "/foo/docs/a?b", false),
        ("GET", "/foo/docs/?b", false),
        ("GET", "/foo/docs/ ", true),
        ("GET", "/foo/docs/secret?b", true),
        ("GET", "/foo/docs/secret/b", false),
        ("GET", "/foo/other?", false),
    ] {
        assert_eq!(meets_another(&one, method, path), expected, "{method} {path}");
    }
}

#[test]
fn another_reading_under_the_same_policy_is_as_good() {
    let one = scoped(
        "/foo",
        &[
            ("*", "/docs", "docs"),
            ("*", "/docs/{*rest}", "docs"),
            ("*", "/open", "service"),
            ("GET", "/items/{id}", "service"),
            ("*", "/admin", "admin"),
        ],
    );
    for (path, expected) in [
        ("/foo/docs", false),
        ("/foo/docs/", false),
        ("/foo/DOCS", true),
        ("/foo/OPEN", false),
        ("/foo/open/", false),
        ("/foo/items/?", false),
        ("/foo/admin/", true),
    ] {
        assert_eq!(meets_another(&one, "GET", path), expected, "{path}");
    }
    let policy = |resource: Resource| {
        let auth = Auth::builder().element(Nobody, "service").resource(resource).build().unwrap();
        let head = (Method::GET, HeaderMap::new());
        auth.policy_for(&RequestHead::new(&head.0, "/a", &head.1)).unwrap().clone()
    };
    let service = policy(Resource::new("/b"));
    let again = policy(Resource::new("/a").scopes("service"));
    assert!(are_alike(&service, &service) && !are_alike(&service, &again), "another provider");
    let public = || Resource::new("/a").public();
    assert!(are_alike(&policy(public()), &policy(public().method(Method::GET))));
    assert!(!are_alike(&policy(public()), &again));
    let auth = Auth::builder().element(Nobody, "service");
    let auth = auth.resource(Resource::new("/a").optional(true)).build().unwrap();
    assert!(meets_another(&auth, "GET", "/A"), "one that lets in who shows nothing");
}

#[test]
fn resources_are_compared_however_they_are_written() {
    let one = auth("/Foo", &[("*", "/Admin"), ("*", "/list/")]);
    for (path, expected) in [
        ("/Foo/Admin", false),
        ("/Foo/admin", true),
        ("/Foo/ADMIN/", true),
        ("/Foo/list/", false),
        ("/Foo/list", true),
        ("/Foo/LIST/", true),
    ] {
        assert_eq!(meets_another(&one, "GET", path), expected, "{path}");
    }
}

#[test]
fn two_resources_that_differ_only_in_spelling_are_an_error() {
    for (one, other) in [("/Admin", "/admin"), ("/admin/", "/admin"), ("/A/{x}", "/a/{y}/")] {
        let auth = auth("/foo", &[("GET", one), ("*", other)]);
        let error = Spellings::of(&auth).unwrap_err().to_string();
        assert!(error.contains("differ only in case or in a trailing slash"), "{error}");
        assert!(error.contains("pathMatching = \"exact\""), "{error}");
    }
    let same = auth("/foo", &[("GET", "/a/{x}"), ("POST", "/a/{y}"), ("*", "/a/{z}")]);
    assert!(Spellings::of(&same).unwrap().is_some());
    let none = Auth::builder().public().build().unwrap();
    assert!(Spellings::of(&none).unwrap().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_path_that_is_not_copied_has_no_other_reading(path in "/[a-c/./A?# é\u{130}~]{0,6}") {
        prop_assert_eq!(all(&path), several(&path));
    }
}
