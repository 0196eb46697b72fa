//! A directory on loopback that does what a test tells it. It reads and writes with ldap3's BER, not with ours.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use ldap3::asn1::{StructureTag, parse_tag};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

pub(super) use super::wire::{entry, message, reference, result};
use super::{matching::matches, wire::parse};
use crate::dn::Dn;

pub(super) const SERVICE: &str = "cn=admin,dc=x";
pub(super) const SERVICE_PASSWORD: &str = "canary-service";

/// What a client asked.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Request {
    Bind { dn: String, password: String },
    Search { base: String, scope: u64, filter: StructureTag, attributes: Vec<String>, size_limit: u64 },
    StartTls,
    Unbind,
}

/// What the directory does about it.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// A message that answers the request.
    Op(StructureTag),
    /// A message that answers another one.
    Of(i64, StructureTag),
    Raw(Vec<u8>),
    Close,
}

type Script = dyn Fn(&Request) -> Option<Vec<Reply>> + Send + Sync;

#[derive(Clone, Debug, Default)]
pub(super) struct TestEntry {
    pub(super) dn: String,
    pub(super) attributes: BTreeMap<String, Vec<String>>,
    password: Option<String>,
}

impl TestEntry {
    pub(super) fn new(dn: &str) -> Self {
        Self { dn: dn.to_owned(), ..Self::default() }
    }

    pub(super) fn with(mut self, attribute: &str, values: &[&str]) -> Self {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        self.attributes.insert(attribute.to_ascii_lowercase(), values);
        self
    }

    pub(super) fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }
}

#[derive(Default)]
struct State {
    entries: Mutex<Vec<TestEntry>>,
    script: Mutex<Option<Arc<Script>>>,
    requests: Mutex<Vec<(usize, Request)>>,
    accepted: AtomicUsize,
    open: AtomicUsize,
    most_open: AtomicUsize,
    tls: Option<TlsAcceptor>,
    ldaps: bool,
}

pub(super) struct TestDirectory {
    pub(super) address: SocketAddr,
    state: Arc<State>,
    task: Mutex<JoinHandle<()>>,
}

impl TestDirectory {
    pub(super) async fn start() -> Self {
        Self::listen("127.0.0.1:0".parse().unwrap(), State::default()).await
    }

    pub(super) async fn start_tls(tls: TlsAcceptor, ldaps: bool) -> Self {
        let state = State { tls: Some(tls), ldaps, ..State::default() };
        Self::listen("127.0.0.1:0".parse().unwrap(), state).await
    }

    async fn listen(address: SocketAddr, state: State) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(state);
        *state.entries.lock().unwrap() = vec![
            TestEntry::new("dc=x"),
            TestEntry::new("ou=Users,dc=x"),
            TestEntry::new("ou=Groups,dc=x"),
            TestEntry::new(SERVICE).password(SERVICE_PASSWORD),
            TestEntry::new("uid=alice,ou=Users,dc=x").with("uid", &["alice"]).password("secret"),
            TestEntry::new("cn=hello,ou=Groups,dc=x")
                .with("cn", &["hello"])
                .with("member", &["uid=alice,ou=Users,dc=x"]),
        ];
        let task = Mutex::new(tokio::spawn(accept(listener, Arc::clone(&state))));
        Self { address, state, task }
    }

    /// Stops listening and closes all connections.
    pub(super) async fn stop(&self) {
        let task = std::mem::replace(&mut *self.task.lock().unwrap(), tokio::spawn(async {}));
        task.abort();
        _ = task.await;
    }

    /// Listens again where it did before.
    pub(super) async fn restart(&self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        *self.task.lock().unwrap() = tokio::spawn(accept(listener, Arc::clone(&self.state)));
    }

    pub(super) fn url(&self) -> String {
        let scheme = if self.state.ldaps { "ldaps" } else { "ldap" };
        format!("{scheme}://{}", self.address)
    }

    pub(super) fn add(&self, entry: TestEntry) {
        let mut entries = self.state.entries.lock().unwrap();
        entries.retain(|other| other.dn != entry.dn);
        entries.push(entry);
    }

    pub(super) fn remove(&self, dn: &str) {
        self.state.entries.lock().unwrap().retain(|entry| entry.dn != dn);
    }

    /// From now on this is done, where it is something.
    pub(super) fn script(&self, script: impl Fn(&Request) -> Option<Vec<Reply>> + Send + Sync + 'static) {
        *self.state.script.lock().unwrap() = Some(Arc::new(script));
    }

    pub(super) fn unscripted(&self) {
        *self.state.script.lock().unwrap() = None;
    }

    /// All that was asked, each with the number of its connection.
    pub(super) fn requests(&self) -> Vec<(usize, Request)> {
        self.state.requests.lock().unwrap().clone()
    }

    /// The names of all binds but the service's.
    pub(super) fn user_binds(&self) -> Vec<String> {
        let binds = self.requests().into_iter().filter_map(|(_, request)| match request {
            Request::Bind { dn, .. } if dn != SERVICE => Some(dn),
            _ => None,
        });
        binds.collect()
    }

    pub(super) fn searches(&self) -> usize {
        self.requests().iter().filter(|(_, request)| matches!(request, Request::Search { .. })).count()
    }

    pub(super) fn accepted(&self) -> usize {
        self.state.accepted.load(Ordering::SeqCst)
    }

    pub(super) fn open(&self) -> usize {
        self.state.open.load(Ordering::SeqCst)
    }

    pub(super) fn most_open(&self) -> usize {
        self.state.most_open.load(Ordering::SeqCst)
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (tcp, _) = listener.accept().await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let number = state.accepted.fetch_add(1, Ordering::SeqCst);
        let guard = Open::new(Arc::clone(&state));
        let state = Arc::clone(&state);
        connections.spawn(async move {
            let _guard = guard;
            match state.tls.clone().filter(|_| state.ldaps) {
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(tcp).await {
                        serve(stream, number, &state).await;
                    }
                }
                None => {
                    if let Some((tcp, acceptor)) = serve_plain(tcp, number, &state).await
                        && let Ok(stream) = acceptor.accept(tcp).await
                    {
                        serve(stream, number, &state).await;
                    }
                }
            }
        });
    }
}

struct Open(Arc<State>);

impl Open {
    fn new(state: Arc<State>) -> Self {
        let open = state.open.fetch_add(1, Ordering::SeqCst) + 1;
        state.most_open.fetch_max(open, Ordering::SeqCst);
        Self(state)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn serve_plain(mut tcp: TcpStream, number: usize, state: &State) -> Option<(TcpStream, TlsAcceptor)> {
    serve_until(&mut tcp, number, state).await.then_some(())?;
    Some((tcp, state.tls.clone()?))
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, number: usize, state: &State) {
    serve_until(&mut stream, number, state).await;
}

/// Answers until the end; true where TLS begins.
async fn serve_until(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    number: usize,
    state: &State,
) -> bool {
    let mut bound = String::new();
    let mut read = Vec::new();
    loop {
        let (id, request, length) = match parse_tag(&read) {
            Ok((rest, tag)) if !read.is_empty() => {
                let (id, request) = parse(tag);
                (id, request, read.len() - rest.len())
            }
            _ => match stream.read_buf(&mut read).await {
                Ok(0) | Err(_) => return false,
                Ok(_) => continue,
            },
        };
        read.drain(..length);
        state.requests.lock().unwrap().push((number, request.clone()));
        let script = state.script.lock().unwrap().clone();
        let scripted = script.and_then(|script| script(&request));
        let start_tls = request == Request::StartTls && state.tls.is_some() && scripted.is_none();
        let replies = scripted.unwrap_or_else(|| state.answer(&request, &mut bound));
        for reply in replies {
            let bytes = match reply {
                Reply::Op(op) => message(id, op),
                Reply::Of(id, op) => message(id, op),
                Reply::Raw(bytes) => bytes,
                Reply::Close => return false,
            };
            if stream.write_all(&bytes).await.is_err() {
                return false;
            }
        }
        _ = stream.flush().await;
        if start_tls {
            return true;
        }
        if request == Request::Unbind {
            return false;
        }
    }
}

impl State {
    fn answer(&self, request: &Request, bound: &mut String) -> Vec<Reply> {
        match request {
            Request::Bind { dn, password } => {
                let entries = self.entries.lock().unwrap();
                let known = entries.iter().any(|entry| {
                    entry.dn == *dn && entry.password.as_ref().is_some_and(|right| right == password)
                });
                // As a server that takes a bind without a password for one of nobody, and grants it.
                let granted = known || password.is_empty();
                *bound = if known { dn.clone() } else { String::new() };
                vec![Reply::Op(result(1, if granted { 0 } else { 49 }, ""))]
            }
            Request::Search { base, scope, filter, attributes, size_limit } => {
                if bound != SERVICE {
                    return vec![Reply::Op(result(5, 50, ""))];
                }
                self.search(base, *scope, filter, attributes, *size_limit)
            }
            Request::StartTls if self.tls.is_some() => vec![Reply::Op(result(24, 0, ""))],
            Request::StartTls => vec![Reply::Op(result(24, 2, "unsupported extended operation"))],
            Request::Unbind => vec![],
        }
    }

    fn search(
        &self,
        base: &str,
        scope: u64,
        filter: &StructureTag,
        attributes: &[String],
        limit: u64,
    ) -> Vec<Reply> {
        let entries = self.entries.lock().unwrap();
        let dn = Dn::parse(base).unwrap();
        if !base.is_empty() && !entries.iter().any(|entry| Dn::parse(&entry.dn).unwrap() == dn) {
            return vec![Reply::Op(result(5, 32, ""))];
        }
        let mut replies = Vec::new();
        for found in entries.iter() {
            let name = Dn::parse(&found.dn).unwrap();
            let inside = if scope == 0 { name == dn } else { name.is_within(&dn) };
            if !inside || !matches(found, filter, &entries) {
                continue;
            }
            if limit > 0 && replies.len() as u64 == limit {
                replies.push(Reply::Op(result(5, 4, "")));
                return replies;
            }
            let wanted = |name: &&String| attributes.iter().any(|wanted| wanted.eq_ignore_ascii_case(name));
            let attributes: Vec<(&str, &Vec<String>)> = found
                .attributes
                .iter()
                .filter(|(name, _)| wanted(name))
                .map(|(name, values)| (name.as_str(), values))
                .collect();
            replies.push(Reply::Op(entry(&found.dn, &attributes)));
        }
        replies.push(Reply::Op(result(5, 0, "")));
        replies
    }
}
