//! One request with `send_via`, and a whole client as a service.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Response, StatusCode};
use portcullis_testing::{TestResource, TestServer};
use portcullis_tower::{ClientAuth, ClientAuthErrorKind as Kind, ClientAuthLayer, SendError, SendVia};
use reqwest::{Body, Request};
use tower::{Layer, ServiceExt};

use crate::tokens::{Tokens, bearer};

fn to(server: &TestServer, tokens: &Tokens) -> ClientAuth {
    ClientAuth::builder(tokens.clone()).name("orders").url(server.origin()).build().unwrap()
}

#[tokio::test]
async fn a_request_is_sent_by_its_own_client_with_the_credential() {
    let server = TestResource::start().await;
    server.accept("token-1");
    let orders = to(&server, &Tokens::at_hand(1));
    let client = crate::client().user_agent("mine").build().unwrap();
    let response = client.get(server.url()).header("x-a", "1").send_via(&orders).await.unwrap();
    assert_eq!((response.status(), response.text().await.unwrap()), (StatusCode::OK, "hello".to_owned()));
    let call = server.calls().pop().unwrap();
    assert_eq!(
        (call.header("authorization"), call.header("x-a"), call.header("user-agent")),
        (Some("Bearer token-1"), Some("1"), Some("mine"))
    );
}

#[tokio::test]
async fn what_may_not_have_the_credential_is_not_sent() {
    let (server, other) = (TestResource::start().await, TestResource::start().await);
    let orders = to(&server, &Tokens::at_hand(1));
    for (url, kind) in [
        (other.url(), Kind::ForeignOrigin),
        ("http://orders.example/".to_owned(), Kind::PlainHttp),
        (server.url().replace("127.0.0.1", "localhost"), Kind::ForeignOrigin),
        (server.url().replace("http://", "https://"), Kind::ForeignOrigin),
    ] {
        let error = crate::client().build().unwrap().get(&url).send_via(&orders).await.unwrap_err();
        let SendError::Auth(error) = error else { panic!("{url}: {error:?}") };
        assert_eq!(error.kind(), kind, "{url}");
    }
    assert_eq!((server.call_count(), other.call_count()), (0, 0));
}

#[tokio::test]
async fn an_authorization_of_the_requests_own_is_left_alone() {
    let (server, other) = (TestResource::start().await, TestResource::start().await);
    let orders = to(&server, &Tokens::at_hand(1));
    let client = crate::client().build().unwrap();
    client.get(server.url()).bearer_auth("mine").send_via(&orders).await.unwrap();
    // reqwest appends.
    client.get(server.url()).bearer_auth("a").bearer_auth("b").send_via(&orders).await.unwrap();
    client.get(server.url().replace("http://", "http://alice:123@")).send_via(&orders).await.unwrap();
    assert_eq!(
        server.authorizations(),
        [Some("Bearer mine".into()), Some("Bearer a, Bearer b".into()), Some("Basic YWxpY2U6MTIz".into())]
    );
    client.get(other.url()).bearer_auth("mine").send_via(&orders).await.unwrap();
    assert_eq!(other.authorizations(), [Some("Bearer mine".into())]);
}

#[tokio::test]
async fn a_header_that_the_client_sends_by_default_gives_way() {
    let server = TestResource::start().await;
    let defaults =
        http::HeaderMap::from_iter([(http::header::AUTHORIZATION, "Bearer default".parse().unwrap())]);
    let client = crate::client().default_headers(defaults).build().unwrap();
    client.get(server.url()).send_via(&to(&server, &Tokens::at_hand(1))).await.unwrap();
    assert_eq!(server.authorizations(), [Some("Bearer token-1".into())]);
}

#[tokio::test]
async fn after_401_what_can_be_cloned_is_sent_once_more_with_its_body() {
    let server = TestResource::start().await;
    server.accept("token-2");
    let tokens = Tokens::at_hand(2);
    let response = crate::client()
        .build()
        .unwrap()
        .post(server.url())
        .body("order")
        .send_via(&to(&server, &tokens))
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let bodies: Vec<_> = server.calls().iter().map(|call| call.body.clone()).collect();
    assert_eq!(bodies, ["order", "order"]);
    assert_eq!(server.authorizations(), [Some("Bearer token-1".into()), Some("Bearer token-2".into())]);
    assert_eq!(tokens.fetched(), 1);
}

#[tokio::test]
async fn after_401_what_is_streamed_is_not_and_the_next_request_has_the_next_token() {
    let server = TestResource::start().await;
    server.accept("token-2");
    let tokens = Tokens::at_hand(2);
    let orders = to(&server, &tokens);
    let body = Body::wrap(http_body_util::Full::new(Bytes::from_static(b"order")));
    let response =
        crate::client().build().unwrap().post(server.url()).body(body).send_via(&orders).await.unwrap();
    assert_eq!((response.status(), server.call_count()), (StatusCode::UNAUTHORIZED, 1));
    let response = crate::client().build().unwrap().get(server.url()).send_via(&orders).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(server.authorizations(), [Some("Bearer token-1".into()), Some("Bearer token-2".into())]);
}

#[tokio::test]
async fn a_request_that_cannot_be_built_is_the_error_of_reqwest() {
    let orders = ClientAuth::builder(bearer("token-1")).any_origin().build().unwrap();
    let error = crate::client().build().unwrap().get("/relative").send_via(&orders).await.unwrap_err();
    assert!(matches!(&error, SendError::Service(error) if error.is_builder()), "{error:?}");
    let server = TestResource::start().await;
    server.go_down().await;
    let error = crate::client().build().unwrap().get(server.url()).send_via(&orders).await.unwrap_err();
    assert!(matches!(&error, SendError::Service(error) if error.is_connect()), "{error:?}");
}

#[tokio::test]
async fn a_client_is_a_service_below_the_layer() {
    let server = TestResource::start().await;
    server.accept("token-2");
    let service =
        ClientAuthLayer::new(to(&server, &Tokens::at_hand(2))).layer(crate::client().build().unwrap());
    let request = || Request::new(reqwest::Method::GET, server.url().parse().unwrap());
    assert_eq!(service.clone().oneshot(request()).await.unwrap().status(), StatusCode::OK);
    // What it answers can be sent from any task.
    let task = tokio::spawn(service.oneshot(request()));
    assert_eq!(task.await.unwrap().unwrap().status(), StatusCode::OK);
    let never = ClientAuthLayer::new(to(&server, &Tokens::at_hand(2)))
        .never_replay()
        .layer(crate::client().build().unwrap());
    assert_eq!(never.oneshot(request()).await.unwrap().status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_401_of_another_server_after_a_redirect_says_nothing_of_the_credential() {
    let foreign = TestResource::start().await;
    let tokens = Tokens::at_hand(2);
    let elsewhere = Arc::new(Mutex::new(foreign.url()));
    let server = {
        let elsewhere = Arc::clone(&elsewhere);
        TestServer::start(move |call| {
            let answer = Response::builder();
            let answer = if call.path() == "/away" {
                answer.status(302).header("location", elsewhere.lock().unwrap().as_str())
            } else {
                answer.status(401)
            };
            answer.body(Bytes::new()).unwrap()
        })
        .await
    };
    let orders = to(&server, &tokens);
    let away = format!("{}/away", server.origin());
    let response = crate::client().build().unwrap().get(&away).send_via(&orders).await.unwrap();
    assert_eq!((response.status(), foreign.authorizations()), (StatusCode::UNAUTHORIZED, vec![None]));
    assert_eq!((tokens.refused_tokens().len(), server.call_count()), (0, 1));
    // A body that is sent once only leads to the same.
    let body = Body::wrap(http_body_util::Full::new(Bytes::from_static(b"order")));
    crate::client().build().unwrap().post(&away).body(body).send_via(&orders).await.unwrap();
    assert_eq!((tokens.refused_tokens().len(), server.call_count()), (0, 2));
    // Of the server itself it does.
    *elsewhere.lock().unwrap() = format!("{}/here", server.origin());
    crate::client().build().unwrap().get(&away).send_via(&orders).await.unwrap();
    assert_eq!(tokens.refused_tokens(), ["token-1"]);
}
