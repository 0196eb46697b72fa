//! Services, and the requests that they get.

pub mod client;
pub mod growth;
pub mod ours;
#[cfg(feature = "peers")]
pub mod peers;
pub mod plain;
pub mod told;

use std::{fmt::Debug, future::poll_fn, marker::PhantomData, time::Duration};

use http::{HeaderValue, Request, Response, StatusCode, header::AUTHORIZATION};
use tokio::runtime::{Builder, Runtime};
use tower::Service;

use crate::fixtures::Fixtures;

/// What a case is made of.
pub struct Bench {
    pub fixtures: Fixtures,
    pub runtime: Runtime,
}

impl Bench {
    pub fn new(fixtures: Fixtures) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime starts");
        Self { fixtures, runtime }
    }

    /// Lets everything end that was begun for the first request, such as connections over which keys were fetched, so that
    /// it is not counted with one of the next.
    pub fn settle(&self) {
        // The clock of the runtime is known only within it.
        self.runtime.block_on(async { tokio::time::sleep(Duration::from_millis(100)).await });
    }
}

/// Something that costs.
pub trait Case: Send {
    /// Makes everything as it was before the first request.
    fn reset(&mut self, bench: &Bench);

    /// Serves `count` requests.
    fn run(&mut self, bench: &Bench, count: usize);
}

/// What stands in `Authorization`, one request after the other.
#[derive(Clone)]
pub struct Requests {
    values: Vec<HeaderValue>,
    path: &'static str,
}

impl Requests {
    /// Requests that show no credential.
    pub const fn without_credential() -> Self {
        Self { values: Vec::new(), path: "/" }
    }

    /// Requests with these tokens in turn.
    pub fn bearer<'t>(tokens: impl IntoIterator<Item = &'t String>) -> Self {
        Self::valued(tokens.into_iter().map(|token| format!("Bearer {token}")))
    }

    pub fn valued(values: impl IntoIterator<Item = String>) -> Self {
        let values = values.into_iter().map(|value| HeaderValue::try_from(value).expect("fit for a header"));
        Self { values: values.collect(), path: "/" }
    }

    pub const fn to(mut self, path: &'static str) -> Self {
        self.path = path;
        self
    }

    fn nth<B: Default>(&self, number: usize) -> Request<B> {
        let mut request = Request::new(B::default());
        if self.path != "/" {
            *request.uri_mut() = http::Uri::from_static(self.path);
        }
        if let Some(value) = self.values.get(number % self.values.len().max(1)) {
            // A clone shares the bytes, as the value that hyper hands over shares them with its buffer.
            request.headers_mut().insert(AUTHORIZATION, value.clone());
        }
        request
    }
}

/// A service that gets requests, with bodies of the type `B`.
pub struct Serving<S, M, B> {
    service: S,
    make: M,
    requests: Requests,
    expected: StatusCode,
    /// Whether every request comes once before anything is measured.
    warm: bool,
    served: usize,
    body: PhantomData<fn() -> B>,
}

impl<S, M, B> Serving<S, M, B>
where
    M: Fn(&Bench) -> S,
{
    /// The service that `make` makes, which answers every one of `requests` with 200.
    pub fn new(bench: &Bench, requests: Requests, make: M) -> Self {
        let (expected, body) = (StatusCode::OK, PhantomData);
        Self { service: make(bench), make, requests, expected, warm: false, served: 0, body }
    }

    /// With another status.
    pub const fn answering(mut self, expected: StatusCode) -> Self {
        self.expected = expected;
        self
    }
}

impl<S, M, B, R> Serving<S, M, B>
where
    S: Service<Request<B>, Response = Response<R>, Error: Debug> + Send,
    M: Fn(&Bench) -> S + Send,
    B: Default,
{
    /// Every request has been answered before.
    pub fn warm(mut self, bench: &Bench) -> Self {
        self.warm = true;
        self.fill(bench);
        self
    }

    fn fill(&mut self, bench: &Bench) {
        if self.warm {
            self.run(bench, self.requests.values.len().max(1));
            bench.settle();
        }
    }
}

impl<S, M, B, R> Case for Serving<S, M, B>
where
    S: Service<Request<B>, Response = Response<R>, Error: Debug> + Send,
    M: Fn(&Bench) -> S + Send,
    B: Default,
{
    fn reset(&mut self, bench: &Bench) {
        self.service = (self.make)(bench);
        self.served = 0;
        self.fill(bench);
    }

    fn run(&mut self, bench: &Bench, count: usize) {
        bench.runtime.block_on(async {
            for _ in 0..count {
                let request = self.requests.nth(self.served);
                self.served += 1;
                poll_fn(|cx| self.service.poll_ready(cx)).await.expect("the service is ready");
                let response = self.service.call(request).await.expect("the service answers");
                assert_eq!(response.status(), self.expected, "an answer that was not expected");
            }
        });
    }
}

/// Something that is no service.
pub struct Work<F>(pub F);

impl<F: FnMut(usize) + Send> Case for Work<F> {
    fn reset(&mut self, _: &Bench) {}

    fn run(&mut self, _: &Bench, count: usize) {
        (0..count).for_each(&mut self.0);
    }
}
