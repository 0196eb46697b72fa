//! Which requests can be sent once more.

use std::convert::Infallible;

use http::Request;
use http_body::Body;

use super::KeptRequest;

/// Keeps what it takes to send a request once more if the server refuses the credential.
///
/// It is asked before the credential is on the request, and only where the credential can be renewed. Whatever it keeps is
/// paid for by every request; a body that is streamed cannot be kept at all.
pub trait Replay<R> {
    /// What is kept: [`KeptRequest`], or another request.
    type Kept;

    /// What the request can be made from again, or `None` where it can be sent only once.
    fn keep(&self, request: &R) -> Option<Self::Kept>;

    /// The request again.
    fn restore(kept: Self::Kept) -> R;

    /// Takes back what was kept, once the request need not be sent again: in case that there is something in it to be used
    /// anew.
    #[inline]
    fn release(kept: Self::Kept) {
        drop(kept);
    }
}

/// Sends once more what is known to have no body, and any request of reqwest whose body it can clone. The default.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "closed: it says all by its name")]
pub struct ReplayEmpty;

impl<B: Body + Default> Replay<Request<B>> for ReplayEmpty {
    type Kept = KeptRequest<()>;

    #[inline]
    fn keep(&self, request: &Request<B>) -> Option<Self::Kept> {
        (request.body().size_hint().exact() == Some(0)).then(|| KeptRequest::new(request, ()))
    }

    fn restore(kept: Self::Kept) -> Request<B> {
        kept.restore(|()| B::default())
    }

    #[inline]
    fn release(kept: Self::Kept) {
        kept.release();
    }
}

/// Sends any request once more, with a clone of its body.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "closed: it says all by its name")]
pub struct ReplayCloned;

impl<B: Clone> Replay<Request<B>> for ReplayCloned {
    type Kept = KeptRequest<B>;

    #[inline]
    fn keep(&self, request: &Request<B>) -> Option<Self::Kept> {
        Some(KeptRequest::new(request, request.body().clone()))
    }

    fn restore(kept: Self::Kept) -> Request<B> {
        kept.restore(|body| body)
    }

    #[inline]
    fn release(kept: Self::Kept) {
        kept.release();
    }
}

/// Sends nothing twice.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "closed: it says all by its name")]
pub struct NeverReplay;

impl<R> Replay<R> for NeverReplay {
    type Kept = Infallible;

    #[inline]
    fn keep(&self, _: &R) -> Option<Infallible> {
        None
    }

    fn restore(kept: Infallible) -> R {
        match kept {}
    }
}
