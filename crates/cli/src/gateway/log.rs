//! What the gateway logs: paths without their queries, and never a header.

use std::{fmt, time::Duration};

use http::{Method, Uri, request::Parts};
use tracing::{Level, debug, info, level_filters::LevelFilter, warn};

use super::{Peer, reply::Refused, upstream::Failure, websocket::Closed};

const TARGET: &str = "portcullis::gateway";

/// The longest part of a path that is logged, in bytes.
const SHOWN: usize = 256;

/// A path that cannot start a new line, colour a terminal, or fill a disk.
struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = 0;
        for character in self.0.chars() {
            if shown >= SHOWN {
                return f.write_str("…");
            }
            shown += character.len_utf8();
            write!(f, "{}", character.escape_debug())?;
        }
        Ok(())
    }
}

/// A request that the gateway answered before any policy was looked at.
pub(super) fn refused(method: &Method, uri: &Uri, peer: Option<Peer>, refused: Refused) {
    info!(
        target: TARGET,
        kind = refused.as_str(),
        status = refused.status().as_u16(),
        method = method.as_str(),
        path = %Shown(uri.path()),
        client = peer.map(|peer| tracing::field::display(peer.client)),
        remedy = refused.remedy(),
        "request not let in"
    );
}

/// A request whose answer is logged, however it is answered.
#[derive(Debug)]
pub(super) struct Answered {
    method: Method,
    uri: Uri,
    peer: Option<Peer>,
}

impl Answered {
    /// `None` where nobody listens. Subscribers are not asked: what their filters go by, only the event itself has.
    pub(super) fn of(parts: &Parts, peer: Option<Peer>) -> Option<Self> {
        let is_heard = Level::DEBUG <= LevelFilter::current();
        is_heard.then(|| Self { method: parts.method.clone(), uri: parts.uri.clone(), peer })
    }

    pub(super) fn tell(&self, status: http::StatusCode) {
        debug!(
            target: TARGET,
            status = status.as_u16(),
            method = self.method.as_str(),
            path = %Shown(self.uri.path()),
            client = self.peer.map(|peer| tracing::field::display(peer.client)),
            "request answered"
        );
    }
}

/// A request on its way upstream.
pub(super) struct Exchange<'a> {
    service: &'a str,
    method: Method,
    uri: Uri,
    peer: Option<Peer>,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(parts: &Parts, peer: Option<Peer>, service: &'a str) -> Self {
        Self { service, method: parts.method.clone(), uri: parts.uri.clone(), peer }
    }

    pub(super) fn failed(&self, failure: &Failure) {
        macro_rules! log {
            ($level:ident, $message:literal) => {
                $level!(
                    target: TARGET,
                    status = failure.status.as_u16(),
                    service = self.service,
                    method = self.method.as_str(),
                    path = %Shown(self.uri.path()),
                    client = self.peer.map(|peer| tracing::field::display(peer.client)),
                    reason = %failure.reason,
                    $message
                )
            };
        }
        if failure.is_clients() {
            log!(debug, "request not sent on to its end");
        } else {
            log!(warn, "no answer from the upstream");
        }
    }
}

/// A WebSocket, from its opening to its end.
#[derive(Debug)]
pub(super) struct Socket {
    service: String,
    path: String,
    peer: Option<Peer>,
}

impl Socket {
    pub(super) fn new(exchange: &Exchange<'_>) -> Self {
        let path = Shown(exchange.uri.path()).to_string();
        Self { service: exchange.service.to_owned(), path, peer: exchange.peer }
    }

    pub(super) fn opened(&self) {
        info!(
            target: TARGET,
            service = self.service,
            path = %self.path,
            client = self.peer.map(|peer| tracing::field::display(peer.client)),
            "a WebSocket was opened"
        );
    }

    pub(super) fn closed(&self, closed: &Closed, open: Duration) {
        info!(
            target: TARGET,
            service = self.service,
            path = %self.path,
            client = self.peer.map(|peer| tracing::field::display(peer.client)),
            by = %closed.by,
            code = closed.code,
            reason = closed.reason,
            seconds = open.as_secs_f64(),
            bytes_up = closed.up,
            bytes_down = closed.down,
            "a WebSocket was closed"
        );
    }

    /// One side hung up before it was open.
    pub(super) fn missed(&self, error: &hyper::Error) {
        debug!(
            target: TARGET,
            service = self.service,
            path = %self.path,
            client = self.peer.map(|peer| tracing::field::display(peer.client)),
            %error,
            "a WebSocket was not opened"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_shown_on_one_line_and_cut_off() {
        assert_eq!(Shown("/a\n\u{1b}[31mb").to_string(), "/a\\n\\u{1b}[31mb");
        let shown = Shown(&"a".repeat(10_000)).to_string();
        assert_eq!(shown.chars().count(), SHOWN + 1);
    }
}
