use std::fmt;

use axum::routing::MethodRouter;
use portcullis_core::{Element, Override, RequiredScopes};

use super::methods::Methods;

/// The handlers of a route, each with its override. Made from a `MethodRouter` with [`GuardExt`], or by itself:
/// handlers without an override have the policy of their service.
#[derive(Clone)]
#[must_use]
pub struct Guarded<S = ()> {
    pub(super) parts: Vec<Part<S>>,
}

#[derive(Clone)]
pub(super) struct Part<S> {
    pub(super) handlers: MethodRouter<S>,
    pub(super) over: Option<Override>,
}

impl<S> Guarded<S> {
    /// These handlers and others of the same route: `get(admin).scopes(["admin"]).and(post(wipe).scopes(["root"]))`.
    pub fn and(mut self, other: impl Into<Self>) -> Self {
        self.parts.extend(other.into().parts);
        self
    }
}

impl<S> From<MethodRouter<S>> for Guarded<S> {
    fn from(handlers: MethodRouter<S>) -> Self {
        Self { parts: vec![Part { handlers, over: None }] }
    }
}

impl<S> fmt::Debug for Guarded<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = self.parts.iter().map(|part| (Methods::of(&part.handlers), &part.over));
        f.debug_list().entries(parts).finish()
    }
}

/// Says beside a route how it differs from its service.
///
/// ```
/// use axum::routing::{get, post};
/// use portcullis_axum::{AuthRouter, GuardExt};
///
/// # async fn handler() {}
/// let router: AuthRouter = AuthRouter::new()
///     .route("/foo/bar", get(handler))
///     .route("/foo/admin", get(handler).scopes(["admin"]).and(post(handler).scopes(["root"])))
///     .route("/foo/health", get(handler).public());
/// ```
///
/// What is said here may contradict itself or admit nobody; [`AuthRouter::guard`](super::AuthRouter::guard)
/// reports it.
pub trait GuardExt<S>: Sized {
    /// With this override.
    fn with(self, over: Override) -> Guarded<S>;

    /// Without one, and with others of the same route.
    fn and(self, other: impl Into<Guarded<S>>) -> Guarded<S>;

    /// Keeps the service's elements and puts these scopes on each: any one of them is enough.
    fn scopes(self, scopes: impl Into<RequiredScopes>) -> Guarded<S> {
        self.with(Override::scopes(scopes))
    }

    /// Replaces the service's elements.
    fn elements(self, elements: impl IntoIterator<Item = Element>) -> Guarded<S> {
        self.with(Override::elements(elements))
    }

    /// Opens it: the credential is not looked at, and there is no caller.
    fn public(self) -> Guarded<S> {
        self.with(Override::public())
    }

    /// Lets requests without credentials in, without a caller; a bad credential is refused.
    fn optional(self) -> Guarded<S> {
        self.with(Override::default().optional(true))
    }
}

impl<S> GuardExt<S> for MethodRouter<S> {
    fn with(self, over: Override) -> Guarded<S> {
        Guarded { parts: vec![Part { handlers: self, over: Some(over) }] }
    }

    fn and(self, other: impl Into<Guarded<S>>) -> Guarded<S> {
        Guarded::from(self).and(other)
    }
}
