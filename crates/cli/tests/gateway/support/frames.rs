//! Bodies from frames.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

/// A stream of things that are at hand.
pub(crate) struct Frames<I>(I);

impl<I: Iterator> Frames<I> {
    pub(crate) fn of(items: impl IntoIterator<IntoIter = I>) -> Self {
        Self(items.into_iter())
    }
}

impl<I: Iterator + Unpin> futures_util::Stream for Frames<I> {
    type Item = I::Item;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<I::Item>> {
        Poll::Ready(self.0.next())
    }
}
