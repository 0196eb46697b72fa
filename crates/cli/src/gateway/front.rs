//! A request on its way to its service.

use http::{Request, request::Parts};
use tower_http::cors;
use tower_service::Service as _;

use super::{
    Peer,
    answering::Making,
    body::ClientBody,
    cors::hide_plain_options,
    site::{Guarded, Site},
    target::Target,
};

/// What stands before a service: its cross-origin rules, where it has some.
#[derive(Clone, Debug)]
pub(super) enum Front {
    Plain(Guarded),
    Cors(Box<cors::Cors<Guarded>>),
}

impl Front {
    pub(super) fn site(&self) -> &Site {
        match self {
            Self::Plain(Guarded(site)) => site,
            Self::Cors(front) => &front.get_ref().0,
        }
    }

    pub(super) const fn has_cors(&self) -> bool {
        matches!(self, Self::Cors(_))
    }

    pub(super) fn serve(&self, call: Call) -> Making {
        match self {
            Self::Plain(guarded) => guarded.serve(call),
            Self::Cors(front) => {
                let mut request = call.into_request();
                hide_plain_options(&mut request);
                let mut front: cors::Cors<Guarded> = (**front).clone();
                Making::waiting(async move {
                    match front.call(request).await {
                        Ok(response) => response,
                        Err(impossible) => match impossible {},
                    }
                })
            }
        }
    }
}

/// A request that was understood.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) parts: Parts,
    pub(super) body: ClientBody,
    pub(super) target: Target,
    pub(super) peer: Option<Peer>,
}

impl Call {
    /// As it goes through layers that know nothing of it.
    fn into_request(self) -> Request<ClientBody> {
        let Self { mut parts, body, target, peer } = self;
        parts.extensions.insert(target);
        if let Some(peer) = peer {
            parts.extensions.insert(peer);
        }
        Request::from_parts(parts, body)
    }

    /// Undoes [`Call::into_request`].
    pub(super) fn of_request(request: Request<ClientBody>) -> Option<Self> {
        let (mut parts, body) = request.into_parts();
        let target = parts.extensions.remove()?;
        let peer = parts.extensions.remove();
        Some(Self { parts, body, target, peer })
    }
}
