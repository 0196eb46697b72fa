use std::{fmt, sync::Arc};

use portcullis_core::{BuildError, RequiredScopes};
use tower_layer::Layer;

use super::RequireScopesService;
use crate::EmptyBody;

/// Narrows to callers with certain scopes. See the [module](super) for the rules and an example.
#[derive(Clone)]
#[must_use = "a layer narrows only what it is put around"]
pub struct RequireScopes<H = EmptyBody> {
    scopes: Arc<RequiredScopes>,
    hook: H,
}

impl RequireScopes {
    /// Lets callers through who hold any one of `scopes`.
    ///
    /// # Errors
    ///
    /// When nobody could hold them: an empty list, or an empty scope.
    pub fn any_of(scopes: impl Into<RequiredScopes>) -> Result<Self, BuildError> {
        let scopes = scopes.into();
        match scopes.problem() {
            Some(problem) => Err(BuildError::new(problem)),
            None => Ok(Self { scopes: Arc::new(scopes), hook: EmptyBody }),
        }
    }
}

impl<H> RequireScopes<H> {
    /// Has `hook` write the body of refusals, as [`AuthLayerWith::on_rejection`] does.
    ///
    /// [`AuthLayerWith::on_rejection`]: crate::AuthLayerWith::on_rejection
    pub fn on_rejection<H2>(self, hook: H2) -> RequireScopes<H2> {
        RequireScopes { scopes: self.scopes, hook }
    }
}

impl<S, H: Clone> Layer<S> for RequireScopes<H> {
    type Service = RequireScopesService<S, H>;

    fn layer(&self, inner: S) -> Self::Service {
        RequireScopesService::new(inner, Arc::clone(&self.scopes), self.hook.clone())
    }
}

impl<H> fmt::Debug for RequireScopes<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequireScopes").field(&self.scopes).finish()
    }
}
