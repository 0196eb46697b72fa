//! What the layer has to know of requests and answers, whoever's types they are.

use http::{HeaderMap, Request, Response, StatusCode};

use super::Target;

/// A request that a credential is put on: `http::Request`, and with the feature `reqwest` that of reqwest.
pub trait OutgoingRequest {
    /// Where it goes.
    fn target(&self) -> Target<'_>;

    /// Its headers.
    fn headers(&self) -> &HeaderMap;

    /// Its headers, to change.
    fn headers_mut(&mut self) -> &mut HeaderMap;
}

impl<B> OutgoingRequest for Request<B> {
    fn target(&self) -> Target<'_> {
        Target::from(self.uri())
    }

    fn headers(&self) -> &HeaderMap {
        self.headers()
    }

    fn headers_mut(&mut self) -> &mut HeaderMap {
        self.headers_mut()
    }
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
    fn status(&self) -> StatusCode {
        self.status()
    }

    fn headers(&self) -> &HeaderMap {
        self.headers()
    }
}
