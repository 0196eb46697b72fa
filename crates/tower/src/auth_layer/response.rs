//! How a refusal looks.

use http::{
    HeaderMap, HeaderValue, Response,
    header::{CONTENT_LENGTH, WWW_AUTHENTICATE},
    response::Parts,
};
use portcullis_core::{Protocol, Rejection};

/// Writes the body of refusals, for instance as problem details (RFC 9457).
///
/// Implemented for closures that take the rejection and the prepared head of the response and give a body:
///
/// ```
/// use http::{HeaderValue, header::CONTENT_TYPE, response::Parts};
/// use portcullis_core::{Auth, Rejection};
/// use portcullis_tower::AuthLayer;
///
/// # let auth = Auth::builder().public().build()?;
/// let layer = AuthLayer::new(auth).on_rejection(|rejection: &Rejection, head: &mut Parts| {
///     head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
///     format!(r#"{{"status":{}}}"#, rejection.status().as_u16())
/// });
/// # Ok::<_, portcullis_core::BuildError>(())
/// ```
///
/// The head comes with the status, the challenges, `Retry-After` and `content-type: text/plain`. Headers may be
/// added and replaced, but for two things which are the rejection's own whatever the hook does to them: the
/// status, and `WWW-Authenticate`. The [`Rejection`] stays in the response's extensions.
///
/// A gRPC service ([`Protocol::Grpc`]) has no use for a hook: what it answers is in the headers, all of which are the
/// rejection's own, and clients take a body for a message. A hook that serves both kinds leaves the body empty where
/// [`Rejection::protocol`] says so.
///
/// A closure that panics is logged, and the refusal is told without it: as prepared, with an empty body.
pub trait OnRejection<B> {
    /// The body of the refusal whose head is prepared in `head`.
    fn body(&self, rejection: &Rejection, head: &mut Parts) -> B;

    /// An empty body that stands in where [`OnRejection::body`] panics. `None` unless said otherwise: the panic then does to
    /// its request what a handler's does. Nobody is let in by it.
    fn spare_body(&self) -> Option<B> {
        None
    }

    /// An empty body, where it is that for every refusal and the head is to stay as it is: the hook is not asked further.
    fn empty_body(&self) -> Option<B> {
        None
    }
}

impl<F, B> OnRejection<B> for F
where
    F: Fn(&Rejection, &mut Parts) -> B,
    B: Default,
{
    fn body(&self, rejection: &Rejection, head: &mut Parts) -> B {
        self(rejection, head)
    }

    fn spare_body(&self) -> Option<B> {
        Some(B::default())
    }
}

/// Leaves the body of refusals empty: `content-length: 0`. What a layer does unless it is told otherwise.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "a name for doing nothing")]
pub struct EmptyBody;

impl<B: Default> OnRejection<B> for EmptyBody {
    fn body(&self, _: &Rejection, head: &mut Parts) -> B {
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        B::default()
    }

    fn empty_body(&self) -> Option<B> {
        Some(B::default())
    }
}

/// The response to a request that is not let in: for whoever refuses requests inside the layer, with
/// [`Admission::demand_caller`](portcullis_core::Admission::demand_caller), in a layer's way.
pub fn refuse<B, H: OnRejection<B>>(rejection: Rejection, hook: &H) -> Response<B> {
    if let Some(body) = hook.empty_body() {
        return without_hook(rejection, body);
    }
    let (mut head, ()) = Response::new(()).into_parts();
    head.status = rejection.response_status();
    rejection.write_headers(&mut head.headers);
    // Only the hook knows how long its body is.
    head.headers.remove(CONTENT_LENGTH);
    let body = match hook.spare_body() {
        None => hook.body(&rejection, &mut head),
        Some(spare) => match rejection.written(|| hook.body(&rejection, &mut head)) {
            Some(body) => body,
            // What the hook did to the head may be half of what it would have.
            None => return without_hook(rejection, spare),
        },
    };
    // Whatever the hook did, nobody is told that he got in, and everybody is told what would get him in.
    head.status = rejection.response_status();
    restore(&rejection, &mut head.headers);
    head.extensions.insert(rejection);
    Response::from_parts(head, body)
}

fn without_hook<B>(rejection: Rejection, empty: B) -> Response<B> {
    let mut response = Response::new(empty);
    *response.status_mut() = rejection.response_status();
    rejection.write_headers(response.headers_mut());
    response.extensions_mut().insert(rejection);
    response
}

/// Writes the headers that are the rejection's own once more.
fn restore(rejection: &Rejection, headers: &mut HeaderMap) {
    headers.remove(WWW_AUTHENTICATE);
    if rejection.protocol() == Protocol::Grpc {
        // There are no trailers, and so must be no body: a length of 0 would be right, and is not what gRPC servers send.
        headers.remove(CONTENT_LENGTH);
        rejection.write_headers(headers);
    } else {
        for challenge in rejection.challenges() {
            headers.append(WWW_AUTHENTICATE, challenge.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{Method, Request, StatusCode};
    use portcullis_core::{Auth, RequestHead, Step};

    use super::*;

    /// A 401 of a service that nobody gets into.
    fn rejection() -> Rejection {
        let auth = Auth::builder().refuse_uncovered().realm("r").build().unwrap();
        let request = Request::new(());
        match auth.decide(&RequestHead::new(&Method::GET, "/", request.headers())) {
            Step::Ready(Err(rejection)) => rejection,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn without_a_hook_the_body_is_empty_and_says_so() {
        let response: Response<String> = refuse(rejection(), &EmptyBody);
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()["content-length"], "0");
        assert_eq!(response.headers()["content-type"], "text/plain");
        assert_eq!(response.body(), "");
        assert_eq!(response.extensions().get::<Rejection>().unwrap().status(), StatusCode::UNAUTHORIZED);
    }

    #[test]
    fn a_hook_writes_the_body_and_cannot_let_anyone_in() {
        let hook = |rejection: &Rejection, head: &mut Parts| {
            assert!(!head.headers.contains_key(CONTENT_LENGTH));
            head.status = StatusCode::OK;
            head.headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"elsewhere\""));
            head.headers.insert("x-kind", HeaderValue::from_static(rejection.kind().as_str()));
            head.extensions.clear();
            "no"
        };
        let response = refuse(rejection(), &hook);
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(!response.headers().contains_key(WWW_AUTHENTICATE));
        assert_eq!(response.headers()["x-kind"], "no-credential");
        assert!(response.extensions().get::<Rejection>().is_some());
        assert_eq!(*response.body(), "no");
    }

    #[test]
    fn a_closure_that_panics_leaves_the_refusal_as_it_was_prepared() {
        let hook = |_: &Rejection, head: &mut Parts| -> String {
            head.status = StatusCode::OK;
            head.headers.clear();
            head.headers.insert("x-half", HeaderValue::from_static("done"));
            panic!("in a hook");
        };
        let response = refuse(rejection(), &hook);
        let untouched: Response<String> = refuse(rejection(), &EmptyBody);
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers(), untouched.headers());
        assert_eq!(response.extensions().get::<Rejection>().unwrap().status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.body(), "");
    }

    struct Plain;

    impl OnRejection<&'static str> for Plain {
        fn body(&self, _: &Rejection, _: &mut Parts) -> &'static str {
            panic!("in a hook")
        }
    }

    #[test]
    #[should_panic(expected = "in a hook")]
    fn a_hook_without_a_spare_body_panics_as_a_handler_does() {
        refuse(rejection(), &Plain);
    }
}
