//! `portcullis serve` with a configuration of the test.

use std::net::SocketAddr;

use portcullis_tests::{Answer, Program, Running, TempDir, curl, temp_dir, write};

use crate::client::{Reply, get, get_all};

/// What serves at `/foo`, until this guard is dropped.
pub(crate) struct Gateway {
    running: Running,
    address: SocketAddr,
    folder: TempDir,
}

/// A configuration with this service.
pub(crate) fn config(service: &str) -> String {
    format!("[listener]\naddress = \"127.0.0.1:0\"\n\n[services.\"/foo\"]\n{service}\n")
}

impl Gateway {
    /// Starts it with the keys of its one service `/foo`, which answers a text.
    pub(crate) fn start(auth: &str) -> Self {
        Self::start_with(&config(&format!("respond = \"Hello, World!\"\nauth = [{auth}]")))
    }

    /// Starts it with a configuration.
    pub(crate) fn start_with(config: &str) -> Self {
        let folder = temp_dir();
        let file = write(&folder, "Config.toml", config);
        let mut running = Program::new("portcullis").args(["serve", "--config"]).arg(file).start();
        let address = running.address();
        Self { running, address, folder }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// By curl.
    pub(crate) fn ask(&self, token: &str) -> Answer {
        let header = write(&self.folder, "header", format!("Authorization: Bearer {token}"));
        curl(["-H", &format!("@{}", header.display()), &format!("http://{}/foo", self.address)])
    }

    /// By curl, the status alone.
    pub(crate) fn status(&self, token: &str) -> u16 {
        self.ask(token).status
    }

    pub(crate) async fn get(&self, token: &str) -> Reply {
        get(self.address, "/foo", token).await
    }

    /// All at the same time.
    pub(crate) async fn get_all(&self, tokens: impl IntoIterator<Item = String>) -> Vec<Reply> {
        get_all(self.address, "/foo", tokens).await
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

    /// Waits until it has asked its servers once by itself, as it does at the start: from then on every call is a request's.
    pub(crate) fn started(mut self, role: &str) -> Self {
        self.logged(&["portcullis::serve", "server", &format!("role=\"{role}\"")]);
        self
    }

    /// Stops it as an operator does, and answers with its whole log.
    pub(crate) fn stop(mut self) -> String {
        self.running.terminate();
        assert!(self.running.wait().success());
        self.running.stderr().to_end().join("\n")
    }
}
