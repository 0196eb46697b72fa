//! Time that runs out.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

use portcullis_core::BoxFuture;

/// What `work` gives, or `None` where `alarm` goes off before.
pub(super) async fn within<F: Future>(mut alarm: BoxFuture<'static, ()>, work: F) -> Option<F::Output> {
    let mut work = pin!(work);
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => alarm.as_mut().poll(cx).map(|()| None),
    })
    .await
}
