use std::{
    mem,
    task::{Context, Poll},
};

use http::header::{AUTHORIZATION, Entry};
use tower_service::Service;

use super::{
    ClientAuth, IncomingResponse, OutgoingRequest, Replay, ReplayEmpty, ResponseFuture, SendError,
    future::{Again, Waiting, Watch},
};

/// A service whose requests carry a client's credential: what [`ClientAuthLayer`](super::ClientAuthLayer) makes.
#[derive(Clone, Debug)]
pub struct ClientAuthService<S, P = ReplayEmpty> {
    inner: S,
    auth: ClientAuth,
    replay: P,
    bound: bool,
}

impl<S, P> ClientAuthService<S, P> {
    pub(super) const fn new(inner: S, auth: ClientAuth, replay: P, bound: bool) -> Self {
        Self { inner, auth, replay, bound }
    }

    /// The client whose credential is sent.
    pub const fn auth(&self) -> &ClientAuth {
        &self.auth
    }

    /// The service within, which sends no credential.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The service within, which sends no credential.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The service within, which sends no credential.
    pub fn into_inner(self) -> S {
        self.inner
    }

    /// The service that said it is ready. Its clone, which did not, stays.
    ///
    /// tower: "Services are permitted to panic if `call` is invoked without obtaining `Poll::Ready(Ok(()))` from
    /// `poll_ready`".
    fn take_ready(&mut self) -> S
    where
        S: Clone,
    {
        let clone = self.inner.clone();
        mem::replace(&mut self.inner, clone)
    }

    #[cold]
    fn wait<R>(&mut self, request: R, copy: Option<R>) -> ResponseFuture<S, R>
    where
        S: Service<R> + Clone,
    {
        ResponseFuture::waiting(Waiting {
            token: self.auth.token(),
            auth: self.auth.clone(),
            inner: self.take_ready(),
            request,
            copy,
        })
    }
}

impl<S, P, R> Service<R> for ClientAuthService<S, P>
where
    S: Service<R, Response: IncomingResponse> + Clone,
    R: OutgoingRequest,
    P: Replay<R>,
{
    type Response = S::Response;
    type Error = SendError<S::Error>;
    type Future = ResponseFuture<S, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(SendError::Service)
    }

    fn call(&mut self, mut request: R) -> Self::Future {
        let allowed = self.auth.check(&request.target(), self.bound);
        // Before the credential is on it: it is smaller.
        let copy = if self.auth.watches() && allowed.is_ok() { self.replay.copy(&request) } else { None };
        // One look-up says whether it is there, and where it goes.
        let Entry::Vacant(place) = request.headers_mut().entry(AUTHORIZATION) else {
            return ResponseFuture::sent(self.inner.call(request), None);
        };
        if let Err(error) = allowed {
            return ResponseFuture::failed(error.into());
        }
        let Some(token) = self.auth.try_token() else { return self.wait(request, copy) };
        if !self.auth.watches() {
            place.insert(token.into_header());
            return ResponseFuture::sent(self.inner.call(request), None);
        }
        place.insert(token.header().clone());
        let auth = self.auth.clone();
        let Some(copy) = copy else {
            return ResponseFuture::sent(self.inner.call(request), Some(Watch { auth, token, again: None }));
        };
        let mut inner = self.take_ready();
        let response = inner.call(request);
        let again = Some(Box::new(Again { inner, request: copy }));
        ResponseFuture::sent(response, Some(Watch { auth, token, again }))
    }
}
