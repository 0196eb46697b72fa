use std::sync::Arc;

use http::Extensions;

use super::{activity::Activity, connection::Ends};

/// Why whoever keeps a connection open has to close it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stop {
    /// The listener is told to stop.
    Listener,
    /// The listener's certificates changed, and it would not take the client's any more.
    Certificate,
}

/// Tells whoever keeps a connection open that the service is told to stop, or does not accept the client any more. In the extensions of requests that open a
/// WebSocket.
///
/// The listener waits until it is dropped, for as long as it waits for requests in flight
/// ([`shutdown_timeout`](super::ListenerConfig::shutdown_timeout)): close the connection, then drop it.
#[derive(Clone, Debug)]
pub struct Stopping {
    ends: Ends,
    connection: Arc<Activity>,
}

impl Stopping {
    pub(super) const fn new(ends: Ends, connection: Arc<Activity>) -> Self {
        Self { ends, connection }
    }

    /// The one of the request that carries `extensions`; `None` where it opens no WebSocket, and under another listener.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    /// Completes when the connection has to be closed, and says why. Nothing is lost when the future is dropped.
    pub async fn stopped(&mut self) -> Stop {
        let Ends { stop, tenure } = &mut self.ends;
        tokio::select! {
            biased;
            () = tenure.certificate_over() => Stop::Certificate,
            // It comes or the sender goes: both mean to stop.
            _ = stop.changed() => Stop::Listener,
        }
    }

    /// Has the client's connection closed at once, with all that is open on it.
    #[cfg_attr(not(feature = "ws"), expect(dead_code, reason = "only WebSockets need it"))]
    pub(crate) fn cut_connection(&self) {
        self.connection.cut();
    }
}
