use std::fmt;

use portcullis_core::{Auth, BuildError, LiveAuth, Resource};
use tower_layer::Layer;

use super::{AuthService, EmptyBody, guard::Guard, mount::Mount, shared::Shared};
use crate::{PlainRequest, RequestSource};

/// The layer for services that no framework routes to. See the [module](super) for the rules and an example.
///
/// Under axum use the alias of the same name in `portcullis-axum`.
pub type AuthLayer<H = EmptyBody> = AuthLayerWith<PlainRequest, H>;

/// Guards a service. See the [module](super) for the rules and an example.
///
/// `R` tells it where a request goes, and `H` writes the body of refusals. You seldom write either:
/// [`AuthLayer`] names the usual ones.
#[derive(Clone)]
#[must_use = "a layer guards only what it is put around"]
pub struct AuthLayerWith<R, H = EmptyBody> {
    /// Counted once, whatever it holds: axum has a layer make its service anew for every request.
    guard: Shared<Guard<R, H>>,
}

impl<R: Default> AuthLayerWith<R> {
    /// A layer that lets in whom `auth` lets in: an [`Auth`], or a [`LiveAuth`] that follows a configuration.
    pub fn new(auth: impl Into<LiveAuth>) -> Self {
        Self::with_source(auth, R::default())
    }
}

impl<R> AuthLayerWith<R> {
    /// The same, where `source` tells where a request goes.
    pub fn with_source(auth: impl Into<LiveAuth>, source: R) -> Self {
        let auth = auth.into();
        Self { guard: Shared::new(Guard { auth, source, mount: Mount::default(), hook: EmptyBody }) }
    }
}

impl<R: Clone, H: Clone> AuthLayerWith<R, H> {
    /// Says that the service is served below `prefix`, which its configuration does not know of: with
    /// `mounted_at("/api")` a request for `/api/foo/admin` is judged as one for `/foo/admin`. Segments such as
    /// `{tenant}` stand for any.
    ///
    /// A request outside the prefix is answered with 500 and an error in the log, where the service has
    /// resources: it would be a silent miss otherwise.
    pub fn mounted_at(self, prefix: &str) -> Self {
        Self { guard: self.guard.map(|guard| Guard { mount: Mount::at(prefix), ..guard }) }
    }

    /// Adds a resource to the service, for services whose configuration lives in code.
    ///
    /// # Errors
    ///
    /// When its path cannot be used, its override contradicts itself, or another resource covers the same.
    pub fn resource(self, resource: Resource) -> Result<Self, BuildError> {
        self.map_auth(|auth| auth.with_resource(resource))
    }

    /// Has `hook` write the body of refusals, which is empty otherwise. See [`OnRejection`](super::OnRejection).
    pub fn on_rejection<H2>(self, hook: H2) -> AuthLayerWith<R, H2> {
        let map = |Guard { auth, source, mount, hook: _ }| Guard { auth, source, mount, hook };
        AuthLayerWith { guard: self.guard.map(map) }
    }

    /// The same layer with another source of what is known of a request.
    pub fn map_source<R2>(self, map: impl FnOnce(R) -> R2) -> AuthLayerWith<R2, H>
    where
        R2: RequestSource,
    {
        let map = |Guard { auth, source, mount, hook }| Guard { auth, source: map(source), mount, hook };
        AuthLayerWith { guard: self.guard.map(map) }
    }

    /// The service that the layer guards, in the version that is in use now.
    #[must_use]
    pub fn auth(&self) -> Auth {
        self.guard.auth.now().clone()
    }

    /// The service that the layer guards, in whichever version is in use.
    #[must_use]
    pub fn live_auth(&self) -> &LiveAuth {
        &self.guard.auth
    }

    /// The same layer around what is derived from its service.
    ///
    /// # Errors
    ///
    /// Those of `derive`.
    pub fn map_auth(
        self,
        derive: impl FnOnce(&LiveAuth) -> Result<LiveAuth, BuildError>,
    ) -> Result<Self, BuildError> {
        let auth = derive(&self.guard.auth)?;
        Ok(Self { guard: self.guard.map(|guard| Guard { auth, ..guard }) })
    }
}

impl<S, R, H> Layer<S> for AuthLayerWith<R, H> {
    type Service = AuthService<S, R, H>;

    fn layer(&self, inner: S) -> Self::Service {
        AuthService::new(inner, self.guard.clone())
    }
}

impl<R, H> fmt::Debug for AuthLayerWith<R, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthLayer").field("guard", &self.guard).finish()
    }
}
