//! One connection to a directory, with one operation at a time on it.
//!
//! Whoever drops the future of an operation drops the connection with it, since the operation owns it (see
//! [`pool`]): no connection is used again on which an answer may still arrive.

pub(crate) mod deadline;
pub(crate) mod pool;

use std::{io, pin::Pin, sync::Arc, time::Duration};

use bytes::{Buf as _, BytesMut};
use futures_util::FutureExt as _;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, pki_types::ServerName},
};

use crate::{
    config::url::ServerUrl,
    failure::Failure,
    wire::{self, Entry, Malformed, Message, Op, Search, Verdict, ber},
};

/// All entries together that one login, or one look at the directory, may be answered with: what they take in memory.
pub(crate) const MAX_ANSWERS: usize = 16 * 1024 * 1024;

/// How a connection is protected.
#[derive(Clone)]
pub(crate) struct Protection {
    pub(crate) tls: Option<Arc<ClientConfig>>,
    /// TLS begins on a plain connection.
    pub(crate) start_tls: bool,
}

trait Stream: AsyncRead + AsyncWrite + Send {}
impl<S: AsyncRead + AsyncWrite + Send> Stream for S {}

/// An open connection.
pub(crate) struct Connection {
    stream: Pin<Box<dyn Stream>>,
    /// What was read and belongs to no message yet.
    read: BytesMut,
    last_id: u32,
    /// The server that it goes to, by its place in the configuration.
    pub(crate) server: usize,
}

/// What a search found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) verdict: Verdict,
    pub(crate) entries: Vec<Entry>,
    /// Whether the server said that there may be more at other servers.
    pub(crate) referred: bool,
    /// What the entries take in memory, in bytes.
    pub(crate) size: usize,
}

impl Connection {
    /// Opens one.
    pub(crate) async fn open(
        url: &ServerUrl,
        server: usize,
        protection: &Protection,
    ) -> Result<Self, Failure> {
        let encrypted = url.ldaps || protection.start_tls;
        let tls = match (&protection.tls, encrypted) {
            (Some(config), true) => Some(TlsConnector::from(Arc::clone(config))),
            (None, true) => return Err(Failure::Connect("TLS is not set up: please report this".to_owned())),
            (_, false) => None,
        };
        let io = |error: io::Error| Failure::Connect(error.to_string());
        let tcp = TcpStream::connect((url.host.as_str(), url.port)).await.map_err(io)?;
        tcp.set_nodelay(true).map_err(io)?;
        let Some(tls) = tls else { return Ok(Self::over(tcp, server)) };
        let tcp = if url.ldaps { tcp } else { start_tls(tcp).await? };
        let name = ServerName::try_from(url.host.clone()).map_err(|_| {
            Failure::Connect("the host's name is none that a certificate can hold".to_owned())
        })?;
        let stream = tls.connect(name, tcp).await.map_err(|error| {
            let hint = if url.ldaps { "" } else { " after StartTLS" };
            Failure::Connect(format!("TLS{hint} failed: {error}"))
        })?;
        Ok(Self::over(stream, server))
    }

    fn over(stream: impl AsyncRead + AsyncWrite + Send + 'static, server: usize) -> Self {
        Self { stream: Box::pin(stream), read: BytesMut::new(), last_id: 0, server }
    }

    /// Binds; the verdict is for the caller to judge.
    pub(crate) async fn bind(&mut self, name: &str, password: &str) -> Result<Verdict, Failure> {
        let id = self.next_id();
        self.send(&wire::bind(id, name, password)).await?;
        match self.answer(id).await? {
            Op::Bound(verdict) => Ok(verdict),
            _ => Err(UNFITTING.into()),
        }
    }

    /// Searches; the verdict is for the caller to judge. More than `most` entries are an error, and so are entries that take
    /// more than `room` bytes.
    pub(crate) async fn search(
        &mut self,
        search: &Search<'_>,
        most: usize,
        room: usize,
    ) -> Result<Found, Failure> {
        let id = self.next_id();
        self.send(&wire::search(id, search)).await?;
        let (mut entries, mut referred, mut size) = (Vec::new(), false, 0);
        loop {
            match self.answer(id).await? {
                Op::Entry(entry) => {
                    size += size_of_entry(&entry);
                    if entries.len() >= most {
                        return Err(Malformed("it sends more entries than were asked for").into());
                    }
                    if size > room {
                        return Err(Malformed("it answers one login with more than 16 MiB").into());
                    }
                    entries.push(entry);
                }
                Op::Reference => referred = true,
                Op::Intermediate => {}
                Op::Done(verdict) => return Ok(Found { verdict, entries, referred, size }),
                Op::Bound(_) | Op::Extended(_) => return Err(UNFITTING.into()),
            }
        }
    }

    /// Whether nothing came since the last answer: no end of the connection, and no goodbye before it.
    pub(crate) fn is_quiet(&mut self) -> bool {
        let mut byte = [0; 1];
        self.read.is_empty() && self.stream.read(&mut byte).now_or_never().is_none()
    }

    /// Says goodbye, and waits until the server has closed.
    pub(crate) async fn close(mut self) {
        let id = self.next_id();
        if self.send(&wire::unbind(id)).await.is_err() || self.stream.shutdown().await.is_err() {
            return;
        }
        let mut rest = [0; 512];
        while matches!(self.stream.read(&mut rest).await, Ok(1..)) {}
    }

    const fn next_id(&mut self) -> u32 {
        // RFC 4511 §4.1.1.1: up to 2^31 - 1.
        self.last_id = if self.last_id >= i32::MAX as u32 { 1 } else { self.last_id + 1 };
        self.last_id
    }

    async fn send(&mut self, message: &[u8]) -> Result<(), Failure> {
        let sent = async {
            self.stream.write_all(message).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|_| Failure::Closed)
    }

    /// The next message that answers request `id`. Nothing else is under way: any other message is out of place.
    async fn answer(&mut self, id: u32) -> Result<Op, Failure> {
        let message = receive(&mut self.stream, &mut self.read).await?;
        match message {
            Message { id: answered, op } if answered == id => Ok(op),
            // RFC 4511 §4.4.1: a notice of disconnection is the only one that the RFC knows.
            Message { id: 0, .. } => Err(Failure::Closed),
            Message { .. } => Err(Malformed("it answers what was not asked").into()),
        }
    }
}

const UNFITTING: Malformed = Malformed("it answers another operation than was asked for");

/// Begins TLS (RFC 4511 §4.14).
async fn start_tls(mut tcp: TcpStream) -> Result<TcpStream, Failure> {
    let closed = |_| Failure::StartTls("the server closed the connection".to_owned());
    tcp.write_all(&wire::start_tls(1)).await.map_err(closed)?;
    let mut read = BytesMut::new();
    let message = match receive(&mut tcp, &mut read).await {
        Ok(message) => message,
        Err(Failure::Closed) => return Err(Failure::StartTls("the server closed the connection".to_owned())),
        Err(other) => return Err(other),
    };
    match message {
        Message { id: 1, op: Op::Extended(verdict) } if verdict.code == 0 => {}
        Message { id: 1, op: Op::Extended(verdict) } => {
            return Err(Failure::StartTls(format!(
                "the server refuses it with {}",
                crate::failure::shown(&verdict)
            )));
        }
        _ => return Err(UNFITTING.into()),
    }
    // Whoever sits between could put answers here that would be believed to have come over TLS.
    if !read.is_empty() {
        return Err(Failure::StartTls("the server goes on in clear".to_owned()));
    }
    Ok(tcp)
}

/// Reads one message.
async fn receive(stream: &mut (impl AsyncRead + Unpin), read: &mut BytesMut) -> Result<Message, Failure> {
    const CHUNK: usize = 8 * 1024;
    loop {
        if let Some(length) = ber::message_length(read)?
            && let Some(whole) = read.get(..length)
        {
            let message = wire::read(whole)?;
            read.advance(length);
            return Ok(message);
        }
        read.reserve(CHUNK);
        match stream.read_buf(read).await {
            Ok(0) | Err(_) => return Err(Failure::Closed),
            Ok(_) => {}
        }
    }
}

fn size_of_entry(entry: &Entry) -> usize {
    let values =
        |values: &[Vec<u8>]| values.iter().map(|value| size_of_val(value) + value.len()).sum::<usize>();
    let attributes = entry
        .attributes
        .iter()
        .map(|attribute| size_of_val(attribute) + attribute.0.len() + values(&attribute.1));
    size_of_val(entry) + entry.dn.len() + attributes.sum::<usize>()
}

/// How long a goodbye may take.
pub(crate) const GOODBYE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        filter,
        wire::{
            Scope,
            ber::{INTEGER, SEQUENCE, write, write_number},
        },
    };

    fn message(id: u32, tag: u8, operation: &[u8]) -> Vec<u8> {
        let (mut inner, mut whole) = (Vec::new(), Vec::new());
        write_number(INTEGER, id, &mut inner);
        write(tag, operation, &mut inner);
        write(SEQUENCE, &inner, &mut whole);
        whole
    }

    #[tokio::test]
    async fn an_answer_may_take_the_room_that_there_is_and_no_more() {
        let size = size_of_entry(&Entry { dn: "cn=a".to_owned(), attributes: vec![] });
        let answer = [
            message(1, 0x79, b"of no concern"),
            message(1, 0x64, b"\x04\x04cn=a\x30\x00"),
            message(1, 0x65, b"\x0a\x01\x00\x04\x00\x04\x00"),
        ]
        .concat();
        for (room, fits) in [(size, true), (size - 1, false)] {
            let (ours, mut theirs) = tokio::io::duplex(1_024);
            theirs.write_all(&answer).await.unwrap();
            let search = Search {
                base: "dc=x",
                scope: Scope::Base,
                filter: filter::any(),
                attributes: &[],
                size_limit: 1,
                time_limit: 1,
            };
            let found = Connection::over(ours, 0).search(&search, 1, room).await;
            assert_eq!(found.ok().map(|found| (found.size, found.entries.len())), fits.then_some((size, 1)));
        }
    }

    #[test]
    fn requests_have_numbers_of_their_own_that_are_not_too_large() {
        let mut connection = Connection::over(tokio::io::empty(), 0);
        assert_eq!([connection.next_id(), connection.next_id(), connection.next_id()], [1, 2, 3]);
        connection.last_id = 0x7fff_fffe;
        assert_eq!([connection.next_id(), connection.next_id()], [0x7fff_ffff, 1]);
    }

    #[test]
    fn where_no_goodbye_can_be_said_none_is_waited_for() {
        let (reading, _silent) = tokio::io::duplex(64);
        let (writing, gone) = tokio::io::duplex(64);
        drop(gone);
        let connection = Connection::over(tokio::io::join(reading, writing), 0);
        assert_eq!(connection.close().now_or_never(), Some(()));
    }

    #[test]
    fn everything_in_an_entry_counts() {
        let size = |dn: &str, name: &str, values: &[&str]| {
            let values = values.iter().map(|value| value.as_bytes().to_vec()).collect();
            size_of_entry(&Entry { dn: dn.to_owned(), attributes: vec![(name.to_owned(), values)] })
        };
        let least = size("", "", &[]);
        assert_eq!(least, size_of::<Entry>() + size_of::<(String, Vec<Vec<u8>>)>());
        assert_eq!(size("cn=a", "", &[]), least + 4);
        assert_eq!(size("", "member", &[]), least + 6);
        assert_eq!(size("", "", &["", "abc"]), least + 2 * size_of::<Vec<u8>>() + 3);
    }
}
