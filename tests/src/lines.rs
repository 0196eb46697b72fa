//! The lines of a stream, read in the background so that a full pipe never stops the process that writes it.

use std::io::{BufRead, BufReader, Read};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::PATIENCE;

/// Lines as they come, and those that came already.
#[derive(Debug)]
pub struct Lines {
    // Shared with nobody; this makes whoever owns it shareable.
    incoming: Mutex<Receiver<String>>,
    seen: Vec<String>,
}

impl Lines {
    /// Starts to read a stream.
    #[must_use]
    pub fn of(stream: impl Read + Send + 'static) -> Self {
        let (sender, incoming) = channel();
        thread::spawn(move || {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            // Bytes, not text: a line that is not UTF-8 must not end the reading.
            while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                let text = String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned();
                if sender.send(text).is_err() {
                    break;
                }
                line.clear();
            }
        });
        Self { incoming: Mutex::new(incoming), seen: Vec::new() }
    }

    /// Waits for the first new line for which `found` answers with something.
    ///
    /// # Panics
    ///
    /// If the stream ends, or [`crate::PATIENCE`] does, before such a line; the message shows every line seen.
    pub fn wait_for<T>(&mut self, what: &str, mut found: impl FnMut(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let why = match self.incoming.get_mut().unwrap().recv_timeout(left) {
                Ok(line) => {
                    let result = found(&line);
                    self.seen.push(line);
                    match result {
                        Some(result) => return result,
                        None => continue,
                    }
                }
                Err(RecvTimeoutError::Timeout) => format!("no such line within {PATIENCE:?}"),
                Err(RecvTimeoutError::Disconnected) => "the output ended before".to_owned(),
            };
            panic!("waiting for {what}: {why}; the lines so far:\n{}", self.seen.join("\n"));
        }
    }

    /// Every line up to the end of the stream, those of the past included.
    ///
    /// # Panics
    ///
    /// If the stream does not end within [`crate::PATIENCE`].
    pub fn to_end(&mut self) -> &[String] {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self
                .incoming
                .get_mut()
                .unwrap()
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Disconnected) => return &self.seen,
                Err(RecvTimeoutError::Timeout) => {
                    panic!("the output did not end within {PATIENCE:?}:\n{}", self.seen.join("\n"))
                }
            }
        }
    }

    /// Whether the stream ends within this time.
    pub(crate) fn end_within(&mut self, span: Duration) -> bool {
        let deadline = Instant::now() + span;
        loop {
            match self
                .incoming
                .get_mut()
                .unwrap()
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(line) => self.seen.push(line),
                Err(error) => return error == RecvTimeoutError::Disconnected,
            }
        }
    }

    /// The lines that arrived up to now.
    pub fn so_far(&mut self) -> &[String] {
        self.seen.extend(self.incoming.get_mut().unwrap().try_iter());
        &self.seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_and_what_came_before_is_kept() {
        let mut lines = Lines::of("one\ntwo\r\nthree".as_bytes());
        assert_eq!(lines.wait_for("two", |line| (line == "two").then_some(2)), 2);
        assert_eq!(lines.to_end(), ["one", "two", "three"]);
    }

    #[test]
    #[should_panic(expected = "waiting for a fish: the output ended before; the lines so far:\none")]
    fn a_line_that_never_comes_fails_with_what_came_instead() {
        Lines::of("one\n".as_bytes()).wait_for("a fish", |line| (line == "fish").then_some(()));
    }
}
