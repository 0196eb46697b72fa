//! Upstreams that say what reached them.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Uri, Version};
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::mpsc,
};

pub(crate) type ResponseBody = UnsyncBoxBody<Bytes, Infallible>;

/// How an upstream answers.
pub(crate) type Behaviour = Arc<dyn Fn(&Seen) -> Response<ResponseBody> + Send + Sync>;

/// A request as it reached the upstream.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: HeaderMap,
}

impl Seen {
    /// Every value of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    }
}

/// An upstream that listens until the test ends.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Arc<AtomicUsize>,
    seen: mpsc::UnboundedReceiver<Seen>,
}

impl Server {
    pub(crate) fn url(&self) -> Uri {
        format!("http://{}", self.address).parse().unwrap()
    }

    /// The requests that reached it since the last call.
    pub(crate) fn reached(&mut self) -> Vec<Seen> {
        std::iter::from_fn(|| self.seen.try_recv().ok()).collect()
    }

    /// The one request that reached it since the last call.
    pub(crate) fn reached_once(&mut self) -> Seen {
        let mut reached = self.reached();
        assert_eq!(reached.len(), 1, "{reached:?}");
        reached.remove(0)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

pub(crate) fn full(text: impl Into<Bytes>) -> ResponseBody {
    Full::new(text.into()).boxed_unsync()
}

/// An upstream that answers `upstream`.
pub(crate) async fn echo() -> Server {
    server(Arc::new(|_| Response::new(full("upstream")))).await
}

/// An upstream that reads requests whole before it answers.
pub(crate) async fn server(behaviour: Behaviour) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, seen) = mpsc::unbounded_channel();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(talk(stream, tell.clone(), Arc::clone(&behaviour)));
        }
    });
    Server { address, connections, seen }
}

/// The same on one connection that was accepted elsewhere.
pub(crate) async fn talk<I>(io: I, tell: mpsc::UnboundedSender<Seen>, behaviour: Behaviour)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let (tell, behaviour) = (tell.clone(), Arc::clone(&behaviour));
        async move {
            let seen = read(request).await;
            let response = behaviour(&seen);
            // Told before the answer goes out, so that whoever has the answer finds it.
            tell.send(seen).unwrap();
            Ok::<_, Infallible>(response)
        }
    });
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(io), service).await;
}

async fn read(request: Request<Incoming>) -> Seen {
    let (parts, body) = request.into_parts();
    let (body, trailers) = match body.collect().await {
        Ok(collected) => {
            let trailers = collected.trailers().cloned().unwrap_or_default();
            (collected.to_bytes(), trailers)
        }
        Err(_) => (Bytes::from_static(b"broken off"), HeaderMap::new()),
    };
    Seen {
        method: parts.method.to_string(),
        target: parts.uri.path_and_query().map_or_else(String::new, ToString::to_string),
        version: parts.version,
        headers: parts.headers,
        body,
        trailers,
    }
}
