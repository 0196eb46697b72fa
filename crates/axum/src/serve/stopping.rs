use std::sync::Arc;

use http::Extensions;
use tokio::sync::watch;

use super::activity::Activity;

/// Tells whoever keeps a connection open that the service is told to stop. In the extensions of requests that open a
/// WebSocket.
///
/// The listener waits until it is dropped, for as long as it waits for requests in flight
/// ([`shutdown_timeout`](super::ListenerConfig::shutdown_timeout)): close the connection, then drop it.
#[derive(Clone, Debug)]
pub struct Stopping {
    stop: watch::Receiver<()>,
    connection: Arc<Activity>,
}

impl Stopping {
    pub(super) const fn new(stop: watch::Receiver<()>, connection: Arc<Activity>) -> Self {
        Self { stop, connection }
    }

    /// The one of the request that carries `extensions`; `None` where it opens no WebSocket, and under another listener.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    /// Completes when the service is told to stop. Nothing is lost when the future is dropped.
    pub async fn stopped(&mut self) {
        // It comes or the sender goes: both mean to stop.
        drop(self.stop.changed().await);
    }

    /// Has the client's connection closed at once, with all that is open on it.
    #[cfg_attr(not(feature = "ws"), expect(dead_code, reason = "only WebSockets need it"))]
    pub(crate) fn cut_connection(&self) {
        self.connection.cut();
    }
}
