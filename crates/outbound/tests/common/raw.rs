//! A server that says what a test says, byte by byte.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use portcullis_outbound::Endpoint;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

pub struct Raw {
    address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Raw {
    /// Talks to the connection of each number, which begin at 0, as `script` says.
    pub async fn start<F>(script: impl Fn(usize, Peer) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (accepted, open) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counts = (Arc::clone(&accepted), Arc::clone(&open));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let number = counts.0.fetch_add(1, Ordering::SeqCst);
                counts.1.fetch_add(1, Ordering::SeqCst);
                let talk = script(number, Peer { stream, read: Vec::new() });
                let open = Arc::clone(&counts.1);
                tokio::spawn(async move {
                    talk.await;
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, accepted, open, task }
    }

    /// One that sends these bytes after every request, and closes the connection.
    pub async fn saying(answer: impl Into<Vec<u8>>) -> Self {
        let answer: Arc<[u8]> = answer.into().into();
        Self::start(move |_, mut peer| {
            let answer = Arc::clone(&answer);
            async move {
                peer.request().await;
                peer.send(&answer).await;
            }
        })
        .await
    }

    pub fn endpoint(&self) -> Endpoint {
        Endpoint::parse(&format!("http://{}/x?secret=canary", self.address)).unwrap()
    }

    pub fn https(&self) -> Endpoint {
        Endpoint::parse(&format!("https://localhost:{}/x", self.address.port())).unwrap()
    }

    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    pub fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub struct Peer<S = TcpStream> {
    stream: S,
    read: Vec<u8>,
}

impl Peer {
    /// The same inside TLS, where the client agrees.
    pub async fn encrypted(self, acceptor: TlsAcceptor) -> io::Result<Peer<TlsStream<TcpStream>>> {
        Ok(Peer { stream: acceptor.accept(self.stream).await?, read: Vec::new() })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    /// Reads a request with its body, and answers its text; `None` where the client hung up.
    pub async fn request(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.complete() {
                let request = self.read.drain(..end).collect();
                return Some(String::from_utf8(request).unwrap());
            }
            if !self.more().await {
                return None;
            }
        }
    }

    /// Sends it, and tells whether the client took it.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).await.is_ok()
    }

    /// Waits until the client hangs up.
    pub async fn hung_up(&mut self) {
        while self.more().await {}
    }

    async fn more(&mut self) -> bool {
        matches!(self.stream.read_buf(&mut self.read).await, Ok(read) if read > 0)
    }

    fn complete(&self) -> Option<usize> {
        let head = self.read.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let text = String::from_utf8_lossy(&self.read[..head]).to_ascii_lowercase();
        let length = text
            .split("content-length: ")
            .nth(1)
            .map_or(0, |rest| rest.split("\r\n").next().unwrap().parse().unwrap());
        (self.read.len() >= head + length).then_some(head + length)
    }
}
