//! Which configured resource covers a request.

use std::{borrow::Cow, collections::HashMap, fmt};

use http::Method;
use percent_encoding::percent_decode_str;

use super::{Policy, pattern};
use crate::BuildError;

/// A resource with its whole path and what it makes of the service.
#[derive(Clone, Debug)]
pub(crate) struct Compiled {
    pub(crate) method: Option<Method>,
    /// Service path and resource path together.
    pub(crate) pattern: String,
    pub(crate) policy: Policy,
}

impl Compiled {
    /// How well the resource's method fits: 0 is best; `None` does not cover it.
    fn method_rank(&self, method: &Method) -> Option<u8> {
        match &self.method {
            Some(own) if own == method => Some(0),
            // RFC 9110 §9.3.2: HEAD "is identical to GET except that the server MUST NOT send content"
            Some(own) if own == Method::GET && method == Method::HEAD => Some(1),
            Some(_) => None,
            None => Some(2),
        }
    }
}

/// The resources of a service, the most specific first.
#[derive(Clone, Default)]
pub(crate) struct Resources {
    all: Vec<Compiled>,
    by_method: HashMap<Method, Table>,
    other_methods: Table,
}

/// Finds the most specific of the resources that match a path. The less its number, the more specific one is.
#[derive(Clone, Default)]
struct Table {
    together: matchit::Router<usize>,
    /// The router takes no `/{*rest}` beside a `/{id}`: one of them stands for itself.
    apart: Vec<(usize, matchit::Router<()>)>,
}

impl Table {
    /// Adds the resource `at` for a normalised pattern. Where it meets the same paths as one that is there, the more
    /// specific resource keeps them.
    fn insert(&mut self, pattern: &str, at: usize) -> Result<(), matchit::InsertError> {
        match self.together.insert(pattern, at) {
            Err(matchit::InsertError::Conflict { .. }) => {
                let mut own = matchit::Router::new();
                own.insert(pattern, ())?;
                self.apart.push((at, own));
                Ok(())
            }
            other => other,
        }
    }

    fn at(&self, path: &str) -> Option<usize> {
        let together = self.together.at(path).ok().map(|found| *found.value);
        let apart = self.apart.iter().filter(|(_, own)| own.at(path).is_ok()).map(|(at, _)| *at);
        together.into_iter().chain(apart).min()
    }
}

/// What was found.
#[derive(Debug)]
pub(crate) enum Choice<'a> {
    /// A resource covers the request.
    Resource(&'a Compiled),
    /// None does: the service's own policy applies.
    Service,
    /// An encoded slash makes the path read in two ways that fall under different policies.
    Ambiguous,
}

impl Resources {
    pub(crate) fn new(mut all: Vec<Compiled>) -> Result<Self, BuildError> {
        all.sort_by(|one, other| pattern::by_specificity(&one.pattern, &other.pattern));
        for (at, one) in all.iter().enumerate() {
            let twin = all.iter().take(at).find(|other| {
                other.method == one.method && pattern::same_shape(&other.pattern, &one.pattern)
            });
            if let Some(twin) = twin {
                return Err(BuildError::new(format!(
                    "{} and {} cover the same requests: keep one of them",
                    twin.policy.label(),
                    one.policy.label()
                )));
            }
        }
        let mut methods: Vec<Method> = all.iter().filter_map(|resource| resource.method.clone()).collect();
        if methods.contains(&Method::GET) {
            methods.push(Method::HEAD);
        }
        let mut by_method = HashMap::new();
        for method in methods {
            let table = Self::table(&all, |resource| resource.method_rank(&method))?;
            by_method.insert(method, table);
        }
        let other_methods = Self::table(&all, |resource| resource.method.is_none().then_some(0))?;
        Ok(Self { all, by_method, other_methods })
    }

    fn table(all: &[Compiled], rank: impl Fn(&Compiled) -> Option<u8>) -> Result<Table, BuildError> {
        let mut covering: Vec<(u8, usize, String)> = all
            .iter()
            .enumerate()
            .filter_map(|(at, resource)| Some((rank(resource)?, at, pattern::normalised(&resource.pattern))))
            .collect();
        covering.sort_by_key(|(rank, ..)| *rank);
        let mut best: Vec<(usize, &str)> = Vec::new();
        for (_, at, shape) in &covering {
            if best.iter().all(|(_, known)| known != shape) {
                best.push((*at, shape));
            }
        }
        // Where a subtree begins after the patterns: a resource for exactly that path is more specific.
        let roots: Vec<(usize, &str)> =
            best.iter().filter_map(|(at, shape)| Some((*at, pattern::subtree_root(shape)?))).collect();
        let mut table = Table::default();
        for (at, shape) in best.into_iter().chain(roots) {
            table.insert(shape, at).map_err(|error| {
                let label = all.get(at).map_or("", |resource| resource.policy.label());
                BuildError::new(format!("{label} cannot be used: {error}"))
            })?;
        }
        Ok(table)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Compiled> {
        self.all.iter()
    }

    /// The resource that covers `method` on `path` (as it came, percent-encoded), where the router chose
    /// `route`, if one did.
    pub(crate) fn choose(&self, method: &Method, path: &str, route: Option<&str>) -> Choice<'_> {
        let method = effective_method(method, path);
        let decoded = decode(path);
        // A router compares undecoded: its route for `/a b` reads `/a%20b`.
        let route = route.map(decode);
        let route = route.as_deref();
        let found = self.find(method, &decoded, route);
        // An encoded slash is one segment to a router that splits first, and two to a handler that decodes
        // first. Where that makes a difference nobody can say which resource was meant.
        let split_first = path.contains("%2").then(|| decode_but_slashes(path)).flatten();
        if let Some(split_first) = split_first {
            let other = self.find(method, &split_first, route);
            if found.map(std::ptr::from_ref) != other.map(std::ptr::from_ref) {
                return Choice::Ambiguous;
            }
        }
        found.map_or(Choice::Service, Choice::Resource)
    }

    fn find(&self, method: &Method, path: &str, route: Option<&str>) -> Option<&Compiled> {
        let table = self.by_method.get(method).unwrap_or(&self.other_methods);
        let best = self.all.get(table.at(path)?)?;
        let Some(route) = route else { return Some(best) };
        if applies(&best.pattern, route) {
            return Some(best);
        }
        // Rare: the most specific resource is not what the router chose, a wider one may still be.
        self.all
            .iter()
            .filter_map(|resource| Some((resource.method_rank(method)?, resource)))
            .filter(|(_, resource)| applies(&resource.pattern, route) && matches(&resource.pattern, path))
            .min_by(|(rank, one), (other_rank, other)| {
                pattern::by_specificity(&one.pattern, &other.pattern).then(rank.cmp(other_rank))
            })
            .map(|(_, resource)| resource)
    }
}

/// A resource speaks for a route that it equals, a part of a wider route, or a subtree.
fn applies(resource: &str, route: &str) -> bool {
    pattern::is_subtree(resource) || pattern::covers(route, resource)
}

fn matches(resource: &str, path: &str) -> bool {
    let shape = pattern::normalised(resource);
    let meets = |pattern: &str| {
        let mut router = matchit::Router::new();
        router.insert(pattern, ()).is_ok() && router.at(path).is_ok()
    };
    meets(&shape) || pattern::subtree_root(&shape).is_some_and(meets)
}

/// An extended CONNECT (RFC 8441), which alone among CONNECTs has a path, is how a WebSocket is opened over
/// HTTP/2; over HTTP/1.1 it is a GET.
fn effective_method<'a>(method: &'a Method, path: &str) -> &'a Method {
    if method == Method::CONNECT && path.starts_with('/') { &Method::GET } else { method }
}

/// The path percent-decoded once. What is not UTF-8 cannot be named by a pattern's text.
pub(crate) fn decode(path: &str) -> Cow<'_, str> {
    percent_decode_str(path).decode_utf8_lossy()
}

/// The path percent-decoded once except for slashes; `None` where none is encoded.
fn decode_but_slashes(path: &str) -> Option<String> {
    let mut parts = Vec::new();
    let mut start = 0;
    for (at, escape) in path.match_indices("%2") {
        let after = at + escape.len();
        if matches!(path.as_bytes().get(after), Some(b'f' | b'F')) {
            parts.push(decode(path.get(start..at).unwrap_or_default()));
            start = after + 1;
        }
    }
    if parts.is_empty() {
        return None;
    }
    parts.push(decode(path.get(start..).unwrap_or_default()));
    // U+001F cannot be typed into a pattern that anyone means.
    Some(parts.join("\u{1f}"))
}

impl fmt::Debug for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.all).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resources(list: &[(&str, &str)]) -> Resources {
        let compiled = |(method, pattern): &(&str, &str)| Compiled {
            method: (*method != "*").then(|| method.parse().unwrap()),
            pattern: (*pattern).to_owned(),
            policy: Policy::public(format!("{method} {pattern}")),
        };
        Resources::new(list.iter().map(compiled).collect()).unwrap()
    }

    fn chosen(resources: &Resources, method: &str, path: &str, route: Option<&str>) -> String {
        match resources.choose(&method.parse().unwrap(), path, route) {
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
            [
                ("*", "/users/{*rest}"),
                ("*", "/users/{id}"),
                ("*", "/users/{id}/mail"),
                ("GET", "/users/{*rest}"),
            ],
            [
                ("GET", "/users/{*rest}"),
                ("*", "/users/{id}/mail"),
                ("*", "/users/{*rest}"),
                ("*", "/users/{id}"),
            ],
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
            policy: Policy::public(pattern.into()),
        };
        let error = Resources::new(vec![twin("/a/{x}"), twin("/a/{y}")]).unwrap_err().to_string();
        assert_eq!(error, "/a/{x} and /a/{y} cover the same requests: keep one of them");
    }
}
