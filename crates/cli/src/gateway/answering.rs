//! Answers that are being made.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use portcullis_core::BoxFuture;

use super::{body::Body, log::Answered};

/// The future of a gateway's answer.
#[derive(Debug)]
#[must_use = "nothing is answered unless it is awaited"]
pub struct Answering {
    making: Making,
    log: Option<Answered>,
}

impl Answering {
    pub(super) const fn new(making: Making, log: Option<Answered>) -> Self {
        Self { making, log }
    }
}

impl Future for Answering {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answered = ready!(Pin::new(&mut self.making).poll(cx));
        if let (Some(log), Ok(response)) = (self.log.take(), &answered) {
            log.tell(response.status());
        }
        Poll::Ready(answered)
    }
}

/// The same before it is logged: an answer that is there, so that no future is allocated for it, or one that is waited for.
pub(super) enum Making {
    /// Until it is taken.
    Done(Option<Response<Body>>),
    Waiting(BoxFuture<'static, Response<Body>>),
}

impl Making {
    pub(super) const fn done(response: Response<Body>) -> Self {
        Self::Done(Some(response))
    }

    pub(super) fn waiting(answer: impl Future<Output = Response<Body>> + Send + 'static) -> Self {
        Self::Waiting(Box::pin(answer))
    }
}

impl Future for Making {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Done(response) => {
                response.take().map_or(Poll::Pending, |response| Poll::Ready(Ok(response)))
            }
            Self::Waiting(answer) => answer.as_mut().poll(cx).map(Ok),
        }
    }
}

impl fmt::Debug for Making {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Making")
    }
}
