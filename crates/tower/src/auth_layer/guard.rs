//! The decision of the layer: synchronous, and without a body or a runtime in sight.

use std::{fmt, sync::Arc};

use http::{
    HeaderMap, HeaderName, Request,
    header::{AUTHORIZATION, COOKIE, SEC_WEBSOCKET_PROTOCOL},
};
use portcullis_core::{
    Admission, Auth, CredentialSources, LiveAuth, Now, OfferedProtocols, RequestHead, Standing, Step,
};

use super::mount::Mount;
use crate::{RequestSource, RequestView};

/// All that the layer and its services share.
#[derive(Clone)]
pub(super) struct Guard<R, H> {
    pub(super) auth: LiveAuth,
    pub(super) source: R,
    pub(super) mount: Mount,
    pub(super) hook: H,
}

impl<R: RequestSource, H> Guard<R, H> {
    /// Decides by the version that was taken for the request.
    pub(super) fn decide<B>(&self, auth: &Now<'_>, request: &Request<B>) -> Step {
        let (method, headers) = (request.method(), request.headers());
        let view = || self.source.view(method, request.uri(), request.extensions());
        // To find out where the request goes takes longer than to let a caller in who is remembered.
        if !self.source.settles_policies() && auth.resources().next().is_none() {
            return auth.decide_with(method, headers, || {
                let RequestView { path, client, .. } = view();
                let path = self.mount.strip_path(path).unwrap_or(path);
                RequestHead::new(method, path, headers).with_client(client)
            });
        }
        let RequestView { path, route, client, policy, position } = view();
        let head = |path| RequestHead::new(method, path, headers).with_client(client);
        let settled = || position.and_then(|position| auth.settled(position, method));
        if let Some(policy) = policy.or_else(settled) {
            return auth.decide_by(policy, &head(path));
        }
        let (path, route) = match self.mount.strip_path(path) {
            Some(path) => (path, route.and_then(|route| self.mount.strip_route(route))),
            // Where the path decides something, guessing could only be wrong.
            None if auth.resources().next().is_some() => {
                return Step::Ready(Err(auth.refuse_not_mounted(&head(path))));
            }
            None => (path, None),
        };
        auth.decide(&head(path).with_route(route))
    }

    /// On what the request's admission stands, where the service follows a configuration.
    pub(super) fn standing<B>(&self, auth: &Now<'_>, request: &Request<B>) -> Option<Arc<dyn Standing>> {
        if !self.auth.is_following() {
            return None;
        }
        let view = self.source.view(request.method(), request.uri(), request.extensions());
        let (path, route) = match self.mount.strip_path(view.path) {
            Some(path) => (path, view.route.and_then(|route| self.mount.strip_route(route))),
            None => (view.path, None),
        };
        let head = RequestHead::new(request.method(), path, request.headers());
        self.auth.standing(auth, &head.with_route(route).with_client(view.client), view.position)
    }
}

/// Makes the request one that was let in.
pub(super) fn admit<B>(admission: Admission, auth: &Auth, request: &mut Request<B>) {
    admission.attach(request.extensions_mut());
    if !auth.forwards_credential() {
        request.headers_mut().remove(AUTHORIZATION);
        auth.conceal_cookies(request.headers_mut());
    }
}

/// Takes the token out of the subprotocols of a WebSocket request. What comes back is boxed: few services need it, and
/// every response future carries it.
pub(super) fn conceal<B>(auth: &Auth, request: &mut Request<B>) -> Option<Box<OfferedProtocols>> {
    if !auth.credential_sources().reads_websocket_protocol() {
        return None;
    }
    let method = request.method().clone();
    auth.conceal(&method, request.headers_mut()).map(Box::new)
}

/// Has `Debug` of the headers, and HPACK, know that what may hold a credential is a secret.
pub(super) fn mark_sensitive(headers: &mut HeaderMap, sources: &CredentialSources) {
    mark(headers, &AUTHORIZATION);
    if sources.reads_websocket_protocol() {
        mark(headers, &SEC_WEBSOCKET_PROTOCOL);
    }
    if sources.cookies().next().is_some() {
        mark(headers, &COOKIE);
    }
}

/// Among so few headers one is found sooner by looking at each than by its hash.
const FEW: usize = 6;

fn mark(headers: &mut HeaderMap, secret: &HeaderName) {
    if headers.keys_len() <= FEW {
        return headers
            .iter_mut()
            .filter(|(name, _)| *name == secret)
            .for_each(|(_, value)| value.set_sensitive(true));
    }
    // Some name has several values; hardly ever this one.
    let several = headers.len() > headers.keys_len();
    let Some(first) = headers.get_mut(secret) else { return };
    first.set_sensitive(true);
    if several && headers.get_all(secret).iter().any(|value| !value.is_sensitive()) {
        headers
            .iter_mut()
            .filter(|(name, _)| *name == secret)
            .for_each(|(_, value)| value.set_sensitive(true));
    }
}

impl<R, H> fmt::Debug for Guard<R, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("auth", &self.auth).field("mount", &self.mount).finish_non_exhaustive()
    }
}
