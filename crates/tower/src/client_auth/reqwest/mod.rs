//! Credentials for requests of reqwest.
//!
//! [`SendVia`] sends one request; [`ClientAuthLayer`](super::ClientAuthLayer) makes a service of a whole `reqwest::Client`; with the
//! feature `reqwest-middleware`, [`ClientAuth`](super::ClientAuth) is a middleware of that crate.

#[cfg(feature = "reqwest-middleware")]
mod middleware;
mod redirects;
mod send_via;

use http::{HeaderMap, StatusCode};
use reqwest::{Request, Response, Url};

pub use self::{redirects::redirect_policy, send_via::SendVia};
use super::{IncomingResponse, OutgoingRequest, Replay, ReplayEmpty, Target, request::is_grpc_method};

impl<'a> From<&'a Url> for Target<'a> {
    fn from(url: &'a Url) -> Self {
        Self::new(Some(url.scheme()), Some(url.authority()))
    }
}

impl OutgoingRequest for Request {
    fn target(&self) -> Target<'_> {
        Target::from(self.url())
    }

    fn headers(&self) -> &HeaderMap {
        self.headers()
    }

    fn headers_mut(&mut self) -> &mut HeaderMap {
        self.headers_mut()
    }

    fn may_be_grpc(&self) -> bool {
        is_grpc_method(self.method())
    }
}

impl IncomingResponse for Response {
    fn status(&self) -> StatusCode {
        self.status()
    }

    fn headers(&self) -> &HeaderMap {
        self.headers()
    }

    fn given_by(&self) -> Option<Target<'_>> {
        Some(Target::from(self.url()))
    }
}

impl Replay<Request> for ReplayEmpty {
    type Kept = Request;

    fn keep(&self, request: &Request) -> Option<Request> {
        request.try_clone()
    }

    fn restore(kept: Request) -> Request {
        kept
    }
}
