//! Servers and clients in other languages, as processes that end with the test, even where it is killed.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpSocket;

use crate::Lines;
use crate::tools::missing;

/// A process that says in JSON, a line at a time, what it does. It runs until this guard is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pub(crate) log: Lines,
}

impl Process {
    /// Starts it. Every program here ends with its input, so that not even a killed test leaves one behind.
    pub(crate) fn start(name: &str, mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}", missing(name, &error)));
        let log = Lines::of(child.stdout.take().unwrap());
        Self { child, log }
    }

    /// Waits until it says where it listens.
    pub(crate) fn address(&mut self) -> SocketAddr {
        self.log.wait_for("the server to listen", |line| {
            let value: Value = serde_json::from_str(line).ok()?;
            value["listening"].as_str()?.parse().ok()
        })
    }

    /// Its input.
    pub(crate) fn input(&mut self) -> &mut impl std::io::Write {
        self.child.stdin.as_mut().expect("the input is open while it runs")
    }

    /// Closes its input and gives it some time to clear up.
    pub(crate) fn end(&mut self) {
        drop(self.child.stdin.take());
        self.log.end_within(Duration::from_secs(5));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port of 127.0.0.1 that nobody else is given, so that a server can go away and come back on it.
#[derive(Debug)]
pub struct Place {
    // Bound and not listening: connecting is refused, the system gives the port to nobody, and a server that sets
    // SO_REUSEADDR, as Node and Python do, may listen on it.
    _socket: TcpSocket,
    address: SocketAddr,
}

impl Place {
    /// A free one.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn free() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let address = socket.local_addr().unwrap();
        Self { _socket: socket, address }
    }

    /// Where a server of this place listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_place_refuses_connections_and_may_be_listened_on_again_and_again() {
        let place = Place::free();
        for _ in 0..2 {
            assert!(TcpStream::connect(place.address()).is_err());
            // The standard library sets SO_REUSEADDR.
            let listener = TcpListener::bind(place.address()).unwrap();
            assert!(TcpStream::connect(place.address()).is_ok());
            drop(listener);
        }
    }

    #[test]
    #[should_panic(expected = "run cargo xtask test, which installs it")]
    fn a_missing_program_says_how_to_get_it() {
        let _ = Process::start("none", Command::new("portcullis-no-such-program"));
    }
}
