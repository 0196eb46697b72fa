//! Which service covers a path.

use std::{collections::HashMap, sync::Arc};

use portcullis_axum::serve::TrustedProxies;
use portcullis_core::{Auth, BuildError, Clock};

use super::{PathMatching, front::Front, service::Service, site::Site, spelling, upstream::Way};

/// All that a request goes by: one version. The services, the longest path first, and the proxies that are believed.
#[derive(Debug)]
pub(super) struct Directory {
    entries: Vec<Entry>,
    pub(super) proxies: TrustedProxies,
    /// Later versions have higher numbers.
    pub(super) number: u64,
}

#[derive(Debug)]
pub(super) struct Entry {
    /// The base path without a slash at its end; empty for `/`.
    path: String,
    /// The same in lower case.
    folded: String,
    matching: PathMatching,
    pub(super) front: Front,
}

impl Directory {
    /// Builds every service, and reports everything that is wrong at once.
    /// The ways to upstreams that `earlier` has as well are kept, with their connections.
    pub(super) fn following(
        services: Vec<Service>,
        clock: &Arc<dyn Clock>,
        earlier: Option<&Self>,
    ) -> Result<Self, BuildError> {
        let earlier_proxies = earlier.map(|earlier| earlier.proxies.clone());
        let earlier: Vec<_> = earlier.iter().flat_map(|earlier| earlier.ways()).collect();
        let mut entries = Vec::new();
        let mut problems = shadowed(&services);
        for service in services {
            let path = service.auth.path().trim_end_matches('/').to_owned();
            let matching = service.path_matching;
            match Site::build(service, clock, &earlier) {
                Ok(front) => {
                    entries.push(Entry { folded: spelling::without_case(&path), path, matching, front });
                }
                Err(error) => problems.push(format!("service {path}: {error}")),
            }
        }
        problems.extend(twins(&entries));
        if !problems.is_empty() {
            return Err(BuildError::new(problems.join("\n")));
        }
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.path.len()));
        let proxies = earlier_proxies.unwrap_or_default();
        Ok(Self { entries, proxies, number: 0 })
    }

    fn ways(&self) -> impl Iterator<Item = &Arc<Way>> {
        self.entries.iter().filter_map(|entry| entry.front.site().way())
    }

    /// What guards one of the services: those who observe the gateway observe all of them.
    pub(super) fn any_auth(&self) -> Option<&Auth> {
        self.entries.first().map(|entry| entry.front.site().auth())
    }

    /// The service that covers a decoded path: the one with the longest path that is a prefix of it and ends
    /// where a segment ends.
    pub(super) fn find(&self, path: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| covers(&entry.path, path))
    }

    /// Whether `path` meets, in another spelling, a service other than `found`.
    pub(super) fn meets_another(&self, path: &str, found: &Entry) -> bool {
        if found.matching == PathMatching::Exact || self.entries.len() < 2 {
            return false;
        }
        spelling::readings(path).any(|reading| {
            let other = self.entries.iter().find(|entry| covers(&entry.folded, &reading.path));
            other.is_some_and(|other| !std::ptr::eq(other, found))
        })
    }
}

fn covers(base: &str, path: &str) -> bool {
    path.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Resources whose paths all belong to another service, so that nobody would ever ask for them. Whoever wrote one
/// believes that it guards something.
fn shadowed(services: &[Service]) -> Vec<String> {
    let paths: Vec<&str> = services.iter().map(|service| service.auth.path().trim_end_matches('/')).collect();
    let mut problems = Vec::new();
    for (service, own) in services.iter().zip(&paths) {
        for resource in service.auth.resources() {
            let covering = paths.iter().filter(|path| covers(path, resource.pattern()));
            let Some(chosen) = covering.max_by_key(|path| path.len()) else { continue };
            if chosen.len() > own.len() {
                problems.push(format!(
                    "{} would never be asked for: its path belongs to the service {chosen}, move it there",
                    resource.policy().label()
                ));
            }
        }
    }
    problems
}

/// Services that no path, or no path in its own spelling, would reach.
fn twins(entries: &[Entry]) -> Vec<String> {
    let mut seen: HashMap<&str, &Entry> = HashMap::new();
    let mut problems = Vec::new();
    for entry in entries {
        let Some(twin) = seen.insert(&entry.folded, entry) else { continue };
        let both_exact = [twin, entry].iter().all(|one| one.matching == PathMatching::Exact);
        if twin.path == entry.path {
            problems.push(format!("two services have the path {:?}: keep one of them", entry.path));
        } else if !both_exact {
            problems.push(format!(
                "the services {:?} and {:?} differ only in case, which strict path matching does not tell apart: \
                 rename one, or say `pathMatching = \"exact\"` in both if the upstreams do",
                twin.path, entry.path
            ));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use portcullis_core::{Auth, SystemClock};

    use super::*;
    use crate::gateway::Answer;

    fn service(path: &str, matching: PathMatching) -> Service {
        let auth = Auth::builder().path(path).public().build().unwrap();
        Service::new(auth, Answer::Respond("x".into())).path_matching(matching)
    }

    fn directory(services: &[(&str, PathMatching)]) -> Result<Directory, BuildError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        Directory::following(
            services.iter().map(|(path, matching)| service(path, *matching)).collect(),
            &clock,
            None,
        )
    }

    #[test]
    fn the_longest_path_on_a_segment_boundary_wins() {
        use PathMatching::Strict;
        let all = directory(&[("/foo", Strict), ("/foo/bar/", Strict), ("/f", Strict)]).unwrap();
        for (path, expected) in [
            ("/foo", Some("/foo")),
            ("/foo/", Some("/foo")),
            ("/foo/x", Some("/foo")),
            ("/foo/barx", Some("/foo")),
            ("/foo/bar", Some("/foo/bar")),
            ("/foo/bar/x", Some("/foo/bar")),
            ("/f/foo", Some("/f")),
            ("/foobar", None),
            ("/FOO", None),
            ("/", None),
            ("", None),
        ] {
            assert_eq!(all.find(path).map(|entry| entry.path.as_str()), expected, "{path}");
        }
        let root = directory(&[("/", Strict), ("/foo", Strict)]).unwrap();
        for (path, expected) in [("/", ""), ("/x", ""), ("/foobar", ""), ("/foo/x", "/foo")] {
            assert_eq!(root.find(path).map(|entry| entry.path.as_str()), Some(expected), "{path}");
        }
    }

    #[test]
    fn another_spelling_of_a_services_path_is_found_where_a_wider_service_would_take_it() {
        for (matching, path, expected) in [
            (PathMatching::Strict, "/FOO/x", true),
            (PathMatching::Strict, "/Foo", true),
            (PathMatching::Strict, "/foo#/x", true),
            (PathMatching::Strict, "/foobar", false),
            (PathMatching::Strict, "/other/", false),
            (PathMatching::Exact, "/FOO/x", false),
        ] {
            let all = directory(&[("/", matching), ("/foo", PathMatching::Strict)]).unwrap();
            let found = all.find(path).unwrap();
            assert_eq!(all.meets_another(path, found), expected, "{matching:?} {path}");
        }
        let all = directory(&[("/", PathMatching::Strict), ("/Foo", PathMatching::Strict)]).unwrap();
        assert!(!all.meets_another("/Foo/x", all.find("/Foo/x").unwrap()));
        assert!(all.meets_another("/foo/x", all.find("/foo/x").unwrap()));
    }

    #[test]
    fn a_resource_whose_path_belongs_to_another_service_is_reported() {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let build = |resource: &str| {
            let wide = Auth::builder().path("/foo").public();
            let wide = wide.resource(portcullis_core::Resource::new(resource).public()).build().unwrap();
            let wide = Service::new(wide, Answer::Respond("x".into()));
            let narrow = [service("/foo/bar/", PathMatching::Strict), service("/", PathMatching::Strict)];
            Directory::following(narrow.into_iter().chain([wide]).collect(), &clock, None)
        };
        for resource in ["/bar", "/bar/admin", "/bar/{id}", "/bar/{*rest}"] {
            let error = build(resource).unwrap_err().to_string();
            assert_eq!(
                error,
                format!(
                    "resource /foo{resource} would never be asked for: its path belongs to the service /foo/bar, \
                     move it there"
                )
            );
        }
        for resource in ["/", "/barn", "/other/bar", "/{page}", "/{page}/admin", "/{*rest}"] {
            assert!(build(resource).is_ok(), "{resource}");
        }
    }

    #[test]
    fn services_that_cannot_be_told_apart_are_all_reported() {
        use PathMatching::{Exact, Strict};
        let error = directory(&[("/a", Strict), ("/a/", Strict), ("/b", Strict), ("/B", Exact)]).unwrap_err();
        let lines: Vec<String> = error.to_string().lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 2, "{error}");
        assert_eq!(lines[0], "two services have the path \"/a\": keep one of them");
        assert!(lines[1].starts_with("the services \"/b\" and \"/B\" differ only in case"), "{error}");
        assert!(directory(&[("/b", Exact), ("/B", Exact)]).is_ok());
    }
}
