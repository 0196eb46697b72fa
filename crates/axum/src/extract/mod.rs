//! Extractors: the caller, in a handler's arguments.

mod claims;
mod rejection;
mod scoped;

use std::ops::Deref;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;
use portcullis_core::{Admission, Asker, Principal, Rejection};

pub use self::{
    claims::Claims,
    rejection::{CallerRejection, ClaimsRejection},
    scoped::{ScopeSet, Scoped},
};
use crate::request::head;

/// Who is calling: the [`Principal`] that the chain let in.
///
/// ```
/// use portcullis_axum::Caller;
///
/// async fn greet(caller: Caller) -> String {
///     format!("Hello, {}!", caller.subject().unwrap_or("nobody"))
/// }
/// # let _: axum::Router = axum::Router::new().route("/", axum::routing::get(greet));
/// ```
///
/// A handler that asks for it is never called without a caller:
///
/// | the request | `Caller` | `Option<Caller>` |
/// |---|---|---|
/// | was let in with a credential | the caller | the caller |
/// | was let in without one, where `optional` allows it | 401 with the challenges of the service | `None` |
/// | is for a public route | 500, and an error in the log | `None` |
/// | met no [`AuthLayer`](crate::AuthLayer) and no guarded route | 500, and an error in the log | the same |
///
/// The last two are mistakes in the wiring of the service, which a 401 would blame on the caller.
#[derive(Clone, Debug)]
pub struct Caller(Principal);

impl Caller {
    /// The principal itself.
    #[must_use]
    pub fn into_principal(self) -> Principal {
        self.0
    }
}

impl Deref for Caller {
    type Target = Principal;

    fn deref(&self) -> &Principal {
        &self.0
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = CallerRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, CallerRejection> {
        Ok(Self(caller(parts, "Caller")?.clone()))
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for Caller {
    type Rejection = CallerRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, CallerRejection> {
        match Admission::of(&parts.extensions) {
            Some(admission) => Ok(admission.principal().cloned().map(Self)),
            // Nobody looked at a credential: not the same as none having been sent.
            None => Ok(Some(Self(caller(parts, "Option<Caller>")?.clone()))),
        }
    }
}

/// The caller, for an extractor of this name.
fn caller<'p>(parts: &'p Parts, asker: &str) -> Result<&'p Principal, Rejection> {
    Admission::demand_caller(&parts.extensions, Asker::new(asker).about(&|| head(parts)))
        .map_err(|rejection| rejection.answering(&parts.method))
}
