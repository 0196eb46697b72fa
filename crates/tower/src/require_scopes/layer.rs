use std::{fmt, sync::Arc};

use portcullis_core::{BuildError, RequiredScopes};
use tower_layer::Layer;

use super::RequireScopesService;
use crate::{EmptyBody, PlainRequest};

/// Narrows to callers with certain scopes. See the [module](super) for the rules and an example.
pub type RequireScopes<H = EmptyBody> = RequireScopesWith<PlainRequest, H>;

/// [`RequireScopes`], told by an `R` where requests go: logs and observers learn of it where one is refused.
#[derive(Clone)]
#[must_use = "a layer narrows only what it is put around"]
pub struct RequireScopesWith<R, H = EmptyBody> {
    scopes: Arc<RequiredScopes>,
    source: R,
    hook: H,
}

impl<R: Default> RequireScopesWith<R> {
    /// Lets callers through who hold any one of `scopes`.
    ///
    /// # Errors
    ///
    /// When nobody could hold them: an empty list, or an empty scope.
    pub fn any_of(scopes: impl Into<RequiredScopes>) -> Result<Self, BuildError> {
        let scopes = scopes.into();
        match scopes.problem() {
            Some(problem) => Err(BuildError::new(problem)),
            None => Ok(Self { scopes: Arc::new(scopes), source: R::default(), hook: EmptyBody }),
        }
    }
}

impl<R, H> RequireScopesWith<R, H> {
    /// Has `hook` write the body of refusals, as [`AuthLayerWith::on_rejection`] does.
    ///
    /// [`AuthLayerWith::on_rejection`]: crate::AuthLayerWith::on_rejection
    pub fn on_rejection<H2>(self, hook: H2) -> RequireScopesWith<R, H2> {
        RequireScopesWith { scopes: self.scopes, source: self.source, hook }
    }
}

impl<S, R: Clone, H: Clone> Layer<S> for RequireScopesWith<R, H> {
    type Service = RequireScopesService<S, R, H>;

    fn layer(&self, inner: S) -> Self::Service {
        RequireScopesService::new(inner, Arc::clone(&self.scopes), self.source.clone(), self.hook.clone())
    }
}

impl<R, H> fmt::Debug for RequireScopesWith<R, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequireScopes").field(&self.scopes).finish()
    }
}
