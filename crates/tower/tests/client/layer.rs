//! What the layer sends, where no answer is a refusal.

use std::{
    convert::Infallible,
    future::Future,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{Request, Response, header::AUTHORIZATION};
use http_body_util::Empty;
use portcullis_core::TokenError;
use portcullis_tower::{
    ClientAuth, ClientAuthBuilder, ClientAuthErrorKind as Kind, ClientAuthLayer, SendError,
};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

use crate::tokens::{Tokens, bearer};

/// What reached the service: the URL and every `Authorization`.
type Seen = Arc<Mutex<Vec<(String, Vec<String>)>>>;

fn echo<B: Send + 'static>(
    seen: &Seen,
) -> impl Service<Request<B>, Response = Response<()>, Error = Infallible, Future: Send> + Clone + use<B> {
    let seen = Arc::clone(seen);
    service_fn(move |request: Request<B>| {
        let values = request.headers().get_all(AUTHORIZATION).iter();
        let values = values.map(|value| value.to_str().unwrap().to_owned()).collect();
        seen.lock().unwrap().push((request.uri().to_string(), values));
        async { Ok(Response::new(())) }
    })
}

fn orders() -> ClientAuthBuilder {
    ClientAuth::builder(bearer("token-1")).name("orders").url("https://orders.example/v2")
}

fn request(url: &str) -> Request<String> {
    Request::get(url).body(String::new()).unwrap()
}

fn kind<E: std::fmt::Debug>(error: SendError<E>) -> Kind {
    match error {
        SendError::Auth(error) => error.kind(),
        SendError::Service(error) => panic!("the service failed: {error:?}"),
    }
}

#[tokio::test]
async fn the_header_is_set_once_and_sensitive_and_other_headers_stay() {
    let service = ClientAuthLayer::new(orders().build().unwrap()).layer(service_fn(
        |request: Request<Empty<Bytes>>| async move {
            let values: Vec<_> = request.headers().get_all(AUTHORIZATION).iter().collect();
            assert_eq!(values, ["Bearer token-1"]);
            assert!(values[0].is_sensitive());
            assert_eq!(
                (request.headers().len(), &request.headers()["accept"]),
                (2, &http::HeaderValue::from_static("text/plain"))
            );
            Ok::<_, Infallible>(Response::new(()))
        },
    ));
    let request =
        Request::get("https://orders.example").header("accept", "text/plain").body(Empty::new()).unwrap();
    service.oneshot(request).await.unwrap();
}

#[tokio::test]
async fn what_may_not_have_the_credential_is_not_sent_at_all() {
    let seen = Seen::default();
    let service = ClientAuthLayer::new(orders().build().unwrap()).never_replay().layer(echo(&seen));
    for (url, expected) in [
        ("https://evil.example/", Kind::ForeignOrigin),
        ("http://orders.example/", Kind::PlainHttp),
        ("file://orders.example/", Kind::Scheme),
        ("/v2", Kind::NoOrigin),
    ] {
        let error = service.clone().oneshot(request(url)).await.unwrap_err();
        assert_eq!(kind(error), expected, "{url}");
    }
    assert!(seen.lock().unwrap().is_empty());
    service.oneshot(request("https://orders.example/v2")).await.unwrap();
    assert_eq!(
        *seen.lock().unwrap(),
        [("https://orders.example/v2".to_owned(), vec!["Bearer token-1".to_owned()])]
    );
}

#[tokio::test]
async fn a_request_with_an_authorization_of_its_own_goes_as_it_is_wherever_it_goes() {
    let seen = Seen::default();
    let tokens = Tokens::slow(1);
    let auth = ClientAuth::builder(tokens.clone()).url("https://orders.example").build().unwrap();
    let service = ClientAuthLayer::new(auth).never_replay().layer(echo(&seen));
    for url in ["https://orders.example/", "http://evil.example/", "/v2"] {
        let mut request = request(url);
        request.headers_mut().append(AUTHORIZATION, "Basic YTpi".parse().unwrap());
        request.headers_mut().append(AUTHORIZATION, "Bearer mine".parse().unwrap());
        service.clone().oneshot(request).await.unwrap();
        let (to, shown) = seen.lock().unwrap().pop().unwrap();
        assert_eq!((to.as_str(), shown), (url, vec!["Basic YTpi".to_owned(), "Bearer mine".to_owned()]));
    }
    assert_eq!(tokens.fetched(), 0);
}

#[tokio::test]
async fn below_a_layer_that_is_bound_a_url_without_a_host_is_the_clients_own() {
    let seen = Seen::default();
    let service =
        ClientAuthLayer::new(orders().build().unwrap()).bound_to_url().never_replay().layer(echo(&seen));
    for url in ["/pkg.Greeter/SayHello", "https://orders.example/x"] {
        service.clone().oneshot(request(url)).await.unwrap();
        assert_eq!(seen.lock().unwrap().pop().unwrap().1, ["Bearer token-1"], "{url}");
    }
    for (url, expected) in [
        ("https://evil.example/", Kind::ForeignOrigin),
        ("http://orders.example/", Kind::PlainHttp),
        ("evil.example:443", Kind::NoOrigin),
    ] {
        assert_eq!(kind(service.clone().oneshot(request(url)).await.unwrap_err()), expected, "{url}");
    }
    let without_url = ClientAuth::builder(bearer("token-1")).any_origin().build().unwrap();
    let service = ClientAuthLayer::new(without_url).bound_to_url().never_replay().layer(echo(&seen));
    assert_eq!(kind(service.oneshot(request("/x")).await.unwrap_err()), Kind::NoOrigin);
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_credential_that_is_not_at_hand_is_waited_for_and_whoever_goes_away_sends_nothing() {
    let seen = Seen::default();
    let tokens = Tokens::slow(1);
    let auth = ClientAuth::builder(tokens.clone()).url("https://orders.example").build().unwrap();
    let service = ClientAuthLayer::new(auth).never_replay().layer(echo(&seen));
    let poll = |future: std::pin::Pin<
        &mut dyn Future<Output = Result<Response<()>, SendError<Infallible>>>,
    >| { future.poll(&mut Context::from_waker(Waker::noop())) };
    let mut gone = Box::pin(service.clone().oneshot(request("https://orders.example/gone")));
    assert!(poll(gone.as_mut()).is_pending());
    drop(gone);
    let mut waits = pin!(service.oneshot(request("https://orders.example/waits")));
    assert!(poll(waits.as_mut()).is_pending());
    assert!(seen.lock().unwrap().is_empty());
    tokens.open(1);
    assert!(matches!(poll(waits.as_mut()), Poll::Ready(Ok(_))));
    assert_eq!(
        *seen.lock().unwrap(),
        [("https://orders.example/waits".to_owned(), vec!["Bearer token-1".to_owned()])]
    );
}

#[tokio::test]
async fn without_a_credential_nothing_is_sent() {
    let seen = Seen::default();
    let tokens = Tokens::slow(1);
    tokens.open(1);
    tokens.fail(TokenError::permanent("https://id.example/token answered 401, `invalid_client`"));
    let auth = ClientAuth::builder(tokens).name("orders").url("https://orders.example").build().unwrap();
    let service = ClientAuthLayer::new(auth).never_replay().layer(echo(&seen));
    let error = service.oneshot(request("https://orders.example/")).await.unwrap_err();
    assert_eq!(
        format!("{error:?}"),
        "client `orders`: there is no credential to send: https://id.example/token answered 401, `invalid_client`"
    );
    assert_eq!(kind(error), Kind::NoCredential);
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_error_of_the_service_below_comes_through() {
    let broken =
        service_fn(|_: Request<()>| async { Err::<Response<()>, _>(std::io::Error::other("reset")) });
    let service = ClientAuthLayer::new(orders().build().unwrap()).never_replay().layer(broken);
    let error = service.oneshot(Request::get("https://orders.example").body(()).unwrap()).await.unwrap_err();
    assert!(matches!(&error, SendError::Service(error) if error.to_string() == "reset"), "{error:?}");
}

#[tokio::test]
async fn it_stands_inside_and_outside_of_buffers() {
    let seen = Seen::default();
    let service = ServiceBuilder::new()
        .buffer(2)
        // The errors of the buffer below are boxed, and a box is no error.
        .map_err(SendError::into_boxed)
        .layer(ClientAuthLayer::new(orders().build().unwrap()).replay_cloned())
        .buffer(2)
        .service(echo::<String>(&seen));
    service.clone().oneshot(request("https://orders.example/")).await.unwrap();
    let error = service.oneshot(request("https://evil.example/")).await.unwrap_err();
    let error = error.downcast::<portcullis_tower::ClientAuthError>().unwrap();
    assert_eq!(error.kind(), Kind::ForeignOrigin);
}
