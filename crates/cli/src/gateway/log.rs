//! What the gateway logs: paths without their queries, and never a header.

use std::time::Duration;

use http::{Method, Uri, request::Parts};
use portcullis_core::{Auth, Shown, TurnedAway};
use tracing::{Level, debug, info, level_filters::LevelFilter, warn};

use super::{Peer, reply::Refused, upstream::Failure, websocket::Closed};

const TARGET: &str = "portcullis::gateway";

/// A request that the gateway answers itself, whatever the policy says. Those who observe `auth`, the service in question
/// or any, are told as well.
pub(super) fn refused(auth: Option<&Auth>, method: &Method, uri: &Uri, peer: Option<Peer>, refused: Refused) {
    let (reason, status) = (refused.reason(), refused.status());
    if let Some(auth) = auth {
        let client = peer.map(|peer| peer.client.to_canonical());
        auth.tell_turned_away(&TurnedAway::new(reason, status, method, uri.path()).with_client(client));
    }
    info!(
        target: TARGET,
        kind = TurnedAway::OUTCOME,
        reason = reason.as_str(),
        status = status.as_u16(),
        method = %Shown::method(method),
        path = %Shown::path(uri.path()),
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
            method = %Shown::method(&self.method),
            path = %Shown::path(self.uri.path()),
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
                    method = %Shown::method(&self.method),
                    path = %Shown::path(self.uri.path()),
                    client = self.peer.map(|peer| tracing::field::display(peer.client)),
                    error = %failure.reason,
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
        let path = Shown::path(exchange.uri.path()).to_string();
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
