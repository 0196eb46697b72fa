//! Requests by the thousand, each on a connection of its own: curl would be a thousand processes.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use portcullis_tests::PATIENCE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// An answer, as far as these tests look at it.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// The head, names as they came.
    pub(crate) head: String,
    pub(crate) took: Duration,
}

impl Reply {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// A GET with this bearer token; the connection ends with it.
pub(crate) async fn get(address: SocketAddr, path: &str, token: &str) -> Reply {
    let start = Instant::now();
    let asking = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        answer
    };
    let answer = tokio::time::timeout(PATIENCE, asking).await.expect("the product answers");
    let answer = String::from_utf8_lossy(&answer);
    let head = answer.split("\r\n\r\n").next().unwrap_or_default().to_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.unwrap_or_else(|| panic!("no answer but {answer:?}"));
    Reply { status, head, took: start.elapsed() }
}

/// All of these tokens at the same time; the replies in the same order.
pub(crate) async fn get_all(
    address: SocketAddr,
    path: &str,
    tokens: impl IntoIterator<Item = String>,
) -> Vec<Reply> {
    let mut asking = JoinSet::new();
    for (place, token) in tokens.into_iter().enumerate() {
        let path = path.to_owned();
        asking.spawn(async move { (place, get(address, &path, &token).await) });
    }
    let mut replies = asking.join_all().await;
    replies.sort_by_key(|(place, _)| *place);
    replies.into_iter().map(|(_, reply)| reply).collect()
}

/// How many replies there were of each status.
pub(crate) fn tally(replies: &[Reply]) -> Vec<(u16, usize)> {
    let mut counts = std::collections::BTreeMap::new();
    for reply in replies {
        *counts.entry(reply.status).or_default() += 1;
    }
    counts.into_iter().collect()
}

/// Asks until the answer has this status, within [`PATIENCE`]; the answers before it.
pub(crate) async fn until(address: SocketAddr, path: &str, token: &str, status: u16) -> Vec<Reply> {
    let deadline = Instant::now() + PATIENCE;
    let mut before = Vec::new();
    loop {
        let reply = get(address, path, token).await;
        if reply.status == status {
            return before;
        }
        before.push(reply);
        assert!(Instant::now() < deadline, "still {:?} instead of {status}", tally(&before));
    }
}
