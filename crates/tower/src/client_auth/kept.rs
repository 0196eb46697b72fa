//! A request as it is kept until its answer is there.

use std::{cell::RefCell, fmt};

use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};

/// What a request is made from again. Keeping it takes no allocation, once as many were kept before on the same thread.
pub struct KeptRequest<B> {
    head: Lent,
    body: B,
}

impl<B> KeptRequest<B> {
    #[inline]
    pub(super) fn new<T>(request: &Request<T>, body: B) -> Self {
        Self { head: Lent::of(request), body }
    }

    pub(super) fn restore<T>(mut self, body: impl FnOnce(B) -> T) -> Request<T> {
        let mut request = Request::new(body(self.body));
        let Some(head) = self.head.0.as_deref_mut() else { return request };
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
        request
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

/// A head that goes back, empty, to where it is dropped. It is there until then.
struct Lent(Option<Box<Head>>);

impl Lent {
    #[inline]
    fn of<T>(request: &Request<T>) -> Self {
        // The thread may be about to end.
        let ready = READY.try_with(|ready| ready.borrow_mut().pop()).ok().flatten();
        let mut head = ready.unwrap_or_default();
        head.line = Some(Line {
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            extensions: request.extensions().clone(),
        });
        head.headers.extend(request.headers().iter().map(|(name, value)| (name.clone(), value.clone())));
        Self(Some(head))
    }
}

impl Drop for Lent {
    #[inline]
    fn drop(&mut self) {
        let Some(mut head) = self.0.take() else { return };
        // What they hold may itself keep requests.
        head.line = None;
        head.headers.clear();
        if head.headers.capacity() > MOST_HEADERS {
            return;
        }
        // Whatever is left over is dropped.
        _ = READY.try_with(|ready| {
            let mut ready = ready.borrow_mut();
            if ready.len() < MOST_READY {
                ready.push(head);
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
        drop(kept);
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
