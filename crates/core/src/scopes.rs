//! Scopes: what a principal holds, and what an element asks for.

use std::fmt;

/// The scopes a principal holds. Compared exactly: case matters, and no scope implies another.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Scopes(Box<[Box<str>]>);

impl Scopes {
    /// No scope at all.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The scopes in `text`, separated by ASCII white space (RFC 6749 §3.3). Repeated and surrounding white
    /// space adds no scope.
    #[must_use]
    pub fn split(text: &str) -> Self {
        text.split_ascii_whitespace().collect()
    }

    /// Whether `scope` is among them.
    #[must_use]
    pub fn contains(&self, scope: &str) -> bool {
        self.0.iter().any(|held| **held == *scope)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The scopes in the order they were given.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }
}

impl<S: Into<Box<str>>> FromIterator<S> for Scopes {
    fn from_iter<I: IntoIterator<Item = S>>(scopes: I) -> Self {
        Self(scopes.into_iter().map(Into::into).collect())
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

/// What an element or a resource asks of a principal: any one of some scopes, or nothing.
///
/// Made from a string (one scope), or from arrays and vectors of them; `"*"` alone asks for nothing.
/// An empty list or an empty scope would admit nobody; it is reported when the configuration is built.
#[derive(Clone, PartialEq, Eq)]
pub struct RequiredScopes(Option<Scopes>);

impl RequiredScopes {
    /// Every authenticated caller is admitted.
    #[must_use]
    pub const fn anyone() -> Self {
        Self(None)
    }

    /// Any one of `scopes` is enough.
    pub fn any_of<S: Into<Box<str>>>(scopes: impl IntoIterator<Item = S>) -> Self {
        let scopes: Scopes = scopes.into_iter().collect();
        match &*scopes.0 {
            [only] if **only == *"*" => Self::anyone(),
            _ => Self(Some(scopes)),
        }
    }

    /// Whether a principal that holds `held` has what is asked for.
    #[must_use]
    pub fn satisfied_by(&self, held: &Scopes) -> bool {
        self.0.as_ref().is_none_or(|asked| asked.iter().any(|scope| held.contains(scope)))
    }

    /// Whether every authenticated caller is admitted.
    #[must_use]
    pub const fn admits_anyone(&self) -> bool {
        self.0.is_none()
    }

    /// The scopes asked for; empty where anyone is admitted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(Scopes::iter)
    }

    /// What is wrong with them, if anything.
    #[must_use]
    pub fn problem(&self) -> Option<&'static str> {
        let asked = self.0.as_ref()?;
        if asked.is_empty() {
            Some("an empty list of scopes would admit nobody: name at least one scope, or leave `scopes` out")
        } else if asked.contains("") {
            Some("an empty scope can never be held: name the scope")
        } else if asked.contains("*") {
            Some("\"*\" admits every authenticated caller and cannot stand beside other scopes")
        } else {
            None
        }
    }
}

impl fmt::Debug for RequiredScopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("anyone"),
            Some(scopes) => scopes.fmt(f),
        }
    }
}

impl From<&str> for RequiredScopes {
    fn from(scope: &str) -> Self {
        Self::any_of([scope])
    }
}

impl From<String> for RequiredScopes {
    fn from(scope: String) -> Self {
        Self::any_of([scope])
    }
}

impl<S: Into<Box<str>>, const N: usize> From<[S; N]> for RequiredScopes {
    fn from(scopes: [S; N]) -> Self {
        Self::any_of(scopes)
    }
}

impl<S: Into<Box<str>>> From<Vec<S>> for RequiredScopes {
    fn from(scopes: Vec<S>) -> Self {
        Self::any_of(scopes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(text: &str) -> Scopes {
        Scopes::split(text)
    }

    #[test]
    fn any_one_scope_is_enough_and_none_is_not() {
        let asked = RequiredScopes::from(["write", "update"]);
        assert!(asked.satisfied_by(&held("read update")));
        assert!(!asked.satisfied_by(&held("read delete")));
        assert!(!asked.satisfied_by(&Scopes::none()));
    }

    #[test]
    fn scopes_are_compared_exactly() {
        let asked = RequiredScopes::from("admin");
        assert!(asked.satisfied_by(&held("admin")));
        for near in ["Admin", "admin2", "admi", "adm in", "admin:read", "*"] {
            assert!(!asked.satisfied_by(&held(near)), "{near}");
        }
    }

    #[test]
    fn a_star_alone_admits_anyone_even_without_scopes() {
        for star in [RequiredScopes::from("*"), RequiredScopes::from(["*"]), RequiredScopes::anyone()] {
            assert!(star.admits_anyone());
            assert!(star.satisfied_by(&Scopes::none()));
            assert_eq!(star.problem(), None);
        }
    }

    #[test]
    fn what_would_admit_nobody_is_a_problem() {
        assert!(RequiredScopes::any_of(Vec::<String>::new()).problem().unwrap().contains("nobody"));
        assert!(RequiredScopes::from("").problem().unwrap().contains("empty scope"));
        assert!(RequiredScopes::from(["a", "*"]).problem().unwrap().contains("beside"));
        assert_eq!(RequiredScopes::from("hello").problem(), None);
        assert!(!RequiredScopes::any_of(Vec::<String>::new()).satisfied_by(&held("a")));
    }

    #[test]
    fn splitting_ignores_repeated_white_space_and_blanks_beyond_ascii_separate_nothing() {
        assert_eq!(held("  a \t b\u{2003}c\n").iter().collect::<Vec<_>>(), ["a", "b\u{2003}c"]);
        assert!(held(" \t ").is_empty());
    }
}
