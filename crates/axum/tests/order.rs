//! The order of layers: what stands outside of the layer, what within, and what goes wrong the other way round.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

#[path = "../../tower/tests/support/mod.rs"]
mod support;

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::to_bytes,
    extract::Request,
    response::Response,
    routing::{get, options},
};
use http::{
    HeaderValue, Method, StatusCode,
    header::{ACCESS_CONTROL_ALLOW_ORIGIN, AUTHORIZATION, ORIGIN},
};
use portcullis_axum::{AuthLayer, AuthRouter};
use support::{hello, request};
use tower::{ServiceBuilder, ServiceExt};
use tower_http::{cors::CorsLayer, trace::TraceLayer};

const ORIGIN_OF_APP: HeaderValue = HeaderValue::from_static("https://app.example");

fn cors() -> CorsLayer {
    CorsLayer::new().allow_origin(ORIGIN_OF_APP).allow_methods([Method::GET]).allow_headers([AUTHORIZATION])
}

fn auth() -> AuthLayer {
    AuthLayer::new(hello().build().unwrap())
}

fn routes() -> Router {
    Router::new().route("/x", get(async || "ok"))
}

async fn call(app: &Router, method: &str, path: &str, token: &str) -> Response {
    let mut request: Request = request(method, path, token);
    request.headers_mut().insert(ORIGIN, ORIGIN_OF_APP);
    if method == "OPTIONS" {
        request.headers_mut().insert("access-control-request-method", HeaderValue::from_static("GET"));
        request
            .headers_mut()
            .insert("access-control-request-headers", HeaderValue::from_static("authorization"));
    }
    app.clone().oneshot(request).await.unwrap()
}

/// The right order, by each of the ways to write it.
fn right() -> [Router; 4] {
    [
        // `Router::layer`: the last is the outermost.
        routes().layer(auth()).layer(cors()),
        routes().route_layer(auth()).layer(cors()),
        // `ServiceBuilder`: the first is the outermost.
        routes().layer(ServiceBuilder::new().layer(cors()).layer(auth())),
        AuthRouter::new()
            .route("/x", get(async || "ok"))
            .guard(&hello().build().unwrap())
            .unwrap()
            .layer(cors()),
    ]
}

#[tokio::test]
async fn with_cors_outside_a_preflight_passes_and_refusals_carry_its_headers() {
    for (at, app) in right().iter().enumerate() {
        let preflight = call(app, "OPTIONS", "/x", "").await;
        assert_eq!(preflight.status(), StatusCode::OK, "{at}");
        assert_eq!(preflight.headers()["access-control-allow-headers"], "authorization");
        for (token, status) in [("", 401), ("wrong", 401), ("a.x", 403), ("away", 503), ("a.hello", 200)] {
            let response = call(app, "GET", "/x", token).await;
            assert_eq!(response.status(), status, "{at} {token}");
            assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], ORIGIN_OF_APP);
        }
    }
}

#[tokio::test]
async fn an_options_request_reaches_no_handler_without_a_credential() {
    let app = || Router::new().route("/x", options(async || "reached")).layer(auth());
    let asked: Request = request("OPTIONS", "/x", "");
    assert_eq!(app().oneshot(asked).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    // tower-http takes each OPTIONS for a preflight, with or without its headers, and answers by itself.
    let asked: Request = request("OPTIONS", "/x", "");
    let answered = app().layer(cors()).oneshot(asked).await.unwrap();
    assert_eq!(answered.status(), StatusCode::OK);
    assert_eq!(to_bytes(answered.into_body(), 100).await.unwrap(), "");
}

#[tokio::test]
async fn with_cors_inside_a_preflight_is_refused_and_refusals_tell_a_browser_nothing() {
    let app = routes().layer(cors()).layer(auth());
    assert_eq!(call(&app, "OPTIONS", "/x", "").await.status(), StatusCode::UNAUTHORIZED);
    let refused = call(&app, "GET", "/x", "").await;
    assert!(!refused.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
}

#[tokio::test]
async fn an_unknown_route_is_404_with_route_layer_and_a_guarded_router() {
    for (at, (app, status)) in right().iter().zip([401, 404, 401, 404]).enumerate() {
        let response = call(app, "GET", "/unknown", "").await;
        assert_eq!(response.status(), status, "{at}");
        assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], ORIGIN_OF_APP);
        assert_eq!(call(app, "GET", "/unknown", "a.hello").await.status(), StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn with_tracing_outside_refusals_are_traced_too() {
    let traced = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&traced);
    let trace = TraceLayer::new_for_http().on_response(
        move |response: &http::Response<_>, _: std::time::Duration, _: &tracing::Span| {
            record.lock().unwrap().push(response.status().as_u16());
        },
    );
    let app = routes().layer(auth()).layer(cors()).layer(trace);
    for token in ["", "a.x", "a.hello"] {
        call(&app, "GET", "/x", token).await;
    }
    assert_eq!(*traced.lock().unwrap(), [401, 403, 200]);
}
