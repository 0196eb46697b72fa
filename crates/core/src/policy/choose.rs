//! Which configured resource covers a request.

#[cfg(test)]
mod tests;

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
    /// The path reads in two ways that fall under different policies.
    Ambiguous,
}

impl Resources {
    pub(crate) fn new(mut all: Vec<Compiled>) -> Result<Self, BuildError> {
        // What has a path goes by its effective method.
        let connects = all.iter().filter(|one| one.method == Some(Method::CONNECT));
        let unmet: Vec<String> = connects
            .map(|one| {
                let label = one.policy.label();
                format!("{label} covers no request: write GET, which covers extended CONNECT")
            })
            .collect();
        if !unmet.is_empty() {
            return Err(BuildError::new(unmet.join("\n")));
        }
        all.sort_by(|one, other| pattern::by_specificity(&one.pattern, &other.pattern));
        let mut places: HashMap<(Option<&Method>, String), &Compiled> = HashMap::new();
        for one in &all {
            let place = (one.method.as_ref(), pattern::normalised(&one.pattern));
            if let Some(twin) = places.insert(place, one) {
                return Err(BuildError::new(format!(
                    "{} and {} cover the same requests: keep one of them",
                    twin.policy.label(),
                    one.policy.label()
                )));
            }
        }
        drop(places);
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

    /// The resource that covers `method` on `path` (as it came, percent-encoded, and `decoded` once), where the
    /// router chose `route`, if one did.
    pub(crate) fn choose(
        &self,
        method: &Method,
        path: &str,
        decoded: &str,
        route: Option<&str>,
    ) -> Choice<'_> {
        let method = effective_method(method, path);
        // A router compares undecoded: its route for `/a b` reads `/a%20b`.
        let route = route.map(decode);
        let route = route.as_deref();
        let found = self.find(method, decoded, route);
        // An encoded slash is one segment to a router that splits first, and two to a handler that decodes
        // first. Where that makes a difference nobody can say which resource was meant.
        let split_first = path.contains("%2").then(|| decode_but_slashes(path)).flatten();
        if let Some(split_first) = split_first {
            let other = self.find(method, &split_first, route);
            if found.map(std::ptr::from_ref) != other.map(std::ptr::from_ref) {
                return Choice::Ambiguous;
            }
        }
        // Whatever answers behind a wildcard, or where no route is known, reads the rest of the path by itself: file
        // servers drop empty and dot segments.
        if route.is_none_or(pattern::is_subtree)
            && let Some(direct) = without_detours(decoded)
            && found.map(std::ptr::from_ref) != self.find(method, &direct, route).map(std::ptr::from_ref)
        {
            return Choice::Ambiguous;
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

/// A decoded path with its empty and dot segments resolved, except for the slash at its end; `None` where there are none.
fn without_detours(path: &str) -> Option<String> {
    if !path.contains("//") && !path.contains("/.") {
        return None;
    }
    let mut kept = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            other => {
                kept.push(other);
                continue;
            }
        }
        if segments.peek().is_none() {
            kept.push("");
        }
    }
    let direct = format!("/{}", kept.join("/"));
    (direct != path).then_some(direct)
}

impl fmt::Debug for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.all).finish()
    }
}
