//! A server of HTTP on loopback that remembers its requests and fails as a test says.

mod accept;
mod call;
mod hold;
mod tls;

use std::{
    collections::VecDeque,
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Response, StatusCode, header};
use tokio::sync::watch;

use self::accept::Listening;
pub(crate) use self::accept::Port;
pub(crate) use self::call::form_decoded;
pub use self::{call::Call, hold::Hold, tls::TestTls};

/// How long a test waits for anything: generous, because two busy cores are the normal case.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A server on a free port of 127.0.0.1: HTTP/1.1 and HTTP/2, with TLS where it is given one.
///
/// [`TestIssuer`](crate::TestIssuer), [`TestIntrospection`](crate::TestIntrospection),
/// [`TestTokenEndpoint`](crate::TestTokenEndpoint) and [`TestResource`](crate::TestResource) are servers of this kind: what
/// stands here works on each of them.
///
/// It remembers every request in full, and it fails in the ways that servers do: [it hangs](Self::hold),
/// [it is away](Self::go_down), [it answers errors](Self::fail_with). It runs on the runtime of the test that started
/// it, and ends when it is dropped.
///
/// ```
/// use http::{Response, StatusCode};
/// use portcullis_testing::TestServer;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let server = TestServer::start(|call| {
///     let status = if call.path() == "/here" { StatusCode::OK } else { StatusCode::NOT_FOUND };
///     Response::builder().status(status).body("an answer".into()).expect("a response")
/// })
/// .await;
/// // The code under test asks `server.origin()` …
/// assert_eq!(server.call_count(), 0);
/// # }
/// ```
pub struct TestServer {
    shared: Arc<Shared>,
    port: Port,
    tls: Option<TestTls>,
    listening: tokio::sync::Mutex<Option<Listening>>,
}

type Handler = Box<dyn Fn(&Call) -> Response<Bytes> + Send + Sync>;

struct Shared {
    handler: Handler,
    calls: Mutex<Vec<Call>>,
    /// Told of every request, after it stands in `calls`.
    arrived: watch::Sender<()>,
    /// How many guards hold the answers back.
    held: watch::Sender<usize>,
    /// Each is an answer to one request.
    next: Mutex<VecDeque<Response<Bytes>>>,
    forced: Mutex<Option<Response<Bytes>>>,
    connections: watch::Sender<usize>,
}

/// A port that is taken, by a server that does not answer yet.
pub(crate) struct Bound {
    port: Port,
    tls: Option<TestTls>,
}

impl Bound {
    pub(crate) fn new(tls: Option<TestTls>) -> Self {
        Self { port: Port::free(), tls }
    }

    pub(crate) fn origin(&self) -> String {
        origin(self.tls.as_ref(), self.port.address())
    }

    pub(crate) async fn serve(
        self,
        answer: impl Fn(&Call) -> Response<Bytes> + Send + Sync + 'static,
    ) -> TestServer {
        let shared = Shared {
            handler: Box::new(answer),
            calls: Mutex::default(),
            arrived: watch::Sender::default(),
            held: watch::Sender::default(),
            next: Mutex::default(),
            forced: Mutex::default(),
            connections: watch::Sender::default(),
        };
        let server = TestServer {
            shared: Arc::new(shared),
            port: self.port,
            tls: self.tls,
            listening: tokio::sync::Mutex::default(),
        };
        server.come_back().await;
        server
    }
}

/// The names that the certificates of tests are made for, and that a client may send plain http to.
fn origin(tls: Option<&TestTls>, address: SocketAddr) -> String {
    match tls {
        Some(_) => format!("https://localhost:{}", address.port()),
        None => format!("http://{address}"),
    }
}

impl TestServer {
    /// Starts a server that answers every request by `answer`.
    ///
    /// # Panics
    ///
    /// If there is no free port.
    pub async fn start(answer: impl Fn(&Call) -> Response<Bytes> + Send + Sync + 'static) -> Self {
        Bound::new(None).serve(answer).await
    }

    /// Starts one that speaks https.
    ///
    /// # Panics
    ///
    /// If there is no free port.
    pub async fn start_https(
        tls: TestTls,
        answer: impl Fn(&Call) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        Bound::new(Some(tls)).serve(answer).await
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// `http://127.0.0.1:PORT`, or `https://localhost:PORT`.
    #[must_use]
    pub fn origin(&self) -> String {
        origin(self.tls.as_ref(), self.address())
    }

    /// The certificate that clients have to trust, as PEM; `None` over plain http, or where the test brought its own.
    #[must_use]
    pub fn certificate_pem(&self) -> Option<&str> {
        self.tls.as_ref()?.certificate_pem()
    }

    /// The requests so far, in the order that they came in. Held and failed ones are among them.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.shared.calls).clone()
    }

    /// How many requests came in.
    #[must_use]
    pub fn call_count(&self) -> usize {
        lock(&self.shared.calls).len()
    }

    /// Waits until `count` requests have come in since the start.
    ///
    /// # Panics
    ///
    /// If they do not within a minute.
    pub async fn called(&self, count: usize) {
        self.wait_until(&format!("{count} requests"), |calls| calls.len() >= count).await;
    }

    pub(crate) async fn wait_until(&self, what: &str, reached: impl Fn(&[Call]) -> bool) {
        let mut arrived = self.shared.arrived.subscribe();
        let waiting = async {
            while !reached(&lock(&self.shared.calls)) {
                // The sender lives as long as this server.
                let _ = arrived.changed().await;
            }
        };
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            let calls: Vec<String> =
                self.calls().iter().map(|call| format!("{} {}", call.method, call.path())).collect();
            panic!("waited a minute for {what}; there came {calls:?}");
        }
    }

    /// How many connections were accepted. Fewer than requests where the client keeps them.
    #[must_use]
    pub fn connections(&self) -> usize {
        *self.shared.connections.borrow()
    }

    /// From now on requests are read and counted, and not answered, until the guard is released or dropped. Then each
    /// is answered as the server answers at that time.
    pub fn hold(&self) -> Hold {
        Hold::new(self.shared.held.clone())
    }

    /// Closes the port and every connection: connecting is refused. The port stays this server's.
    pub async fn go_down(&self) {
        if let Some(listening) = self.listening.lock().await.take() {
            listening.end().await;
        }
    }

    /// Listens again, on the same port.
    ///
    /// # Panics
    ///
    /// If the port was taken meanwhile, which only systems without `SO_REUSEPORT` permit.
    pub async fn come_back(&self) {
        let mut listening = self.listening.lock().await;
        if listening.is_none() {
            let tls = self.tls.as_ref().map(TestTls::acceptor);
            *listening = Some(Listening::start(self.port.listen(), tls, Arc::clone(&self.shared)));
        }
    }

    /// Every request is answered with this status and an empty body, until [`recover`](Self::recover).
    pub fn fail_with(&self, status: StatusCode) {
        let mut answer = Response::new(Bytes::new());
        *answer.status_mut() = status;
        self.answer_with(answer);
    }

    /// Every request is answered with this, until [`recover`](Self::recover): a redirect, a page of HTML, a
    /// `Retry-After`.
    pub fn answer_with(&self, answer: Response<impl Into<Bytes>>) {
        *lock(&self.shared.forced) = Some(answer.map(Into::into));
    }

    /// The next request is answered with this status and this text as JSON, and the one after it as ever. Several are given in
    /// order, before what [`answer_with`](Self::answer_with) says.
    pub fn answer_next(&self, status: StatusCode, body: impl Into<Bytes>) {
        self.answer_next_with(typed(status, "application/json", body));
    }

    /// As [`answer_next`](Self::answer_next), with headers of the test's own: `Retry-After`, `WWW-Authenticate`.
    pub fn answer_next_with(&self, answer: Response<impl Into<Bytes>>) {
        lock(&self.shared.next).push_back(answer.map(Into::into));
    }

    /// Takes back [`fail_with`](Self::fail_with), [`answer_with`](Self::answer_with), and what
    /// [`answer_next`](Self::answer_next) has left.
    pub fn recover(&self) {
        *lock(&self.shared.forced) = None;
        lock(&self.shared.next).clear();
    }
}

impl Shared {
    async fn answer(&self, call: Call) -> Response<Bytes> {
        lock(&self.calls).push(call.clone());
        self.arrived.send_replace(());
        let _ = self.held.subscribe().wait_for(|held| *held == 0).await;
        let next = lock(&self.next).pop_front();
        let forced = next.or_else(|| lock(&self.forced).clone());
        forced.unwrap_or_else(|| (self.handler)(&call))
    }
}

/// Shows what came in.
impl fmt::Debug for TestServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestServer")
            .field("origin", &self.origin())
            .field("calls", &self.call_count())
            .finish_non_exhaustive()
    }
}

pub(crate) fn json(status: StatusCode, value: &serde_json::Value) -> Response<Bytes> {
    typed(status, "application/json", value.to_string())
}

pub(crate) fn typed(status: StatusCode, content_type: &str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = status;
    match content_type.parse() {
        Ok(value) => answer.headers_mut().insert(header::CONTENT_TYPE, value),
        Err(error) => panic!("{content_type:?} is not a header's value: {error}"),
    };
    answer
}
