use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::header::AUTHORIZATION;
use pin_project_lite::pin_project;
use portcullis_core::{Authorization, BoxFuture, TokenError};
use tower_service::Service;

use super::{ClientAuth, IncomingResponse, OutgoingRequest, SendError, refusal::is_refusal};

pin_project! {
    /// The response of a [`ClientAuthService`](super::ClientAuthService).
    #[must_use = "futures do nothing unless they are polled"]
    pub struct ResponseFuture<S, R>
    where
        S: Service<R>,
    {
        #[pin]
        state: State<S, R>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, R>
    where
        S: Service<R>,
    {
        /// Not sent: the error, until it is taken.
        Failed { error: Option<SendError<S::Error>> },
        /// Sent. The answer is looked at where it may say that the credential is refused.
        Sent { #[pin] response: S::Future, watch: Option<Watch<S, R>> },
        // The slow ones are boxed, so that the others do not carry their size.
        /// The credential is being waited for.
        Waiting { waiting: Option<Box<Waiting<S, R>>> },
        /// Refused, and a newer credential is being waited for.
        Renewing { renewing: Option<Box<Renewing<S, R>>> },
        /// The newer credential is on the copy, and the service not ready yet.
        Readying { again: Option<Box<Again<S, R>>> },
    }
}

type Token = BoxFuture<'static, Result<Authorization, TokenError>>;

/// What is needed where the answer is a refusal.
pub(super) struct Watch<S, R> {
    pub(super) auth: ClientAuth,
    /// What was sent.
    pub(super) token: Authorization,
    pub(super) again: Option<Box<Again<S, R>>>,
}

/// What it takes to send the request once more.
pub(super) struct Again<S, R> {
    /// Was called, so it has to say again that it is ready.
    pub(super) inner: S,
    pub(super) request: R,
}

pub(super) struct Waiting<S, R> {
    pub(super) token: Token,
    pub(super) auth: ClientAuth,
    /// Ready to be called.
    pub(super) inner: S,
    pub(super) request: R,
    pub(super) copy: Option<R>,
}

struct Renewing<S: Service<R>, R> {
    token: Token,
    auth: ClientAuth,
    refused: Authorization,
    /// The answer, should there be no newer credential.
    response: S::Response,
    again: Box<Again<S, R>>,
}

impl<S, R> ResponseFuture<S, R>
where
    S: Service<R>,
{
    pub(super) const fn failed(error: SendError<S::Error>) -> Self {
        Self { state: State::Failed { error: Some(error) } }
    }

    pub(super) const fn sent(response: S::Future, watch: Option<Watch<S, R>>) -> Self {
        Self { state: State::Sent { response, watch } }
    }

    pub(super) fn waiting(waiting: Waiting<S, R>) -> Self {
        Self { state: State::Waiting { waiting: Some(Box::new(waiting)) } }
    }
}

impl<S, R> Future for ResponseFuture<S, R>
where
    S: Service<R, Response: IncomingResponse>,
    R: OutgoingRequest,
{
    type Output = Result<S::Response, SendError<S::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProjection::Sent { response, watch } => {
                    let response = ready!(response.poll(cx)).map_err(SendError::Service)?;
                    match watch.take() {
                        Some(watch) if is_refusal(response.status(), response.headers()) => {
                            match watch.refused(response) {
                                Ok(renewing) => State::Renewing { renewing: Some(renewing) },
                                Err(response) => return Poll::Ready(Ok(response)),
                            }
                        }
                        _ => return Poll::Ready(Ok(response)),
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
                            let Again { mut inner, request } = *again;
                            State::Sent { response: inner.call(request), watch: None }
                        }
                    }
                }
            };
            state.set(next);
        }
    }
}

impl<S, R> Waiting<S, R>
where
    S: Service<R>,
    R: OutgoingRequest,
{
    fn send(mut self, token: Authorization) -> State<S, R> {
        self.request.headers_mut().insert(AUTHORIZATION, token.header().clone());
        let response = self.inner.call(self.request);
        let watch = self.auth.watches().then(|| {
            let inner = self.inner;
            let again = self.copy.map(|request| Box::new(Again { inner, request }));
            Watch { auth: self.auth, token, again }
        });
        State::Sent { response, watch }
    }
}

impl<S, R> Watch<S, R>
where
    S: Service<R, Response: IncomingResponse>,
    R: OutgoingRequest,
{
    /// Says that the credential was refused, whether or not the request can be sent once more: those to come profit.
    /// An error is the response, where it stands.
    #[cold]
    fn refused(self, response: S::Response) -> Result<Box<Renewing<S, R>>, S::Response> {
        let asked = self.again.as_deref().map(|again| again.request.target());
        if response.given_by().is_some_and(|by| !self.auth.was_shown_to(&by, asked.as_ref())) {
            return Err(response);
        }
        let renewable = self.auth.refused(&self.token);
        match self.again {
            Some(again) if renewable => Ok(Box::new(Renewing {
                token: self.auth.token(),
                auth: self.auth,
                refused: self.token,
                response,
                again,
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
        if self.auth.renewed(&self.refused, result, self.again.request.headers_mut()) {
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

impl<S, R> fmt::Debug for ResponseFuture<S, R>
where
    S: Service<R>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
