use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::Response;
use pin_project_lite::pin_project;

pin_project! {
    /// The response of a [`RequireScopesService`](super::RequireScopesService).
    pub struct ResponseFuture<F, ResBody> {
        #[pin]
        state: State<F, ResBody>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F, ResBody> {
        /// The response, until it is taken.
        Refused { response: Option<Response<ResBody>> },
        Admitted { #[pin] response: F },
    }
}

impl<F, ResBody> ResponseFuture<F, ResBody> {
    pub(super) const fn admitted(response: F) -> Self {
        Self { state: State::Admitted { response } }
    }

    pub(super) const fn refused(response: Response<ResBody>) -> Self {
        Self { state: State::Refused { response: Some(response) } }
    }
}

impl<F, ResBody, E> Future for ResponseFuture<F, ResBody>
where
    F: Future<Output = Result<Response<ResBody>, E>>,
{
    type Output = Result<Response<ResBody>, E>;

    #[expect(
        clippy::expect_used,
        reason = "a future that is polled after its end may panic, and this says why"
    )]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Admitted { response } => response.poll(cx),
            StateProjection::Refused { response } => {
                Poll::Ready(Ok(response.take().expect("a response is not polled again after it was given")))
            }
        }
    }
}

impl<F, ResBody> fmt::Debug for ResponseFuture<F, ResBody> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
