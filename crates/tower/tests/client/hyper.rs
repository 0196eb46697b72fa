//! The layer around the client of hyper-util, on sockets.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use portcullis_testing::TestResource;
use portcullis_tower::{ClientAuth, ClientAuthErrorKind as Kind, ClientAuthLayer, SendError};
use tokio::task::JoinSet;
use tower::{Layer, ServiceBuilder, ServiceExt};
use tower_http::follow_redirect::FollowRedirectLayer;

use crate::tokens::{Tokens, bearer};

fn client() -> Client<HttpConnector, Empty<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

fn get(url: &str) -> Request<Empty<Bytes>> {
    Request::get(url).body(Empty::new()).unwrap()
}

#[tokio::test]
async fn a_server_is_called_with_the_credential_and_once_more_after_401() {
    let server = TestResource::start().await;
    server.accept("token-2");
    let auth = ClientAuth::builder(Tokens::at_hand(2)).url(server.origin()).build().unwrap();
    let service = ClientAuthLayer::new(auth).layer(client());
    let response = service.oneshot(get(&server.url())).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hello");
    assert_eq!(server.authorizations(), [Some("Bearer token-1".into()), Some("Bearer token-2".into())]);
}

#[tokio::test]
async fn redirects_above_the_layer_are_held_to_its_rules_one_by_one() {
    let (server, other) = (TestResource::start().await, TestResource::start().await);
    server.accept("token-1");
    other.accept("token-1");
    let service = |auth: ClientAuth| {
        let layers =
            ServiceBuilder::new().layer(FollowRedirectLayer::new()).layer(ClientAuthLayer::new(auth));
        layers.service(client())
    };
    server.redirect_to(&other.url());

    let auth = ClientAuth::builder(bearer("token-1")).url(server.origin()).build().unwrap();
    let error = service(auth).oneshot(get(&server.url())).await.unwrap_err();
    let SendError::Auth(error) = error else { panic!("{error:?}") };
    assert_eq!(error.kind(), Kind::ForeignOrigin);
    assert!(error.to_string().contains(&other.origin()), "{error}");
    assert_eq!(other.call_count(), 0);

    let auth =
        ClientAuth::builder(bearer("token-1")).url(server.origin()).origin(other.origin()).build().unwrap();
    let response = service(auth).oneshot(get(&server.url())).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(other.authorizations(), [Some("Bearer token-1".into())]);
}

#[tokio::test]
async fn redirects_below_the_layer_lose_the_credential_on_the_way_to_another_origin() {
    let (server, other) = (TestResource::start().await, TestResource::start().await);
    server.redirect_to(&other.url());
    let auth = ClientAuth::builder(bearer("token-1")).url(server.origin()).build().unwrap();
    let service = ServiceBuilder::new()
        .layer(ClientAuthLayer::new(auth))
        .layer(FollowRedirectLayer::new())
        .service(client());
    let response = service.oneshot(get(&server.url())).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(server.authorizations(), [Some("Bearer token-1".into())]);
    assert_eq!(other.authorizations(), [None]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_that_are_refused_at_once_have_one_token_fetched() {
    let server = TestResource::start().await;
    server.accept("token-2");
    let tokens = Tokens::at_hand(9);
    let auth = ClientAuth::builder(tokens.clone()).url(server.origin()).build().unwrap();
    // One connection.
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http::<Empty<Bytes>>();
    let service = ClientAuthLayer::new(auth).layer(client);

    let hold = server.hold();
    let mut calls = JoinSet::new();
    for _ in 0..1_000 {
        let (service, request) = (service.clone(), get(&server.url()));
        calls.spawn(async move { service.oneshot(request).await.unwrap().status() });
    }
    // As many as a connection carries at once.
    server.called(100).await;
    hold.release();
    let answers = calls.join_all().await;
    assert_eq!((answers.len(), answers.iter().all(|status| *status == StatusCode::OK)), (1_000, true));
    assert_eq!(tokens.fetched(), 1);
    let shown = server.authorizations();
    let refused = shown.iter().filter(|shown| shown.as_deref() == Some("Bearer token-1")).count();
    assert!(refused >= 100);
    assert_eq!(shown.len(), 1_000 + refused, "each was sent once more at most");
    assert_eq!(tokens.refused_tokens(), vec!["token-1"; refused]);
}
