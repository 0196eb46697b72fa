//! The program while it serves.

use std::{
    io::{BufRead as _, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, ChildStderr, Command},
};

use super::Folder;

/// The program while it serves.
pub struct Serving {
    child: Child,
    stderr: BufReader<ChildStderr>,
    /// What it has said up to now, line by line.
    pub said: Vec<String>,
    pub address: SocketAddr,
}

impl Serving {
    pub fn start(folder: &Folder, arguments: &[&str]) -> Self {
        let mut child = folder.command().arg("serve").args(arguments).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = Vec::new();
        let address = loop {
            let mut line = String::new();
            assert!(stderr.read_line(&mut line).unwrap() > 0, "it ended: {said:?}");
            let url = line.split_once("listening on ").map(|(_, url)| url.to_owned());
            said.push(line.trim_end().to_owned());
            if let Some(url) = url {
                let (_, address) = url.split_once("://").unwrap();
                break address.trim_end_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
            }
        };
        Self { child, stderr, said, address }
    }

    /// Sends a request on a connection of its own; answers with the whole response.
    pub fn get(&self, path: &str, headers: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        exchange(&mut stream, path, headers)
    }

    /// Reads on until it says something.
    pub fn says(&mut self, text: &str) -> &str {
        while !self.said.iter().any(|line| line.contains(text)) {
            let mut line = String::new();
            assert!(self.stderr.read_line(&mut line).unwrap() > 0, "it ended: {:?}", self.said);
            self.said.push(line.trim_end().to_owned());
        }
        self.said.iter().find(|line| line.contains(text)).unwrap()
    }

    /// Asks it to end as an operator does.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Has it read its files anew, as an operator does.
    pub fn hang_up(&self) {
        self.signal("HUP");
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let kill = "kill -\"$1\" \"$2\"";
        assert!(Command::new("sh").args(["-c", kill, "sh", name, &id]).status().unwrap().success());
    }

    /// The same, and answers with its exit code and all that it said.
    pub fn end(mut self) -> (Option<i32>, String) {
        self.terminate();
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).unwrap();
        let code = self.child.wait().unwrap().code();
        (code, format!("{}\n{rest}", self.said.join("\n")))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a request and reads to the end of the connection.
pub fn exchange(stream: &mut (impl Read + Write), path: &str, headers: &str) -> String {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}
