//! Clients: one that writes bytes as they are, and one that speaks HTTP/2.

use std::{convert::Infallible, net::SocketAddr};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// The value of `Authorization` of a user whose password is `password`.
pub(crate) fn basic(user: &str) -> String {
    let encoded = match user {
        "alice" => "YWxpY2U6cGFzc3dvcmQ=",
        "root" => "cm9vdDpwYXNzd29yZA==",
        _ => panic!("nobody knows {user}"),
    };
    format!("Basic {encoded}")
}

/// An answer as it came over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Reply {
    /// Every value of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let same = self.headers.iter().filter(|(header, _)| header.eq_ignore_ascii_case(name));
        same.map(|(_, value)| value.as_str()).collect()
    }

    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let header = |line: &str| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_owned(), value.trim().to_owned())
        };
        Self { status, headers: lines.map(header).collect(), body: body.to_owned() }
    }
}

/// A connection on which bytes are written as they are.
#[derive(Debug)]
pub(crate) struct Raw(TcpStream);

impl Raw {
    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Reads until `text` has come; returns all up to there.
    pub(crate) async fn read_until(&mut self, text: &str) -> String {
        let mut read = Vec::new();
        while !read.ends_with(text.as_bytes()) {
            match self.0.read_u8().await {
                Ok(byte) => read.push(byte),
                Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&read)),
            }
        }
        String::from_utf8(read).unwrap()
    }

    /// Reads until the connection ends.
    pub(crate) async fn read_to_end(&mut self) -> Reply {
        let mut read = Vec::new();
        self.0.read_to_end(&mut read).await.unwrap();
        Reply::parse(&String::from_utf8(read).unwrap())
    }
}

pub(crate) async fn raw_open(address: SocketAddr) -> Raw {
    Raw(TcpStream::connect(address).await.unwrap())
}

/// Sends a request line and headers as they are written, one a line, and reads the answer. `Host` and
/// `Connection: close` are added.
pub(crate) async fn raw(address: SocketAddr, head: &str) -> Reply {
    let mut connection = raw_open(address).await;
    let mut lines = head.lines().map(str::trim);
    let mut text =
        format!("{} HTTP/1.1\r\nHost: api.example\r\nConnection: close\r\n", lines.next().unwrap());
    for line in lines {
        text.push_str(line);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    connection.write(text).await;
    connection.read_to_end().await
}

/// A client that speaks HTTP/2.
#[derive(Debug)]
pub(crate) struct Http2(http2::SendRequest<UnsyncBoxBody<Bytes, Infallible>>);

impl Http2 {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn send(
        &mut self,
        request: Request<impl http_body::Body<Data = Bytes, Error = Infallible> + Send + 'static>,
    ) -> Response<Bytes> {
        self.send_for_trailers(request).await.0
    }

    /// Sends a request and reads its answer and the trailers behind it.
    pub(crate) async fn send_for_trailers(
        &mut self,
        request: Request<impl http_body::Body<Data = Bytes, Error = Infallible> + Send + 'static>,
    ) -> (Response<Bytes>, HeaderMap) {
        let response = self.0.send_request(request.map(BodyExt::boxed_unsync)).await.unwrap();
        let (parts, body) = response.into_parts();
        let collected = body.collect().await.unwrap();
        let trailers = collected.trailers().cloned().unwrap_or_default();
        (Response::from_parts(parts, collected.to_bytes()), trailers)
    }

    pub(crate) async fn get(&mut self, uri: &str, headers: &[(&str, &str)]) -> Response<Bytes> {
        let mut request = Request::get(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Full::default()).unwrap()).await
    }
}
