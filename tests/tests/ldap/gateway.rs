//! `portcullis serve` with a configuration of the test.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use portcullis_tests::{Answer, PATIENCE, Program, Running, TempDir, curl, temp_dir, write};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::service::basic;

/// What serves at `/foo`, until this guard is dropped.
pub(crate) struct Gateway {
    running: Running,
    address: SocketAddr,
    folder: TempDir,
}

/// A configuration with this element.
pub(crate) fn config(element: &str) -> String {
    // Right and wrong passwords come from one address here, and all of them are to reach the directory.
    format!(
        "[listener]\naddress = \"127.0.0.1:0\"\n\n[services.\"/foo\"]\nrespond = \"Hello, World!\"\nthrottle = false\nauth = [{element}]\n"
    )
}

impl Gateway {
    pub(crate) fn start(element: &str) -> Self {
        let folder = temp_dir();
        let file = write(&folder, "Config.toml", config(element));
        let mut running = Program::new("portcullis").args(["serve", "--config"]).arg(file).start();
        let address = running.address();
        Self { running, address, folder }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    fn url(&self) -> String {
        format!("http://{}/foo", self.address)
    }

    /// By curl, without credentials.
    pub(crate) fn ask(&self) -> Answer {
        curl([self.url()])
    }

    /// By curl.
    pub(crate) fn login(&self, user: &str, password: &str) -> Answer {
        let header = format!("Authorization: {}", basic(user, password));
        let header = write(&self.folder, "header", header);
        curl(["-H", &format!("@{}", header.display()), &self.url()])
    }

    /// By curl, the status alone.
    pub(crate) fn status(&self, user: &str, password: &str) -> u16 {
        self.login(user, password).status
    }

    /// Waits for a line of its log with all of these words in it, if there is none yet.
    pub(crate) fn logged(&mut self, words: &[&str]) -> String {
        let has_all = |line: &str| words.iter().all(|word| line.contains(word)).then(|| line.to_owned());
        let stderr = self.running.stderr();
        if let Some(line) = stderr.so_far().iter().find_map(|line| has_all(line)) {
            return line;
        }
        stderr.wait_for(&format!("the log to say {words:?}"), has_all)
    }

    /// Stops it as an operator does, and answers with its whole log.
    pub(crate) fn stop(mut self) -> String {
        self.running.terminate();
        assert!(self.running.wait().success());
        self.running.stderr().to_end().join("\n")
    }
}

/// The status of an answer and how long it took, on a connection of its own: curl would be a process each.
pub(crate) async fn get(address: SocketAddr, authorization: &str) -> (u16, Duration) {
    let start = Instant::now();
    let asking = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!(
            "GET /foo HTTP/1.1\r\nHost: {address}\r\nAuthorization: {authorization}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        answer
    };
    let answer = tokio::time::timeout(PATIENCE, asking).await.expect("the product answers");
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("no answer but {answer:?}")), start.elapsed())
}
