use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::header::AUTHORIZATION;
use pin_project_lite::pin_project;
use portcullis_core::{Authorization, BoxFuture, TokenError};
use tower_service::Service;

use super::{
    ClientAuth, IncomingResponse, OutgoingRequest, Replay, ReplayEmpty, SendError,
    refusal::{is_refusal, may_be_refusal},
    shown::Shown,
};

pin_project! {
    /// The response of a [`ClientAuthService`](super::ClientAuthService).
    #[must_use = "futures do nothing unless they are polled"]
    pub struct ResponseFuture<S, R, P = ReplayEmpty>
    where
        S: Service<R>,
        P: Replay<R>,
    {
        // Of a request that was sent, where its answer may say that the credential is refused.
        watch: Option<Watch<S, R, P>>,
        #[pin]
        state: State<S, R, P>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, R, P>
    where
        S: Service<R>,
        P: Replay<R>,
    {
        Sent { #[pin] response: S::Future },
        Slow { slow: Box<Slow<S, R, P>> },
    }
}

/// What is rare: in a box, so that the others carry neither its size nor what it takes to drop it. Each is there until it is
/// taken.
enum Slow<S, R, P>
where
    S: Service<R>,
    P: Replay<R>,
{
    /// Not sent.
    Failed(Option<SendError<S::Error>>),
    /// The credential is being waited for.
    Waiting(Option<Waiting<S, R, P>>),
    /// Refused, and a newer credential is being waited for.
    Renewing(Option<Renewing<S, R>>),
    /// The newer credential is on the copy, and the service not ready yet.
    Readying(Option<Again<S, R>>),
}

type Token = BoxFuture<'static, Result<Authorization, TokenError>>;

/// What is needed where the answer is a refusal. Lies in the future, so that requests are watched without an allocation:
/// few words, since futures are moved.
pub(super) struct Watch<S, R, P: Replay<R>> {
    pub(super) shown: Arc<Shown>,
    pub(super) again: Option<Again<S, P::Kept>>,
}

/// The request need not be sent again, or was given up.
impl<S, R, P: Replay<R>> Drop for Watch<S, R, P> {
    #[inline]
    fn drop(&mut self) {
        if let Some(again) = self.again.take() {
            P::release(again.kept);
        }
    }
}

/// What it takes to send the request once more: it, or what it is made from again.
pub(super) struct Again<S, K> {
    /// Was called, so it has to say again that it is ready.
    pub(super) inner: S,
    pub(super) kept: K,
}

pub(super) struct Waiting<S, R, P: Replay<R>> {
    pub(super) token: Token,
    pub(super) auth: ClientAuth,
    /// Ready to be called.
    pub(super) inner: S,
    pub(super) request: R,
    pub(super) kept: NotSent<R, P>,
}

/// What was kept of a request that is not sent yet, and perhaps never will be.
pub(super) struct NotSent<R, P: Replay<R>>(pub(super) Option<P::Kept>);

impl<R, P: Replay<R>> Drop for NotSent<R, P> {
    fn drop(&mut self) {
        if let Some(kept) = self.0.take() {
            P::release(kept);
        }
    }
}

struct Renewing<S: Service<R>, R> {
    token: Token,
    refused: Arc<Shown>,
    /// The answer, should there be no newer credential.
    response: S::Response,
    again: Again<S, R>,
}

impl<S, R, P> ResponseFuture<S, R, P>
where
    S: Service<R>,
    P: Replay<R>,
{
    #[inline]
    pub(super) const fn sent(response: S::Future, watch: Option<Watch<S, R, P>>) -> Self {
        Self { state: State::Sent { response }, watch }
    }

    pub(super) fn failed(error: SendError<S::Error>) -> Self {
        Self::slow(Slow::Failed(Some(error)))
    }

    pub(super) fn waiting(waiting: Waiting<S, R, P>) -> Self {
        Self::slow(Slow::Waiting(Some(waiting)))
    }

    fn slow(slow: Slow<S, R, P>) -> Self {
        Self { state: State::Slow { slow: Box::new(slow) }, watch: None }
    }
}

impl<S, R, P> Future for ResponseFuture<S, R, P>
where
    S: Service<R, Response: IncomingResponse>,
    R: OutgoingRequest,
    P: Replay<R>,
{
    type Output = Result<S::Response, SendError<S::Error>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.as_mut().project();
        let StateProjection::Sent { response } = this.state.project() else { return self.poll_slowly(cx) };
        match response.poll(cx) {
            Poll::Ready(Ok(response)) => {
                if this.watch.as_ref().is_some_and(|watch| watch.may_see_refusal(&response)) {
                    return self.look_at(response, cx);
                }
                Poll::Ready(Ok(response))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(SendError::Service(error))),
            Poll::Pending => Poll::Pending,
        }
    }
}

type Answered<S, R> = Poll<Result<<S as Service<R>>::Response, SendError<<S as Service<R>>::Error>>>;

impl<S, R, P> ResponseFuture<S, R, P>
where
    S: Service<R, Response: IncomingResponse>,
    R: OutgoingRequest,
    P: Replay<R>,
{
    /// An answer that may be a refusal.
    #[cold]
    #[inline(never)]
    fn look_at(mut self: Pin<&mut Self>, response: S::Response, cx: &mut Context<'_>) -> Answered<S, R> {
        let mut this = self.as_mut().project();
        let Some(watch) = this.watch.take_if(|watch| watch.sees_refusal(&response)) else {
            return Poll::Ready(Ok(response));
        };
        match watch.refused(response) {
            Ok(renewing) => {
                let slow = Box::new(Slow::Renewing(Some(renewing)));
                this.state.set(State::Slow { slow });
                self.poll_slowly(cx)
            }
            Err(response) => Poll::Ready(Ok(response)),
        }
    }

    #[cold]
    #[inline(never)]
    fn poll_slowly(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Answered<S, R> {
        let mut this = self.as_mut().project();
        let StateProjection::Slow { slow } = this.state.as_mut().project() else { return self.poll(cx) };
        let response = match &mut **slow {
            Slow::Failed(error) => return Poll::Ready(Err(taken(error))),
            Slow::Waiting(slot) => {
                let mut waiting = taken(slot);
                match waiting.token.as_mut().poll(cx) {
                    Poll::Pending => {
                        *slot = Some(waiting);
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok(token)) => {
                        let (response, watch) = waiting.send(token);
                        *this.watch = watch;
                        response
                    }
                    Poll::Ready(Err(error)) => {
                        return Poll::Ready(Err(waiting.auth.no_credential(error).into()));
                    }
                }
            }
            Slow::Renewing(slot) => {
                let mut renewing = taken(slot);
                match renewing.token.as_mut().poll(cx) {
                    Poll::Pending => {
                        *slot = Some(renewing);
                        return Poll::Pending;
                    }
                    Poll::Ready(result) => match renewing.renewed(result) {
                        Ok(again) => {
                            **slow = Slow::Readying(Some(again));
                            return self.poll_slowly(cx);
                        }
                        Err(response) => return Poll::Ready(Ok(response)),
                    },
                }
            }
            Slow::Readying(slot) => {
                let mut again = taken(slot);
                match again.inner.poll_ready(cx) {
                    Poll::Pending => {
                        *slot = Some(again);
                        return Poll::Pending;
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(SendError::Service(error))),
                    Poll::Ready(Ok(())) => again.inner.call(again.kept),
                }
            }
        };
        this.state.set(State::Sent { response });
        // At most three times: each state comes after the ones before.
        self.poll(cx)
    }
}

impl<S, R, P> Waiting<S, R, P>
where
    S: Service<R>,
    R: OutgoingRequest,
    P: Replay<R>,
{
    fn send(mut self, token: Authorization) -> (S::Future, Option<Watch<S, R, P>>) {
        let may_be_grpc = self.request.may_be_grpc();
        self.request.headers_mut().insert(AUTHORIZATION, token.header().clone());
        let response = self.inner.call(self.request);
        let watch = self.auth.watches().then(|| {
            let inner = self.inner;
            let again = self.kept.0.take().map(|kept| Again { inner, kept });
            Watch { shown: Arc::new(Shown::given(self.auth, token, may_be_grpc)), again }
        });
        (response, watch)
    }
}

impl<S, R, P> Watch<S, R, P>
where
    S: Service<R, Response: IncomingResponse>,
    R: OutgoingRequest,
    P: Replay<R>,
{
    #[inline]
    fn may_see_refusal(&self, response: &S::Response) -> bool {
        may_be_refusal(response.status(), self.shown.may_be_grpc)
    }

    fn sees_refusal(&self, response: &S::Response) -> bool {
        is_refusal(response.status(), response.headers(), self.shown.may_be_grpc)
    }

    /// Says that the credential was refused, whether or not the request can be sent once more: those to come profit.
    /// An error is the response, where it stands.
    #[cold]
    fn refused(mut self, response: S::Response) -> Result<Renewing<S, R>, S::Response> {
        let again = self.again.take().map(|Again { inner, kept }| Again { inner, kept: P::restore(kept) });
        let asked = again.as_ref().map(|again| again.kept.target());
        let Shown { auth, token, .. } = &*self.shown;
        if response.given_by().is_some_and(|by| !auth.was_shown_to(&by, asked.as_ref())) {
            return Err(response);
        }
        let renewable = auth.refused(token);
        match again {
            Some(again) if renewable => {
                Ok(Renewing { token: auth.token(), refused: Arc::clone(&self.shown), response, again })
            }
            _ => Err(response),
        }
    }
}

impl<S, R> Renewing<S, R>
where
    S: Service<R>,
    R: OutgoingRequest,
{
    /// The request with the newer credential; as an error the first response, where there is none.
    fn renewed(mut self, result: Result<Authorization, TokenError>) -> Result<Again<S, R>, S::Response> {
        let Shown { auth, token, .. } = &*self.refused;
        if auth.renewed(token, result, self.again.kept.headers_mut()) {
            Ok(self.again)
        } else {
            Err(self.response)
        }
    }
}

#[expect(clippy::expect_used, reason = "a future that is polled after its end may panic, and this says why")]
fn taken<T>(slot: &mut Option<T>) -> T {
    slot.take().expect("a response is not polled again after it was given")
}

impl<S, R, P> fmt::Debug for ResponseFuture<S, R, P>
where
    S: Service<R>,
    P: Replay<R>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
