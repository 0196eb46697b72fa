//! A service behind its door, on a real listener, and callers who write every byte themselves.

use std::{
    fmt::{self, Write as _},
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::Router;
use portcullis::{Auth, AuthLayer, Config, UnixTime, serve::Listener, serve::ListenerConfig};
use portcullis_testing::ManualClock;
use portcullis_tests::{TempDir, temp_dir};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tracing::{Subscriber, field::Visit};
use tracing_subscriber::{Layer, layer::Context, layer::SubscriberExt as _};

use crate::Line;

/// 2023-11-14T22:13:20Z.
pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

/// A service of Config.toml on a free port. It knows what time it is from `clock`.
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    pub(crate) auth: Auth,
    pub(crate) clock: ManualClock,
    pub(crate) log: Log,
    _folder: TempDir,
}

/// What a caller saw, and why it was so.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
    /// The reason in the log.
    pub(crate) reason: Option<String>,
}

impl Door {
    /// A service with these elements, as they stand in Config.toml, and these files beside it.
    pub(crate) async fn open(elements: &str, files: &[(&str, &[u8])]) -> Self {
        Self::open_at(&ManualClock::at(NOW), elements, files).await
    }

    /// With a clock that others have as well.
    pub(crate) async fn open_at(clock: &ManualClock, elements: &str, files: &[(&str, &[u8])]) -> Self {
        let log = Log::of_this_test();
        let folder = temp_dir();
        for (name, content) in files {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        let text = format!("[services.\"/\"]\nauth = [\n{elements}\n]\n");
        let config = Config::builder().clock(Arc::new(clock.clone())).parse(&text, folder.path());
        let config = config.unwrap_or_else(|error| panic!("{error}"));
        let auth = config.service("/").unwrap().build().await.unwrap();
        let listener = Listener::bind(&ListenerConfig::new(([127, 0, 0, 1], 0).into())).await.unwrap();
        let address = listener.local_addr();
        let app = Router::new().fallback(|| async { "inside" }).layer(AuthLayer::new(auth.clone()));
        tokio::spawn(listener.serve_with_shutdown(app, std::future::pending()));
        Self { address, auth, clock: clock.clone(), log, _folder: folder }
    }

    /// Shows a bearer token.
    pub(crate) async fn knock(&self, token: impl AsRef<[u8]>) -> Seen {
        self.send([b"Authorization: Bearer ", token.as_ref(), b"\r\n"].concat()).await
    }

    /// Sends a request with these header lines, as they are.
    pub(crate) async fn send(&self, lines: impl AsRef<[u8]>) -> Seen {
        self.log.reason();
        let mut seen = request(self.address, lines.as_ref()).await;
        seen.reason = self.log.reason();
        seen
    }

    /// Shows one token after the other, and holds what comes out against what is expected: a status, and the reason.
    pub(crate) async fn rows<W: fmt::Display, T: AsRef<[u8]>>(
        &self,
        line: &mut Line,
        rows: impl IntoIterator<Item = (W, T, &str)>,
    ) {
        let mut others = String::new();
        for (what, token, expected) in rows {
            let seen = self.knock(token).await.to_string();
            if seen != expected {
                writeln!(others, "{what}: {seen}, and not {expected}").unwrap();
            }
            line.came(what, seen);
        }
        assert!(others.is_empty(), "{others}");
    }
}

/// The request of whoever shows this token.
pub(crate) fn bearer(token: &str) -> Vec<u8> {
    format!("GET /orders HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n")
        .into_bytes()
}

/// Shows a bearer token at this address; the reason is not looked up.
pub(crate) async fn knock(address: SocketAddr, token: &str) -> Seen {
    request(address, format!("Authorization: Bearer {token}\r\n").as_bytes()).await
}

async fn request(address: SocketAddr, lines: &[u8]) -> Seen {
    let head = b"GET /orders HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let whole = [head, lines, b"\r\n"].concat();
    let mut answer = Vec::new();
    // A server that has read enough answers and closes before all is written.
    let (_, read) = tokio::join!(writer.write_all(&whole), reader.read_to_end(&mut answer));
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{read:?}: {answer}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.unwrap_or_else(|| panic!("{head}"));
    Seen { status, head: head.to_owned(), body: body.to_owned(), reason: None }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Some(reason) => write!(f, "{} {reason}", self.status),
            None => write!(f, "{}", self.status),
        }
    }
}

/// Everything that is logged on a test's thread, which is the only one of its runtime.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<Logged>>);

#[derive(Debug, Default)]
struct Logged {
    text: String,
    reason: Option<String>,
}

impl Log {
    pub(crate) fn of_this_test() -> Self {
        thread_local! {
            static LOG: (Log, tracing::subscriber::DefaultGuard) = {
                let log = Log::default();
                let subscriber = tracing_subscriber::registry().with(log.clone());
                (log, tracing::subscriber::set_default(subscriber))
            };
        }
        LOG.with(|(log, _)| log.clone())
    }

    /// The reason of the last refusal, if there was one since this was asked.
    pub(crate) fn reason(&self) -> Option<String> {
        self.0.lock().unwrap().reason.take()
    }

    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap().text.clone()
    }
}

impl<S: Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target().starts_with("portcullis") {
            let mut logged = self.0.lock().unwrap();
            event.record(&mut *logged);
            logged.text.push('\n');
        }
    }
}

impl Visit for Logged {
    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        write!(self.text, "{}={value} ", field.name()).unwrap();
        if field.name() == "reason" {
            self.reason = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        write!(self.text, "{}={value:?} ", field.name()).unwrap();
    }
}

/// Writes down one verdict, which is what is expected.
pub(crate) fn told(line: &mut Line, what: impl fmt::Display, seen: impl fmt::Display, expected: &str) {
    let seen = seen.to_string();
    assert_eq!(seen, expected, "{what}");
    line.came(what, seen);
}
