//! The other side of a WebSocket.

use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{
    Request,
    header::{AUTHORIZATION, HeaderName, SEC_WEBSOCKET_PROTOCOL},
};
use http_body_util::{BodyExt as _, Empty};
use hyper::{client::conn::http2::SendRequest, ext::Protocol, upgrade::Upgraded};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{self, protocol::Role},
};

use crate::support::{Running, soon};

/// Asks for a WebSocket of a version without a library that would answer a close frame by itself, and returns the head of
/// the answer, too.
pub(crate) async fn open_by_hand(
    server: &Running,
    path: &str,
    token: &str,
    version: &str,
) -> (TcpStream, String) {
    open_by_saying(server, path, token, version, "Upgrade").await
}

/// The same with another `Connection`.
pub(crate) async fn open_by_saying(
    server: &Running,
    path: &str,
    token: &str,
    version: &str,
    connection: &str,
) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: {connection}\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: {version}\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(soon(stream.read_u8()).await.unwrap());
    }
    (stream, String::from_utf8(head).unwrap())
}

/// The other side of a WebSocket.
pub(crate) struct Client<I>(pub(crate) WebSocketStream<I>);

impl<I: AsyncRead + AsyncWrite + Unpin> Client<I> {
    pub(crate) async fn send(&mut self, text: &str) {
        self.0.send(tungstenite::Message::text(text)).await.unwrap();
    }

    /// The next message.
    pub(crate) async fn next(&mut self) -> tungstenite::Message {
        soon(self.0.next()).await.expect("no more messages").unwrap()
    }

    /// Sends a text, and sees it come back.
    pub(crate) async fn echoes(&mut self, text: &str) {
        self.send(text).await;
        assert_eq!(self.next().await, tungstenite::Message::text(text));
    }

    /// Waits for the close frame, answers it, and for the end of the connection.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        let frame = match self.next().await {
            tungstenite::Message::Close(Some(frame)) => frame,
            other => panic!("{other:?} where a close frame should be"),
        };
        match soon(self.0.next()).await {
            None => {}
            Some(other) => panic!("{other:?} after the close frame"),
        }
        (frame.code.into(), frame.reason.to_string())
    }
}

/// A client that speaks HTTP/2.
pub(crate) struct Http2(SendRequest<Empty<Bytes>>);

impl Http2 {
    pub(crate) async fn connect_to(address: SocketAddr) -> Self {
        let io = TokioIo::new(TcpStream::connect(address).await.unwrap());
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        let mut client = Self(sender);
        // Only once it has seen the server's settings may a client send an extended CONNECT.
        let hello = Request::get("http://localhost/unguarded").body(Empty::new()).unwrap();
        assert_eq!(client.0.send_request(hello).await.unwrap().status(), 200);
        client
    }

    /// Sends an extended CONNECT (RFC 8441), and returns the answer.
    pub(crate) async fn connect(
        &mut self,
        protocol: &'static str,
        path: &str,
        token: &str,
        headers: &[(HeaderName, &str)],
    ) -> http::Response<hyper::body::Incoming> {
        let mut request = Request::connect(format!("http://localhost{path}"))
            .extension(Protocol::from_static(protocol))
            .header("sec-websocket-version", "13")
            .body(Empty::new())
            .unwrap();
        if !token.is_empty() {
            request.headers_mut().insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        }
        for (name, value) in headers {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        soon(self.0.send_request(request)).await.unwrap()
    }

    /// Opens a WebSocket.
    pub(crate) async fn open(&mut self, path: &str, token: &str) -> Client<TokioIo<Upgraded>> {
        upgraded(self.connect("websocket", path, token, &[]).await).await
    }

    /// Sends a GET with subprotocols, and returns the status.
    pub(crate) async fn get_offering(&mut self, path: &str, protocols: &str) -> u16 {
        let request = Request::get(format!("http://localhost{path}"))
            .header(SEC_WEBSOCKET_PROTOCOL, protocols)
            .body(Empty::new())
            .unwrap();
        soon(self.0.send_request(request)).await.unwrap().status().as_u16()
    }

    /// Sends a GET, and returns the status.
    pub(crate) async fn get(&mut self, path: &str, token: &str) -> u16 {
        let request = Request::get(format!("http://localhost{path}"))
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .body(Empty::new())
            .unwrap();
        soon(self.0.send_request(request)).await.unwrap().status().as_u16()
    }
}

/// The WebSocket that an answer opens.
pub(crate) async fn upgraded(response: http::Response<hyper::body::Incoming>) -> Client<TokioIo<Upgraded>> {
    assert_eq!(response.status(), 200);
    let io = TokioIo::new(soon(hyper::upgrade::on(response)).await.unwrap());
    Client(WebSocketStream::from_raw_socket(io, Role::Client, None).await)
}

/// The body of an answer.
pub(crate) async fn text(response: http::Response<hyper::body::Incoming>) -> String {
    let body = soon(response.into_body().collect()).await.unwrap();
    String::from_utf8(body.to_bytes().to_vec()).unwrap()
}
