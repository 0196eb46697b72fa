//! Bodies on their way through, frame by frame: nothing is collected, nothing is capped.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::{BodyExt as _, combinators::UnsyncBoxBody};
use hyper::body::Incoming;

use super::{headers, upstream::Progress};

pub(super) type BoxError = Box<dyn Error + Send + Sync>;

/// The body of the gateway's answers.
#[derive(Debug, Default)]
pub struct Body(Inner);

#[derive(Debug, Default)]
enum Inner {
    #[default]
    Empty,
    Text(Bytes),
    Upstream(Incoming),
}

impl Body {
    pub(super) const fn empty() -> Self {
        Self(Inner::Empty)
    }

    pub(super) fn text(text: Bytes) -> Self {
        Self(if text.is_empty() { Inner::Empty } else { Inner::Text(text) })
    }

    pub(super) const fn upstream(body: Incoming) -> Self {
        Self(Inner::Upstream(body))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.0 {
            Inner::Empty => Poll::Ready(None),
            Inner::Text(text) => {
                let text = std::mem::take(text);
                self.0 = Inner::Empty;
                Poll::Ready(Some(Ok(Frame::data(text))))
            }
            Inner::Upstream(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Empty => true,
            Inner::Text(_) => false,
            Inner::Upstream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Empty => SizeHint::with_exact(0),
            Inner::Text(text) => SizeHint::with_exact(text.len() as u64),
            Inner::Upstream(body) => body.size_hint(),
        }
    }
}

/// A request's body, whatever the server that received it calls it; nothing where there is none, as most requests have it.
#[derive(Debug)]
pub(super) struct ClientBody(Option<UnsyncBoxBody<Bytes, ClientGone>>);

/// Takes in the body of a request.
pub(super) fn client<B>(body: B) -> ClientBody
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let is_one = !body.is_end_stream();
    ClientBody(is_one.then(|| body.map_err(|error| ClientGone(error.into())).boxed_unsync()))
}

impl HttpBody for ClientBody {
    type Data = Bytes;
    type Error = ClientGone;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ClientGone>>> {
        match &mut self.0 {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

/// The client's body could not be read to its end: it hung up, or sent something malformed.
#[derive(Debug)]
pub(super) struct ClientGone(BoxError);

impl fmt::Display for ClientGone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the client's body ended early or is malformed")
    }
}

impl Error for ClientGone {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

/// A request's body on its way upstream.
#[derive(Debug)]
pub(super) struct Outgoing {
    body: ClientBody,
    progress: Arc<Progress>,
}

impl Outgoing {
    pub(super) const fn new(body: ClientBody, progress: Arc<Progress>) -> Self {
        Self { body, progress }
    }
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = ClientGone;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ClientGone>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        self.progress.polled(polled.is_pending());
        polled.map(|frame| {
            let frame = match frame? {
                Ok(frame) => frame,
                Err(error) => return Some(Err(error)),
            };
            match frame.into_trailers() {
                Ok(trailers) => {
                    let trailers = headers::request_trailers(trailers);
                    (!trailers.is_empty()).then(|| Ok(Frame::trailers(trailers)))
                }
                Err(frame) => Some(Ok(frame)),
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
