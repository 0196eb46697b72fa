use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use portcullis_core::{Admission, Asker, RequestHead, RequiredScopes};
use tower_service::Service;

use super::ResponseFuture;
use crate::{
    RequestSource,
    auth_layer::{OnRejection, refuse},
};

/// A service for callers with certain scopes. See the [module](super) for the rules and an example.
#[derive(Clone)]
pub struct RequireScopesService<S, R, H> {
    inner: S,
    scopes: Arc<RequiredScopes>,
    source: R,
    hook: H,
}

impl<S, R, H> RequireScopesService<S, R, H> {
    pub(super) const fn new(inner: S, scopes: Arc<RequiredScopes>, source: R, hook: H) -> Self {
        Self { inner, scopes, source, hook }
    }

    /// The service within.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The service within.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The service within, for whoever is let in.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, R, H, ReqBody, ResBody> Service<Request<ReqBody>> for RequireScopesService<S, R, H>
where
    R: RequestSource,
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    H: OnRejection<ResBody>,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, ResBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let head = || {
            let (method, extensions) = (request.method(), request.extensions());
            let view = self.source.view(method, request.uri(), extensions);
            RequestHead::new(method, view.path, request.headers()).with_client(view.client)
        };
        let asker = Asker::new("RequireScopes").about(&head);
        match Admission::demand_scopes(request.extensions(), &self.scopes, asker) {
            Ok(_) => ResponseFuture::admitted(self.inner.call(request)),
            Err(rejection) => {
                ResponseFuture::refused(refuse(rejection.answering(request.method()), &self.hook))
            }
        }
    }
}

impl<S: fmt::Debug, R, H> fmt::Debug for RequireScopesService<S, R, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireScopesService")
            .field("inner", &self.inner)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}
