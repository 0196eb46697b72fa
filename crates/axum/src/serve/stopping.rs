use http::Extensions;
use tokio::sync::watch;

/// Tells whoever keeps a connection open that the service is told to stop. In the extensions of requests that open a
/// WebSocket.
///
/// The listener waits until it is dropped, for as long as it waits for requests in flight
/// ([`shutdown_timeout`](super::ListenerConfig::shutdown_timeout)): close the connection, then drop it.
#[derive(Clone, Debug)]
pub struct Stopping(watch::Receiver<()>);

impl Stopping {
    pub(super) const fn new(stop: watch::Receiver<()>) -> Self {
        Self(stop)
    }

    /// The one of the request that carries `extensions`; `None` where it opens no WebSocket, and under another listener.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    /// Completes when the service is told to stop. Nothing is lost when the future is dropped.
    pub async fn stopped(&mut self) {
        // It comes or the sender goes: both mean to stop.
        drop(self.0.changed().await);
    }
}
