//! Clients of both versions of HTTP, with and without TLS.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::{
    client::conn::http2::{self, SendRequest},
    ext::Protocol,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{
        self, Message,
        protocol::{CloseFrame, Role},
    },
};

use super::{Served, Socket, Stream, soon};

/// A connection to the gateway.
pub(crate) async fn connect(served: &Served) -> Stream {
    let stream = TcpStream::connect(served.address).await.unwrap();
    if !served.by.is_tls() {
        return Box::new(stream);
    }
    let mut config = portcullis_keys::ClientTls::dangerous_without_verification().build().unwrap();
    let protocol: &[u8] = if served.by.is_http2() { b"h2" } else { b"http/1.1" };
    config.alpn_protocols = vec![protocol.to_vec()];
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol));
    Box::new(stream)
}

/// Asks for a WebSocket; what comes back is one with the head of its answer, or an answer that opens none.
pub(crate) async fn ask(
    served: &Served,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<(Socket, HeaderMap), Response<Bytes>> {
    let stream = connect(served).await;
    soon(async {
        if served.by.is_http2() {
            Http2::on(stream).await.ask("websocket", path, headers).await
        } else {
            ask_http1(stream, path, headers).await
        }
    })
    .await
}

/// The same where a WebSocket is sure to come.
pub(crate) async fn open(served: &Served, path: &str, headers: &[(&str, &str)]) -> Socket {
    match ask(served, path, headers).await {
        Ok((socket, _)) => socket,
        Err(response) => panic!("{response:?}"),
    }
}

/// The status of an answer that opens no WebSocket.
pub(crate) async fn refusal(served: &Served, path: &str, headers: &[(&str, &str)]) -> u16 {
    match ask(served, path, headers).await {
        Ok(_) => panic!("a WebSocket was opened at {path}"),
        Err(response) => response.status().as_u16(),
    }
}

async fn ask_http1(
    stream: Stream,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<(Socket, HeaderMap), Response<Bytes>> {
    let mut request = Request::get(format!("ws://api.example{path}"))
        .header("host", "api.example")
        .header("upgrade", "websocket")
        .header("sec-websocket-key", KEY)
        .header("sec-websocket-version", "13");
    if !headers.iter().any(|(name, _)| *name == "connection") {
        request = request.header("connection", "Upgrade");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    match client_async(request.body(()).unwrap(), stream).await {
        Ok((socket, response)) => {
            assert_eq!(response.status(), 101);
            Ok((socket, response.headers().clone()))
        }
        Err(tungstenite::Error::Http(response)) => {
            Err(response.map(|body| Bytes::from(body.unwrap_or_default())))
        }
        Err(error) => panic!("{error}"),
    }
}

/// The key of clients of HTTP/1.1, which is nobody else's.
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// A connection in HTTP/2.
#[derive(Debug)]
pub(crate) struct Http2(SendRequest<Empty<Bytes>>);

impl Http2 {
    pub(crate) async fn on(stream: Stream) -> Self {
        let (sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut http2 = Self(sender);
        let hello = Request::get("https://api.example/hello").body(Empty::new()).unwrap();
        assert_eq!(http2.send(hello).await.unwrap_err().body(), "hello");
        http2
    }

    /// An extended CONNECT for a protocol.
    pub(crate) async fn ask(
        &mut self,
        protocol: &'static str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<(Socket, HeaderMap), Response<Bytes>> {
        let mut request = Request::builder()
            .method(Method::CONNECT)
            .uri(format!("https://api.example{path}"))
            .extension(Protocol::from_static(protocol))
            .header("sec-websocket-version", "13");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Empty::new()).unwrap()).await
    }

    async fn send(&mut self, request: Request<Empty<Bytes>>) -> Result<(Socket, HeaderMap), Response<Bytes>> {
        let is_connect = request.method() == Method::CONNECT;
        self.0.ready().await.unwrap();
        let mut response = self.0.send_request(request).await.unwrap();
        if is_connect && response.status() == 200 {
            let upgraded = hyper::upgrade::on(&mut response).await.unwrap();
            let stream: Stream = Box::new(TokioIo::new(upgraded));
            let socket = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
            return Ok((socket, response.headers().clone()));
        }
        let (parts, body) = response.into_parts();
        Err(Response::from_parts(parts, body.collect().await.unwrap().to_bytes()))
    }
}

/// Sends a text and has it back.
pub(crate) async fn echoes(socket: &mut Socket, text: &str) {
    soon(socket.send(Message::text(text))).await.unwrap();
    let back = soon(socket.next()).await.unwrap().unwrap();
    assert_eq!(back, Message::text(text));
}

/// The Close frame that comes next, and that nothing but the end follows.
pub(crate) async fn closed(socket: &mut Socket) -> (u16, String) {
    let close = match soon(socket.next()).await {
        Some(Ok(Message::Close(Some(CloseFrame { code, reason })))) => (code.into(), reason.to_string()),
        other => panic!("{other:?}"),
    };
    match soon(socket.next()).await {
        None | Some(Err(tungstenite::Error::ConnectionClosed)) => close,
        other => panic!("{other:?} after {close:?}"),
    }
}
