//! Servers in other languages that stand behind the gateway and say what reached them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use serde_json::Value;

use crate::PATIENCE;
use crate::server::Process;
use crate::tools::{node, script};

/// Python's `http.server`.
#[derive(Clone, Copy, Debug)]
pub struct PythonHttpServer;

impl PythonHttpServer {
    /// Starts one on a free port. It answers `GET …/bytes/N` with N bytes and everything else with 200 and what it received.
    ///
    /// # Panics
    ///
    /// If Python is missing.
    #[must_use]
    pub fn start() -> Upstream {
        let mut command = Command::new("python3");
        command.arg("-u").arg(script("python.py"));
        Upstream::start("python3", command)
    }
}

/// Express on Node.
#[derive(Clone, Copy, Debug)]
pub struct Express;

impl Express {
    /// Starts one on a free port with these routes, which it reads in its own way (case and a final slash do not matter to
    /// it). It answers as [`PythonHttpServer`] does; [`Request::route`] says which route was met.
    ///
    /// # Panics
    ///
    /// If Node or Express is missing.
    #[must_use]
    pub fn start(routes: &[&str]) -> Upstream {
        let mut command = node("express");
        command.arg(script("express.js")).args(routes);
        Upstream::start("node", command)
    }
}

/// A request as it reached an upstream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The request target exactly as it stood in the request line.
    pub target: String,
    /// `HTTP/1.1` or `HTTP/1.0`.
    pub version: String,
    /// The headers in the order they came, names as they came.
    pub headers: Vec<(String, String)>,
    /// The trailers likewise.
    pub trailers: Vec<(String, String)>,
    /// The length of the body.
    pub body_bytes: u64,
    /// The SHA-256 of the body, in lower-case hex.
    pub body_sha256: String,
    /// What the server took the path for: the route of Express that it met, if any; the file that Python would send, with
    /// escapes decoded and dot segments resolved.
    pub route: Option<String>,
}

impl Request {
    /// Every value of a header, in order; the case of its name does not matter.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<&str> {
        let same = self.headers.iter().filter(|(header, _)| header.eq_ignore_ascii_case(name));
        same.map(|(_, value)| value.as_str()).collect()
    }

    fn parse(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        let text = |key: &str| value[key].as_str().map(str::to_owned);
        let pairs = |key: &str| {
            let pair = |pair: &Value| Some((pair[0].as_str()?.to_owned(), pair[1].as_str()?.to_owned()));
            value[key].as_array()?.iter().map(pair).collect::<Option<Vec<_>>>()
        };
        Some(Self {
            method: text("method")?,
            target: text("target")?,
            version: text("version")?,
            headers: pairs("headers")?,
            trailers: pairs("trailers")?,
            body_bytes: value["body_bytes"].as_u64()?,
            body_sha256: text("body_sha256")?,
            route: text("route"),
        })
    }
}

/// A server that runs until this guard is dropped.
#[derive(Debug)]
pub struct Upstream {
    process: Process,
    address: SocketAddr,
    markers: u32,
}

impl Upstream {
    fn start(name: &str, command: Command) -> Self {
        let mut process = Process::start(name, command);
        let address = process.address();
        Self { process, address, markers: 0 }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as a URL without a path.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits for the next request that reaches it.
    ///
    /// # Panics
    ///
    /// If none does within [`crate::PATIENCE`].
    pub fn next_request(&mut self) -> Request {
        self.process.log.wait_for("a request to reach the upstream", Request::parse)
    }

    /// The requests that reached it since the last call of this or of [`Self::next_request`].
    ///
    /// A request of its own, sent past the gateway, marks the end: what was answered before this call is in the list, so
    /// that an empty one proves that nothing came through.
    ///
    /// # Panics
    ///
    /// If the server is gone.
    pub fn reached(&mut self) -> Vec<Request> {
        self.markers += 1;
        let marker = format!("/upstream-marker/{}", self.markers);
        let mut stream = TcpStream::connect(self.address).expect("the upstream runs");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {marker} HTTP/1.1\r\nHost: marker\r\nConnection: close\r\n\r\n").unwrap();
        stream.read_to_end(&mut Vec::new()).expect("the upstream answers");
        let mut requests = Vec::new();
        self.process.log.wait_for("the marker to reach the upstream", |line| {
            let request = Request::parse(line)?;
            if request.target == marker {
                return Some(());
            }
            requests.push(request);
            None
        });
        requests
    }
}
