//! Path patterns as axum's router writes them: `/users/{id}`, `/files/{*rest}`.

use std::cmp::Ordering;

use crate::BuildError;

/// One segment of a pattern, from the most specific kind to the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Segment<'a> {
    Static(&'a str),
    Parameter,
    Rest,
}

fn segments(pattern: &str) -> impl Iterator<Item = Segment<'_>> {
    pattern.strip_prefix('/').unwrap_or(pattern).split('/').map(|text| {
        if text.starts_with("{*") {
            Segment::Rest
        } else if text.starts_with('{') && !text.starts_with("{{") {
            Segment::Parameter
        } else {
            Segment::Static(text)
        }
    })
}

/// Whether the pattern ends in `{*rest}`: it then covers a subtree by intent.
pub(crate) fn is_subtree(pattern: &str) -> bool {
    segments(pattern).last() == Some(Segment::Rest)
}

/// Whether two patterns are the same but for their parameters' names.
pub(crate) fn same_shape(one: &str, other: &str) -> bool {
    segments(one).eq(segments(other))
}

/// Whether every path that `narrow` matches is matched by `wide`: `wide` is equal to it or less specific.
pub(crate) fn covers(wide: &str, narrow: &str) -> bool {
    let mut narrow = segments(narrow);
    for segment in segments(wide) {
        let Some(other) = narrow.next() else { return false };
        match (segment, other) {
            (Segment::Rest, _) => return true,
            (Segment::Parameter, Segment::Rest) => return false,
            // A parameter is never empty, so `/{x}` does not cover `/`.
            (Segment::Parameter, Segment::Static("")) => return false,
            (Segment::Parameter, _) => {}
            (Segment::Static(text), Segment::Static(same)) if text == same => {}
            (Segment::Static(_), _) => return false,
        }
    }
    narrow.next().is_none()
}

/// Orders patterns from the most specific to the least, as the router chooses: at the first segment that
/// differs in kind, text goes before a parameter and a parameter before `{*rest}`.
pub(crate) fn by_specificity(one: &str, other: &str) -> Ordering {
    let kinds = |pattern| {
        segments(pattern).map(|segment| match segment {
            Segment::Static(_) => 0_u8,
            Segment::Parameter => 1,
            Segment::Rest => 2,
        })
    };
    kinds(one).cmp(kinds(other))
}

/// The pattern with parameters named by position, so that two spellings of one shape are one entry in a
/// router.
pub(crate) fn normalised(pattern: &str) -> String {
    let mut normal = String::with_capacity(pattern.len());
    for (position, segment) in segments(pattern).enumerate() {
        normal.push('/');
        match segment {
            Segment::Static(text) => normal.push_str(text),
            Segment::Parameter => normal.push_str(&format!("{{p{position}}}")),
            Segment::Rest => normal.push_str("{*rest}"),
        }
    }
    normal
}

/// Whether `path` is `base` or lies below it on a segment boundary.
pub(crate) fn is_within(base: &str, path: &str) -> bool {
    path.strip_prefix(base.trim_end_matches('/')).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The pattern of a resource at `path` in the service at `base`; `/` is the service's own path.
pub(crate) fn join(base: &str, path: &str) -> String {
    let base = base.trim_end_matches('/');
    match path {
        "" | "/" if base.is_empty() => "/".to_owned(),
        "" | "/" => base.to_owned(),
        path => format!("{base}{path}"),
    }
}

/// Refuses a pattern that could never match, or that the router would refuse.
pub(crate) fn check(pattern: &str) -> Result<(), BuildError> {
    let problem = if !pattern.starts_with('/') {
        "a path starts with `/`".to_owned()
    } else if pattern.contains('%') {
        "a path is written percent-decoded: it is compared with the decoded request path".to_owned()
    } else if pattern.contains(['?', '#']) {
        "a path holds no query and no fragment".to_owned()
    } else if pattern.contains("//") {
        "a path holds no empty segment".to_owned()
    } else if let Err(error) = matchit::Router::new().insert(pattern, ()) {
        error.to_string()
    } else {
        return Ok(());
    };
    Err(BuildError::new(format!("the path {pattern:?} cannot be used: {problem}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_ignore_parameter_names_only() {
        assert!(same_shape("/foo/{id}", "/foo/{user}"));
        assert!(same_shape("/foo/{*rest}", "/foo/{*path}"));
        for (one, other) in
            [("/foo/{id}", "/foo/id"), ("/foo/{id}", "/foo/{*id}"), ("/foo", "/foo/"), ("/Foo", "/foo")]
        {
            assert!(!same_shape(one, other), "{one} {other}");
        }
    }

    #[test]
    fn covering_means_matching_everything_the_other_matches() {
        for (wide, narrow) in [
            ("/foo/{page}", "/foo/admin"),
            ("/foo/{page}", "/foo/{id}"),
            ("/foo/{*rest}", "/foo/{id}"),
            ("/foo/{*rest}", "/foo/a/{id}"),
            ("/{*rest}", "/foo/{*rest}"),
            ("/foo", "/foo"),
        ] {
            assert!(covers(wide, narrow), "{wide} covers {narrow}");
        }
        for (wide, narrow) in [
            ("/users/export", "/users/{id}"),
            ("/foo/{page}", "/foo"),
            ("/foo/{page}", "/foo/{*rest}"),
            ("/foo/{page}", "/foo/a/b"),
            ("/foo/{page}", "/foo/"),
            ("/foo/{b}", "/{a}/bar"),
            ("/foo/bar", "/foo"),
            ("/api/foo/admin", "/foo/admin"),
        ] {
            assert!(!covers(wide, narrow), "{wide} does not cover {narrow}");
        }
    }

    #[test]
    fn specificity_is_decided_at_the_first_segment_that_differs() {
        let mut patterns = ["/{*rest}", "/{a}/b", "/a/{*rest}", "/a/{b}", "/a/b"];
        patterns.sort_by(|one, other| by_specificity(one, other));
        assert_eq!(patterns, ["/a/b", "/a/{b}", "/a/{*rest}", "/{a}/b", "/{*rest}"]);
    }

    #[test]
    fn a_base_is_a_prefix_on_a_segment_boundary() {
        for path in ["/foo", "/foo/", "/foo/bar"] {
            assert!(is_within("/foo", path), "{path}");
        }
        for path in ["/foobar", "/fo", "/", "/bar/foo", "/Foo"] {
            assert!(!is_within("/foo", path), "{path}");
        }
        assert!(is_within("/", "/anything"));
        assert!(is_within("", "/anything"));
    }

    #[test]
    fn resource_paths_are_joined_to_the_service() {
        assert_eq!(join("/foo", "/bar"), "/foo/bar");
        assert_eq!(join("/foo/", "/bar"), "/foo/bar");
        assert_eq!(join("/foo", "/"), "/foo");
        assert_eq!(join("/", "/bar"), "/bar");
        assert_eq!(join("", "/"), "/");
    }

    #[test]
    fn patterns_that_cannot_match_are_refused_with_the_reason() {
        for (pattern, reason) in [
            ("foo", "starts with"),
            ("/foo%20bar", "percent-decoded"),
            ("/foo?x", "no query"),
            ("/a//b", "empty segment"),
            ("/{*rest}/more", "atch-all"),
            ("/{", "Parameters"),
        ] {
            let error = check(pattern).unwrap_err().to_string();
            assert!(error.contains(reason), "{pattern}: {error}");
        }
        for pattern in ["/", "/foo$bar@", "/users/{id}", "/files/{*rest}", "/zoë"] {
            assert!(check(pattern).is_ok(), "{pattern}");
        }
    }
}
