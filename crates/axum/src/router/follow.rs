//! Routes of a service whose configuration changes while it runs: their policies are settled anew for each version.

use std::sync::Arc;

use axum::{Router, body::Body};
use http::Method;
use portcullis_core::{Auth, BuildError, Derived, Override, Policy, SettledPolicies};
use portcullis_tower::OnRejection;

use super::{
    AuthRouter,
    settle::{self, Kind, RouteGuard, Surveyed},
};
use crate::AuthLayer;

/// How the guards of routes are made while a router is built.
pub(super) enum Plan {
    /// Once and for all.
    Settle,
    /// Not yet: what it takes is collected, in the order in which they are asked for.
    Collect(Vec<Wanted>),
    /// By their position in that order.
    Number(usize),
}

/// What a guard is made of.
pub(super) enum Wanted {
    Inherited { route: String, kind: Kind },
    Overridden { over: Override, label: String },
}

impl Plan {
    /// The guard of handlers without an override of their own.
    pub(super) fn inherited(&mut self, auth: &Auth, route: &str, kind: Kind) -> RouteGuard {
        match self {
            Self::Settle => RouteGuard::inherited(auth, route, kind),
            Self::Collect(wanted) => {
                wanted.push(Wanted::Inherited { route: route.to_owned(), kind });
                RouteGuard::PER_REQUEST
            }
            Self::Number(next) => numbered(next),
        }
    }

    /// The guard of handlers with an override.
    pub(super) fn overridden(
        &mut self,
        auth: &Auth,
        over: Override,
        label: String,
    ) -> Result<RouteGuard, BuildError> {
        match self {
            Self::Settle => RouteGuard::overridden(auth, over, label),
            Self::Collect(wanted) => {
                wanted.push(Wanted::Overridden { over, label });
                Ok(RouteGuard::PER_REQUEST)
            }
            Self::Number(next) => Ok(numbered(next)),
        }
    }
}

fn numbered(next: &mut usize) -> RouteGuard {
    let guard = RouteGuard::following(*next);
    *next += 1;
    guard
}

/// The guards of one version.
struct Table(Vec<RouteGuard>);

impl SettledPolicies for Table {
    fn policy(&self, position: usize, method: &Method) -> Option<&Policy> {
        self.0.get(position)?.policy(method)
    }
}

/// The guards that a version settles, or everything that does not fit it.
fn settled(auth: &Auth, surveyed: &[Surveyed], wanted: &[Wanted]) -> Result<Table, BuildError> {
    let mut problems = Vec::new();
    settle::check(auth, surveyed, &mut problems);
    let mut guards = Vec::with_capacity(wanted.len());
    for wanted in wanted {
        guards.push(match wanted {
            Wanted::Inherited { route, kind } => RouteGuard::inherited(auth, route, *kind),
            Wanted::Overridden { over, label } => RouteGuard::overridden(auth, over.clone(), label.clone())
                .unwrap_or_else(|error| {
                    problems.push(error.to_string());
                    RouteGuard::PER_REQUEST
                }),
        });
    }
    if problems.is_empty() { Ok(Table(guards)) } else { Err(BuildError::new(problems.join("\n"))) }
}

impl<S> AuthRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    /// Guards every route of a service that follows a configuration.
    #[track_caller]
    pub(super) fn follow<H>(
        self,
        layer: &AuthLayer<H>,
        surveyed: Vec<Surveyed>,
        mut problems: Vec<String>,
    ) -> Result<Router<S>, BuildError>
    where
        H: OnRejection<Body> + Clone + Send + Sync + 'static,
    {
        // Once to learn which guards there are, and once more to put them in.
        let mut plan = Plan::Collect(Vec::new());
        drop(self.clone().build("", layer, &mut plan, &mut problems));
        let wanted = if let Plan::Collect(wanted) = plan { wanted } else { Vec::new() };
        let layer = layer.clone().map_auth(|live| {
            live.derive(move |auth| {
                let table = settled(auth, &surveyed, &wanted)?;
                Ok(Derived::of(auth.clone()).settled(Arc::new(table)))
            })
        });
        match layer {
            Ok(layer) if problems.is_empty() => {
                Ok(self.build("", &layer, &mut Plan::Number(0), &mut problems))
            }
            Ok(_) => Err(BuildError::new(problems.join("\n"))),
            Err(error) => {
                problems.push(error.to_string());
                Err(BuildError::new(problems.join("\n")))
            }
        }
    }
}
