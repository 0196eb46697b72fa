//! The prefix under which a service is served without knowing of it.

use std::{fmt, sync::Arc};

use percent_encoding::percent_decode_str;

/// The segments of the prefix; none where the service is served as it was configured.
#[derive(Clone, Default)]
pub(super) struct Mount(Option<Arc<[Box<str>]>>);

impl Mount {
    pub(super) fn at(prefix: &str) -> Self {
        let segments: Arc<[Box<str>]> =
            prefix.split('/').filter(|segment| !segment.is_empty()).map(Into::into).collect();
        Self(Some(segments).filter(|segments| !segments.is_empty()))
    }

    /// What is left of a percent-encoded path; `None` where it lies outside.
    pub(super) fn strip_path<'a>(&self, path: &'a str) -> Option<&'a str> {
        // `OPTIONS *` and plain CONNECT have no path, and lie outside nothing.
        if self.0.is_none() || !path.starts_with('/') {
            return Some(path);
        }
        self.strip(
            path,
            |text, segment| {
                if is_parameter(segment) { !text.is_empty() } else { decodes_to(text, segment) }
            },
        )
    }

    /// What is left of the pattern of a route; `None` where nothing can be said of it.
    pub(super) fn strip_route<'a>(&self, route: &'a str) -> Option<&'a str> {
        if self.0.is_none() {
            return Some(route);
        }
        // What begins as a catch-all within the prefix is one below it.
        let first_catch_all = route.split('/').skip(1).position(|segment| segment.starts_with("{*"));
        let prefix = self.0.as_deref().map_or(0, <[_]>::len);
        if first_catch_all.is_some_and(|at| at < prefix) {
            return Some("/{*rest}");
        }
        self.strip(route, |text, segment| {
            is_parameter(text) || is_parameter(segment) || decodes_to(text, segment)
        })
    }

    fn strip<'a>(&self, path: &'a str, matches: impl Fn(&str, &str) -> bool) -> Option<&'a str> {
        let mut rest = path;
        for segment in self.0.iter().flat_map(|segments| segments.iter()) {
            let below = rest.strip_prefix('/')?;
            let (text, after) = below.split_at(below.find('/').unwrap_or(below.len()));
            if !matches(text, segment) {
                return None;
            }
            rest = after;
        }
        Some(if rest.is_empty() { "/" } else { rest })
    }
}

fn is_parameter(segment: &str) -> bool {
    segment.starts_with('{') && !segment.starts_with("{{") && segment.ends_with('}')
}

fn decodes_to(text: &str, segment: &str) -> bool {
    percent_decode_str(text).eq(segment.bytes())
}

impl fmt::Debug for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("/")?;
        f.write_str(&self.0.as_deref().unwrap_or_default().join("/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_below_the_prefix_loses_it() {
        for (prefix, path, rest) in [
            ("/api", "/api/foo", "/foo"),
            ("/api/", "/api/foo", "/foo"),
            ("/api", "/api", "/"),
            ("/api", "/api/", "/"),
            ("/api/v1", "/api/v1/foo/a%2Fb", "/foo/a%2Fb"),
            ("/{tenant}/api", "/acme/api/foo", "/foo"),
            ("/api", "/%61pi/foo", "/foo"),
            ("", "/foo", "/foo"),
            ("/", "/foo", "/foo"),
            ("/api", "*", "*"),
            ("/api", "", ""),
        ] {
            assert_eq!(Mount::at(prefix).strip_path(path), Some(rest), "{prefix} {path}");
        }
    }

    #[test]
    fn a_path_outside_the_prefix_is_outside() {
        for (prefix, path) in [
            ("/api", "/apis/foo"),
            ("/api", "/foo"),
            ("/api", "/API/foo"),
            ("/api", "//api/foo"),
            ("/api", "/"),
            ("/api/v1", "/api"),
            ("/api/v1", "/api%2Fv1/foo"),
            ("/api", "/%2561pi/foo"),
            ("/{tenant}", "/"),
        ] {
            assert_eq!(Mount::at(prefix).strip_path(path), None, "{prefix} {path}");
        }
    }

    #[test]
    fn a_route_loses_the_prefix_too() {
        for (prefix, route, rest) in [
            ("/api", "/api/foo/{id}", Some("/foo/{id}")),
            ("/api", "/api", Some("/")),
            ("/api", "/{section}/foo", Some("/foo")),
            ("/{tenant}", "/{tenant}/foo", Some("/foo")),
            ("/{tenant}", "/acme/foo", Some("/foo")),
            ("/api", "/{*path}", Some("/{*rest}")),
            ("/api/v1", "/api/{*path}", Some("/{*rest}")),
            ("/api", "/api/{*path}", Some("/{*path}")),
            ("/api", "/foo", None),
        ] {
            assert_eq!(Mount::at(prefix).strip_route(route), rest, "{prefix} {route}");
        }
    }
}
