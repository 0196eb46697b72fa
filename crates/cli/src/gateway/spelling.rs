//! Other spellings of a resource's path.
//!
//! Many servers read `/foo/ADMIN` and `/foo/admin/` as `/foo/admin`, and `/foo/admin` as `/foo/admin/`, some even `/foo/admin.`. A request
//! whose path falls under one policy as it stands, and under another as such a server reads it, is 404, unless the service says
//! `pathMatching = "exact"`.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use http::{HeaderMap, Method};
use portcullis_core::{Auth, BuildError, Element, Policy, Rejection, RequestHead, Resource, ResourceView};

/// The resources of a service with case and trailing slashes folded away.
#[derive(Debug)]
pub(super) struct Spellings {
    service: Policy,
    folded: Aliases,
    /// Where subtrees begin, without the slash at the end, which is no path of theirs: `/admin` for `/admin/{*rest}`.
    /// `None` where there are no subtrees.
    roots: Option<Aliases>,
}

impl Spellings {
    /// The spellings of the resources of `auth`; `None` where it has none.
    ///
    /// # Errors
    ///
    /// When two resources differ in nothing else than what is folded: each would be another spelling of the
    /// other, and neither could be reached.
    pub(super) fn of(auth: &Auth) -> Result<Option<Self>, BuildError> {
        let resources: Vec<_> = auth.resources().map(|one| (one, fold(one.pattern()))).collect();
        if resources.is_empty() {
            return Ok(None);
        }
        let mut shapes: HashMap<String, (String, &str)> = HashMap::new();
        for (resource, folded) in &resources {
            let label = resource.policy().label();
            let own = shape(resource.pattern());
            let (twin_shape, twin) = shapes.entry(shape(folded)).or_insert_with(|| (own.clone(), label));
            if *twin_shape != own {
                return Err(BuildError::new(format!(
                    "{twin} and {label} differ only in case or in a trailing slash, which strict path matching \
                     does not tell apart: keep one of them, or say `pathMatching = \"exact\"` if the upstream does"
                )));
            }
        }
        let roots: Vec<_> = resources
            .iter()
            .filter_map(|(one, folded)| Some((*one, folded.rsplit_once("/{*")?.0.to_owned())))
            // The path `/` belongs to `/{*rest}`.
            .filter(|(_, root)| !root.is_empty())
            .collect();
        let roots = if roots.is_empty() { None } else { Some(Aliases::of(roots)?) };
        Ok(Some(Self { service: auth.policy().clone(), folded: Aliases::of(resources)?, roots }))
    }

    /// Whether `path` (decoded) falls under another policy than `exact`, that of its exact spelling, as others read it.
    pub(super) fn meets_another(&self, method: &Method, path: &str, exact: &Policy) -> bool {
        // What cannot be decided is not let through.
        readings(path).any(|reading| self.differs(method, &reading, exact).unwrap_or(true))
    }

    fn differs(&self, method: &Method, reading: &Reading<'_>, exact: &Policy) -> Result<bool, Rejection> {
        // Where a part is missing it is another path, and whatever that falls under counts.
        if reading.is_shorter {
            let met = self.folded.find(method, &reading.path)?;
            if !are_alike(met.map_or(&self.service, |(_, policy)| policy), exact) {
                return Ok(true);
            }
        }
        let bare = without_slash(&reading.path);
        let met = self.folded.find(method, bare)?;
        if met.is_some_and(|(_, policy)| !are_alike(policy, exact)) {
            return Ok(true);
        }
        let Some(roots) = &self.roots else { return Ok(false) };
        let Some((root, policy)) = roots.find(method, bare)? else { return Ok(false) };
        Ok(!are_alike(policy, exact) && !met.is_some_and(|(alias, _)| self.names(alias, root, roots)))
    }

    /// Whether a resource names the path where a subtree begins, and so tells the two apart. `/{page}` does not name `/admin`.
    fn names(&self, alias: &str, root: &str, roots: &Aliases) -> bool {
        let views = self.folded.view(alias).zip(roots.view(root));
        views.is_some_and(|(alias, root)| alias.lies_within_route(root.pattern()))
    }
}

/// Resources under other paths than their own.
#[derive(Debug)]
struct Aliases {
    auth: Auth,
    /// From the label of an alias to the policy of the resource it stands for.
    originals: HashMap<String, Policy>,
}

impl Aliases {
    fn of(resources: Vec<(ResourceView<'_>, String)>) -> Result<Self, BuildError> {
        let mut builder = Auth::builder();
        let mut by_place = HashMap::new();
        for (resource, path) in resources {
            let mut alias = Resource::new(path.clone()).public();
            if let Some(method) = resource.method() {
                alias = alias.method(method.clone());
            }
            builder = builder.resource(alias);
            by_place.insert((resource.method(), path), resource.policy());
        }
        let auth = builder.build()?;
        let originals = auth
            .resources()
            .filter_map(|alias| {
                let original = *by_place.get(&(alias.method(), alias.pattern().to_owned()))?;
                Some((alias.policy().label().to_owned(), original.clone()))
            })
            .collect();
        Ok(Self { auth, originals })
    }

    /// The label of the alias that covers a path, and the policy of what it stands for.
    fn find(&self, method: &Method, path: &str) -> Result<Option<(&str, &Policy)>, Rejection> {
        let no_headers = HeaderMap::new();
        let alias = self.auth.policy_for(&RequestHead::new(method, path, &no_headers))?.label();
        Ok(self.originals.get(alias).map(|original| (alias, original)))
    }

    fn view(&self, label: &str) -> Option<ResourceView<'_>> {
        self.auth.resources().find(|alias| alias.policy().label() == label)
    }
}

/// Whether the same callers are let in, by the same elements.
fn are_alike(one: &Policy, other: &Policy) -> bool {
    let same = |(one, other): (&Element, &Element)| {
        Arc::ptr_eq(one.provider(), other.provider())
            && one.scopes() == other.scopes()
            && one.name() == other.name()
    };
    one.is_public() == other.is_public()
        && one.is_optional() == other.is_optional()
        && one.elements().len() == other.elements().len()
        && one.elements().iter().zip(other.elements()).all(same)
}

/// A decoded path as a server might read it.
pub(super) struct Reading<'p> {
    pub(super) path: Cow<'p, str>,
    /// Whether more than case tells it from what was sent.
    is_shorter: bool,
}

/// How servers might read a decoded path: in lower case, cut off where a `?` or `#` stands that was percent-encoded, and
/// without the dots and blanks that Windows ignores at the end of a name. All of them with the slash at the end or without.
pub(super) fn readings(path: &str) -> impl Iterator<Item = Reading<'_>> {
    let one = reads_in_one_way(path).then_some(Reading { path: Cow::Borrowed(path), is_shorter: false });
    let several = one.is_none().then(|| several_readings(path));
    one.into_iter().chain(several.into_iter().flatten())
}

/// Whether the path is already in lower case and has nothing that is cut off or trimmed: most have it so, and need not be
/// copied.
fn reads_in_one_way(path: &str) -> bool {
    let is_plain = |(byte, next): (u8, Option<&u8>)| match byte {
        b'A'..=b'Z' | b'?' | b'#' | 0x80.. => false,
        b'.' | b' ' => !matches!(next, None | Some(b'/')),
        _ => true,
    };
    let bytes = path.as_bytes();
    let following = bytes.iter().skip(1).map(Some).chain([None]);
    bytes.iter().copied().zip(following).all(is_plain)
}

fn several_readings(path: &str) -> impl Iterator<Item = Reading<'_>> {
    let lower = without_case(path);
    let cut = lower.find(['?', '#']).and_then(|at| lower.get(..at)).map(str::to_owned);
    let trimmed = [Some(&lower), cut.as_ref()].map(|reading| trim_names(reading?));
    let shorter = std::iter::once(cut).chain(trimmed).flatten();
    let reading = |is_shorter| move |path| Reading { path: Cow::Owned(path), is_shorter };
    std::iter::once(lower).map(reading(false)).chain(shorter.map(reading(true)))
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

pub(super) fn without_slash(path: &str) -> &str {
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
mod tests;
