use std::{
    mem,
    task::{Context, Poll},
};

use http::header::AUTHORIZATION;
use portcullis_core::Authorization;
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
    /// `Service::clone`: "services are permitted to panic if `call` is invoked without obtaining `Poll::Ready(Ok(()))` from
    /// `poll_ready`".
    fn take_ready(&mut self) -> S
    where
        S: Clone,
    {
        let clone = self.inner.clone();
        mem::replace(&mut self.inner, clone)
    }

    fn send<R>(&mut self, mut request: R, token: Authorization) -> ResponseFuture<S, R>
    where
        S: Service<R, Response: IncomingResponse> + Clone,
        R: OutgoingRequest,
        P: Replay<R>,
    {
        if !self.auth.watches() {
            request.headers_mut().insert(AUTHORIZATION, token.header().clone());
            return ResponseFuture::sent(self.inner.call(request), None);
        }
        // Before the credential is on it: it is smaller.
        let copy = self.replay.copy(&request);
        request.headers_mut().insert(AUTHORIZATION, token.header().clone());
        let (response, again) = match copy {
            None => (self.inner.call(request), None),
            Some(copy) => {
                let mut inner = self.take_ready();
                (inner.call(request), Some(Box::new(Again { inner, request: copy })))
            }
        };
        ResponseFuture::sent(response, Some(Watch { auth: self.auth.clone(), token, again }))
    }

    fn wait<R>(&mut self, request: R) -> ResponseFuture<S, R>
    where
        S: Service<R, Response: IncomingResponse> + Clone,
        R: OutgoingRequest,
        P: Replay<R>,
    {
        let copy = if self.auth.watches() { self.replay.copy(&request) } else { None };
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

    fn call(&mut self, request: R) -> Self::Future {
        if request.headers().contains_key(AUTHORIZATION) {
            return ResponseFuture::sent(self.inner.call(request), None);
        }
        if let Err(error) = self.auth.check(&request.target(), self.bound) {
            return ResponseFuture::failed(error.into());
        }
        match self.auth.try_token() {
            Some(token) => self.send(request, token),
            None => self.wait(request),
        }
    }
}
