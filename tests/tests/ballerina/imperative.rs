//! Area imperative: a handler of one's own asks the provider.

use std::sync::Arc;

use axum::{Router, extract::State, routing::get};
use http::{HeaderMap, HeaderValue, Request, StatusCode, header::AUTHORIZATION};
use portcullis::{Auth, Clock, Config, Provider, RequestHead, authenticate_header, authorize};
use portcullis_tests::data;
use tower::ServiceExt;

use super::setting::{JWT, clock, token, tokens};

#[derive(Clone)]
struct Handlers {
    provider: Arc<dyn Provider>,
    auth: Auth,
    clock: Arc<dyn Clock>,
}

fn forbidden_or(scopes: &portcullis::Principal) -> StatusCode {
    authorize(scopes, ["write", "update"]).map_or_else(|rejection| rejection.status(), |()| StatusCode::OK)
}

/// Asks with the whole request: method, path and headers.
async fn by_request(State(own): State<Handlers>, request: Request<axum::body::Body>) -> StatusCode {
    let head = RequestHead::new(request.method(), request.uri().path(), request.headers());
    match own.auth.decided(&head).await {
        Ok(admission) => admission.principal().map_or(StatusCode::UNAUTHORIZED, forbidden_or),
        Err(rejection) => rejection.status(),
    }
}

/// Asks with the headers alone.
async fn by_headers(State(own): State<Handlers>, headers: HeaderMap) -> StatusCode {
    match headers.get(AUTHORIZATION) {
        Some(value) => by_value(&own, value).await,
        None => StatusCode::UNAUTHORIZED,
    }
}

/// Asks with the value of the header.
async fn by_string(State(own): State<Handlers>, headers: HeaderMap) -> StatusCode {
    let text = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    by_value(&own, &HeaderValue::from_str(text).unwrap()).await
}

async fn by_value(own: &Handlers, value: &HeaderValue) -> StatusCode {
    match authenticate_header(&own.provider, value, &own.clock).await {
        Ok(principal) => forbidden_or(&principal),
        Err(rejection) => rejection.status(),
    }
}

async fn statuses(token: &str) -> Vec<u16> {
    let text = format!("[services.\"/imp\"]\nauth = [{{ {JWT} }}]\n");
    let config = Config::builder().clock(clock()).parse(&text, data("ballerina/data")).unwrap();
    let auth = config.service("/imp").unwrap().build().await.unwrap();
    let provider = Arc::clone(auth.policy().elements()[0].provider());
    let app = Router::new()
        .route("/imp/request", get(by_request))
        .route("/imp/headers", get(by_headers))
        .route("/imp/string", get(by_string))
        .with_state(Handlers { provider, auth, clock: clock() });
    let mut found = Vec::new();
    for path in ["/imp/request", "/imp/headers", "/imp/string"] {
        let request = Request::get(path).header(AUTHORIZATION, format!("Bearer {token}"));
        let answer = app.clone().oneshot(request.body(axum::body::Body::empty()).unwrap()).await.unwrap();
        found.push(answer.status().as_u16());
    }
    found
}

#[tokio::test]
async fn http_imp_01() {
    for token in tokens(&["http:JWT1", "http:JWT1_1", "http:JWT1_2"]) {
        assert_eq!(statuses(&token).await, [200, 200, 200]);
    }
    assert_eq!(statuses(&token("http:JWT2")).await, [403, 403, 403]);
}

#[tokio::test]
async fn http_imp_03() {
    assert_eq!(statuses(&token("http:JWT3")).await, [401, 401, 401]);
}
