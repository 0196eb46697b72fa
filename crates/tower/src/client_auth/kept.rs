//! A request as it is kept until its answer is there.

use std::{cell::RefCell, fmt, mem};

use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};

/// What a request is made from again. Keeping it takes no allocation, once as many were kept before on the same thread, and
/// [released](super::Replay::release).
pub struct KeptRequest<B> {
    /// It goes from its thread's list to a request and back, and is never moved. Whoever drops it as it is drops the box.
    head: Box<Head>,
    body: B,
}

impl<B> KeptRequest<B> {
    #[inline]
    pub(super) fn new<T>(request: &Request<T>, body: B) -> Self {
        Self { head: Head::of(request), body }
    }

    pub(super) fn restore<T>(mut self, body: impl FnOnce(B) -> T) -> Request<T> {
        let mut request = Request::new(body(self.body));
        let head = &mut *self.head;
        if let Some(line) = head.line.take() {
            *request.method_mut() = line.method;
            *request.uri_mut() = line.uri;
            *request.version_mut() = line.version;
            *request.extensions_mut() = line.extensions;
        }
        // Values of one name take no place of their own: there may be more of them than a map has places.
        *request.headers_mut() = HeaderMap::try_with_capacity(head.headers.len() + 1).unwrap_or_default();
        for (name, value) in head.headers.drain(..) {
            request.headers_mut().append(name, value);
        }
        self.head.release();
        request
    }

    /// Gives back what others can be kept in.
    #[inline]
    pub(super) fn release(self) {
        self.head.release();
    }
}

/// Everything but the body. The headers are a list, which costs less to fill and to clear than another map: nearly always
/// that is all that happens to it.
#[derive(Default)]
struct Head {
    line: Option<Line>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

struct Line {
    method: Method,
    uri: Uri,
    version: Version,
    extensions: Extensions,
}

/// How many heads a thread has ready at most, and for how many headers: a third of a megabyte.
const MOST_READY: usize = 128;
const MOST_HEADERS: usize = 32;

/// A box goes from here to a request and back: its head is never moved.
type Ready = RefCell<Vec<Box<Head>>>;

thread_local! {
    /// Empty ones.
    static READY: Ready = const { RefCell::new(Vec::new()) };
}

impl Head {
    /// In a box of this thread's list, where there is one.
    #[inline]
    fn of<T>(request: &Request<T>) -> Box<Self> {
        // The thread may be about to end.
        let ready = READY.try_with(|ready| ready.borrow_mut().pop()).ok().flatten();
        let mut head = ready.unwrap_or_default();
        let line = Line {
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            extensions: request.extensions().clone(),
        };
        // There was none: nothing has to be dropped, and so it is not looked for.
        mem::forget(head.line.replace(line));
        head.headers.extend(request.headers().iter().map(|(name, value)| (name.clone(), value.clone())));
        head
    }

    /// Puts it, empty, on the list of the thread on which the answer came.
    #[inline]
    fn release(mut self: Box<Self>) {
        // What they hold may itself keep requests.
        self.line = None;
        self.headers.clear();
        if self.headers.capacity() > MOST_HEADERS {
            return;
        }
        // Whatever is left over is dropped.
        _ = READY.try_with(|ready| {
            let mut ready = ready.borrow_mut();
            if ready.len() < MOST_READY {
                ready.push(self);
            }
        });
    }
}

/// Shows neither URL nor headers: they may hold secrets.
impl<B> fmt::Debug for KeptRequest<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptRequest").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_that_rest_hold_nothing_and_are_neither_many_nor_large() {
        let request = |headers: usize| {
            let mut request = Request::get("https://orders.example/canary").extension("canary");
            for header in 0..headers {
                request = request.header(format!("x-{header}"), "canary");
            }
            request.body(()).unwrap()
        };
        let kept: Vec<_> = (0..300).map(|number| KeptRequest::new(&request(number % 40), ())).collect();
        kept.into_iter().for_each(KeptRequest::release);
        READY.with(|ready| {
            let ready = ready.borrow();
            assert_eq!(ready.len(), MOST_READY);
            for head in &*ready {
                assert!(head.line.is_none() && head.headers.is_empty());
                assert!(head.headers.capacity() <= MOST_HEADERS);
            }
        });
    }
}
