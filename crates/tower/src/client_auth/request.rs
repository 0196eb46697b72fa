//! What the layer has to know of requests and answers, whoever's types they are.

use http::{HeaderMap, Method, Request, Response, StatusCode};

use super::Target;

/// A request that a credential is put on: `http::Request`, and with the feature `reqwest` that of reqwest.
pub trait OutgoingRequest {
    /// Where it goes.
    fn target(&self) -> Target<'_>;

    /// Its headers.
    fn headers(&self) -> &HeaderMap;

    /// Its headers, to change.
    fn headers_mut(&mut self) -> &mut HeaderMap;

    /// Whether it may be a call of gRPC, whose refusals are looked for in the headers of the answer. `true` where nobody
    /// knows.
    fn may_be_grpc(&self) -> bool {
        true
    }
}

impl<B> OutgoingRequest for Request<B> {
    #[inline]
    fn target(&self) -> Target<'_> {
        Target::from(self.uri())
    }

    #[inline]
    fn headers(&self) -> &HeaderMap {
        self.headers()
    }

    #[inline]
    fn headers_mut(&mut self) -> &mut HeaderMap {
        self.headers_mut()
    }

    #[inline]
    fn may_be_grpc(&self) -> bool {
        is_grpc_method(self.method())
    }
}

/// gRPC over HTTP/2, "Requests": the method is POST. So it is in gRPC-Web.
#[inline]
pub(super) fn is_grpc_method(method: &Method) -> bool {
    *method == Method::POST
}

/// An answer that may be a refusal of the credential.
pub trait IncomingResponse {
    /// Its status.
    fn status(&self) -> StatusCode;

    /// Its headers.
    fn headers(&self) -> &HeaderMap;

    /// Who gave it, where that is known to be another one than was asked: after redirects.
    fn given_by(&self) -> Option<Target<'_>> {
        None
    }
}

impl<B> IncomingResponse for Response<B> {
    #[inline]
    fn status(&self) -> StatusCode {
        self.status()
    }

    #[inline]
    fn headers(&self) -> &HeaderMap {
        self.headers()
    }
}
