use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use portcullis_core::{Auth, Deciding, Decision, OfferedProtocols, Standing};
use tower_service::Service;

use super::{OnRejection, guard::admit, response::refuse};

pin_project! {
    /// The response of an [`AuthService`](super::AuthService).
    pub struct ResponseFuture<S, ReqBody, ResBody, H>
    where
        S: Service<Request<ReqBody>>,
    {
        #[pin]
        state: State<S, ReqBody, ResBody, H>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, ReqBody, ResBody, H>
    where
        S: Service<Request<ReqBody>>,
    {
        /// Decided against: the response, until it is taken.
        Refused { response: Option<Response<ResBody>> },
        /// An element is being waited for. Boxed, so that the others do not carry its size.
        Waiting { waiting: Option<Box<Waiting<S, ReqBody, H>>> },
        /// Decided for. Where the client offered a token as a subprotocol, the response has to select another one.
        Admitted { #[pin] response: S::Future, offered: Option<Box<OfferedProtocols>> },
    }
}

pub(super) struct Waiting<S, ReqBody, H> {
    pub(super) deciding: Deciding,
    pub(super) request: Request<ReqBody>,
    /// Ready to be called.
    pub(super) inner: S,
    pub(super) hook: H,
    pub(super) auth: Auth,
    pub(super) offered: Option<Box<OfferedProtocols>>,
    pub(super) standing: Option<Arc<dyn Standing>>,
}

impl<S, ReqBody, ResBody, H> ResponseFuture<S, ReqBody, ResBody, H>
where
    S: Service<Request<ReqBody>>,
{
    pub(super) const fn admitted(response: S::Future, offered: Option<Box<OfferedProtocols>>) -> Self {
        Self { state: State::Admitted { response, offered } }
    }

    pub(super) const fn refused(response: Response<ResBody>) -> Self {
        Self { state: State::Refused { response: Some(response) } }
    }

    pub(super) fn waiting(waiting: Waiting<S, ReqBody, H>) -> Self {
        Self { state: State::Waiting { waiting: Some(Box::new(waiting)) } }
    }
}

impl<S, ReqBody, ResBody, H> Future for ResponseFuture<S, ReqBody, ResBody, H>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    H: OnRejection<ResBody>,
{
    type Output = Result<Response<ResBody>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProjection::Admitted { response, offered } => {
                    let mut answer = ready!(response.poll(cx));
                    if let (Ok(response), Some(offered)) = (&mut answer, offered) {
                        offered.answer(response.status(), response.headers_mut());
                    }
                    return Poll::Ready(answer);
                }
                StateProjection::Refused { response } => return Poll::Ready(Ok(taken(response))),
                StateProjection::Waiting { waiting: slot } => {
                    let mut waiting = taken(slot);
                    match Pin::new(&mut waiting.deciding).poll(cx) {
                        Poll::Pending => {
                            *slot = Some(waiting);
                            return Poll::Pending;
                        }
                        Poll::Ready(decision) => waiting.decided(decision),
                    }
                }
            };
            state.set(next);
        }
    }
}

impl<S, ReqBody, H> Waiting<S, ReqBody, H>
where
    S: Service<Request<ReqBody>>,
{
    fn decided<ResBody>(mut self, decision: Decision) -> State<S, ReqBody, ResBody, H>
    where
        H: OnRejection<ResBody>,
    {
        match decision {
            Ok(admission) => {
                admit(admission.standing_on(self.standing), &self.auth, &mut self.request);
                State::Admitted { response: self.inner.call(self.request), offered: self.offered }
            }
            Err(rejection) => State::Refused { response: Some(refuse(rejection, &self.hook)) },
        }
    }
}

#[expect(clippy::expect_used, reason = "a future that is polled after its end may panic, and this says why")]
fn taken<T>(slot: &mut Option<T>) -> T {
    slot.take().expect("a response is not polled again after it was given")
}

impl<S, ReqBody, ResBody, H> fmt::Debug for ResponseFuture<S, ReqBody, ResBody, H>
where
    S: Service<Request<ReqBody>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
