//! One request and the head of its answer, with a bound on silence.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
};
use http_body::Body as _;
use hyper::body::Incoming;
use portcullis_core::Clock;

use super::{connect::Client, failure::Failure};
use crate::gateway::body::{ClientBody, Outgoing};

/// How long the upstream may be silent before it answers. While a body is being sent, every part of it that
/// goes out starts the span anew; once the answer has begun it may take as long as it likes.
pub(super) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);

/// How far a request's body has come, told by the body while it is sent.
#[derive(Debug)]
pub(in crate::gateway) struct Progress {
    clock: Arc<dyn Clock>,
    /// When the body was last read, in milliseconds of the clock's monotonic scale.
    last: AtomicU64,
    waits_for_client: AtomicBool,
}

impl Progress {
    fn new(clock: &Arc<dyn Clock>) -> Self {
        let progress = Self {
            clock: Arc::clone(clock),
            last: AtomicU64::new(0),
            waits_for_client: AtomicBool::new(false),
        };
        progress.polled(false);
        progress
    }

    /// The body was asked for its next part, and had none yet or had.
    pub(in crate::gateway) fn polled(&self, is_pending: bool) {
        self.waits_for_client.store(is_pending, Ordering::Relaxed);
        if !is_pending {
            self.last.store(millis(self.clock.monotonic()), Ordering::Relaxed);
        }
    }

    fn silence(&self) -> Duration {
        let now = millis(self.clock.monotonic());
        Duration::from_millis(now.saturating_sub(self.last.load(Ordering::Relaxed)))
    }

    /// Who is late: the client with its body, or the upstream with its answer.
    fn late(&self) -> Failure {
        if self.waits_for_client.load(Ordering::Relaxed) {
            Failure::new(StatusCode::REQUEST_TIMEOUT, "the client sent no more of its body")
        } else {
            Failure::new(StatusCode::GATEWAY_TIMEOUT, "the upstream did not answer in time")
        }
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

pub(super) async fn exchange(
    client: &Client,
    clock: &Arc<dyn Clock>,
    request: Request<ClientBody>,
) -> Result<Response<Incoming>, Failure> {
    let progress = Arc::new(Progress::new(clock));
    let mut request = request.map(|body| Outgoing::new(body, Arc::clone(&progress)));
    frame(&mut request);
    let mut answer = pin!(client.request(request));
    let mut alarm = clock.sleep(RESPONSE_TIMEOUT);
    let response = poll_fn(|cx| {
        if let Poll::Ready(answered) = answer.as_mut().poll(cx) {
            return Poll::Ready(answered.map_err(|error| Failure::of(&error)));
        }
        while alarm.as_mut().poll(cx).is_ready() {
            match RESPONSE_TIMEOUT.checked_sub(progress.silence()) {
                None | Some(Duration::ZERO) => return Poll::Ready(Err(progress.late())),
                Some(rest) => alarm = clock.sleep(rest),
            }
        }
        Poll::Pending
    });
    response.await
}

/// Says how long the body is in the one way that is true of it, whatever the client's headers said.
fn frame(request: &mut Request<Outgoing>) {
    let length = request.body().size_hint().exact();
    let is_empty = request.body().is_end_stream();
    let is_bodiless = matches!(*request.method(), Method::GET | Method::HEAD);
    let headers = request.headers_mut();
    let had_length = headers.remove(CONTENT_LENGTH).is_some();
    match length {
        Some(length) if !is_empty || had_length => {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        // The HTTP library would drop the body of a GET whose length is not known in advance.
        None if is_bodiless && !is_empty => {
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        _ => {}
    }
}
