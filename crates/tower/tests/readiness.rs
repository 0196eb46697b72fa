//! The readiness contract of tower: only a service that said it is ready is called.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod support;

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use http::{Request, Response, StatusCode};
use portcullis_core::Auth;
use portcullis_tower::AuthLayer;
use support::{ByToken, request};
use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use tower_test::mock::{self, Handle, Mock, Spawn};

type Requests = Handle<Request<()>, Response<()>>;
type Guarded = <AuthLayer as Layer<Mock<Request<()>, Response<()>>>>::Service;

fn guarded(provider: &ByToken) -> (Spawn<Guarded>, Requests) {
    let auth = Auth::builder().element(provider.clone(), "hello").build().unwrap();
    mock::spawn_layer(AuthLayer::new(auth))
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn readiness_is_that_of_the_inner_service() {
    let (mut service, mut requests) = guarded(&ByToken::default());
    requests.allow(0);
    assert!(service.poll_ready::<Request<()>>().is_pending());
    requests.allow(1);
    assert!(matches!(service.poll_ready::<Request<()>>(), Poll::Ready(Ok(()))));
    requests.send_error("broken");
    let Poll::Ready(Err(error)) = service.poll_ready::<Request<()>>() else { panic!("the error is told") };
    assert_eq!(error.to_string(), "broken");
}

#[tokio::test]
async fn a_request_that_is_let_in_at_once_is_the_one_that_was_allowed() {
    let (mut service, mut requests) = guarded(&ByToken::default());
    requests.allow(1);
    assert!(service.poll_ready::<Request<()>>().is_ready());
    let response = service.call(request::<()>("GET", "/x", "alice.hello"));
    let (seen, answer) = requests.next_request().await.unwrap();
    assert_eq!(seen.uri().path(), "/x");
    answer.send_response(Response::new(()));
    assert_eq!(response.await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_refusal_does_not_touch_the_inner_service_and_leaves_it_ready() {
    let (mut service, mut requests) = guarded(&ByToken::default());
    requests.allow(1);
    assert!(service.poll_ready::<Request<()>>().is_ready());
    let refused = service.call(request::<()>("GET", "/", "wrong")).await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert!(
        pin!(requests.next_request()).as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending()
    );
    assert!(service.poll_ready::<Request<()>>().is_ready(), "the allowance is still there");
}

#[tokio::test]
async fn while_an_element_is_waited_for_the_ready_service_goes_along_and_its_clone_is_not_ready() {
    let provider = ByToken::default();
    let (mut service, mut requests) = guarded(&provider);
    requests.allow(1);
    assert!(service.poll_ready::<Request<()>>().is_ready());
    let mut response = pin!(service.call(request::<()>("GET", "/slow", "slow-alice.hello")));
    assert!(poll(response.as_mut()).is_pending());
    requests.allow(0);
    assert!(service.poll_ready::<Request<()>>().is_pending(), "the one allowance went along");

    provider.open(1);
    assert!(poll(response.as_mut()).is_pending());
    let (seen, answer) = requests.next_request().await.unwrap();
    assert_eq!(seen.uri().path(), "/slow");
    answer.send_response(Response::new(()));
    assert_eq!(response.await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_caller_who_hangs_up_while_an_element_is_waited_for_gives_the_allowance_back() {
    let provider = ByToken::default();
    let (service, mut requests) = mock::pair::<Request<()>, Response<()>>();
    let auth = Auth::builder().element(provider, "hello").build().unwrap();
    let mut service =
        Spawn::new(ServiceBuilder::new().layer(AuthLayer::new(auth)).concurrency_limit(1).service(service));
    requests.allow(2);
    assert!(service.poll_ready::<Request<()>>().is_ready());
    let response = service.call(request::<()>("GET", "/", "slow-alice.hello"));
    assert!(service.poll_ready::<Request<()>>().is_pending(), "the one permit is taken");
    drop(response);
    assert!(service.poll_ready::<Request<()>>().is_ready(), "and given back");
}

/// Panics when it is called without having said that it is ready. A clone has not said so.
#[derive(Debug, Default)]
struct Strict {
    ready: bool,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl<B> Service<Request<B>> for Strict {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without being ready");
        ready(Ok(Response::new(())))
    }
}

const TOKENS: [(&str, u16); 4] =
    [("alice.hello", 200), ("slow-alice.hello", 200), ("wrong", 401), ("slow-wrong", 401)];

#[tokio::test]
async fn a_service_that_panics_when_called_unready_is_never_so_called() {
    let provider = ByToken::default();
    provider.open(100);
    let auth = Auth::builder().element(provider, "hello").build().unwrap();
    let mut service = AuthLayer::new(auth).layer(Strict::default());
    for _ in 0..3 {
        for (token, status) in TOKENS {
            let request = request::<()>("GET", "/", token);
            let response = ServiceExt::<Request<()>>::ready(&mut service).await.unwrap().call(request).await;
            assert_eq!(response.unwrap().status(), status, "{token}");
        }
    }
}

#[tokio::test]
async fn it_keeps_the_contract_inside_and_outside_of_buffers_and_limits() {
    let provider = ByToken::default();
    provider.open(1_000);
    let auth = Auth::builder().element(provider, "hello").build().unwrap();
    let service = ServiceBuilder::new()
        .buffer(4)
        .concurrency_limit(2)
        .layer(AuthLayer::new(auth))
        .concurrency_limit(1)
        .buffer(2)
        .service(Strict::default());
    let mut calls = tokio::task::JoinSet::new();
    for round in 0..20 {
        for (token, status) in TOKENS {
            let service = service.clone();
            calls.spawn(async move {
                let response = service.oneshot(request::<()>("GET", "/", token)).await.unwrap();
                assert_eq!(response.status(), status, "{token} in round {round}");
            });
        }
    }
    while let Some(done) = calls.join_next().await {
        done.unwrap();
    }
}
