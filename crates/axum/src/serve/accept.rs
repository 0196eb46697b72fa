//! Taking connections, as many as there is room for.

use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::sleep,
};

use super::{
    App,
    connection::{self, Shared},
    socket::Place,
};

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How long a connection may be quiet before the system asks whether the other machine is there at all.
const TCP_KEEP_ALIVE: Duration = Duration::from_secs(60);

/// Where connections come from.
pub(super) trait Accept: Send {
    /// A connection.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The next one. Nothing is lost when the future is dropped.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Io, SocketAddr)>> + Send;
}

impl Accept for TcpListener {
    type Io = TcpStream;

    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = Self::accept(self).await?;
        // Responses are written whole: waiting for more only delays them. A socket that is closed already is no news.
        let _ = stream.set_nodelay(true);
        // A WebSocket may be quiet for as long as it likes, and a client that vanished says nothing any more.
        let keep_alive = TcpKeepalive::new().with_time(TCP_KEEP_ALIVE);
        let _ = SockRef::from(&stream).set_tcp_keepalive(&keep_alive);
        Ok((stream, peer))
    }
}

/// Serves what comes until `stop` completes, then finishes what is in flight, within the limit and until `hurry`
/// completes.
pub(super) async fn run<A: Accept, S: App>(
    mut acceptor: A,
    app: S,
    shared: Arc<Shared>,
    stop: impl Future<Output = ()>,
    hurry: impl Future<Output = ()>,
) {
    let slots = Arc::new(Semaphore::new(shared.settings.borrow().limits.connections));
    let (stopped, stopping) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let next = async {
            // First the room, then the connection: the system's queue holds those for which there is none.
            let slot = slots.clone().acquire_owned().await;
            let accepted = accept(&mut acceptor).await;
            slot.map(|slot| (slot, accepted))
        };
        let (slot, (io, peer)) = tokio::select! {
            biased;
            () = &mut stop => break,
            Ok(next) = next => next,
        };
        while connections.try_join_next().is_some() {}
        let place = Place { _slot: slot, _counted: shared.metrics.connected() };
        connections.spawn(connection::handle(io, peer, app.clone(), shared.clone(), place, stopping.clone()));
    }
    drop((acceptor, stopping));
    stopped.send_replace(());
    let finished = async {
        while connections.join_next().await.is_some() {}
        // WebSockets over HTTP/1.1 have left their connection's task.
        stopped.closed().await;
    };
    let patience = shared.settings.borrow().limits.shutdown;
    tokio::select! {
        () = finished => {}
        () = sleep(patience) => {
            tracing::warn!(target: "portcullis::listener", connections = connections.len(), "stopped before all requests were answered");
        }
        () = hurry => {}
    }
    connections.shutdown().await;
}

/// A failure to accept never ends the service, and never spins.
async fn accept<A: Accept>(acceptor: &mut A) -> (A::Io, SocketAddr) {
    let mut pause = FIRST_PAUSE;
    loop {
        match acceptor.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_of_the_connection(&error) => {
                tracing::debug!(target: "portcullis::listener", %error, "a connection was gone before it was accepted");
            }
            // No more file descriptors, most likely: those of connections that close now are free soon.
            Err(error) => {
                tracing::warn!(target: "portcullis::listener", %error, "cannot accept connections; trying again");
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_system_asks_whether_the_client_of_an_accepted_connection_is_still_there() {
        let mut listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, peer) = Accept::accept(&mut listener).await.unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
        assert!(accepted.nodelay().unwrap());
        let accepted = SockRef::from(&accepted);
        assert!(accepted.keepalive().unwrap());
        #[cfg(unix)]
        assert_eq!(accepted.tcp_keepalive_time().unwrap(), TCP_KEEP_ALIVE);
        assert!(!SockRef::from(&client).keepalive().unwrap(), "the system does not by itself");
    }
}
