use std::{
    fmt, mem,
    task::{Context, Poll},
};

use http::{Request, Response};
use portcullis_core::{Auth, Step};
use tower_service::Service;

use super::{
    OnRejection, ResponseFuture,
    future::Waiting,
    guard::{Guard, admit, conceal, mark_sensitive},
    response::refuse,
    shared::Shared,
};
use crate::RequestSource;

/// A guarded service. See the [module](super) for the rules and an example.
#[derive(Clone)]
pub struct AuthService<S, R, H> {
    inner: S,
    guard: Shared<Guard<R, H>>,
}

impl<S, R, H> AuthService<S, R, H> {
    pub(super) const fn new(inner: S, guard: Shared<Guard<R, H>>) -> Self {
        Self { inner, guard }
    }

    /// The service within.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The service within.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The service within, no longer guarded.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, R, H, ReqBody, ResBody> Service<Request<ReqBody>> for AuthService<S, R, H>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    R: RequestSource,
    H: OnRejection<ResBody> + Clone,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = ResponseFuture<S, ReqBody, ResBody, H>;

    // Not a word about providers: one that is away must not make the public routes unready.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        // One version for all that becomes of the request.
        let auth = &self.guard.auth.now();
        let step = self.guard.decide(auth, &request);
        // What is refused goes nowhere, and stands on nothing.
        let standing = if matches!(step, Step::Ready(Err(_))) {
            None
        } else {
            mark_sensitive(request.headers_mut(), auth.credential_sources());
            self.guard.standing(auth, &request)
        };
        let offered = conceal(auth, &mut request);
        match step {
            Step::Ready(Ok(admission)) => {
                admit(admission.standing_on(standing), auth, &mut request);
                ResponseFuture::admitted(self.inner.call(request), offered)
            }
            Step::Ready(Err(rejection)) => ResponseFuture::refused(refuse(rejection, &self.guard.hook)),
            Step::Wait(deciding) => {
                // The service that `poll_ready` found ready goes along; its clone, which is not, stays. See
                // https://docs.rs/tower-service/0.3/tower_service/trait.Service.html#be-careful-when-cloning-inner-services
                let clone = self.inner.clone();
                let ready = mem::replace(&mut self.inner, clone);
                let (auth, hook) = (Auth::clone(auth), self.guard.hook.clone());
                ResponseFuture::waiting(Waiting {
                    deciding,
                    request,
                    inner: ready,
                    hook,
                    auth,
                    offered,
                    standing,
                })
            }
        }
    }
}

impl<S: fmt::Debug, R, H> fmt::Debug for AuthService<S, R, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthService").field("inner", &self.inner).field("guard", &self.guard).finish()
    }
}
