//! Connections in memory: a listener to which tests connect by a channel, and clients.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::Router;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, client::conn::http2::SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::Instant,
};

use crate::serve::{
    ListenerConfig,
    accept::{Accept, run},
    connection::Shared,
    metrics::Metrics,
    reconfigure::ListenerHandle,
    servers::Watched,
};

pub(super) type Incomer = io::Result<(DuplexStream, SocketAddr)>;

pub(super) struct Channel(mpsc::UnboundedReceiver<Incomer>);

impl Accept for Channel {
    type Io = DuplexStream;

    async fn accept(&mut self) -> Incomer {
        match self.0.recv().await {
            Some(accepted) => accepted,
            None => std::future::pending().await,
        }
    }
}

/// A listener that runs.
pub(super) struct Server {
    door: mpsc::UnboundedSender<Incomer>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
    pub(super) metrics: Arc<Metrics>,
    /// Lives as long as the connections.
    _handle: ListenerHandle,
}

impl Server {
    #[expect(clippy::needless_pass_by_value, reason = "each test has one of its own")]
    pub(super) fn start(app: Router, config: ListenerConfig) -> Self {
        let (door, incomers) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let metrics = Arc::new(Metrics::default());
        let (handle, settings) = ListenerHandle::new(&config, Watched::default());
        let shared = Arc::new(Shared { settings, metrics: metrics.clone() });
        let stop_signal = async move { drop(stopped.await) };
        let task = tokio::spawn(run(Channel(incomers), app, shared, stop_signal, std::future::pending()));
        Self { door, stop: Some(stop), task, metrics, _handle: handle }
    }

    pub(super) fn fail(&self, error: io::Error) {
        self.door.send(Err(error)).unwrap();
    }

    /// A connection whose pipe takes `room` bytes before it is full.
    pub(super) fn pipe(&self, room: usize) -> DuplexStream {
        let (ours, theirs) = duplex(room);
        self.door.send(Ok((theirs, SocketAddr::from((Ipv4Addr::new(192, 0, 2, 7), 4711))))).unwrap();
        ours
    }

    pub(super) fn connect(&self) -> Client {
        Client { io: self.pipe(1 << 20), read: Vec::new() }
    }

    pub(super) async fn connect_http2(&self) -> Http2 {
        self.connect_http2_with_window(1 << 20).await
    }

    /// A client that takes so many bytes of an answer before somebody reads them.
    pub(super) async fn connect_http2_with_window(&self, window: u32) -> Http2 {
        let executor = TokioExecutor::new();
        let (sender, connection) = hyper::client::conn::http2::Builder::new(executor)
            .initial_stream_window_size(window)
            .handshake(TokioIo::new(self.pipe(1 << 20)))
            .await
            .unwrap();
        Http2 { sender, connection: tokio::spawn(async move { drop(connection.await) }) }
    }

    pub(super) fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Completes when the listener has finished.
    pub(super) async fn stopped(self) {
        self.task.await.unwrap();
    }

    pub(super) fn metric(&self, name: &str) -> u64 {
        let text = self.metrics.render();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap();
        line.parse().unwrap()
    }
}

/// A client that speaks HTTP/1.1 byte by byte.
pub(super) struct Client {
    pub(super) io: DuplexStream,
    read: Vec<u8>,
}

impl Client {
    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.io.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Sends a GET, and returns the status line and the body.
    pub(super) async fn get(&mut self, path: &str) -> (String, String) {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        self.answer().await
    }

    /// Reads a head.
    pub(super) async fn head(&mut self) -> String {
        loop {
            if let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                let head: Vec<u8> = self.read.drain(..end + 4).collect();
                return String::from_utf8(head).unwrap();
            }
            assert!(self.more().await, "closed within a head: {:?}", String::from_utf8_lossy(&self.read));
        }
    }

    pub(super) async fn bytes(&mut self, count: usize) -> String {
        while self.read.len() < count {
            assert!(self.more().await, "closed within a body");
        }
        String::from_utf8(self.read.drain(..count).collect()).unwrap()
    }

    /// Reads an answer whose body has a `Content-Length`: its status line and body.
    pub(super) async fn answer(&mut self) -> (String, String) {
        let head = self.head().await;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect(&head);
        let body = self.bytes(length.parse().unwrap()).await;
        (head.lines().next().unwrap().to_owned(), body)
    }

    async fn more(&mut self) -> bool {
        let mut space = [0; 8192];
        let count = self.io.read(&mut space).await.unwrap_or(0);
        self.read.extend_from_slice(&space[..count]);
        count > 0
    }

    /// Waits until the server closes, with nothing more to say, and returns how long that took.
    pub(super) async fn closed(&mut self) -> Duration {
        let start = Instant::now();
        while self.more().await {}
        assert_eq!(String::from_utf8_lossy(&self.read), "");
        start.elapsed()
    }
}

/// A client that speaks HTTP/2.
pub(super) struct Http2 {
    pub(super) sender: SendRequest<Full<Bytes>>,
    connection: JoinHandle<()>,
}

impl Http2 {
    pub(super) async fn get(&mut self, path: &str) -> hyper::Result<Response<Incoming>> {
        let request = Request::get(format!("http://a{path}")).body(Full::default()).unwrap();
        self.sender.send_request(request).await
    }

    /// Waits until the server closes, and returns how long that took.
    pub(super) async fn closed(self) -> Duration {
        let start = Instant::now();
        self.connection.await.unwrap();
        start.elapsed()
    }
}

pub(super) async fn text(body: Incoming) -> String {
    String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

pub(super) fn ok(body: &str) -> (String, String) {
    ("HTTP/1.1 200 OK".to_owned(), body.to_owned())
}
