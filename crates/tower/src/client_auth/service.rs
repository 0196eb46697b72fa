use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderMap, header::AUTHORIZATION};
use tower_service::Service;

use super::{
    ClientAuth, ClientAuthError, IncomingResponse, OutgoingRequest, Replay, ReplayEmpty, ResponseFuture,
    SendError,
    future::{Again, NotSent, Waiting, Watch},
    shown::Shown,
};

/// A service whose requests carry a client's credential: what [`ClientAuthLayer`](super::ClientAuthLayer) makes.
#[derive(Clone, Debug)]
pub struct ClientAuthService<S, P = ReplayEmpty> {
    inner: S,
    auth: ClientAuth,
    replay: P,
    bound: bool,
    /// What was sent last.
    last: Option<Arc<Shown>>,
    /// The same with what may be a call of gRPC.
    last_grpc: Option<Arc<Shown>>,
}

impl<S, P> ClientAuthService<S, P> {
    pub(super) const fn new(inner: S, auth: ClientAuth, replay: P, bound: bool) -> Self {
        Self { inner, auth, replay, bound, last: None, last_grpc: None }
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

    #[cold]
    #[inline(never)]
    fn unsent<R>(&mut self, request: R, unsent: Unsent<P::Kept>) -> ResponseFuture<S, R, P>
    where
        S: Service<R> + Clone,
        P: Replay<R>,
    {
        let kept = match unsent {
            Unsent::Refused(error) => return ResponseFuture::failed(error.into()),
            Unsent::Waits(kept) => kept,
        };
        let clone = self.inner.clone();
        ResponseFuture::waiting(Waiting {
            token: self.auth.token(),
            auth: self.auth.clone(),
            // The one that said it is ready. Its clone, which did not, stays.
            // tower: "Services are permitted to panic if `call` is invoked without obtaining `Poll::Ready(Ok(()))` from
            // `poll_ready`".
            inner: mem::replace(&mut self.inner, clone),
            request,
            kept: NotSent(kept),
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
        match self.prepare(&mut request) {
            // The one place where the future of a request that was sent is made: it is moved less often.
            Ok(watch) => ResponseFuture::sent(self.inner.call(request), watch),
            Err(unsent) => self.unsent(request, unsent),
        }
    }
}

/// What it takes to look at the answer, where somebody will.
type Prepared<S, R, P> = Result<Option<Watch<S, R, P>>, Unsent<<P as Replay<R>>::Kept>>;

/// Why a request is not sent at once.
enum Unsent<K> {
    Refused(ClientAuthError),
    /// There is no credential at hand.
    Waits(Option<K>),
}

impl<S: Clone, P> ClientAuthService<S, P> {
    /// Puts the credential on a request.
    #[inline]
    fn prepare<R>(&mut self, request: &mut R) -> Prepared<S, R, P>
    where
        R: OutgoingRequest,
        P: Replay<R>,
    {
        if has_own(request.headers()) {
            return Ok(None);
        }
        if !self.auth.is_own_origin(&request.target()) {
            self.auth.check_closely(&request.target(), self.bound).map_err(Unsent::Refused)?;
        }
        let watches = self.auth.watches();
        // Before the credential is on it: it is smaller.
        let kept = if watches { self.replay.keep(request) } else { None };
        let may_be_grpc = request.may_be_grpc();
        let last = if may_be_grpc { &mut self.last_grpc } else { &mut self.last };
        let shown = match &*last {
            Some(shown) if shown.put_on(request.headers_mut(), false) => shown,
            _ => match Shown::renew(last, &self.auth, may_be_grpc, request.headers_mut()) {
                Some(shown) => shown,
                None => return Err(Unsent::Waits(kept)),
            },
        };
        Ok(watches.then(|| Watch {
            shown: Arc::clone(shown),
            again: kept.map(|kept| Again { inner: self.inner.clone(), kept }),
        }))
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
