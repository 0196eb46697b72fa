use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderMap, header::AUTHORIZATION};
use portcullis_core::TokenLease;
use tower_service::Service;

use super::{
    ClientAuth, IncomingResponse, OutgoingRequest, Replay, ReplayEmpty, ResponseFuture, SendError,
    future::{Again, Sent, Waiting, Watch},
};

/// A service whose requests carry a client's credential: what [`ClientAuthLayer`](super::ClientAuthLayer) makes.
#[derive(Clone, Debug)]
pub struct ClientAuthService<S, P = ReplayEmpty> {
    inner: S,
    auth: ClientAuth,
    replay: P,
    bound: bool,
    /// What was sent last, where it can be sent again without asking its source.
    lease: Option<Arc<TokenLease>>,
}

impl<S, P> ClientAuthService<S, P> {
    pub(super) const fn new(inner: S, auth: ClientAuth, replay: P, bound: bool) -> Self {
        Self { inner, auth, replay, bound, lease: None }
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

    /// The credential, where it can be told without waiting.
    #[inline]
    fn token(&mut self) -> Option<Sent> {
        match &self.lease {
            Some(lease) if lease.is_good() => Some(Sent::Leased(Arc::clone(lease))),
            _ => self.ask(),
        }
    }

    fn ask(&mut self) -> Option<Sent> {
        self.lease = self.auth.lease();
        match &self.lease {
            Some(lease) => Some(Sent::Leased(Arc::clone(lease))),
            None => self.auth.try_token().map(Sent::Given),
        }
    }

    /// The service that said it is ready. Its clone, which did not, stays.
    ///
    /// tower: "Services are permitted to panic if `call` is invoked without obtaining `Poll::Ready(Ok(()))` from
    /// `poll_ready`".
    #[inline]
    fn take_ready(&mut self) -> S
    where
        S: Clone,
    {
        let clone = self.inner.clone();
        mem::replace(&mut self.inner, clone)
    }

    #[cold]
    fn wait<R>(&mut self, request: R, kept: Option<P::Kept>) -> ResponseFuture<S, R, P>
    where
        S: Service<R> + Clone,
        P: Replay<R>,
    {
        ResponseFuture::waiting(Waiting {
            token: self.auth.token(),
            auth: self.auth.clone(),
            inner: self.take_ready(),
            request,
            kept,
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
    type Future = ResponseFuture<S, R, P>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(SendError::Service)
    }

    fn call(&mut self, mut request: R) -> Self::Future {
        if has_own(request.headers()) {
            return ResponseFuture::sent(self.inner.call(request), None);
        }
        if let Err(error) = self.auth.check(&request.target(), self.bound) {
            return ResponseFuture::failed(error.into());
        }
        if !self.auth.watches() {
            let Some(token) = self.auth.try_token() else { return self.wait(request, None) };
            request.headers_mut().append(AUTHORIZATION, token.into_header());
            return ResponseFuture::sent(self.inner.call(request), None);
        }
        // Before the credential is on it: it is smaller.
        let kept = self.replay.keep(&request);
        let Some(token) = self.token() else { return self.wait(request, kept) };
        request.headers_mut().append(AUTHORIZATION, token.header().clone());
        let may_be_grpc = request.may_be_grpc();
        let auth = self.auth.clone();
        let (response, again) = match kept {
            None => (self.inner.call(request), None),
            Some(kept) => {
                let mut inner = self.take_ready();
                (inner.call(request), Some(Again { inner, kept }))
            }
        };
        ResponseFuture::sent(response, Some(Watch { auth, token, may_be_grpc, again }))
    }
}

/// Among so few headers one is found sooner by looking at each than by its hash.
const FEW: usize = 8;

/// Whether the request has an `Authorization`.
#[inline]
fn has_own(headers: &HeaderMap) -> bool {
    if headers.keys_len() <= FEW {
        headers.keys().any(|name| *name == AUTHORIZATION)
    } else {
        headers.contains_key(AUTHORIZATION)
    }
}
