//! Other spellings of a resource's path.
//!
//! Many servers read `/foo/ADMIN` and `/foo/admin/` as `/foo/admin`, some even `/foo/admin.`. A request whose path meets a resource only
//! in such a spelling would go upstream under a looser policy than the resource's, so it is 404, unless the
//! service says `pathMatching = "exact"`.

use std::{borrow::Cow, collections::HashMap};

use http::{HeaderMap, Method};
use portcullis_core::{Auth, BuildError, Policy, RequestHead, Resource};

/// The resources of a service with case and trailing slashes folded away.
#[derive(Debug)]
pub(super) struct Spellings {
    folded: Auth,
    /// From the label of a folded resource to that of the resource it stands for.
    originals: HashMap<String, String>,
}

impl Spellings {
    /// The spellings of the resources of `auth`; `None` where it has none.
    ///
    /// # Errors
    ///
    /// When two resources differ in nothing else than what is folded: each would be another spelling of the
    /// other, and neither could be reached.
    pub(super) fn of(auth: &Auth) -> Result<Option<Self>, BuildError> {
        let resources: Vec<_> = auth.resources().collect();
        if resources.is_empty() {
            return Ok(None);
        }
        let mut builder = Auth::builder();
        let mut shapes: HashMap<String, (String, &str)> = HashMap::new();
        let mut by_place: HashMap<(Option<&Method>, String), &str> = HashMap::new();
        for resource in &resources {
            let label = resource.policy().label();
            let folded = fold(resource.pattern());
            let own = shape(resource.pattern());
            let (twin_shape, twin) = shapes.entry(shape(&folded)).or_insert_with(|| (own.clone(), label));
            if *twin_shape != own {
                return Err(BuildError::new(format!(
                    "{twin} and {label} differ only in case or in a trailing slash, which strict path matching \
                     does not tell apart: keep one of them, or say `pathMatching = \"exact\"` if the upstream does"
                )));
            }
            let mut alias = Resource::new(folded.clone()).public();
            if let Some(method) = resource.method() {
                alias = alias.method(method.clone());
            }
            builder = builder.resource(alias);
            by_place.insert((resource.method(), folded), label);
        }
        let folded = builder.build()?;
        let originals = folded
            .resources()
            .filter_map(|alias| {
                let original = by_place.get(&(alias.method(), alias.pattern().to_owned()))?;
                Some((alias.policy().label().to_owned(), (*original).to_owned()))
            })
            .collect();
        Ok(Some(Self { folded, originals }))
    }

    /// Whether `path` (decoded) meets, in another spelling, a resource other than the one whose policy its exact
    /// spelling falls under.
    pub(super) fn meets_another(&self, method: &Method, path: &str, exact: &Policy) -> bool {
        let no_headers = HeaderMap::new();
        readings(path).any(|reading| {
            let head = RequestHead::new(method, &reading, &no_headers);
            // What cannot be decided is not let through.
            let Ok(policy) = self.folded.policy_for(&head) else { return true };
            self.originals.get(policy.label()).is_some_and(|original| original != exact.label())
        })
    }
}

/// How else a server might read a decoded path: in lower case, without the slash at its end, cut off where a `?`
/// or `#` stands that was percent-encoded, and without the dots and blanks that Windows ignores at the end of a
/// name.
pub(super) fn readings(path: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let one = reads_in_one_way(path).then_some(Cow::Borrowed(path));
    let several = one.is_none().then(|| several_readings(path).map(Cow::Owned));
    one.into_iter().chain(several.into_iter().flatten())
}

/// Whether the path is already in lower case, ends in no slash and has nothing that is cut off or trimmed: most have it so, and
/// need not be copied.
fn reads_in_one_way(path: &str) -> bool {
    let is_plain = |(byte, next): (u8, Option<&u8>)| match byte {
        b'A'..=b'Z' | b'?' | b'#' | 0x80.. => false,
        b'.' | b' ' => !matches!(next, None | Some(b'/')),
        b'/' => next.is_some(),
        _ => true,
    };
    let bytes = path.as_bytes();
    let following = bytes.iter().skip(1).map(Some).chain([None]);
    path == "/" || !path.is_empty() && bytes.iter().copied().zip(following).all(is_plain)
}

fn several_readings(path: &str) -> impl Iterator<Item = String> {
    let lower = without_case(path);
    let cut = lower.find(['?', '#']).and_then(|at| lower.get(..at)).map(str::to_owned);
    let both = [Some(lower), cut].into_iter().flatten();
    let trimmed = both.clone().filter_map(|reading| trim_names(&reading));
    both.chain(trimmed).flat_map(|reading| {
        let bare = without_slash(&reading).to_owned();
        let with_slash = (bare != reading).then_some(reading);
        [Some(bare), with_slash].into_iter().flatten()
    })
}

/// In lower case, and so that whatever is one in capitals is one here: `ı` and `i`, `ſ` and `s`.
pub(super) fn without_case(text: &str) -> String {
    if text.is_ascii() { text.to_ascii_lowercase() } else { text.to_uppercase().to_lowercase() }
}

/// The path without dots and blanks at the end of its segments; `None` where there are none.
fn trim_names(path: &str) -> Option<String> {
    let ignored = ['.', ' '];
    if !path.split('/').any(|segment| segment.ends_with(ignored)) {
        return None;
    }
    let names = path.split('/').map(|segment| segment.trim_end_matches(ignored));
    let kept = names.filter(|name| !name.is_empty()).collect::<Vec<_>>().join("/");
    let slash = if path.ends_with('/') { "/" } else { "" };
    Some(format!("/{kept}{slash}"))
}

fn without_slash(path: &str) -> &str {
    match path.trim_end_matches('/') {
        "" => "/",
        bare => bare,
    }
}

/// A pattern with its text in lower case and without a slash at its end.
fn fold(pattern: &str) -> String {
    let fold = |segment: &str| {
        if is_parameter(segment) { segment.to_owned() } else { without_case(segment) }
    };
    let lower = pattern.split('/').map(fold).collect::<Vec<_>>().join("/");
    without_slash(&lower).to_owned()
}

/// A pattern without its parameters' names.
fn shape(pattern: &str) -> String {
    let shape = |segment| match segment {
        _ if !is_parameter(segment) => segment,
        _ if segment.starts_with("{*") => "{*}",
        _ => "{}",
    };
    pattern.split('/').map(shape).collect::<Vec<_>>().join("/")
}

fn is_parameter(segment: &str) -> bool {
    segment.starts_with('{') && !segment.starts_with("{{")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn auth(path: &str, resources: &[(&str, &str)]) -> Auth {
        let mut builder = Auth::builder().path(path);
        for (method, path) in resources {
            let mut resource = Resource::new(*path).public();
            if *method != "*" {
                resource = resource.method(method.parse().unwrap());
            }
            builder = builder.resource(resource);
        }
        builder.build().unwrap()
    }

    fn meets_another(auth: &Auth, method: &str, path: &str) -> bool {
        let (method, headers) = (method.parse().unwrap(), HeaderMap::new());
        let exact = auth.policy_for(&RequestHead::new(&method, path, &headers)).unwrap();
        Spellings::of(auth).unwrap().unwrap().meets_another(&method, path, exact)
    }

    #[test]
    fn readings_are_lower_case_with_and_without_slash_and_cut_at_delimiters() {
        let all = |path| readings(path).collect::<Vec<_>>();
        let several = |path| several_readings(path).collect::<Vec<_>>();
        assert_eq!(all("/foo"), ["/foo"]);
        assert_eq!(all("/Foo/"), ["/foo", "/foo/"]);
        assert_eq!(all("/"), ["/"]);
        assert_eq!(all("/Foo#x"), ["/foo#x", "/foo"]);
        assert_eq!(all("/Foo/?x/"), ["/foo/?x", "/foo/?x/", "/foo", "/foo/"]);
        assert_eq!(all("/Foo./a. . "), ["/foo./a. . ", "/foo/a"]);
        assert_eq!(all("/a/... /b./"), ["/a/... /b.", "/a/... /b./", "/a/b", "/a/b/"]);
        assert_eq!(all("/ÉA"), ["/éa"]);
        // Those that are not copied read like the others.
        for path in ["/", "/a", "/a/b", "/a.b/c d", "/.a/ b", "/a-b_c~{d}", "/a\u{7f}"] {
            assert!(reads_in_one_way(path), "{path}");
            assert_eq!(all(path), several(path), "{path}");
        }
        for path in ["/a/", "/A", "/a.", "/a./b", "/a /b", "/a ", "/a#", "/a?b", "/é", "/\u{212a}"] {
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
            ("GET", "/foo/files", false),
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
            ("/foo/Sub/b", true),
            ("/foo/", true),
            ("/foo", false),
        ] {
            assert_eq!(meets_another(&one, "GET", path), expected, "{path}");
        }
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
            prop_assert_eq!(
                readings(&path).map(Cow::into_owned).collect::<Vec<_>>(),
                several_readings(&path).collect::<Vec<_>>()
            );
        }
    }
}
