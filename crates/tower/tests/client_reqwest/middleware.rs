//! As a middleware of reqwest-middleware.

use std::sync::{Arc, Mutex};

use http::{Extensions, StatusCode};
use portcullis_core::TokenError;
use portcullis_testing::{TestResource, TestServer};
use portcullis_tower::{ClientAuth, ClientAuthBuilder, ClientAuthError, ClientAuthErrorKind as Kind};
use reqwest::{Request, Response};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Error, Middleware, Next};

use crate::tokens::Tokens;

/// Notes every request that goes past.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<Option<String>>>>);

#[async_trait::async_trait]
impl Middleware for Notes {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let shown = request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
        self.0.lock().unwrap().push(shown);
        next.run(request, extensions).await
    }
}

fn client(server: &TestServer, tokens: &Tokens) -> (ClientWithMiddleware, Notes) {
    with(ClientAuth::builder(tokens.clone()).name("orders").url(server.origin()))
}

fn with(auth: ClientAuthBuilder) -> (ClientWithMiddleware, Notes) {
    let (auth, notes) = (auth.build().unwrap(), Notes::default());
    (ClientBuilder::new(crate::client().build().unwrap()).with(auth).with(notes.clone()).build(), notes)
}

fn bearer(token: &str) -> Option<String> {
    Some(format!("Bearer {token}"))
}

fn kind(error: Error) -> Kind {
    let Error::Middleware(error) = error else { panic!("{error:?}") };
    error.downcast::<ClientAuthError>().unwrap().kind()
}

#[tokio::test]
async fn it_sends_the_credential_and_once_more_after_401() {
    let server = TestResource::start().await;
    server.accept("token-2");
    let tokens = Tokens::at_hand(2);
    let (client, notes) = client(&server, &tokens);
    let response = client.post(server.url()).body("order").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(server.authorizations(), [bearer("token-1"), bearer("token-2")]);
    assert_eq!(*notes.0.lock().unwrap(), [bearer("token-1"), bearer("token-2")]);
    assert!(server.calls().iter().all(|call| call.body == "order"));
}

#[tokio::test]
async fn it_keeps_to_the_rules() {
    let (server, other) = (TestResource::start().await, TestResource::start().await);
    let tokens = Tokens::at_hand(1);
    let (client, _) = client(&server, &tokens);
    assert_eq!(kind(client.get(other.url()).send().await.unwrap_err()), Kind::ForeignOrigin);
    assert_eq!(kind(client.get("http://orders.example").send().await.unwrap_err()), Kind::PlainHttp);
    assert_eq!((server.call_count(), other.call_count()), (0, 0));

    client.get(other.url()).header("authorization", "Bearer mine").send().await.unwrap();
    assert_eq!(other.authorizations(), [bearer("mine")]);
    assert!(tokens.refused_tokens().is_empty());

    // There is no other token.
    let response = client.get(server.url()).send().await.unwrap();
    assert_eq!(
        (response.status(), server.authorizations()),
        (StatusCode::UNAUTHORIZED, vec![bearer("token-1")])
    );
    assert_eq!(tokens.refused_tokens(), ["token-1"]);

    // A server elsewhere says nothing of the credential.
    server.redirect_to(&other.url());
    let response = client.get(server.url()).send().await.unwrap();
    assert_eq!((response.status(), tokens.refused_tokens().len()), (StatusCode::UNAUTHORIZED, 1));
    assert_eq!(other.authorizations(), [bearer("mine"), None]);
}

#[tokio::test]
async fn without_a_credential_nothing_is_sent_and_without_a_newer_one_the_first_answer_stands() {
    let server = TestResource::start().await;
    let tokens = Tokens::slow(1);
    tokens.open(1);
    tokens.fail(TokenError::transient("away"));
    let (without, _) = client(&server, &tokens);
    assert_eq!(kind(without.get(server.url()).send().await.unwrap_err()), Kind::NoCredential);
    assert_eq!(server.call_count(), 0);

    let tokens = Tokens::at_hand(2);
    tokens.fail(TokenError::transient("away"));
    let (failing, _) = client(&server, &tokens);
    let response = failing.get(server.url()).send().await.unwrap();
    assert_eq!((response.status(), server.call_count()), (StatusCode::UNAUTHORIZED, 1));
}

#[tokio::test]
async fn it_sends_once_where_no_other_token_can_be_had_and_where_retries_are_off() {
    let server = TestResource::start().await;
    server.accept("token-2");
    let tokens = Tokens::at_hand(2);
    tokens.unwilling();
    let (unwilling, _) = client(&server, &tokens);
    assert_eq!(unwilling.get(server.url()).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!((server.call_count(), tokens.fetched()), (1, 0));

    let tokens = Tokens::at_hand(2);
    let (off, _) = with(ClientAuth::builder(tokens.clone()).url(server.origin()).retry_on_401(false));
    assert_eq!(off.get(server.url()).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!((server.call_count(), tokens.refused_tokens().len()), (2, 0));
}

#[tokio::test]
async fn what_is_streamed_is_sent_once() {
    let server = TestResource::start().await;
    server.accept("token-2");
    let tokens = Tokens::at_hand(2);
    let (client, _) = client(&server, &tokens);
    let body = reqwest::Body::wrap(http_body_util::Full::new(bytes::Bytes::from_static(b"order")));
    let response = client.post(server.url()).body(body).send().await.unwrap();
    assert_eq!((response.status(), server.call_count()), (StatusCode::UNAUTHORIZED, 1));
    assert_eq!(client.get(server.url()).send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(server.authorizations(), [bearer("token-1"), bearer("token-2")]);
}
