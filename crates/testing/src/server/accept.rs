//! The port, and what is accepted on it.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::oneshot,
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

use super::{Call, Shared};

/// A free port of 127.0.0.1 that stays ours while nobody listens on it: a second socket is bound to it all the time,
/// so that no other test is given it.
pub(crate) struct Port {
    address: SocketAddr,
    #[cfg(unix)]
    _reserved: TcpSocket,
}

impl Port {
    pub(crate) fn free() -> Self {
        let socket = socket(false);
        let bound = socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).and_then(|()| socket.local_addr());
        match bound {
            Ok(address) => Self {
                address,
                #[cfg(unix)]
                _reserved: socket,
            },
            Err(error) => panic!("no free port on 127.0.0.1: {error}"),
        }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Listens, until what this returns is dropped.
    pub(crate) fn listen(&self) -> TcpListener {
        // Connections of before may still linger on the port.
        let socket = socket(true);
        let listener = socket.bind(self.address).and_then(|()| socket.listen(1024));
        match listener {
            Ok(listener) => listener,
            Err(error) => panic!("cannot listen on {}: {error}", self.address),
        }
    }
}

/// The one that reserves the port must not reuse addresses: anybody who does could then listen there.
fn socket(reuse_address: bool) -> TcpSocket {
    let socket = TcpSocket::new_v4().and_then(|socket| {
        socket.set_reuseaddr(reuse_address)?;
        #[cfg(unix)]
        socket.set_reuseport(true)?;
        Ok(socket)
    });
    match socket {
        Ok(socket) => socket,
        Err(error) => panic!("no socket can be made: {error}"),
    }
}

/// A listener at work. It ends when this is dropped.
pub(super) struct Listening {
    task: JoinHandle<()>,
    // Dropped, it ends the task.
    _stop: oneshot::Sender<()>,
}

impl Listening {
    pub(super) fn start(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) -> Self {
        let (stop, stopped) = oneshot::channel();
        Self { task: tokio::spawn(accept(listener, tls, shared, stopped)), _stop: stop }
    }

    /// Ends, and returns when the port and all connections are closed.
    pub(super) async fn end(self) {
        let Self { task, _stop: stop } = self;
        drop(stop);
        let _ = task.await;
    }
}

async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                shared.connections.send_modify(|count| *count += 1);
                connections.spawn(serve(stream, tls.clone(), Arc::clone(&shared)));
            }
        }
    }
    drop(listener);
    connections.shutdown().await;
}

async fn serve(stream: TcpStream, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let answering = |certificate: Option<Bytes>| {
        service_fn(move |request| answer(Arc::clone(&shared), certificate.clone(), request))
    };
    let server = auto::Builder::new(TokioExecutor::new());
    // Whatever goes wrong on a connection is the client's to notice.
    match tls {
        None => drop(server.serve_connection(TokioIo::new(stream), answering(None)).await),
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
                let certificate = shown.map(|certificate| Bytes::copy_from_slice(certificate));
                drop(server.serve_connection(TokioIo::new(stream), answering(certificate)).await);
            }
        }
    }
}

async fn answer(
    shared: Arc<Shared>,
    certificate: Option<Bytes>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        let mut answer = Response::new(Full::default());
        *answer.status_mut() = StatusCode::BAD_REQUEST;
        return Ok(answer);
    };
    Ok(shared.answer(Call::new(head, body.to_bytes(), certificate)).await.map(Full::new))
}
