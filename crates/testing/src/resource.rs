//! A protected resource, as a client sees it.

use std::{
    collections::HashSet,
    fmt,
    ops::Deref,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use crate::server::{Bound, Call, TestServer, TestTls, lock, typed};

/// A protected resource in the test's own process, for tests of clients: it answers 200 to what it was told to accept, and 401 to
/// everything else, on every path.
///
/// Every method of [`TestServer`] works on it.
///
/// ```
/// use portcullis_testing::TestResource;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let orders = TestResource::start().await;
/// orders.accept("access-1");
/// // The client under test calls `orders.url()`; what it showed is here:
/// assert_eq!(orders.authorizations(), Vec::<Option<String>>::new());
/// # }
/// ```
pub struct TestResource {
    server: TestServer,
    state: Arc<State>,
}

type Accepts = Box<dyn Fn(&str) -> bool + Send + Sync>;

struct State {
    accepted: Mutex<HashSet<String>>,
    accepts: Mutex<Option<Accepts>>,
    challenge: Mutex<HeaderValue>,
}

impl TestResource {
    /// Starts one over plain http.
    ///
    /// # Panics
    ///
    /// If there is no free port.
    pub async fn start() -> Self {
        Self::on(Bound::new(None)).await
    }

    /// Starts one over https.
    ///
    /// # Panics
    ///
    /// If there is no free port.
    pub async fn start_https(tls: TestTls) -> Self {
        Self::on(Bound::new(Some(tls))).await
    }

    async fn on(bound: Bound) -> Self {
        let state = Arc::new(State {
            accepted: Mutex::default(),
            accepts: Mutex::default(),
            challenge: Mutex::new(HeaderValue::from_static("Bearer realm=\"test\", error=\"invalid_token\"")),
        });
        let answers = Arc::clone(&state);
        Self { server: bound.serve(move |call| answers.answer(call)).await, state }
    }

    /// The URL of one of its resources.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}/resource", self.server.origin())
    }

    /// From now on this bearer token is good.
    pub fn accept(&self, token: &str) {
        self.accept_authorization(&format!("Bearer {token}"));
    }

    /// From now on this value of `Authorization` is good, such as one of Basic.
    pub fn accept_authorization(&self, value: &str) {
        lock(&self.state.accepted).insert(value.to_owned());
    }

    /// From now on every bearer token is good of which this is true, beside those that were named.
    pub fn accept_if(&self, good: impl Fn(&str) -> bool + Send + Sync + 'static) {
        *lock(&self.state.accepts) = Some(Box::new(good));
    }

    /// From now on nothing is good.
    pub fn accept_nothing(&self) {
        lock(&self.state.accepted).clear();
        *lock(&self.state.accepts) = None;
    }

    /// `WWW-Authenticate` of its answers of 401. `Bearer realm="test", error="invalid_token"` unless given.
    ///
    /// # Panics
    ///
    /// If no header can hold it.
    pub fn challenge(&self, value: &str) {
        match HeaderValue::from_str(value) {
            Ok(value) => *lock(&self.state.challenge) = value,
            Err(error) => panic!("{value:?} is not a header's value: {error}"),
        }
    }

    /// Every request is answered with 307 and this `Location`, until [`recover`](TestServer::recover).
    ///
    /// # Panics
    ///
    /// If no header can hold it.
    pub fn redirect_to(&self, url: &str) {
        let answer = Response::builder().status(StatusCode::TEMPORARY_REDIRECT);
        match answer.header(header::LOCATION, url).body(Bytes::new()) {
            Ok(answer) => self.server.answer_with(answer),
            Err(error) => panic!("{url:?} is not a header's value: {error}"),
        }
    }

    /// What the requests so far showed in `Authorization`, in the order that they came in. Several lines of one request are joined by
    /// a comma (RFC 9110 §5.3).
    #[must_use]
    pub fn authorizations(&self) -> Vec<Option<String>> {
        self.server.calls().iter().map(shown).collect()
    }
}

fn shown(call: &Call) -> Option<String> {
    let lines = call.headers.get_all(header::AUTHORIZATION).into_iter();
    let lines: Vec<_> = lines.map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned()).collect();
    (!lines.is_empty()).then(|| lines.join(", "))
}

impl State {
    fn answer(&self, call: &Call) -> Response<Bytes> {
        let good = shown(call).is_some_and(|value| {
            let is_good = |token| lock(&self.accepts).as_ref().is_some_and(|accepts| accepts(token));
            lock(&self.accepted).contains(&value) || value.strip_prefix("Bearer ").is_some_and(is_good)
        });
        if good {
            return typed(StatusCode::OK, "text/plain", "hello");
        }
        let mut answer = typed(StatusCode::UNAUTHORIZED, "text/plain", "who are you?");
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, lock(&self.challenge).clone());
        answer
    }
}

impl Deref for TestResource {
    type Target = TestServer;

    fn deref(&self) -> &TestServer {
        &self.server
    }
}

impl fmt::Debug for TestResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestResource").field("server", &self.server).finish_non_exhaustive()
    }
}
