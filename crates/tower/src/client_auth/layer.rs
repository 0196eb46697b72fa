use tower_layer::Layer;

use super::{ClientAuth, ClientAuthService, NeverReplay, ReplayCloned, ReplayEmpty};

/// Puts a client's credential on the requests of a service. See the [module](super) for the rules and an example.
///
/// `P` says which requests can be sent once more, see [`Replay`](super::Replay).
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it is put around a service"]
pub struct ClientAuthLayer<P = ReplayEmpty> {
    auth: ClientAuth,
    replay: P,
    bound: bool,
}

impl ClientAuthLayer {
    /// A layer that sends `auth`'s credential.
    pub const fn new(auth: ClientAuth) -> Self {
        Self { auth, replay: ReplayEmpty, bound: false }
    }
}

impl<P> ClientAuthLayer<P> {
    /// Says that the service below is connected to the client's [url](ClientAuth::url), as a channel of tonic or a single
    /// connection of hyper is: a request whose URL names no host goes there. One that names a host is held to the rules
    /// of origins all the same.
    pub fn bound_to_url(mut self) -> Self {
        self.bound = true;
        self
    }

    /// Sends any refused request once more, with a clone of its body.
    pub fn replay_cloned(self) -> ClientAuthLayer<ReplayCloned> {
        self.replay_with(ReplayCloned)
    }

    /// Sends no request twice. A refusal still has the credential renewed for the requests to come.
    pub fn never_replay(self) -> ClientAuthLayer<NeverReplay> {
        self.replay_with(NeverReplay)
    }

    /// Sends once more what `replay` can copy.
    pub fn replay_with<P2>(self, replay: P2) -> ClientAuthLayer<P2> {
        ClientAuthLayer { auth: self.auth, replay, bound: self.bound }
    }

    /// The client whose credential is sent.
    #[must_use]
    pub const fn auth(&self) -> &ClientAuth {
        &self.auth
    }
}

impl<S, P: Clone> Layer<S> for ClientAuthLayer<P> {
    type Service = ClientAuthService<S, P>;

    fn layer(&self, inner: S) -> Self::Service {
        ClientAuthService::new(inner, self.auth.clone(), self.replay.clone(), self.bound)
    }
}
