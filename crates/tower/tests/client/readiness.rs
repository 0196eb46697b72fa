//! The readiness contract of tower: only a service that said it is ready is called, the second time, too.

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use http::{Request, Response, StatusCode, header::AUTHORIZATION};
use portcullis_core::TokenSource;
use portcullis_tower::{
    ClientAuth, ClientAuthLayer, ClientAuthService, SendError, client_auth::ReplayCloned,
};
use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use tower_test::mock::{self, Handle, Mock, Spawn};

use crate::tokens::Tokens;

type Requests = Handle<Request<()>, Response<()>>;
type Client = ClientAuthService<Mock<Request<()>, Response<()>>, ReplayCloned>;

fn layer(source: impl TokenSource) -> ClientAuthLayer<ReplayCloned> {
    let auth = ClientAuth::builder(source).url("https://orders.example").build().unwrap();
    ClientAuthLayer::new(auth).replay_cloned()
}

fn client(tokens: &Tokens) -> (Spawn<Client>, Requests) {
    mock::spawn_layer(layer(tokens.clone()))
}

fn request(path: &str) -> Request<()> {
    Request::get(format!("https://orders.example{path}")).body(()).unwrap()
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn refusal() -> Response<()> {
    Response::builder().status(401).body(()).unwrap()
}

async fn expect(requests: &mut Requests, token: &str, answer: Response<()>) {
    let (request, respond) = requests.next_request().await.unwrap();
    assert_eq!(request.headers()[AUTHORIZATION], token);
    respond.send_response(answer);
}

#[tokio::test]
async fn readiness_is_that_of_the_inner_service() {
    let (mut service, mut requests) = client(&Tokens::at_hand(1));
    requests.allow(0);
    assert!(service.poll_ready::<Request<()>>().is_pending());
    requests.allow(1);
    assert!(matches!(service.poll_ready::<Request<()>>(), Poll::Ready(Ok(()))));
    requests.send_error("broken");
    let Poll::Ready(Err(SendError::Service(error))) = service.poll_ready::<Request<()>>() else {
        panic!("the error is told")
    };
    assert_eq!(error.to_string(), "broken");
}

#[tokio::test]
async fn a_credential_at_hand_goes_to_the_service_that_was_allowed() {
    let (mut service, mut requests) = client(&Tokens::at_hand(1));
    requests.allow(1);
    assert!(service.poll_ready::<Request<()>>().is_ready());
    let response = service.call(request("/x"));
    expect(&mut requests, "Bearer token-1", Response::new(())).await;
    assert_eq!(response.await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_request_that_is_not_sent_leaves_the_service_ready() {
    let (mut service, mut requests) = client(&Tokens::at_hand(1));
    requests.allow(1);
    assert!(service.poll_ready::<Request<()>>().is_ready());
    let error = service.call(Request::get("https://evil.example").body(()).unwrap()).await.unwrap_err();
    assert!(matches!(error, SendError::Auth(_)));
    assert!(poll(pin!(requests.next_request())).is_pending());
    assert!(service.poll_ready::<Request<()>>().is_ready(), "the allowance is still there");
}

#[tokio::test]
async fn while_the_credential_is_waited_for_the_ready_service_goes_along_and_its_clone_is_not_ready() {
    let tokens = Tokens::slow(1);
    let (mut service, mut requests) = client(&tokens);
    requests.allow(1);
    assert!(service.poll_ready::<Request<()>>().is_ready());
    let mut response = pin!(service.call(request("/")));
    assert!(poll(response.as_mut()).is_pending());
    requests.allow(0);
    assert!(service.poll_ready::<Request<()>>().is_pending(), "the one allowance went along");
    tokens.open(1);
    assert!(poll(response.as_mut()).is_pending());
    expect(&mut requests, "Bearer token-1", Response::new(())).await;
    assert_eq!(response.await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn whoever_goes_away_while_the_credential_is_waited_for_gives_the_allowance_back() {
    let (service, mut requests) = mock::pair::<Request<()>, Response<()>>();
    let service = ServiceBuilder::new().layer(layer(Tokens::slow(1))).concurrency_limit(1).service(service);
    let mut service = Spawn::new(service);
    requests.allow(2);
    assert!(service.poll_ready::<Request<()>>().is_ready());
    let response = service.call(request("/"));
    assert!(service.poll_ready::<Request<()>>().is_pending(), "the one permit is taken");
    drop(response);
    assert!(service.poll_ready::<Request<()>>().is_ready(), "and given back");
}

#[tokio::test]
async fn the_second_request_waits_until_the_service_is_ready_again() {
    let tokens = Tokens::at_hand(2);
    let (mut service, mut requests) = client(&tokens);
    requests.allow(1);
    assert!(service.poll_ready::<Request<()>>().is_ready());
    let mut response = pin!(service.call(request("/")));
    expect(&mut requests, "Bearer token-1", refusal()).await;
    requests.allow(0);
    assert!(poll(response.as_mut()).is_pending());
    assert_eq!(tokens.fetched(), 1);
    assert!(poll(pin!(requests.next_request())).is_pending(), "it is not called unready");
    requests.allow(1);
    assert!(poll(response.as_mut()).is_pending());
    expect(&mut requests, "Bearer token-2", Response::new(())).await;
    assert_eq!(response.await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_service_that_breaks_before_the_second_request_is_the_error() {
    let tokens = Tokens::at_hand(2);
    let (mut service, mut requests) = client(&tokens);
    requests.allow(1);
    assert!(service.poll_ready::<Request<()>>().is_ready());
    let response = service.call(request("/"));
    expect(&mut requests, "Bearer token-1", refusal()).await;
    requests.send_error("broken");
    let Err(SendError::Service(error)) = response.await else { panic!("the error is told") };
    assert_eq!(error.to_string(), "broken");
}

#[tokio::test]
async fn whoever_goes_away_between_the_two_requests_sends_no_second_one() {
    let tokens = Tokens::at_hand(2);
    tokens.shut();
    let (mut service, mut requests) = client(&tokens);
    requests.allow(2);
    assert!(service.poll_ready::<Request<()>>().is_ready());
    let mut response = Box::pin(service.call(request("/")));
    expect(&mut requests, "Bearer token-1", refusal()).await;
    assert!(poll(response.as_mut()).is_pending());
    drop(response);
    tokens.open(1);
    assert!(poll(pin!(requests.next_request())).is_pending());
}

#[tokio::test]
async fn the_second_request_finds_the_permit_of_the_first_given_back() {
    let (service, mut requests) = mock::pair::<Request<()>, Response<()>>();
    let service =
        ServiceBuilder::new().layer(layer(Tokens::at_hand(2))).concurrency_limit(1).service(service);
    requests.allow(2);
    let serve = async {
        expect(&mut requests, "Bearer token-1", refusal()).await;
        expect(&mut requests, "Bearer token-2", Response::new(())).await;
    };
    let (response, ()) = tokio::join!(service.oneshot(request("/")), serve);
    assert_eq!(response.unwrap().status(), StatusCode::OK);
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

impl Service<Request<()>> for Strict {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without being ready");
        let taken = request.headers()[AUTHORIZATION] == "Bearer token-2";
        ready(Ok(if taken { Response::new(()) } else { refusal() }))
    }
}

#[tokio::test]
async fn a_service_that_panics_when_called_unready_is_never_so_called() {
    for slow in [false, true] {
        for last in [1, 2] {
            let tokens = if slow { Tokens::slow(last) } else { Tokens::at_hand(last) };
            if slow {
                tokens.open(9);
            }
            let mut service = layer(tokens).layer(Strict::default());
            for path in ["/a", "/b", "/c"] {
                let response = service.ready().await.unwrap().call(request(path)).await.unwrap();
                assert_eq!(response.status() == StatusCode::OK, last == 2, "{path}");
            }
        }
    }
}
