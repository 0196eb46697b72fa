//! Bodies that tell when they move.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tokio::{runtime::Handle, time::timeout};

use super::{
    activity::{Activity, InFlight},
    socket::LINGER,
    stream,
};

/// The body of a request as it arrives.
#[derive(Debug)]
pub struct RequestBody {
    /// There until it is dropped.
    inner: Option<Incoming>,
    /// For HTTP/1.1, where there is a body. In HTTP/2 a client may well be silent while it listens, as gRPC's are.
    activity: Option<Arc<Activity>>,
    ended: bool,
}

impl RequestBody {
    pub(super) const fn new(inner: Incoming, activity: Option<Arc<Activity>>) -> Self {
        Self { inner: Some(inner), activity, ended: false }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(inner) = &mut self.inner else { return Poll::Ready(None) };
        let polled = Pin::new(inner).poll_frame(cx);
        if let Some(activity) = &self.activity {
            if polled.is_pending() {
                activity.body_waits();
            } else {
                activity.body_moves();
            }
        }
        let frame = ready!(polled);
        self.ended |= frame.is_none();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        let unread = !self.ended && !self.is_end_stream();
        match (&self.activity, self.inner.take()) {
            // The socket is closed so that the answer arrives.
            (Some(activity), _) => activity.body_ends(unread),
            // RFC 9113 §8.1 has the client keep the answer when its stream is then reset. Some forget it, curl 7.88
            // among them, so that a refused upload would seem to have no answer.
            (None, Some(rest)) if unread => {
                if let Ok(runtime) = Handle::try_current() {
                    runtime.spawn(timeout(LINGER, throw_away(rest)));
                }
            }
            (None, _) => {}
        }
    }
}

async fn throw_away(mut body: Incoming) {
    while let Some(Ok(_)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {}
}

pin_project! {
    /// A response's body; its request is in flight until it is sent.
    pub(super) struct ResponseBody<B> {
        #[pin]
        inner: Option<B>,
        in_flight: Option<InFlight>,
    }
}

impl<B> ResponseBody<B> {
    pub(super) const fn new(inner: Option<B>, in_flight: Option<InFlight>) -> Self {
        Self { inner, in_flight }
    }
}

impl<B: Body> Body for ResponseBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let polled = match self.project().inner.as_pin_mut() {
            Some(inner) => inner.poll_frame(cx),
            None => Poll::Ready(None),
        };
        stream::tell(match &polled {
            Poll::Ready(Some(Ok(frame))) => Some(frame.data_ref().map_or(0, Buf::remaining)),
            _ => None,
        });
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
