//! Which methods a `MethodRouter` handles.

use std::fmt;

use axum::routing::MethodRouter;
use http::Method;

/// The methods that a part of a route has handlers for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Methods {
    These(Vec<Method>),
    /// All, or nobody knows.
    Any,
}

/// The fields of `MethodRouter`, as its `Debug` shows them.
const FIELDS: [(&str, Method); 9] = [
    ("get: ", Method::GET),
    ("head: ", Method::HEAD),
    ("delete: ", Method::DELETE),
    ("options: ", Method::OPTIONS),
    ("patch: ", Method::PATCH),
    ("post: ", Method::POST),
    ("put: ", Method::PUT),
    ("trace: ", Method::TRACE),
    ("connect: ", Method::CONNECT),
];

impl Methods {
    /// axum has no way to ask a `MethodRouter` for its methods but its `Debug`.
    ///
    /// What is read there decides about mistakes only, never about a request: a resource whose method no handler
    /// takes, or two overrides of one handler. Should axum ever print something else, each router counts as one
    /// for any method; the first mistake then goes unnoticed, and more than before is taken for the second.
    pub(super) fn of<S, E>(router: &MethodRouter<S, E>) -> Self {
        read(&format!("{router:?}")).map_or(Self::Any, Self::These)
    }

    /// Whether a resource for `method`, or for all, covers any of them.
    pub(super) fn covered_by(&self, method: Option<&Method>) -> bool {
        let has = |wanted: &Method| match self {
            Self::Any => true,
            Self::These(methods) => methods.contains(wanted),
        };
        match method {
            None => *self != Self::These(Vec::new()),
            Some(&Method::GET) => has(&Method::GET) || has(&Method::HEAD) || has(&Method::CONNECT),
            // A handler of GET takes it, where there is none of its own.
            Some(&Method::HEAD) => has(&Method::HEAD) || has(&Method::GET),
            Some(method) => has(method),
        }
    }
}

/// `None` where any method is handled, and where the text is not what it used to be.
fn read(text: &str) -> Option<Vec<Method>> {
    let mut rest = text.strip_prefix("MethodRouter { ")?;
    let mut methods = Vec::new();
    for (field, method) in FIELDS {
        let (value, after) = rest.strip_prefix(field)?.split_once(", ")?;
        match value {
            "None" => {}
            "Route" | "BoxedHandler" => methods.push(method),
            _ => return None,
        }
        rest = after;
    }
    rest.starts_with("fallback: Default(").then_some(methods)
}

/// `GET, POST `, to be put before a path; nothing where any method is handled.
impl fmt::Display for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::These(methods) = self {
            for (at, method) in methods.iter().enumerate() {
                write!(f, "{}{method}", if at > 0 { "/" } else { "" })?;
            }
            f.write_str(" ")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::{self, MethodFilter, any, any_service, delete, get, on};

    use super::*;

    fn of(router: &MethodRouter) -> Methods {
        Methods::of(router)
    }

    fn these<const N: usize>(methods: [Method; N]) -> Methods {
        Methods::These(methods.into())
    }

    async fn handler() {}

    #[test]
    fn axum_still_shows_which_methods_a_router_handles() {
        assert_eq!(of(&get(handler)), these([Method::GET]));
        assert_eq!(of(&get(handler).post(handler)), these([Method::GET, Method::POST]));
        assert_eq!(of(&get(handler).layer(tower::layer::util::Identity::new())), these([Method::GET]));
        assert_eq!(of(&delete(handler).with_state(())), these([Method::DELETE]));
        assert_eq!(of(&MethodRouter::new()), these([]));
        let all = MethodFilter::HEAD
            .or(MethodFilter::OPTIONS)
            .or(MethodFilter::PATCH)
            .or(MethodFilter::PUT)
            .or(MethodFilter::TRACE)
            .or(MethodFilter::CONNECT);
        let expected =
            [Method::HEAD, Method::OPTIONS, Method::PATCH, Method::PUT, Method::TRACE, Method::CONNECT];
        assert_eq!(of(&on(all, handler)), these(expected));
        for router in [
            any(handler),
            any(handler).get(handler),
            get(handler).fallback(handler),
            any_service(any(handler)),
            routing::get_service(any(handler)).fallback_service(any(handler)),
        ] {
            assert_eq!(of(&router), Methods::Any);
        }
    }

    #[test]
    fn a_text_that_is_not_understood_is_any_method() {
        for text in ["", "MethodRouter", "MethodRouter { get: Some, head: None", "MethodRouter { a: None, "] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_resource_covers_what_its_method_covers() {
        let parsed = |method: &str| method.parse::<Method>().unwrap();
        for (methods, resource, expected) in [
            (these([Method::GET]), "GET", true),
            (these([Method::GET]), "HEAD", true),
            (these([Method::CONNECT]), "GET", true),
            (these([Method::HEAD]), "GET", true),
            (these([Method::POST]), "POST", true),
            (Methods::Any, "PROPFIND", true),
            (these([Method::GET]), "POST", false),
            (these([Method::POST]), "GET", false),
            (these([]), "GET", false),
        ] {
            assert_eq!(methods.covered_by(Some(&parsed(resource))), expected, "{methods}{resource}");
        }
        assert!(these([Method::PUT]).covered_by(None));
        assert!(!these([]).covered_by(None));
    }
}
