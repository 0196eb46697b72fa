//! Clients that come from an address of their choice, over HTTP/1.1 byte by byte and over HTTP/2.

use std::io::{Error, Result};
use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use portcullis_tests::PATIENCE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    /// Whether the connection ends with it.
    pub(crate) last: bool,
}

/// A connection from this address of the machine.
pub(crate) async fn connect(from: Ipv4Addr, to: SocketAddr) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    let stream = timeout(PATIENCE, socket.connect(to)).await??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A kept connection of HTTP/1.1.
pub(crate) struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Wire {
    pub(crate) async fn connect(from: Ipv4Addr, to: SocketAddr) -> Result<Self> {
        Ok(Self { stream: connect(from, to).await?, read: Vec::new() })
    }

    pub(crate) async fn send(&mut self, request: &[u8]) -> Result<()> {
        timeout(PATIENCE, self.stream.write_all(request)).await?
    }

    /// The next answer. `None` where the connection ends instead.
    pub(crate) async fn answer(&mut self) -> Result<Option<Answer>> {
        loop {
            if let Some(answer) = self.complete()? {
                return Ok(Some(answer));
            }
            if timeout(PATIENCE, self.stream.read_buf(&mut self.read)).await?? == 0 {
                return if self.read.is_empty() {
                    Ok(None)
                } else {
                    Err(Error::other("an answer breaks off"))
                };
            }
        }
    }

    fn complete(&mut self) -> Result<Option<Answer>> {
        let Some(end) = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return Ok(None) };
        let head = String::from_utf8_lossy(&self.read[..end]).to_ascii_lowercase();
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let status = status.ok_or_else(|| Error::other("an answer without a status"))?;
        let (mut length, mut last) = (0, false);
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            match (name, value.trim()) {
                ("content-length", value) => length = value.parse().map_err(Error::other)?,
                ("connection", value) => last = value.contains("close"),
                ("transfer-encoding", _) => return Err(Error::other("an answer of unknown length")),
                _ => {}
            }
        }
        let whole = end + 4 + length;
        if self.read.len() < whole {
            return Ok(None);
        }
        let body = String::from_utf8_lossy(&self.read[end + 4..whole]).into_owned();
        self.read.drain(..whole);
        Ok(Some(Answer { status, body, last }))
    }
}

/// A connection of HTTP/2, on which many may ask at a time.
#[derive(Clone)]
pub(crate) struct Wire2(http2::SendRequest<Empty<Bytes>>);

impl Wire2 {
    pub(crate) async fn connect(from: Ipv4Addr, to: SocketAddr) -> Result<Self> {
        let stream = TokioIo::new(connect(from, to).await?);
        let (sender, connection) =
            http2::handshake(TokioExecutor::new(), stream).await.map_err(Error::other)?;
        // It ends with the last sender.
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    pub(crate) async fn ask(&mut self, url: &str, headers: &[(&str, String)]) -> Result<Answer> {
        let mut request = http::Request::get(url);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(Empty::new()).map_err(Error::other)?;
        let asking = async {
            let answer = self.0.send_request(request).await.map_err(Error::other)?;
            let status = answer.status().as_u16();
            let body = answer.into_body().collect().await.map_err(Error::other)?.to_bytes();
            Ok(Answer { status, body: String::from_utf8_lossy(&body).into_owned(), last: false })
        };
        timeout(PATIENCE, asking).await?
    }
}

/// A request of HTTP/1.1.
pub(crate) fn request(path: &str, headers: &[(&str, String)]) -> Vec<u8> {
    let mut text = format!("GET {path} HTTP/1.1\r\nHost: soak.example\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    text += "\r\n";
    text.into_bytes()
}
