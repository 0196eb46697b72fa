//! Which requests can be sent once more.

use http::Request;
use http_body::Body;

/// Makes the copy of a request that is sent once more if the server refuses the credential.
///
/// It is asked before the credential is on the request, and only where the credential can be renewed. Whatever it copies is
/// paid for by every request; a body that is streamed cannot be copied at all.
pub trait Replay<R> {
    /// A copy, or `None` where the request can be sent only once.
    fn copy(&self, request: &R) -> Option<R>;
}

/// Sends once more what is known to have no body, and any request of reqwest whose body it can clone. The default.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "closed: it says all by its name")]
pub struct ReplayEmpty;

impl<B: Body + Default> Replay<Request<B>> for ReplayEmpty {
    fn copy(&self, request: &Request<B>) -> Option<Request<B>> {
        (request.body().size_hint().exact() == Some(0)).then(|| copy(request, B::default()))
    }
}

/// Sends any request once more, with a clone of its body.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "closed: it says all by its name")]
pub struct ReplayCloned;

impl<B: Clone> Replay<Request<B>> for ReplayCloned {
    fn copy(&self, request: &Request<B>) -> Option<Request<B>> {
        Some(copy(request, request.body().clone()))
    }
}

/// Sends nothing twice.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "closed: it says all by its name")]
pub struct NeverReplay;

impl<R> Replay<R> for NeverReplay {
    fn copy(&self, _: &R) -> Option<R> {
        None
    }
}

fn copy<B>(request: &Request<B>, body: B) -> Request<B> {
    let mut copy = Request::new(body);
    copy.method_mut().clone_from(request.method());
    copy.uri_mut().clone_from(request.uri());
    *copy.version_mut() = request.version();
    copy.headers_mut().clone_from(request.headers());
    copy.extensions_mut().clone_from(request.extensions());
    copy
}
