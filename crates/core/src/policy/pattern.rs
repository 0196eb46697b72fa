//! Path patterns as axum's router writes them: `/users/{id}`, `/files/{*rest}`.

use std::cmp::Ordering;

use crate::BuildError;

/// One segment of a pattern. A parameter may have text before it, as in `/images/img-{id}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Segment<'a> {
    Static(&'a str),
    Parameter(&'a str),
    Rest(&'a str),
}

impl<'a> Segment<'a> {
    fn read(text: &'a str) -> Self {
        let mut bytes = text.bytes().enumerate().peekable();
        while let Some((at, byte)) = bytes.next() {
            // `{{` is the character itself.
            if byte == b'{' && bytes.next_if(|(_, next)| *next == b'{').is_none() {
                let (before, parameter) = text.split_at(at);
                return if parameter.starts_with("{*") {
                    Self::Rest(before)
                } else {
                    Self::Parameter(before)
                };
            }
        }
        Self::Static(text)
    }

    /// Orders segments from the most specific to the least, as the router tries them.
    const fn rank(self) -> (usize, u8) {
        match self {
            Self::Static(_) => (0, 0),
            Self::Parameter(before) => (usize::MAX - before.len(), 0),
            Self::Rest(before) => (usize::MAX - before.len(), 1),
        }
    }
}

fn segments(pattern: &str) -> impl Iterator<Item = Segment<'_>> {
    pattern.strip_prefix('/').unwrap_or(pattern).split('/').map(Segment::read)
}

/// Whether the pattern ends in `{*rest}`: it then covers a subtree by intent.
pub(crate) fn is_subtree(pattern: &str) -> bool {
    matches!(segments(pattern).last(), Some(Segment::Rest(_)))
}

/// Whether two patterns are the same but for their parameters' names.
pub(crate) fn same_shape(one: &str, other: &str) -> bool {
    segments(one).eq(segments(other))
}

/// Whether every path that `narrow` matches is matched by `wide`: `wide` is equal to it or less specific.
pub(crate) fn covers(wide: &str, narrow: &str) -> bool {
    let mut narrow = segments(narrow).peekable();
    for segment in segments(wide) {
        let Some(other) = narrow.next() else { return false };
        match (segment, other) {
            (Segment::Rest(""), _) => return true,
            (Segment::Rest(before), Segment::Static(text)) => {
                return text.starts_with(before) && (text.len() > before.len() || narrow.peek().is_some());
            }
            (Segment::Rest(before), Segment::Parameter(other) | Segment::Rest(other)) => {
                return other.starts_with(before);
            }
            // A parameter is empty only where a slash follows: `/{x}` does not cover `/`, and `/v{x}/a` covers `/v/a`.
            (Segment::Parameter(before), Segment::Static(text))
                if text.starts_with(before) && (text.len() > before.len() || narrow.peek().is_some()) => {}
            (Segment::Parameter(before), Segment::Parameter(other)) if other.starts_with(before) => {}
            (Segment::Static(text), Segment::Static(same)) if text == same => {}
            (Segment::Static(_) | Segment::Parameter(_), _) => return false,
        }
    }
    narrow.next().is_none()
}

/// Whether some path is matched by both.
pub(crate) fn overlap(one: &str, other: &str) -> bool {
    let (mut one, mut other) = (segments(one).peekable(), segments(other).peekable());
    let agree = |one: &str, other: &str| one.starts_with(other) || other.starts_with(one);
    loop {
        match (one.next(), other.next()) {
            (None, None) => return true,
            (None, Some(_)) | (Some(_), None) => return false,
            (Some(Segment::Rest(before)), Some(Segment::Static(text)))
            | (Some(Segment::Static(text)), Some(Segment::Rest(before))) => return text.starts_with(before),
            (Some(Segment::Rest(before)), Some(Segment::Parameter(other) | Segment::Rest(other)))
            | (Some(Segment::Parameter(other)), Some(Segment::Rest(before))) => return agree(before, other),
            (Some(Segment::Static(text)), Some(Segment::Static(same))) if text == same => {}
            (Some(Segment::Parameter(before)), Some(Segment::Static(text)))
            | (Some(Segment::Static(text)), Some(Segment::Parameter(before)))
                if text.starts_with(before) && (text.len() > before.len() || one.peek().is_some()) => {}
            (Some(Segment::Parameter(before)), Some(Segment::Parameter(other))) if agree(before, other) => {}
            (Some(Segment::Static(_) | Segment::Parameter(_)), Some(_)) => return false,
        }
    }
}

/// Orders patterns from the most specific to the least, as the router chooses: at the first segment that
/// differs in kind, text goes before a parameter and a parameter before `{*rest}`; more text before them
/// goes first.
pub(crate) fn by_specificity(one: &str, other: &str) -> Ordering {
    segments(one).map(Segment::rank).cmp(segments(other).map(Segment::rank))
}

/// The pattern with parameters named by position, so that two spellings of one shape are one entry in a
/// router.
pub(crate) fn normalised(pattern: &str) -> String {
    let mut normal = String::with_capacity(pattern.len());
    for (position, segment) in segments(pattern).enumerate() {
        normal.push('/');
        match segment {
            Segment::Static(text) => normal.push_str(text),
            Segment::Parameter(before) => normal.push_str(&format!("{before}{{p{position}}}")),
            Segment::Rest(before) => normal.push_str(&format!("{before}{{*rest}}")),
        }
    }
    normal
}

/// The path at which a subtree begins: `/admin/` for `/admin/{*rest}`. A router's `{*rest}` is never empty, but
/// this path belongs to the subtree.
pub(crate) fn subtree_root(normalised: &str) -> Option<&str> {
    normalised.strip_suffix("{*rest}").filter(|root| root.ends_with('/'))
}

/// Whether `path` is `base` or lies below it on a segment boundary.
pub(crate) fn is_within(base: &str, path: &str) -> bool {
    path.strip_prefix(base.trim_end_matches('/')).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The pattern of a resource at `path` in the service at `base`; `/` is the service's own path.
///
/// Without a `/` in front, `admin` in `/foo` would be `/fooadmin`, and nothing would guard `/foo/admin`.
pub(crate) fn join(base: &str, path: &str) -> Result<String, BuildError> {
    let base = base.trim_end_matches('/');
    match path {
        "" | "/" if base.is_empty() => Ok("/".to_owned()),
        "" | "/" => Ok(base.to_owned()),
        path if path.starts_with('/') => Ok(format!("{base}{path}")),
        path => Err(unusable(path, "a path starts with `/`")),
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
    Err(unusable(pattern, &problem))
}

fn unusable(path: &str, problem: &str) -> BuildError {
    BuildError::new(format!("the path {path:?} cannot be used: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_ignore_parameter_names_only() {
        assert!(same_shape("/foo/{id}", "/foo/{user}"));
        assert!(same_shape("/foo/{*rest}", "/foo/{*path}"));
        assert!(same_shape("/foo/v{major}", "/foo/v{x}"));
        assert!(!same_shape("/foo/v{major}", "/foo/{major}"));
        assert!(!same_shape("/foo/{{id}}", "/foo/{id}"));
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
            ("/images/img-{id}", "/images/img-7"),
            ("/images/img-{id}", "/images/img-{name}"),
            ("/images/{id}", "/images/img-{name}"),
            ("/images/img-{*rest}", "/images/img-/a"),
            ("/images/img-{*rest}", "/images/img-7"),
            ("/images/img-{*rest}", "/images/img-a/{b}"),
            ("/v{major}/mail", "/v/mail"),
            ("/v{major}/{page}", "/v/{x}"),
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
            ("/foo/bar", "/fox/bar"),
            ("/api/foo/admin", "/foo/admin"),
            ("/images/img-{id}", "/images/img-"),
            ("/v{major}", "/v/mail"),
            ("/images/img-{id}", "/images/{id}"),
            ("/images/img-{*rest}", "/images/img-"),
            ("/{{x}}", "/{x}"),
        ] {
            assert!(!covers(wide, narrow), "{wide} does not cover {narrow}");
        }
    }

    #[test]
    fn patterns_overlap_where_one_path_is_matched_by_both() {
        for (one, other) in [
            ("/admin/{*rest}", "/{section}/{page}"),
            ("/admin/{*rest}", "/{*path}"),
            ("/admin/{*rest}", "/admin/"),
            ("/{a}/b", "/a/{b}"),
            ("/a", "/a"),
            ("/img-{id}", "/{id}"),
            ("/img-{id}", "/img-{*rest}"),
            ("/v{major}/{page}", "/v/mail"),
            ("/v{major}/mail", "/v/{*rest}"),
        ] {
            assert!(overlap(one, other) && overlap(other, one), "{one} overlaps {other}");
        }
        for (one, other) in [
            ("/admin/{*rest}", "/admin"),
            ("/admin/{*rest}", "/users/{page}"),
            ("/{a}", "/"),
            ("/{a}/b", "/a/c"),
            ("/a/{b}", "/a"),
            ("/img-{id}", "/img-"),
            ("/img-{id}", "/pic-{id}"),
            ("/img-{id}", "/pic-7"),
        ] {
            assert!(!overlap(one, other) && !overlap(other, one), "{one} does not overlap {other}");
        }
    }

    #[test]
    fn specificity_is_decided_at_the_first_segment_that_differs() {
        let mut patterns = ["/{*rest}", "/{a}/b", "/a/{*rest}", "/a/{b}", "/a/v{b}", "/a/v{*b}", "/a/b"];
        patterns.sort_by(|one, other| by_specificity(one, other));
        assert_eq!(patterns, ["/a/b", "/a/v{b}", "/a/v{*b}", "/a/{b}", "/a/{*rest}", "/{a}/b", "/{*rest}"]);
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
        assert_eq!(join("/foo", "/bar").unwrap(), "/foo/bar");
        assert_eq!(join("/foo/", "/bar").unwrap(), "/foo/bar");
        assert_eq!(join("/foo", "/").unwrap(), "/foo");
        assert_eq!(join("/", "/bar").unwrap(), "/bar");
        assert_eq!(join("", "/").unwrap(), "/");
        for path in ["bar", "{id}", " /bar", "*"] {
            for base in ["/foo", "/foo/", "/"] {
                assert!(
                    join(base, path).unwrap_err().to_string().contains("a path starts with `/`"),
                    "{path}"
                );
            }
        }
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
