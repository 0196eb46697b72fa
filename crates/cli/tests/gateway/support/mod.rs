//! What the tests share.

mod auth;
mod client;
mod frames;
mod upstream;

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use http::Request;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use portcullis_axum::serve::TrustedProxies;
use portcullis_cli::gateway::{Answer, Answering, Connection, Gateway, Peer, Service, Upstream};
use portcullis_core::{Auth, Clock, SystemClock};
use tokio::net::{TcpListener, TcpSocket};
use tower_service::Service as _;

pub(crate) use self::{
    auth::{guarded, users},
    client::{Http2, Raw, Reply, basic, raw, raw_open},
    frames::Frames,
    upstream::{Behaviour, Seen, Server, echo, full, server, talk},
};

/// Small buffers in the system, so that what is on its way is in our hands.
const SYSTEM_BUFFER: u32 = 64 * 1024;

pub(crate) fn small_socket() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(SYSTEM_BUFFER).unwrap();
    socket.set_send_buffer_size(SYSTEM_BUFFER).unwrap();
    socket
}

pub(crate) fn small_listener() -> TcpListener {
    let socket = small_socket();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket.listen(64).unwrap()
}

/// A service at `path` whose answers come from `server`.
pub(crate) fn in_front_of(auth: Auth, server: &Server) -> Service {
    Service::new(auth, Answer::Upstream(Upstream::new(&server.url(), None).unwrap()))
}

/// A gateway for services, listening on a free port.
pub(crate) async fn gateway(services: impl IntoIterator<Item = Service>) -> SocketAddr {
    gateway_with(services, Arc::new(SystemClock::new()), |_| {}).await
}

/// The same with another clock, and with what the listener says of its connections.
pub(crate) async fn gateway_with(
    services: impl IntoIterator<Item = Service>,
    clock: Arc<dyn Clock>,
    peer: impl Fn(&mut Peer) + Clone + Send + Sync + 'static,
) -> SocketAddr {
    let gateway = Gateway::with_clock(services, clock).unwrap();
    listening(move |mut request, from| {
        let mut about = Peer::new(from);
        peer(&mut about);
        request.extensions_mut().insert(about);
        gateway.clone().call(request)
    })
    .await
}

/// The same over TLS, as far as it knows, and behind proxies.
pub(crate) async fn gateway_behind(
    proxies: TrustedProxies,
    services: impl IntoIterator<Item = Service>,
) -> SocketAddr {
    let gateway = Gateway::behind(proxies, services).unwrap();
    listening(move |request, from| gateway.answer_on(request, Some(Connection::new(from, true)))).await
}

async fn listening(
    answer: impl Fn(Request<Incoming>, IpAddr) -> Answering + Clone + Send + Sync + 'static,
) -> SocketAddr {
    let listener = small_listener();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, from) = listener.accept().await.unwrap();
            let answer = answer.clone();
            let service = service_fn(move |request| {
                let answering = answer(request, from.ip());
                async move { Ok::<_, Infallible>(answering.await.unwrap()) }
            });
            tokio::spawn(async move {
                let builder = auto::Builder::new(TokioExecutor::new());
                let _ = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
            });
        }
    });
    address
}
