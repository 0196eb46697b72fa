//! The port, and what is accepted on it.

use std::sync::Arc;

use tokio::{
    net::TcpListener,
    sync::oneshot,
    task::{JoinHandle, JoinSet},
};

use super::{Shared, connection};

/// A listener at work. It ends when this is dropped.
pub(super) struct Listening {
    task: JoinHandle<()>,
    // Dropped, it ends the task.
    stop: oneshot::Sender<()>,
}

impl Listening {
    pub(super) fn start(listener: TcpListener, shared: Arc<Shared>) -> Self {
        let (stop, stopped) = oneshot::channel();
        Self { task: tokio::spawn(accept(listener, shared, stopped)), stop }
    }

    /// Ends, and returns when the port and all connections are closed.
    pub(super) async fn end(self) {
        drop(self.stop);
        let _ = self.task.await;
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, mut stopped: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                let number = shared.accept();
                connections.spawn(connection::serve(stream, Arc::clone(&shared), number));
            }
        }
    }
    drop(listener);
    connections.shutdown().await;
}
