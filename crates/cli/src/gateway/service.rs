//! Services as the gateway is told of them.

pub use portcullis::PathMatching;
use portcullis_core::Auth;

use super::{Cors, Upstream};

/// A service of the gateway: who may call it, and where its answers come from.
///
/// Its path is that of its [`Auth`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Service {
    pub(super) auth: Auth,
    pub(super) answer: Answer,
    pub(super) cors: Option<Cors>,
    pub(super) path_matching: PathMatching,
    pub(super) forward_credential: Option<bool>,
}

/// Where the answers of a service come from.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Answer {
    /// This text, whatever the method: `text/plain`, with `charset=utf-8` where it is not ASCII.
    Respond(String),
    /// A server.
    Upstream(Upstream),
}

impl Service {
    /// A service that answers whoever `auth` lets in.
    pub const fn new(auth: Auth, answer: Answer) -> Self {
        Self { auth, answer, cors: None, path_matching: PathMatching::Strict, forward_credential: None }
    }

    /// Which origins' scripts may read the answers. Default: none.
    pub fn cors(mut self, cors: Cors) -> Self {
        self.cors = Some(cors);
        self
    }

    /// How exactly a request has to spell a path. Default: strict.
    pub const fn path_matching(mut self, matching: PathMatching) -> Self {
        self.path_matching = matching;
        self
    }

    /// Whether the upstream gets to see the caller's credential. By default a bearer token goes on over https
    /// or to this machine, and nothing else does.
    pub const fn forward_credential(mut self, forward: bool) -> Self {
        self.forward_credential = Some(forward);
        self
    }
}
