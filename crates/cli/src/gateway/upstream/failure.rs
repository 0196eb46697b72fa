//! Why an upstream gave no answer, and what the client is told.

use std::{error::Error, fmt::Write as _};

use http::StatusCode;
use hyper_util::client::legacy;

use super::connect::ConnectTimedOut;
use crate::gateway::body::ClientGone;

/// No answer from the upstream. The reason is for the log; the client gets the status alone.
#[derive(Debug)]
pub(in crate::gateway) struct Failure {
    pub(in crate::gateway) status: StatusCode,
    pub(in crate::gateway) reason: String,
}

impl Failure {
    pub(in crate::gateway) fn new(status: StatusCode, reason: &str) -> Self {
        Self { status, reason: reason.to_owned() }
    }

    pub(super) fn of(error: &legacy::Error) -> Self {
        Self { status: status(error), reason: causes(error) }
    }

    /// Whether the client is to blame, and not the upstream.
    pub(in crate::gateway) fn is_clients(&self) -> bool {
        self.status.is_client_error()
    }
}

fn status(error: &(dyn Error + 'static)) -> StatusCode {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<ConnectTimedOut>() {
            return StatusCode::GATEWAY_TIMEOUT;
        }
        if error.is::<ClientGone>() {
            return StatusCode::BAD_REQUEST;
        }
        cause = error.source();
    }
    StatusCode::BAD_GATEWAY
}

/// The error and its causes. None of them repeats a header or a body.
fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
