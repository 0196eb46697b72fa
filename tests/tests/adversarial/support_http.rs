//! Services as their configuration describes them, in this process and as the program, and callers who write every byte
//! themselves.

use std::{
    fmt::{Display, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::Router;
use base64::{Engine, engine::general_purpose::STANDARD};
use portcullis::{AuthLayer, Clock, Config, Live, SystemClock, serve::Listener, serve::ListenerConfig};
use portcullis_testing::ManualClock;
use portcullis_tests::{Program, Running, TempDir, temp_dir, write};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
};

use crate::{
    Line,
    support::{Log, NOW, Seen},
};

/// A line whose verdicts are held against what the test expects, all of them at once.
pub struct Sheet {
    line: Line,
    others: String,
}

impl Sheet {
    pub fn new(number: u8, about: &str) -> Self {
        Self { line: Line::new(number, about), others: String::new() }
    }

    /// What was seen, and what has to be.
    pub fn row(&mut self, what: impl Display, seen: impl Display, expected: impl Display) {
        let (seen, expected) = (seen.to_string(), expected.to_string());
        if seen != expected {
            writeln!(self.others, "{what}: {seen}, and not {expected}").unwrap();
        }
        self.line.came(what, seen);
    }

    /// What has to be so.
    pub fn holds(&mut self, what: impl Display, holds: bool, told: &str) {
        self.row(what, if holds { told } else { "not so" }, told);
    }

    pub fn shown_by(&mut self, what: impl Display, test: &str) {
        self.line.shown_by(what, test);
    }

    pub fn settle(self) {
        assert!(self.others.is_empty(), "{}", self.others);
        self.line.settle();
    }
}

/// A service of a whole Config.toml at `/`, on a free port, which is followed where it changes.
pub struct Site {
    pub address: SocketAddr,
    pub live: Live,
    pub clock: ManualClock,
    pub log: Log,
    pub folder: TempDir,
}

impl Site {
    pub async fn open(text: &str) -> Self {
        Self::routed(text, Router::new().fallback(async || "inside")).await
    }

    /// With these routes behind the layer.
    pub async fn routed(text: &str, app: Router) -> Self {
        Self::of(&[], text, app, false).await
    }

    /// With the clock of the machine, where waiting has to end by itself.
    pub async fn ticking(text: &str, app: Router) -> Self {
        Self::of(&[], text, app, true).await
    }

    /// With files beside its configuration.
    pub async fn beside(files: &[(&str, &[u8])], text: &str, app: Router) -> Self {
        Self::of(files, text, app, false).await
    }

    async fn of(files: &[(&str, &[u8])], text: &str, app: Router, ticks: bool) -> Self {
        let log = Log::of_this_test();
        let folder = temp_dir();
        for (name, content) in files {
            write(&folder, name, content);
        }
        let file = write(&folder, "Config.toml", text);
        let clock = ManualClock::at(NOW);
        let own: Arc<dyn Clock> = if ticks { Arc::new(SystemClock::new()) } else { Arc::new(clock.clone()) };
        let live = Live::load_with(file, move || Config::builder().clock(Arc::clone(&own)));
        let live = live.unwrap_or_else(|error| panic!("{error}"));
        let auth = live.service("/").unwrap().build().await.unwrap();
        let address = serve(app.layer(AuthLayer::new(auth))).await;
        Self { address, live, clock, log, folder }
    }

    /// Sends a request with these header lines, as they are.
    pub async fn send(&self, lines: impl AsRef<[u8]>) -> Seen {
        self.send_from(Ipv4Addr::LOCALHOST, lines).await
    }

    /// From another address of this machine.
    pub async fn send_from(&self, from: Ipv4Addr, lines: impl AsRef<[u8]>) -> Seen {
        self.log.reason();
        let head = b"GET /orders HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
        let mut seen = raw_from(from, self.address, [head, lines.as_ref(), b"\r\n"].concat()).await;
        seen.reason = self.log.reason();
        seen
    }

    /// Sends a whole request as it is.
    pub async fn raw(&self, bytes: impl AsRef<[u8]>) -> Seen {
        self.log.reason();
        let mut seen = raw(self.address, bytes.as_ref()).await;
        seen.reason = self.log.reason();
        seen
    }

    pub async fn login(&self, user: &str, password: &str) -> Seen {
        self.send(basic(user, password)).await
    }
}

/// The header line of this user.
pub fn basic(user: &str, password: impl AsRef<[u8]>) -> String {
    let pair = [user.as_bytes(), b":", password.as_ref()].concat();
    format!("Authorization: Basic {}\r\n", STANDARD.encode(pair))
}

/// Serves routes on a free port.
pub async fn serve(app: Router) -> SocketAddr {
    let listener = Listener::bind(&ListenerConfig::new(([127, 0, 0, 1], 0).into())).await.unwrap();
    let address = listener.local_addr();
    tokio::spawn(listener.serve_with_shutdown(app, std::future::pending()));
    address
}

/// Writes these bytes, and reads until the server closes; they have to ask for that. A status of 0 is no answer.
pub async fn raw(address: SocketAddr, bytes: impl AsRef<[u8]>) -> Seen {
    raw_from(Ipv4Addr::LOCALHOST, address, bytes).await
}

pub async fn raw_from(from: Ipv4Addr, address: SocketAddr, bytes: impl AsRef<[u8]>) -> Seen {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((IpAddr::from(from), 0).into()).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let mut answer = Vec::new();
    let (_, _) = tokio::join!(writer.write_all(bytes.as_ref()), reader.read_to_end(&mut answer));
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Seen { status, head: head.to_owned(), body: body.to_owned(), reason: None }
}

/// The program in front of whatever its configuration says.
pub struct Gateway {
    pub address: SocketAddr,
    // Both end with the gateway.
    _running: Running,
    _folder: TempDir,
}

impl Gateway {
    /// Plain HTTP on a free port of this machine.
    pub fn start(text: &str) -> Self {
        let folder = temp_dir();
        let file = write(&folder, "Config.toml", format!("listener.address = \"127.0.0.1:0\"\n{text}"));
        let mut running = Program::new("portcullis").arg("serve").arg("--config").arg(file).start();
        let address = running.address();
        Self { address, _running: running, _folder: folder }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// The value of a header of an answer, if it came once.
pub fn header<'a>(seen: &'a Seen, name: &str) -> Option<&'a str> {
    let mut values = seen.head.lines().skip(1).filter_map(|line| {
        let (own, value) = line.split_once(':')?;
        own.eq_ignore_ascii_case(name).then(|| value.trim())
    });
    let first = values.next();
    assert!(values.next().is_none(), "{name} came twice: {}", seen.head);
    first
}

/// All there is of an answer but its date.
pub fn whole(seen: &Seen) -> String {
    let head: Vec<&str> =
        seen.head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("date:")).collect();
    format!("{}\n\n{}", head.join("\n"), seen.body)
}

/// Users of clear text, each with one scope.
pub fn users(users: &[(&str, &str, &str)]) -> String {
    let user = |(name, password, scope): &(&str, &str, &str)| {
        format!("[[auth.users]]\nusername = \"{name}\"\npassword = \"{password}\"\nscopes = \"{scope}\"\n")
    };
    users.iter().map(user).collect()
}
