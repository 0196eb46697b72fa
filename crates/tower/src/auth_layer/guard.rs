//! The decision of the layer: synchronous, and without a body or a runtime in sight.

use std::fmt;

use http::{HeaderMap, Request, header::AUTHORIZATION};
use portcullis_core::{Admission, Auth, RequestHead, Step};

use super::mount::Mount;
use crate::{RequestSource, RequestView};

/// All that the layer and its services share.
#[derive(Clone)]
pub(super) struct Guard<R, H> {
    pub(super) auth: Auth,
    pub(super) source: R,
    pub(super) mount: Mount,
    pub(super) hook: H,
}

impl<R: RequestSource, H> Guard<R, H> {
    pub(super) fn decide<B>(&self, request: &Request<B>) -> Step {
        let (method, headers) = (request.method(), request.headers());
        let view = self.source.view(method, request.uri(), request.extensions());
        let RequestView { path, route, client, policy } = view;
        let head = |path| RequestHead::new(method, path, headers).with_client(client);
        if let Some(policy) = policy {
            return self.auth.decide_by(policy, &head(path));
        }
        let (path, route) = match self.mount.strip_path(path) {
            Some(path) => (path, route.and_then(|route| self.mount.strip_route(route))),
            // Where the path decides something, guessing could only be wrong.
            None if self.auth.resources().next().is_some() => {
                return Step::Ready(Err(self.auth.refuse_not_mounted(&head(path))));
            }
            None => (path, None),
        };
        self.auth.decide(&head(path).with_route(route))
    }
}

/// Makes the request one that was let in.
pub(super) fn admit<B>(admission: Admission, forwards_credential: bool, request: &mut Request<B>) {
    admission.attach(request.extensions_mut());
    if !forwards_credential {
        request.headers_mut().remove(AUTHORIZATION);
    }
}

/// Has `Debug` of the headers, and HPACK, know that these values are secrets.
pub(super) fn mark_sensitive(headers: &mut HeaderMap) {
    let Some(first) = headers.get_mut(AUTHORIZATION) else { return };
    first.set_sensitive(true);
    if headers.get_all(AUTHORIZATION).iter().any(|value| !value.is_sensitive()) {
        headers
            .iter_mut()
            .filter(|(name, _)| *name == AUTHORIZATION)
            .for_each(|(_, value)| value.set_sensitive(true));
    }
}

impl<R, H> fmt::Debug for Guard<R, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("auth", &self.auth).field("mount", &self.mount).finish_non_exhaustive()
    }
}
