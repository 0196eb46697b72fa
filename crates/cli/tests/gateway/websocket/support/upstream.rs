//! Upstreams: one that sends back what it gets, and one whose bytes a test writes itself.

use std::net::SocketAddr;

use futures_util::{SinkExt as _, StreamExt as _};
use http::Request;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_tungstenite::{
    accept_hdr_async,
    tungstenite::{
        Message,
        handshake::{
            derive_accept_key,
            server::{Request as Asked, Response as Answer101},
        },
        protocol::CloseFrame,
    },
};

use super::{Io, soon};

/// What an upstream saw of a WebSocket.
#[derive(Debug)]
pub(crate) enum Event {
    Asked(Request<()>),
    /// Its end, with the Close frame that came.
    Ended(Option<(u16, String)>),
}

/// An upstream that sends every message back.
#[derive(Debug)]
pub(crate) struct Echo {
    pub(crate) address: SocketAddr,
    events: mpsc::UnboundedReceiver<Event>,
}

impl Echo {
    /// The next request for a WebSocket.
    pub(crate) async fn asked(&mut self) -> Request<()> {
        match soon(self.events.recv()).await.unwrap() {
            Event::Asked(request) => request,
            event @ Event::Ended(_) => panic!("{event:?}"),
        }
    }

    /// How the next WebSocket that ends does so.
    pub(crate) async fn ended(&mut self) -> Option<(u16, String)> {
        loop {
            if let Event::Ended(how) = soon(self.events.recv()).await.unwrap() {
                return how;
            }
        }
    }

    /// Whether nobody has asked it for anything.
    pub(crate) fn is_untouched(&mut self) -> bool {
        self.events.try_recv().is_err()
    }
}

/// Serves WebSockets on connections that `accept` makes of sockets. Of subprotocols it takes the last one.
pub(crate) async fn echo_on<F, R, I>(accept: F) -> Echo
where
    F: Fn(TcpStream) -> R + Send + 'static,
    R: Future<Output = Option<I>> + Send + 'static,
    I: Io + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, events) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (accepted, tell) = (accept(stream), tell.clone());
            tokio::spawn(async move {
                if let Some(stream) = accepted.await {
                    let ended = talk(stream, &tell).await;
                    let _ = tell.send(Event::Ended(ended));
                }
            });
        }
    });
    Echo { address, events }
}

pub(crate) async fn echo() -> Echo {
    echo_on(|stream| async { Some(stream) }).await
}

async fn talk(stream: impl Io, tell: &mpsc::UnboundedSender<Event>) -> Option<(u16, String)> {
    #[expect(clippy::result_large_err, reason = "the library's type")]
    let shake = |asked: &Asked, mut answer: Answer101| {
        tell.send(Event::Asked(asked.clone())).unwrap();
        let offered = asked.headers().get("sec-websocket-protocol");
        if let Some(last) = offered.and_then(|list| list.to_str().unwrap().rsplit(", ").next()) {
            answer.headers_mut().insert("sec-websocket-protocol", last.parse().unwrap());
        }
        Ok(answer)
    };
    let mut socket = accept_hdr_async(stream, shake).await.ok()?;
    let mut close = None;
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Close(Some(CloseFrame { code, reason })) = &message {
            close = Some(((*code).into(), reason.to_string()));
        }
        if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
            break;
        }
    }
    close
}

/// An upstream whose bytes a test writes itself.
#[derive(Debug)]
pub(crate) struct RawUpstream(pub(crate) TcpListener);

impl RawUpstream {
    pub(crate) async fn bind() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// Takes a connection and the head of its request.
    pub(crate) async fn asked(&self) -> (TcpStream, String) {
        soon(async {
            let (mut stream, _) = self.0.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            (stream, String::from_utf8(head).unwrap())
        })
        .await
    }

    /// Takes a connection, and answers with `answer`, in which `{accept}` stands for the right key.
    pub(crate) async fn answers(&self, answer: &str) -> TcpStream {
        let (mut stream, head) = self.asked().await;
        let answer = answer.replace("{accept}", &accept_for(&head));
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream
    }

    /// Takes a connection and opens the WebSocket.
    pub(crate) async fn opens(&self) -> TcpStream {
        self.answers(OPENS).await
    }
}

pub(crate) const OPENS: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                                Sec-WebSocket-Accept: {accept}\r\n\r\n";

/// The key that answers the one in a request's head.
pub(crate) fn accept_for(head: &str) -> String {
    let key = head.lines().find_map(|line| line.strip_prefix("sec-websocket-key: ")).unwrap_or_default();
    derive_accept_key(key.as_bytes())
}
