//! curl as the client: not written by us, so that it does not share our mistakes.

use std::ffi::{OsStr, OsString};
use std::process::{Command, Stdio};

use crate::PATIENCE;
use crate::tools::missing;

/// What a server answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// The protocol as curl names it: `HTTP/1.1`, `HTTP/2`.
    pub version: String,
    /// The status code.
    pub status: u16,
    /// The headers in the order they came, names as they came.
    pub headers: Vec<(String, String)>,
    /// The body; empty where curl was told to write it to a file.
    pub body: Vec<u8>,
}

impl Answer {
    /// Every value of a header, in order; the case of its name does not matter.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<&str> {
        let same = self.headers.iter().filter(|(header, _)| header.eq_ignore_ascii_case(name));
        same.map(|(_, value)| value.as_str()).collect()
    }

    /// The one value of a header, `None` where it is absent.
    ///
    /// # Panics
    ///
    /// If the header came more than once.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "`{name}` came more than once: {all:?}");
        all.first().copied()
    }

    /// The body as text.
    ///
    /// # Panics
    ///
    /// If it is not UTF-8.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is UTF-8")
    }
}

/// Why curl got no answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CurlFailure {
    /// curl's exit code, for instance 7 (nothing listens there), 35 (TLS handshake), 60 (certificate not trusted).
    pub code: Option<i32>,
    /// What it said.
    pub message: String,
}

/// Calls a server and answers with what it said, whatever the status.
///
/// The arguments are curl's own, without `-i`, `-D` and `-s`.
///
/// # Panics
///
/// If there is no answer. Where that is what the test expects, use [`try_curl`].
pub fn curl(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Answer {
    try_curl(arguments).unwrap_or_else(|failure| panic!("curl got no answer: {failure:?}"))
}

/// As [`curl`], for calls that may get no answer at all.
///
/// # Errors
///
/// curl's exit code and message.
///
/// # Panics
///
/// If curl is missing, or prints what is not HTTP.
pub fn try_curl(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<Answer, CurlFailure> {
    let arguments: Vec<OsString> =
        arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
    // Asked for a head alone, curl prints it as its output.
    let head_only = arguments.iter().any(|argument| argument == "-I" || argument == "--head");
    let head: &[&str] = if head_only { &[] } else { &["--dump-header", "-"] };
    // `-q` only counts as the first: no ~/.curlrc, and no proxy of the environment, decides what a test sees.
    let output = Command::new("curl")
        .args(["-q", "--noproxy", "*", "--silent", "--show-error"])
        .args(["--max-time", &PATIENCE.as_secs().to_string()])
        .args(head)
        .args(&arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{}", missing("curl", &error)));
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(CurlFailure { code: output.status.code(), message });
    }
    Ok(parse(&output.stdout))
}

fn parse(printed: &[u8]) -> Answer {
    let show = || String::from_utf8_lossy(&printed[..printed.len().min(500)]).into_owned();
    let end = printed
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap_or_else(|| panic!("curl printed no head: {}", show()));
    let (head, rest) = (String::from_utf8_lossy(&printed[..end]), &printed[end + 4..]);
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let version = first.next().unwrap_or_default().to_owned();
    let status = first.next().and_then(|code| code.parse().ok());
    let status: u16 = status.unwrap_or_else(|| panic!("curl printed no status: {}", show()));
    if (100..200).contains(&status) && status != 101 {
        // An interim answer: the final one follows.
        return parse(rest);
    }
    let headers = lines
        .map(|line| line.split_once(':').unwrap_or_else(|| panic!("not a header: {line}")))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    Answer { version, status, headers, body: rest.to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_apart_and_interim_ones_are_passed_over() {
        let answer = parse(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/2 401 \r\nA: 1\r\na:  2 \r\n\r\nbody\r\n\r\n");
        assert_eq!((answer.version.as_str(), answer.status), ("HTTP/2", 401));
        assert_eq!(answer.all("a"), ["1", "2"]);
        assert_eq!(answer.header("b"), None);
        assert_eq!(answer.text(), "body\r\n\r\n");
    }

    #[test]
    #[should_panic(expected = "`a` came more than once")]
    fn a_header_that_must_come_once_and_does_not_is_a_failure() {
        let _ = parse(b"HTTP/1.1 200 OK\r\na: 1\r\nA: 2\r\n\r\n").header("a");
    }

    #[test]
    fn no_answer_is_a_failure_with_the_code_of_curl() {
        // The port is free again, so nothing listens on it.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let failure = try_curl([format!("http://127.0.0.1:{port}/")]).unwrap_err();
        assert_eq!(failure.code, Some(7), "{failure:?}");
    }
}
