use std::{fmt, marker::PhantomData, ops::Deref};

use axum::extract::FromRequestParts;
use http::request::Parts;
use portcullis_core::{Admission, Asker, Principal, RequiredScopes};

use super::CallerRejection;
use crate::request::head;

/// Scopes under a name that the compiler knows, for [`Scoped`].
pub trait ScopeSet {
    /// The scopes, of which a caller needs any one. An empty list, an empty scope or `*` does not compile where
    /// it is used.
    const ANY_OF: &'static [&'static str];
}

/// The caller, who holds one of the scopes of `S`: what a handler demands stands in its signature.
///
/// ```
/// use portcullis_axum::{ScopeSet, Scoped};
///
/// struct Admin;
///
/// impl ScopeSet for Admin {
///     const ANY_OF: &'static [&'static str] = &["admin", "root"];
/// }
///
/// async fn wipe(caller: Scoped<Admin>) -> String {
///     format!("wiped by {:?}", caller.subject())
/// }
/// # let _: axum::Router = axum::Router::new().route("/", axum::routing::post(wipe));
/// ```
///
/// It only narrows: the route's own policy has let the caller in before. A caller without any of the scopes gets
/// 403, and whatever [`Caller`](super::Caller) refuses is refused here too.
pub struct Scoped<S> {
    principal: Principal,
    // `Send` and `Sync` whatever `S` is: no value of it exists.
    scopes: PhantomData<fn() -> S>,
}

impl<S> Scoped<S> {
    /// The principal itself.
    #[must_use]
    pub fn into_principal(self) -> Principal {
        self.principal
    }
}

impl<S> Deref for Scoped<S> {
    type Target = Principal;

    fn deref(&self) -> &Principal {
        &self.principal
    }
}

impl<S> Clone for Scoped<S> {
    fn clone(&self) -> Self {
        Self { principal: self.principal.clone(), scopes: PhantomData }
    }
}

impl<S> fmt::Debug for Scoped<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scoped").field(&self.principal).finish()
    }
}

impl<S: ScopeSet, State: Send + Sync> FromRequestParts<State> for Scoped<S> {
    type Rejection = CallerRejection;

    async fn from_request_parts(parts: &mut Parts, _: &State) -> Result<Self, CallerRejection> {
        const { assert!(can_be_held(S::ANY_OF), "ANY_OF needs at least one scope, none of them empty or `*`") };
        let principal = super::caller(parts, "Scoped")?;
        if !S::ANY_OF.iter().any(|scope| principal.has_scope(scope)) {
            let scopes = RequiredScopes::any_of(S::ANY_OF.iter().copied());
            let request = || head(parts);
            Admission::demand_scopes(&parts.extensions, &scopes, Asker::new("Scoped").about(&request))
                .map_err(|rejection| rejection.answering(&parts.method))?;
        }
        Ok(Self { principal: principal.clone(), scopes: PhantomData })
    }
}

const fn can_be_held(scopes: &[&str]) -> bool {
    let mut rest = scopes;
    while let [scope, others @ ..] = rest {
        if scope.is_empty() || matches!(scope.as_bytes(), [b'*']) {
            return false;
        }
        rest = others;
    }
    !scopes.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_that_nobody_holds_or_everybody_are_told_apart_at_compile_time() {
        const { assert!(can_be_held(&["admin", "root"])) };
        for scopes in [&[][..], &[""], &["admin", ""], &["*"], &["admin", "*"]] {
            assert!(!can_be_held(scopes), "{scopes:?}");
        }
    }
}
