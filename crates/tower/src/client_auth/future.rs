use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderValue, header::AUTHORIZATION};
use pin_project_lite::pin_project;
use portcullis_core::{Authorization, BoxFuture, TokenError, TokenLease};
use tower_service::Service;

use super::{
    ClientAuth, IncomingResponse, OutgoingRequest, Replay, ReplayEmpty, SendError, refusal::is_refusal,
};

pin_project! {
    /// The response of a [`ClientAuthService`](super::ClientAuthService).
    #[must_use = "futures do nothing unless they are polled"]
    pub struct ResponseFuture<S, R, P = ReplayEmpty>
    where
        S: Service<R>,
        P: Replay<R>,
    {
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
        /// Not sent: the error, until it is taken.
        Failed { error: Option<SendError<S::Error>> },
        /// Sent. The answer is looked at where it may say that the credential is refused.
        Sent { #[pin] response: S::Future, watch: Option<Watch<S, P::Kept>> },
        // The slow ones are boxed, so that the others do not carry their size.
        /// The credential is being waited for.
        Waiting { waiting: Option<Box<Waiting<S, R, P::Kept>>> },
        /// Refused, and a newer credential is being waited for.
        Renewing { renewing: Option<Box<Renewing<S, R>>> },
        /// The newer credential is on the copy, and the service not ready yet.
        Readying { again: Option<Box<Again<S, R>>> },
    }
}

type Token = BoxFuture<'static, Result<Authorization, TokenError>>;

/// What is needed where the answer is a refusal. Lies in the future, so that requests are watched without an allocation.
pub(super) struct Watch<S, K> {
    pub(super) auth: ClientAuth,
    pub(super) token: Sent,
    pub(super) may_be_grpc: bool,
    pub(super) again: Option<Again<S, K>>,
}

/// The credential that was sent.
pub(super) enum Sent {
    Leased(Arc<TokenLease>),
    Given(Authorization),
}

impl Sent {
    #[inline]
    pub(super) fn header(&self) -> &HeaderValue {
        self.authorization().header()
    }

    #[inline]
    fn authorization(&self) -> &Authorization {
        match self {
            Self::Leased(lease) => lease.token(),
            Self::Given(token) => token,
        }
    }
}

/// What it takes to send the request once more: it, or what it is made from again.
pub(super) struct Again<S, K> {
    /// Was called, so it has to say again that it is ready.
    pub(super) inner: S,
    pub(super) kept: K,
}

pub(super) struct Waiting<S, R, K> {
    pub(super) token: Token,
    pub(super) auth: ClientAuth,
    /// Ready to be called.
    pub(super) inner: S,
    pub(super) request: R,
    pub(super) kept: Option<K>,
}

struct Renewing<S: Service<R>, R> {
    token: Token,
    auth: ClientAuth,
    refused: Sent,
    /// The answer, should there be no newer credential.
    response: S::Response,
    again: Box<Again<S, R>>,
}

impl<S, R, P> ResponseFuture<S, R, P>
where
    S: Service<R>,
    P: Replay<R>,
{
    pub(super) const fn failed(error: SendError<S::Error>) -> Self {
        Self { state: State::Failed { error: Some(error) } }
    }

    #[inline]
    pub(super) const fn sent(response: S::Future, watch: Option<Watch<S, P::Kept>>) -> Self {
        Self { state: State::Sent { response, watch } }
    }

    pub(super) fn waiting(waiting: Waiting<S, R, P::Kept>) -> Self {
        Self { state: State::Waiting { waiting: Some(Box::new(waiting)) } }
    }
}

impl<S, R, P> Future for ResponseFuture<S, R, P>
where
    S: Service<R, Response: IncomingResponse>,
    R: OutgoingRequest,
    P: Replay<R>,
{
    type Output = Result<S::Response, SendError<S::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProjection::Sent { response, watch } => {
                    let response = match response.poll(cx) {
                        Poll::Ready(Ok(response)) => response,
                        Poll::Ready(Err(error)) => return Poll::Ready(Err(SendError::Service(error))),
                        Poll::Pending => return Poll::Pending,
                    };
                    match watch.take_if(|watch| watch.sees_refusal(&response)) {
                        None => return Poll::Ready(Ok(response)),
                        Some(watch) => match watch.refused::<R, P>(response) {
                            Ok(renewing) => State::Renewing { renewing: Some(renewing) },
                            Err(response) => return Poll::Ready(Ok(response)),
                        },
                    }
                }
                StateProjection::Failed { error } => return Poll::Ready(Err(taken(error))),
                StateProjection::Waiting { waiting: slot } => {
                    let mut waiting = taken(slot);
                    match waiting.token.as_mut().poll(cx) {
                        Poll::Pending => {
                            *slot = Some(waiting);
                            return Poll::Pending;
                        }
                        Poll::Ready(Ok(token)) => waiting.send(token),
                        Poll::Ready(Err(error)) => {
                            return Poll::Ready(Err(waiting.auth.no_credential(error).into()));
                        }
                    }
                }
                StateProjection::Renewing { renewing: slot } => {
                    let mut renewing = taken(slot);
                    match renewing.token.as_mut().poll(cx) {
                        Poll::Pending => {
                            *slot = Some(renewing);
                            return Poll::Pending;
                        }
                        Poll::Ready(result) => match renewing.renewed(result) {
                            Ok(again) => State::Readying { again: Some(again) },
                            Err(response) => return Poll::Ready(Ok(response)),
                        },
                    }
                }
                StateProjection::Readying { again: slot } => {
                    let mut again = taken(slot);
                    match again.inner.poll_ready(cx) {
                        Poll::Pending => {
                            *slot = Some(again);
                            return Poll::Pending;
                        }
                        Poll::Ready(Err(error)) => return Poll::Ready(Err(SendError::Service(error))),
                        Poll::Ready(Ok(())) => {
                            let Again { mut inner, kept } = *again;
                            State::Sent { response: inner.call(kept), watch: None }
                        }
                    }
                }
            };
            state.set(next);
        }
    }
}

impl<S, R, K> Waiting<S, R, K>
where
    S: Service<R>,
    R: OutgoingRequest,
{
    fn send<P: Replay<R, Kept = K>>(mut self, token: Authorization) -> State<S, R, P> {
        let may_be_grpc = self.request.may_be_grpc();
        self.request.headers_mut().insert(AUTHORIZATION, token.header().clone());
        let response = self.inner.call(self.request);
        let watch = self.auth.watches().then(|| {
            let inner = self.inner;
            let again = self.kept.map(|kept| Again { inner, kept });
            Watch { auth: self.auth, token: Sent::Given(token), may_be_grpc, again }
        });
        State::Sent { response, watch }
    }
}

impl<S, K> Watch<S, K> {
    #[inline]
    fn sees_refusal(&self, response: &impl IncomingResponse) -> bool {
        is_refusal(response.status(), response.headers(), self.may_be_grpc)
    }

    /// Says that the credential was refused, whether or not the request can be sent once more: those to come profit.
    /// An error is the response, where it stands.
    #[cold]
    fn refused<R, P>(self, response: S::Response) -> Result<Box<Renewing<S, R>>, S::Response>
    where
        S: Service<R, Response: IncomingResponse>,
        R: OutgoingRequest,
        P: Replay<R, Kept = K>,
    {
        let again = self.again.map(|Again { inner, kept }| Again { inner, kept: P::restore(kept) });
        let asked = again.as_ref().map(|again| again.kept.target());
        if response.given_by().is_some_and(|by| !self.auth.was_shown_to(&by, asked.as_ref())) {
            return Err(response);
        }
        let renewable = self.auth.refused(self.token.authorization());
        match again {
            Some(again) if renewable => Ok(Box::new(Renewing {
                token: self.auth.token(),
                auth: self.auth,
                refused: self.token,
                response,
                again: Box::new(again),
            })),
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
    fn renewed(mut self, result: Result<Authorization, TokenError>) -> Result<Box<Again<S, R>>, S::Response> {
        if self.auth.renewed(self.refused.authorization(), result, self.again.kept.headers_mut()) {
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
