//! A WebSocket server that knows nothing of portcullis.

use std::net::SocketAddr;

use serde_json::Value;

use crate::server::Process;
use crate::tools::{node, script};

/// `ws` on Node, which echoes what it is sent and says what reached it.
#[derive(Debug)]
pub struct WebSocketEcho {
    process: Process,
    address: SocketAddr,
}

impl WebSocketEcho {
    /// Starts one on a free port. `big` is answered with a megabyte, `ping` with a ping, `flood` with messages without an end; all
    /// else comes back. It selects the first protocol that is offered.
    ///
    /// # Panics
    ///
    /// If Node or ws is missing.
    #[must_use]
    pub fn start() -> Self {
        let mut command = node("ws");
        command.arg(script("websocket/echo.js"));
        let mut process = Process::start("node", command);
        let address = process.address();
        Self { process, address }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for the next event of this name, and answers with what it says: `upgrade` (an object with `target` and `headers`),
    /// `message` (its text), `pong` (likewise), `close` (its code).
    ///
    /// # Panics
    ///
    /// If none comes within [`crate::PATIENCE`].
    pub fn next(&mut self, event: &str) -> Value {
        self.process.log.wait_for(&format!("`{event}`"), |line| {
            let mut value: Value = serde_json::from_str(line).ok()?;
            value.get_mut(event).map(Value::take)
        })
    }

    /// Every line that it printed so far, to look for what must not be there.
    pub fn so_far(&mut self) -> String {
        self.process.log.so_far().join("\n")
    }
}
