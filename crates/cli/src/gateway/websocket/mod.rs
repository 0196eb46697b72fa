//! WebSockets on their way through: opened by a decision like any other, closed when what it rests on ends.
//!
//! | what happens | what the two sides get |
//! |---|---|
//! | the caller's credential expires or is revoked | Close 1008, behind the frame that is on its way |
//! | it cannot be checked any longer | Close 1013 |
//! | a new configuration would not let the caller in, or not take the client's certificate | Close 1008 |
//! | the gateway stops | Close 1001 |
//! | that frame, or the Close frame, takes longer than 1 s | its receiver is cut off |
//! | the answer to the Close frame takes longer than 2 s in all | both are cut off |
//! | one side hangs up | the other gets what is left, and 5 s to do the same |
//! | one side sends what is no frame | both are cut off |
//!
//! A WebSocket on which nothing is said stays open. Nothing is read from one side while the other takes nothing, and no
//! more than 16 KiB of each direction are held then.

mod frames;
#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing;
mod handshake;
mod lane;
#[cfg(test)]
mod tests;
mod tunnel;

use std::{future::pending, sync::Arc};

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use portcullis_axum::serve::{Stop, Stopping};
use portcullis_core::{Clock, Ended, Lease};

use self::tunnel::Farewell;
pub(super) use self::{
    handshake::{Asked, Ours, VERSION, read},
    tunnel::Closed,
};
use super::log;

/// RFC 6455 §7.4.1: 1001, "going away".
const STOPPING: Farewell = Farewell { code: 1001, reason: "the gateway is stopping" };

/// A WebSocket that both sides agreed on.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) client: OnUpgrade,
    pub(super) upstream: OnUpgrade,
    /// How long the caller may stay.
    pub(super) lease: Lease,
    /// Where the listener tells that it stops. It waits until this is dropped.
    pub(super) stopping: Option<Stopping>,
    /// Masks the Close frame to the upstream.
    pub(super) mask: [u8; 4],
    pub(super) clock: Arc<dyn Clock>,
    pub(super) log: log::Socket,
}

impl Opening {
    /// Serves it from the moment that the client has its answer; in a task of its own, since the request is then done.
    pub(super) fn start(self) {
        tokio::spawn(self.serve());
    }

    async fn serve(self) {
        let Self { client, upstream, lease, mut stopping, mask, clock, log } = self;
        let (client, upstream) = match tokio::try_join!(client, upstream) {
            Ok(both) => both,
            Err(error) => return log.missed(&error),
        };
        log.opened();
        let begun = clock.monotonic();
        let until = until(lease, stopping.as_mut());
        let closed = tunnel::run(TokioIo::new(client), TokioIo::new(upstream), until, mask, &clock).await;
        log.closed(&closed, clock.monotonic().saturating_sub(begun));
    }
}

/// Completes once the gateway has to close a WebSocket.
async fn until(lease: Lease, stopping: Option<&mut Stopping>) -> Farewell {
    let stopped = async {
        match stopping {
            Some(stopping) => stopping.stopped().await,
            None => pending().await,
        }
    };
    tokio::select! {
        ended = lease.clone().ended() => Farewell { code: ended.close_code(), reason: ended.reason() },
        stop = stopped => match stop {
            Stop::Certificate => {
                lease.tell_withdrawn();
                Farewell { code: Ended::Withdrawn.close_code(), reason: Ended::Withdrawn.reason() }
            }
            _ => STOPPING,
        },
    }
}
