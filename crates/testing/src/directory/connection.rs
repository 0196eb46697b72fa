//! One connection to the directory.

use std::{
    future, io,
    sync::{Arc, Mutex},
};

use bytes::{Bytes, BytesMut};
use ldap3_proto::{
    LdapCodec,
    proto::{LdapBindCred, LdapMsg, LdapOp, LdapResultCode, LdapSearchScope},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::codec::{Decoder, Encoder};

use super::{
    DirectoryOperation, DirectoryRequest, Shared,
    answer::{self, Outcome, START_TLS},
    filter,
};
use crate::server::lock;

/// What is to become of every connection that is open.
#[derive(Clone, Debug, Default)]
pub(super) enum Order {
    #[default]
    None,
    HalfClose,
    Notice(Outcome),
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// TLS is not agreed on yet.
    Greeting,
    /// Both sides may speak.
    Open,
    /// This side has ended.
    HalfClosed,
}

/// Serves a connection until one side ends it, or the test drops all of them.
pub(super) async fn serve(stream: TcpStream, shared: Arc<Shared>, number: usize) {
    let _open = Open::new(&shared, number);
    let mut dropped = shared.dropped.subscribe();
    tokio::select! {
        () = greet(stream, Arc::clone(&shared), number) => {}
        _ = dropped.changed() => {}
    }
}

async fn greet(stream: TcpStream, shared: Arc<Shared>, number: usize) {
    let _ = stream.set_nodelay(true);
    let orders = shared.orders.subscribe();
    let stream: Box<dyn Stream> = match &shared.settings.ldaps {
        None => Box::new(stream),
        // Whatever goes wrong on a connection is the client's to notice.
        Some(tls) => match TlsAcceptor::accept(tls, stream).await {
            Ok(stream) => Box::new(stream),
            Err(_) => return,
        },
    };
    shared.reached(number, Stage::Open);
    let encrypted = shared.settings.ldaps.is_some();
    let connection = Connection {
        number,
        encrypted,
        stream: Some(stream),
        buffer: BytesMut::new(),
        codec: codec(),
        bound: Arc::default(),
        answers: JoinSet::new(),
        sends: true,
        shared,
    };
    drop(connection.run(orders).await);
}

/// Requests of any size that a test would send.
fn codec() -> LdapCodec {
    LdapCodec::new(Some(4 << 20), None)
}

/// Stands in the list of open connections for as long as it lives.
struct Open<'s> {
    shared: &'s Shared,
    number: usize,
}

impl<'s> Open<'s> {
    fn new(shared: &'s Shared, number: usize) -> Self {
        shared.open.send_modify(|open| {
            open.insert(number, Stage::Greeting);
            shared.peak.fetch_max(open.len(), std::sync::atomic::Ordering::Relaxed);
        });
        Self { shared, number }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.shared.open.send_modify(|open| _ = open.remove(&self.number));
    }
}

struct Connection {
    number: usize,
    encrypted: bool,
    /// Away only while TLS is agreed on.
    stream: Option<Box<dyn Stream>>,
    buffer: BytesMut,
    codec: LdapCodec,
    bound: Arc<Mutex<Option<String>>>,
    /// Requests that are being answered, or held.
    answers: JoinSet<Vec<Bytes>>,
    /// Whether this side still sends.
    sends: bool,
    shared: Arc<Shared>,
}

enum Event {
    Read(usize),
    Answer(Vec<Bytes>),
    Ordered,
}

impl Connection {
    async fn run(mut self, mut orders: watch::Receiver<Order>) -> io::Result<()> {
        loop {
            let event = {
                let Some(stream) = &mut self.stream else { return Ok(()) };
                let (buffer, answers) = (&mut self.buffer, &mut self.answers);
                let answered = async {
                    match answers.join_next().await {
                        Some(Ok(answer)) => answer,
                        Some(Err(_)) => Vec::new(),
                        None => future::pending().await,
                    }
                };
                tokio::select! {
                    // An order counts before what a client sends after it was given.
                    biased;
                    ordered = orders.changed() => match ordered {
                        Ok(()) => Event::Ordered,
                        Err(_) => return Ok(()),
                    },
                    answer = answered => Event::Answer(answer),
                    read = stream.read_buf(buffer) => Event::Read(read?),
                }
            };
            match event {
                Event::Read(0) => return Ok(()),
                Event::Read(_) => {
                    if !self.take_all().await? {
                        return Ok(());
                    }
                }
                Event::Answer(parts) => self.send(&parts).await?,
                Event::Ordered => {
                    let order = orders.borrow_and_update().clone();
                    match order {
                        Order::None => {}
                        Order::HalfClose => self.half_close().await?,
                        Order::Notice(outcome) => {
                            let notice = self.encoded(vec![answer::notice(outcome)])?;
                            self.send(&notice).await?;
                            return self.half_close().await;
                        }
                    }
                }
            }
        }
    }

    /// Takes in every request that is here as a whole. `false` ends the connection.
    async fn take_all(&mut self) -> io::Result<bool> {
        loop {
            let message = match self.codec.decode(&mut self.buffer) {
                Ok(Some(message)) => message,
                Ok(None) => return Ok(true),
                Err(_) => {
                    // RFC 4511 §4.1.1: what cannot be read ends the connection, with a notice.
                    let outcome = Outcome::new(LdapResultCode::ProtocolError, "this is no LDAP");
                    let notice = self.encoded(vec![answer::notice(outcome)])?;
                    self.send(&notice).await?;
                    return Ok(false);
                }
            };
            self.shared.note(self.request(&message.op));
            match &message.op {
                LdapOp::UnbindRequest => return Ok(false),
                LdapOp::ExtendedRequest(request) if request.name == START_TLS => {
                    if !self.start_tls(message.msgid).await? {
                        return Ok(false);
                    }
                }
                _ => self.answer(message),
            }
        }
    }

    /// Answers in the background: a request that is held does not keep others from being read.
    fn answer(&mut self, message: LdapMsg) {
        let (shared, bound) = (Arc::clone(&self.shared), Arc::clone(&self.bound));
        self.answers.spawn(async move {
            shared.unheld().await;
            if let Some(bytes) = lock(&shared.state).bytes.clone() {
                return vec![bytes];
            }
            let answers = answer::answer(&shared, &mut lock(&bound), message);
            encoded(answers).unwrap_or_default()
        });
    }

    /// Agrees on TLS, where this directory has it. `false` ends the connection.
    async fn start_tls(&mut self, id: i32) -> io::Result<bool> {
        self.shared.unheld().await;
        let refusal = match &self.shared.settings.start_tls {
            None => Some(Outcome::new(LdapResultCode::ProtocolError, "unsupported extended operation")),
            Some(_) if self.encrypted || !self.answers.is_empty() => {
                Some(Outcome::new(LdapResultCode::OperationsError, "TLS cannot start now"))
            }
            Some(_) => lock(&self.shared.state).start_tls.clone(),
        };
        // What came in clear text behind the wish for TLS must not be taken for protected.
        let early = !self.buffer.is_empty();
        let forced = lock(&self.shared.state).bytes.clone();
        if let Some(bytes) = forced {
            self.send(&[bytes]).await?;
            return Ok(true);
        }
        let agreed = refusal.is_none();
        let answer = self.encoded(vec![answer::start_tls(id, refusal.unwrap_or_else(Outcome::success))])?;
        self.send(&answer).await?;
        if !agreed {
            return Ok(true);
        }
        let (Some(acceptor), Some(stream), false) =
            (self.shared.settings.start_tls.clone(), self.stream.take(), early)
        else {
            return Ok(false);
        };
        self.stream = Some(Box::new(acceptor.accept(stream).await?));
        self.encrypted = true;
        Ok(true)
    }

    /// A request as a test sees it.
    fn request(&self, op: &LdapOp) -> DirectoryRequest {
        let operation = match op {
            LdapOp::BindRequest(bind) => match &bind.cred {
                LdapBindCred::Simple(password) => {
                    DirectoryOperation::Bind { dn: bind.dn.clone(), password: password.clone() }
                }
                LdapBindCred::SASL(sasl) => DirectoryOperation::Other(format!("SASL {}", sasl.mechanism)),
                LdapBindCred::Unsupported => DirectoryOperation::Other("unknown bind".to_owned()),
            },
            LdapOp::SearchRequest(search) => DirectoryOperation::Search {
                base: search.base.clone(),
                scope: match search.scope {
                    LdapSearchScope::Base => "base",
                    LdapSearchScope::OneLevel => "one",
                    LdapSearchScope::Subtree => "sub",
                    LdapSearchScope::Children => "children",
                },
                filter: filter::written(&search.filter),
                attributes: search.attrs.clone(),
                size_limit: search.sizelimit,
                time_limit: search.timelimit,
            },
            LdapOp::ExtendedRequest(extended) if extended.name == START_TLS => DirectoryOperation::StartTls,
            LdapOp::ExtendedRequest(extended) => DirectoryOperation::Other(extended.name.clone()),
            LdapOp::UnbindRequest => DirectoryOperation::Unbind,
            LdapOp::AbandonRequest(_) => DirectoryOperation::Abandon,
            LdapOp::CompareRequest(_) => DirectoryOperation::Other("compare".to_owned()),
            _ => DirectoryOperation::Other("change".to_owned()),
        };
        let bound_as = lock(&self.bound).clone();
        DirectoryRequest { connection: self.number, encrypted: self.encrypted, bound_as, operation }
    }

    #[expect(clippy::unused_self, reason = "reads as a step of answering")]
    fn encoded(&self, messages: Vec<LdapMsg>) -> io::Result<Vec<Bytes>> {
        encoded(messages)
    }

    async fn send(&mut self, parts: &[Bytes]) -> io::Result<()> {
        if let (Some(stream), true) = (&mut self.stream, self.sends) {
            for part in parts {
                stream.write_all(part).await?;
            }
            stream.flush().await?;
        }
        Ok(())
    }

    async fn half_close(&mut self) -> io::Result<()> {
        if let (Some(stream), true) = (&mut self.stream, self.sends) {
            stream.shutdown().await?;
        }
        self.sends = false;
        self.shared.reached(self.number, Stage::HalfClosed);
        Ok(())
    }
}

fn encoded(messages: Vec<LdapMsg>) -> io::Result<Vec<Bytes>> {
    let mut bytes = BytesMut::new();
    let mut codec = codec();
    for message in messages {
        codec.encode(message, &mut bytes)?;
    }
    Ok(vec![bytes.freeze()])
}
