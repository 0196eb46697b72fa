//! A proxy that goes wrong when it is told to.

mod connection;

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use http::StatusCode;
use tokio::{
    net::TcpListener,
    sync::{oneshot, watch},
    task::{JoinHandle, JoinSet},
};

use crate::server::{PATIENCE, Port};

/// What goes wrong between a client and a server, from the moment it is [set](FaultProxy::set).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing: bytes go through in both directions.
    #[default]
    None,
    /// What the server answers is passed on so much later.
    Delay(Duration),
    /// The connection is closed after so many bytes of an answer.
    CutAfter(usize),
    /// The server is not asked: the answer has this status and no body.
    Answer(StatusCode),
    /// The server is not asked: the answer is no HTTP.
    Garbage,
    /// The answer comes a byte at a time, so long apart.
    Drip(Duration),
    /// Requests are taken in, and nothing comes back.
    BlackHole,
    /// The server's side of each connection ends, and the client's stays open: requests are taken in.
    HalfClose,
    /// Connections are refused, and those that are open are closed.
    Refuse,
}

/// A TCP proxy between the code under test and a server, real or not, that is switched from one [`Fault`] to another
/// while it runs.
///
/// Requests of a kept connection meet the new fault too. [`Fault::Answer`] and [`Fault::Garbage`] speak clear text,
/// so a client that expects TLS sees garbage in both.
///
/// It runs on the runtime of the test that started it: a test that blocks, as one with `curl` does, needs a runtime of
/// several threads.
///
/// ```
/// use http::{Response, StatusCode};
/// use portcullis_testing::{Fault, FaultProxy, TestServer};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let server = TestServer::start(|_| Response::new("an answer".into())).await;
/// let proxy = FaultProxy::start(server.address()).await;
/// // The code under test is given `proxy.origin()`.
/// proxy.set(Fault::Answer(StatusCode::INTERNAL_SERVER_ERROR)).await;
/// proxy.set(Fault::Refuse).await;
/// proxy.set(Fault::None).await;
/// # assert_eq!(proxy.connections(), 0);
/// # }
/// ```
pub struct FaultProxy {
    port: Port,
    state: Arc<State>,
    listening: tokio::sync::Mutex<Option<Listening>>,
}

struct State {
    server: SocketAddr,
    fault: watch::Sender<Fault>,
    connections: watch::Sender<usize>,
}

impl FaultProxy {
    /// Starts one before `server`, on a free port of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// If there is no free port.
    pub async fn start(server: SocketAddr) -> Self {
        let state = State { server, fault: watch::Sender::default(), connections: watch::Sender::default() };
        let proxy =
            Self { port: Port::free(), state: Arc::new(state), listening: tokio::sync::Mutex::default() };
        proxy.set(Fault::None).await;
        proxy
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://{}", self.address())
    }

    /// From now on this goes wrong, on connections that are open too. When this returns, it is so.
    ///
    /// # Panics
    ///
    /// If the port was taken after [`Fault::Refuse`], which only systems without `SO_REUSEPORT` permit.
    pub async fn set(&self, fault: Fault) {
        let mut listening = self.listening.lock().await;
        self.state.fault.send_replace(fault);
        if fault == Fault::Refuse {
            if let Some(listening) = listening.take() {
                listening.end().await;
            }
        } else if listening.is_none() {
            *listening = Some(Listening::start(self.port.listen(), Arc::clone(&self.state)));
        }
    }

    /// Closes every connection, as a server does that restarts. New ones are accepted.
    ///
    /// # Panics
    ///
    /// As [`set`](Self::set).
    pub async fn cut(&self) {
        let fault = *self.state.fault.borrow();
        self.set(Fault::Refuse).await;
        self.set(fault).await;
    }

    /// How many connections were accepted.
    #[must_use]
    pub fn connections(&self) -> usize {
        *self.state.connections.borrow()
    }

    /// Waits until `count` connections have been accepted since the start.
    ///
    /// # Panics
    ///
    /// If they are not within a minute.
    pub async fn connected(&self, count: usize) {
        let mut connections = self.state.connections.subscribe();
        let waiting = connections.wait_for(|&so_far| so_far >= count);
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            panic!("waited a minute for {count} connections; there were {}", self.connections());
        }
    }
}

struct Listening {
    task: JoinHandle<()>,
    // Dropped, it ends the task.
    stop: oneshot::Sender<()>,
}

impl Listening {
    fn start(listener: TcpListener, state: Arc<State>) -> Self {
        let (stop, stopped) = oneshot::channel();
        Self { task: tokio::spawn(accept(listener, state, stopped)), stop }
    }

    async fn end(self) {
        drop(self.stop);
        let _ = self.task.await;
    }
}

async fn accept(listener: TcpListener, state: Arc<State>, mut stopped: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => if let Ok((client, _)) = accepted {
                state.connections.send_modify(|count| *count += 1);
                connections.spawn(connection::run(client, state.server, state.fault.subscribe()));
            }
        }
    }
    drop(listener);
    connections.shutdown().await;
}

impl fmt::Debug for FaultProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultProxy")
            .field("address", &self.address())
            .field("server", &self.state.server)
            .field("fault", &*self.state.fault.borrow())
            .finish_non_exhaustive()
    }
}
